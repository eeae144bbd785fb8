//! The idle connections of one worker to one vendor. A connection comes back only after an exchange that ended cleanly;
//! it rests before it serves the next reader where a vendor might still send something; and none is taken while
//! something waits to be read on it.
use super::sent::Tracked;
use super::wire::Watch;
use hyper::client::conn::{http1, http2};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(55);
/// A connection used within this time is taken to be open.
const FRESH: Duration = Duration::from_millis(500);
/// How long a connection rests.
const REST: Duration = Duration::from_secs(1);
/// How many connections are kept that are ready, and how many that rest: those that rest are not to push out the others.
const READY: usize = 128;
const RESTING: usize = 64;

pub(super) type Http1 = http1::SendRequest<Tracked>;
pub(super) type Http2 = http2::SendRequest<super::body::OutboundBody>;

/// A connection, and a look at its socket.
pub(super) struct Line {
    pub(super) sender: Http1,
    pub(super) watch: Watch,
}

struct Idle {
    line: Line,
    since: Instant,
}

#[derive(Default)]
struct Shelf {
    ready: Vec<Idle>,
    /// In the order in which they came.
    resting: VecDeque<Idle>,
    /// Whether somebody comes by to drop what has grown old.
    swept: bool,
}

/// What becomes of a connection after an answer was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The next request may follow at once.
    Ready,
    /// It rests. A vendor that took a request's body for another request, or that sends a body in answer to `HEAD`,
    /// shows itself meanwhile by bytes that nobody asked for, and these close the connection.
    Rest,
    /// It is closed.
    Close,
}

/// Connections that wait for a request.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Shelf>,
    pub(super) http2: Mutex<Option<Http2>>,
    /// How many HTTP/1 connections are open, also those in use.
    pub(super) open: Arc<AtomicUsize>,
}

/// A connection in use, on its way back to the idle ones.
pub(super) struct Lease {
    pub(super) line: Line,
    pub(super) pool: Arc<Pool>,
    pub(super) next: Next,
}

impl Lease {
    /// Gives the connection back once it is ready for another request; a connection that closes is forgotten.
    pub(super) fn give_back(mut self) {
        if self.next == Next::Close {
            return;
        }
        if self.line.sender.is_ready() {
            self.pool.keep(self.line, self.next);
            return;
        }
        tokio::spawn(async move {
            if timeout(IDLE, self.line.sender.ready()).await.is_ok_and(|ready| ready.is_ok()) {
                self.pool.keep(self.line, self.next);
            }
        });
    }
}

impl Pool {
    fn keep(self: &Arc<Self>, line: Line, next: Next) {
        let mut kept = self.idle.lock();
        let idle = Idle { line, since: Instant::now() };
        match next {
            Next::Ready if kept.ready.len() < READY => kept.ready.push(idle),
            Next::Rest if kept.resting.len() < RESTING => kept.resting.push_back(idle),
            Next::Ready | Next::Rest | Next::Close => return,
        }
        if !std::mem::replace(&mut kept.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    /// Drops what has grown old; tells whether anything is left.
    fn drop_old(&self) -> bool {
        let mut kept = self.idle.lock();
        kept.ready.retain(|idle| idle.since.elapsed() < IDLE);
        kept.resting.retain(|idle| idle.since.elapsed() < IDLE);
        kept.swept = !(kept.ready.is_empty() && kept.resting.is_empty());
        kept.swept
    }

    /// The connection used last, and whether that is a while ago; what is old, closed or not quiet is dropped.
    pub(super) fn take(&self) -> Option<(Line, bool)> {
        let mut kept = self.idle.lock();
        while let Some(Idle { line, since }) = kept.next() {
            if since.elapsed() < IDLE && line.sender.is_ready() && line.watch.is_quiet() {
                return Some((line, since.elapsed() > FRESH));
            }
        }
        None
    }
}

/// Comes by until nothing is left: a vendor whom nobody asks any more keeps no connection of ours.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(IDLE).await;
        if !pool.upgrade().is_some_and(|pool| pool.drop_old()) {
            return;
        }
    }
}

impl Shelf {
    fn next(&mut self) -> Option<Idle> {
        self.ready.pop().or_else(|| {
            let rested = self.resting.front().is_some_and(|idle| idle.since.elapsed() >= REST);
            if rested { self.resting.pop_front() } else { None }
        })
    }
}
