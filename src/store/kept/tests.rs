//! What is kept outlives the process, is decided once, and is let go in time.
use super::*;
use crate::domain::{ManualClock, Timestamp, random};
use redb::StorageBackend;
use std::io;

const LIFE: Duration = Duration::from_secs(600);
const KEPT: &[Family] = &[Family::Session, Family::Ticket, Family::Attempt];

struct Ground {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    telemetry: Arc<Telemetry>,
}

impl Ground {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_800_000_000)));
        Self { folder: tempfile::TempDir::new().unwrap(), clock, telemetry: Arc::new(Telemetry::new()) }
    }

    fn parts(&self) -> KeptParts {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        KeptParts { memory: Memory::new(1000), families: KEPT, clock, telemetry: Arc::clone(&self.telemetry) }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("state/store.redb")
    }

    /// A store as a process that starts now has it: the file, and an empty memory.
    fn open(&self) -> Kept {
        Kept::open(&self.path(), self.parts(), false).unwrap_or_else(|why| panic!("{why}"))
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.telemetry.text();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap()
    }
}

fn key(family: Family) -> Key {
    Key { family, name: random() }
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart_and_for_its_time_only() {
    let ground = Ground::new();
    let (session, ticket, attempt, host) =
        (key(Family::Session), key(Family::Ticket), key(Family::Attempt), key(Family::HostSession));
    let store = ground.open();
    store.put(session, bytes("sealed"), LIFE).await.unwrap();
    store.put(ticket, bytes("ticket"), Duration::from_secs(30)).await.unwrap();
    store.put(host, bytes("memory alone"), LIFE).await.unwrap();
    assert_eq!(store.increment(attempt, LIFE).await.unwrap(), 1);
    store.settle().await;
    // Not dropped in good order: forgotten, as by a process that was killed.
    std::mem::forget(store);
    ground.clock.advance(100);
    let store = ground.open();
    assert_eq!(store.get(session).await.unwrap(), Some(bytes("sealed")));
    assert_eq!(store.get(ticket).await.unwrap(), None, "its thirty seconds are over");
    assert_eq!(store.take(ticket).await.unwrap(), None);
    assert_eq!(store.get(host).await.unwrap(), None, "a family that is not kept is in memory alone");
    assert_eq!(store.increment(attempt, LIFE).await.unwrap(), 2, "the counter goes on");
    store.settle().await;
    assert_eq!(store.count(Family::Session).await.unwrap(), 1);
    ground.clock.advance(500);
    let store = ground.open();
    assert_eq!(store.get(session).await.unwrap(), None, "600 seconds from the first second on");
    assert_eq!(store.increment(attempt, LIFE).await.unwrap(), 1, "a counter ends when its first count does");
}

#[tokio::test]
async fn of_many_at_once_one_takes_puts_or_swaps_also_between_two_processes() {
    let ground = Ground::new();
    let (one, two) = (Arc::new(ground.open()), Arc::new(ground.open()));
    one.set_shared(true);
    two.set_shared(true);
    for _ in 0..10 {
        let (ticket, nonce, session) = (key(Family::Ticket), key(Family::Attempt), key(Family::Session));
        one.put(ticket, bytes("x"), LIFE).await.unwrap();
        two.put(session, bytes("old"), LIFE).await.unwrap();
        let mut takers = tokio::task::JoinSet::new();
        for number in 0..20 {
            let store = Arc::clone(if number % 2 == 0 { &one } else { &two });
            takers.spawn(async move {
                let taken = store.take(ticket).await.unwrap().is_some();
                let put = store.put_if_absent(nonce, bytes("y"), LIFE).await.unwrap();
                let swapped = store.compare_and_swap(session, (bytes("old"), bytes("new")), LIFE).await.unwrap();
                [taken, put, swapped].map(usize::from)
            });
        }
        let won = takers.join_all().await;
        let total = won.iter().fold([0; 3], |sum, one| std::array::from_fn(|i| sum[i] + one[i]));
        assert_eq!(total, [1, 1, 1]);
        assert_eq!(two.get(ticket).await.unwrap(), None);
        assert_eq!(one.get(session).await.unwrap(), Some(bytes("new")));
        one.take(session).await.unwrap();
        assert_eq!(two.get(session).await.unwrap(), None, "what the other process ended has ended");
    }
}

#[tokio::test]
async fn counts_of_many_at_once_are_all_different() {
    let ground = Ground::new();
    let store = Arc::new(ground.open());
    let attempt = key(Family::Attempt);
    let mut counting = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let store = Arc::clone(&store);
        counting.spawn(async move { store.increment(attempt, LIFE).await.unwrap() });
    }
    let mut counts = counting.join_all().await;
    counts.sort_unstable();
    assert_eq!(counts, (1..=200).collect::<Vec<u64>>());
    store.settle().await;
    let another = ground.open();
    assert_eq!(another.increment(attempt, LIFE).await.unwrap(), 201, "all of them reached the file");
    // Two processes that know of each other count as one.
    store.set_shared(true);
    another.set_shared(true);
    another.settle().await;
    assert_eq!(store.increment(attempt, LIFE).await.unwrap(), 202);
    assert_eq!(another.increment(attempt, LIFE).await.unwrap(), 203);
}

