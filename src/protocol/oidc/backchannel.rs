//! Word to vendors that a reader signed out (OpenID Connect Back-Channel Logout 1.0 §2.5). Nobody waits for it: each word
//! is carried aside, tried again after growing pauses, and given up in the end. Every vendor has a queue of its own, so
//! one that is slow or gone delays no other. What waits is lost with the process.
use super::client::{Backchannel, Client};
use crate::domain::VendorId;
use crate::egress::{ErrandFailed, Errands, NotConnected};
use crate::telemetry::{Delivery, Event, Telemetry};
use http::StatusCode;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use url::form_urlencoded;

/// How the queues are bounded.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// How many words may be on their way to one vendor at once.
    at_once: usize,
    /// How many may wait for one vendor, those on their way and those between two tries among them.
    waiting: usize,
    /// How many may wait for all vendors together.
    in_all: usize,
    /// What lies between the tries.
    pauses: &'static [Duration],
}

impl Default for Bounds {
    fn default() -> Self {
        const PAUSES: &[Duration] =
            &[Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120)];
        Self { at_once: 8, waiting: 1_000, in_all: 10_000, pauses: PAUSES }
    }
}

/// How long nothing more is told of a vendor's trouble; it is counted all the same. Readers sign out as often as they like.
const QUIET: Duration = Duration::from_secs(60 * 60);

/// Makes the logout token for a try; `None` when there is nothing to tell any more.
type Token = Box<dyn Fn() -> Option<String> + Send + Sync>;

/// What came of one try.
enum Try {
    /// The end.
    Ended(Delivery, &'static str),
    /// Not taken yet.
    Again(&'static str),
}

/// The queues of all vendors.
pub(super) struct LogoutDeliveries {
    lanes: HashMap<VendorId, Arc<Lane>>,
    bounds: Bounds,
}

/// One vendor's queue.
struct Lane {
    errands: Arc<Errands>,
    telemetry: Arc<Telemetry>,
    at_once: Semaphore,
    pauses: &'static [Duration],
    waiting: Mutex<Waiting>,
    told: Mutex<Option<Instant>>,
}

/// The words that wait, the oldest first.
#[derive(Default)]
struct Waiting {
    next: u64,
    tasks: BTreeMap<u64, AbortHandle>,
}

impl LogoutDeliveries {
    /// Empty queues, one for each vendor.
    pub(super) fn new(
        vendors: impl IntoIterator<Item = Arc<Errands>>,
        telemetry: &Arc<Telemetry>,
        bounds: Bounds,
    ) -> Self {
        let lane = |errands: Arc<Errands>| Lane {
            errands,
            telemetry: Arc::clone(telemetry),
            at_once: Semaphore::new(bounds.at_once),
            pauses: bounds.pauses,
            waiting: Mutex::default(),
            told: Mutex::new(None),
        };
        let lanes = vendors.into_iter().map(|errands| (errands.vendor().id.clone(), Arc::new(lane(errands))));
        Self { lanes: lanes.collect(), bounds }
    }

    /// Carries a word to the client, aside; nothing where it wants none. `token` is asked anew for every try, since a
    /// token is of use for a short time only.
    pub(super) fn deliver(&self, client: &Client, token: impl Fn() -> Option<String> + Send + Sync + 'static) {
        let (Some(to), Some(lane)) = (client.backchannel.clone(), self.lanes.get(&client.vendor.id)) else { return };
        if lane.begin(to, Box::new(token)) > self.bounds.waiting {
            lane.drop_oldest();
        }
        while self.lanes.values().map(|lane| lane.len()).sum::<usize>() > self.bounds.in_all {
            // Whoever has most gives: a vendor that is gone is not to cost another its words.
            let Some(longest) = self.lanes.values().max_by_key(|lane| lane.len()) else { return };
            longest.drop_oldest();
        }
    }
}

impl Lane {
    /// Begins to carry a word; tells how many wait now.
    fn begin(self: &Arc<Self>, to: Backchannel, token: Token) -> usize {
        // The lock is held until the task is written down: it may end at once.
        let mut waiting = self.waiting.lock();
        let id = waiting.next;
        waiting.next += 1;
        let task = tokio::spawn(Arc::clone(self).carry(id, to, token));
        waiting.tasks.insert(id, task.abort_handle());
        waiting.tasks.len()
    }

    fn len(&self) -> usize {
        self.waiting.lock().tasks.len()
    }

    fn drop_oldest(&self) {
        let oldest = self.waiting.lock().tasks.pop_first();
        if let Some((_, task)) = oldest {
            task.abort();
            self.tell(Delivery::Dropped, "too_many");
        }
    }

    async fn carry(self: Arc<Self>, id: u64, to: Backchannel, token: Token) {
        let (outcome, cause) = self.try_until_the_end(&to, &token).await;
        // One that was dropped meanwhile is counted as that.
        if self.waiting.lock().tasks.remove(&id).is_some() {
            self.tell(outcome, cause);
        }
    }

    async fn try_until_the_end(&self, to: &Backchannel, token: &Token) -> (Delivery, &'static str) {
        let mut pauses = self.pauses.iter();
        loop {
            // In a box, so that a word between two tries takes little room.
            let cause = match Box::pin(self.try_once(to, token)).await {
                Try::Ended(outcome, cause) => return (outcome, cause),
                Try::Again(cause) => cause,
            };
            let Some(pause) = pauses.next() else { return (Delivery::GivenUp, cause) };
            sleep(*pause).await;
        }
    }

    async fn try_once(&self, to: &Backchannel, token: &Token) -> Try {
        // The semaphore is never closed.
        let _turn = self.at_once.acquire().await.ok();
        let Some(token) = token() else { return Try::Ended(Delivery::GivenUp, "no_token") };
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("logout_token", &token).finish();
        match self.errands.post_form(&to.uri, form, to.timeout).await {
            Ok(StatusCode::OK | StatusCode::NO_CONTENT) => Try::Ended(Delivery::Delivered, ""),
            Ok(StatusCode::BAD_REQUEST) => Try::Ended(Delivery::Refused, "status_400"),
            Ok(_) => Try::Again("status"),
            // The configuration decides where requests may go, and it will decide the same in a minute.
            Err(failed @ (ErrandFailed::Address | ErrandFailed::Connect(NotConnected::Forbidden))) => {
                Try::Ended(Delivery::GivenUp, failed.cause())
            }
            Err(failed) => Try::Again(failed.cause()),
        }
    }

    fn tell(&self, outcome: Delivery, cause: &'static str) {
        let vendor = &self.errands.vendor().id;
        self.telemetry.emit(&Event::LogoutDelivery { vendor, outcome });
        if outcome == Delivery::Delivered {
            return;
        }
        let mut told = self.told.lock();
        if told.is_none_or(|told| told.elapsed() >= QUIET) {
            *told = Some(Instant::now());
            drop(told);
            self.telemetry.emit(&Event::LogoutTrouble { vendor, outcome, cause });
        }
    }
}

#[cfg(test)]
mod tests;
