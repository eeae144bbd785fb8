//! The pool: at most so many connections at any time, each with one request in flight. A conversation is taken out by
//! value and put back only after a reply that can be trusted, so that one whose look-up was cut short is closed.
use super::conversation::Conversation;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// The connections of one library system.
pub(super) struct Pool {
    /// One permit for each connection that may be in use. Unused ones are taken before a new one is opened, so there
    /// are never more connections than permits.
    permits: Semaphore,
    unused: Mutex<Unused>,
    /// Told when the library system is given up for a while.
    cleared: Notify,
    /// How long a connection may be unused.
    limit: Duration,
}

#[derive(Default)]
struct Unused {
    conversations: Vec<(Conversation, Instant)>,
    swept: bool,
}

impl Pool {
    /// An empty pool.
    pub(super) fn new(connections: usize, limit: Duration) -> Self {
        Self { permits: Semaphore::new(connections), unused: Mutex::default(), cleared: Notify::new(), limit }
    }

    /// Waits for the right to use a connection; `None` when the pool is cleared meanwhile, because those who were first
    /// had no answer.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        let cleared = self.cleared.notified();
        tokio::select! {
            biased;
            // The semaphore is never closed.
            permit = self.permits.acquire() => permit.ok(),
            () = cleared => None,
        }
    }

    /// The conversation that was used last, if any is young enough.
    pub(super) fn take(&self) -> Option<Conversation> {
        let mut unused = self.unused.lock();
        unused.conversations.retain(|(_, since)| since.elapsed() < self.limit);
        unused.conversations.pop().map(|(conversation, _)| conversation)
    }

    /// Closes every unused connection, and lets nobody wait any longer.
    pub(super) fn clear(&self) {
        self.unused.lock().conversations.clear();
        self.cleared.notify_waiters();
    }

    /// Keeps a conversation for the next look-up.
    pub(super) fn put(self: &Arc<Self>, conversation: Conversation) {
        let mut unused = self.unused.lock();
        unused.conversations.push((conversation, Instant::now()));
        if !std::mem::replace(&mut unused.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self), self.limit));
        }
    }

    /// How many connections wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.unused.lock().conversations.len()
    }
}

/// Closes connections that nobody has used for the limit; ends with the last one.
async fn sweep(pool: std::sync::Weak<Pool>, limit: Duration) {
    loop {
        tokio::time::sleep(limit).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut unused = pool.unused.lock();
        unused.conversations.retain(|(_, since)| since.elapsed() < limit);
        if unused.conversations.is_empty() {
            unused.swept = false;
            return;
        }
    }
}
