//! A search for patrons' strings in anything that left the hall: each string in all its [spellings](super::spell), in
//! the bytes as they are and in whatever can be [decoded](super::inside) from them, four layers deep.
//!
//! Short strings turn up by chance in signatures and random ids, so a search that knew no better would cry wolf:
//! - a PIN is searched for as a field (`pin=…`, `"password":"…"`, SIP2's `AD`) and as a digest;
//! - strings of fewer than five characters are not searched for at all but as digests;
//! - a spelling with less than [`STRONG`] bits must stand alone in readable text: no letter or digit beside it, and not
//!   inside one long run of letters and digits. Longer strings that hold it are searched for besides.
use super::inside::inside;
use super::spell::{self, Match};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;

/// How many layers of encoding are taken off.
const DEPTH: usize = 5;
/// Bits from which a spelling will not turn up by chance in a gigabyte of random text.
const STRONG: u32 = 44;
/// The fewest characters that are searched for.
const SHORTEST: usize = 5;
/// A run of letters and digits as long as this is an opaque token.
const OPAQUE: usize = 24;
/// The window of spellings of eight bytes and more, and of shorter ones.
const WINDOWS: [usize; 2] = [8, 5];
const NONE: u32 = u32::MAX;

/// A string to search for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Needle {
    /// Any string that names or describes a person.
    Text(String),
    /// A card number, with what its digests might be mixed with.
    Card { number: String, beside: Vec<String> },
    /// A PIN.
    Pin(String),
}

impl Needle {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Pin(text) | Self::Card { number: text, .. } => text,
        }
    }
}

/// Bytes in which nothing may be found.
#[derive(Clone)]
pub(super) struct Haystack {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

impl Haystack {
    pub(super) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// A needle that was found.
pub(super) struct Hit {
    pub(super) needle: String,
    pub(super) how: &'static str,
    /// The haystack and the decodings that led to the bytes.
    pub(super) place: String,
    pub(super) around: String,
}

impl Hit {
    /// Where it is and how it was spelled.
    pub(super) fn told(&self) -> String {
        let Self { needle, how, place, around } = self;
        format!("{needle} ({how}) in {place}: {around}")
    }
}

struct Pattern {
    start: u32,
    length: u16,
    weak: bool,
    matching: Match,
    how: &'static str,
    needle: u32,
    next: u32,
}

/// All spellings of all needles, by their first bytes.
pub(super) struct Scanner {
    needles: Vec<String>,
    letters: Vec<u8>,
    patterns: Vec<Pattern>,
    heads: [HashMap<u64, u32>; 2],
    /// Whether a head's hash is there at all; most are not.
    sieves: [Vec<u64>; 2],
}

const SIEVE_BITS: u32 = 25;

/// Folds a head into a place of a sieve. No multiplication: unoptimised, that is a call.
const fn sieve_place(head: u64) -> (usize, u64) {
    let bit = (head ^ (head >> 13) ^ (head >> 27) ^ (head >> 42)) & ((1 << SIEVE_BITS) - 1);
    ((bit >> 6) as usize, 1 << (bit & 63))
}

impl Scanner {
    pub(super) fn new(needles: &[Needle]) -> Self {
        let sieves = [vec![0; 1 << (SIEVE_BITS - 6)], vec![0; 1 << (SIEVE_BITS - 6)]];
        let (needles, all) = (Vec::new(), needles);
        let mut scanner =
            Self { needles, letters: Vec::new(), patterns: Vec::new(), heads: Default::default(), sieves };
        let mut seen = HashSet::new();
        all.iter().filter(|needle| seen.insert(*needle)).for_each(|needle| scanner.add(needle));
        scanner
    }

    /// How many spellings are searched for.
    pub(super) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    pub(super) fn needles(&self) -> usize {
        self.needles.len()
    }

    fn add(&mut self, needle: &Needle) {
        let place = u32::try_from(self.needles.len()).unwrap();
        self.needles.push(needle.text().to_owned());
        let mut sink = |how: &'static str, bytes: &[u8], matching: Match| self.push(place, how, (bytes, matching));
        match needle {
            Needle::Text(text) => {
                if text.chars().count() >= SHORTEST {
                    spell::spell(text, &mut sink);
                }
                spell::digests(text, &[], &mut sink);
            }
            Needle::Card { number, beside } => {
                spell::spell(number, &mut sink);
                let beside: Vec<&str> = beside.iter().map(String::as_str).collect();
                spell::digests(number, &beside, &mut sink);
            }
            Needle::Pin(pin) => {
                spell::fields(pin, &mut sink);
                spell::digests(pin, &[], &mut sink);
            }
        }
    }

    fn push(&mut self, needle: u32, how: &'static str, (bytes, matching): (&[u8], Match)) {
        let folded = matches!(matching, Match::Folded | Match::Field);
        let window = usize::from(bytes.len() < WINDOWS[0]);
        if bytes.len() < WINDOWS[window] {
            return;
        }
        let head = head_of(&bytes[..WINDOWS[window]]);
        let start = self.letters.len();
        self.letters.extend_from_slice(bytes);
        if folded {
            self.letters[start..].make_ascii_lowercase();
        }
        let place = u32::try_from(self.patterns.len()).unwrap();
        let first = self.heads[window].entry(head).or_insert(NONE);
        let next = std::mem::replace(first, place);
        if self.is_known(next, &self.letters[start..], needle) {
            // Many spellings of a plain word are the plain word.
            self.heads[window].insert(head, next);
            self.letters.truncate(start);
            return;
        }
        let (word, bit) = sieve_place(head);
        self.sieves[window][word] |= bit;
        let weak = matching != Match::Field && bits(bytes, matching) < STRONG;
        let (start, length) = (u32::try_from(start).unwrap(), u16::try_from(bytes.len()).unwrap());
        self.patterns.push(Pattern { start, length, weak, matching, how, needle, next });
    }