#[tokio::test]
async fn what_has_ended_leaves_the_file() {
    let ground = Ground::new();
    let store = ground.open();
    for number in 0..50_u8 {
        store
            .put(key(Family::Session), bytes("short"), Duration::from_secs(60 + u64::from(number % 2) * 60))
            .await
            .unwrap();
    }
    assert_eq!(store.count(Family::Session).await.unwrap(), 50);
    ground.clock.advance(60);
    for _ in 0..3 {
        let mut from = [0; 32];
        from = store.shelf.sweep(Family::Session, from);
        assert_eq!(from, [0; 32], "all were looked at");
    }
    assert_eq!(store.count(Family::Session).await.unwrap(), 25);
    store.purge(Family::Session).await.unwrap();
    assert_eq!(store.count(Family::Session).await.unwrap(), 0);
}

#[tokio::test]
async fn the_file_is_its_owner_s_alone_and_something_else_is_not_written_over() {
    use std::os::unix::fs::PermissionsExt;
    let ground = Ground::new();
    drop(ground.open());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&ground.path()), mode(ground.path().parent().unwrap())), (0o600, 0o700));
    let held = std::fs::read(ground.path()).unwrap();
    let mut damaged = held.clone();
    damaged[4096..].fill(0xA5);
    for other in [b"somebody's letters, quite long ".repeat(400), held[..held.len() / 2].to_vec(), damaged] {
        let path = ground.folder.path().join("other.redb");
        std::fs::write(&path, &other).unwrap();
        let Err(why) = Kept::open(&path, ground.parts(), false) else { panic!("it took something else for a store") };
        assert!(why.contains("other.redb") && why.contains("move the file away"), "{why}");
        assert!(!why.contains("letters") && why.lines().count() == 1, "{why}");
    }
    assert!(Kept::open(Path::new("/proc/none/store.redb"), ground.parts(), false).is_err());
}

/// A file in memory that can be made to fail.
#[derive(Debug, Clone, Default)]
struct Flaky {
    bytes: Arc<Mutex<Vec<u8>>>,
    fails: Arc<AtomicBool>,
}

impl Flaky {
    fn write_of<T>(&self, write: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(write(&mut self.bytes.lock()))
    }
}

impl StorageBackend for Flaky {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.bytes.lock()[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.write_of(|bytes| bytes.resize(usize::try_from(len).unwrap(), 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.write_of(|_| ())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.write_of(|bytes| bytes[offset..offset + data.len()].copy_from_slice(data))
    }
}

#[tokio::test]
async fn a_disk_that_fails_refuses_the_new_and_keeps_the_old_until_it_is_mended() {
    let ground = Ground::new();
    let disk = Flaky::default();
    let open = {
        let disk = disk.clone();
        move || redb::Builder::new().create_with_backend(disk.clone()).map_err(|error| error.to_string())
    };
    let file = KeptFile::over(open().unwrap(), open);
    let store = Kept::over(file, ground.parts(), false).unwrap_or_else(|why| panic!("{why}"));
    let (reading, leaving) = (key(Family::Session), key(Family::Session));
    store.put(reading, bytes("here"), LIFE).await.unwrap();
    store.put(leaving, bytes("gone"), LIFE).await.unwrap();
    disk.fails.store(true, Ordering::SeqCst);
    let counter = key(Family::Attempt);
    for count in 1..=3 {
        assert_eq!(store.put(key(Family::Session), bytes("new"), LIFE).await, Err(StoreError));
        assert_eq!(store.increment(counter, LIFE).await, Ok(count), "guesses are counted without the disk");
    }
    assert_eq!(store.get(reading).await, Ok(Some(bytes("here"))), "whoever is signed in goes on");
    assert_eq!(store.take(leaving).await, Err(StoreError));
    assert_eq!(store.get(leaving).await, Ok(None), "whoever signed out stays out");
    assert!(ground.metric("vestibule_store_failures_total ") >= 4.0);
    assert!(ground.metric("vestibule_store_working ") < 1.0);
    disk.fails.store(false, Ordering::SeqCst);
    store.put(key(Family::Session), bytes("new"), LIFE).await.unwrap();
    assert_eq!(store.take(leaving).await, Ok(Some(bytes("gone"))));
    assert_eq!(store.get(leaving).await, Ok(None));
    assert!(ground.metric("vestibule_store_working ") > 0.0);
}
