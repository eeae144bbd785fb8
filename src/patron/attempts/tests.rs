//! Attempts as the gate meets them, against a store that remembers everything that it was given.
use super::*;
use crate::domain::{ManualClock, Timestamp};
use crate::store::{Family, Key, Memory};
use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const CARD: &str = "29999000000017";
const KEY: [u8; 32] = [7; 32];

/// A store that keeps a copy of every name and value.
struct Spied {
    memory: Memory,
    seen: Mutex<Vec<Vec<u8>>>,
}

impl Spied {
    fn note(&self, key: Key, value: &[u8], life: Duration) {
        assert_eq!(key.family, Family::Attempt);
        assert!(life <= Duration::from_secs(24 * 3600), "counters live for a day at most");
        self.seen.lock().extend([key.name.to_vec(), value.to_vec()]);
    }
}

impl Store for Spied {
    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        self.memory.get(key)
    }
    fn put(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<(), StoreError>> {
        self.note(key, &value, life);
        self.memory.put(key, value, life)
    }
    fn put_if_absent(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.note(key, &value, life);
        self.memory.put_if_absent(key, value, life)
    }
    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        self.memory.take(key)
    }
    fn compare_and_swap(
        &self,
        key: Key,
        change: (Bytes, Bytes),
        life: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.note(key, &change.1, life);
        self.memory.compare_and_swap(key, change, life)
    }
    fn increment(&self, key: Key, life: Duration) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.memory.increment(key, life)
    }
    fn count(&self, family: Family) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.memory.count(family)
    }
    fn purge(&self, family: Family) -> BoxFuture<'_, Result<(), StoreError>> {
        self.memory.purge(family)
    }
}

struct Scene {
    store: Arc<Spied>,
    clock: Arc<ManualClock>,
    limits: GuessLimits,
}

impl Scene {
    fn new(limits: GuessLimits) -> Self {
        let store = Arc::new(Spied { memory: Memory::new(10_000), seen: Mutex::default() });
        Self { store, clock: Arc::new(ManualClock::at(Timestamp::from_seconds(1_795_305_600))), limits }
    }

    fn of(&self, ils: &str) -> Attempts {
        let keys = Arc::new(Keyring::new(&KEY).unwrap());
        Attempts::new(ils, (Arc::clone(&self.store) as _, keys, Arc::clone(&self.clock) as _), self.limits)
    }
}

const NEVER_LOCKS: GuessLimits =
    GuessLimits { ils_locks_after: None, per_day: 30, cards_per_network: 20, answer_after: Duration::from_millis(500) };

fn elsewhere(device: Option<&str>) -> Approach<'_> {
    Approach { arrived: Instant::now(), address: None, premises: false, device }
}

fn premises() -> Approach<'static> {
    Approach { premises: true, ..elsewhere(None) }
}

fn at(address: &str) -> Approach<'static> {
    Approach { address: Some(address.parse().unwrap()), ..elsewhere(None) }
}

/// What one attempt came to: `None` when it was not asked, else what the browser holds afterwards.
async fn attempt(desk: &Attempts, typed: &str, approach: Approach<'_>, ending: Ending) -> Option<Option<String>> {
    named(desk, typed, approach, (ending, typed)).await
}

async fn named(
    desk: &Attempts,
    typed: &str,
    approach: Approach<'_>,
    (ending, card): (Ending, &str),
) -> Option<Option<String>> {
    match desk.begin(typed, &approach).await.unwrap() {
        Admitted::Yes(guess) => Some(desk.end(guess, ending, Some(card)).await.unwrap()),
        Admitted::Throttled => None,
        Admitted::Busy => panic!("nothing is under way"),
    }
}

/// How many of so many attempts with a wrong PIN are asked.
async fn asked(desk: &Attempts, typed: &str, approach: Approach<'_>, tries: usize) -> usize {
    let mut asked = 0;
    for _ in 0..tries {
        asked += usize::from(attempt(desk, typed, approach, Ending::Wrong).await.is_some());
    }
    asked
}

