//! Rules of the group `golden`: the answers that were written down before. Not their reading: see [`crate::golden`].

use engine::fields::KeyStatus;
use engine::properties::Verdict;
use plugin::{Input, Role};

use crate::context::Context;
use crate::feed::{Items, Laid, Text};
use crate::golden::{Case, Expected, Golden, Wanted};
use crate::rule::{Concerns, Group, Level, Rule};
use crate::session::Answer;
use crate::show::{cut, shown};
use crate::verdict::Stop;

/// How far scores may be from those written down, which people work out by hand.
const TOLERANCE: f64 = 1e-9;

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "G1",
        group: Group::Golden,
        level: Level::Required,
        concerns: Concerns::Extractor,
        quick: false,
        follows: &["L5"],
        sentence: "The golden vectors of its key version give the recorded keys, byte for byte.",
        reason: "Keys are stored for the length of the window. Another key for the same event needs another key version.",
        run: keys,
    },
    Rule {
        id: "G2",
        group: Group::Golden,
        level: Level::Required,
        concerns: Concerns::Scorer,
        quick: false,
        follows: &["L5"],
        sentence: "The golden vectors give the recorded scores, to 1e-9, and the recorded lists of what is the same \
         and what changed.",
        reason: "Thresholds are chosen by looking at scores: a different score for the same pair changes what \
         passes.",
        run: scores,
    },
];

/// The cases that a role has to answer, with the file they are from.
fn cases<'a>(context: &Context<'a>, role: Role) -> Result<Vec<(&'a Golden, &'a Case)>, Stop> {
    let is_for = |case: &Case| match case.expected {
        Expected::Keys { .. } => role == Role::KeyExtractor,
        Expected::Score { .. } => role == Role::SimilarityScorer,
    };
    let all = context.options().golden.iter().flat_map(|file| file.cases.iter().map(move |case| (file, case)));
    let cases: Vec<_> = all.filter(|(_, case)| is_for(case)).collect();
    match cases.len() {
        0 => Err(Stop::not_applicable("there are no golden vectors for it: pass some with --expect FILE")),
        _ => Ok(cases),
    }
}

/// What the plugin says of a case, configured as the case wants.
fn said(context: &Context<'_>, role: Role, case: &Case, text: Text) -> Result<(Input, Items, Answer), Stop> {
    let failed = |got: String| Stop::failed(format!("{}: {}", case.name, text.shown()), got, "the recorded answer");
    let config = case.config.as_deref().unwrap_or_else(|| context.config(role));
    let mut session = context.session_with(role, config).map_err(|stop| match stop {
        Stop::Blocked(why) | Stop::NotApplicable(why) | Stop::Untried(why) => {
            failed(format!("configured with {}: {why}", shown(config.as_bytes())))
        }
        failed @ Stop::Failed(_) => failed,
    })?;
    let mut items = session.items([text.clone()]);
    if items.len() == 0 {
        let no_json = || failed("the host does not hand it over: it is no JSON".to_owned());
        items = session.absent(text.clone()).ok_or_else(no_json)?;
    }
    let answer = session.ask(&items).map_err(|fault| failed(fault.to_string()))?.pop();
    let answer = answer.ok_or_else(|| failed("no answer".to_owned()))?;
    Ok((session.input().clone(), items, answer))
}

fn keys(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let cases = cases(context, role)?;
    let info = context.probe()?.describe(role);
    let key_version = info.map_err(|fault| Stop::blocked("L4", format_args!("describe() fails: {fault}")))?.key_version;
    for (file, case) in &cases {
        if let Some(written) =
            case.key_version.or(file.key_version).filter(|version| *version != u64::from(key_version))
        {
            return Err(Stop::failed(
                format!("{} of {}, recorded for key version {written}", case.name, file.path.display()),
                format!("the plugin has key version {key_version}"),
                format!("key version {written}; or golden vectors of key version {key_version}"),
            ));
        }
        let Expected::Keys { event, answer: wanted } = &case.expected else { continue };
        let (_, items, answer) = said(context, role, case, Text::Event(event.clone()))?;
        if !is(&answer, wanted) {
            let input = format!("{}: {}", case.name, items.shown(0));
            return Err(Stop::failed(input, answer.to_string(), in_words(wanted).to_string()));
        }
    }
    context.remark(format!("{} cases for keys", cases.len()));
    Ok(())
}

