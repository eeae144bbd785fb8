//! What a relying party remembers: sign-ins under way, readers who are signed in, and tokens that were used. Each list has
//! an end, and what is old is forgotten.
use super::super::claims::Claims;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// A sign-in under way, by its `state`.
pub(super) struct Pending {
    pub(super) nonce: String,
    pub(super) verifier: String,
    /// The browser that began it.
    pub(super) browser: String,
    /// The page to show afterwards.
    pub(super) target: String,
    pub(super) max_age: Option<i64>,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) id_token: String,
    pub(super) claims: Claims,
    pub(super) userinfo: Claims,
    /// What came on the way, as it came: a line on what it is, and the bytes.
    pub(super) came: Vec<(&'static str, Vec<u8>)>,
}

/// Everything that is remembered.
pub(super) struct Desk {
    pub(super) pending: Shelf<Pending>,
    pub(super) readers: Shelf<Reader>,
    /// Ids of logout tokens.
    pub(super) used: Shelf<()>,
    /// The `state` of those who leave by way of the portal.
    pub(super) leaving: Shelf<()>,
}

impl Default for Desk {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        Self {
            pending: Shelf::new(minutes(15)),
            readers: Shelf::new(minutes(120)),
            used: Shelf::new(minutes(15)),
            leaving: Shelf::new(minutes(15)),
        }
    }
}

/// As many as a shelf holds.
const MOST: usize = 4_096;

/// Things by a name, the oldest forgotten first.
pub(super) struct Shelf<T> {
    life: Duration,
    held: HashMap<String, T>,
    order: VecDeque<(Instant, String)>,
}

impl<T> Shelf<T> {
    fn new(life: Duration) -> Self {
        Self { life, held: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn put(&mut self, name: String, thing: T) {
        self.forget_old(MOST - 1);
        self.order.push_back((Instant::now(), name.clone()));
        self.held.insert(name, thing);
    }

    pub(super) fn get(&mut self, name: &str) -> Option<&T> {
        self.forget_old(MOST);
        self.held.get(name)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<T> {
        self.forget_old(MOST);
        self.held.remove(name)
    }

    /// Keeps those that the rule keeps; says how many went.
    pub(super) fn retain(&mut self, rule: impl Fn(&T) -> bool) -> usize {
        let before = self.held.len();
        self.held.retain(|_, thing| rule(thing));
        before - self.held.len()
    }

    fn forget_old(&mut self, most: usize) {
        while let Some((since, name)) = self.order.front() {
            if self.order.len() <= most && since.elapsed() < self.life {
                return;
            }
            self.held.remove(name);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        let mut shelf = Shelf::new(Duration::from_secs(600));
        for n in 0..MOST + 10 {
            shelf.put(n.to_string(), n);
        }
        assert_eq!((shelf.get("9").copied(), shelf.get("10").copied()), (None, Some(10)));
        assert_eq!((shelf.take("11"), shelf.take("11")), (Some(11), None));
        shelf.life = Duration::ZERO;
        assert_eq!(shelf.get("12"), None);
        assert!(shelf.held.is_empty() && shelf.order.is_empty());
    }
}
