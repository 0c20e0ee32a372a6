//! The content of an event: a web analytics capture of a few hundred bytes to a few kilobytes. Does not decide which
//! events repeat.

use std::ops::Range;

use super::draw::{below, key, stream, word};
use super::spec::Spec;
use super::text::{Clock, decimal, hex, uuid, uuid7};

const TOKENS: u64 = 8;
const SESSION_MS: u64 = 1_800_000;

const EVENTS: [&str; 16] = [
    "$pageview",
    "$pageview",
    "$pageview",
    "$pageview",
    "$autocapture",
    "$autocapture",
    "$autocapture",
    "$pageleave",
    "$feature_flag_called",
    "$feature_flag_called",
    "$identify",
    "$exception",
    "checkout started",
    "order_completed",
    "video.played",
    "購入完了",
];
const NAMES: [&str; 8] = ["anna", "ben", "chloé", "david", "emre", "josé", "mei", "зоя"];
const LIB_VERSIONS: [&str; 6] = ["1.297.0", "1.298.1", "1.299.0", "1.300.2", "1.301.0", "2.0.0-beta.3"];
const BROWSERS: [&str; 6] = ["Chrome", "Safari", "Firefox", "Microsoft Edge", "Mobile Safari", "Samsung Internet"];
const SYSTEMS: [&str; 6] = ["Windows", "Mac OS X", "Linux", "Android", "iOS", "Chrome OS"];
const BROWSER_VERSIONS: u64 = 40;
const HOSTS: [&str; 4] = ["app.example.com", "shop.example.com", "www.example.org", "docs.example.net"];
const PATHS: [&str; 12] = [
    "/",
    "/pricing/",
    "/products/",
    "/cart/",
    "/checkout/step/",
    "/account/settings/profile/",
    "/blog/2026/",
    "/search/",
    "/docs/getting-started/",
    "/équipe/",
    "/help/articles/",
    "/dashboard/insights/",
];
const QUERIES: [&str; 8] = [
    "",
    "",
    "",
    "",
    "",
    "?ref=newsletter",
    "?q=größe%2042&sort=price",
    "?utm_source=google&utm_medium=cpc&utm_campaign=autumn",
];
const SCREEN_HEIGHTS: [&str; 8] = ["667", "812", "844", "900", "1024", "1080", "1440", "2160"];
const TIMEZONES: [&str; 8] = [
    "Europe/Berlin",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Europe/London",
    "America/Sao_Paulo",
    "Australia/Sydney",
];
const REFERRERS: [&str; 4] = ["$direct", "$direct", "https://www.google.com/", "https://news.example.net/item"];
const DEVICES: [&str; 3] = ["Desktop", "Mobile", "Tablet"];
const PLANS: [&str; 4] = ["free", "startup", "scale", "enterprise"];
const CITIES: [&str; 6] = ["Berlin", "São Paulo", "東京", "New York", "Zürich", "Bengaluru"];
const FLAGS: [&str; 8] = [
    "new-checkout",
    "dark-mode",
    "ai-search",
    "beta-nav",
    "pricing-2026",
    "fast-export",
    "session-replay",
    "onboarding-v3",
];
const TAGS: [&str; 6] = ["button", "a", "div", "span", "svg", "li"];
const TEXTS: [&str; 8] = [
    "Add to cart",
    "Añadir al carrito",
    "Weiter",
    "続ける",
    "Say \\\"hello\\\"",
    "first line\\nsecond line",
    "Learn more \\u2192",
    "👍 Danke",
];
const CLASSES: [&str; 5] = ["btn btn-primary", "nav-link", "card shadow-sm p-3 mb-2", "icon", "list-item is-active"];

/// Properties in which a duplicate differs from its original.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Changed {
    set: u8,
    /// Chooses the other values.
    salt: u8,
}

impl Changed {
    const LIB_VERSION: usize = 0;
    const BROWSER_VERSION: usize = 1;
    const CURRENT_URL: usize = 2;
    const SCREEN_HEIGHT: usize = 3;
    const TIMEZONE: usize = 4;
    const REFERRER: usize = 5;
    const RETRY_COUNT: usize = 6;
    const NAMES: [&str; 7] = [
        "$lib_version",
        "$browser_version",
        "$current_url",
        "$screen_height",
        "$timezone",
        "$referrer",
        "$retry_count",
    ];

    /// One property mostly, up to three. `$referrer` is left out, `$retry_count` added, others get another value.
    pub(super) fn draw(which: u64, how: u64) -> Self {
        let nth = |shift: u32| 1_u8 << choice(which >> shift, Self::NAMES.len());
        let more = which >> 48;
        let second = if more < 0x6000 { nth(16) } else { 0 };
        let third = if more < 0x2000 { nth(32) } else { 0 };
        Self { set: nth(0) | second | third, salt: how as u8 }
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.set == 0
    }

    /// Names of the properties, in the order in which events have them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().enumerate().filter(move |(property, _)| self.has(*property)).map(|(_, name)| name)
    }

    fn has(self, property: usize) -> bool {
        self.set & (1 << property) != 0
    }

    /// `value`, or another one of `0..choices` where the property is changed.
    fn apply(self, property: usize, value: usize, choices: usize) -> usize {
        if self.has(property) { (value + 1 + usize::from(self.salt) % (choices - 1)) % choices } else { value }
    }
}

