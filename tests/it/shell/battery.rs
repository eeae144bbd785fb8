//! Malformed and ambiguous requests, each with a good one behind it on the same connection. What has two readings must
//! be refused, and then nothing behind it may be taken for a request.
use super::raw::{Reply, Target, count, find};
use crate::support::{World, figure};
use std::fmt::Write as _;

/// What may become of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Must {
    /// It is refused, and the one behind it is not answered.
    Fail,
    /// It is answered as asked, and so is the one behind it.
    Pass,
}

struct Case {
    name: String,
    text: String,
    must: Must,
}

/// `{at}` stands for the target of the case, `{host}` and `{cookie}` for what its host needs.
fn case(name: &str, must: Must, text: impl Into<String>) -> Case {
    Case { name: name.to_owned(), text: text.into(), must }
}

const SMUGGLED: &str = "GET /SMUG HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n";

/// A good head with more fields.
fn with(fields: &str) -> String {
    format!("GET {{at}} HTTP/1.1\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\n{fields}\r\n")
}

/// A good head without `Host`, with other fields.
fn hosted(fields: &str) -> String {
    format!("GET {{at}} HTTP/1.1\r\nCookie: {{cookie}}\r\n{fields}\r\n")
}

fn lined(line: &str) -> String {
    format!("{line}\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\n\r\n")
}

fn posted(fields: &str, body: &str) -> String {
    format!("POST {{at}} HTTP/1.1\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\n{fields}\r\n{body}")
}

fn chunks(body: &str) -> String {
    posted("Transfer-Encoding: chunked\r\n", body)
}

