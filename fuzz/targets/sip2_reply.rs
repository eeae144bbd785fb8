//! SIP2 messages: any bytes as a message, and as the reply about a patron. The first byte picks the library system, the
//! second may have the checksum and number mended, so that the fields behind them are reached.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use vestibule::patron::fuzzing::{Frame, Library, Outcome, checksum_fits, decode, encode};
use vestibule_fuzz::{NOON, libraries, sealed};

const CARD: &str = "29999000000017";

static LIBRARIES: LazyLock<Vec<Library>> = LazyLock::new(libraries);

fuzz_target!(|data: &[u8]| {
    let [which, how, message @ ..] = data else { return };
    codec(message);
    let library = &LIBRARIES[usize::from(*which) % LIBRARIES.len()];
    let sequence = how % 10;
    let sealed = if how & 0x80 == 0 { message.to_vec() } else { sealed(message, Some(sequence)) };
    reply(library, &sealed, sequence);
    question(library, message, sequence);
});

/// What was read can be written again and reads the same.
fn codec(message: &[u8]) {
    let Some(frame) = decode(message) else { return };
    let longest = frame.fields.iter().map(|(_, value)| value.len()).max().unwrap_or_default();
    assert!(frame.fixed.len() + longest <= message.len());
    // Without fields, `AY1` at the end of the fixed part would read as a number. The product writes no such message: its
    // fixed parts are dates and blanks.
    if frame.fields.is_empty() && frame.fixed.iter().rev().nth(2) == Some(&b'A') {
        return;
    }
    if let Some(written) = encode(&frame) {
        assert!(!written.iter().any(u8::is_ascii_control), "a control byte entered a message");
        assert_eq!(checksum_fits(&written), Some(true));
        let again = decode(&written).expect("what we wrote");
        assert_eq!(again.command, frame.command);
        assert_eq!(again.fixed, frame.fixed);
        assert_eq!(again.fields, frame.fields);
        assert_eq!(again.sequence, frame.sequence);
    }
}

fn reply(library: &Library, message: &[u8], sequence: u8) {
    let outcome = library.reply(message, CARD.as_bytes(), NOON, sequence);
    let Outcome::Found(id, _) = &outcome else { return };
    assert!(!id.is_empty() && id.trim() == id && !id.chars().any(char::is_control), "an odd id");
    let has = |text: &str| message.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("BLY"), "admitted without a valid card");
    assert!(library.has_no_pins() || has("CQY"), "admitted without a right PIN");
    assert!(library.accepts_other_id() || has(&format!("AA{CARD}")), "admitted by another patron's answer");
    if library.has_checksums() {
        assert_eq!(checksum_fits(message), Some(true), "admitted by a garbled answer");
        assert!(has(&format!("AY{sequence}AZ")), "admitted by the answer to another question");
    }
    // Yes and no to the same thing is not yes.
    let fields = decode(message).expect("what was accepted").fields;
    for tag in ["AA", "BL", "CQ"] {
        assert!(fields.iter().filter(|(name, _)| name == tag).count() <= 1, "admitted by a reply with two {tag}");
    }
}

/// Whatever is typed, the question has the fields that it should have and no other.
fn question(library: &Library, typed: &[u8], sequence: u8) {
    let text = String::from_utf8_lossy(typed);
    let (card, pin) = text.split_once('\n').unwrap_or((&text, "4821"));
    let Some(bytes) = library.question(card, pin, NOON, sequence) else { return };
    let (end, message) = bytes.split_last().expect("a terminator");
    assert_eq!(*end, b'\r');
    assert!(!message.iter().any(u8::is_ascii_control), "a control byte entered a question");
    let Frame { fields, sequence: written, .. } = decode(message).expect("what we wrote");
    let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert!(matches!(names.as_slice(), ["AO", "AA", "AC", "AD"] | ["AO", "AA", "AC"]), "{} fields", names.len());
    assert_eq!(written, Some(sequence));
    assert!(!card.trim().is_empty() && (library.has_no_pins() || !pin.trim().is_empty()), "a blank was sent");
}