/// Whether an answer is the one written down. The order of several keys means nothing.
fn is(answer: &Answer, wanted: &Wanted) -> bool {
    let Answer::Keys { status, keys, .. } = answer else { return false };
    let sorted = |keys: &[Vec<u8>]| {
        let mut keys = keys.to_vec();
        keys.sort();
        keys
    };
    match wanted {
        Wanted::Keys(wanted) => *status == KeyStatus::Keyed && sorted(keys) == sorted(wanted),
        Wanted::NoKey => *status == KeyStatus::NoKey,
        Wanted::Invalid => *status == KeyStatus::Invalid,
    }
}

fn in_words(wanted: &Wanted) -> Answer {
    let (status, keys) = match wanted {
        Wanted::Keys(keys) => (KeyStatus::Keyed, keys.clone()),
        Wanted::NoKey => (KeyStatus::NoKey, Vec::new()),
        Wanted::Invalid => (KeyStatus::Invalid, Vec::new()),
    };
    Answer::Keys { status, keys, note: None }
}

fn scores(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let cases = cases(context, role)?;
    for (_, case) in &cases {
        let Expected::Score { original, duplicate, .. } = &case.expected else { continue };
        // What is written down holds for both orders: scores are symmetric.
        for text in [Text::Pair(original.clone(), duplicate.clone()), Text::Pair(duplicate.clone(), original.clone())] {
            let (input, items, answer) = said(context, role, case, text)?;
            if let Some((got, wanted)) = differs(&case.expected, &input, &items, &answer) {
                return Err(Stop::failed(format!("{}: {}", case.name, items.shown(0)), got, wanted));
            }
        }
    }
    context.remark(format!("{} cases for scores", cases.len()));
    Ok(())
}

/// What the plugin says and what is written down, where they differ.
fn differs(expected: &Expected, input: &Input, items: &Items, answer: &Answer) -> Option<(String, String)> {
    let Expected::Score { similarity, property_similarity, changed, same, .. } = expected else { return None };
    let Answer::Score { similarity: got, property_similarity: got_properties, verdicts } = answer else { return None };
    for (what, wanted, got) in
        [("similarity", similarity, got), ("property similarity", property_similarity, got_properties)]
    {
        if let Some(wanted) = wanted.filter(|wanted| (wanted - got).abs() > TOLERANCE) {
            return Some((format!("{what} {got}"), wanted.to_string()));
        }
    }
    // A scorer of payloads gets no properties to name.
    if matches!(input, Input::Payload) {
        return None;
    }
    for (what, wanted, verdict) in [("changed", changed, Verdict::Changed), ("same", same, Verdict::Same)] {
        let got = paths(items, verdicts, verdict);
        if let Some(wanted) = wanted.as_ref().filter(|wanted| !is_permutation(wanted, &got)) {
            let list = |paths: &[String]| format!("{what}: {}", cut(&paths.join(", "), 1000));
            return Some((list(&got), list(wanted)));
        }
    }
    None
}

fn paths(items: &Items, verdicts: &[Verdict], wanted: Verdict) -> Vec<String> {
    let Laid::Pairs(pairs) = &items.laid else { return Vec::new() };
    let rows = verdicts.iter().enumerate().filter(|(_, verdict)| **verdict == wanted);
    rows.map(|(row, _)| String::from_utf8_lossy(pairs.paths.get(row).unwrap_or_default()).into_owned()).collect()
}

fn is_permutation(one: &[String], other: &[String]) -> bool {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    sorted(one) == sorted(other)
}