/// Where a message ends.
fn lengths() -> Vec<Case> {
    let both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
    let swapped = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n";
    let mut all = vec![
        case("length and coding", Must::Fail, posted(both, &format!("0\r\n\r\n{SMUGGLED}"))),
        case("coding and length", Must::Fail, posted(swapped, &format!("0\r\n\r\n{SMUGGLED}"))),
        case("length zero and coding", Must::Fail, posted(&both.replace('4', "0"), "0\r\n\r\n")),
    ];
    for (name, length) in [
        ("two lengths", "Content-Length: 0\r\nContent-Length: 5\r\n"),
        ("one length twice", "Content-Length: 0\r\nContent-Length: 0\r\n"),
        ("lengths in a list", "Content-Length: 0, 0\r\n"),
        ("length with a plus", "Content-Length: +0\r\n"),
        ("length with a minus", "Content-Length: -0\r\n"),
        ("length in hexadecimal", "Content-Length: 0x0\r\n"),
        ("length with a fraction", "Content-Length: 0.0\r\n"),
        ("length with a letter", "Content-Length: 0a\r\n"),
        ("length in two words", "Content-Length: 0 0\r\n"),
        ("length without a value", "Content-Length:\r\n"),
        ("length beyond 64 bits", "Content-Length: 18446744073709551616\r\n"),
        ("length in full-width digits", "Content-Length: \u{ff10}\r\n"),
        ("a space before the length's colon", "Content-Length : 0\r\n"),
        ("a tab before the length's colon", "Content-Length\t: 0\r\n"),
        ("a folded length", "Content-Length:\r\n 0\r\n"),
    ] {
        all.push(case(name, Must::Fail, posted(length, "")));
    }
    for (name, coding) in [
        ("coding twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        ("chunked is not last", "Transfer-Encoding: chunked, identity\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("gzip and chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        ("a word like chunked", "Transfer-Encoding: xchunked\r\n"),
        ("chunked with a vertical tab", "Transfer-Encoding: \x0bchunked\r\n"),
        ("chunked with a null", "Transfer-Encoding: chunked\0\r\n"),
        ("chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n"),
        ("chunked with a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
        ("a space before the coding's colon", "Transfer-Encoding : chunked\r\n"),
        ("a folded coding", "Transfer-Encoding:\r\n chunked\r\n"),
        ("a coding without a value", "Transfer-Encoding:\r\n"),
        ("a coding behind a bare line end", "X: y\nTransfer-Encoding: chunked\r\n"),
    ] {
        all.push(case(name, Must::Fail, posted(coding, "0\r\n\r\n")));
    }
    let ten = chunks("0\r\n\r\n").replace("HTTP/1.1", "HTTP/1.0");
    all.push(case("chunks in HTTP/1.0", Must::Fail, ten));
    all
}

/// Bodies in chunks that are none.
fn bodies() -> Vec<Case> {
    let smuggles = format!("5\r\nhello\r\n0\n\r\n{SMUGGLED}");
    let mut all = vec![case("a bare line end after the last size", Must::Fail, chunks(&smuggles))];
    for (name, body) in [
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("a size that is no number", "xyz\r\nhello\r\n0\r\n\r\n"),
        ("a size with a plus", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a size with a minus", "-5\r\nhello\r\n0\r\n\r\n"),
        ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a size with an underline", "0_5\r\nhello\r\n0\r\n\r\n"),
        ("a size beyond 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("a blank before a size", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a blank after a size", "5 \r\nhello\r\n0\r\n\r\n"),
        ("a bare line end after a size", "5\nhello\r\n0\r\n\r\n"),
        ("a bare return after a size", "5\rhello\r\n0\r\n\r\n"),
        ("a bare line end in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("a bare return in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("a null in an extension", "5;a\0\r\nhello\r\n0\r\n\r\n"),
        ("data that is longer than its size", "5\r\nhello!\r\n0\r\n\r\n"),
        ("data that is shorter than its size", "6\r\nhello\r\n0\r\n\r\n"),
        ("a bare line end after data", "5\r\nhello\n0\r\n\r\n"),
        ("no line end after data", "5\r\nhello0\r\n\r\n"),
        ("a trailer that is no field", "0\r\nnonsense here\r\n\r\n"),
        ("a bare line end in a trailer", "0\r\nX: a\nY: b\r\n\r\n"),
        ("a trailer that is folded", "0\r\nX: a\r\n b\r\n\r\n"),
    ] {
        all.push(case(name, Must::Fail, chunks(body)));
    }
    all
}

/// Whom a request is for.
fn hosts() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, fields) in [
        ("no host", ""),
        ("two hosts", "Host: {host}\r\nHost: evil.example\r\n"),
        ("one host twice", "Host: {host}\r\nHost: {host}\r\n"),
        ("an empty host", "Host:\r\n"),
        ("a host with a user", "Host: user@{host}\r\n"),
        ("a host with a blank", "Host: {host} evil.example\r\n"),
        ("hosts in a list", "Host: {host}, evil.example\r\n"),
        ("a host with a path", "Host: {host}/x\r\n"),
        ("a host with a query", "Host: {host}?x\r\n"),
        ("a host with a fragment", "Host: {host}#x\r\n"),
        ("a host with a back slash", "Host: {host}\\x\r\n"),
        ("a host with a null", "Host: {host}\0\r\n"),
        ("a host with two ports", "Host: {host}:1\r\n"),
        ("a host with a port in words", "Host: localhost:https\r\n"),
        ("a host outside ASCII", "Host: \u{e9}.example\r\n"),
        ("a folded host", "Host:\r\n {host}\r\n"),
        ("a blank before the host's colon", "Host : {host}\r\n"),
    ] {
        all.push(case(name, Must::Fail, hosted(fields)));
    }
    for (name, target) in [
        ("a target of another host", "https://evil.example/"),
        ("a target with a user", "https://user@{host}/"),
        ("a target without TLS", "http://{host}{at}"),
        ("a target of another scheme", "ftp://{host}/"),
    ] {
        all.push(case(name, Must::Fail, lined(&format!("GET {target} HTTP/1.1"))));
    }
    all.push(case("a host in HTTP/1.0 is needed", Must::Fail, "GET {at} HTTP/1.0\r\nCookie: {cookie}\r\n\r\n"));
    all
}

/// Request lines.
fn lines() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, line) in [
        ("two blanks before the target", "GET  {at} HTTP/1.1"),
        ("two blanks behind the target", "GET {at}  HTTP/1.1"),
        ("a blank behind the version", "GET {at} HTTP/1.1 "),
        ("a blank before the method", " GET {at} HTTP/1.1"),
        ("tabs in the line", "GET\t{at}\tHTTP/1.1"),
        ("no version", "GET {at}"),
        ("HTTP/0.9", "GET {at} HTTP/0.9"),
        ("HTTP/1.2", "GET {at} HTTP/1.2"),
        ("HTTP/2.0", "GET {at} HTTP/2.0"),
        ("a version in small letters", "GET {at} http/1.1"),
        ("a version with more digits", "GET {at} HTTP/1.10"),
        ("a fragment", "GET {at}#x HTTP/1.1"),
        ("a null in the target", "GET {at}\0 HTTP/1.1"),
        ("a control in the target", "GET {at}\x01 HTTP/1.1"),
        ("a target outside ASCII", "GET {at}\u{e9} HTTP/1.1"),
        ("a target without a slash", "GET index.html HTTP/1.1"),
        ("an asterisk", "GET * HTTP/1.1"),
        ("CONNECT", "CONNECT {host} HTTP/1.1"),
        ("CONNECT with a path", "CONNECT {at} HTTP/1.1"),
        ("TRACE", "TRACE {at} HTTP/1.1"),
        ("a method in small letters", "get {at} HTTP/1.1"),
        ("a method that nobody knows", "SMUGGLE {at} HTTP/1.1"),
        ("the method of our own notes", "REFUSAL /0 HTTP/1.1"),
        ("a method that is no token", "G@T {at} HTTP/1.1"),
        ("the preface of HTTP/2", "PRI * HTTP/2.0"),
        ("a bare return in the line", "GET {at} HTTP/1.1\rX: y"),
    ] {
        all.push(case(name, Must::Fail, lined(line)));
    }
    let long = format!("GET {{at}}?{} HTTP/1.1", "a".repeat(9000));
    all.push(case("a target of 9 KB", Must::Fail, lined(&long)));
    all.push(case("bare line ends", Must::Fail, with("").replace("\r\n", "\n")));
    all.push(case("a bare line end behind the line", Must::Fail, with("").replacen("\r\n", "\n", 1)));
    all.push(case("a bare line end before the line", Must::Fail, format!("\n{}", with(""))));
    all.push(case("empty lines before the line", Must::Fail, format!("\r\n\r\n{}", with(""))));
    all
}

/// Fields.
fn fields() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, field) in [
        ("a bare line end between fields", "A: b\nC: d\r\n"),
        ("a bare return between fields", "A: b\rC: d\r\n"),
        ("a bare line end and a smuggled request", "A: b\n\nGET /SMUG HTTP/1.1\r\nHost: {host}\r\n"),
        ("a folded field", "A: b\r\n c\r\n"),
        ("a field without a colon", "nonsense\r\n"),
        ("a field without a name", ": x\r\n"),
        ("a blank in a name", "A b: x\r\n"),
        ("a null in a name", "A\0: x\r\n"),
        ("a name outside ASCII", "\u{e9}: x\r\n"),
        ("a null in a value", "A: b\0c\r\n"),
        ("a control in a value", "A: b\x01c\r\n"),
        ("a DEL in a value", "A: b\x7fc\r\n"),
        ("an expectation that nobody knows", "Expect: 200-ok\r\n"),
        ("an empty expectation", "Expect:\r\n"),
    ] {
        all.push(case(name, Must::Fail, with(field)));
    }
    all.push(case("a field of 100 KB", Must::Fail, with(&format!("A: {}\r\n", "a".repeat(100_000)))));
    all.push(case("20 KB of fields", Must::Fail, with(&format!("A: {}\r\n", "a".repeat(2000)).repeat(10))));
    all.push(case("150 fields", Must::Fail, with(&"A: b\r\n".repeat(150))));
    all
}

