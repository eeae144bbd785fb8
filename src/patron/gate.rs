//! The one door between the library's system and everything else. Credentials go in and are dropped; a [`Verified`] or
//! a [`Refusal`] comes out, and neither says who the patron is.
use super::attempts::{Admitted, Approach, Attempts, Ending, Pace};
use super::ils::{self, Ils, IlsError, IlsHealth, Step, Surroundings};
use super::record::Word;
use super::{Credentials, Keyring, Subject};
use crate::domain::settings::Reader;
use crate::domain::{Clock, Fault, GuessLimits, Library, LibraryId, Standing, State};
use crate::store::Store;
use crate::telemetry::{Event, SignIn, Telemetry};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Proof that a library's system accepted a patron. Only the gate makes one.
///
/// It has no `Debug`, `Clone` or `Serialize`.
pub struct Verified {
    library: LibraryId,
    subject: Subject,
    standing: Standing,
    device: Option<String>,
}

impl Verified {
    /// The library that knows the patron.
    #[must_use]
    pub const fn library(&self) -> &LibraryId {
        &self.library
    }

    /// The patron's keyed name.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The coarse facts.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What the browser is to hold, so that it is known when the patron comes again; `None` inside the library, where
    /// machines are shared.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }
}

/// Why a patron was not let in. Says nothing of the patron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such card, a wrong PIN, or too many of these before: never which.
    #[error("the library's system did not accept the card number and PIN")]
    Rejected,
    /// The PIN is right; the card's term is over.
    #[error("the card has expired")]
    Expired,
    /// The PIN is right; the library's system denies the card its services.
    #[error("the card is blocked")]
    Blocked,
    /// The PIN is right; the patron belongs to another library of the consortium.
    #[error("the card belongs to another library")]
    OtherLibrary,
    /// The library's system gives no answer that can be trusted.
    #[error("the library's system is not available")]
    Unavailable {
        /// When asking again may help.
        retry_after: Duration,
    },
    /// The store of counters gives no answer, and nobody is let in uncounted.
    #[error("the store does not answer")]
    StoreDown,
}

impl Refusal {
    const fn outcome(self) -> SignIn {
        match self {
            Self::Rejected => SignIn::Rejected,
            Self::Expired => SignIn::Expired,
            Self::Blocked => SignIn::Blocked,
            Self::OtherLibrary => SignIn::OtherLibrary,
            Self::Unavailable { .. } | Self::StoreDown => SignIn::Unavailable,
        }
    }
}

/// The library systems of one configuration, by the id of their `[[ils]]` table: libraries may share one.
#[derive(Default)]
pub struct Ilses(BTreeMap<String, Arc<dyn Ils>>);

impl Ilses {
    /// Builds the connector of one `[[ils]]` table; problems are noted in the reader. Opens no connection.
    pub fn add(&mut self, id: &str, settings: &Reader<'_>, clock: &Arc<dyn Clock>, telemetry: &Arc<Telemetry>) {
        let surroundings =
            Surroundings { id: Arc::from(id), clock: Arc::clone(clock), telemetry: Arc::clone(telemetry) };
        if let Some(ils) = ils::build(settings, surroundings) {
            self.0.insert(id.to_owned(), Arc::from(ils));
        }
    }

    /// Keeps the connector `id` of an older configuration, whose settings have not changed: its connections live on.
    pub fn keep(&mut self, id: &str, older: &Self) {
        if let Some(ils) = older.0.get(id) {
            self.0.insert(id.to_owned(), Arc::clone(ils));
        }
    }

    /// The gate of a library that uses the connector `id`.
    #[must_use]
    pub fn gate(&self, id: &str, library: Arc<Library>, parts: GateParts) -> Option<Gate> {
        let counting = (Arc::clone(&parts.store), Arc::clone(&parts.keys), Arc::clone(&parts.clock));
        let attempts = Attempts::new(id, counting, parts.guessing);
        Some(Gate { ils: Arc::clone(self.0.get(id)?), library, attempts, pace: Pace::default(), parts })
    }

    /// Walks through a conversation with the system `id`, telling each step.
    pub async fn probe(&self, id: &str, given: Option<Credentials>, tell: &mut (dyn FnMut(Step) + Send)) {
        if let Some(ils) = self.0.get(id) {
            ils.probe(given.as_ref(), tell).await;
        }
    }

    /// How each system feels.
    pub fn health(&self) -> impl Iterator<Item = (&str, IlsHealth)> {
        self.0.iter().map(|(id, ils)| (id.as_str(), ils.health()))
    }
}

/// What a gate needs beside its library and its ILS.
#[derive(Clone)]
pub struct GateParts {
    /// Names patrons.
    pub keys: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub telemetry: Arc<Telemetry>,
    /// Where attempts are counted.
    pub store: Arc<dyn Store>,
    /// How many attempts may fail.
    pub guessing: GuessLimits,
}

