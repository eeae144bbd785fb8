//! The SIP2 message codec, over bytes: drafts of what we send, a view of what came, and the checksum. It knows the
//! shape of messages and nothing of patrons, charsets or sockets.
use zeroize::Zeroizing;

/// What separates variable fields.
const DELIMITER: u8 = b'|';
/// No value that we send is longer: servers cut at 255 characters.
const MAX_VALUE: usize = 255;
/// Room for the longest draft, so that a buffer with a PIN is never moved while it grows.
const DRAFT_ROOM: usize = 2048;

/// The two bytes that name a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tag([u8; 2]);

impl Tag {
    /// A tag known at compile time.
    pub(super) const fn new(name: [u8; 2]) -> Self {
        Self(name)
    }

    /// Reads a tag as an operator writes it: two upper-case letters or digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 2] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).then_some(Self(bytes))
    }

    /// The tag as text.
    pub(super) fn name(self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

/// A value cannot be sent: it holds a control byte or the delimiter, or is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsendable;

/// Whether a value may stand in a message: it cannot end the message or the field early.
pub(super) fn is_sendable(value: &[u8]) -> bool {
    value.len() <= MAX_VALUE && !value.iter().any(|b| b.is_ascii_control() || *b == DELIMITER)
}

/// What a message carries against transmission errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detection {
    /// Nothing.
    Off,
    /// A checksum alone: a message sent again.
    Checksum,
    /// A sequence number from 0 to 9 and a checksum.
    Sequence(u8),
}

/// What ends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Terminator {
    /// Carriage return, as the standard has it.
    Cr,
    /// Carriage return and line feed.
    CrLf,
    /// Line feed alone.
    Lf,
}

impl Terminator {
    /// The bytes.
    pub(super) const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Cr => b"\r",
            Self::CrLf => b"\r\n",
            Self::Lf => b"\n",
        }
    }

    /// Whether this byte ends a message that came: always CR; LF only where messages end so.
    pub(super) const fn ends(self, byte: u8) -> bool {
        byte == b'\r' || (byte == b'\n' && matches!(self, Self::Lf))
    }
}

/// Whether a byte between messages means nothing: line ends, NUL and space.
pub(super) const fn is_padding(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0 | b' ')
}

/// A message under construction. Wiped when dropped, because it may hold a PIN.
pub(super) struct Draft(Zeroizing<Vec<u8>>);

impl Draft {
    /// Starts a message with its fixed fields.
    pub(super) fn new(command: [u8; 2], fixed: &[u8]) -> Result<Self, Unsendable> {
        if !is_sendable(fixed) || fixed_length(command) != Some(fixed.len()) {
            return Err(Unsendable);
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(DRAFT_ROOM));
        bytes.extend_from_slice(&command);
        bytes.extend_from_slice(fixed);
        Ok(Self(bytes))
    }

    /// Adds a field.
    pub(super) fn field(mut self, tag: Tag, value: &[u8]) -> Result<Self, Unsendable> {
        // 32 bytes stay free for the error detection and the terminator.
        if !is_sendable(value) || self.0.len() + value.len() + 32 > DRAFT_ROOM {
            return Err(Unsendable);
        }
        self.0.extend_from_slice(&tag.0);
        self.0.extend_from_slice(value);
        self.0.push(DELIMITER);
        Ok(self)
    }

    /// The command.
    #[cfg(test)]
    pub(super) fn command(&self) -> &[u8] {
        self.0.get(..2).unwrap_or_default()
    }

    /// The bytes to send.
    pub(super) fn seal(&self, detection: Detection, terminator: Terminator) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(DRAFT_ROOM));
        bytes.extend_from_slice(&self.0);
        if let Detection::Sequence(number) = detection {
            bytes.extend_from_slice(b"AY");
            bytes.push(b'0' + number % 10);
        }
        if detection != Detection::Off {
            bytes.extend_from_slice(b"AZ");
            let sum = checksum(&bytes);
            bytes.extend_from_slice(format!("{sum:04X}").as_bytes());
        }
        bytes.extend_from_slice(terminator.bytes());
        bytes
    }
}

/// The two's complement of the sum of all bytes, in 16 bits.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |sum, b| sum.wrapping_sub(u16::from(*b)))
}

