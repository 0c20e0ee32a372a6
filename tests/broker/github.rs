//! Events in the manner of GitHub's public timeline, nested and oddly written, with repetitions among them. The same
//! for the same seed. Not realistic in number or kind.

use std::collections::HashMap;

use dedup_host_tests::broker::Seen;

/// An event and the record it is sent as.
pub(crate) struct Made {
    pub(crate) record: Seen,
    pub(crate) id: String,
    /// `/actor/login`, `/type`, `/created_at`.
    pub(crate) composite: (String, &'static str, String),
    uuid: Option<String>,
}

impl Made {
    /// The key of the record that comes out.
    pub(crate) fn output_key(&self) -> Option<Vec<u8>> {
        let uuid = self.uuid.as_ref().filter(|uuid| !uuid.is_empty());
        uuid.map(|uuid| uuid.as_bytes().to_vec()).or_else(|| self.record.key.clone())
    }
}

/// Numbers without end (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("below a usize")
    }
}

/// Each login as it may be written in JSON; all of a row mean the same.
const LOGINS: [(&str, &[&str]); 4] = [
    ("octo:cat", &[r#""octo:cat""#, r#""octo\u003acat""#, r#""\u006fcto:cat""#]),
    ("josé-☕", &[r#""josé-☕""#, r#""jos\u00e9-☕""#, r#""jos\u00E9-\u2615""#]),
    (r#"a"b\c/d"#, &[r#""a\"b\\c/d""#, r#""a\u0022b\u005cc\/d""#]),
    ("李雷🦀", &[r#""李雷🦀""#, r#""李雷\ud83e\udd80""#]),
];

const KINDS: [&str; 3] = ["PushEvent", "PullRequestEvent", "WatchEvent"];

/// Time of the first event in milliseconds: 2026-01-01.
const START: i64 = 1_767_225_600_000;

/// `count` records: about half of them repeat an earlier one, to the byte, written differently, or under another id.
pub(crate) fn events(seed: u64, count: usize) -> Vec<Made> {
    let mut random = Random(seed);
    let mut made: Vec<Made> = Vec::new();
    for index in 0..count {
        let repeats = !made.is_empty() && random.below(2) == 0;
        let mut next = if repeats { repeat(&made, index, &mut random) } else { fresh(index, &mut random) };
        next.record.timestamp = Some(START + 250 * i64::try_from(index).expect("few") - random.below(2_000) as i64);
        made.push(next);
    }
    made
}

fn fresh(index: usize, random: &mut Random) -> Made {
    let created_at = format!("2026-01-01T00:{:02}:{:02}Z", index / 60, index % 60);
    write(format!("{}", 10_000_000_000 + index), random.below(LOGINS.len()), KINDS[random.below(3)], created_at, random)
}

fn repeat(made: &[Made], index: usize, random: &mut Random) -> Made {
    let original = &made[random.below(made.len())];
    let (login, kind, created_at) = original.composite.clone();
    let nth = LOGINS.iter().position(|(name, _)| *name == login).expect("one of ours");
    match random.below(3) {
        0 => Made { record: original.record.clone(), uuid: original.uuid.clone(), ..original.like() },
        1 => write(original.id.clone(), nth, kind, created_at, random),
        _ => write(format!("{}", 20_000_000_000 + index), nth, kind, created_at, random),
    }
}

impl Made {
    fn like(&self) -> Self {
        let (record, uuid) = (self.record.clone(), self.uuid.clone());
        Self { record, uuid, id: self.id.clone(), composite: self.composite.clone() }
    }
}

fn write(id: String, login: usize, kind: &'static str, created_at: String, random: &mut Random) -> Made {
    let (name, writings) = LOGINS[login];
    let written = writings[random.below(writings.len())];
    let (uuid, uuid_text) = match random.below(4) {
        0 => (None, String::new()),
        // A number is the key in the digits it is written with.
        1 => (Some("17".to_owned()), r#""uuid" : 17 ,"#.to_owned()),
        2 => (Some(String::new()), r#""uuid":"","#.to_owned()),
        _ => {
            let uuid = format!("01890000-0000-7000-8000-{:012}", random.below(1_000_000_000));
            (Some(uuid.clone()), format!(r#""uuid":"{uuid}","#))
        }
    };
    let payload = match random.below(3) {
        0 => format!(
            "{{{uuid_text}\"id\":\"{id}\",\"type\":\"{kind}\",\"actor\":{{\"id\":583231,\"login\":{written},\
             \"display_login\":\"not it\"}},\"repo\":{{\"id\":1,\"login\":\"nor this\"}},\"payload\":{{\"commits\":[\
             {{\"message\":\"\\\"id\\\": \\u2028 }} ]\",\"distinct\":true}}]}},\"public\":true,\
             \"created_at\":\"{created_at}\"}}"
        ),
        1 => format!(
            "\t{{ \"payload\" : {{ \"id\" : \"inner\", \"size\":1.50e+1 ,\"list\":[ [ ],{{ }},[[\"]\"]] ] }},\r\n \
             \"created_at\"\t: \"{created_at}\" , {uuid_text} \"actor\" :{{ \"login\" :{written}}} ,\"type\": \"{kind}\",\
             \"id\":\"{id}\"   }}\n"
        ),
        _ => format!(
            "{{\"actor\":{{\"gravatar\":null,\"l\\u006fgin\":{written}}},{uuid_text}\"\\u0069d\":\"{id}\",\
             \"org\":{{\"actor\":{{\"login\":\"ghost\"}}}},\"type\":\"{kind}\",\"created_at\":\"{created_at}\",\
             \"note\":\"naïve 日本 \\ud83d\\ude00 \\t\"}}"
        ),
    };
    let mut record = dedup_host_tests::broker::record(payload);
    record.key = (random.below(5) > 0).then(|| name.as_bytes().to_vec());
    record.headers = headers(random);
    Made { record, id, composite: (name.to_owned(), kind, created_at), uuid }
}

fn headers(random: &mut Random) -> Vec<(String, Option<Vec<u8>>)> {
    let all = [("trace", Some(&b"\x00\xff"[..])), ("trace", Some(b"again")), ("empty", Some(b"")), ("null", None)];
    let from = random.below(all.len() + 1);
    all[from..].iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect()
}

/// What must come of records, given what identifies each: the indices of the first ones, and each of the others with
/// that of its original.
pub(crate) fn first_ones<K: Eq + std::hash::Hash>(keys: impl Iterator<Item = K>) -> (Vec<usize>, Vec<(usize, usize)>) {
    let (mut first, mut unique, mut duplicates) = (HashMap::new(), Vec::new(), Vec::new());
    for (index, key) in keys.enumerate() {
        match first.entry(key) {
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(index);
                unique.push(index);
            }
            std::collections::hash_map::Entry::Occupied(entry) => duplicates.push((index, *entry.get())),
        }
    }
    (unique, duplicates)
}
