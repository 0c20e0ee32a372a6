//! Rule K15: values that differ a little, in a way that many programs take for no difference, have different keys, unless
//! the plugin declares that they are the same. Nobody can tell from a key that a plugin folds case on purpose.

use plugin::Role;

use super::distinct::{Distinct, Variant};
use crate::context::Context;
use crate::samples::{Draw, Json, like};
use crate::verdict::Stop;

const WHAT: &str = "values nearly the same";
/// Values that the plugin is known to take of which each is changed.
const SEEN: usize = 4;

type Family = (&'static str, &'static [&'static str]);

/// Families of texts in which each differs from the others in a way that many programs make nothing of.
const FAMILIES: [Family; 9] = [
    ("case", &["qxab", "Qxab", "QXAB", "qxaB"]),
    ("case beyond ASCII", &["qxé", "qxÉ", "qxß", "qxss", "qxSS", "qxi", "qxı", "qxİ", "qxk", "qx\u{212a}"]),
    ("white space", &["qxab", " qxab", "qxab ", "\tqxab", "qxab\n", "\u{a0}qxab", "qx ab", "qx  ab", "qx\tab"]),
    ("accents", &["qxe", "qxé", "qxe\u{301}", "qxè", "qxo", "qxö", "qxoe", "qxø", "qxn", "qxñ"]),
    ("forms of letters", &["qxfi", "qxﬁ", "qx1", "qx\u{ff11}", "qx¹", "qxa", "qx\u{ff41}", "qx\u{430}"]),
    ("invisible letters", &["qxab", "qx\u{200b}ab", "qx\u{ad}ab", "\u{feff}qxab", "qxab\u{200d}", "qx\u{2060}ab"]),
    (
        "punctuation",
        &[
            "qxab", "qx-ab", "qx_ab", "qx.ab", "qx/ab", "qx+ab", "qx,ab", "qxab.", "qxab/", "qxab-", "\"qxab\"",
            "'qxab'", "qx%61b", "qx&amp;", "qx&",
        ],
    ),
    // Of one bit in ASCII, which folds case where there are letters.
    (
        "one bit",
        &[
            "qx@z",
            "qx`z",
            "qx[z",
            "qx{z",
            "qx\\z",
            "qx|z",
            "qx]z",
            "qx}z",
            "qx^z",
            "qx~z",
            "qx_z",
            "qx\u{7f}z",
            "qx\u{10}",
        ],
    ),
    ("zeros", &["7", "07", "007", "7.0", "70", "+7", "-7", "0x7", "7e0", "7.", "0", "00", "-0", "0.0"]),
];

/// Tries it.
pub(super) fn nearly_the_same(context: &mut Context<'_>, role: Role) -> Result<(), Stop> {
    let mut draw = context.draw("values nearly the same");
    let mut told = Vec::new();
    for mut distinct in Distinct::all(context, role)? {
        let mut tried = like_seen(&mut distinct, &mut draw)?;
        // Numbers that differ a little are for K10.
        let families: &[Family] = if distinct.slot.is_number { &[] } else { &FAMILIES };
        for (what, texts) in families {
            let variants = Variant::plain(texts.iter().map(|text| (*text).to_owned()));
            tried += distinct.hold(&format!("values that differ in {what}"), &variants)?;
        }
        told.push(format!("{tried} at {}", distinct.place()));
    }
    context.remark(format!("{WHAT}: {}", told.join(", ")));
    Ok(())
}

/// Values that the plugin is known to take, a little changed, in this slot or in all of the place.
fn like_seen(distinct: &mut Distinct<'_, '_>, draw: &mut Draw) -> Result<usize, Stop> {
    let mut tried = 0;
    for text in distinct.slot.seen.clone().into_iter().take(SEEN) {
        tried += distinct.hold(WHAT, &Variant::plain(changed(&text)))?;
    }
    // Of a payload of another form most may be of no matter.
    let is_raw = matches!(distinct.slot.event, Json::Raw(_)) && distinct.slot.place.is_empty();
    let whole = distinct.slot.event.at(&distinct.slot.place).filter(|_| !is_raw).cloned();
    let Some(value) = whole else { return Ok(tried) };
    let near = like::neighbours(&value, draw).into_iter().chain([value]);
    let texts = near.filter_map(|value| match value {
        Json::String(text) | Json::Raw(text) | Json::Number(text) => Some(text),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    });
    let part = distinct.slot.clone();
    (distinct.slot.before, distinct.slot.after) = (String::new(), String::new());
    let held = distinct.hold(WHAT, &Variant::plain(texts));
    distinct.slot = part;
    Ok(tried + held?)
}

fn changed(text: &str) -> [String; 9] {
    [
        text.to_owned(),
        text.to_lowercase(),
        text.to_uppercase(),
        format!("{text} "),
        format!(" {text}"),
        format!("0{text}"),
        format!("{text}0"),
        format!("{text}."),
        format!("{text}-"),
    ]
}
