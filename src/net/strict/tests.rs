//! The rule of the wire, without a wire.
use super::framing::{Fed, Framing, Then};
use super::stream::Strict;
use crate::net::pulse::Pulse;
use crate::telemetry::Refused;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const MARK: &str = "GET /mark HTTP/1.1\r\nHost: a.example\r\n\r\n";

fn fed(bytes: &[u8]) -> Fed {
    Framing::default().feed(bytes)
}

/// What becomes of one request with a second one behind it.
fn cause(request: &str) -> Result<(), Refused> {
    let fed = fed(format!("{request}{MARK}").as_bytes());
    match fed.then {
        Then::More if fed.passed == request.len() + MARK.len() => Ok(()),
        Then::Refuse(cause) => {
            assert_eq!(fed.passed, 0, "something of {request:?} was handed on");
            Err(cause)
        }
        then => panic!("{then:?} after {} of {request:?}", fed.passed),
    }
}

fn get(fields: &str) -> Result<(), Refused> {
    cause(&format!("GET / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n"))
}

fn line(line: &str) -> Result<(), Refused> {
    cause(&format!("{line}\r\nHost: a.example\r\n\r\n"))
}

fn host(value: &str) -> Result<(), Refused> {
    cause(&format!("GET / HTTP/1.1\r\nHost:{value}\r\n\r\n"))
}

fn chunked(body: &str) -> Result<(), Refused> {
    cause(&format!("POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n{body}"))
}

#[test]
fn ordinary_requests_pass() {
    let long = format!("GET /{} HTTP/1.1", "a".repeat(8000));
    let lines = [
        "GET / HTTP/1.1",
        "HEAD /a?b=%20&c HTTP/1.1",
        "OPTIONS / HTTP/1.0",
        "GET https://A.example/x HTTP/1.1",
        "GET https://a.example HTTP/1.1",
        "GET /a|b{c}\"^` HTTP/1.1",
        "\r\nGET / HTTP/1.1",
        &long,
    ];
    for good in lines {
        assert_eq!(line(good), Ok(()), "{good}");
    }
    for good in [
        "",
        "Content-Length: 0\r\n",
        "A:\r\n",
        "A: b\tc \u{e9}\r\n",
        "expect: 100-Continue\r\n",
        "Connection: close, X\r\n",
        "X_Y: 1\r\n",
    ] {
        assert_eq!(get(good), Ok(()), "{good}");
    }
    for good in [" a.example", "a.example:8443", " \t[::1]:1 ", "127.0.0.1"] {
        assert_eq!(host(good), Ok(()), "{good}");
    }
    for good in [
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
        "00005;a=\"b\";c\r\nhello\r\n000\r\n\r\n",
        "5 ;a\r\nhello\r\n0\r\nDigest: x\r\nA:\r\n\r\n",
        "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
    ] {
        assert_eq!(chunked(good), Ok(()), "{good}");
    }
    assert_eq!(cause("POST / HTTP/1.1\r\nHost: a.example\r\ncontent-length: 5\r\n\r\nhello"), Ok(()));
}

#[test]
fn request_lines_have_one_reading() {
    for (bad, cause) in [
        ("GET  / HTTP/1.1", Refused::Target),
        ("GET / HTTP/1.1 ", Refused::RequestLine),
        (" GET / HTTP/1.1", Refused::RequestLine),
        ("GET\t/\tHTTP/1.1", Refused::RequestLine),
        ("GET /", Refused::RequestLine),
        ("GET / HTTP/1.1\rX: y", Refused::RequestLine),
        ("GET / http/1.1", Refused::RequestLine),
        ("GET / HTTP/1.10", Refused::RequestLine),
        ("GET / HTTP/0.9", Refused::Version),
        ("GET / HTTP/2.0", Refused::Version),
        ("PRI * HTTP/2.0", Refused::Version),
        ("get / HTTP/1.1", Refused::Method),
        ("CONNECT a.example:443 HTTP/1.1", Refused::Method),
        ("TRACE / HTTP/1.1", Refused::Method),
        ("REFUSAL /0 HTTP/1.1", Refused::Method),
        ("G(T / HTTP/1.1", Refused::RequestLine),
        ("GET /a#b HTTP/1.1", Refused::Target),
        ("GET /a b HTTP/1.1", Refused::Target),
        ("GET /\u{e9} HTTP/1.1", Refused::Target),
        ("GET /\0 HTTP/1.1", Refused::Target),
        ("GET a HTTP/1.1", Refused::Target),
        ("GET * HTTP/1.1", Refused::Target),
        ("OPTIONS * HTTP/1.1", Refused::Target),
        ("GET http://a.example/ HTTP/1.1", Refused::Target),
        ("GET ftp://a.example/ HTTP/1.1", Refused::Target),
        ("GET https://b.example/ HTTP/1.1", Refused::HostDiffers),
        ("GET https://u@a.example/ HTTP/1.1", Refused::HostDiffers),
        ("\r\n\r\nGET / HTTP/1.1", Refused::LineEnd),
        ("\nGET / HTTP/1.1", Refused::LineEnd),
        ("GET / HTTP/1.1\n", Refused::LineEnd),
    ] {
        assert_eq!(line(bad), Err(cause), "{bad:?}");
    }
    assert_eq!(line(&format!("GET /{} HTTP/1.1", "a".repeat(9000))), Err(Refused::TargetTooLong));
}

