//! The spellings under which a string could hide: alphabets, escapes, packings and digests. Each spelling goes to a
//! sink with its name, its bytes and how strictly it must be matched.
use super::marks::{decomposed, unmarked};
use super::md5::md5;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How a spelling is matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// Without regard to ASCII case.
    Folded,
    /// Byte by byte: in alphabets where case carries bits.
    Exact,
    /// Bytes that no text has.
    Binary,
    /// A field's name and value: what follows must not go on with a letter or digit.
    Field,
}

/// Takes a spelling.
pub(super) type Sink<'s> = dyn FnMut(&'static str, &[u8], Match) + 's;

/// Everything but digests.
pub(super) fn spell(text: &str, sink: &mut Sink<'_>) {
    for form in cases(text) {
        characters(&form, sink);
        escapes(&form, sink);
        alphabets(form.as_bytes(), sink);
    }
    for (how, form) in [("decomposed", decomposed(text)), ("without marks", unmarked(text))] {
        if form != text {
            cases(&form).iter().for_each(|f| sink(how, f.as_bytes(), Match::Folded));
        }
    }
    charsets(text, sink);
    packed(text, sink);
}

/// As it is, in lower case and in upper case.
fn cases(text: &str) -> BTreeSet<String> {
    BTreeSet::from([text.to_owned(), text.to_lowercase(), text.to_uppercase()])
}

fn characters(text: &str, sink: &mut Sink<'_>) {
    sink("plain", text.as_bytes(), Match::Folded);
    let reversed: String = text.chars().rev().collect();
    sink("reversed", reversed.as_bytes(), Match::Folded);
    let turned: String = text.chars().map(rot13).collect();
    sink("ROT13", turned.as_bytes(), Match::Folded);
    let wide: Vec<u16> = text.encode_utf16().collect();
    let (little, big) = (wide.iter().map(|u| u.to_le_bytes()), wide.iter().map(|u| u.to_be_bytes()));
    sink("UTF-16LE", &little.flatten().collect::<Vec<_>>(), Match::Folded);
    sink("UTF-16BE", &big.flatten().collect::<Vec<_>>(), Match::Folded);
}

fn rot13(letter: char) -> char {
    let turn = |base: u8| char::from((letter as u8 - base + 13) % 26 + base);
    match letter {
        'a'..='z' => turn(b'a'),
        'A'..='Z' => turn(b'A'),
        other => other,
    }
}

fn charsets(text: &str, sink: &mut Sink<'_>) {
    use encoding_rs::{ISO_8859_2, ISO_8859_7, WINDOWS_1250, WINDOWS_1251, WINDOWS_1252};
    let sets = [("latin-1", WINDOWS_1252), ("latin-2", ISO_8859_2), ("windows-1250", WINDOWS_1250)];
    for (how, set) in sets.into_iter().chain([("windows-1251", WINDOWS_1251), ("greek", ISO_8859_7)]) {
        for form in cases(text) {
            let (bytes, _, lossy) = set.encode(&form);
            if !lossy && *bytes != *form.as_bytes() {
                sink(how, &bytes, Match::Folded);
                alphabets(&bytes, sink);
            }
        }
    }
}

/// Appends a letter's escape.
type Writer = fn(&mut String, char);

