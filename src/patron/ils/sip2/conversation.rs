//! One connection and what is said on it: telnet-style prompts, login and status, then one request at a time. A
//! conversation that is in any trouble is never used again; dropping it closes the connection.
use super::charset::sums_characters;
use super::message::{Detection, Draft, Message, Tag, Terminator, is_padding};
use super::question::Question;
use super::reply::{self, Asked};
use super::settings::{Opening, Request, Settings, Value};
use super::transport::{self, Quiet, Stream};
use crate::domain::Date;
use crate::patron::ils::IlsError;
use crate::patron::record::Word;
use zeroize::Zeroizing;

/// No message is longer; a longer one closes the connection.
const MAX_MESSAGE: usize = 64 * 1024;
/// The size of a buffer at first.
const FIRST_BUFFER: usize = 4 * 1024;

/// Why a conversation has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It was closed, or surplus bytes had come, before anything was sent.
    Stale,
    /// It was closed after something was sent and before a byte of the reply came.
    Closed,
    /// The checksum does not fit the bytes.
    BadChecksum,
    /// The checksum is taken over characters where it belongs over bytes.
    CharactersSummed,
    /// Anything else.
    Failed(IlsError),
}

impl Trouble {
    /// The library system cannot be trusted now.
    pub(super) const fn unavailable(cause: &'static str) -> Self {
        Self::Failed(IlsError::Unavailable(cause))
    }

    /// Something is to be mended.
    pub(super) const fn misconfigured(cause: &'static str) -> Self {
        Self::Failed(IlsError::Misconfigured(cause))
    }

    /// What the one who asked is told.
    pub(super) const fn error(self) -> IlsError {
        match self {
            Self::Stale => IlsError::Unavailable("the ILS closed a new connection or spoke unasked"),
            Self::Closed => IlsError::Unavailable("the ILS closed the connection without a reply"),
            Self::BadChecksum => IlsError::Unavailable("the checksum of the reply is wrong: see `charset`"),
            Self::CharactersSummed => IlsError::Unavailable(
                "the checksum of the reply is over characters, not bytes: in Koha set `encoding=\"utf8\"` in the SIP account",
            ),
            Self::Failed(error) => error,
        }
    }

    /// Whether the library system answered all the same, so that the trouble is with this one reply.
    pub(super) const fn is_of_one_reply(self) -> bool {
        matches!(self, Self::CharactersSummed)
    }
}

impl From<IlsError> for Trouble {
    fn from(error: IlsError) -> Self {
        Self::Failed(error)
    }
}

/// A reply, and what the request carried.
pub(super) struct Received {
    bytes: Zeroizing<Vec<u8>>,
    sent: Detection,
}

/// What the library system says of itself in reply to 99.
pub(super) struct Status {
    /// Which patron request it lists.
    pub(super) listed: Listed,
    /// Whether it speaks version 2.00.
    pub(super) version_2: bool,
}

/// How the list of supported messages fits the configured patron request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// It is there, or there is no list.
    Configured,
    /// Only the other one is there, and is used on this connection.
    Other,
    /// Neither is there.
    Neither,
}

/// One connection.
pub(super) struct Conversation {
    stream: Stream,
    sequence: u8,
    request: Request,
}

impl Conversation {
    /// Starts a conversation on a connection.
    pub(super) const fn new(stream: Stream, settings: &Settings) -> Self {
        Self { stream, sequence: 0, request: settings.request }
    }

    /// As [`Conversation::new`], going on with a sequence number.
    #[cfg(test)]
    pub(super) const fn at(stream: Stream, settings: &Settings, sequence: u8) -> Self {
        Self { stream, sequence, request: settings.request }
    }

    /// Waits until something has come that nobody has read.
    #[cfg(test)]
    pub(super) async fn hears(&self) {
        self.stream.hears().await;
    }

    /// The request that is used on this connection.
    #[cfg(test)]
    pub(super) const fn request(&self) -> Request {
        self.request
    }

    /// Connects and goes through everything that comes before the first patron request.
    pub(super) async fn open(settings: &Settings) -> Result<Self, Trouble> {
        let tcp = transport::connect(&settings.host, settings.port).await?;
        let stream = transport::secure(tcp, settings.tls.as_ref()).await?;
        let mut conversation = Self::new(stream, settings);
        conversation.pass_prompts(settings).await?;
        for opening in settings.order {
            match opening {
                Opening::Login => conversation.log_in(settings).await?,
                Opening::Status => {
                    let _ = conversation.status(settings).await?;
                }
            }
        }
        Ok(conversation)
    }