/// How the checksum of a message that came stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    /// There is none.
    Absent,
    /// It fits the bytes.
    Good,
    /// It does not.
    Bad,
}

/// Looks at the checksum of a message without its terminator.
pub(super) fn verify(message: &[u8]) -> Checksum {
    let Some((body, digits)) = split_checksum(message) else { return Checksum::Absent };
    if checksum(body) == digits { Checksum::Good } else { Checksum::Bad }
}

/// The bytes through `AZ`, and the checksum that follows.
fn split_checksum(message: &[u8]) -> Option<(&[u8], u16)> {
    let (body, digits) = message.split_at_checked(message.len().checked_sub(4)?)?;
    if !body.ends_with(b"AZ") || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    Some((body, u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?))
}

/// A message that came is not SIP2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// A message that came: borrowed, because it holds personal data and lives in a buffer that is wiped.
pub(super) struct Message<'a> {
    /// The two digits at the front.
    pub(super) command: [u8; 2],
    /// The fields without a tag.
    pub(super) fixed: &'a [u8],
    /// The fields with a tag, in the order in which they came.
    pub(super) fields: Vec<(Tag, &'a [u8])>,
    /// The sequence number.
    pub(super) sequence: Option<u8>,
}

/// More than once where once is the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeated;

impl<'a> Message<'a> {
    /// Reads a message without its terminator.
    pub(super) fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let command = *message.first_chunk::<2>().ok_or(Malformed)?;
        let length = fixed_length(command).ok_or(Malformed)?;
        let (rest, sequence) = strip_detection(message);
        let rest = rest.get(2..).ok_or(Malformed)?;
        let (fixed, variable) = rest.split_at_checked(length).ok_or(Malformed)?;
        if !has_date(command, fixed) {
            return Err(Malformed);
        }
        let fields = variable.split(|b| *b == DELIMITER).filter_map(field).collect();
        Ok(Self { command, fixed, fields, sequence })
    }

    /// The value of a field that may come once; empty counts as absent.
    pub(super) fn once(&self, tag: Tag) -> Result<Option<&'a [u8]>, Repeated> {
        let mut values = self.fields.iter().filter(|(name, _)| *name == tag).map(|(_, value)| *value);
        let first = values.next();
        if values.next().is_some() { Err(Repeated) } else { Ok(first.filter(|v| !v.is_empty())) }
    }
}

fn field(segment: &[u8]) -> Option<(Tag, &[u8])> {
    // A segment too short to be a field comes from a delimiter inside a text; it says nothing.
    let (tag, value) = segment.split_first_chunk::<2>()?;
    Some((Tag(*tag), value))
}

fn strip_detection(message: &[u8]) -> (&[u8], Option<u8>) {
    let Some((body, _)) = split_checksum(message) else { return (message, None) };
    let body = body.strip_suffix(b"AZ").unwrap_or(body);
    match body {
        [rest @ .., b'A', b'Y', digit @ b'0'..=b'9'] => (rest, Some(digit - b'0')),
        rest => (rest, None),
    }
}

/// How long the fixed fields of a message are.
const fn fixed_length(command: [u8; 2]) -> Option<usize> {
    Some(match &command {
        b"93" => 2,
        b"94" => 1,
        b"99" => 8,
        b"98" => 34,
        b"23" => 21,
        b"24" => 35,
        b"63" => 31,
        b"64" => 59,
        b"35" => 18,
        b"36" => 19,
        b"96" | b"97" => 0,
        _ => return None,
    })
}

