//! What is to be said of duplicates, worked out again from the events in the plainest way: whole events in memory, one
//! pair at a time. It knows the documentation and nothing of the host's code; how the host should answer is not taken
//! from any answer of the host.

pub mod answers;
pub mod schema;
pub mod stream;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

/// One event as it stands in its partition.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its partition.
    pub partition: i64,
    /// Its offset.
    pub offset: i64,
    /// Its time in milliseconds, where it has one.
    pub time: Option<i64>,
    /// Its bytes.
    pub payload: Vec<u8>,
}

impl Event {
    /// The event, parsed.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("generated events are JSON")
    }
}

/// What makes two events the same, and how they are compared.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// JSON pointers of the fields of `composite_key`.
    pub key: &'a [&'a str],
    /// JSON pointer of the uuid.
    pub uuid: &'a str,
    /// What scores.
    pub scorer: Scorer,
    /// JSON pointers at and below which the scorer looks at nothing.
    pub ignore: &'a [&'a str],
    /// Events less alike than this to every original of their key pass, and are originals of it as well.
    pub forward_below: Option<f64>,
}

/// The scorers that the project ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scorer {
    /// `property_similarity`.
    Properties,
    /// `string_distance`.
    Strings,
}

/// The defaults of `composite_key` and `property_similarity`.
pub const RULES: Rules<'static> = Rules {
    key: &["/timestamp", "/distinct_id", "/token", "/event"],
    uuid: "/uuid",
    scorer: Scorer::Properties,
    ignore: &[],
    forward_below: None,
};

/// Weight of what lies outside of `/properties`.
const FIELD_WEIGHT: f64 = 0.7;
/// Objects nested deeper than this are not taken apart.
const LEVELS_MAX: usize = 16;
/// Originals of one key.
const ORIGINALS_MAX: usize = 16;
/// Distinct uuids counted exactly.
const UUIDS_EXACT_MAX: usize = 16;
/// Four standard errors of the estimate beyond that, as a share.
pub const ESTIMATE_ERROR: f64 = 4.0 * 0.065;
/// Sums of numbers may be added up in another order.
const CLOSE: f64 = 1e-9;

/// A property that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// `changed`, `added` or `removed`.
    pub kind: &'static str,
    /// What the original has there.
    pub original: Option<Value>,
    /// What the duplicate has there.
    pub duplicate: Option<Value>,
}

/// All that is to be said of one duplicate.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Its partition and offset.
    pub place: (i64, i64),
    /// Offset of the original.
    pub original: i64,
    /// Their key as text.
    pub key: String,
    /// Event times, in milliseconds: the original's and its own.
    pub times: [Option<i64>; 2],
    /// The uuids: the original's and its own.
    pub uuids: [Option<String>; 2],
    /// The kind of duplicate.
    pub outcome: &'static str,
    /// It passes, as too unlike every original; the one named is that which it is most alike to, and does not count it.
    pub forwarded: bool,
    /// Duplicates of the original so far.
    pub count: u64,
    /// Distinct uuids of the original and its duplicates so far.
    pub distinct_uuids: usize,
    /// How alike the uuids are.
    pub uuid_similarity: Option<f64>,
    /// How alike the events are.
    pub similarity: f64,
    /// How alike their properties are.
    pub property_similarity: f64,
    /// What differs, by pointer.
    pub changed: BTreeMap<String, Change>,
    /// What is the same.
    pub same: BTreeSet<String>,
}

/// What is known of an original.
struct Original<'a> {
    event: &'a Event,
    duplicates: u64,
    uuids: BTreeSet<String>,
}

/// Explains every duplicate among events, which are in the order of their offsets in each partition and all inside of
/// one window.
#[must_use]
pub fn explain(events: &[Event], rules: &Rules<'_>) -> Vec<Explained> {
    let mut originals: HashMap<(i64, String), Vec<Original<'_>>> = HashMap::new();
    let mut explained = Vec::new();
    for event in events {
        let value = event.json();
        let Some(key) = key(&value, rules) else { continue };
        let originals = originals.entry((event.partition, key.clone())).or_default();
        let own = uuid(&value, rules);
        let pairs = originals.iter().map(|original| of_pair(original, &key, event, &value, rules)).enumerate();
        // Of those that are as alike the first.
        let closest = pairs.reduce(|best, next| if next.1.similarity > best.1.similarity { next } else { best });
        let passes =
            closest.as_ref().is_none_or(|(_, pair)| rules.forward_below.is_some_and(|bound| pair.similarity < bound));
        if passes && originals.len() < ORIGINALS_MAX {
            let uuids = own.iter().map(|uuid| spelled(uuid)).collect();
            originals.push(Original { event, duplicates: 0, uuids });
        }
        let Some((nth, mut pair)) = closest else { continue };
        pair.forwarded = passes;
        if !passes {
            let original = &mut originals[nth];
            original.duplicates += 1;
            original.uuids.extend(own.iter().map(|uuid| spelled(uuid)));
            (pair.count, pair.distinct_uuids) = (original.duplicates, original.uuids.len());
        }
        explained.push(pair);
    }
    explained
}

