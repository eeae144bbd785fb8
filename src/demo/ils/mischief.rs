//! How the stand-in may misbehave, as real library systems and networks do. Tests switch it on and off while it runs.
use super::message::seal;
use std::time::Duration;

/// A way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// Takes messages and never answers.
    Silence,
    /// Closes the connection instead of answering.
    Close,
    /// Closes the connection in the middle of an answer.
    CutShort,
    /// Sends an answer byte by byte, with this pause after each.
    Drip(Duration),
    /// Sends a wrong checksum.
    WrongChecksum,
    /// Answers with the sequence digit after the one asked with.
    OtherSequence,
    /// Answers about another card.
    OtherCard,
    /// Asks for every message to be sent again.
    AskAgain,
    /// Ends answers with CR LF.
    CrLf,
    /// Sends every answer twice.
    Twice,
    /// Answers in a text that is not SIP2.
    Nonsense,
}

/// What is sent instead of an answer.
pub(super) struct Spoilt {
    pub(super) bytes: Vec<u8>,
    /// The pause after each byte.
    pub(super) pause: Option<Duration>,
    /// Whether the connection is closed afterwards.
    pub(super) close: bool,
}

impl Mischief {
    /// Spoils an answer.
    pub(super) fn spoil(self, answer: Vec<u8>) -> Spoilt {
        let sent = |bytes| Spoilt { bytes, pause: None, close: false };
        match self {
            Self::Silence => sent(Vec::new()),
            Self::Close => Spoilt { close: true, ..sent(Vec::new()) },
            Self::CutShort => {
                Spoilt { close: true, ..sent(answer.get(..answer.len() / 2).unwrap_or_default().to_vec()) }
            }
            Self::Drip(pause) => Spoilt { pause: Some(pause), ..sent(answer) },
            Self::WrongChecksum => sent(wrong_checksum(answer)),
            Self::OtherSequence => sent(reseal(&answer, |_, digit| *digit = b'0' + (*digit - b'0' + 1) % 10)),
            Self::OtherCard => sent(reseal(&answer, |body, _| other_card(body))),
            Self::AskAgain => sent(b"96AZFEF6\r".to_vec()),
            Self::CrLf => sent([answer.as_slice(), b"\n"].concat()),
            Self::Twice => sent([answer.as_slice(), answer.as_slice()].concat()),
            Self::Nonsense => sent(b"Problems handling the request\r".to_vec()),
        }
    }
}

/// Changes the last digit of the checksum; an answer without one stays as it is.
fn wrong_checksum(mut answer: Vec<u8>) -> Vec<u8> {
    if parts(&answer).is_some()
        && let Some([digit, _]) = answer.last_chunk_mut::<2>()
    {
        *digit = if *digit == b'0' { b'1' } else { b'0' };
    }
    answer
}

/// Changes an answer's body or sequence digit and writes the checksum anew; one without stays as it is.
fn reseal(answer: &[u8], change: impl FnOnce(&mut Vec<u8>, &mut u8)) -> Vec<u8> {
    let Some((body, mut digit)) = parts(answer) else { return answer.to_vec() };
    let mut body = body.to_vec();
    change(&mut body, &mut digit);
    seal(&body, Some(digit))
}

/// The body and the sequence digit of a line `…AYnAZhhhh` CR.
fn parts(answer: &[u8]) -> Option<(&[u8], u8)> {
    let (body, [b'A', b'Y', digit @ b'0'..=b'9', b'A', b'Z', .., b'\r']) = answer.split_last_chunk::<10>()? else {
        return None;
    };
    Some((body, *digit))
}

/// Changes the last character of the first `AA` field.
fn other_card(body: &mut [u8]) {
    let Some(start) = body.windows(3).position(|w| w == b"|AA").map(|at| at + 3) else { return };
    let Some(field) = body.get_mut(start..) else { return };
    let end = field.iter().position(|b| *b == b'|').unwrap_or(field.len());
    if let Some(last) = end.checked_sub(1).and_then(|at| field.get_mut(at)) {
        *last = if *last == b'0' { b'1' } else { b'0' };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"24              00020260115    093000AOEXAMPLE|AA29999000000017|AETest Patron One|BLY|CQY|AY2AZE87E\r";

    fn spoilt(mischief: Mischief) -> String {
        String::from_utf8(mischief.spoil(ANSWER.to_vec()).bytes).unwrap()
    }

    #[test]
    fn each_answer_is_spoilt_in_its_own_way() {
        assert!(spoilt(Mischief::WrongChecksum).ends_with("|AY2AZE870\r"));
        assert!(spoilt(Mischief::OtherSequence).ends_with("|AY3AZE87D\r"));
        assert!(spoilt(Mischief::OtherCard).contains("|AA29999000000010|AETest Patron One|"));
        assert!(spoilt(Mischief::OtherCard).ends_with("|AY2AZE885\r"));
        assert!(spoilt(Mischief::CrLf).ends_with("E87E\r\n"));
        assert_eq!(spoilt(Mischief::Twice).matches("AZE87E\r").count(), 2);
        assert_eq!(spoilt(Mischief::CutShort).len(), ANSWER.len() / 2);
        assert!(spoilt(Mischief::Silence).is_empty() && Mischief::Close.spoil(ANSWER.to_vec()).close);
    }

    #[test]
    fn an_answer_without_checksum_keeps_its_body() {
        for mischief in [Mischief::WrongChecksum, Mischief::OtherSequence, Mischief::OtherCard] {
            assert_eq!(mischief.spoil(b"941\r".to_vec()).bytes, b"941\r");
        }
    }
}