/// What browsers and crawlers do send.
fn good() -> Vec<Case> {
    let long = format!("A: {}\r\n", "a".repeat(4000));
    vec![
        case("an ordinary request", Must::Pass, with("")),
        case("an absolute target", Must::Pass, lined("GET https://{host}{at} HTTP/1.1")),
        case("one empty line before", Must::Pass, format!("\r\n{}", with(""))),
        case("names in any case", Must::Pass, with("").replace("Host", "hOsT")),
        case("no blank behind the colon", Must::Pass, with("").replace("Host: ", "Host:")),
        case("blanks around a value", Must::Pass, with("A: \t b \t\r\n")),
        case("a value in UTF-8", Must::Pass, with("A: \u{e9}\r\n")),
        case("large cookies", Must::Pass, with(&long.repeat(2))),
        case("no body by length", Must::Pass, with("Content-Length: 0\r\n")),
        case("a wish for a protocol that nobody speaks", Must::Pass, with("Connection: Upgrade\r\nUpgrade: foo\r\n")),
    ]
}

/// Bodies as browsers send them; only a vendor takes them.
fn good_bodies() -> Vec<Case> {
    vec![
        case("a body by length", Must::Pass, posted("Content-Length: 5\r\n", "hello")),
        case("a body in chunks", Must::Pass, chunks("5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\n\r\n")),
        case("a body with a trailer", Must::Pass, chunks("5\r\nhello\r\n0\r\nDigest: x\r\n\r\n")),
        case("a body that is asked for", Must::Pass, posted("Content-Length: 5\r\nExpect: 100-continue\r\n", "hello")),
    ]
}