fn of_pair(original: &Original<'_>, key: &str, event: &Event, value: &Value, rules: &Rules<'_>) -> Explained {
    let first = original.event.json();
    let uuids = [uuid(&first, rules), uuid(value, rules)];
    let same_uuid = uuids[0].as_deref().map(spelled) == uuids[1].as_deref().map(spelled);
    let (mut changed, mut same) = (BTreeMap::new(), BTreeSet::new());
    // How alike each row is: those outside of the properties, and those inside.
    let mut likenesses = [Vec::new(), Vec::new()];
    let (mine, theirs) = (properties(&first), properties(value));
    for path in mine.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let sides = [mine.get(path), theirs.get(path)];
        if rules.ignore.iter().any(|root| is_in(path, root)) || !rules.scorer.looks_at(sides) {
            continue;
        }
        let kind = match sides {
            [Some(one), Some(other)] if rules.scorer.is_same(path, one, other) => None,
            [Some(_), Some(_)] if path == rules.uuid && same_uuid && uuids[0].is_some() => None,
            [Some(_), Some(_)] => Some("changed"),
            [Some(_), None] => Some("removed"),
            [None, _] => Some("added"),
        };
        let likeness = if kind.is_none() { 1.0 } else { rules.scorer.likeness(sides) };
        likenesses[usize::from(is_in(path, "/properties"))].push(likeness);
        match kind {
            None => drop(same.insert(path.clone())),
            Some(kind) => {
                let [original, duplicate] = sides.map(Option::<&Value>::cloned);
                changed.insert(path.clone(), Change { kind, original, duplicate });
            }
        }
    }
    let (similarity, property_similarity) = rules.scorer.scores(&likenesses);
    let besides_uuid = changed.keys().any(|path| path != rules.uuid);
    Explained {
        place: (event.partition, event.offset),
        original: original.event.offset,
        key: key.to_owned(),
        times: [original.event.time, event.time],
        outcome: match (same_uuid, besides_uuid) {
            (true, false) => "same_event",
            (false, false) => "only_uuid_different",
            (true, true) => "same_uuid",
            (false, true) => "content_differs",
        },
        forwarded: false,
        count: 0,
        distinct_uuids: 0,
        uuid_similarity: uuid_similarity(&uuids),
        uuids,
        similarity,
        property_similarity,
        changed,
        same,
    }
}

impl Scorer {
    /// Strings alone have edits.
    fn looks_at(self, sides: [Option<&Value>; 2]) -> bool {
        self == Self::Properties || sides.into_iter().flatten().any(Value::is_string)
    }

    fn is_same(self, path: &str, one: &Value, other: &Value) -> bool {
        let is_instant = self == Self::Properties && is_in(path, "/timestamp");
        let same_instant = || instant(one).zip(instant(other)).is_some_and(|(one, other)| one == other);
        equal(one, other) || is_instant && same_instant()
    }

    /// Of values that differ.
    fn likeness(self, sides: [Option<&Value>; 2]) -> f64 {
        match (self, sides.map(|side| side.and_then(Value::as_str))) {
            (Self::Strings, [Some(one), Some(other)]) => {
                let [one, other] = [one, other].map(|text| text.chars().collect::<Vec<_>>());
                1.0 - edits(&one, &other) as f64 / one.len().max(other.len()) as f64
            }
            _ => 0.0,
        }
    }

    /// Of the whole, and of the properties.
    fn scores(self, likenesses @ [fields, properties]: &[Vec<f64>; 2]) -> (f64, f64) {
        let mean = |of: &[f64]| (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64);
        let whole = match (self, mean(fields), mean(properties)) {
            (Self::Strings, ..) => mean(&likenesses.concat()),
            (Self::Properties, Some(fields), Some(properties)) => {
                Some(FIELD_WEIGHT * fields + (1.0 - FIELD_WEIGHT) * properties)
            }
            (Self::Properties, fields, properties) => fields.or(properties),
        };
        (whole.unwrap_or(1.0), mean(properties).unwrap_or(1.0))
    }
}

