//! Events and pairs from their texts to what crosses to the plugin, by the same code as in a run. Not their making: see
//! `samples`.

use engine::fields::{FieldBatch, Kind};
use engine::projection::{Numbers, PointerError, Projection};
use engine::properties::{Kept, PairBatch, Pairer};
use plugin::{Input, Role};

use crate::show::shown;

/// What a plugin is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    /// An event, for its keys.
    Event(Vec<u8>),
    /// An original and a duplicate, for their likeness.
    Pair(Vec<u8>, Vec<u8>),
}

/// Events or pairs, with their texts.
#[derive(Debug, Clone)]
pub(crate) struct Items {
    /// One an event or pair.
    pub(crate) texts: Vec<Text>,
    /// The same as they cross.
    pub(crate) laid: Laid,
}

/// Events or pairs as they cross to the plugin.
#[derive(Debug, Clone)]
pub(crate) enum Laid {
    /// For the key extractor.
    Events(FieldBatch),
    /// For the similarity scorer.
    Pairs(PairBatch),
}

/// Lays texts out for a plugin in one of its roles, as the host does.
#[derive(Debug)]
pub(crate) enum Feed {
    /// For the key extractor; no projection: it reads the payload.
    Events(Option<Box<Projection>>),
    /// For the similarity scorer, likewise.
    Pairs(Option<Box<Projection>>, Box<Pairer>),
}

impl Text {
    /// For people: escaped and cut.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Event(event) => shown(event),
            Self::Pair(original, duplicate) => {
                format!("original {}, duplicate {}", shown(original), shown(duplicate))
            }
        }
    }
}

impl Items {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// What they are, in a word.
    pub(crate) fn kind(&self) -> &'static str {
        match self.laid {
            Laid::Events(_) => "event",
            Laid::Pairs(_) => "pair",
        }
    }

    /// The text of item `index` for people.
    pub(crate) fn shown(&self, index: usize) -> String {
        self.texts.get(index).map_or_else(|| "none".to_owned(), Text::shown)
    }

    /// Bytes of the values that cross.
    pub(crate) fn bytes(&self) -> usize {
        match &self.laid {
            Laid::Events(batch) => batch.values.data.len(),
            Laid::Pairs(batch) => batch.paths.data.len() + batch.originals.data.len() + batch.duplicates.data.len(),
        }
    }
}

impl Feed {
    /// For a plugin that asks for this input.
    ///
    /// # Errors
    /// The input cannot be had: a pointer is none, or there are too many.
    pub(crate) fn new(role: Role, input: &Input) -> Result<Self, String> {
        let fields = match input {
            Input::Payload => None,
            Input::Fields(fields) => Some(fields.as_slice()),
        };
        let boxed = |made: Result<Projection, PointerError>| made.map(Box::new).map_err(|error| error.to_string());
        Ok(match role {
            Role::KeyExtractor => {
                let compile = |fields| boxed(Projection::compile(&[fields], Numbers::AsWritten));
                Self::Events(fields.map(compile).transpose()?)
            }
            Role::SimilarityScorer => {
                let no_fields: &[&[&str]] = &[];
                let compile = |roots| boxed(Projection::compile_with_spans(no_fields, roots, Numbers::AsWritten));
                let pairer = Pairer::new(fields).map_err(|error| error.to_string())?;
                Self::Pairs(fields.map(compile).transpose()?, Box::new(pairer))
            }
        })
    }

    /// Lays out what the host would. It hands a plugin of fields no event that is not JSON, so those are left out, as are
    /// texts for the other role: there may be fewer items than texts.
    pub(crate) fn items(&mut self, texts: impl IntoIterator<Item = Text>) -> Items {
        let mut texts: Vec<Text> = texts.into_iter().collect();
        let laid = match self {
            Self::Events(projection) => {
                let width = projection.as_ref().and_then(|projection| projection.widths().first().copied());
                let mut batch = FieldBatch::new(width.unwrap_or(1));
                texts.retain(|text| lay_event(projection.as_deref_mut(), text, &mut batch).is_some());
                Laid::Events(batch)
            }
            Self::Pairs(projection, pairer) => {
                let mut batch = PairBatch::default();
                texts.retain(|text| lay_pair(projection.as_deref_mut(), pairer, text, &mut batch).is_some());
                Laid::Pairs(batch)
            }
        };
        Items { texts, laid }
    }