#[tokio::test]
async fn strangers_stop_early_the_owner_late_and_nobody_locks_the_card() {
    let scene = Scene::new(GuessLimits::default());
    let desk = scene.of("main");
    let device = attempt(&desk, CARD, elsewhere(None), Ending::Right).await.unwrap().unwrap();
    assert_eq!(asked(&desk, CARD, elsewhere(None), 50).await, 2);
    for _ in 0..6 {
        assert!(attempt(&desk, CARD, elsewhere(None), Ending::Right).await.is_none(), "also with the right PIN");
        assert!(attempt(&desk, CARD, elsewhere(Some(&device)), Ending::Right).await.is_some(), "the owner comes in");
        assert_eq!(asked(&desk, CARD, elsewhere(None), 1).await, 1);
        assert_eq!(asked(&desk, CARD, elsewhere(Some(&device)), 1).await, 1, "and may mistype");
        assert!(attempt(&desk, CARD, premises(), Ending::Right).await.is_some(), "as in the library");
        assert_eq!(asked(&desk, CARD, elsewhere(None), 9).await, 2);
    }
    assert!(attempt(&desk, CARD, premises(), Ending::Right).await.is_some());
    assert_eq!(asked(&desk, CARD, elsewhere(None), 100).await, 0, "the day's guesses are used up");
    assert_eq!(asked(&desk, CARD, premises(), 100).await, 3);
    assert_eq!(asked(&desk, CARD, elsewhere(Some(&device)), 1).await, 1);
    assert_eq!(asked(&desk, CARD, elsewhere(Some(&device)), 100).await, 0, "one more would lock the card");
}

#[tokio::test]
async fn a_day_has_thirty_guesses_at_most_under_all_spellings() {
    let scene = Scene::new(NEVER_LOCKS);
    let desk = scene.of("main");
    let mut total = 0;
    for typed in [CARD, "2 9999-000000017", "0029999000000017", "２９９９９０００００００１７"] {
        total += asked(&desk, typed, elsewhere(None), 50).await;
    }
    assert_eq!(total, 20);
    total += asked(&desk, CARD, premises(), 50).await;
    assert_eq!(total, 25, "some are kept for the library's own addresses");
    // Names that only the library system can tell to be this card: one guess each, and then it is known.
    for alias in ["avery", "averyb", "a.b", "ab@example.org", "b29"] {
        for _ in 0..20 {
            total += usize::from(named(&desk, alias, elsewhere(None), (Ending::Wrong, CARD)).await.is_some());
        }
    }
    assert_eq!(total, 30);
    scene.clock.advance(24 * 3600);
    assert_eq!(asked(&desk, CARD, elsewhere(None), 50).await, 20, "the next day");
}

#[tokio::test]
async fn a_spelling_once_learnt_counts_on_the_card() {
    let scene = Scene::new(NEVER_LOCKS);
    let desk = scene.of("main");
    let device = named(&desk, "avery", elsewhere(None), (Ending::Right, CARD)).await.unwrap().unwrap();
    let mut total = 0;
    for typed in ["avery", CARD, "AVÉRY", "avery", CARD].iter().cycle().take(100) {
        total += usize::from(named(&desk, typed, elsewhere(None), (Ending::Wrong, CARD)).await.is_some());
    }
    assert_eq!(total, 20);
    // The device was used with the user name; it knows the card as well, and the other way round.
    for typed in ["avery", CARD] {
        assert!(named(&desk, typed, elsewhere(Some(&device)), (Ending::Right, CARD)).await.is_some());
    }
}

#[tokio::test]
async fn a_device_that_fails_too_often_is_a_stranger() {
    let scene = Scene::new(NEVER_LOCKS);
    let desk = scene.of("main");
    let device = attempt(&desk, CARD, elsewhere(None), Ending::Right).await.unwrap().unwrap();
    assert_eq!(asked(&desk, CARD, elsewhere(None), 50).await, 20);
    assert_eq!(asked(&desk, CARD, elsewhere(Some(&device)), 50).await, SLIPS);
    let other = attempt(&desk, "30000", elsewhere(Some(&device)), Ending::Right).await.unwrap().unwrap();
    assert_eq!(asked(&desk, CARD, elsewhere(Some(&other)), 5).await, 0, "it is still the same device");
    scene.clock.advance(24 * 3600);
    assert!(attempt(&desk, CARD, elsewhere(Some(&other)), Ending::Right).await.is_some());
}

#[tokio::test]
async fn faults_of_the_system_cost_nothing() {
    let scene = Scene::new(GuessLimits::default());
    let desk = scene.of("main");
    for _ in 0..100 {
        assert!(attempt(&desk, CARD, at("192.0.2.1"), Ending::Void).await.is_some());
    }
    assert_eq!(asked(&desk, CARD, at("192.0.2.1"), 10).await, 2);
}

