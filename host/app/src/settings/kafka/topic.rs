//! Kafka's own rule for a topic's name.

/// A topic's name.
pub(in crate::settings) fn topic(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 249 || !text.chars().all(legal) || matches!(text, "." | "..") {
        return Err(format!("`{text}` is not a topic's name: 1 to 249 letters, digits, `.`, `_` or `-`"));
    }
    Ok(text.to_owned())
}
