//! The wire of HTTP/1: any bytes on one connection, in any pieces. What is handed on is a sequence of messages that have one
//! reading, the plainest one; whatever else comes, nothing after it is handed on. The first byte says how large the pieces
//! are.
#![no_main]
use libfuzzer_sys::fuzz_target;
use vestibule::net::{Fed, Framing, Then};

fuzz_target!(|data: &[u8]| {
    let [size, wire @ ..] = data else { return };
    let whole = Framing::default().feed(wire);
    assert!(whole.passed <= wire.len());
    let handed_on = &wire[..whole.passed];
    let ends = plain_reading(handed_on);
    match whole.then {
        // What is left is the beginning of a head, or of nothing.
        Then::More if ends == End::Message => {
            let left = &wire[whole.passed..];
            assert!(!left.windows(4).any(|w| w == b"\r\n\r\n"), "a whole head was left lying");
        }
        Then::More => assert_eq!(whole.passed, wire.len(), "a part of a body was left lying"),
        // A message that is refused as a whole leaves nothing of itself behind.
        Then::Refuse(_) | Then::Switch => assert_eq!(ends, End::Message, "a part of a message was handed on"),
        Then::Broken => panic!("a body broke whose head could be refused still"),
    }
    pieces(wire, usize::from(*size) + 1, whole);
});

/// In pieces the same bytes are handed on, or fewer where a piece is refused; never a byte more than the plain reading
/// allows.
fn pieces(wire: &[u8], size: usize, whole: Fed) {
    let (mut framing, mut passed, mut come) = (Framing::default(), 0, 0);
    let then = loop {
        come = (come + size).min(wire.len());
        let fed = framing.feed(&wire[passed..come]);
        passed += fed.passed;
        assert!(passed <= come);
        if fed.then != Then::More || come == wire.len() {
            break fed.then;
        }
    };
    let good = |then: Then| matches!(then, Then::More | Then::Switch);
    assert_eq!(good(then), good(whole.then), "the pieces made a difference");
    if good(then) {
        assert_eq!((passed, then), (whole.passed, whole.then), "the pieces made a difference");
    } else {
        assert!(passed >= whole.passed, "less was handed on in pieces");
    }
    if then != Then::Broken {
        let _ = plain_reading(&wire[..passed]);
    }
}

/// Where bytes that were handed on end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Behind a message.
    Message,
    /// Within a body.
    Body,
}

/// Reads messages in the plainest way; panics over what has more than one reading.
fn plain_reading(mut bytes: &[u8]) -> End {
    while !bytes.is_empty() {
        bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head") + 4;
        let (head, rest) = bytes.split_at(end);
        match body(head, rest) {
            Some(after) => bytes = after,
            None => return End::Body,
        }
    }
    End::Message
}

/// What follows the body of a head; `None` where the body has not ended.
fn body<'b>(head: &[u8], rest: &'b [u8]) -> Option<&'b [u8]> {
    let mut room = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut room);
    assert!(request.parse(head).expect("a head") == httparse::Status::Complete(head.len()));
    let method = request.method.expect("a method");
    assert!(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"].contains(&method));
    assert!(!request.path.expect("a target").contains('#'));
    // No line end but CRLF, no control characters, no folded lines.
    for line in head.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let line = line.strip_suffix(b"\r").expect("a line that ends with CR LF");
        assert!(!line.iter().any(|b| matches!(b, 0..=8 | 10..=31 | 127)), "a control character");
        assert!(!line.starts_with(b" ") && !line.starts_with(b"\t"), "a folded line");
    }
    let all = |name: &str| -> Vec<&[u8]> {
        let named = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect()
    };
    let (hosts, lengths, codings) = (all("host"), all("content-length"), all("transfer-encoding"));
    assert_eq!(hosts.len(), 1, "not one host");
    assert!(hosts.iter().all(|host| !host.is_empty() && !host.iter().any(|b| b"@/,# \\?".contains(b))), "an odd host");
    assert!(lengths.len() + codings.len() <= 1, "two ways to end a body");
    if let [length] = lengths.as_slice() {
        assert!(!length.is_empty() && length.iter().all(u8::is_ascii_digit), "an odd length");
        let length: u64 = std::str::from_utf8(length).expect("digits").parse().expect("a length");
        return rest.get(usize::try_from(length).ok()?..);
    }
    let [coding] = codings.as_slice() else { return Some(rest) };
    assert!(coding.eq_ignore_ascii_case(b"chunked") && request.version == Some(1), "a coding that is not known");
    chunks(rest)
}

/// What follows a body in chunks; `None` where it has not ended.
fn chunks(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let line = take_line(&mut rest)?;
        let digits = line.split(|b| matches!(b, b';' | b' ' | b'\t')).next().expect("a size");
        let size = u64::from_str_radix(std::str::from_utf8(digits).expect("a size"), 16).expect("a size");
        if size == 0 {
            break;
        }
        let (_, after) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        rest = after.strip_prefix(b"\r\n").or_else(|| {
            assert!(b"\r\n".starts_with(after), "a chunk that is longer than its size");
            None
        })?;
    }
    // Trailers.
    while !take_line(&mut rest)?.is_empty() {}
    Some(rest)
}

/// The next line without its end; no end but CRLF.
fn take_line<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let at = rest.iter().position(|b| *b == b'\n')?;
    let line = rest[..at].strip_suffix(b"\r").expect("a line that ends with CR LF");
    *rest = &rest[at + 1..];
    Some(line)
}