/// What is known of an event once it is written.
pub(super) struct Written {
    pub(super) partition: u32,
    pub(super) distinct_id: Range<usize>,
    pub(super) uuid: [u8; 36],
    pub(super) timestamp_ms: u64,
}

/// Writes events.
pub(super) struct Content {
    spec: Spec,
    slots: u64,
    tokens: Vec<String>,
    clock: Clock,
    uuid_key: u64,
    body_key: u64,
    user_key: u64,
    distinct_key: u64,
    session_key: u64,
}

/// A user, and what of an event depends on the user alone.
struct User {
    number: u64,
    traits: u64,
    place: u64,
}

impl Content {
    pub(super) fn new(spec: &Spec) -> Self {
        let key = |purpose| key(spec.seed, purpose);
        Self {
            slots: spec.slots(),
            tokens: (0..TOKENS).map(|nth| token(word(key("token"), nth))).collect(),
            clock: Clock::new(),
            uuid_key: key("uuid"),
            body_key: key("body"),
            user_key: key("user"),
            distinct_key: key("distinct_id"),
            session_key: key("session"),
            spec: spec.clone(),
        }
    }

    /// Appends the event `index` with the uuid of `uuid_of` and what is `changed`.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, index: u64, uuid_of: u64, changed: Changed) -> Written {
        let timestamp_ms = self.spec.timestamp_ms(index);
        let uuid = uuid7(self.spec.timestamp_ms(uuid_of), word(self.uuid_key, uuid_of));
        let mut draws = stream(self.body_key, index);
        let user = self.user(index, draws(), draws());
        let body = draws();
        push(out, "{\"uuid\":\"");
        out.extend_from_slice(&uuid);
        push(out, "\",\"event\":\"");
        push(out, pick(&EVENTS, body));
        push(out, "\",\"distinct_id\":\"");
        let start = out.len();
        self.write_distinct_id(out, &user);
        let distinct_id = start..out.len();
        push(out, "\",\"token\":\"");
        push(out, self.tokens.get(below(user.place, TOKENS) as usize).map_or("", String::as_str));
        push(out, "\",\"timestamp\":\"");
        self.clock.write(out, timestamp_ms);
        push(out, "\",\"properties\":{");
        write_common(out, &user, body, draws(), changed);
        self.write_session(out, &user, timestamp_ms);
        match body >> 56 {
            0..154 => {}
            154..218 => write_page(out, draws()),
            218..248 => write_person(out, draws()),
            _ => write_elements(out, &mut draws),
        }
        push(out, "}}");
        let partition = below(user.place.wrapping_mul(0x9e37_79b9_7f4a_7c15), u64::from(self.spec.partitions)) as u32;
        Written { partition, distinct_id, uuid, timestamp_ms }
    }

    /// A user for the event, some far more often than others. Events of one millisecond are neighbours, so the low bits
    /// of the index make their users differ: that keeps the composite of unique events unique.
    fn user(&self, index: u64, common: u64, draw: u64) -> User {
        let group = below(below(common, draw), self.spec.users / self.slots);
        let number = group * self.slots + index % self.slots;
        let mut draws = stream(self.user_key, number);
        User { number, traits: draws(), place: draws() }
    }

    /// A uuid, a number or an address; each names its user and no other.
    fn write_distinct_id(&self, out: &mut Vec<u8>, user: &User) {
        match user.traits >> 62 {
            0 => {
                push(out, "user_");
                decimal(out, user.number);
            }
            1 => {
                push(out, pick(&NAMES, user.traits >> 40));
                push(out, ".");
                decimal(out, user.number);
                push(out, "@example.com");
            }
            _ => out.extend_from_slice(&uuid(word(self.distinct_key, user.number), user.place)),
        }
    }

    fn write_session(&self, out: &mut Vec<u8>, user: &User, timestamp_ms: u64) {
        let session = timestamp_ms / SESSION_MS;
        let random = word(word(self.session_key, session), user.number);
        push(out, ",\"$session_id\":\"");
        out.extend_from_slice(&uuid7(session * SESSION_MS, random));
        push(out, "\"");
    }
}

