//! Rules R3 and R4: what more of something costs, and what the worst costs. Work is counted in fuel, and a call that goes
//! on beyond what it may cost is stopped by it: no event holds up the suite.

use plugin::{Fault, FaultKind, Role};

use crate::context::Context;
use crate::feed::{Items, Text};
use crate::samples::{Events, Json, Slot, nasty};
use crate::session::Session;
use crate::verdict::Stop;

/// What the host's default limits of time (1 s a call and 1 µs a byte) buy at three thousand million instructions a
/// second. A JavaScript scorer was measured at seven thousand million, on a busy machine.
const FUEL_PER_CALL: u64 = 3_000_000_000;
const FUEL_PER_BYTE: u64 = 3_000;
/// The part of that which a plugin may use: machines are slow, busy, and shared.
const BUDGET_PART: u64 = 2;
/// What four times the input may cost: 2.5 for each doubling.
const QUADRUPLE_MAX: f64 = 6.25;
/// Places at which that is tried, those at which the worst is, and those at which characters are repeated.
const GROWING_PLACES_MAX: usize = 4;
const WORST_PLACES_MAX: usize = 2;
const SEATS_MAX: usize = 4;
/// Characters that are repeated: those that people trim, pad with, split at and escape, and a letter of each length.
const REPEATED: [char; 20] =
    ['0', '9', ' ', 'a', 'Z', '.', '-', '_', '/', '\\', '"', '(', '[', '%', '@', ',', '\t', '\n', 'é', '事'];
/// How often at first where that grows, and how often at worst: a few are enough for a search that tries all ways.
const REPEATED_FROM: usize = 16 << 10;
const REPEATED_WORST: [usize; 4] = [40, 250, 4000, 300_000];

pub(super) const NO_FUEL: &str = "fuel is not counted in this run";

/// What a call with so many bytes can cost before the host stops it.
fn limit(bytes: usize) -> u64 {
    FUEL_PER_CALL + FUEL_PER_BYTE * bytes as u64
}

/// What a call with so many bytes may cost.
fn budget(bytes: usize) -> u64 {
    limit(bytes) / BUDGET_PART
}

/// The fuel of a call, which has to have an answer.
pub(super) fn fuel(session: &mut Session, items: &Items, what: &str) -> Result<u64, Stop> {
    fuel_if_answered(session, items, what, false)?.ok_or_else(|| Stop::not_applicable(NO_FUEL))
}

/// The fuel of a call; `None` where the items are odd and it has no answer, which is for the group `totality` to judge. The
/// session is of no more use then.
fn fuel_if_answered(session: &mut Session, items: &Items, what: &str, is_odd: bool) -> Result<Option<u64>, Stop> {
    session.fuel_max(limit(items.bytes()));
    match session.call(items) {
        Ok(cost) => cost.fuel.map(Some).ok_or_else(|| Stop::not_applicable(NO_FUEL)),
        Err(fault) if is_odd && fault.kind != FaultKind::TimedOut => Ok(None),
        Err(fault) => Err(no_answer(what, session.role(), &fault)),
    }
}

fn no_answer(what: &str, role: Role, fault: &Fault) -> Stop {
    Stop::failed(format!("{what}, as {}", role.name()), fault.to_string(), "an answer")
}

pub(super) fn within(what: &str, role: Role, fuel: u64, bytes: usize) -> Result<(), Stop> {
    let budget = budget(bytes);
    if fuel > budget {
        let input = format!("{what}, {bytes} bytes, as {}", role.name());
        return Err(Stop::failed(input, format!("{fuel} fuel"), format!("at most {budget}")));
    }
    Ok(())
}

/// Something that there can be more of.
struct Growing {
    what: String,
    /// How much there is at first; then twice and four times as much.
    from: usize,
    /// Items with so much of it.
    make: Box<Make>,
    /// Whether they are of what the rules of totality ask about: they need not have an answer.
    is_odd: bool,
}

type Make = dyn Fn(&mut Events, usize) -> Vec<Text>;
type AtPlace = fn(&mut Events, Role, &str, usize) -> Vec<Text>;

const GROWING: [(&str, usize, AtPlace); 6] = [
    ("events or pairs", 256, many_items),
    ("times the same event or pair", 256, many_same),
    ("bytes of a string", 1024, long_strings),
    ("bytes of a long string", 16 << 10, long_strings),
    ("members of an object", 200, many_members),
    ("elements of an array", 1000, many_elements),
];

pub(super) fn doubling(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let input = context.session(role)?.input().clone();
    let places = context.events(&input).places(context.options().reach.of(GROWING_PLACES_MAX));
    let mut told = Vec::new();
    for (what, from, make) in GROWING {
        let mut most: f64 = 0.0;
        for place in places.clone() {
            let what = format!("{what} at {place}");
            let make = Box::new(move |events: &mut Events, count| make(events, role, &place, count));
            most = most.max(fourfold(context, role, &Growing { what, from, make, is_odd: false })?);
        }
        told.push(format!("{most:.1} for {what}"));
    }
    let mut most: f64 = 0.0;
    for row in rows(context, role, &places) {
        most = most.max(fourfold(context, role, &again_and_again(row, role))?);
    }
    told.push(format!("{most:.1} for one character again and again"));
    context.remark(format!("{}: four times as much costs at most {} times as much", role.name(), told.join(", ")));
    Ok(())
}