fn escapes(text: &str, sink: &mut Sink<'_>) {
    let bytes = text.as_bytes();
    let percent = |keep: fn(u8) -> bool| escaped(bytes, keep, |out, b| write!(out, "%{b:02x}").unwrap());
    let query = percent(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    let form = query.replace("%20", "+");
    let each = percent(|_| false);
    sink("percent twice", query.replace('%', "%25").as_bytes(), Match::Folded);
    sink("every byte percent twice", each.replace('%', "%25").as_bytes(), Match::Folded);
    for (how, spelling) in [("percent", query), ("form", form), ("every byte percent", each)] {
        sink(how, spelling.as_bytes(), Match::Folded);
    }
    let named: String = text.chars().map(named_entity).collect();
    sink("HTML named", named.as_bytes(), Match::Folded);
    let escapes: [(&str, &str, Writer); 3] = [
        ("HTML decimal", "every letter HTML decimal", |out, c| write!(out, "&#{};", c as u32).unwrap()),
        ("HTML hexadecimal", "every letter HTML hexadecimal", |out, c| write!(out, "&#x{:x};", c as u32).unwrap()),
        ("JSON", "every letter JSON", json_escape),
    ];
    for (some, every, writer) in escapes {
        let mut out = String::new();
        text.chars().for_each(|c| writer(&mut out, c));
        sink(every, out.as_bytes(), Match::Folded);
        out.clear();
        let keep = |c: char| c.is_ascii_alphanumeric() || " -,.@+".contains(c);
        text.chars().for_each(|c| if keep(c) { out.push(c) } else { writer(&mut out, c) });
        sink(some, out.as_bytes(), Match::Folded);
    }
}

fn escaped(bytes: &[u8], keep: fn(u8) -> bool, escape: fn(&mut String, u8)) -> String {
    let mut out = String::new();
    bytes.iter().for_each(|b| if keep(*b) { out.push(char::from(*b)) } else { escape(&mut out, *b) });
    out
}

fn json_escape(out: &mut String, letter: char) {
    for unit in letter.encode_utf16(&mut [0; 2]) {
        write!(out, "\\u{unit:04x}").unwrap();
    }
}

/// HTML 4's names of the letters that the make-believe names have, and of the characters that HTML needs escaped.
fn named_entity(letter: char) -> String {
    const NAMES: &[(char, &str)] = &[
        ('&', "amp"),
        ('<', "lt"),
        ('>', "gt"),
        ('"', "quot"),
        ('\'', "apos"),
        ('’', "rsquo"),
        ('ß', "szlig"),
        ('æ', "aelig"),
        ('ø', "oslash"),
        ('ð', "eth"),
        ('þ', "thorn"),
        ('Þ', "THORN"),
    ];
    const ACCENTS: &[(char, &str)] = &[
        ('\u{300}', "grave"),
        ('\u{301}', "acute"),
        ('\u{302}', "circ"),
        ('\u{303}', "tilde"),
        ('\u{308}', "uml"),
        ('\u{30a}', "ring"),
        ('\u{327}', "cedil"),
        ('\u{30c}', "caron"),
    ];
    if let Some((_, name)) = NAMES.iter().find(|(c, _)| *c == letter) {
        return format!("&{name};");
    }
    let apart: Vec<char> = decomposed(&letter.to_string()).chars().collect();
    match *apart {
        [base, mark] => match ACCENTS.iter().find(|(c, _)| *c == mark) {
            Some((_, accent)) => format!("&{base}{accent};"),
            None => letter.to_string(),
        },
        _ => letter.to_string(),
    }
}

fn alphabets(bytes: &[u8], sink: &mut Sink<'_>) {
    sink("hexadecimal", hex(bytes).as_bytes(), Match::Folded);
    sink("base58", base58(bytes).as_bytes(), Match::Exact);
    for lead in 0..3 {
        // What stands before decides a part of the first character, what follows a part of the last.
        let all = STANDARD_NO_PAD.encode([&[0; 2][..lead], bytes].concat());
        let core = &all[(lead * 8).div_ceil(6)..(lead + bytes.len()) * 8 / 6];
        sink("base64", core.as_bytes(), Match::Exact);
        if core.contains(['+', '/']) {
            sink("base64url", core.replace('+', "-").replace('/', "_").as_bytes(), Match::Exact);
        }
    }
    for lead in 0..5 {
        let all = base32(&[&[0; 4][..lead], bytes].concat());
        let core = &all[(lead * 8).div_ceil(5)..(lead + bytes.len()) * 8 / 5];
        sink("base32", core.as_bytes(), Match::Folded);
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// RFC 4648 §6 without padding; the last character holds zero bits at its end.
pub(super) fn base32(bytes: &[u8]) -> String {
    let bit = |i: usize| bytes.get(i / 8).map_or(0, |b| b >> (7 - i % 8) & 1);
    let value = |c: usize| (0..5).fold(0, |v, i| v << 1 | bit(c * 5 + i));
    let count = (bytes.len() * 8).div_ceil(5);
    (0..count).map(|c| char::from(b"abcdefghijklmnopqrstuvwxyz234567"[usize::from(value(c))])).collect()
}

fn base58(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut digits: Vec<u32> = Vec::new();
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += *digit << 8;
            *digit = carry % 58;
            carry /= 58;
        }
        while carry > 0 {
            digits.push(carry % 58);
            carry /= 58;
        }
    }
    digits.iter().rev().map(|d| char::from(LETTERS[*d as usize])).collect()
}

/// Two decimal digits a byte, from either digit on. Twelve digits turn up by chance: the second half of a byte is the first
/// of a letter in much of what is decoded once too often. So thirteen at least are searched for, and where a byte is half
/// theirs, with every other half.
fn packed(text: &str, sink: &mut Sink<'_>) {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    if digits.len() < 13 || text.bytes().any(|b| b.is_ascii_alphabetic()) {
        return;
    }
    let pairs = |digits: &[u8]| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>();
    let whole = pairs(&digits);
    if let [.., last] = digits[..]
        && digits.len() % 2 == 1
    {
        for half in 0..16 {
            sink("packed decimal", &[&whole[..], &[last << 4 | half]].concat(), Match::Binary);
        }
    } else {
        sink("packed decimal", &whole, Match::Binary);
    }
    for half in 0..16 {
        sink("packed decimal", &[&[half << 4 | digits[0]], &pairs(&digits[1..])[..]].concat(), Match::Binary);
    }
}

