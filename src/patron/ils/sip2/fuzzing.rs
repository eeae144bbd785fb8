//! The door for fuzzing: one library system's settings, and what its bytes lead to. It gives plain values that a fuzz
//! target can compare with its own reading of the same bytes. Built by `cargo fuzz` only.
use super::conversation::{Conversation, Trouble};
use super::message::{Checksum, Detection, Message, Tag, Terminator, verify};
use super::question::Question;
use super::reply::{self, Asked};
use super::settings::{self, Settings};
use super::transport::Stream;
use crate::domain::settings::{Reading, Secrets, Table};
use crate::domain::{Standing, Timestamp};
use crate::patron::Credentials;
use crate::patron::ils::IlsError;
use crate::patron::record::Record;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// A library system as its `[[ils]]` table describes it.
pub struct Library(Settings);

/// How a look-up ended, in plain values.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Admitted: the patron's lasting id and standing.
    Found(String, Standing),
    /// The library system's plain refusal.
    Refused,
    /// No answer that can be trusted; why.
    NoAnswer(&'static str),
}

/// A message that came, as the codec reads it.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    /// The two digits at the front.
    pub command: [u8; 2],
    /// The fields without a tag.
    pub fixed: Vec<u8>,
    /// The fields with a tag.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The sequence number.
    pub sequence: Option<u8>,
}

impl Library {
    /// Reads a table; `None` where it is wrong.
    #[must_use]
    pub fn new(table: &Table, secrets: &dyn Secrets) -> Option<Self> {
        let reading = Reading::new(secrets);
        settings::read(&reading.of(table)).map(Self)
    }

    /// Whether a known card alone is enough.
    #[must_use]
    pub const fn has_no_pins(&self) -> bool {
        self.0.no_pins
    }

    /// Whether an answer may name another card.
    #[must_use]
    pub const fn accepts_other_id(&self) -> bool {
        self.0.accept_other_id
    }

    /// Whether messages carry numbers and checksums.
    #[must_use]
    pub const fn has_checksums(&self) -> bool {
        self.0.checksums
    }

    /// The bytes that ask for a patron; `None` where the credentials cannot be asked.
    #[must_use]
    pub fn question(&self, card: &str, pin: &str, now: Timestamp, sequence: u8) -> Option<Vec<u8>> {
        let question = Question::new(&self.0, &credentials(card, pin), now).ok()?;
        let draft = question.draft(&self.0, self.0.request).ok()?;
        Some(draft.seal(Detection::Sequence(sequence), Terminator::Cr).to_vec())
    }

    /// Reads one message as the reply about `card`.
    #[must_use]
    pub fn reply(&self, message: &[u8], card: &[u8], now: Timestamp, sequence: u8) -> Outcome {
        let sent = if self.0.checksums { Detection::Sequence(sequence) } else { Detection::Off };
        let asked = Asked { card, accept_other_id: self.0.accept_other_id, today: now.date() };
        let command = self.0.request.reply();
        plain(reply::accept(message, command, sent).and_then(|reply| reply::read(&reply, &asked, &self.0)))
    }

    /// Goes through a whole conversation on a connection: prompts, login, status, one patron.
    pub async fn converse(&self, stream: TcpStream, card: &str, pin: &str, now: Timestamp) -> Outcome {
        plain(self.exchange(stream, card, pin, now).await)
    }

    async fn exchange(
        &self,
        stream: TcpStream,
        card: &str,
        pin: &str,
        now: Timestamp,
    ) -> Result<Result<Record, IlsError>, Trouble> {
        let question = Question::new(&self.0, &credentials(card, pin), now)?;
        let mut conversation = Conversation::new(Stream::Plain(stream), &self.0);
        conversation.pass_prompts(&self.0).await?;
        conversation.log_in(&self.0).await?;
        let _ = conversation.status(&self.0).await?;
        conversation.ask(&self.0, &question, now.date()).await.map(|word| word.found)
    }
}

/// Reads a message without its terminator.
#[must_use]
pub fn decode(message: &[u8]) -> Option<Frame> {
    let read = Message::decode(message).ok()?;
    let fields = read.fields.iter().map(|(tag, value)| (tag.name(), value.to_vec())).collect();
    Some(Frame { command: read.command, fixed: read.fixed.to_vec(), fields, sequence: read.sequence })
}

/// Writes a message with a number and a checksum; `None` for what cannot be sent.
#[must_use]
pub fn encode(frame: &Frame) -> Option<Vec<u8>> {
    let mut draft = super::message::Draft::new(frame.command, &frame.fixed).ok()?;
    for (tag, value) in &frame.fields {
        draft = draft.field(Tag::parse(tag)?, value).ok()?;
    }
    let detection = frame.sequence.map_or(Detection::Checksum, Detection::Sequence);
    let mut bytes = draft.seal(detection, Terminator::Cr).to_vec();
    bytes.pop();
    Some(bytes)
}

/// Whether a message carries the checksum of its bytes; `None` where it carries none.
#[must_use]
pub fn checksum_fits(message: &[u8]) -> Option<bool> {
    match verify(message) {
        Checksum::Absent => None,
        Checksum::Good => Some(true),
        Checksum::Bad => Some(false),
    }
}

fn credentials(card: &str, pin: &str) -> Credentials {
    Credentials::new(Zeroizing::new(card.to_owned()), Zeroizing::new(pin.to_owned()))
}

fn plain(word: Result<Result<Record, IlsError>, Trouble>) -> Outcome {
    match word.map_err(Trouble::error).and_then(|word| word) {
        Ok(record) => Outcome::Found(record.id.as_str().to_owned(), record.standing),
        Err(IlsError::NoSuchPatron | IlsError::BadPin) => Outcome::Refused,
        Err(IlsError::Unavailable(why) | IlsError::Misconfigured(why)) => Outcome::NoAnswer(why),
    }
}
