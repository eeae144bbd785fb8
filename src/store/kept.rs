//! The store with a file behind its memory. A value is looked for in memory first; every change of a family that is kept
//! goes through the file, where it is decided, made durable and only then answered, so that it holds across a crash and
//! between two processes. One thread writes, always everything that waits at once.
//!
//! Counters of sign-ins need not wait for the disk: they are decided in memory and written a moment later, in the same
//! order, unless another process counts as well. A crash costs the last few milliseconds of them.
use super::file::{After, Answer, Change, KeptFile, Verb};
use super::{Family, Key, Memory, Store, StoreError};
use crate::domain::Clock;
use crate::telemetry::{Event, Telemetry};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

/// Changes that may wait; beyond it whoever wants one more waits to hand it in.
const WAITING: usize = 1024;
/// How often values whose life has ended are looked for in the file.
const SWEEP: Duration = Duration::from_secs(1);
/// How many values of each family are looked at each time: a million in some eight minutes.
const SWEPT: usize = 2000;
/// Places where the order of filling and changing the memory is kept.
const STRIPES: usize = 64;

/// What a kept store is made of.
pub struct KeptParts {
    /// What is looked at first.
    pub memory: Memory,
    /// The families that are kept; others are in memory alone.
    pub families: &'static [Family],
    /// Tells when a life has ended.
    pub clock: Arc<dyn Clock>,
    /// Hears of a file that cannot be written.
    pub telemetry: Arc<Telemetry>,
}

/// The store with a file behind its memory.
pub struct Kept {
    shelf: Arc<Shelf>,
    changes: mpsc::Sender<Waiting>,
}

struct Waiting {
    change: Change,
    /// `None` for a change that is in memory already.
    answer: Option<oneshot::Sender<Result<Answer, StoreError>>>,
}

struct Shelf {
    parts: KeptParts,
    file: KeptFile,
    /// Whether another process has the file open, so that memory may be behind it.
    shared: AtomicBool,
    failing: AtomicBool,
    /// How many changes reached the memory, so that a value read before one is not put there after it.
    changed: [Mutex<u64>; STRIPES],
}

impl Kept {
    /// Opens the file at `path`, or makes it. `shared` when another process has it open.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn open(path: &Path, parts: KeptParts, shared: bool) -> Result<Self, String> {
        Self::over(KeptFile::open(path, shared)?, parts, shared)
    }

    fn over(file: KeptFile, parts: KeptParts, shared: bool) -> Result<Self, String> {
        let shelf = Arc::new(Shelf {
            parts,
            file,
            shared: AtomicBool::new(shared),
            failing: AtomicBool::new(false),
            changed: std::array::from_fn(|_| Mutex::new(0)),
        });
        let (changes, waiting) = mpsc::channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| format!("cannot start the store: {error}"))?;
        let served = Arc::clone(&shelf);
        let thread = std::thread::Builder::new().name("store".to_owned());
        let started = thread.spawn(move || runtime.block_on(write(&served, waiting)));
        started.map_err(|error| format!("cannot start the store: {error}"))?;
        Ok(Self { shelf, changes })
    }

    /// Says whether another process has the file open from now on; then memory is not believed.
    pub fn set_shared(&self, shared: bool) {
        self.shelf.shared.store(shared, Ordering::Release);
    }

    /// Resolves when everything that was changed before is on the disk, or could not be.
    pub async fn settle(&self) {
        let key = Key { family: Family::Attempt, name: [0; 32] };
        let (Ok(_) | Err(StoreError)) = self.decide_in_file(key, Verb::Expire).await;
    }

    async fn change(&self, key: Key, verb: Verb) -> Result<Answer, StoreError> {
        if key.family == Family::Attempt && !self.shelf.shared.load(Ordering::Acquire) {
            self.decide_in_memory(key, verb).await
        } else {
            self.decide_in_file(key, verb).await
        }
    }

    /// The answer of the writing thread.
    async fn decide_in_file(&self, key: Key, verb: Verb) -> Result<Answer, StoreError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { change: Change { key, verb }, answer: Some(answer) };
        self.changes.send(waiting).await.map_err(|_| StoreError)?;
        answered.await.map_err(|_| StoreError)?
    }

    /// Changes the memory, and leaves the change to the writing thread.
    async fn decide_in_memory(&self, key: Key, verb: Verb) -> Result<Answer, StoreError> {
        let place = self.changes.reserve().await.map_err(|_| StoreError)?;
        // What the file holds comes into memory; if the file does not answer, memory alone must do.
        let (Ok(_) | Err(StoreError)) = self.shelf.find(key);
        let Some(changed) = self.shelf.stripe(key) else { return Err(StoreError) };
        let mut changed = changed.lock();
        *changed = changed.wrapping_add(1);
        let (answer, written) = decide(&self.shelf.parts.memory, key, verb)?;
        if let Some(verb) = written {
            place.send(Waiting { change: Change { key, verb }, answer: None });
        }
        Ok(answer)
    }

    async fn done(&self, key: Key, verb: Verb) -> Result<bool, StoreError> {
        let answer = self.change(key, verb).await?;
        if let Answer::Done(done) = answer { Ok(done) } else { Err(StoreError) }
    }
}

