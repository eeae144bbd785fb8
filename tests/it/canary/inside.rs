//! What a stretch of bytes holds when it is decoded: percent escapes, base64, base32, hexadecimal and
//! compression.
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::io::Read;

/// Shorter runs are words.
const RUN: usize = 16;
/// Lines this long may be pieces of one text.
const LINE: usize = 60;
/// How much of an inflated text is looked at.
const INFLATED: u64 = 8 << 20;

/// Everything that `bytes` can be decoded to, each with the name of the decoding.
pub(super) fn inside(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut found = Vec::new();
    if bytes.contains(&b'%') {
        found.extend(unescaped(bytes).map(|text| ("percent", text)));
    }
    runs(bytes, |run| {
        base64_of(run, &mut found);
        within(run, |b| b.is_ascii_hexdigit(), |part| hexadecimal_of(part, &mut found));
        within(run, |b| b.is_ascii_alphabetic() || (b'2'..=b'7').contains(&b), |part| base32_of(part, &mut found));
    });
    compressed(bytes, &mut found);
    found
}

fn unescaped(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        if let Some(byte) = pair.and_then(|p| Some(nibble(p[0])? << 4 | nibble(p[1])?)) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    (out.len() < bytes.len()).then_some(out)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

/// Which bytes base64 and the other alphabets are made of. A table, since this is asked of every byte.
const LETTERS: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        at += 1;
    }
    table
};

/// Calls `take` with each long run of letters. A line's end inside a run is left out, if the line was as long as those
/// of wrapped texts are. (Loops here are written out: the tests are built without optimisation.)
fn runs(bytes: &[u8], mut take: impl FnMut(&[u8])) {
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && LETTERS[bytes[at] as usize] {
            at += 1;
        }
        if at - start >= LINE && line_end(&bytes[at..]) > 0 {
            let mut whole = bytes[start..at].to_vec();
            let mut line = at - start;
            while line >= LINE && line_end(&bytes[at..]) > 0 {
                at += line_end(&bytes[at..]);
                let begin = at;
                while at < bytes.len() && LETTERS[bytes[at] as usize] {
                    at += 1;
                }
                line = at - begin;
                whole.extend_from_slice(&bytes[begin..at]);
            }
            take(&whole);
        } else if at - start >= RUN {
            take(&bytes[start..at]);
        }
        at += 1;
    }
}

/// The length of the line's end that stands here, if the text goes on after it.
fn line_end(rest: &[u8]) -> usize {
    match rest {
        [b'\r', b'\n', next, ..] if LETTERS[*next as usize] => 2,
        [b'\n', next, ..] if LETTERS[*next as usize] => 1,
        _ => 0,
    }
}

fn within(run: &[u8], belongs: fn(u8) -> bool, mut take: impl FnMut(&[u8])) {
    let mut at = 0;
    while at < run.len() {
        let start = at;
        while at < run.len() && belongs(run[at]) {
            at += 1;
        }
        if at - start >= RUN {
            take(&run[start..at]);
        }
        at += 1;
    }
}

/// From each of four characters on: what stands before may belong to something else.
fn base64_of(run: &[u8], found: &mut Vec<(&'static str, Vec<u8>)>) {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const LENIENT: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
    let mut run = run.to_vec();
    if run.contains(&b'-') || run.contains(&b'_') {
        run.iter_mut().filter(|b| **b == b'-').for_each(|b| *b = b'+');
        run.iter_mut().filter(|b| **b == b'_').for_each(|b| *b = b'/');
    }
    for from in 0..4 {
        let part = &run[from..];
        let part = if part.len() % 4 == 1 { &part[..part.len() - 1] } else { part };
        found.extend(LENIENT.decode(part).ok().map(|bytes| ("base64", bytes)));
    }
}

fn hexadecimal_of(run: &[u8], found: &mut Vec<(&'static str, Vec<u8>)>) {
    for from in 0..2 {
        let pairs = run[from..].chunks_exact(2);
        let bytes: Option<Vec<u8>> = pairs.map(|p| Some(nibble(p[0])? << 4 | nibble(p[1])?)).collect();
        found.extend(bytes.map(|bytes| ("hexadecimal", bytes)));
    }
}

/// As for base64; the pattern of bytes comes again after eight characters. Nobody mixes capitals with small letters.
fn base32_of(run: &[u8], found: &mut Vec<(&'static str, Vec<u8>)>) {
    let capital = run.iter().any(u8::is_ascii_uppercase);
    if capital && run.iter().any(u8::is_ascii_lowercase) {
        return;
    }
    for from in 0..8 {
        let (mut bytes, mut buffer, mut bits) = (Vec::with_capacity(run.len()), 0_u32, 0);
        for letter in &run[from..] {
            let value = if letter.is_ascii_digit() { letter - b'2' + 26 } else { (letter | 0x20) - b'a' };
            buffer = buffer << 5 | u32::from(value);
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from(buffer >> bits & 0xff).unwrap());
            }
        }
        found.push(("base32", bytes));
    }
}

fn compressed(bytes: &[u8], found: &mut Vec<(&'static str, Vec<u8>)>) {
    let mut take = |how, reader: &mut dyn Read| {
        let mut out = Vec::new();
        // What came out before an error counts: a cut stream is a leak as well.
        let _ = reader.take(INFLATED).read_to_end(&mut out);
        if out.len() >= 8 {
            found.push((how, out));
        }
    };
    if may_be_deflated(bytes) {
        take("deflate", &mut DeflateDecoder::new(bytes));
    }
    let mut at = 0;
    while at + 1 < bytes.len() {
        let rest = &bytes[at..];
        match bytes[at] {
            0x1f if rest[1] == 0x8b => take("gzip", &mut MultiGzDecoder::new(rest)),
            0x78 if matches!(rest[1], 0x01 | 0x5e | 0x9c | 0xda) => take("zlib", &mut ZlibDecoder::new(rest)),
            // A body begins after an empty line.
            b'\n' if bytes[..=at].ends_with(b"\r\n\r\n") && may_be_deflated(&rest[1..]) => {
                take("deflate", &mut DeflateDecoder::new(&rest[1..]));
            }
            _ => {}
        }
        at += 1;
    }
}

/// Whether the first block is of a kind that there is (RFC 1951 §3.2.3); a stored one repeats its length inverted.
fn may_be_deflated(bytes: &[u8]) -> bool {
    match bytes {
        [first, a, b, c, d, ..] => match first >> 1 & 3 {
            0 => *a == !*c && *b == !*d,
            3 => false,
            _ => true,
        },
        _ => false,
    }
}

#[test]
fn bytes_are_decoded() {
    let has = |bytes: &[u8], wanted: &[u8]| inside(bytes).iter().any(|(_, got)| got == wanted);
    assert!(has(b"x%20y%2", b"x y%2"));
    assert!(has(b".YSBsb25nIGVub3VnaCB0ZXh0.", b"a long enough text"));
    assert!(has(b"61206c6f6e6720656e6f7567682074657874", b"a long enough text"));
    assert!(has(b"MEQGY33OM4QGK3TPOVTWQIDUMV4HI", b"a long enough text"));
    let wrapped = base64::engine::general_purpose::STANDARD.encode([b'x'; 96]);
    let wrapped = format!("{}\r\n{}", &wrapped[..64], &wrapped[64..]);
    assert!(has(wrapped.as_bytes(), &[b'x'; 96]));
    assert!(inside(b"nothing to see here").is_empty());
}
