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
const FAMILIES: [Family; 18] = [
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
    (
        "the name of a number",
        &[
            "10",
            "1_0",
            "1,0",
            "１０",
            "٣",
            "3",
            "0xa",
            "0b1010",
            "1e1",
            "10a",
            "10 ",
            "nan",
            "NaN",
            "inf",
            "Infinity",
            "-inf",
            "null",
            "None",
            "undefined",
            "true",
            "True",
            "false",
        ],
    ),
    (
        "their beginning",
        &[
            "qxab",
            "https://qxab",
            "http://qxab",
            "//qxab",
            "www.qxab",
            "mailto:qxab",
            "urn:qxab",
            "urn:uuid:qxab",
            "#qxab",
            "@qxab",
            "$qxab",
            "/qxab",
            "hqxab",
            "tqxab",
            "pqxab",
            "sqxab",
            "wqxab",
            "the qxab",
            "xqxab",
        ],
    ),
    (
        "their end",
        &[
            "qxab",
            "qxab/",
            "qxab.com",
            "qxab.html",
            "qxab?",
            "qxab?a=1",
            "qxab?a=2",
            "qxab#a",
            "qxab#b",
            "qxab;a",
            "qxab@a",
            "qxab:80",
            "qxab (1)",
            "qxab!",
            "qxab\\",
            "qxabs",
            "qxabc",
        ],
    ),
    ("brackets", &["qxab", "{qxab}", "(qxab)", "[qxab]", "<qxab>", "`qxab`", "<b>qxab</b>", "qx<ab>", "qx"]),
    ("ends of lines", &["qx\nab", "qx\r\nab", "qx\rab", "qx\u{2028}ab", "qx\u{b}ab"]),
    (
        "the spelling of an identifier",
        &[
            "0b6a31de-3a52-4b0e-9c3f-5d7a9e1c2b48",
            "0B6A31DE-3A52-4B0E-9C3F-5D7A9E1C2B48",
            "0b6a31de3a524b0e9c3f5d7a9e1c2b48",
            "{0b6a31de-3a52-4b0e-9c3f-5d7a9e1c2b48}",
            "urn:uuid:0b6a31de-3a52-4b0e-9c3f-5d7a9e1c2b48",
            "0b6a31de-3a52-4b0e-9c3f-5d7a9e1c2b49",
        ],
    ),
    (
        "the spelling of a time",
        &[
            "2024-03-01T03:04:05Z",
            "2024-03-01T03:04:05+00:00",
            "2024-03-01T03:04:05.000Z",
            "2024-03-01T03:04:05.0001Z",
            "2024-03-01 03:04:05Z",
            "2024-03-01T04:04:05+01:00",
            "2024-03-01",
            "2024-03-01T00:00:00Z",
            "2024-02-30",
        ],
    ),
    (
        "the spelling of an address",
        &[
            "ann@shop.example",
            "Ann@shop.example",
            "ann@Shop.example",
            "ann+x@shop.example",
            "a.n.n@shop.example",
            "Ann <ann@shop.example>",
            "192.0.2.1",
            "192.000.002.001",
            "::1",
            "0:0:0:0:0:0:0:1",
        ],
    ),
    (
        "the spelling of a URL",
        &[
            "https://shop.example/a",
            "http://shop.example/a",
            "https://www.shop.example/a",
            "https://shop.example:443/a",
            "https://SHOP.example/a",
            "https://shop.example/a/",
            "https://shop.example/a#x",
            "https://shop.example/a?",
            "https://shop.example/a?b=1&c=2",
            "https://shop.example/a?c=2&b=1",
            "https://shop.example/%61",
            "https://shop.example/./a",
        ],
    ),
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