impl Shelf {
    fn keeps(&self, family: Family) -> bool {
        self.parts.families.contains(&family)
    }

    fn stripe(&self, key: Key) -> Option<&Mutex<u64>> {
        let [first, ..] = key.name;
        self.changed.get(usize::from(first) % STRIPES)
    }

    fn find(&self, key: Key) -> Result<Option<Bytes>, StoreError> {
        if !self.shared.load(Ordering::Acquire)
            && let Some(held) = self.parts.memory.held(key)
        {
            // A value that was taken while the file could not be written leaves an empty one.
            return Ok(Some(held).filter(|value| !value.is_empty()));
        }
        let before = self.stripe(key).map(|changed| *changed.lock());
        let Some((value, left)) = self.file.get(key, self.parts.clock.now().seconds())? else { return Ok(None) };
        if let Some(changed) = self.stripe(key) {
            let changed = changed.lock();
            if before == Some(*changed) {
                self.parts.memory.hold(key, &value, left);
            }
        }
        Ok(Some(value))
    }

    /// Brings the memory up to a change that is in the file.
    fn note(&self, key: Key, verb: &Verb, after: &After) {
        let Some(changed) = self.stripe(key) else { return };
        let mut changed = changed.lock();
        *changed = changed.wrapping_add(1);
        match after {
            After::Holds(value, left) => self.parts.memory.hold(key, value, *left),
            After::Gone if matches!(verb, Verb::Purge) => self.parts.memory.clear(key.family),
            After::Gone => self.parts.memory.drop_value(key),
            After::Same => {}
        }
    }

    /// What was taken stays away, also when the file could not be told; it comes back with a restart at worst.
    fn note_failure(&self, change: &Change) {
        if matches!(change.verb, Verb::Take) {
            self.note(change.key, &change.verb, &After::Holds(Bytes::new(), super::file::LONGEST));
        }
    }

    fn tell(&self, working: bool) {
        if !working {
            self.parts.telemetry.store_failed();
        }
        if self.failing.swap(!working, Ordering::AcqRel) == working {
            self.parts.telemetry.emit(&Event::StoreWorks { working });
        }
    }

    /// Makes a group of changes and answers them.
    fn make(&self, group: Vec<Waiting>) {
        let (changes, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|w| (w.change, w.answer)).unzip();
        let made = self.file.apply(&changes, self.parts.clock.now().seconds());
        self.tell(made.is_ok());
        let Ok(outcomes) = made else {
            for (change, answer) in changes.iter().zip(answers) {
                if let Some(answer) = answer {
                    self.note_failure(change);
                    // Whoever no longer waits needs no answer, here and below.
                    let _unless_gone = answer.send(Err(StoreError));
                }
            }
            return;
        };
        for ((change, answer), (made, after)) in changes.iter().zip(answers).zip(outcomes) {
            if let Some(answer) = answer {
                self.note(change.key, &change.verb, &after);
                let _unless_gone = answer.send(Ok(made));
            }
        }
    }

    /// Looks at some more values of a family and removes those whose life has ended; gives where to go on.
    fn sweep(&self, family: Family, from: [u8; 32]) -> [u8; 32] {
        let now = self.parts.clock.now().seconds();
        let Ok((ended, next)) = self.file.ended((family, from), now, SWEPT) else { return from };
        if !ended.is_empty() {
            let expire = |name| Change { key: Key { family, name }, verb: Verb::Expire };
            let changes: Vec<_> = ended.into_iter().map(expire).collect();
            self.tell(self.file.apply(&changes, now).is_ok());
        }
        next.unwrap_or_default()
    }
}