/// Fewest insertions, removals and replacements: the whole table of Levenshtein.
fn edits(one: &[char], other: &[char]) -> usize {
    let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            table[i][j] = match (i, j) {
                (0, edits) | (edits, 0) => edits,
                (i, j) => {
                    let replaced = table[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
                    replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1)
                }
            };
        }
    }
    table[one.len()][other.len()]
}

/// The parts joined by colons; a colon or backslash in a part gets a backslash.
fn key(event: &Value, rules: &Rules<'_>) -> Option<String> {
    let part = |pointer: &&str| {
        let value = event.pointer(pointer).filter(|value| !value.is_null())?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(text.replace('\\', "\\\\").replace(':', "\\:"))
    };
    rules.key.iter().map(part).collect::<Option<Vec<_>>>().map(|parts| parts.join(":"))
}

/// Any scalar, numbers by value.
fn uuid(event: &Value, rules: &Rules<'_>) -> Option<String> {
    let text = match event.pointer(rules.uuid)? {
        Value::String(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(value) if value.fract() == 0.0 && value.abs() < 1e15 => format!("{}", value as i64),
            Some(_) | None => number.to_string(),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// One spelling for all of a uuid: its digits. Other text is its own.
fn spelled(uuid: &str) -> String {
    let lower = uuid.to_ascii_lowercase();
    let rest = lower.strip_prefix("urn:uuid:").unwrap_or(&lower);
    let rest = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(rest);
    let parts: Vec<usize> = rest.split('-').map(str::len).collect();
    let digits = rest.replace('-', "");
    let is_uuid = (parts == [8, 4, 4, 4, 12] || parts == [32]) && digits.chars().all(|c| c.is_ascii_hexdigit());
    if is_uuid { digits } else { uuid.to_owned() }
}

/// Share of equal characters, place by place, over the longer length; of two uuids, of their digits.
fn uuid_similarity([one, other]: &[Option<String>; 2]) -> Option<f64> {
    let (one, other) = (one.as_ref()?, other.as_ref()?);
    let spellings = [spelled(one), spelled(other)];
    let are_uuids = spellings.iter().all(|text| text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit()));
    let plain = |text: &str| text.chars().collect::<Vec<char>>();
    let [one, other] = if are_uuids { spellings.map(|text| plain(&text)) } else { [plain(one), plain(other)] };
    let equal = one.iter().zip(&other).filter(|(one, other)| one == other).count();
    Some(equal as f64 / one.len().max(other.len()) as f64)
}

/// Whether a pointer is at or below another.
fn is_in(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// An event taken apart: scalars, arrays as a whole, empty objects and those too deep, each by its pointer.
#[must_use]
pub fn properties(event: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    take_apart(event, String::new(), 0, &mut found);
    found
}

fn take_apart(value: &Value, path: String, level: usize, found: &mut BTreeMap<String, Value>) {
    let members = value.as_object().filter(|members| !members.is_empty() && level < LEVELS_MAX);
    let Some(members) = members else { return drop(found.insert(path, value.clone())) };
    for (name, value) in members {
        let name = name.replace('~', "~0").replace('/', "~1");
        take_apart(value, format!("{path}/{name}"), level + 1, found);
    }
}

/// Equality by value: 1 is 1.0, and the order of members does not count.
#[must_use]
pub fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has = |(name, value): (&String, &Value)| other.get(name).is_some_and(|other| equal(value, other));
            one.len() == other.len() && one.iter().all(has)
        }
        _ => one == other,
    }
}

/// Milliseconds since the epoch of a text such as `2026-01-01T12:00:00.5+02:00`, as whole days counted one by one.
#[must_use]
pub fn instant(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of = |month: i64| match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let days = (1970..year).map(|year| 365 + i64::from(is_leap(year))).sum::<i64>()
        + (1..month).map(days_of).sum::<i64>()
        + day
        - 1;
    let rest = text.get(19..)?;
    let digits = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    let fraction: String = rest.chars().skip(1).take(digits).chain("000".chars()).take(3).collect();
    let zone = rest.get(if digits > 0 { 1 + digits } else { 0 }..)?;
    let zone_minutes = match zone.get(..1)? {
        "Z" => 0,
        sign => {
            let minutes = zone.get(1..3)?.parse::<i64>().ok()? * 60 + zone.get(4..6)?.parse::<i64>().ok()?;
            if sign == "-" { -minutes } else { minutes }
        }
    };
    let minutes = (days * 24 + number(11, 13)?) * 60 + number(14, 16)? - zone_minutes;
    Some((minutes * 60 + number(17, 19)?) * 1_000 + fraction.parse::<i64>().ok()?)
}

