//! A document that a vendor publishes for us: fetched when it is needed, by one request at a time and at most once a
//! minute, and kept when a later fetch fails.
use crate::domain::{Clock, Timestamp};
use crate::egress::{Errands, Limits};
use crate::telemetry::{Document, Event, Telemetry};
use parking_lot::Mutex;
use std::sync::Arc;
use url::Url;

/// How many seconds lie between two fetches at least, whoever asks.
const BETWEEN: i64 = 60;

/// What a document is not: fit for use.
pub(super) struct Unusable<T> {
    /// Why, for the event.
    pub(super) cause: &'static str,
    /// What holds from now on in place of the last good one; `None` keeps that.
    pub(super) instead: Option<T>,
}

/// Reads a document's bytes.
pub(super) type Read<T> = Box<dyn Fn(&[u8]) -> Result<T, Unusable<T>> + Send + Sync>;

/// What a document is fetched and told with.
#[derive(Clone)]
pub(super) struct Means {
    /// The way to the vendor.
    pub(super) errands: Arc<Errands>,
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
    /// Where trouble is told.
    pub(super) telemetry: Arc<Telemetry>,
}

/// A document and what is known of it.
pub(super) struct Published<T> {
    means: Means,
    uri: Url,
    document: Document,
    read: Read<T>,
    state: Mutex<State<T>>,
    /// Held while a fetch is under way.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct State<T> {
    kept: Option<(T, Timestamp)>,
    tried: Option<Timestamp>,
}

impl<T: Clone + Send + 'static> Published<T> {
    /// The document at `uri`, not fetched yet.
    pub(super) fn new(means: Means, uri: Url, document: Document, read: Read<T>) -> Arc<Self> {
        let (state, fetching) = (Mutex::new(State { kept: None, tried: None }), tokio::sync::Mutex::new(()));
        Arc::new(Self { means, uri, document, read, state, fetching })
    }

    /// Knows from now on what `older` knows, if that is the same document: a reload of the configuration forgets nothing.
    pub(super) fn inherit(&self, older: &Self) {
        if self.uri == older.uri {
            let known = older.state.lock().clone();
            *self.state.lock() = known;
        }
    }

    /// What was fetched last, and how many seconds ago.
    pub(super) fn latest(&self) -> Option<(T, u64)> {
        let (kept, at) = self.state.lock().kept.clone()?;
        // A clock that was set back makes a document old, not young.
        Some((kept, u64::try_from(self.means.clock.now().since(at)).unwrap_or(u64::MAX)))
    }

    /// Fetches the document unless that was tried a moment ago; waits for a fetch that is under way.
    pub(super) async fn refresh(self: &Arc<Self>) {
        if self.may_try() {
            // A task of its own: whoever asked may go away, and the try is spent by then.
            let (Ok(()) | Err(_)) = tokio::spawn(Arc::clone(self).fetch()).await;
        } else {
            drop(self.fetching.lock().await);
        }
    }

    /// The same, but nobody waits.
    pub(super) fn refresh_aside(self: &Arc<Self>) {
        if self.may_try() {
            drop(tokio::spawn(Arc::clone(self).fetch()));
        }
    }

    fn may_try(&self) -> bool {
        let tried = self.state.lock().tried;
        tried.is_none_or(|tried| !(0..BETWEEN).contains(&self.means.clock.now().since(tried)))
    }

    async fn fetch(self: Arc<Self>) {
        let _one = self.fetching.lock().await;
        if !self.may_try() {
            return;
        }
        let now = self.means.clock.now();
        self.state.lock().tried = Some(now);
        let (kept, cause) = match self.means.errands.fetch(&self.uri, Limits::DOCUMENT).await {
            Ok(bytes) => match (self.read)(&bytes) {
                Ok(document) => (Some(document), None),
                Err(unusable) => (unusable.instead, Some(unusable.cause)),
            },
            Err(failed) => (None, Some(failed.cause())),
        };
        if let Some(kept) = kept {
            self.state.lock().kept = Some((kept, now));
        }
        if let Some(cause) = cause {
            let vendor = &self.means.errands.vendor().id;
            self.means.telemetry.emit(&Event::DocumentTrouble { vendor, document: self.document, cause });
        }
    }
}
