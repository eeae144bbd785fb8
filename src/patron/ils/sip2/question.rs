//! What is asked for a patron: the credentials as bytes that can be sent, or the refusal to send them.
use super::message::{Draft, Tag, Unsendable};
use super::settings::{Request, Settings, Value, encoded};
use crate::domain::Timestamp;
use crate::patron::{Credentials, ils::IlsError};
use time::OffsetDateTime;

/// One question. Wiped when dropped.
pub(super) struct Question {
    card: Value,
    /// `None` where cards have no PIN.
    pin: Option<Value>,
    date: String,
}

impl Question {
    /// Encodes the credentials. What cannot be asked is a wrong PIN without asking: nothing blank, because library
    /// systems exist that take an empty PIN for the right one; no control character and no delimiter, because they
    /// would write a second message in the patron's name.
    pub(super) fn new(settings: &Settings, given: &Credentials, now: Timestamp) -> Result<Self, IlsError> {
        let typed = |text: &str| {
            if text.trim().is_empty() { None } else { encoded(text, settings.charset) }
        };
        let card = typed(given.card()).ok_or(IlsError::BadPin)?;
        let pin = if settings.no_pins { None } else { Some(typed(given.pin()).ok_or(IlsError::BadPin)?) };
        Ok(Self { card, pin, date: date(now) })
    }

    /// The card number as it is sent.
    pub(super) fn card(&self) -> &[u8] {
        &self.card
    }

    /// The message.
    pub(super) fn draft(&self, settings: &Settings, request: Request) -> Result<Draft, Unsendable> {
        // Ten spaces: a `Y` in the summary would make the library system list titles.
        let summary = if request == Request::Information { "          " } else { "" };
        let draft = Draft::new(request.command(), format!("000{}{summary}", self.date).as_bytes())?
            .field(Tag::new(*b"AO"), &settings.institution)?
            .field(Tag::new(*b"AA"), &self.card)?
            .field(Tag::new(*b"AC"), b"")?;
        match (&self.pin, request) {
            (Some(pin), _) => draft.field(Tag::new(*b"AD"), pin),
            // 23 must carry the field; in 63 an empty one may count as a wrong try.
            (None, Request::Status) => draft.field(Tag::new(*b"AD"), b""),
            (None, Request::Information) => Ok(draft),
        }
    }
}

/// `YYYYMMDD    HHMMSS`.
fn date(now: Timestamp) -> String {
    let t = OffsetDateTime::from_unix_timestamp(now.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (t.year(), u8::from(t.month()), t.day());
    format!("{year:04}{month:02}{day:02}    {:02}{:02}{:02}", t.hour(), t.minute(), t.second())
}

#[cfg(test)]
mod tests {
    use super::super::given::{credentials, settings};
    use super::super::message::{Detection, Terminator};
    use super::*;
    use proptest::prelude::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_795_348_800);

    fn sent(toml: &str, card: &str, pin: &str) -> Option<Vec<u8>> {
        let settings = settings(&format!("address = \"ils\"\n{toml}"));
        let question = Question::new(&settings, &credentials(card, pin), NOON).ok()?;
        Some(question.draft(&settings, settings.request).ok()?.seal(Detection::Sequence(2), Terminator::Cr).to_vec())
    }

    #[test]
    fn the_request_has_ten_spaces_and_an_empty_terminal_password() {
        let bytes = sent("institution = \"MAIN\"", "29999", "4821").unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("6300020261122    120000          AOMAIN|AA29999|AC|AD4821|AY2AZ"), "{text}");
        let text = String::from_utf8(sent("request = \"23\"", "29999", "4821").unwrap()).unwrap();
        assert!(text.starts_with("2300020261122    120000AO|AA29999|AC|AD4821|AY2AZ"), "{text}");
    }

    #[test]
    fn what_is_blank_or_could_end_a_field_never_leaves() {
        for bad in ["", " ", "\u{a0}", "1\r", "1\n2", "1|2", "\0", "1\u{7f}", "1\u{85}2", &"9".repeat(256)] {
            assert!(sent("", "29999", bad).is_none(), "{bad:?} left as a PIN");
            assert!(sent("", bad, "4821").is_none(), "{bad:?} left as a card");
            assert!(sent("charset = \"utf-8\"", "29999", bad).is_none());
        }
        assert!(sent("charset = \"latin-1\"", "29999", "€").is_none());
        assert!(sent("charset = \"utf-8\"", "29999", "€").is_some());
    }

    #[test]
    fn without_pins_none_is_sent() {
        let status = String::from_utf8(sent("no_pins = true\nrequest = \"23\"", "29999", "4821").unwrap()).unwrap();
        assert!(status.contains("|AD|") && !status.contains("4821"));
        let information = String::from_utf8(sent("no_pins = true", "29999", "").unwrap()).unwrap();
        assert!(!information.contains("|AD"));
    }

    proptest! {
        #[test]
        fn no_control_byte_enters_a_message(card in any::<String>(), pin in any::<String>(), charset in 0_usize..4) {
            let (name, _) = super::super::charset::CHARSETS[charset];
            if let Some(bytes) = sent(&format!("charset = \"{name}\""), &card, &pin) {
                let (end, rest) = bytes.split_last().unwrap();
                prop_assert_eq!(*end, b'\r');
                prop_assert!(!rest.iter().any(u8::is_ascii_control));
                prop_assert_eq!(rest.split(|b| *b == b'|').count(), 5);
            }
        }
    }
}
