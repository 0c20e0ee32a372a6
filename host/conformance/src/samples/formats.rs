//! Values as fields of events hold them: addresses, times, numbers, names. For plugins that make sense of one of these
//! and of no other text. Not odd ones: see `nasty`.

use super::draw::Draw;
use super::json::Json;

/// A form of values: words that occur in the names of fields that have it, and a maker.
struct Format {
    names: &'static [&'static str],
    make: fn(&mut Draw) -> Json,
}

const fn format(names: &'static [&'static str], make: fn(&mut Draw) -> Json) -> Format {
    Format { names, make }
}

const FORMATS: [Format; 24] = [
    format(&["mail"], |draw| text(format!("ann.lee{}@shop{}.example.com", draw.below(90), draw.below(9)))),
    format(&["url", "link", "href", "page", "uri"], |draw| {
        text(format!("https://shop{}.example.com/items/{}?size={}", draw.below(9), draw.below(900), draw.below(50)))
    }),
    format(&["time", "date", "_at", "when", "stamp"], |draw| {
        text(format!(
            "2024-0{}-1{}T1{}:2{}:3{}Z",
            1 + draw.below(9),
            digit(draw),
            digit(draw),
            digit(draw),
            digit(draw)
        ))
    }),
    format(&["time", "date", "day", "born"], |draw| text(format!("2024-0{}-1{}", 1 + draw.below(9), digit(draw)))),
    format(&["time", "date"], |draw| text(format!("2024-0{}-1{} 10:20:30", 1 + draw.below(9), digit(draw)))),
    format(&["time", "_at", "stamp", "ts"], |draw| Json::number(1_700_000_000 + draw.below(1_000_000))),
    format(&["time", "_at", "stamp", "ts"], |draw| Json::number(1_700_000_000_000_u64 + draw.below(1 << 30) as u64)),
    format(&["count", "number", "total", "size", "version", "seq"], |draw| Json::number(draw.below(100_000))),
    format(&["price", "amount", "total", "sum", "lat", "lon"], |draw| {
        Json::number(format!("{}.{}5", draw.below(80), digit(draw)))
    }),
    format(&["price", "amount", "total", "sum"], |draw| text(format!("{}.{}0", 1 + draw.below(900), digit(draw)))),
    format(&["price", "amount", "money"], |draw| text(format!("{}.{}0 EUR", 1 + draw.below(900), digit(draw)))),
    format(&["id", "number", "code"], |draw| text(draw.below(1_000_000).to_string())),
    format(&["uuid", "guid", "id"], |draw| {
        text(format!("01936f4e-{:04x}-7000-8000-{:012x}", draw.below(1 << 16), draw.below(1 << 40)))
    }),
    format(&["hash", "digest", "sha", "sum", "trace"], |draw| {
        text(format!("{:032x}{:032x}", draw.below(1 << 60), draw.below(1 << 60)))
    }),
    format(&["ip", "address", "host"], |draw| text(format!("192.0.2.{}", draw.below(256)))),
    format(&["host", "domain", "site"], |draw| text(format!("shop{}.example.com", draw.below(900)))),
    format(&["phone", "tel", "mobile"], |draw| text(format!("+4930{:08}", draw.below(100_000_000)))),
    format(&["country", "lang", "currency"], |draw| {
        text(*draw.of(&["DE", "FR", "US", "IN", "BR", "EUR", "USD"]).unwrap_or(&"DE"))
    }),
    format(&["geo", "loc", "pos", "coord"], |draw| {
        text(format!("52.{:04},13.{:04}", draw.below(10_000), draw.below(10_000)))
    }),
    format(&["text", "body", "message", "title", "content", "comment"], |draw| {
        let words =
            ["the", "order", "was", "late", "again", "and", "nobody", "called", "about", "a", "refund", "today"];
        text((0..14).map(|_| *draw.of(&words).unwrap_or(&"the")).collect::<Vec<_>>().join(" "))
    }),
    format(&["order", "sku", "ref"], |draw| text(format!("A-{}", draw.below(100_000)))),
    format(&["is_", "has_", "active"], |draw| Json::Bool(draw.chance(50))),
    format(&["tags", "items", "list", "ids", "labels"], |draw| {
        Json::Array((0..2 + draw.below(3)).map(|tag| Json::string(format!("tag{tag}x{}", draw.below(50)))).collect())
    }),
    format(&["data", "payload", "properties", "attributes"], |draw| {
        Json::object([("id", Json::number(draw.below(1000))), ("name", Json::string("Ann"))])
    }),
];

/// A value for the field with this pointer: often of a form that its name suggests.
pub(super) fn value(pointer: &str, draw: &mut Draw) -> Json {
    let name = pointer.to_lowercase();
    let suggested: Vec<&Format> =
        FORMATS.iter().filter(|format| format.names.iter().any(|part| name.contains(part))).collect();
    let suggested = if draw.chance(60) { draw.of(&suggested).copied() } else { None };
    suggested.or_else(|| draw.of(&FORMATS.each_ref()).copied()).map_or(Json::Null, |format| (format.make)(draw))
}

fn text(text: impl Into<String>) -> Json {
    Json::string(text)
}

fn digit(draw: &mut Draw) -> usize {
    draw.below(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_suggest_values_and_every_form_comes_up() {
        let mut draw = Draw::new(1, "test");
        let is_address = |value: &Json| matches!(value, Json::String(text) if text.contains('@'));
        let named = (0..200).filter(|_| is_address(&value("/user/email", &mut draw))).count();
        let other = (0..200).filter(|_| is_address(&value("/x", &mut draw))).count();
        assert!(named > 80 && other > 0 && other < 40, "{named} and {other}");
        for format in &FORMATS {
            assert!(Json::parse(&(format.make)(&mut draw).text()).is_some());
        }
    }
}