#[tokio::test]
async fn libraries_of_one_system_share_and_systems_do_not() {
    let scene = Scene::new(GuessLimits::default());
    assert_eq!(asked(&scene.of("main"), CARD, elsewhere(None), 10).await, 2);
    assert_eq!(asked(&scene.of("main"), CARD, elsewhere(None), 10).await, 0);
    assert_eq!(asked(&scene.of("other"), CARD, elsewhere(None), 10).await, 2);
}

#[tokio::test]
async fn card_after_card_is_stopped_in_its_network_alone() {
    let scene = Scene::new(GuessLimits::default());
    let desk = scene.of("main");
    let device = attempt(&desk, "77", elsewhere(None), Ending::Right).await.unwrap().unwrap();
    let mut total = 0;
    for n in 0..200 {
        let address = format!("192.0.2.{}", n % 256);
        total += asked(&desk, &format!("4{n:05}"), at(&address), 1).await;
    }
    assert_eq!(total, 20);
    assert_eq!(asked(&desk, "400003", at("192.0.2.9"), 5).await, 1, "a card that failed there has its own count");
    assert_eq!(asked(&desk, "50001", at("198.51.100.1"), 1).await, 1);
    let known = Approach { device: Some(&device), ..at("192.0.2.9") };
    assert!(attempt(&desk, "77", known, Ending::Right).await.is_some());
    scene.clock.advance(3600);
    assert_eq!(asked(&desk, "50002", at("192.0.2.9"), 1).await, 1);
}

#[tokio::test]
async fn two_hundred_at_once_are_no_more_than_one_after_the_other() {
    for (limits, most) in [(GuessLimits::default(), 2), (NEVER_LOCKS, 20)] {
        let scene = Scene::new(limits);
        let (desk, asked) = (Arc::new(scene.of("main")), Arc::new(AtomicUsize::new(0)));
        let guesses = (0..200).map(|n| {
            let (desk, asked) = (Arc::clone(&desk), Arc::clone(&asked));
            tokio::spawn(async move {
                let typed = if n % 2 == 0 { CARD } else { "avery" };
                if let Admitted::Yes(guess) = desk.begin(typed, &elsewhere(None)).await.unwrap() {
                    asked.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    desk.end(guess, Ending::Wrong, Some(CARD)).await.unwrap();
                }
            })
        });
        for guess in guesses.collect::<Vec<_>>() {
            guess.await.unwrap();
        }
        let asked = asked.load(Ordering::SeqCst);
        assert!((most..=most + 1).contains(&asked), "{asked} of {most}, and one to learn that `avery` is the card");
    }
}

#[tokio::test]
async fn the_store_learns_no_card_and_nothing_to_try_cards_with() {
    let scene = Scene::new(GuessLimits::default());
    let desk = scene.of("main");
    let device = named(&desk, "avery", at("192.0.2.1"), (Ending::Right, CARD)).await.unwrap().unwrap();
    for typed in ["avery", CARD] {
        let known = Approach { device: Some(&device), ..at("192.0.2.1") };
        named(&desk, typed, at("2001:db8::1"), (Ending::Wrong, CARD)).await;
        named(&desk, typed, known, (Ending::Wrong, CARD)).await;
    }
    let seen = scene.store.seen.lock().clone();
    assert!(seen.len() > 20);
    let mut marks: Vec<Vec<u8>> = Vec::new();
    for text in [CARD, "avery", "main\x0029999000000017", "192.0.2.1", "192.0.2.0"] {
        marks.push(text.as_bytes().to_vec());
        for algorithm in [&digest::SHA1_FOR_LEGACY_USE_ONLY, &digest::SHA256, &digest::SHA512] {
            marks.push(digest::digest(algorithm, text.as_bytes()).as_ref()[..8].to_vec());
        }
    }
    marks.push(vec![192, 0, 2]);
    marks.push(vec![0x20, 0x01, 0x0d, 0xb8]);
    for bytes in &seen {
        for mark in &marks {
            assert!(!bytes.windows(mark.len()).any(|window| window == mark), "{mark:?}");
        }
    }
    // With another key, every name is another.
    let other = Attempts { keys: Arc::new(Keyring::new(&[8; 32]).unwrap()), ..scene.of("main") };
    assert_eq!(asked(&other, CARD, elsewhere(None), 10).await, 2);
}
