//! Where in the payloads of a batch the fields stand that the scorer asks for. Copies nothing but what stands in strings.

use std::ops::Range;

use engine::fields::Column;

/// Where in the payloads the fields stand that the scorer asked for.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Fields an event.
    width: usize,
    /// `width` ranges an event; empty where there is no such field.
    spans: Vec<Range<u32>>,
    /// Whether the event is JSON.
    is_json: Vec<bool>,
    /// What the ranges stand in, for events of which that is not the payload, up to the last of these; else empty.
    texts: Column,
}

impl Wanted {
    /// Of events with so many fields each.
    pub(crate) fn of_width(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    pub(crate) fn clear(&mut self) {
        self.spans.clear();
        self.is_json.clear();
        self.texts.clear();
    }

    /// The fields of a JSON event, and what they stand in where that is not the payload.
    pub(crate) fn push(&mut self, spans: impl IntoIterator<Item = Range<u32>>, text: Option<&[u8]>) {
        if let Some(text) = text {
            while self.texts.len() < self.is_json.len() {
                self.texts.end_value();
            }
            self.texts.push(text);
        }
        self.spans.extend(spans);
        self.is_json.push(true);
    }

    /// An event that is not JSON.
    pub(crate) fn push_opaque(&mut self) {
        self.spans.resize(self.spans.len() + self.width, 0..0);
        self.is_json.push(false);
    }

    pub(crate) fn text(&self, event: u32) -> Option<&[u8]> {
        self.texts.get(event as usize).filter(|text| !text.is_empty())
    }

    /// Keeps some events only; `keep` is asked with each event's index.
    pub(crate) fn retain_events(&mut self, keep: impl Fn(usize) -> bool) {
        let width = self.width;
        let (mut span, mut event) = (0.., 0..);
        self.spans.retain(|_| span.next().is_some_and(|span: usize| keep(span / width.max(1))));
        let mut texts = Column::default();
        let kept = (0..self.texts.len()).filter(|event| keep(*event));
        kept.for_each(|event| texts.push(self.texts.get(event).unwrap_or_default()));
        self.texts = texts;
        self.is_json.retain(|_| event.next().is_some_and(&keep));
    }

    pub(crate) fn is_json(&self, event: u32) -> bool {
        self.is_json.get(event as usize).copied().unwrap_or(false)
    }

    pub(crate) fn of(&self, event: u32) -> &[Range<u32>] {
        let first = event as usize * self.width;
        self.spans.get(first..first + self.width).unwrap_or_default()
    }
}
