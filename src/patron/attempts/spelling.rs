//! One card, many spellings. Library systems find a card under more than one: databases compare without case and
//! accents, and skip what they think invisible (Koha 23.05 on its database: `avery`, `AVERY` and `avéry` are one user name).
//! For counting, spellings that may be one card become one text; that two cards may become one does little harm, for
//! then they only share a counter. What is sent to the library system stays what was typed.
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use zeroize::Zeroizing;

/// The zeros of the scripts whose digits databases take for ours.
const ZEROS: [u32; 36] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6, 0x0e50,
    0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50,
    0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
];

/// Letters without weight in some collations: the tatweel and the fillers of Hangul.
const WEIGHTLESS: [char; 5] = ['\u{640}', '\u{115f}', '\u{1160}', '\u{3164}', '\u{ffa0}'];

/// As many plain letters and digits make a card number or user name; letters of other scripts between them do not
/// make it another.
const PLAIN_ENOUGH: usize = 4;

/// The text under which a card is counted, however it was spelt.
pub(super) fn plain(typed: &str) -> Zeroizing<String> {
    // Room for the worst case, so that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(typed.len().saturating_mul(8)));
    for c in bare(typed.chars()).flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkd() {
        match latin(c) {
            Ok(letters) => text.push_str(letters),
            Err(c) if is_combining_mark(c) => {}
            Err(c) => text.extend(kept(c)),
        }
    }
    if text.bytes().filter(u8::is_ascii_alphanumeric).count() >= PLAIN_ENOUGH {
        text.retain(|c| c.is_ascii());
    }
    without_leading_zeros(text)
}

/// Decomposed, and without what stands above, below or across a letter.
fn bare(chars: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    chars.nfkd().filter(|c| !is_combining_mark(*c))
}

/// The plain form of Latin letters that have no decomposition.
const fn latin(c: char) -> Result<&'static str, char> {
    Ok(match c {
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ħ' => "h",
        'ı' => "i",
        'ł' => "l",
        'ß' => "ss",
        'ŧ' => "t",
        other => return Err(other),
    })
}

fn kept(c: char) -> Option<char> {
    let digit = ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(*zero).filter(|value| *value < 10));
    if let Some(digit) = digit {
        return char::from_digit(digit, 10);
    }
    // Hyphens and blanks group the digits of a number; other signs may tell user names apart.
    let sign = c.is_ascii_graphic() && c != '-';
    (sign || (!c.is_ascii() && c.is_alphanumeric() && !WEIGHTLESS.contains(&c))).then_some(c)
}

fn without_leading_zeros(text: Zeroizing<String>) -> Zeroizing<String> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return text;
    }
    Zeroizing::new(text.trim_start_matches('0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn same(one: &str, other: &str) -> bool {
        *plain(one) == *plain(other)
    }

    #[test]
    fn spellings_of_one_card_are_one() {
        for other in [
            "29999000000017",
            " 29999000000017 ",
            "2 9999 00000 0017",
            "2-9999-00000-0017",
            "2‐9999–00000—0017",
            "0029999000000017",
            "２９９９９０００００００１７",
            "٢٩٩٩٩٠٠٠٠٠٠٠١٧",
            "29999000000017\0",
            "\u{feff}29999\u{200b}000000017",
            "29999\u{ad}000000017\u{202e}",
            "29999\u{640}000000017",
            "2\u{301}9999000000017",
            "\t29999\u{a0}000000017\r\n",
        ] {
            assert!(same("29999000000017", other), "{}", other.escape_unicode());
        }
        for other in [
            "AVERY",
            "Avery",
            "avéry",
            "ÀVÉRY",
            "ａｖｅｒｙ",
            "a very",
            "ave\u{301}ry",
            "avery\u{200d}",
            "a\u{640}very",
        ] {
            assert!(same("avery", other), "{}", other.escape_unicode());
        }
        assert!(
            same("strasse", "STRAẞE") && same("strasse", "straße") && same("soren", "Søren") && same("aether", "ÆTHER")
        );
        assert!(same("istanbul", "İSTANBUL") && same("istanbul", "ıstanbul"));
        assert!(same("иванов", "ИВАНОВ") && same("σωκρατης", "Σωκράτης") && same("σωκρατης", "ΣΩΚΡΑΤΗΣ"));
    }

    #[test]
    fn different_cards_are_different() {
        for (one, other) in [
            ("29999000000017", "29999000000018"),
            ("100", "10"),
            ("avery", "avery2"),
            ("a.very", "avery"),
            ("иванов", "петров"),
            ("A0017", "A17"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    /// Ways to spell one character otherwise.
    fn respelt(c: char, how: u8) -> String {
        match how % 8 {
            1 => c.to_uppercase().collect(),
            2 => format!(" {c}"),
            3 => format!("{c}-"),
            4 => format!("{c}\u{301}"),
            5 => char::from_u32(u32::from(c) + 0xfee0).map_or_else(|| c.to_string(), String::from),
            6 => format!("{c}\u{200b}"),
            7 => format!("\u{b}{c}"),
            _ => c.to_string(),
        }
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_card_is_one(card in "[1-9a-z][0-9a-z]{3,15}", hows in prop::collection::vec(any::<u8>(), 16), zeros in 0_usize..4) {
            let spelt: String = card.chars().zip(hows).map(|(c, how)| respelt(c, how)).collect();
            prop_assert_eq!(&*plain(&card), &card);
            prop_assert_eq!(&*plain(&spelt), &card);
            if card.bytes().all(|b| b.is_ascii_digit()) {
                let padded = "0".repeat(zeros) + &spelt;
                prop_assert_eq!(&*plain(&padded), &card);
            }
        }

        #[test]
        fn a_text_that_is_plain_stays_so(typed in any::<String>()) {
            let once = plain(&typed);
            prop_assert_eq!(&*plain(&once), &*once);
        }
    }
}
