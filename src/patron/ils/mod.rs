//! Connectors to library systems: one file or folder each, one line in [`KINDS`]. A connector sends what the patron
//! typed, and reduces what comes back to a [`Word`] before anyone else sees it.
use super::{Credentials, record::Word};
use crate::domain::settings::Reader;
use crate::domain::{Clock, Fault};
use crate::telemetry::Telemetry;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

mod sip2;

#[cfg(fuzzing)]
pub use sip2::fuzzing;

/// Why a connector gave no record. Says nothing of the patron.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::patron) enum IlsError {
    /// The card is not known. Never told apart from [`IlsError::BadPin`] outside the gate.
    NoSuchPatron,
    /// The PIN is wrong, or the credentials cannot be asked (empty, unencodable, control bytes).
    BadPin,
    /// The system did not give an answer that can be trusted; it may later.
    Unavailable(&'static str),
    /// The system answers, but refuses us: wrong account, certificate or setting.
    Misconfigured(&'static str),
}

impl IlsError {
    /// Who is to blame.
    pub(in crate::patron) const fn fault(self) -> Fault {
        match self {
            Self::NoSuchPatron | Self::BadPin => Fault::Patron,
            Self::Unavailable(_) => Fault::Library,
            Self::Misconfigured(_) => Fault::Us,
        }
    }
}

/// How a connector feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IlsHealth {
    /// Not asked yet, or answering.
    Answering,
    /// The breaker is open: not asked until the next single probe.
    Down {
        /// When asking again may help.
        retry_after: Duration,
    },
}

/// How one step of a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but the operator should know.
    Odd,
    /// Does not work.
    Bad,
}

/// One step of `vestibule ils probe`: connect, TLS, login, status, patron request.
#[derive(Debug, Clone)]
pub struct Step {
    /// The step's name.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub verdict: Verdict,
    /// A sentence without any value of a patron: names of fields, settings, what to mend.
    pub note: String,
}

/// One library system.
pub(in crate::patron) trait Ils: Send + Sync {
    /// Asks whether the credentials are right, and for the patron's standing.
    fn look_up<'a>(&'a self, given: &'a Credentials) -> BoxFuture<'a, Word>;

    /// Goes through the conversation step by step for an operator; without credentials it stops before the patron
    /// request.
    fn probe<'a>(&'a self, given: Option<&'a Credentials>, tell: &'a mut (dyn FnMut(Step) + Send))
    -> BoxFuture<'a, ()>;

    /// Whether it is being asked at all.
    fn health(&self) -> IlsHealth;
}

/// What every connector is built with.
#[derive(Clone)]
pub(in crate::patron) struct Surroundings {
    /// The `[[ils]]` table's id, for metrics and events.
    pub(in crate::patron) id: Arc<str>,
    /// The time.
    pub(in crate::patron) clock: Arc<dyn Clock>,
    /// Where events go.
    pub(in crate::patron) telemetry: Arc<Telemetry>,
}

type Build = fn(&Reader<'_>, Surroundings) -> Option<Box<dyn Ils>>;

/// Every connector, by the word in the configuration.
const KINDS: &[(&str, Build)] = &[("sip2", sip2::build)];

/// The words that `kind` may be.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|(name, _)| *name)
}

/// Builds the connector that an `[[ils]]` table names; problems are noted in the reader.
pub(in crate::patron) fn build(settings: &Reader<'_>, surroundings: Surroundings) -> Option<Box<dyn Ils>> {
    let words: Vec<_> = KINDS.iter().map(|(name, build)| (*name, *build)).collect();
    if !settings.has("kind") {
        settings.missing("kind", &format!("one of {}", kinds().collect::<Vec<_>>().join(", ")));
    }
    settings.word("kind", &words)?(settings, surroundings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_connector_file_is_listed() {
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/patron/ils")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let stem = name.trim_end_matches(".rs");
            assert!(stem == "mod" || super::kinds().any(|kind| kind == stem), "`{stem}` is not in KINDS");
        }
    }
}
