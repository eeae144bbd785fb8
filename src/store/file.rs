//! One file for what is to outlive the process: an ordered table for each family in a redb database. A change is durable
//! before it is answered, a group of changes costs as much as one, and two processes may have the file open at once, so
//! that a new program can take over from an old one. Names are digests and values were sealed by their owners.
use super::{Family, Key, StoreError};
use bytes::Bytes;
use parking_lot::RwLock;
use redb::{
    ConcurrencyMode, Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, TableError,
};
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

/// Bytes of the file that are kept in memory. What is in use is kept beside it, in [`super::Memory`].
const CACHE: usize = 8 << 20;
/// Up to this size the whole file is checked when it is opened; a check of a larger one would take seconds.
const CHECKED: u64 = 64 << 20;
/// The form of what is in the file.
const FORM: u64 = 1;

/// As long as any value may live: what a session's settings allow.
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");

type Name = [u8; 32];
type Rows = TableDefinition<'static, &'static Name, &'static [u8]>;

const fn rows(family: Family) -> Rows {
    TableDefinition::new(match family {
        Family::Session => "session",
        Family::HostSession => "host_session",
        Family::Ticket => "ticket",
        Family::Attempt => "attempt",
        Family::Introduced => "introduced",
        Family::Grant => "grant",
        Family::Code => "code",
        Family::Token => "token",
        Family::Pushed => "pushed",
        Family::Once => "once",
    })
}

/// Something to be done to one value, or to a family.
pub(super) enum Verb {
    /// Puts a value, replacing any.
    Put(Bytes, Duration),
    /// Puts a value where there is none.
    PutIfAbsent(Bytes, Duration),
    /// Takes a value out.
    Take,
    /// Puts the second value where the first stands.
    Swap((Bytes, Bytes), Duration),
    /// Adds one to a counter.
    Increment(Duration),
    /// Drops every value of the family.
    Purge,
    /// Removes a value whose life has ended.
    Expire,
}

/// A change that waits for its turn.
pub(super) struct Change {
    pub(super) key: Key,
    pub(super) verb: Verb,
}

/// What a change is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Whether it was done.
    Done(bool),
    /// The value taken.
    Value(Option<Bytes>),
    /// The new count.
    Count(u64),
}

/// What stands in the file after a change.
pub(super) enum After {
    /// This value, for so much longer.
    Holds(Bytes, Duration),
    /// Nothing.
    Gone,
    /// What stood there before.
    Same,
}

/// A value and the second at which its life ends, as one row.
struct Row<'b> {
    ends: i64,
    value: &'b [u8],
}

impl<'b> Row<'b> {
    /// A row that is too short to be one of ours counts as ended.
    fn read(bytes: &'b [u8]) -> Self {
        bytes.split_first_chunk::<4>().map_or(Row { ends: 0, value: &[] }, |(ends, value)| Row {
            ends: i64::from(u32::from_be_bytes(*ends)),
            value,
        })
    }

    fn written(ends: i64, value: &[u8]) -> Vec<u8> {
        let ends = u32::try_from(ends.max(0)).unwrap_or(u32::MAX);
        [&ends.to_be_bytes()[..], value].concat()
    }
}

/// The second at which a life that begins at `now` has ended for certain.
fn end_of(life: Duration, now: i64) -> i64 {
    let whole = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    now.saturating_add(whole).saturating_add(i64::from(life.subsec_nanos() > 0))
}

fn left(ends: i64, now: i64) -> Duration {
    Duration::from_secs(u64::try_from(ends.saturating_sub(now)).unwrap_or(0))
}

/// The file. It is opened again after a failure, since redb gives up a file that could not be written once.
pub(super) struct KeptFile {
    open: Box<dyn Fn() -> Result<Database, String> + Send + Sync>,
    database: RwLock<Option<Database>>,
}

