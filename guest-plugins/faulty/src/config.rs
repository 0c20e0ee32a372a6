//! The configuration: which fault there is, and the list of all.

use serde::Deserialize;

/// What is configured: at most one fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// What is wrong with the plugin; `None`: nothing.
    pub fault: Option<Fault>,
    /// Whether it reads whole payloads: because it was asked to, or because only so the fault can show.
    pub payload: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    fault: Option<String>,
    #[serde(default)]
    input: Reads,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Reads {
    #[default]
    Fields,
    Payload,
}

macro_rules! faults {
    ($($(#[doc = $what:literal])+ $fault:ident = $name:literal,)+) => {
        /// One thing that is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault {
            $($(#[doc = $what])+ $fault,)+
        }

        /// The names of all faults. Each begins with the rule that it breaks.
        pub const FAULTS: &[(&str, Fault)] = &[$(($name, Fault::$fault),)+];

        /// What is wrong, in the order of [`FAULTS`].
        pub const WORDS: &[&str] = &[$(concat!($($what,)+),)+];
    };
}

faults! {
    /// It refuses every configuration.
    RefusesConfig = "L5-refuses",
    /// It asks for a field by something that is no JSON pointer.
    NoPointer = "L5-no-pointer",
    /// A configuration that is no JSON is a panic.
    BadConfigTraps = "L6-bad-config",
    /// Members that it does not know are accepted.
    AcceptsUnknown = "L7-unknown-members",
    /// Its version is another one after it was configured.
    OtherVersion = "L9-version",
    /// The ends of its keys fall.
    EndsFall = "C1-ends-fall",
    /// There are bytes that belong to no key.
    LooseBytes = "C1-loose-bytes",
    /// The last event has no status.
    StatusMissing = "C1-status-missing",
    /// The last event has a status that does not exist.
    StatusUnknown = "C1-status-unknown",
    /// The last key has no owner.
    OwnerMissing = "C1-owner-missing",
    /// The last key belongs to an event that does not exist.
    OwnerUnknown = "C1-owner-unknown",
    /// A note is about an event that does not exist.
    NoteUnknown = "C1-note-unknown",
    /// An event is said to be invalid and has a key.
    InvalidWithKey = "C1-invalid-with-key",
    /// It says that it cannot work.
    GivesUp = "C1-gives-up",
    /// The last pair has no score.
    ScoreMissing = "C1-score-missing",
    /// The last row has no verdict.
    VerdictMissing = "C1-verdict-missing",
    /// The last row has a verdict that does not exist.
    VerdictUnknown = "C1-verdict-unknown",
    /// Keys end with the event's place in the batch.
    Position = "C2-position",
    /// Scores are shares of the highest of the batch.
    Relative = "C2-relative",
    /// Keys end otherwise in batches of an odd number of events.
    OddBatches = "C3-odd-batches",
    /// An event whose key is that of the two before gets another.
    Neighbours = "C4-neighbours",
    /// An empty batch is a failure.
    EmptyBatch = "C5-empty",
    /// A batch of more than 4,096 events is a panic.
    LargeBatch = "C5-large",
    /// Values of 10,000 bytes and more are refused, in as many words.
    LongNote = "C6-long-note",
    /// The first event gets a note with the number of calls so far.
    CountsCalls = "D1-counts-calls",
    /// Keys end otherwise after 5,000 calls.
    ManyCalls = "D2-many-calls",
    /// An event with an empty array is refused, and keys end otherwise from then on.
    AfterRefusal = "D3-after-refusal",
    /// From the 100,000th different key on, those that are new end otherwise.
    Pool = "D6-pool",
    /// The key of every 65,536th event ends otherwise.
    Counter = "D6-counter",
    /// A string that begins with the 64 bytes of the one before is taken for that one.
    Memo = "D6-memo",
    /// A string of more than 256 bytes finds no place, and the one before stays there.
    Stale = "D6-stale",
    /// From the 50,000th event on, the name is that of this event.
    Tenant = "D6-tenant",
    /// Once 16 MiB of values have been read, keys end otherwise.
    Arena = "D6-arena",
    /// Every 65,536th pair has half its score.
    PairCounter = "D6-pair-counter",
    /// A NUL in a value is a panic.
    Nul = "T1-nul",
    /// A payload that is no UTF-8 is a panic.
    NotUtf8 = "T1-utf-8",
    /// A number that is infinite as a double is a panic.
    Infinite = "T2-infinite",
    /// Nested values are walked by a function that calls itself.
    Recursion = "T3-recursion",
    /// A value of more than 512 KiB is a panic.
    Buffer = "T4-buffer",
    /// Of repeated members in the payload the longer one counts.
    Longer = "T5-longer",
    /// An empty object is a panic.
    EmptyObject = "T6-empty-object",
    /// It finds members of the payload by their text, and does not resolve escapes.
    Textual = "K2-textual",
    /// The number 1.0 is 1, and 1e0 is another.
    TrailingZero = "K3-trailing-zero",
    /// Values are joined by a character that they may have themselves.
    Joined = "K4-joined",
    /// It takes nothing but digits, and joins them without anything between.
    Digits = "K4-digits",
    /// Null and missing are the empty string.
    NullIsEmpty = "K5-null-empty",
    /// Strings of 60,000 times the letter x stand in the key six times.
    LongKeys = "K7-long-keys",
    /// Of a string the first 64 bytes count.
    Cut = "K9-cut",
    /// Of a string the first 255 letters count.
    CutLetters = "K9-cut-letters",
    /// The characters of a string with letters count, and not their order.
    Anagram = "K9-anagram",
    /// Of a string the first and the last 1,000 bytes count.
    Ends = "K9-ends",
    /// Numbers, and strings of digits, are doubles.
    Double = "K10-double",
    /// Numbers, and strings of digits, are doubles of 32 bits.
    Single = "K10-single",
    /// Strings of digits count by their last 32 bits.
    Wraps = "K10-wraps",
    /// Numbers that are infinite as doubles are one.
    Beyond = "K10-beyond",
    /// Of numbers the whole part counts.
    Whole = "K10-whole",
    /// The bytes A0 and 85 are white space at the end of a string, also where they are a part of a letter.
    TrimsBytes = "K11-trims-bytes",
    /// White space at the ends of a string is cut off, which nothing declares.
    Trims = "K11-trims",
    /// Case is folded by a bit of each byte.
    FoldsBits = "K11-folds-bits",
    /// A letter beyond 16 bits is the replacement character.
    Replaces = "K11-replaces",
    /// Of letters eight bits count.
    EightBits = "K11-eight-bits",
    /// A string ends at its first NUL.
    NulEnds = "K11-nul-ends",
    /// Escapes of JSON in a string are resolved once more.
    Unescapes = "K11-unescapes",
    /// Upper and lower case are the same, in ASCII alone.
    AsciiFolds = "K12-ascii",
    /// The key is a digest of 32 bits.
    Digest32 = "K13-32-bits",
    /// The key is a digest of 48 bits.
    Digest48 = "K13-48-bits",
    /// The key is FNV-1a of 32 bits, in hexadecimal digits.
    Fnv32 = "K13-fnv",
    /// The key looks like a digest of 128 bits and has 32.
    Widened = "K13-widened",
    /// It takes the first member with the name it looks for, however deep it stands.
    AnyDepth = "K14-any-depth",
    /// It takes the last member with the name it looks for, however deep it stands.
    LastDepth = "K14-last",
    /// Upper and lower case are the same, which nothing declares.
    Folds = "K15-folds",
    /// Spaces count as one, however many there are, which nothing declares.
    Spaces = "K15-spaces",
    /// Zeros before a string of digits do not count, which nothing declares.
    Zeros = "K15-zeros",
    /// What stands before "://" does not count, which nothing declares.
    Scheme = "K15-scheme",
    /// What stands after "#" does not count, which nothing declares.
    Fragment = "K15-fragment",
    /// Arrays of strings are joined by commas.
    Commas = "K16-commas",
    /// Every object is "[object Object]".
    Objects = "K16-objects",
    /// Numbers in an array are doubles.
    InnerDoubles = "K16-doubles",
    /// A pair with nothing in common has the score 0/0.
    NotANumber = "S1-nan",
    /// A pair with nothing in common has a score a little below 0.
    BelowZero = "S1-below-zero",
    /// The sum of more than 64 shares is a little above 1.
    SumAbove = "S1-sum",
    /// An event and itself are 0.999 alike.
    AlmostItself = "S2-almost",
    /// The share of n properties of n is n times 1/n.
    Product = "S2-product",
    /// Texts are alike if one in lower case is the other in upper case, put in lower case.
    AlmostFolds = "S2-folds",
    /// The longer the original, the less alike.
    Asymmetric = "S3-asymmetric",
    /// What only the original has is not looked at.
    OneSided = "S3-one-sided",
    /// Of more than 40 rows those that only the duplicate has are not counted.
    Additions = "S3-additions",
    /// A pair without rows has the score 0.
    NoRows = "S4-no-rows",
    /// Strings of digits are always said to be changed.
    AlwaysChanged = "S5-always-changed",
    /// A text that is another once it was put in upper and then in lower case is said to be changed.
    FoldsChanged = "S5-folds",
    /// The more differs, the more alike; nothing that differs is 1.
    MoreAlike = "S6-more-alike",
    /// 256 bytes an event are never given back.
    Hoard = "R1-hoard",
    /// 32 bytes an event are never given back.
    Leak = "R8-leak",
    /// A batch of 1,000 costs 2,000 million instructions more.
    Dear = "R2-dear",
    /// Every event is compared with every other.
    QuadraticEvents = "R3-events",
    /// Every event is compared with every other that is the same as the first.
    QuadraticSame = "R3-same",
    /// Every byte of a string is compared with every 64th, up to 64 KiB.
    QuadraticBytes = "R3-bytes",
    /// Every row of a pair is compared with every other.
    QuadraticRows = "R3-rows",
    /// In a row of zeros each is compared with each.
    QuadraticZeros = "R3-zeros",
    /// In a row of spaces each is compared with each.
    QuadraticSpaces = "R3-spaces",
    /// In a row of spaces each is compared with each, where a letter follows.
    QuadraticInner = "R3-inner-spaces",
    /// In a row of one letter each is compared with each.
    QuadraticLetters = "R3-letters",
    /// In a number's row of zeros each is compared with each.
    QuadraticNumbers = "R3-number-zeros",
    /// Deeply nested values cost 2,200 million instructions more.
    DearNesting = "R4-nesting",
    /// A row of more than 200,000 zeros never ends.
    Hangs = "R4-hangs",
    /// A line of log for each event.
    Chatty = "R5-chatty",
    /// Keys end with 800 spaces, and each event has a note of 1,000.
    LongAnswers = "R6-long-answers",
    /// 80 MiB are taken when it is configured.
    LargeMemory = "R7-memory",
}

impl Fault {
    /// Whether it is one of the scorer's alone: keys are extracted as without it.
    #[must_use]
    pub fn is_of_scores(self) -> bool {
        matches!(
            self,
            Self::ScoreMissing
                | Self::VerdictMissing
                | Self::VerdictUnknown
                | Self::Relative
                | Self::PairCounter
                | Self::NotANumber
                | Self::BelowZero
                | Self::SumAbove
                | Self::AlmostItself
                | Self::Product
                | Self::AlmostFolds
                | Self::Asymmetric
                | Self::OneSided
                | Self::Additions
                | Self::NoRows
                | Self::AlwaysChanged
                | Self::FoldsChanged
                | Self::MoreAlike
                | Self::QuadraticRows
        )
    }

    /// Whether it shows only where the payload is read.
    #[must_use]
    pub fn needs_payload(self) -> bool {
        matches!(self, Self::NotUtf8 | Self::Longer | Self::Textual | Self::AnyDepth | Self::LastDepth)
    }
}

/// The rule that a fault breaks.
#[must_use]
pub fn rule_of(fault: &str) -> &str {
    fault.split_once('-').map_or(fault, |(rule, _)| rule)
}

impl Config {
    /// Reads the operator's text.
    ///
    /// # Errors
    /// It is no JSON object, has members that nobody knows, or names a fault that there is none of.
    ///
    /// # Panics
    /// With the fault `L6-bad-config`, where it is no JSON.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = if text.trim().is_empty() { "{}" } else { text };
        let written: Result<Written, _> = serde_json::from_str(text);
        assert!(written.is_ok() || !text.contains("L6-bad-config"), "the configuration is no JSON");
        let lenient = || serde_json::from_str(text).ok().filter(|_| text.contains("L7-unknown-members"));
        let Written { fault, input } = match written {
            Ok(written) => written,
            Err(error) => lenient()
                .map(|Lenient { fault }| Written { fault, input: Reads::Fields })
                .ok_or_else(|| error.to_string())?,
        };
        let known = |name: &String| FAULTS.iter().find(|(known, _)| known == name).map(|(_, fault)| *fault);
        let fault = match &fault {
            Some(name) => Some(known(name).ok_or_else(|| format!("there is no fault {name}"))?),
            None => None,
        };
        Ok(Self { fault, payload: input == Reads::Payload || fault.is_some_and(Fault::needs_payload) })
    }

    /// Whether this is what is wrong.
    #[must_use]
    #[inline]
    pub fn is(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

#[derive(Deserialize)]
struct Lenient {
    fault: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_by_the_rule_they_break_and_all_names_differ() {
        let mut names = std::collections::BTreeSet::new();
        for (name, fault) in FAULTS {
            assert!(names.insert(name), "{name} stands twice");
            assert!(rule_of(name).len() < name.len(), "{name}");
            let config = Config::parse(&format!("{{\"fault\": \"{name}\"}}")).unwrap();
            assert!(config.is(*fault), "{name}");
        }
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        assert!(Config::parse(r#"{"fualt": "C2-position"}"#).unwrap_err().contains("unknown field `fualt`"));
        assert!(Config::parse(r#"{"fault": "C2"}"#).unwrap_err().contains("no fault C2"));
        assert_eq!(Config::parse(" ").unwrap(), Config { fault: None, payload: false });
        assert!(Config::parse(r#"{"fault": "L7-unknown-members", "x": 1}"#).is_ok());
    }
}