/// Whether a date stands where the message has one: otherwise a field before it has the wrong length, and every flag
/// would be read one place off.
fn has_date(command: [u8; 2], fixed: &[u8]) -> bool {
    let start = match &command {
        b"24" | b"64" => 17,
        b"23" | b"63" => 3,
        b"98" => 12,
        b"36" => 1,
        b"35" => 0,
        _ => return true,
    };
    fixed.get(start..start + 8).is_some_and(|day| day.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(verify(b"97AZFEF5"), Checksum::Good);
        assert_eq!(verify(b"96AZFEF6"), Checksum::Good);
        assert_eq!(verify(b"96AZfef6"), Checksum::Good);
        assert_eq!(verify(b"96AZFEF7"), Checksum::Bad);
        assert_eq!(verify(b"9300CNLoginUserID|COLoginPassword|CPLocationCode|AY5AZEC7B"), Checksum::Good);
        for none in [&b""[..], b"96", b"AZ", b"941", b"24AZ12G4"] {
            assert_eq!(verify(none), Checksum::Absent);
        }
    }

    #[test]
    fn a_draft_seals_with_and_without_detection() {
        let draft = Draft::new(*b"94", b"1").unwrap();
        assert_eq!(*draft.seal(Detection::Sequence(0), Terminator::Cr), b"941AY0AZFDFD\r");
        assert_eq!(*draft.seal(Detection::Off, Terminator::CrLf), b"941\r\n");
        assert!(draft.seal(Detection::Checksum, Terminator::Lf).starts_with(b"941AZ"));
        assert_eq!(draft.command(), b"94");
        assert!(Draft::new(*b"94", b"12").is_err());
        assert!(Draft::new(*b"11", b"1").is_err());
    }

    #[test]
    fn nothing_that_ends_a_field_or_message_can_be_drafted() {
        for bad in [&b"a\rb"[..], b"a|b", b"\n", b"\0", b"\x7f", b"\x1b", &[b'9'; 256]] {
            assert!(Draft::new(*b"94", b"1").unwrap().field(Tag::new(*b"AA"), bad).is_err());
        }
        let mut draft = Draft::new(*b"94", b"1").unwrap();
        for _ in 0..7 {
            draft = draft.field(Tag::new(*b"AA"), &[b'9'; 255]).unwrap();
        }
        assert!(draft.field(Tag::new(*b"AA"), &[b'9'; 255]).is_err());
    }

    #[test]
    fn a_repeated_field_is_no_field() {
        let message = Message::decode(b"941AA1|BL|CQY|AA2|x||").unwrap();
        assert_eq!(message.once(Tag::new(*b"AA")), Err(Repeated));
        assert_eq!(message.once(Tag::new(*b"BL")), Ok(None));
        assert_eq!(message.once(Tag::new(*b"CQ")), Ok(Some(&b"Y"[..])));
        assert_eq!(message.fields.len(), 4);
    }

    #[test]
    fn tags_are_two_capitals_or_digits() {
        assert!(Tag::parse("U1").is_some());
        for bad in ["", "A", "AAA", "aa", "A|", "é"] {
            assert!(Tag::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(Tag::new(*b"PC").name(), "PC");
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (verify(&bytes), Message::decode(&bytes).is_ok());
        }

        #[test]
        fn decoding_what_looks_like_a_reply_never_panics(
            head in "(24|64|94|98|96|36)[ YN0-9]{0,62}", tail in proptest::collection::vec(any::<u8>(), 0..120),
        ) {
            let bytes = [head.as_bytes(), &tail].concat();
            let _ = Message::decode(&bytes).is_ok();
        }

        #[test]
        fn what_was_encoded_decodes_to_itself(
            fields in proptest::collection::vec(("[A-Z][A-Z0-9]", proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
            sequence in 0_u8..10,
        ) {
            let mut draft = Draft::new(*b"94", b"1").unwrap();
            let mut kept = Vec::new();
            for (tag, value) in &fields {
                let tag = Tag::parse(tag).unwrap();
                if !is_sendable(value) {
                    prop_assert!(Draft::new(*b"94", b"1").unwrap().field(tag, value).is_err());
                    continue;
                }
                draft = draft.field(tag, value).unwrap();
                kept.push((tag, value.as_slice()));
            }
            let bytes = draft.seal(Detection::Sequence(sequence), Terminator::Cr);
            let (end, frame) = bytes.split_last().unwrap();
            prop_assert_eq!(*end, b'\r');
            prop_assert!(!frame.iter().any(u8::is_ascii_control), "a control byte entered a message");
            prop_assert_eq!(verify(frame), Checksum::Good);
            let message = Message::decode(frame).unwrap();
            prop_assert_eq!(message.command, *b"94");
            prop_assert_eq!(message.fixed, b"1");
            prop_assert_eq!(message.sequence, Some(sequence));
            prop_assert!(message.fields == kept);
        }
    }
}
