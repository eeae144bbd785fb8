//! What a vendor that signs readers in remembers for a while. A shelf has an end, and what is old is forgotten.
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// As many as a shelf holds.
const MOST: usize = 4_096;

/// Things by a name, the oldest forgotten first.
pub(super) struct Shelf<T> {
    life: Duration,
    held: HashMap<String, T>,
    order: VecDeque<(Instant, String)>,
}

impl<T> Shelf<T> {
    pub(super) fn new(life: Duration) -> Self {
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