    /// Looks among the latest only: it saves work and decides nothing.
    fn is_known(&self, mut place: u32, bytes: &[u8], needle: u32) -> bool {
        for _ in 0..8 {
            let Some(pattern) = self.patterns.get(place as usize).filter(|p| p.needle == needle) else { return false };
            if self.bytes_of(pattern) == bytes {
                return true;
            }
            place = pattern.next;
        }
        false
    }

    fn bytes_of(&self, pattern: &Pattern) -> &[u8] {
        &self.letters[pattern.start as usize..][..usize::from(pattern.length)]
    }

    /// Searches them all, with two threads.
    pub(super) fn scan(&self, haystacks: &[Haystack]) -> Vec<Hit> {
        let (hits, seen) = (Mutex::new(Vec::new()), Mutex::new(HashSet::new()));
        let queue = Mutex::new(haystacks.iter());
        let work = || {
            loop {
                let Some(next) = queue.lock().unwrap().next() else { return };
                self.search(next.bytes.clone(), &next.name, (0, &seen), &mut |hit| hits.lock().unwrap().push(hit));
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(work);
            work();
        });
        hits.into_inner().unwrap()
    }

    fn search(
        &self,
        bytes: Vec<u8>,
        place: &str,
        (depth, seen): (usize, &Mutex<HashSet<u64>>),
        report: &mut dyn FnMut(Hit),
    ) {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        if !seen.lock().unwrap().insert(hasher.finish()) {
            return;
        }
        self.look(&bytes, place, report);
        if depth == DEPTH {
            return;
        }
        let found = inside(&bytes);
        drop(bytes);
        for (how, decoded) in found {
            self.search(decoded, &format!("{place} > {how}"), (depth + 1, seen), report);
        }
    }

    fn look(&self, bytes: &[u8], place: &str, report: &mut dyn FnMut(Hit)) {
        let folded = bytes.to_ascii_lowercase();
        let (long, short) = (&*self.sieves[0], &*self.sieves[1]);
        let (mut latest, mut end) = (0_u64, 0);
        // Written out: the tests are built without optimisation.
        while end < folded.len() {
            latest = latest << 8 | u64::from(folded[end]);
            end += 1;
            let (word, bit) = sieve_place(latest);
            if long[word] & bit != 0 && end >= WINDOWS[0] {
                self.compare(0, latest, (bytes, &folded, end - WINDOWS[0], place), report);
            }
            let shorter = latest & 0xff_ffff_ffff;
            let (word, bit) = sieve_place(shorter);
            if short[word] & bit != 0 && end >= WINDOWS[1] {
                self.compare(1, shorter, (bytes, &folded, end - WINDOWS[1], place), report);
            }
        }
    }

    fn compare(
        &self,
        window: usize,
        head: u64,
        (bytes, folded, at, place): (&[u8], &[u8], usize, &str),
        report: &mut dyn FnMut(Hit),
    ) {
        let mut next = self.heads[window].get(&head).copied().unwrap_or(NONE);
        while let Some(pattern) = self.patterns.get(next as usize) {
            next = pattern.next;
            let end = at + usize::from(pattern.length);
            let text = if matches!(pattern.matching, Match::Folded | Match::Field) { folded } else { bytes };
            if text.get(at..end) != Some(self.bytes_of(pattern)) || !stands(bytes, at..end, pattern) {
                continue;
            }
            let around = bytes[at.saturating_sub(24)..bytes.len().min(end + 24)].escape_ascii().to_string();
            let needle = self.needles[pattern.needle as usize].clone();
            report(Hit { needle, how: pattern.how, place: place.to_owned(), around });
        }
    }
}

fn head_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |head, b| head << 8 | u64::from(b.to_ascii_lowercase()))
}

/// How improbable a spelling is in random text, cautiously.
fn bits(bytes: &[u8], matching: Match) -> u32 {
    let of = |byte: &u8| match (matching, byte) {
        (Match::Binary, _) => 8,
        (Match::Exact, _) => 6,
        (_, b'0'..=b'9') => 4,
        (_, b'a'..=b'z' | b'A'..=b'Z') => 5,
        _ => 6,
    };
    bytes.iter().map(of).sum()
}

/// Whether what surrounds a match lets it count.
fn stands(bytes: &[u8], span: std::ops::Range<usize>, pattern: &Pattern) -> bool {
    let (before, after) = (&bytes[..span.start], &bytes[span.end..]);
    let word = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    if pattern.matching == Match::Field {
        return !word(after.first());
    }
    if !pattern.weak {
        return true;
    }
    if word(before.last()) || word(after.first()) {
        return false;
    }
    let readable = |b: &u8| matches!(b, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    let near = before.iter().rev().take(8).all(readable) || after.iter().take(8).all(readable);
    let token = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let run: Vec<u8> = before
        .iter()
        .rev()
        .take_while(token)
        .chain(&bytes[span])
        .chain(after.iter().take_while(token))
        .copied()
        .collect();
    near && !(run.len() >= OPAQUE && run.iter().any(u8::is_ascii_digit))
}