/// Members that every record has.
const MEMBERS: [&str; 10] = [
    "version",
    "key",
    "outcome",
    "count",
    "distinct_uuids",
    "uuid_similarity",
    "extractor",
    "scorer",
    "original",
    "duplicate",
];

/// Members of a record that was scored, beside those.
const SCORED: [&str; 5] = ["distinct_uuids_exact", "similarity", "property_similarity", "changed", "same"];

impl Explained {
    /// Seconds between the two events, whichever came first.
    #[must_use]
    pub fn gap_seconds(&self) -> Option<f64> {
        let [original, duplicate] = self.times;
        Some((duplicate? - original?).abs() as f64 / 1_000.0)
    }

    /// Checks all of a record of the host against this: every member, and that there is no other.
    pub fn check(&self, record: &Value, topic: &str, events: [&Event; 2]) {
        let members: BTreeSet<&str> = record.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(members, MEMBERS.into_iter().chain(SCORED).collect(), "{record}");
        self.check_identity(record, topic);
        self.check_counts(record);
        self.check_scores(record);
        self.check_properties(record);
        for (side, event) in ["original", "duplicate"].iter().zip(events) {
            assert!(equal(&record[side]["event"], &event.json()), "the {side} is not what it was: {record}");
        }
    }

    /// The key, the outcome and where both events are.
    pub fn check_identity(&self, record: &Value, topic: &str) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        assert_eq!((&record["version"], text(&record["key"])), (&Value::from(1), Some(self.key.clone())), "{record}");
        assert_eq!(text(&record["outcome"]).as_deref(), Some(self.outcome), "{self:?}\n{record}");
        let offsets = [self.original, self.place.1];
        for (nth, side) in ["original", "duplicate"].into_iter().enumerate() {
            let side = &record[side];
            assert_eq!(text(&side["topic"]).as_deref(), Some(topic), "{record}");
            assert_eq!(side["partition"], self.place.0, "{record}");
            assert_eq!(side["offset"], offsets[nth], "{self:?}\n{record}");
            // An event without a time has a test of its own.
            assert!(self.times[nth].is_none() || side["time"].as_i64() == self.times[nth], "{record}");
            assert_eq!(text(&side["uuid"]), self.uuids[nth], "{record}");
        }
    }

    /// How many duplicates and uuids there are so far.
    pub fn check_counts(&self, record: &Value) {
        assert_eq!(record["count"], self.count, "{self:?}\n{record}");
        let (said, exact) = (&record["distinct_uuids"], record["distinct_uuids_exact"] == true);
        assert_uuids(self.distinct_uuids, said, exact, &record.to_string());
    }

    fn check_scores(&self, record: &Value) {
        let numbers = [
            ("similarity", Some(self.similarity)),
            ("property_similarity", Some(self.property_similarity)),
            ("uuid_similarity", self.uuid_similarity),
        ];
        for (name, expected) in numbers {
            let said = record[name].as_f64();
            let close = match (said, expected) {
                (Some(said), Some(expected)) => (said - expected).abs() < CLOSE,
                (said, expected) => said.is_none() && expected.is_none(),
            };
            assert!(close, "{name} is {said:?} and should be {expected:?}\n{self:?}\n{record}");
        }
    }

    fn check_properties(&self, record: &Value) {
        let list = |name: &str| record[name].as_array().expect("a list").clone();
        let same: Vec<_> = list("same").iter().map(|path| path.as_str().unwrap_or_default().to_owned()).collect();
        assert_eq!(same, self.same.iter().cloned().collect::<Vec<_>>(), "{record}");
        let changed = list("changed");
        let paths: Vec<_> = changed.iter().map(|change| change["path"].as_str().unwrap_or_default()).collect();
        assert_eq!(paths, self.changed.keys().collect::<Vec<_>>(), "{self:?}\n{record}");
        for (said, (path, change)) in changed.iter().zip(&self.changed) {
            assert_eq!(said["change"], change.kind, "{path}: {record}");
            for (side, expected) in [("original", &change.original), ("duplicate", &change.duplicate)] {
                let expected = expected.as_ref().unwrap_or(&Value::Null);
                assert!(said.get(side).is_some_and(|said| equal(said, expected)), "{path}, {side}: {record}");
            }
        }
    }

    /// Checks this against what the generator knows, which is another source: the names of the properties it changed,
    /// whether it kept the uuid, and what it repeated.
    pub fn check_truth(&self, truth: &Truth) {
        assert_eq!(truth.original, Some(self.original), "{self:?}");
        assert_eq!(truth.same_uuid, self.uuids[0] == self.uuids[1], "{self:?}");
        let changed = self.changed.keys().filter_map(|path| path.strip_prefix("/properties/"));
        assert_eq!(changed.collect::<BTreeSet<_>>(), truth.changed.iter().map(String::as_str).collect(), "{self:?}");
        let fields: Vec<_> = self.changed.keys().filter(|path| !is_in(path, "/properties")).collect();
        let expected: &[&str] = if truth.same_uuid { &[] } else { &["/uuid"] };
        assert_eq!(fields, expected, "the generator changes nothing else: {self:?}");
    }
}