/// How many times as much four times the input costs; 0 where it is odd and has no answer.
fn fourfold(context: &Context<'_>, role: Role, growing: &Growing) -> Result<f64, Stop> {
    let Growing { what, from, make, is_odd } = growing;
    let mut session = context.session(role)?;
    let mut cost = |times: usize| {
        // The same events each time, but for what there is more of.
        let mut events = context.events(session.input());
        let items = session.items(make(&mut events, from * times));
        fuel_if_answered(&mut session, &items, &format!("{} {what}", from * times), *is_odd)
    };
    // Once more for whatever is made at the first call; twice as much is there for the report.
    let [_, Some(once), Some(twice), Some(four)] = [cost(1)?, cost(1)?, cost(2)?, cost(4)?] else { return Ok(0.0) };
    if four as f64 <= QUADRUPLE_MAX * once as f64 {
        return Ok(four as f64 / once as f64);
    }
    let input = format!("{from}, {} and {} {what}, as {}", 2 * from, 4 * from, role.name());
    let max = QUADRUPLE_MAX * once as f64;
    let wanted = format!("at most {max:.0} for the last: 2.5 times as much for each doubling");
    Err(Stop::failed(input, format!("{once}, {twice} and {four} fuel"), wanted))
}

/// Where one character is put again and again.
#[derive(Clone)]
enum Seat {
    /// The string at a place.
    String(String),
    /// The number at a place.
    Number(String),
    /// Where the plugin is known to take other texts.
    Slot(Slot),
}

/// How the row of one character stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Nothing else is there; of a number, before the point.
    Alone,
    /// A third of it at the beginning, one inside and one at the end of a text; of a number, after the point.
    Within,
}

/// A row of one character.
#[derive(Clone)]
struct Row {
    seat: Seat,
    shape: Shape,
    what: char,
}

/// All rows that are tried.
fn rows(context: &Context<'_>, role: Role, places: &[String]) -> Vec<Row> {
    let mut rows = Vec::new();
    for seat in seats(context, role, places) {
        for shape in [Shape::Alone, Shape::Within] {
            // What is no digit makes no number.
            let fits = |what: &char| what.is_ascii_digit() || !matches!(seat, Seat::Number(_));
            let row = |what| Row { seat: seat.clone(), shape, what };
            rows.extend(REPEATED.into_iter().filter(fits).map(row));
        }
    }
    rows
}

fn seats(context: &Context<'_>, role: Role, places: &[String]) -> Vec<Seat> {
    let known = context.known();
    let slots = known.slots.iter().filter(|slot| role == Role::KeyExtractor && !slot.is_free());
    let max = context.options().reach.of(SEATS_MAX);
    let places = places.iter().take(max).cloned();
    let at_places = places.flat_map(|place| [Seat::String(place.clone()), Seat::Number(place)]);
    at_places.chain(slots.take(max).cloned().map(Seat::Slot)).collect()
}

impl Row {
    /// Items with so many of the character.
    fn items(&self, events: &mut Events, role: Role, count: usize) -> Vec<Text> {
        let text = self.text(count);
        match &self.seat {
            Seat::String(place) => {
                let other = format!("{text}b");
                vec![text_of(events, role, place, [Json::String(text), Json::String(other)])]
            }
            Seat::Number(place) => {
                let mut numbers = [format!("1{text}"), format!("0.{text}1")];
                if self.shape == Shape::Within {
                    numbers.reverse();
                }
                vec![text_of(events, role, place, numbers.map(Json::Number))]
            }
            Seat::Slot(slot) => vec![Text::Event(slot.text(&text))],
        }
    }

    fn text(&self, count: usize) -> String {
        let row = |count| self.what.to_string().repeat(count);
        match (self.shape, &self.seat) {
            (Shape::Alone, _) | (_, Seat::Number(_)) => row(count),
            (Shape::Within, _) => format!("{0}k{0}k{0}", row(count / 3)),
        }
    }

    fn words(&self) -> String {
        let Self { seat, shape, what } = self;
        let where_it_is = match seat {
            Seat::String(place) => format!("in a string at {place}"),
            Seat::Number(place) => format!("in a number at {place}"),
            Seat::Slot(slot) => format!("at {}, after {:?} and before {:?}", slot.place, slot.before, slot.after),
        };
        let how = match (shape, seat) {
            (Shape::Alone, _) => "",
            (Shape::Within, Seat::Number(_)) => ", after its point",
            (Shape::Within, _) => ", with a letter between each third",
        };
        format!("times {what:?} {where_it_is}{how}")
    }
}

fn again_and_again(row: Row, role: Role) -> Growing {
    let words = row.words();
    let make = Box::new(move |events: &mut Events, count| row.items(events, role, count));
    Growing { what: words, from: REPEATED_FROM, make, is_odd: true }
}