    /// An event that is not JSON as the contract has it for a plugin of fields: each of them is absent. `None` for any
    /// other plugin.
    pub(crate) fn absent(&self, text: Text) -> Option<Items> {
        let Self::Events(Some(projection)) = self else { return None };
        let width = projection.widths().first().copied()?;
        let mut batch = FieldBatch::new(width);
        (0..width).for_each(|_| batch.push(Kind::Absent, b""));
        Some(Items { texts: vec![text], laid: Laid::Events(batch) })
    }

    /// Some of the items, in any order.
    pub(crate) fn choose(&mut self, items: &Items, places: impl IntoIterator<Item = usize>) -> Items {
        self.items(places.into_iter().filter_map(|place| items.texts.get(place).cloned()))
    }
}

fn lay_event(projection: Option<&mut Projection>, text: &Text, batch: &mut FieldBatch) -> Option<()> {
    let Text::Event(event) = text else { return None };
    match projection {
        Some(projection) => projection.project(event, std::slice::from_mut(batch)).ok(),
        None => {
            batch.push(Kind::Bytes, event);
            Some(())
        }
    }
}

fn lay_pair(
    mut projection: Option<&mut Projection>,
    pairer: &mut Pairer,
    text: &Text,
    batch: &mut PairBatch,
) -> Option<()> {
    let Text::Pair(original, duplicate) = text else { return None };
    let mut spans = |event: &[u8]| match &mut projection {
        Some(projection) => projection.project(event, &mut []).ok().map(|()| projection.spans().to_vec()),
        None => Some(Vec::new()),
    };
    let (original_spans, duplicate_spans) = (spans(original)?, spans(duplicate)?);
    let mut encoded = Vec::new();
    pairer.keep(None, original, &original_spans, &mut encoded);
    pairer.pair(&Kept::decode(&encoded)?, duplicate, &duplicate_spans, batch).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(role: Role, fields: Option<&[&str]>) -> Feed {
        let input =
            fields.map_or(Input::Payload, |fields| Input::Fields(fields.iter().map(ToString::to_string).collect()));
        Feed::new(role, &input).unwrap()
    }

    #[test]
    fn extractors_get_fields_or_the_payload() {
        let texts = || ["{\"b\":[1 ],\"a\":\"x\"}", "{", "{}"].map(|text| Text::Event(text.into()));
        let mut fields = feed(Role::KeyExtractor, Some(&["/a", "/b"]));
        let items = fields.items(texts());
        let Laid::Events(batch) = &items.laid else { panic!("events") };
        assert_eq!((items.len(), batch.events(), batch.width), (2, 2, 2));
        assert_eq!((batch.values.get(0), batch.values.get(1)), (Some(&b"x"[..]), Some(&b"[1]"[..])));
        assert_eq!(fields.choose(&items, [1, 0, 1]).shown(1), items.shown(0));
        assert_eq!(feed(Role::KeyExtractor, None).items(texts()).len(), 3);
        assert!(Feed::new(Role::KeyExtractor, &Input::Fields(vec!["a".to_owned()])).is_err());
    }

    #[test]
    fn scorers_get_rows_or_the_payload() {
        let pair = |original: &str, duplicate: &str| Text::Pair(original.into(), duplicate.into());
        let texts =
            || [pair("{\"p\":{\"a\":1,\"b\":2}}", "{\"p\":{\"a\":1.0,\"c\":3}}"), pair("{}", "{"), pair("{}", "{}")];
        let items = feed(Role::SimilarityScorer, Some(&["/p"])).items(texts());
        let Laid::Pairs(batch) = &items.laid else { panic!("pairs") };
        assert_eq!((items.len(), &batch.ends[..]), (2, &[3, 3][..]));
        assert_eq!((batch.originals.get(0), batch.duplicates.get(0)), (Some(&b"1"[..]), Some(&b"1"[..])));
        assert_eq!(feed(Role::SimilarityScorer, None).items(texts()).len(), 3);
    }
}
