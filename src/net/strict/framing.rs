//! Where messages begin and end on one connection. Pure: bytes go in, and out comes how many of them may be handed on.
use super::chunks::Chunks;
use super::head::{self, HEAD_BYTES, Head, LINE_BYTES, Length};
use crate::telemetry::Refused;
use memchr::memchr;

/// Where on a connection the next byte stands.
#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunks),
    /// Behind a message that asked for another protocol.
    Switching,
}

/// What is to come after the bytes that may be handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More of the message; or the bytes that are left are the beginning of a head, to be fed again with what follows.
    More,
    /// The message asked for another protocol: what is left may be fed once that was declined.
    Switch,
    /// Nothing: what is left begins with a head that is refused.
    Refuse(Refused),
    /// Nothing: a body whose head was handed on before is malformed.
    Broken,
}

/// What came of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// How many bytes may be handed on.
    pub passed: usize,
    /// What is to come then.
    pub then: Then,
}

/// The messages of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Framing {
    state: State,
    /// How many bytes of an unfinished head were looked at, and where its last line begins.
    seen: usize,
    line: usize,
    asks_switch: bool,
}

impl Default for Framing {
    fn default() -> Self {
        Self { state: State::Head, seen: 0, line: 0, asks_switch: false }
    }
}

impl Framing {
    /// Whether the next byte belongs to a body.
    #[must_use]
    pub const fn is_in_body(&self) -> bool {
        matches!(self.state, State::Length(_) | State::Chunked(_))
    }

    /// The other protocol was declined; a head follows.
    pub fn declined(&mut self) {
        *self = Self::default();
    }

    /// Looks at the bytes that were not handed on yet. After [`Then::Refuse`] and [`Then::Broken`] there is no more.
    pub fn feed(&mut self, bytes: &[u8]) -> Fed {
        let mut passed = 0;
        // Where the message under way begins, if that is here: then it is not too late to refuse it.
        let mut began = None;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            match &mut self.state {
                State::Head => match self.head(rest) {
                    Ok(None) => return Fed { passed, then: Then::More },
                    Err(refusal) => return Fed { passed, then: Then::Refuse(refusal) },
                    Ok(Some((length, head))) => {
                        began = Some(passed);
                        passed += length;
                        self.begin(head);
                    }
                },
                State::Length(left) => {
                    let taken = usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    passed += taken;
                    *left -= taken as u64;
                    if *left > 0 {
                        return Fed { passed, then: Then::More };
                    }
                    self.end();
                }
                State::Chunked(chunks) => match (chunks.feed(rest), began) {
                    (Ok((used, ended)), _) => {
                        passed += used;
                        if !ended {
                            return Fed { passed, then: Then::More };
                        }
                        self.end();
                    }
                    (Err(_), Some(passed)) => {
                        let refusal = Refused::Chunk;
                        return Fed { passed, then: Then::Refuse(refusal) };
                    }
                    (Err(_), None) => return Fed { passed, then: Then::Broken },
                },
                State::Switching => return Fed { passed, then: Then::Switch },
            }
        }
    }

    fn begin(&mut self, head: Head) {
        (self.seen, self.line, self.asks_switch) = (0, 0, head.asks_switch);
        match head.length {
            Length::Known(0) => self.end(),
            Length::Known(length) => self.state = State::Length(length),
            Length::Chunked => self.state = State::Chunked(Chunks::new()),
        }
    }

    const fn end(&mut self) {
        self.state = if self.asks_switch { State::Switching } else { State::Head };
    }

    /// A whole head at the beginning of `bytes`, and its length.
    fn head(&mut self, bytes: &[u8]) -> Result<Option<(usize, Head)>, Refused> {
        while let Some(found) = bytes.get(self.seen..).and_then(|unseen| memchr(b'\n', unseen)) {
            let end = self.seen + found + 1;
            let line = bytes.get(self.line..end - 1).unwrap_or_default();
            match line {
                // One empty line before a request is forgiven (RFC 9112 §2.2).
                b"\r" if self.line == 2 && bytes.starts_with(b"\r\n") => return Err(Refused::LineEnd),
                b"\r" if self.line > 0 => {
                    let head = bytes.get(..end).unwrap_or_default();
                    if end > HEAD_BYTES {
                        return Err(Refused::HeadTooLarge);
                    }
                    return head::check(head.strip_prefix(b"\r\n").unwrap_or(head)).map(|head| Some((end, head)));
                }
                [.., b'\r'] => (self.seen, self.line) = (end, end),
                _ => return Err(Refused::LineEnd),
            }
        }
        self.seen = bytes.len();
        match bytes.len() {
            // The request line has no end yet; its CR may be there.
            length if length - self.line > LINE_BYTES + 1 && self.line <= 2 => Err(Refused::TargetTooLong),
            length if length > HEAD_BYTES => Err(Refused::HeadTooLarge),
            _ => Ok(None),
        }
    }
}