#[test]
fn the_longest_line_is_the_same_in_pieces() {
    for (length, fits) in [(8192, true), (8193, false)] {
        for start in ["", "\r\n"] {
            let line = format!("GET /{} HTTP/1.1", "a".repeat(length - 14));
            assert_eq!(line.len(), length);
            let request = format!("{start}{line}\r\nHost: a\r\n\r\n");
            for cut in [start.len() + length - 1, start.len() + length, start.len() + length + 1] {
                let mut framing = Framing::default();
                let first = framing.feed(&request.as_bytes()[..cut]).then;
                let accepted =
                    matches!(first, Then::More) && matches!(framing.feed(request.as_bytes()).then, Then::More);
                assert_eq!(accepted, fits, "{length} bytes, cut at {cut}");
            }
        }
    }
}

#[test]
fn fields_have_one_reading() {
    for (bad, cause) in [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", Refused::LengthAndCoding),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", Refused::Length),
        ("Content-Length: 3, 3\r\n", Refused::Length),
        ("Content-Length: +3\r\n", Refused::Length),
        ("Content-Length: -0\r\n", Refused::Length),
        ("Content-Length: 0x3\r\n", Refused::Length),
        ("Content-Length: 3 3\r\n", Refused::Length),
        ("Content-Length:\r\n", Refused::Length),
        ("Content-Length: 18446744073709551616\r\n", Refused::Length),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refused::Coding),
        ("Transfer-Encoding: chunked, identity\r\n", Refused::Coding),
        ("Transfer-Encoding: gzip, chunked\r\n", Refused::Coding),
        ("Transfer-Encoding: xchunked\r\n", Refused::CodingUnknown),
        ("Transfer-Encoding: identity\r\n", Refused::CodingUnknown),
        ("Transfer-Encoding: \x0bchunked\r\n", Refused::FieldValue),
        ("Transfer-Encoding:\r\n", Refused::Coding),
        ("Transfer-Encoding : chunked\r\n", Refused::FieldName),
        (" Transfer-Encoding: chunked\r\n", Refused::FieldName),
        ("X: 1\r\n folded\r\n", Refused::FieldName),
        ("X\r\n", Refused::FieldName),
        (": x\r\n", Refused::FieldName),
        ("X\u{e9}: 1\r\n", Refused::FieldName),
        ("X\0: 1\r\n", Refused::FieldName),
        ("X: a\0b\r\n", Refused::FieldValue),
        ("X: a\rb\r\n", Refused::FieldValue),
        ("X: a\x7fb\r\n", Refused::FieldValue),
        ("X: a\nY: b\r\n", Refused::LineEnd),
        ("Expect: 200-ok\r\n", Refused::Expectation),
        ("Expect: 100-continue\r\nExpect: 100-continue\r\n", Refused::Expectation),
        ("Host: a.example\r\n", Refused::HostTwice),
        ("host: b.example\r\n", Refused::HostTwice),
    ] {
        assert_eq!(get(bad), Err(cause), "{bad:?}");
    }
    assert_eq!(get(&"X: 1\r\n".repeat(100)), Err(Refused::FieldCount));
    assert_eq!(get(&format!("X: {}\r\n", "a".repeat(17_000))), Err(Refused::HeadTooLarge));
    let ten = "GET / HTTP/1.0\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(cause(ten), Err(Refused::Coding));
    assert_eq!(cause("GET / HTTP/1.1\r\nX: 1\r\n\r\n"), Err(Refused::HostMissing));
    assert_eq!(cause("GET / HTTP/1.0\r\n\r\n"), Err(Refused::HostMissing));
    for bad in ["", " ", " a b", " a,b", " u@a", " a/b", " a:", " a:x", " [::1", " a\u{e9}", " a#", " a_b", " ::1"] {
        assert_eq!(host(bad), Err(Refused::HostMalformed), "{bad:?}");
    }
}

