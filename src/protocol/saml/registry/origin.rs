//! One place that metadata comes from: fetched when it is due, verified and read on a thread of its own, and told when it
//! cannot be used.
use super::kept::Copy;
use super::{Known, MANY_TAKE, Means, ONE, ONE_TAKES, REFRESH, Slot, kept};
use crate::domain::{Clock, Timestamp, VendorId};
use crate::egress::{ErrandFailed, Errands, Limits, Mark};
use crate::protocol::saml::federation::FederationSettings;
use crate::protocol::saml::key::VerificationKey;
use crate::protocol::saml::metadata::{self, Contents, Demands, Edition, Unfit};
use crate::telemetry::{Document, Event, Telemetry};
use parking_lot::Mutex;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use url::Url;

const MINUTE: Duration = Duration::from_secs(60);
/// Nobody is asked more often, whatever they wish.
pub(super) const LEAST: Duration = Duration::from_secs(10 * 60);
/// For how many seconds a document holds, from when it was last seen at its place, that does not say for how long.
const UNSAID: i64 = 28 * 24 * 60 * 60;

/// Where.
#[derive(Clone)]
pub(super) enum At {
    /// At an address, and the way there.
    Address(Url, Arc<Errands>),
    /// In a file.
    File(PathBuf),
}

impl At {
    /// In words, to tell places apart.
    fn text(&self) -> String {
        match self {
            Self::Address(uri, _) => uri.as_str().to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// What a place's documents must be, and how often they are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) keys: Vec<VerificationKey>,
    pub(super) max_validity: Option<Duration>,
    pub(super) refresh: Duration,
    pub(super) bytes: usize,
    pub(super) takes: Duration,
}

impl Rules {
    /// For what a vendor publishes of itself.
    pub(super) const fn of_vendor(keys: Vec<VerificationKey>) -> Self {
        Self { keys, max_validity: None, refresh: REFRESH, bytes: ONE, takes: ONE_TAKES }
    }

    /// For what a federation says.
    pub(super) const fn of_federation(federation: &FederationSettings, keys: Vec<VerificationKey>) -> Self {
        let FederationSettings { max_validity, refresh, max_bytes, .. } = *federation;
        Self { keys, max_validity: Some(max_validity), refresh, bytes: max_bytes, takes: MANY_TAKE }
    }
}

/// A service provider that is expected there.
pub(super) struct Wanted {
    pub(super) vendor: VendorId,
    pub(super) entity_id: String,
    pub(super) slot: Arc<Slot>,
}

/// What is remembered of a place.
#[derive(Clone, Default)]
struct State {
    mark: Mark,
    /// The edition that was believed last; `None` before the first.
    edition: Option<Edition>,
    cache: Option<Duration>,
    failures: u32,
    /// When it is looked at next; `None` is at once.
    due: Option<Timestamp>,
}

/// A place.
pub(super) struct Origin {
    name: String,
    at: At,
    rules: Rules,
    wanted: Vec<Wanted>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    folder: Option<PathBuf>,
    /// Whether what is fetched is kept there.
    pub(super) keeps: bool,
    /// One large document at a time is in memory as a tree.
    turn: Arc<Semaphore>,
    state: Mutex<State>,
}

impl Origin {
    /// A place that nobody has looked at yet.
    pub(super) fn new(
        name: String,
        at: At,
        rules: Rules,
        wanted: Vec<Wanted>,
        (means, turn): (&Means, &Arc<Semaphore>),
    ) -> Self {
        Self {
            name,
            at,
            rules,
            wanted,
            clock: Arc::clone(&means.clock),
            telemetry: Arc::clone(&means.telemetry),
            folder: means.folder.clone(),
            keeps: true,
            turn: Arc::clone(turn),
            state: Mutex::default(),
        }
    }

    /// Whether `other` is the same place, believed by the same keys.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.name == other.name && self.at.text() == other.at.text() && self.rules.keys == other.rules.keys
    }

    /// Knows from now on what `older` knows. Where more is wanted, it is looked for at once.
    pub(super) fn inherit(&self, older: &Self) {
        let mut complete = true;
        for wanted in &self.wanted {
            match older.wanted.iter().find(|known| known.vendor == wanted.vendor && known.entity_id == wanted.entity_id)
            {
                Some(known) => wanted.slot.0.store(known.slot.0.load_full()),
                None => complete = false,
            }
        }
        let known = older.state.lock().clone();
        // The rest of an aggregate was thrown away, so an unchanged one is wanted again.
        let known = if complete { known } else { State { mark: Mark::default(), due: None, ..known } };
        *self.state.lock() = known;
    }

    /// Takes up the copy that was kept, or the file itself, if something is missing. One that cannot be used is as good as
    /// none.
    pub(super) fn restore(&self) {
        if self.wanted.iter().all(|wanted| wanted.slot.0.load().is_some()) {
            return;
        }
        if matches!(self.at, At::File(_)) {
            let taken = self.take(None, Mark::default());
            return self.plan(!matches!(taken, Ok(trouble) if trouble.is_empty()));
        }
        let Some(folder) = &self.folder else { return };
        let Some(Copy { mark, seen, document }) = kept::read(folder, &self.name, &self.at.text(), self.rules.bytes)
        else {
            return;
        };
        let now = self.clock.now();
        if let Ok(contents) = self.read(&document, now) {
            // A clock that was set back makes a copy old, not young.
            self.believe(contents, mark, seen.min(now));
        }
    }

    /// Looks at the place whenever it is due, for ever.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            let due = self.state.lock().due;
            let wait = due.and_then(|due| u64::try_from(due.since(self.clock.now())).ok()).unwrap_or_default();
            if wait > 0 {
                // In pieces: a machine that slept has a clock that ran on.
                tokio::time::sleep(Duration::from_secs(wait).min(LEAST)).await;
                continue;
            }
            Arc::clone(&self).refresh().await;
        }
    }

    /// Looks at the place now; tells for each vendor why it could not be used, if so.
    pub(super) async fn refresh(self: Arc<Self>) -> Vec<(VendorId, &'static str)> {
        let trouble = match Arc::clone(&self).fetch().await {
            Ok(trouble) => trouble,
            Err(cause) => self.wanted.iter().map(|wanted| (wanted.vendor.clone(), cause)).collect(),
        };
        for (vendor, cause) in &trouble {
            self.telemetry.emit(&Event::DocumentTrouble { vendor, document: Document::Metadata, cause });
        }
        for Wanted { vendor, slot, .. } in &self.wanted {
            self.telemetry.metadata(vendor, slot.0.load().as_ref().and_then(|known| known.until));
        }
        self.plan(!trouble.is_empty());
        trouble
    }

    /// Says when the next look is, after one that failed or did not.
    fn plan(&self, failed: bool) {
        let mut state = self.state.lock();
        state.failures = if failed { state.failures.saturating_add(1) } else { 0 };
        let pause = pause(self.rules.refresh, state.cache, state.failures);
        state.due = Some(self.clock.now().plus(i64::try_from(pause.as_secs()).unwrap_or(i64::MAX)));
    }

    async fn fetch(self: Arc<Self>) -> Result<Vec<(VendorId, &'static str)>, &'static str> {
        let (document, mark) = match &self.at {
            At::Address(uri, errands) => {
                let known = self.state.lock().mark.clone();
                let limits = Limits { bytes: self.rules.bytes, time: self.rules.takes };
                match errands.fetch_metadata(uri, &known, limits).await.map_err(ErrandFailed::cause)? {
                    Some((document, mark)) => (Some(document), mark),
                    None => (None, known),
                }
            }
            At::File(_) => (None, Mark::default()),
        };
        // The semaphore is never closed.
        let _turn = Arc::clone(&self.turn).acquire_owned().await.ok();
        let this = Arc::clone(&self);
        let work = tokio::task::spawn_blocking(move || this.take(document, mark));
        work.await.unwrap_or(Err("broken"))
    }

    /// Believes a document, or says why not. Reads files, and much.
    fn take(&self, document: Option<Vec<u8>>, mark: Mark) -> Result<Vec<(VendorId, &'static str)>, &'static str> {
        let now = self.clock.now();
        let document = match (document, &self.at) {
            (Some(document), _) => document,
            (None, At::File(path)) => read_file(path, self.rules.bytes)?,
            (None, At::Address(..)) => return self.still(now),
        };
        let contents = self.read(&document, now).map_err(Unfit::cause)?;
        let mut trouble = self.believe(contents, mark.clone(), now);
        // What is in a file is there after a restart.
        if matches!(self.at, At::Address(..)) && !self.keep(&Copy { mark, seen: now, document }) {
            trouble.extend(self.wanted.iter().map(|wanted| (wanted.vendor.clone(), "not_kept")));
        }
        Ok(trouble)
    }

    fn keep(&self, copy: &Copy) -> bool {
        let written = |folder| kept::write(folder, &self.name, &self.at.text(), copy);
        self.folder.as_deref().filter(|_| self.keeps).is_none_or(|folder| written(folder).is_ok())
    }

    /// The document is the one that was believed. If it says nothing of its end, it holds from now.
    fn still(&self, now: Timestamp) -> Result<Vec<(VendorId, &'static str)>, &'static str> {
        for wanted in &self.wanted {
            let Some(known) = wanted.slot.0.load_full() else { continue };
            if known.described.provider.valid_until.is_none() {
                wanted.slot.set(known.described.clone(), Some(now.plus(UNSAID)));
            }
        }
        // Its mark is known, so it was believed: but what was believed may have ended.
        let ended = |known: &Known| known.until.is_some_and(|until| until <= now);
        let all = self.wanted.iter().all(|wanted| wanted.slot.0.load().as_ref().is_some_and(|known| !ended(known)));
        if all { Ok(Vec::new()) } else { Err(Unfit::Expired.cause()) }
    }

    fn read(&self, document: &[u8], now: Timestamp) -> Result<Contents, Unfit> {
        let Rules { keys, max_validity, bytes, .. } = &self.rules;
        let demands = Demands { signers: keys, max_validity: *max_validity, bytes: *bytes, now };
        let ids: Vec<_> = self.wanted.iter().map(|wanted| wanted.entity_id.as_str()).collect();
        let contents = metadata::read(document, &demands, &ids)?;
        let known = self.state.lock().edition;
        // Without a signature anybody who could hold back an edition could also write one.
        if !keys.is_empty() && known.is_some_and(|known| contents.edition.is_older_than(known)) {
            return Err(Unfit::RolledBack);
        }
        match contents.found.as_slice() {
            // Where one was asked for, any other is a wrong answer.
            [Err(Unfit::Missing)] if contents.entities == 1 => Err(Unfit::Another),
            [Err(why)] => Err(*why),
            _ => Ok(contents),
        }
    }

    /// Takes over what a document says that was read.
    fn believe(&self, contents: Contents, mark: Mark, seen: Timestamp) -> Vec<(VendorId, &'static str)> {
        let mut trouble = Vec::new();
        for (wanted, found) in self.wanted.iter().zip(contents.found) {
            match found {
                Ok(described) => {
                    let until = described.provider.valid_until.unwrap_or(seen.plus(UNSAID));
                    wanted.slot.set(described, Some(until));
                }
                Err(why) => {
                    // The federation's newest word is that there is no such service provider any more.
                    if why == Unfit::Missing {
                        wanted.slot.clear();
                    }
                    trouble.push((wanted.vendor.clone(), why.cause()));
                }
            }
        }
        let mut state = self.state.lock();
        state.edition = Some(contents.edition);
        state.cache = contents.cache;
        // Where something is wrong, the same document is worth another look.
        state.mark = if trouble.is_empty() { mark } else { Mark::default() };
        trouble
    }
}

/// How long to wait for the next look: as long as the document wishes, within bounds; after failures sooner.
fn pause(refresh: Duration, cache: Option<Duration>, failures: u32) -> Duration {
    match failures {
        0 => cache.unwrap_or(refresh).min(refresh).max(LEAST),
        failures => MINUTE.saturating_mul(1 << (failures - 1).min(10)).min(refresh),
    }
}

fn read_file(path: &Path, most: usize) -> Result<Vec<u8>, &'static str> {
    let about = std::fs::metadata(path).map_err(|_| "file_missing")?;
    if !about.is_file() {
        return Err("file_missing");
    }
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    if about.len() > most {
        return Err("too_large");
    }
    let mut document = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default() + 1);
    let file = File::open(path).map_err(|_| "file_unreadable")?;
    // One that grows meanwhile is cut off, and no signature fits it then.
    file.take(most).read_to_end(&mut document).map_err(|_| "file_unreadable")?;
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_looked_at_as_often_as_it_wishes_within_bounds() {
        let hours = |n: u64| Duration::from_secs(n * 3600);
        assert_eq!(pause(hours(6), None, 0), hours(6));
        assert_eq!(pause(hours(6), Some(hours(1)), 0), hours(1));
        assert_eq!(pause(hours(6), Some(hours(48)), 0), hours(6));
        assert_eq!(pause(hours(6), Some(Duration::ZERO), 0), LEAST);
        let waits: Vec<_> = (1..=12).map(|n| pause(hours(6), None, n).as_secs() / 60).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]);
    }
}
