//! What a make-believe vendor was told, after it was checked.
use serde_json::{Map, Value};

/// Claims that were checked.
#[derive(Clone)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    pub(super) const fn new(all: Map<String, Value>) -> Self {
        Self(all)
    }

    /// Everything.
    pub(super) const fn all(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A claim's one or more texts.
    pub(super) fn texts(&self, claim: &str) -> Vec<&str> {
        match self.0.get(claim) {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The first text of a claim.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.texts(claim).first().copied()
    }

    pub(super) fn number(&self, claim: &str) -> Option<i64> {
        self.0.get(claim).and_then(Value::as_i64)
    }
}
