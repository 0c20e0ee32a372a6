//! Arrays whose order does not matter. Not sets: how often an element is there counts.

use dedup_plugin::{Kind, Value};

/// Whether two arrays have the same elements, each as often. Elements are the same if their canonical text is; arrays
/// inside of them keep their order. What is no whole array is the same as nothing.
pub(crate) fn same_elements(left: Value<'_>, right: Value<'_>) -> bool {
    // With the same elements, canonical texts have the same length.
    if (left.kind, right.kind) != (Kind::Json, Kind::Json) || left.bytes.len() != right.bytes.len() {
        return false;
    }
    let (Some(mut left), Some(mut right)) = (elements(left.bytes), elements(right.bytes)) else { return false };
    left.sort_unstable();
    right.sort_unstable();
    left == right
}

/// The texts of an array's elements; `None` if it is no array, or was cut.
fn elements(array: &[u8]) -> Option<Vec<&[u8]>> {
    let text = array.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (mut elements, mut start) = (Vec::new(), 0);
    let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                elements.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    elements.push(text.get(start..)?);
    (depth == 0 && !in_string).then_some(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(left: &str, right: &str) -> bool {
        same_elements(Value::new(Kind::Json, left), Value::new(Kind::Json, right))
    }

    #[test]
    fn elements_in_another_order() {
        assert!(same("[1,2,3]", "[3,1,2]"));
        assert!(same("[]", "[]"));
        assert!(same(r#"["a,b","]",{"x":[1,2]},"\",\\"]"#, r#"["\",\\",{"x":[1,2]},"]","a,b"]"#));
    }

    #[test]
    fn elements_that_differ() {
        assert!(!same("[1,1,2]", "[1,2,2]"), "how often counts");
        assert!(!same("[[1,2]]", "[[2,1]]"), "inner arrays keep their order");
        assert!(!same(r#"["a,b"]"#, r#"["b,a"]"#), "a comma in a string parts nothing");
        assert!(!same("[1]", "[1,2]"));
        assert!(!same(r#"{"a":1}"#, r#"{"b":1}"#));
    }

    #[test]
    fn texts_that_are_no_whole_array() {
        assert!(!same("[1,2", "[2,1") && !same("[1,[2]", "[[2],1") && !same(r#"["a,"b]"#, r#"[b","a]"#));
        assert!(!same_elements(Value::new(Kind::String, "[1,2]"), Value::new(Kind::String, "[2,1]")));
    }
}
