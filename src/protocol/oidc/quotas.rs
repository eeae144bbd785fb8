//! How many requests a client may push: a flood of one must not take the room of another.
use super::client::Client;
use crate::domain::Timestamp;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Pushed requests of one client in a minute.
const MOST: u32 = 6_000;

/// How many requests each client pushed in this minute.
#[derive(Default)]
pub(super) struct Quotas(Mutex<BTreeMap<String, (i64, u32)>>);

impl Quotas {
    /// Counts one more; `false` when it is too many.
    pub(super) fn admits(&self, client: &Client, now: Timestamp) -> bool {
        let minute = now.seconds().div_euclid(60);
        let mut all = self.0.lock();
        let (of, count) = all.entry(client.id.clone()).or_insert((minute, 0));
        if *of != minute {
            (*of, *count) = (minute, 0);
        }
        *count = count.saturating_add(1);
        *count <= MOST
    }
}