const BAD_BODIES: [&str; 18] = [
    "\r\n\r\n",
    "x\r\n\r\n",
    "5\nhello\r\n0\r\n\r\n",
    "5\rhello\r\n0\r\n\r\n",
    "5\r\nhelloX\r\n0\r\n\r\n",
    "5\r\nhello\n0\r\n\r\n",
    "+5\r\nhello\r\n0\r\n\r\n",
    "-1\r\n\r\n",
    "0x5\r\nhello\r\n0\r\n\r\n",
    " 5\r\nhello\r\n0\r\n\r\n",
    "5 \r\nhello\r\n0\r\n\r\n",
    "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "5;a\rb\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "5_0\r\nhello\r\n0\r\n\r\n",
    "0\r\nX y: 1\r\n\r\n",
    "0\r\nX: a\nb\r\n\r\n",
    "0\r\n: 1\r\n\r\n",
];

#[test]
fn chunks_have_one_reading() {
    for bad in BAD_BODIES {
        assert_eq!(chunked(bad), Err(Refused::Chunk), "{bad:?}");
    }
    assert_eq!(chunked(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(9000))), Err(Refused::Chunk));
    assert_eq!(chunked(&format!("0\r\n{}\r\n", "A: 1\r\n".repeat(5000))), Err(Refused::Chunk));
}

#[test]
fn what_was_good_passes_and_what_follows_does_not() {
    let good = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nhi";
    let all = format!("{good}{MARK}GET / HTTP/1.1\r\n\r\n{MARK}");
    let came = fed(all.as_bytes());
    assert_eq!(came, Fed { passed: good.len() + MARK.len(), then: Then::Refuse(Refused::HostMissing) });
    // A body that turns out malformed after its head was handed on cannot be refused any more.
    let mut framing = Framing::default();
    let head = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    assert_eq!(framing.feed(head.as_bytes()), Fed { passed: head.len(), then: Then::More });
    assert_eq!(framing.feed(b"lo\r\nQ").then, Then::Broken);
}

#[test]
fn nothing_passes_behind_a_wish_for_another_protocol() {
    let asks = "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
    let mut framing = Framing::default();
    assert_eq!(framing.feed(format!("{asks}{MARK}").as_bytes()), Fed { passed: asks.len(), then: Then::Switch });
    assert_eq!(framing.feed(MARK.as_bytes()), Fed { passed: 0, then: Then::Switch });
    framing.declined();
    assert_eq!(framing.feed(MARK.as_bytes()), Fed { passed: MARK.len(), then: Then::More });
}

/// Feeds bytes in pieces; gives what was handed on and whether it ended badly.
fn in_pieces(bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, bool) {
    let (mut framing, mut held, mut passed) = (Framing::default(), Vec::new(), Vec::new());
    let mut rest = bytes;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        rest = after;
        held.extend_from_slice(piece);
        let fed = framing.feed(&held);
        passed.extend(held.drain(..fed.passed));
        match fed.then {
            Then::More => {}
            Then::Switch => return (passed, false),
            Then::Refuse(_) | Then::Broken => return (passed, true),
        }
    }
    (passed, false)
}

fn messages() -> impl Strategy<Value = Vec<u8>> {
    let parts = prop::sample::select(vec![
        MARK,
        "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 7\r\n\r\nGET / H",
        "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5;x=y\r\nhello\r\n",
        "0\r\n\r\n",
        "0\r\nA: b\r\n\r\n",
        "\r\n",
        "\n",
        "Host: a.example\r\n",
        "X: y\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\nHost: a.example\n\n",
        "Upgrade: x\r\n",
        "\0",
    ]);
    prop::collection::vec(parts, 1..8).prop_map(|parts| parts.concat().into_bytes())
}