/// Makes a change in memory; also what is to be written of it, which is what came of it and not what was asked.
fn decide(memory: &Memory, key: Key, verb: Verb) -> Result<(Answer, Option<Verb>), StoreError> {
    // The memory answers at once.
    fn now<T>(answer: BoxFuture<'_, Result<T, StoreError>>) -> Result<T, StoreError> {
        answer.now_or_never().unwrap_or(Err(StoreError))
    }
    Ok(match verb {
        Verb::Put(value, life) => {
            now(memory.put(key, value.clone(), life))?;
            (Answer::Done(true), Some(Verb::Put(value, life)))
        }
        Verb::PutIfAbsent(value, life) => {
            let done = now(memory.put_if_absent(key, value.clone(), life))?;
            (Answer::Done(done), done.then_some(Verb::Put(value, life)))
        }
        Verb::Swap((old, new), life) => {
            let done = now(memory.compare_and_swap(key, (old, new.clone()), life))?;
            (Answer::Done(done), done.then_some(Verb::Put(new, life)))
        }
        Verb::Take => (Answer::Value(now(memory.take(key))?), Some(Verb::Take)),
        Verb::Increment(life) => (Answer::Count(now(memory.increment(key, life))?), Some(Verb::Increment(life))),
        Verb::Purge => {
            now(memory.purge(key.family))?;
            (Answer::Done(true), Some(Verb::Purge))
        }
        Verb::Expire => (Answer::Done(false), Some(Verb::Expire)),
    })
}

/// The writing thread: makes whatever waits, all at once, and sweeps in between.
async fn write(shelf: &Shelf, mut waiting: mpsc::Receiver<Waiting>) {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut places = Family::ALL.map(|family| (family, [0; 32]));
    loop {
        let mut group = Vec::new();
        tokio::select! {
            biased;
            _ = sweep.tick() => {
                shelf.parts.memory.tidy();
                for (family, from) in &mut places {
                    *from = shelf.sweep(*family, *from);
                }
            }
            found = waiting.recv_many(&mut group, WAITING) => {
                if found == 0 {
                    return;
                }
                shelf.make(group);
            }
        }
    }
}

impl Store for Kept {
    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        if self.shelf.keeps(key.family) {
            Box::pin(std::future::ready(self.shelf.find(key)))
        } else {
            self.shelf.parts.memory.get(key)
        }
    }

    fn put(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<(), StoreError>> {
        if !self.shelf.keeps(key.family) {
            return self.shelf.parts.memory.put(key, value, life);
        }
        Box::pin(async move { self.done(key, Verb::Put(value, life)).await.map(|_| ()) })
    }

    fn put_if_absent(&self, key: Key, value: Bytes, life: Duration) -> BoxFuture<'_, Result<bool, StoreError>> {
        if !self.shelf.keeps(key.family) {
            return self.shelf.parts.memory.put_if_absent(key, value, life);
        }
        Box::pin(self.done(key, Verb::PutIfAbsent(value, life)))
    }

    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        if !self.shelf.keeps(key.family) {
            return self.shelf.parts.memory.take(key);
        }
        Box::pin(async move {
            let answer = self.change(key, Verb::Take).await?;
            if let Answer::Value(value) = answer { Ok(value) } else { Err(StoreError) }
        })
    }

    fn compare_and_swap(
        &self,
        key: Key,
        change: (Bytes, Bytes),
        life: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        if !self.shelf.keeps(key.family) {
            return self.shelf.parts.memory.compare_and_swap(key, change, life);
        }
        Box::pin(self.done(key, Verb::Swap(change, life)))
    }

    fn increment(&self, key: Key, life: Duration) -> BoxFuture<'_, Result<u64, StoreError>> {
        if !self.shelf.keeps(key.family) {
            return self.shelf.parts.memory.increment(key, life);
        }
        Box::pin(async move {
            let answer = self.change(key, Verb::Increment(life)).await?;
            if let Answer::Count(count) = answer { Ok(count) } else { Err(StoreError) }
        })
    }

    fn count(&self, family: Family) -> BoxFuture<'_, Result<u64, StoreError>> {
        if self.shelf.keeps(family) {
            Box::pin(std::future::ready(self.shelf.file.count(family)))
        } else {
            self.shelf.parts.memory.count(family)
        }
    }

    fn purge(&self, family: Family) -> BoxFuture<'_, Result<(), StoreError>> {
        if !self.shelf.keeps(family) {
            return self.shelf.parts.memory.purge(family);
        }
        let key = Key { family, name: [0; 32] };
        Box::pin(async move { self.done(key, Verb::Purge).await.map(|_| ()) })
    }
}

#[cfg(test)]
mod tests;