/// An event with a value at a place, for its keys; for scores, beside one that has another there.
fn text_of(events: &mut Events, role: Role, place: &str, values: [Json; 2]) -> Text {
    let event = events.full_tree();
    let [left, right] = values.map(|value| {
        let mut event = event.clone();
        event.set(place, value);
        event.text()
    });
    match role {
        Role::KeyExtractor => Text::Event(left),
        Role::SimilarityScorer => Text::Pair(left, right),
    }
}

fn many_items(events: &mut Events, role: Role, _place: &str, count: usize) -> Vec<Text> {
    let item = |events: &mut Events| match role {
        Role::KeyExtractor => Text::Event(events.text()),
        Role::SimilarityScorer => Text::Pair(events.text(), events.text()),
    };
    (0..count).map(|_| item(events)).collect()
}

fn many_same(events: &mut Events, role: Role, _place: &str, count: usize) -> Vec<Text> {
    let (event, other) = (events.keyed_tree().text(), events.text());
    let item = match role {
        Role::KeyExtractor => Text::Event(event),
        Role::SimilarityScorer => Text::Pair(event, other),
    };
    vec![item; count]
}

fn long_strings(events: &mut Events, role: Role, place: &str, bytes: usize) -> Vec<Text> {
    let strings = ["ab", "ba"].map(|text| Json::string(text.repeat(bytes / 2)));
    vec![text_of(events, role, place, strings)]
}

fn many_members(events: &mut Events, role: Role, place: &str, count: usize) -> Vec<Text> {
    let mut others = nasty::members(count);
    if let Json::Object(members) = &mut others {
        members.iter_mut().step_by(2).for_each(|(_, value)| *value = Json::Bool(true));
    }
    vec![text_of(events, role, place, [nasty::members(count), others])]
}

fn many_elements(events: &mut Events, role: Role, place: &str, count: usize) -> Vec<Text> {
    let mut others = nasty::elements(count);
    if let Json::Array(elements) = &mut others {
        elements.reverse();
    }
    vec![text_of(events, role, place, [nasty::elements(count), others])]
}

pub(super) fn worst_cases(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut session = context.session(role)?;
    let mut dearest: Option<(f64, String)> = None;
    let mut events = context.events(session.input());
    let batches = worst(&mut events, role, context.options().reach.of(WORST_PLACES_MAX));
    let places = events.places(SEATS_MAX);
    // Each is made when it is its turn: together they are large.
    let rows = rows(context, role, &places);
    let each = REPEATED_WORST.into_iter().flat_map(|count| rows.iter().map(move |row| (count, row)));
    let rows = each.map(|(count, row)| {
        let texts = row.items(&mut events, role, count);
        Worst { name: format!("{count} {}", row.words()), texts, is_odd: true }
    });
    for Worst { name, texts, is_odd } in batches.into_iter().chain(rows) {
        let items = session.items(texts);
        if items.len() == 0 {
            continue;
        }
        let bytes = items.bytes();
        let Some(fuel) = fuel_if_answered(&mut session, &items, &name, is_odd)? else {
            session = context.session(role)?;
            continue;
        };
        within(&name, role, fuel, bytes)?;
        let part = fuel as f64 / budget(bytes) as f64;
        if dearest.as_ref().is_none_or(|(before, _)| *before < part) {
            dearest = Some((part, name));
        }
    }
    if let Some((part, name)) = dearest {
        context.remark(format!("{}: most expensive are {name}, {:.1} % of the budget", role.name(), 100.0 * part));
    }
    Ok(())
}

/// A batch that may cost much.
struct Worst {
    name: String,
    texts: Vec<Text>,
    /// Whether it is of what the rules of totality ask about.
    is_odd: bool,
}

/// Batches that cost much in one way or the other.
fn worst(events: &mut Events, role: Role, places_max: usize) -> Vec<Worst> {
    let mut batches: Vec<Worst> = Vec::new();
    for place in events.places(places_max) {
        for (name, value) in nasty::nested().into_iter().chain(nasty::large()) {
            let texts = vec![text_of(events, role, &place, [value.clone(), value])];
            batches.push(Worst { name: format!("{name} at {place}"), texts, is_odd: true });
        }
        let mut add = |name: &str, texts: Vec<Text>| {
            batches.push(Worst { name: format!("200 events or pairs with {name} at {place}"), texts, is_odd: false });
        };
        let beginning = "a".repeat(4000);
        let ends = |number: usize| ["x", "y"].map(|end| Json::string(format!("{beginning}{number}{end}")));
        add("long common prefixes", (0..200).map(|number| text_of(events, role, &place, ends(number))).collect());
        let shifted = || ["ab", "ba"].map(|text| Json::string(text.repeat(2000)));
        add("long strings, alike and shifted", (0..200).map(|_| text_of(events, role, &place, shifted())).collect());
        add("200 members", (0..200).flat_map(|_| many_members(events, role, &place, 200)).collect());
    }
    batches
}