impl KeptFile {
    /// Opens the file, or makes it; `shared` when another process has it open and nothing may be checked.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn open(path: &Path, shared: bool) -> Result<Self, String> {
        let prepared = prepare(path).map_err(|error| format!("cannot open the store {}: {error}", path.display()))?;
        let check = !shared && prepared <= CHECKED;
        let database = open(path, check)?;
        let path = path.to_path_buf();
        Ok(Self::over(database, move || open(&path, false)))
    }

    pub(super) fn over(
        database: Database,
        open: impl Fn() -> Result<Database, String> + Send + Sync + 'static,
    ) -> Self {
        Self { open: Box::new(open), database: RwLock::new(Some(database)) }
    }

    /// Does something with the open file; after a failure it is opened again before the next.
    fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, StoreError> {
        if self.database.read().is_none() {
            let mut database = self.database.write();
            if database.is_none() {
                *database = Some((self.open)().map_err(|_| StoreError)?);
            }
        }
        let database = self.database.read();
        let open = database.as_ref().ok_or(StoreError)?;
        // A file that something else wrote into can make redb panic; that must not end the thread that writes.
        if let Ok(Ok(done)) = catch_unwind(AssertUnwindSafe(|| work(open))) {
            return Ok(done);
        }
        drop(database);
        *self.database.write() = None;
        Err(StoreError)
    }

    /// A living value, and how long it lives.
    pub(super) fn get(&self, key: Key, now: i64) -> Result<Option<(Bytes, Duration)>, StoreError> {
        self.with(|database| {
            let reading = database.begin_read()?;
            let table = match reading.open_table(rows(key.family)) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let Some(found) = table.get(&key.name)? else { return Ok(None) };
            let row = Row::read(found.value());
            Ok((row.ends > now).then(|| (Bytes::copy_from_slice(row.value), left(row.ends, now))))
        })
    }

    /// How many values of a family there are, with those whose life ended a moment ago.
    pub(super) fn count(&self, family: Family) -> Result<u64, StoreError> {
        self.with(|database| match database.begin_read()?.open_table(rows(family)) {
            Ok(table) => Ok(table.len()?),
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(error.into()),
        })
    }

    /// Makes changes, all or none, in their order; they are on the disk when this returns.
    pub(super) fn apply(&self, changes: &[Change], now: i64) -> Result<Vec<(Answer, After)>, StoreError> {
        self.with(|database| {
            let writing = database.begin_write()?;
            let mut outcomes = Vec::with_capacity(changes.len());
            outcomes.resize_with(changes.len(), || (Answer::Done(false), After::Same));
            for family in Family::ALL {
                let mut here = changes.iter().zip(&mut outcomes).filter(|(c, _)| c.key.family == family).peekable();
                if here.peek().is_none() {
                    continue;
                }
                let mut table = writing.open_table(rows(family))?;
                for (change, outcome) in here {
                    *outcome = apply_one(&mut table, change, now)?;
                }
            }
            writing.commit()?;
            Ok(outcomes)
        })
    }

    /// Names in a family, after `from`, whose life has ended; looks at `most` and tells where to go on, or `None` at
    /// the end.
    pub(super) fn ended(
        &self,
        (family, from): (Family, Name),
        now: i64,
        most: usize,
    ) -> Result<(Vec<Name>, Option<Name>), StoreError> {
        self.with(|database| {
            let reading = database.begin_read()?;
            let table = match reading.open_table(rows(family)) {
                Ok(table) => table,
                Err(TableError::TableDoesNotExist(_)) => return Ok((Vec::new(), None)),
                Err(error) => return Err(error.into()),
            };
            let (mut names, mut last, mut seen) = (Vec::new(), None, 0);
            for found in table.range::<&Name>((Bound::Excluded(&from), Bound::Unbounded))?.take(most) {
                let (name, row) = found?;
                seen += 1;
                last = Some(*name.value());
                if Row::read(row.value()).ends <= now {
                    names.push(*name.value());
                }
            }
            Ok((names, last.filter(|_| seen == most)))
        })
    }
}

type Table<'t> = redb::Table<'t, &'static Name, &'static [u8]>;