proptest! {
    #[test]
    fn pieces_read_like_the_whole(bytes in messages(), cuts in prop::collection::vec(0_usize..40, 0..12)) {
        let (whole, bad) = in_pieces(&bytes, &[]);
        let (pieces, bad_in_pieces) = in_pieces(&bytes, &cuts);
        prop_assert_eq!(bad, bad_in_pieces);
        // A body that breaks off may have begun to pass before that was known; more of it never does.
        prop_assert!(pieces.starts_with(&whole), "{} of {}", pieces.len(), whole.len());
        prop_assert!(bad || pieces == whole);
    }

    #[test]
    fn no_bytes_are_a_surprise(bytes in prop::collection::vec(any::<u8>(), 0..600), cuts in prop::collection::vec(0_usize..40, 0..12)) {
        let (passed, _) = in_pieces(&bytes, &cuts);
        prop_assert!(passed.len() <= bytes.len());
    }
}

/// A strict stream over a pipe, and the pipe's other end.
fn pipe() -> (Strict<tokio::io::DuplexStream>, tokio::io::DuplexStream, Arc<Pulse>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let pulse = Arc::new(Pulse::new(Arc::default(), Arc::default()));
    (Strict::new(near, Arc::clone(&pulse)), far, pulse)
}

#[tokio::test]
async fn a_stream_hands_on_whole_heads_and_a_note_of_what_it_refused() {
    let (mut strict, mut far, _) = pipe();
    let mut buffer = [0; 4096];
    for byte in MARK.as_bytes().split_last().unwrap().1 {
        far.write_all(&[*byte]).await.unwrap();
    }
    let waits = futures_util::poll!(Box::pin(strict.read(&mut buffer)));
    assert!(waits.is_pending(), "half a head was handed on");
    far.write_all(b"\nGET / HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1\r\n").await.unwrap();
    far.shutdown().await.unwrap();
    let mut all = Vec::new();
    while let std::task::Poll::Ready(Ok(came)) = futures_util::poll!(Box::pin(strict.read(&mut buffer[..7]))) {
        all.extend_from_slice(&buffer[..came]);
    }
    let all = String::from_utf8(all).unwrap();
    let note = all.strip_prefix(MARK).unwrap();
    assert!(note.starts_with("REFUSAL /") && note.ends_with("\r\n\r\n") && !all.contains("smuggled"), "{all}");
}

#[tokio::test]
async fn a_stream_waits_until_the_other_protocol_is_decided() {
    for switched in [false, true] {
        let (mut strict, mut far, pulse) = pipe();
        let asks = "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: foo\r\n\r\n";
        far.write_all(format!("{asks}{MARK}\0").as_bytes()).await.unwrap();
        let mut buffer = vec![0; 4096];
        assert_eq!(strict.read(&mut buffer).await.unwrap(), asks.len());
        assert!(futures_util::poll!(Box::pin(strict.read(&mut buffer))).is_pending());
        pulse.decide_switch(switched);
        let came = strict.read(&mut buffer).await.unwrap();
        assert_eq!(came, MARK.len() + usize::from(switched), "{switched}");
    }
}

#[tokio::test]
async fn a_stream_breaks_a_malformed_body_off() {
    let (mut strict, mut far, pulse) = pipe();
    let head = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n";
    far.write_all(head.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    assert_eq!(strict.read(&mut buffer).await.unwrap(), head.len());
    far.write_all(b"helloQ").await.unwrap();
    assert!(strict.read(&mut buffer).await.is_err() && pulse.has_malformed_body());
}

/// Prints what the look at one head costs; run it with `--release` for a figure that means something.
#[test]
fn a_head_costs_little() {
    let head = "GET /article/10.1000/182?page=3 HTTP/1.1\r\nHost: atlas.proxy.example.net\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nCookie: __Host-vestibule-visit=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA; theirs=1234567890\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n\r\n";
    let rounds = 20_000;
    let begun = Instant::now();
    let mut framing = Framing::default();
    for _ in 0..rounds {
        assert_eq!(framing.feed(std::hint::black_box(head.as_bytes())).passed, head.len());
    }
    let each = begun.elapsed().as_nanos() / rounds;
    println!("{each} ns for a head of {} bytes", head.len());
    assert!(each < 100_000, "{each} ns");
}