/// What became of the cases at one host.
#[derive(Default)]
struct Tally {
    sent: usize,
    refused: usize,
    passed: usize,
    answered: usize,
    wrong: String,
}

/// How the bytes come: at once, or so that heads, chunks and line ends are torn.
fn pieces(text: &str, torn: bool) -> Vec<&[u8]> {
    if torn && text.len() < 5000 { text.as_bytes().chunks(11).collect() } else { vec![text.as_bytes()] }
}

/// Plays cases at a host. `page` and `upload` are targets that answer 200, to which a number can be added.
async fn play(target: &Target, cases: &[Case], (page, upload): (&str, &str), torn: bool) -> Tally {
    let mut tally = Tally::default();
    for (number, case) in cases.iter().enumerate() {
        let fill = |text: &str| text.replace("{host}", &target.authority).replace("{cookie}", &target.cookie);
        let own = if case.text.starts_with("POST") { upload } else { page };
        let at = format!("{own}?case={number}-{torn}");
        let mark = fill(&format!(
            "GET {page}?mark={number}-{torn} HTTP/1.1\r\nHost: {{host}}\r\nCookie: {{cookie}}\r\nConnection: close\r\n\r\n"
        ));
        let text = fill(&case.text.replace("{at}", &at)) + &mark;
        let replies = target.send(&pieces(&text, torn)).await;
        tally.sent += 1;
        let good = |reply: &&Reply| (200..300).contains(&reply.status);
        tally.answered += replies.iter().filter(good).count();
        let statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
        let fits = match case.must {
            Must::Fail => statuses.len() == 1 && statuses[0] >= 400,
            Must::Pass => matches!(statuses[..], [200, 200]),
        };
        if !fits {
            writeln!(tally.wrong, "{} (torn: {torn}) at {}: {statuses:?}", case.name, target.authority).unwrap();
        }
        *(if case.must == Must::Fail { &mut tally.refused } else { &mut tally.passed }) += usize::from(fits);
        replies.iter().filter(|reply| reply.status >= 400).for_each(|reply| plain(case, reply));
    }
    tally
}