    /// Logs the terminal in.
    pub(super) async fn log_in(&mut self, settings: &Settings) -> Result<(), Trouble> {
        let Some(login) = &settings.login else { return Ok(()) };
        let draft = Draft::new(*b"93", b"00")
            .and_then(|draft| draft.field(Tag::new(*b"CN"), &login.user))
            .and_then(|draft| draft.field(Tag::new(*b"CO"), &login.password))
            .and_then(|draft| draft.field(Tag::new(*b"CP"), &login.location))
            .map_err(|_| Trouble::misconfigured("the login cannot be sent: see `login`"))?;
        let received = match self.exchange(settings, &draft).await {
            Err(Trouble::Closed) => return Err(Trouble::unavailable("the ILS closed the connection at login")),
            received => received?,
        };
        match reply::accept(&received.bytes, *b"94", received.sent)?.fixed {
            b"1" => Ok(()),
            // Some answer so while their database is down, so this may mend itself as well.
            _ => Err(Trouble::misconfigured("the ILS refuses the login: see `login`")),
        }
    }

    /// Asks for the library system's status, which also tells it that we speak version 2.00.
    pub(super) async fn status(&mut self, settings: &Settings) -> Result<Status, Trouble> {
        let draft =
            Draft::new(*b"99", b"00802.00").map_err(|_| Trouble::misconfigured("the status request cannot be sent"))?;
        let received = match self.exchange(settings, &draft).await {
            Err(Trouble::Closed) => return Err(Trouble::unavailable("the ILS closed the connection at status")),
            received => received?,
        };
        let reply = reply::accept(&received.bytes, *b"98", received.sent)?;
        if !reply.fixed.starts_with(b"Y") {
            return Err(Trouble::unavailable("the ILS says that it is offline"));
        }
        let supported = reply.once(Tag::new(*b"BX")).ok().flatten().unwrap_or_default();
        let denies = |request| supported.get(place_in_list(request)) == Some(&b'N');
        let other = match self.request {
            Request::Status => Request::Information,
            Request::Information => Request::Status,
        };
        let listed = match (denies(self.request), denies(other)) {
            (false, _) => Listed::Configured,
            (true, false) => Listed::Other,
            (true, true) => Listed::Neither,
        };
        if listed == Listed::Other {
            // Asked in the way that it does not know, it would refuse every patron.
            self.request = other;
        }
        Ok(Status { listed, version_2: reply.fixed.ends_with(b"2.00") })
    }

    /// Asks for a patron.
    pub(super) async fn ask(&mut self, settings: &Settings, question: &Question, today: Date) -> Result<Word, Trouble> {
        let received = self.send(settings, question).await?;
        let reply = self.accepted(&received)?;
        // An answer to a request that was sent again has no sequence number; only the card binds it.
        let bound = !matches!(received.sent, Detection::Checksum);
        let asked = Asked { card: question.card(), accept_other_id: settings.accept_other_id && bound, today };
        let found = reply::read(&reply, &asked, settings)?;
        Ok(Word { card: reply::card(&reply, settings), asked: true, found })
    }

    /// Sends a question and takes the reply.
    pub(super) async fn send(&mut self, settings: &Settings, question: &Question) -> Result<Received, Trouble> {
        let draft = question.draft(settings, self.request).map_err(|_| Trouble::Failed(IlsError::BadPin))?;
        self.exchange(settings, &draft).await
    }

    /// The reply to a question, if it is one.
    pub(super) fn accepted<'r>(&self, received: &'r Received) -> Result<Message<'r>, Trouble> {
        reply::accept(&received.bytes, self.request.reply(), received.sent).map_err(|trouble| match trouble {
            Trouble::BadChecksum if sums_characters(&received.bytes) => Trouble::CharactersSummed,
            trouble => trouble,
        })
    }

    /// Sends a message and reads what comes back. Asked to send again (96), it does so once, without a sequence
    /// number.
    async fn exchange(&mut self, settings: &Settings, draft: &Draft) -> Result<Received, Trouble> {
        if self.stream.is_quiet().await != Quiet::Yes {
            return Err(Trouble::Stale);
        }
        let mut sent = Detection::Off;
        if settings.checksums {
            sent = Detection::Sequence(self.sequence);
            self.sequence = (self.sequence + 1) % 10;
        }
        for _ in 0..2 {
            self.write(&draft.seal(sent, settings.terminator)).await?;
            let bytes = self.read(settings.terminator).await?;
            if !bytes.starts_with(b"96") {
                return Ok(Received { bytes, sent });
            }
            if settings.checksums {
                sent = Detection::Checksum;
            }
        }
        Err(Trouble::unavailable(
            "the ILS asks again and again to repeat the message: see `charset`, `terminator`, `checksums`",
        ))
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        if self.stream.write(bytes).await.is_ok() {
            return Ok(());
        }
        // The reason may wait to be read: a TLS alert.
        match self.stream.read(&mut [0; 1]).await {
            Err(error) => Err(transport::blame(&error).map_or(Trouble::Closed, Trouble::Failed)),
            Ok(_) => Err(Trouble::Closed),
        }
    }

    /// Reads one message, without padding and terminator. Whatever else has come is surplus.
    async fn read(&mut self, terminator: Terminator) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        let mut buffer = Buffer::new();
        loop {
            let before = buffer.filled();
            match self.stream.read(buffer.room()?).await {
                Ok(n) if n > 0 => buffer.add(n),
                Ok(_) => return Err(ended(&buffer)),
                Err(error) => return Err(transport::blame(&error).map_or_else(|| ended(&buffer), Trouble::Failed)),
            }
            if let Some(message) = buffer.message(before, terminator) {
                return message;
            }
        }
    }

    /// Answers the prompts of a telnet-style listener.
    pub(super) async fn pass_prompts(&mut self, settings: &Settings) -> Result<(), Trouble> {
        let mut buffer = Buffer::new();
        for (i, prompt) in settings.prompts.iter().enumerate() {
            let earlier = settings.prompts.get(..i).unwrap_or_default();
            while !buffer.pass(&prompt.expect, prompt.send.is_none()) {
                if earlier.iter().any(|earlier| buffer.holds(&earlier.expect)) {
                    return Err(Trouble::misconfigured("the ILS asks an earlier prompt again: see `login`, `prompts`"));
                }
                match self.stream.read(buffer.room()?).await {
                    Ok(n) if n > 0 => buffer.add(n),
                    _ => return Err(Trouble::unavailable("the ILS closed the connection at a prompt")),
                }
            }
            if let Some(text) = &prompt.send {
                buffer = Buffer::new();
                self.write(&line(text, settings.terminator)).await?;
            }
        }
        if buffer.is_padding() {
            Ok(())
        } else {
            Err(Trouble::misconfigured("the ILS says more than the prompts expect: see `prompts`"))
        }
    }
}