/// Checks a number of distinct uuids: exact up to 16, then within four standard errors and said to be an estimate.
pub fn assert_uuids(expected: usize, said: &Value, exact: bool, where_: &str) {
    let said = said.as_u64().unwrap_or_else(|| panic!("no number of uuids: {where_}"));
    assert_eq!(exact, expected <= UUIDS_EXACT_MAX, "{expected} distinct uuids: {where_}");
    if exact {
        assert_eq!(said, expected as u64, "{where_}");
        return;
    }
    let error = (said as f64 - expected as f64).abs() / expected as f64;
    assert!(said > UUIDS_EXACT_MAX as u64 && error < ESTIMATE_ERROR, "{said} for {expected} uuids: {where_}");
}

/// What the generator says of one event.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// Partition of the event.
    pub partition: i64,
    /// Offset of the event that it repeats.
    pub original: Option<i64>,
    /// Whether it has the uuid of that.
    pub same_uuid: bool,
    /// Names of the properties in which it differs.
    pub changed: Vec<String>,
}

/// Reads the file of `dedup-host generate --truth`. The n-th event of a partition has offset n; duplicates by partition
/// and offset.
#[must_use]
pub fn read_truth(text: &str) -> BTreeMap<(i64, i64), Truth> {
    let mut places: Vec<(i64, i64)> = Vec::new();
    let mut next: HashMap<i64, i64> = HashMap::new();
    let mut duplicates = BTreeMap::new();
    for line in text.lines() {
        let line: Map<String, Value> = serde_json::from_str(line).expect("JSON");
        let Some(partition) = line.get("partition").and_then(Value::as_i64) else { continue };
        let offset = next.entry(partition).or_default();
        places.push((partition, *offset));
        *offset += 1;
        let Some(of) = line["duplicate_of"].as_u64() else { continue };
        let (of_partition, original) = places[usize::try_from(of).expect("few")];
        assert_eq!(of_partition, partition, "a duplicate is in the partition of its original");
        let changed = line["changed"].as_array().expect("a list").iter();
        let truth = Truth {
            partition,
            original: Some(original),
            same_uuid: line["same_uuid"] == true,
            changed: changed.map(|name| name.as_str().expect("a name").to_owned()).collect(),
        };
        duplicates.insert(places[places.len() - 1], truth);
    }
    duplicates
}

/// Checks that the model and the generator tell the same of the same events.
pub fn check_against_truth(explained: &[Explained], truth: &BTreeMap<(i64, i64), Truth>) {
    let places: BTreeSet<_> = explained.iter().map(|duplicate| duplicate.place).collect();
    assert_eq!(places, truth.keys().copied().collect(), "the duplicates are not those of the truth");
    explained.iter().for_each(|duplicate| duplicate.check_truth(&truth[&duplicate.place]));
}

/// Checks the records of all duplicates: none is missing, none is there twice, and each says what it should.
pub fn check_records(explained: &[Explained], events: &[Event], records: &[Value], topic: &str) {
    let by_place: HashMap<_, _> = events.iter().map(|event| ((event.partition, event.offset), event)).collect();
    let records = by_duplicate(records);
    assert_eq!(records.len(), explained.len(), "as many records as duplicates");
    for duplicate in explained {
        let record = records.get(&duplicate.place).unwrap_or_else(|| panic!("no record of {duplicate:?}"));
        let (partition, _) = duplicate.place;
        duplicate.check(record, topic, [by_place[&(partition, duplicate.original)], by_place[&duplicate.place]]);
    }
}

/// Records by the place of the duplicate; fails where two are of the same.
#[must_use]
pub fn by_duplicate(records: &[Value]) -> BTreeMap<(i64, i64), &Value> {
    let mut found = BTreeMap::new();
    for record in records {
        let number = |name: &str| record["duplicate"][name].as_i64().unwrap_or_else(|| panic!("no {name}: {record}"));
        let before = found.insert((number("partition"), number("offset")), record);
        assert!(before.is_none(), "a duplicate has two records: {record}");
    }
    found
}
