//! JSON answers; no JSON leaves the server in another way. In a terminal, `curl` shows everything that they contain, and
//! nothing that they contain controls the terminal; to programs they mean the same. Not what is answered.

use std::borrow::Cow;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

pub(crate) const CONTENT_TYPE: &str = "application/json";

/// The text of an answer.
pub(crate) fn text(answer: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let text = serde_json::to_string(answer)?;
    let escaped = match plain_text::json(&text) {
        Cow::Owned(escaped) => Some(escaped),
        Cow::Borrowed(_) => None,
    };
    Ok(escaped.unwrap_or(text).into_bytes())
}

/// An answer that is cheap to make.
pub(crate) fn response(code: StatusCode, answer: &impl Serialize) -> Response {
    match text(answer) {
        Ok(text) => (code, [(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        // Only maps without text keys, and numbers that JSON lacks, are refused.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A refusal, and why.
pub(crate) fn refuse(code: StatusCode, reason: &str) -> Response {
    response(code, &json!({ "error": reason }))
}