/// One library's door.
pub struct Gate {
    ils: Arc<dyn Ils>,
    library: Arc<Library>,
    attempts: Attempts,
    pace: Pace,
    parts: GateParts,
}

/// How a sign-in did not succeed: what the patron is told, and what it counts as.
type Denied = (Refusal, SignIn);

impl Gate {
    /// Asks the library's system, unless too many attempts have failed. Consumes the credentials, which are wiped before
    /// this returns.
    ///
    /// Rejections take the same time whatever they are for; they are held back until then.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub async fn authenticate(&self, given: Credentials, approach: Approach<'_>) -> Result<Verified, Refusal> {
        let started = Instant::now();
        let answer = self.try_once(&given, &approach).await;
        drop(given);
        let outcome = answer.as_ref().map_or_else(|(_, outcome)| *outcome, |_| SignIn::Accepted);
        self.parts.telemetry.emit(&Event::SignIn { library: &self.library.id, outcome, took: started.elapsed() });
        let answer = answer.map_err(|(refusal, _)| refusal);
        if matches!(answer, Err(Refusal::Rejected)) {
            let asked = outcome == SignIn::Rejected;
            let told = self.pace.told_at(approach.arrived, asked, self.parts.guessing.answer_after);
            tokio::time::sleep_until(told).await;
        }
        answer
    }

    async fn try_once(&self, given: &Credentials, approach: &Approach<'_>) -> Result<Verified, Denied> {
        let guess = match self.attempts.begin(given.card(), approach).await {
            Ok(Admitted::Yes(guess)) => guess,
            Ok(Admitted::Throttled) => return Err((Refusal::Rejected, SignIn::Throttled)),
            Ok(Admitted::Busy) => return Err(denied(self.unavailable())),
            Err(_) => return Err(denied(Refusal::StoreDown)),
        };
        let word = self.ils.look_up(given).await;
        if matches!(word.found, Err(IlsError::Unavailable(_) | IlsError::Misconfigured(_))) {
            self.attempts.note_trouble();
        }
        let ending = ending(&word);
        let named = word.card.as_ref().map(|card| card.as_str());
        let settled = self.attempts.end(guess, ending, named).await;
        let device = settled.map_err(|_| denied(Refusal::StoreDown))?.filter(|_| !approach.premises);
        self.decide(word, device).map_err(denied)
    }

    fn decide(&self, word: Word, device: Option<String>) -> Result<Verified, Refusal> {
        let record = word.found.map_err(|error| self.refusal(error))?;
        // An empty or blank id would give different patrons one name (as in CVE-2017-12873).
        if record.id.trim().is_empty() {
            return Err(self.refusal(IlsError::Misconfigured("the ILS returned no id for the patron")));
        }
        let standing = record.standing;
        if !self.is_member(&standing) {
            return Err(Refusal::OtherLibrary);
        }
        match standing.state_on(self.parts.clock.now().date()) {
            state if self.library.admit.contains(&state) => {}
            State::Expired => return Err(Refusal::Expired),
            State::Good | State::Blocked => return Err(Refusal::Blocked),
        }
        let subject = self.parts.keys.subject(&self.library.id, &record.id);
        Ok(Verified { library: self.library.id.clone(), subject, standing, device })
    }

    /// In a consortium that shares one ILS, only patrons of the library's own branches are its members.
    fn is_member(&self, standing: &Standing) -> bool {
        let branches = &self.library.branches;
        branches.is_empty() || standing.branch.as_ref().is_some_and(|b| branches.contains(b))
    }

    fn refusal(&self, error: IlsError) -> Refusal {
        if let IlsError::Unavailable(cause) | IlsError::Misconfigured(cause) = error {
            let fault: Fault = error.fault();
            self.parts.telemetry.emit(&Event::IlsTrouble { library: &self.library.id, fault, cause });
        }
        match error {
            IlsError::NoSuchPatron | IlsError::BadPin => Refusal::Rejected,
            IlsError::Unavailable(_) | IlsError::Misconfigured(_) => self.unavailable(),
        }
    }

    fn unavailable(&self) -> Refusal {
        let retry_after = match self.ils.health() {
            IlsHealth::Down { retry_after } => retry_after,
            IlsHealth::Answering => Duration::from_secs(5),
        };
        Refusal::Unavailable { retry_after }
    }
}

const fn denied(refusal: Refusal) -> Denied {
    (refusal, refusal.outcome())
}

/// What an attempt came to, as far as guessing goes. What was not asked is no guess.
const fn ending(word: &Word) -> Ending {
    match &word.found {
        Ok(_) => Ending::Right,
        Err(IlsError::NoSuchPatron | IlsError::BadPin) if word.asked => Ending::Wrong,
        Err(_) => Ending::Void,
    }
}
