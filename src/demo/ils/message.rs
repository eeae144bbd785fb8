//! SIP2 messages as the stand-in reads and writes them: a codec of its own, over bytes.

/// What a request says of its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// It has none.
    Absent,
    /// It is right.
    Right,
    /// It is wrong.
    Wrong,
}

/// A request, borrowed from the bytes that came.
pub(super) struct Request<'a> {
    /// The two digits.
    pub(super) command: &'a [u8],
    /// The fixed fields.
    pub(super) fixed: &'a [u8],
    /// The fields with tags.
    fields: &'a [u8],
    /// The sequence digit.
    pub(super) sequence: Option<u8>,
    /// The checksum's verdict.
    pub(super) check: Check,
}

impl<'a> Request<'a> {
    /// Reads one message without its terminator. `None` when it is not a message at all.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let (body, sequence, check) = error_detection(line);
        let (command, rest) = body.split_at_checked(2)?;
        let fixed_length = match command {
            b"93" => 2,
            b"99" => 8,
            b"23" => 21,
            b"63" => 31,
            b"35" => 18,
            _ => 0,
        };
        let (fixed, fields) = rest.split_at_checked(fixed_length)?;
        Some(Self { command, fixed, fields, sequence, check })
    }

    /// The first field with this tag: a second one is ignored.
    pub(super) fn field(&self, tag: &[u8]) -> Option<&'a str> {
        let value = self.fields.split(|b| *b == b'|').find_map(|field| field.strip_prefix(tag))?;
        std::str::from_utf8(value).ok()
    }
}

/// Cuts `AYnAZhhhh` off the end: the rest, the digit and the verdict.
fn error_detection(line: &[u8]) -> (&[u8], Option<u8>, Check) {
    let absent = (line, None, Check::Absent);
    let Some((front, hex)) = line.len().checked_sub(4).and_then(|at| line.split_at_checked(at)) else { return absent };
    let Some(mut body) = front.strip_suffix(b"AZ") else { return absent };
    let Some(said) = std::str::from_utf8(hex).ok().and_then(|h| u16::from_str_radix(h, 16).ok()) else { return absent };
    let check = if checksum(front) == said { Check::Right } else { Check::Wrong };
    let mut sequence = None;
    if let Some((rest, [b'A', b'Y', digit])) = body.split_last_chunk::<3>() {
        sequence = Some(*digit);
        body = rest;
    }
    (body, sequence, check)
}

/// The checksum over everything up to and with `AZ`.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0_u16, |sum, b| sum.wrapping_add(u16::from(*b))).wrapping_neg()
}

/// An answer while it is written.
pub(super) struct Answer(Vec<u8>);

impl Answer {
    /// Begins with the command and the fixed fields.
    pub(super) fn new(fixed: &[&str]) -> Self {
        Self(fixed.concat().into_bytes())
    }

    /// Appends a field: control characters dropped, the delimiter written as a reference, at most 255 characters.
    pub(super) fn field(mut self, tag: &str, value: &str) -> Self {
        self.0.extend_from_slice(tag.as_bytes());
        for c in value.chars().filter(|c| !c.is_control()).take(255) {
            match c {
                '|' => self.0.extend_from_slice(b"&#124;"),
                c => self.0.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.0.push(b'|');
        self
    }

    /// Appends a field when there is a value.
    pub(super) fn maybe(self, tag: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.field(tag, value),
            None => self,
        }
    }

    /// The bytes so far.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The line to send: the answer, error detection where the request had a sequence digit, and CR.
pub(super) fn seal(answer: &[u8], sequence: Option<u8>) -> Vec<u8> {
    let mut line = Vec::with_capacity(answer.len() + 10);
    line.extend_from_slice(answer);
    if let Some(digit) = sequence {
        line.extend_from_slice(&[b'A', b'Y', digit, b'A', b'Z']);
        let sum = format!("{:04X}", checksum(&line));
        line.extend_from_slice(sum.as_bytes());
    }
    line.push(b'\r');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_checksums_verify() {
        let known: [&[u8]; 4] = [
            b"9300CNLoginUserID|COLoginPassword|CPLocationCode|AY5AZEC7B",
            b"97AZFEF5",
            b"2300020260115    093000AOEXAMPLE|AA29999000000017|AC|AD4821|AY2AZF0B3",
            b"2300020260115    093000AOEXAMPLE|AA29999000000017|AC|AD0000|AY3AZF0C1",
        ];
        for line in known {
            assert_eq!(Request::parse(line).unwrap().check, Check::Right);
        }
        assert_eq!(Request::parse(b"97AZFEF6").unwrap().check, Check::Wrong);
        assert_eq!(Request::parse(b"9300CNa|COb|").unwrap().check, Check::Absent);
    }

    #[test]
    fn the_first_of_two_fields_counts() {
        let request = Request::parse(b"2300020260115    093000AOX|AAfirst|AAsecond|AC|AD1").unwrap();
        assert_eq!(request.field(b"AA"), Some("first"));
        assert_eq!(request.field(b"AD"), Some("1"));
        assert_eq!(request.field(b"CN"), None);
    }

    #[test]
    fn an_answer_is_written_to_the_byte() {
        let body = Answer::new(&["24", "              ", "000", "20260115    093000"])
            .field("AO", "EXAMPLE")
            .field("AA", "29999000000017")
            .field("AE", "Test Patron One")
            .field("BL", "Y")
            .field("CQ", "Y")
            .into_bytes();
        let expected: &[u8] =
            b"24              00020260115    093000AOEXAMPLE|AA29999000000017|AETest Patron One|BLY|CQY|AY2AZE87E\r";
        assert_eq!(seal(&body, Some(b'2')), expected);
        assert_eq!(Answer::new(&[]).field("AF", "a|b\rc").into_bytes(), b"AFa&#124;bc|");
        assert_eq!(seal(b"941", None), b"941\r");
    }

    #[test]
    fn what_is_too_short_is_no_message() {
        assert!(Request::parse(b"").is_none());
        assert!(Request::parse(b"9").is_none());
        assert!(Request::parse(b"23000").is_none());
    }
}
