//! Requests a second, and requests for each second of the proxy's processor time: every proxy in turn, round by round,
//! so that whatever else the machine does falls on all of them alike.
use crate::Outcome;
use crate::ground::{FILES, Ground, HOST};
use crate::load::{self, Way};
use crate::peers::Proxy;
use crate::stage::browser::Browser;
use crate::stage::figures::Run;
use crate::stage::plan::Effort;
use crate::stage::process::{MEASURED, busy};

/// All runs of one case, one list for each proxy.
pub(crate) struct Case {
    /// How requests were sent.
    pub(crate) way: Way,
    /// The bytes of an answer's body.
    pub(crate) size: usize,
    /// In the order of the proxies.
    pub(crate) runs: Vec<Vec<Run>>,
}

const WAYS: [Way; 4] = [Way::Http1, Way::Browser, Way::Http2(1), Way::Http2(10)];

/// Measures all cases.
pub(crate) fn measure(ground: &Ground, proxies: &[Proxy], effort: Effort) -> Outcome<Vec<Case>> {
    for proxy in proxies {
        check_assertion(ground, proxy)?;
    }
    let mut cases = Vec::new();
    for way in WAYS {
        for (path, size) in FILES {
            if way == Way::Browser && size > 1024 {
                continue;
            }
            eprint_case(way, size);
            cases.push(Case { way, size, runs: case(ground, proxies, (way, path, size), effort)? });
        }
    }
    Ok(cases)
}

fn case(
    ground: &Ground,
    proxies: &[Proxy],
    (way, path, size): (Way, &str, usize),
    effort: Effort,
) -> Outcome<Vec<Vec<Run>>> {
    let mut runs = vec![Vec::new(); proxies.len()];
    for proxy in proxies {
        // On a busy machine a second may end before the first answer; it only warms up.
        let _ = load::run(way, proxy, path, 1);
    }
    for _ in 0..effort.rounds {
        for (proxy, runs) in proxies.iter().zip(&mut runs) {
            // Once more when other work on the machine held a run up altogether.
            let again = |_| one(proxy, (way, path), effort.seconds);
            runs.push(one(proxy, (way, path), effort.seconds).or_else(again)?);
            // A redirect to the sign-in page would count as an answer.
            check_page(ground, proxy, path, size)?;
        }
    }
    Ok(runs)
}

fn one(proxy: &Proxy, (way, path): (Way, &str), seconds: u32) -> Outcome<Run> {
    let (used, all) = (proxy.cpu(), busy(MEASURED));
    let (requests, time) = load::run(way, proxy, path, seconds)?;
    let (used, all) = (proxy.cpu() - used, busy(MEASURED) - all);
    Ok(Run::new(requests, time, (used, all)))
}

fn ask(ground: &Ground, proxy: &Proxy, path: &str) -> Outcome<Vec<u8>> {
    let mut browser = Browser::connect(proxy.port, Some((&ground.site.trust, HOST)))?;
    let answer = browser.send(&request(proxy, path))?;
    if answer.status == 200 { Ok(answer.body) } else { Err(odd(proxy, answer.status).into()) }
}

/// A request as it goes over the wire.
pub(crate) fn request(proxy: &Proxy, path: &str) -> String {
    let cookie = if proxy.cookie.is_empty() { String::new() } else { format!("Cookie: {}\r\n", proxy.cookie) };
    format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{cookie}\r\n", proxy.authority())
}

fn check_page(ground: &Ground, proxy: &Proxy, path: &str, size: usize) -> Outcome<()> {
    let found = ask(ground, proxy, path)?.len();
    if found == size { Ok(()) } else { Err(format!("{}: expected {size} bytes, found {found}", proxy.name).into()) }
}

/// Whoever asserts must have told the origin, and whoever asks for a cookie must refuse a browser without one.
fn check_assertion(ground: &Ground, proxy: &Proxy) -> Outcome<()> {
    let told = ask(ground, proxy, "/echo")?.len();
    if proxy.asserts != (told > 100) {
        return Err(format!("{}: expected an assertion, or none, at the origin; found {told} bytes", proxy.name).into());
    }
    Ok(())
}

fn odd(proxy: &Proxy, status: u16) -> String {
    format!("{}: expected the page, found status {status}", proxy.name)
}

#[expect(clippy::print_stderr, reason = "a benchmark tells how far it is")]
fn eprint_case(way: Way, size: usize) {
    eprintln!("{}, {} KiB …", way.words(), size / 1024);
}