fn apply_one(table: &mut Table<'_>, change: &Change, now: i64) -> Result<(Answer, After), redb::Error> {
    let name = &change.key.name;
    if matches!(change.verb, Verb::Purge) {
        table.retain(|_, _| false)?;
        return Ok((Answer::Done(true), After::Gone));
    }
    let stands = match &change.verb {
        Verb::Put(..) => None,
        _ => table.get(name)?.map(|found| {
            let row = Row::read(found.value());
            (row.ends, Bytes::copy_from_slice(row.value))
        }),
    };
    let lives = stands.as_ref().filter(|(ends, _)| *ends > now);
    let put = |table: &mut Table<'_>, value: &Bytes, ends: i64| -> Result<After, redb::Error> {
        table.insert(name, &*Row::written(ends, value))?;
        Ok(After::Holds(value.clone(), left(ends, now)))
    };
    Ok(match (&change.verb, lives) {
        (Verb::Put(value, life), _) | (Verb::PutIfAbsent(value, life), None) => {
            (Answer::Done(true), put(table, value, end_of(*life, now))?)
        }
        (Verb::Swap((old, new), life), Some((_, value))) if value == old => {
            (Answer::Done(true), put(table, new, end_of(*life, now))?)
        }
        (Verb::PutIfAbsent(..) | Verb::Swap(..), _) | (Verb::Expire, Some(_)) => (Answer::Done(false), After::Same),
        (Verb::Take, lives) => {
            let value = lives.map(|(_, value)| value.clone());
            if stands.is_some() {
                table.remove(name)?;
            }
            (Answer::Value(value), After::Gone)
        }
        (Verb::Increment(life), lives) => {
            let before = lives.and_then(|(ends, value)| Some((*ends, u64::from_be_bytes(value[..].try_into().ok()?))));
            let (ends, count) = before.unwrap_or((end_of(*life, now), 0));
            let count = count.saturating_add(1);
            (Answer::Count(count), put(table, &Bytes::copy_from_slice(&count.to_be_bytes()), ends)?)
        }
        (Verb::Expire, None) => {
            table.remove(name)?;
            (Answer::Done(true), After::Same)
        }
        (Verb::Purge, _) => (Answer::Done(true), After::Gone),
    })
}

/// Makes the folder and the file where there are none, for their owner only; gives the file's length.
fn prepare(path: &Path) -> io::Result<u64> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(file.metadata()?.len())
}

fn open(path: &Path, check: bool) -> Result<Database, String> {
    let sentence = |why: &str| {
        let path = path.display();
        format!("cannot open the store {path}: {why}; move the file away to start without it: readers sign in again")
    };
    let mut builder = redb::Builder::new();
    builder.set_cache_size(CACHE).set_concurrency_mode(ConcurrencyMode::MultiWriter);
    builder.set_check_integrity_on_open(check);
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = builder.create(path)?;
        let form = form_of(&database)?;
        Ok::<_, redb::Error>((database, form))
    }));
    match opened {
        Ok(Ok((database, FORM))) => Ok(database),
        Ok(Ok(_)) => Err(sentence("expected the form of this version, found another")),
        Ok(Err(error)) => Err(sentence(&told(error))),
        Err(_) => Err(sentence("expected a store, found a damaged one")),
    }
}

/// What redb says, without what it read.
fn told(error: redb::Error) -> String {
    match error {
        redb::Error::Io(error) => match error.kind() {
            io::ErrorKind::InvalidData => "expected a store, found something else".to_owned(),
            _ => error.to_string(),
        },
        redb::Error::Corrupted(_) => "expected a store, found a damaged one".to_owned(),
        redb::Error::DatabaseAlreadyOpen => "expected to have it alone, found another program using it".to_owned(),
        _ => "expected a store that can be read, found one that cannot".to_owned(),
    }
}

/// The form of what is in the file; a new file gets ours.
fn form_of(database: &Database) -> Result<u64, redb::Error> {
    match database.begin_read()?.open_table(ABOUT) {
        Ok(about) => return Ok(about.get("form")?.map_or(0, |form| form.value())),
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let writing = database.begin_write()?;
    writing.open_table(ABOUT)?.insert("form", FORM)?;
    writing.commit()?;
    Ok(FORM)
}