/// What every event has, and all that a duplicate may change.
fn write_common(out: &mut Vec<u8>, user: &User, body: u64, draw: u64, changed: Changed) {
    let value = |property, bits, choices| changed.apply(property, choice(bits, choices), choices);
    push(out, "\"$lib\":\"web\",\"$lib_version\":\"");
    push(out, at(&LIB_VERSIONS, value(Changed::LIB_VERSION, user.traits, LIB_VERSIONS.len())));
    push(out, "\",\"$browser\":\"");
    push(out, pick(&BROWSERS, user.traits >> 8));
    push(out, "\",\"$browser_version\":");
    decimal(out, 100 + value(Changed::BROWSER_VERSION, user.traits >> 16, BROWSER_VERSIONS as usize) as u64);
    push(out, ",\"$os\":\"");
    push(out, pick(&SYSTEMS, user.traits >> 24));
    push(out, "\",\"$current_url\":\"https://");
    push(out, pick(&HOSTS, user.place));
    push(out, at(&PATHS, value(Changed::CURRENT_URL, body >> 16, PATHS.len())));
    decimal(out, ((draw & 0xffff) * ((draw >> 16) & 0xffff)) >> 16);
    push(out, pick(&QUERIES, body >> 32));
    push(out, "\",\"$screen_height\":");
    push(out, at(&SCREEN_HEIGHTS, value(Changed::SCREEN_HEIGHT, user.traits >> 32, SCREEN_HEIGHTS.len())));
    push(out, ",\"$timezone\":\"");
    push(out, at(&TIMEZONES, value(Changed::TIMEZONE, user.traits >> 36, TIMEZONES.len())));
    push(out, "\"");
    if !changed.has(Changed::REFERRER) {
        push(out, ",\"$referrer\":\"");
        push(out, pick(&REFERRERS, draw >> 32));
        push(out, "\"");
    }
    if changed.has(Changed::RETRY_COUNT) {
        push(out, ",\"$retry_count\":");
        decimal(out, 1 + u64::from(changed.salt) % 5);
    }
}

fn write_page(out: &mut Vec<u8>, draw: u64) {
    push(out, ",\"$device_type\":\"");
    push(out, pick(&DEVICES, draw));
    push(out, "\",\"$is_identified\":");
    push(out, if draw >> 63 == 0 { "true" } else { "false" });
    push(out, ",\"$prev_pageview_duration\":");
    decimal(out, ((draw >> 16) & 0xff) + 1);
    push(out, ".");
    decimal(out, 100 + ((draw >> 24) & 0xff));
    push(out, ",\"$viewport\":[");
    push(out, pick(&SCREEN_HEIGHTS, draw >> 32));
    push(out, ",");
    push(out, pick(&SCREEN_HEIGHTS, draw >> 40));
    push(out, "],\"$group_0\":null");
}

fn write_person(out: &mut Vec<u8>, draw: u64) {
    write_page(out, draw);
    push(out, ",\"$set\":{\"plan\":\"");
    push(out, pick(&PLANS, draw));
    push(out, "\",\"city\":\"");
    push(out, pick(&CITIES, draw >> 16));
    push(out, "\",\"seats\":");
    decimal(out, (draw >> 32) & 0x3f);
    push(out, ",\"billing\":{\"currency\":\"EUR\",\"balance\":-");
    decimal(out, (draw >> 38) & 0xfff);
    push(out, ".50,\"trial\":false}},\"$set_once\":{\"$initial_referrer\":\"");
    push(out, pick(&REFERRERS, draw >> 8));
    push(out, "\",\"$initial_utm_source\":null},\"$active_feature_flags\":[");
    for (nth, flag) in FLAGS.iter().enumerate().filter(|(nth, _)| nth % 4 == 0 || (draw >> (50 + nth)) & 1 == 1) {
        push(out, if nth == 0 { "\"" } else { ",\"" });
        push(out, flag);
        push(out, "\"");
    }
    push(out, "]");
    for flag in FLAGS.iter().skip((draw >> 58) as usize % FLAGS.len()) {
        push(out, ",\"$feature/");
        push(out, flag);
        push(out, "\":\"variant-a\"");
    }
}

/// The tail: a chain of 8 to 71 page elements, some kilobytes.
fn write_elements(out: &mut Vec<u8>, draws: &mut impl FnMut() -> u64) {
    push(out, ",\"$event_type\":\"click\",\"$elements\":[");
    let size = draws();
    for nth in 0..8 + (((size & 0xff) * ((size >> 8) & 0xff)) >> 10) {
        let draw = draws();
        push(out, if nth == 0 { "{\"tag_name\":\"" } else { ",{\"tag_name\":\"" });
        push(out, pick(&TAGS, draw));
        push(out, "\",\"$el_text\":\"");
        push(out, pick(&TEXTS, draw >> 16));
        push(out, "\",\"attr__class\":\"");
        push(out, pick(&CLASSES, draw >> 32));
        push(out, "\",\"nth_child\":");
        decimal(out, draw >> 58);
        push(out, "}");
    }
    push(out, "]");
}

/// A project token: unique, and of the usual length.
fn token(random: u64) -> String {
    let words = [random >> 32, random, random.rotate_left(17), random.rotate_left(41), random.rotate_left(7)];
    let digits = words.map(|word| hex(word as u32)).concat();
    format!("phc_{}", String::from_utf8_lossy(&digits))
}

#[inline]
fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Maps the lowest 16 bits evenly to `0..choices`.
fn choice(bits: u64, choices: usize) -> usize {
    (((bits & 0xffff) * choices as u64) >> 16) as usize
}

fn pick(table: &[&'static str], bits: u64) -> &'static str {
    at(table, choice(bits, table.len()))
}

fn at(table: &[&'static str], index: usize) -> &'static str {
    table.get(index).copied().unwrap_or_default()
}