/// Where the list of supported messages (`BX`) has a patron request.
const fn place_in_list(request: Request) -> usize {
    match request {
        Request::Status => 0,
        Request::Information => 7,
    }
}

fn line(text: &Value, terminator: Terminator) -> Value {
    let mut line = Zeroizing::new(Vec::with_capacity(text.len() + 2));
    line.extend_from_slice(text);
    line.extend_from_slice(terminator.bytes());
    line
}

fn ended(buffer: &Buffer) -> Trouble {
    if buffer.is_padding() {
        Trouble::Closed
    } else {
        Trouble::unavailable("the ILS closed the connection in the middle of a reply")
    }
}

/// Bytes that came. Wiped when dropped and whenever it grows, because they tell of a patron.
struct Buffer {
    bytes: Zeroizing<Vec<u8>>,
    filled: usize,
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: Zeroizing::new(vec![0; FIRST_BUFFER]), filled: 0 }
    }

    const fn filled(&self) -> usize {
        self.filled
    }

    fn content(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    fn is_padding(&self) -> bool {
        self.content().iter().all(|b| is_padding(*b))
    }

    /// Where to read into.
    fn room(&mut self) -> Result<&mut [u8], Trouble> {
        if self.filled == self.bytes.len() {
            if self.filled >= MAX_MESSAGE {
                return Err(Trouble::unavailable("the reply is longer than 64 KiB"));
            }
            let mut larger = Zeroizing::new(vec![0; self.filled * 4]);
            larger.iter_mut().zip(self.bytes.iter()).for_each(|(to, from)| *to = *from);
            self.bytes = larger;
        }
        Ok(self.bytes.get_mut(self.filled..).unwrap_or_default())
    }

    const fn add(&mut self, n: usize) {
        self.filled += n;
    }

    /// The message, once it is whole; bytes before `seen` are known to hold no end.
    fn message(&mut self, seen: usize, terminator: Terminator) -> Option<Result<Zeroizing<Vec<u8>>, Trouble>> {
        let content = self.content();
        let start = content.iter().position(|b| !is_padding(*b))?;
        let from = start.max(seen);
        let end = from + content.get(from..)?.iter().position(|b| terminator.ends(*b))?;
        if !content.get(end..)?.iter().all(|b| is_padding(*b)) {
            return Some(Err(Trouble::unavailable("the ILS sent more than one reply")));
        }
        let message = content.get(start..end)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(message.len()));
        bytes.extend_from_slice(message);
        Some(Ok(bytes))
    }

    fn find(&self, text: &[u8]) -> Option<usize> {
        self.content().windows(text.len()).position(|window| window == text)
    }

    fn holds(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }

    /// Goes past a text, and past the rest of its line when so asked, if all that has come.
    fn pass(&mut self, text: &[u8], whole_line: bool) -> bool {
        let Some(start) = self.find(text) else { return false };
        let mut end = start + text.len();
        if whole_line {
            let rest = self.content().get(end..).unwrap_or_default();
            let Some(stop) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) else { return false };
            end += stop;
        }
        let mut rest = Self::new();
        let remains = self.content().get(end..).unwrap_or_default();
        rest.bytes.resize(remains.len().max(FIRST_BUFFER), 0);
        rest.bytes.iter_mut().zip(remains).for_each(|(to, from)| *to = *from);
        rest.filled = remains.len();
        *self = rest;
        true
    }
}