/// The field forms of a PIN, which alone is too short to search for.
pub(super) fn fields(pin: &str, sink: &mut Sink<'_>) {
    for name in ["pin", "password", "passwd", "passcode", "pwd", "secret"] {
        for join in ["=", "%3d", ":", ": ", "\":\"", "\": \"", "\":", "\": ", "=\""] {
            sink("field", format!("{name}{join}{pin}").as_bytes(), Match::Field);
        }
    }
    // SIP2's field of the patron's password.
    sink("field", format!("|AD{pin}").as_bytes(), Match::Field);
}

/// Digests of what somebody might take for anonymous: the text, with a line's end, in either case, with something
/// public before or after it. The first 16 bytes of each, so that cut ones are found as well as whole ones; and only the
/// bytes, since whatever alphabet they are written in is taken off by `inside`.
pub(super) fn digests(text: &str, beside: &[&str], sink: &mut Sink<'_>) {
    let mut inputs: BTreeSet<String> = cases(text);
    inputs.extend(cases(text).iter().map(|t| format!("{t}\n")));
    for other in beside {
        inputs.extend(["", ":"].iter().flat_map(|j| [format!("{text}{j}{other}"), format!("{other}{j}{text}")]));
    }
    for input in inputs {
        digest_spellings(input.as_bytes(), sink);
    }
}

fn digest_spellings(input: &[u8], sink: &mut Sink<'_>) {
    let algorithms: [(&str, &digest::Algorithm); 7] = [
        ("SHA-1", &digest::SHA1_FOR_LEGACY_USE_ONLY),
        ("SHA-224", &digest::SHA224),
        ("SHA-256", &digest::SHA256),
        ("SHA-384", &digest::SHA384),
        ("SHA-512", &digest::SHA512),
        ("SHA-512/256", &digest::SHA512_256),
        ("SHA3-256", &digest::SHA3_256),
    ];
    sink("MD5", &md5(input), Match::Binary);
    for (how, algorithm) in algorithms {
        sink(how, &digest::digest(algorithm, input).as_ref()[..16], Match::Binary);
    }
}