/// A refusal says nothing of what answers, and echoes nothing.
fn plain(case: &Case, reply: &Reply) {
    assert!(reply.head.len() + reply.body.len() < 16 * 1024, "{}: a long answer", case.name);
    let told = format!("{}{}", reply.head, String::from_utf8_lossy(&reply.body)).to_ascii_lowercase();
    for banner in ["\r\nserver:", "\r\nx-powered-by:", "hyper", "axum", "rust", "panicked", "smug", "evil"] {
        assert!(!told.contains(banner), "{}: `{banner}` in {told}", case.name);
    }
}

/// Requests that a vendor received whole, by what stands in their targets.
fn received_whole(traffic: &[u8]) -> usize {
    let mut whole = 0;
    let mut rest = traffic;
    while let Some(at) = find(rest, b" HTTP/1.1\r\n") {
        let line = rest[..at].rsplit(|b| *b == b'\n').next().unwrap_or_default();
        let ours = find(line, b"case=").is_some() || find(line, b"mark=").is_some();
        rest = &rest[at + 11..];
        let next = find(rest, b" HTTP/1.1\r\n").unwrap_or(rest.len());
        let chunked = find(&rest[..next], b"transfer-encoding: chunked").is_some();
        let ended = !chunked || find(&rest[..next], b"\r\n0\r\n").is_some();
        whole += usize::from(ours && ended);
    }
    whole
}

#[tokio::test]
async fn what_has_two_readings_is_refused() {
    let world = World::start();
    let mut browser = world.browser();
    let start = world.vendor("atlas")["start"].as_str().unwrap().to_owned();
    world.sign_in(&mut browser, &world.patron(0).clone(), Some(&start)).await;
    let ca = world.path("ca");
    let at = |url: &str| {
        let host = url::Url::parse(url).unwrap().host_str().unwrap().to_owned();
        Target::new(&ca, url, browser.cookies(&host).join("; "))
    };
    let (portal, vendor) = (at(world.portal()), at(&world.vendor_url("atlas", "/")));
    let bad: Vec<Case> = [lengths(), bodies(), hosts(), lines(), fields()].into_iter().flatten().collect();
    assert!(bad.len() >= 72, "{} cases", bad.len());
    let before = received_whole(&world.received("atlas"));
    let (mut wrong, mut refused, mut passed, mut answered) = (String::new(), 0, 0, 0);
    let good_at_portal = good();
    let good_at_vendor: Vec<Case> = good().into_iter().chain(good_bodies()).collect();
    for torn in [false, true] {
        for (target, cases, (page, upload), counted) in [
            (&portal, &bad, ("/privacy", "/privacy"), false),
            (&portal, &good_at_portal, ("/privacy", "/privacy"), false),
            (&vendor, &bad, ("/bytes/1", "/upload"), true),
            (&vendor, &good_at_vendor, ("/bytes/1", "/upload"), true),
        ] {
            let tally = play(target, cases, (page, upload), torn).await;
            wrong += &tally.wrong;
            (refused, passed) = (refused + tally.refused, passed + tally.passed);
            answered += if counted { tally.answered } else { 0 };
        }
    }
    let traffic = world.received("atlas");
    let seen = received_whole(&traffic) - before;
    assert_eq!(count(&traffic, b"/SMUG"), 0, "a smuggled request reached the vendor");
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!(seen, answered, "requests that the vendor saw whole, and good answers");
    let test = "shell::battery::what_has_two_readings_is_refused";
    let sent = 4 * bad.len();
    figure(test, "malformed and ambiguous requests accepted", &format!("{} of {sent}; goal 0", sent - refused));
    figure(test, "requests a vendor saw, and good answers given", &format!("{seen} and {answered}; goal: equal"));
    assert!(passed > 0);
}
