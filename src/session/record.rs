//! One session, and its sealed form.
use crate::domain::{AgeClass, Code, Date, LibraryId, Standing, State, Timestamp};
use crate::patron::{Subject, Vault};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// What a sign-in left behind.
///
/// It has no `Debug`, `Clone` or `Serialize`.
pub struct Session {
    pub(super) name: [u8; 32],
    pub(super) library: LibraryId,
    pub(super) subject: Subject,
    pub(super) standing: Standing,
    pub(super) opened: Timestamp,
    pub(super) idle: u32,
    pub(super) absolute: u32,
    pub(super) seen: AtomicI64,
    pub(super) written: AtomicI64,
    pub(super) checked: AtomicI64,
    pub(super) endings: AtomicU64,
    pub(super) ended: AtomicBool,
}

impl Session {
    /// The library that knows the patron.
    #[must_use]
    pub const fn library(&self) -> &LibraryId {
        &self.library
    }

    /// The patron's keyed name.
    #[must_use]
    pub const fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The coarse facts.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// When it was opened.
    #[must_use]
    pub const fn opened(&self) -> Timestamp {
        self.opened
    }

    /// A name for keyed derivations, such as form tokens. It is not the cookie and opens nothing.
    #[must_use]
    pub const fn name(&self) -> &[u8; 32] {
        &self.name
    }

    /// Whether both lifetimes still run and nobody ended it.
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        let seen = Timestamp::from_seconds(self.seen.load(Ordering::Relaxed));
        !self.ended.load(Ordering::Relaxed)
            && now.since(self.opened) < i64::from(self.absolute)
            && now.since(seen) < i64::from(self.idle)
    }

    /// Seconds until it ends when nobody comes, for the store.
    pub(super) fn left(&self, now: Timestamp) -> u64 {
        let absolute = i64::from(self.absolute) - now.since(self.opened);
        let seen = Timestamp::from_seconds(self.seen.load(Ordering::Relaxed));
        let idle = i64::from(self.idle) - now.since(seen);
        u64::try_from(absolute.min(idle)).unwrap_or(0)
    }

    /// Seconds until it ends in any case.
    #[must_use]
    pub fn lasts(&self, now: Timestamp) -> u64 {
        u64::try_from(i64::from(self.absolute) - now.since(self.opened)).unwrap_or(0)
    }

    pub(super) fn seal(&self, vault: &Vault) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.push(VERSION);
        put_text(&mut out, self.library.as_str());
        out.push(self.standing.state as u8);
        out.push(self.standing.age as u8);
        put_text(&mut out, self.standing.borrower_class.as_ref().map_or("", Code::as_str));
        put_text(&mut out, self.standing.branch.as_ref().map_or("", Code::as_str));
        out.extend_from_slice(&self.standing.expires.map_or(0, Date::to_julian_day).to_be_bytes());
        put_time(&mut out, self.opened.seconds());
        put_time(&mut out, self.seen.load(Ordering::Relaxed));
        out.extend_from_slice(&self.idle.to_be_bytes());
        out.extend_from_slice(&self.absolute.to_be_bytes());
        vault.seal(&self.subject, &out, &self.name)
    }

    pub(super) fn open(sealed: &[u8], name: [u8; 32], vault: &Vault) -> Option<Self> {
        let (subject, rest) = vault.open(sealed, &name)?;
        let mut rest = rest.as_slice();
        if take::<1>(&mut rest)? != [VERSION] {
            return None;
        }
        let library = LibraryId::parse(take_text(&mut rest)?).ok()?;
        let [state, age] = take(&mut rest)?;
        let standing = Standing {
            state: [State::Good, State::Expired, State::Blocked].into_iter().find(|s| *s as u8 == state)?,
            age: [AgeClass::Adult, AgeClass::Teen, AgeClass::Juvenile, AgeClass::Unknown]
                .into_iter()
                .find(|a| *a as u8 == age)?,
            borrower_class: Code::parse(take_text(&mut rest)?),
            branch: Code::parse(take_text(&mut rest)?),
            expires: match i32::from_be_bytes(take(&mut rest)?) {
                0 => None,
                day => Some(Date::from_julian_day(day).ok()?),
            },
        };
        let opened = Timestamp::from_seconds(take_time(&mut rest)?);
        let seen = take_time(&mut rest)?;
        let idle = u32::from_be_bytes(take(&mut rest)?);
        let absolute = u32::from_be_bytes(take(&mut rest)?);
        Some(Self {
            name,
            library,
            subject,
            standing,
            opened,
            idle,
            absolute,
            seen: AtomicI64::new(seen),
            written: AtomicI64::new(seen),
            checked: AtomicI64::new(0),
            endings: AtomicU64::new(u64::MAX),
            ended: AtomicBool::new(false),
        })
    }
}

/// The form's version: a session of another version does not open, and its patron signs in again.
const VERSION: u8 = 2;

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Ids and codes are at most 64 bytes; what is longer would be cut by the reader's check, not here.
    out.push(u8::try_from(text.len()).unwrap_or(0));
    if u8::try_from(text.len()).is_ok() {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Seconds since 1970 in 32 bits, which last until 2106: with a million sessions, each byte is a megabyte.
fn put_time(out: &mut Vec<u8>, seconds: i64) {
    let seconds = u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
    out.extend_from_slice(&seconds.to_be_bytes());
}

fn take_time(rest: &mut &[u8]) -> Option<i64> {
    Some(u32::from_be_bytes(take(rest)?).into())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let [length] = take(rest)?;
    let (head, tail) = rest.split_at_checked(usize::from(length))?;
    *rest = tail;
    std::str::from_utf8(head).ok()
}
