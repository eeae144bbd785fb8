//! The load: wrk for HTTP/1.1, h2load for HTTP/2, and what they say when they are done.
use crate::Outcome;
use crate::ground::HOST;
use crate::peers::Proxy;
use crate::stage::process::DRIVING;
use std::process::Command;

/// Connections.
pub(crate) const CONNECTIONS: u32 = 64;

/// The fields that a browser sends beside `Host` and `Cookie`.
const BROWSER: [&str; 9] = [
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Priority: u=0, i",
];

/// How requests are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// HTTP/1.1 with as few fields as wrk sends.
    Http1,
    /// HTTP/1.1 with the fields of a browser.
    Browser,
    /// HTTP/2 with so many requests at once on each connection.
    Http2(u32),
}

impl Way {
    /// Words for the tables.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Http1 => "HTTP/1.1".to_owned(),
            Self::Browser => "HTTP/1.1, a browser's fields".to_owned(),
            Self::Http2(1) => "HTTP/2, 1 stream".to_owned(),
            Self::Http2(streams) => format!("HTTP/2, {streams} streams"),
        }
    }
}

/// Runs the load on a proxy for some seconds; gives how many requests were answered, and in how many seconds.
pub(crate) fn run(way: Way, proxy: &Proxy, path: &str, seconds: u32) -> Outcome<(f64, f64)> {
    match way {
        Way::Http1 => wrk(proxy, path, seconds, &[]),
        Way::Browser => wrk(proxy, path, seconds, &BROWSER),
        Way::Http2(streams) => h2load(proxy, path, seconds, streams),
    }
}

fn wrk(proxy: &Proxy, path: &str, seconds: u32, fields: &[&str]) -> Outcome<(f64, f64)> {
    let mut command = Command::new("taskset");
    command.args(["-c", DRIVING, "wrk", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
    command.arg("-H").arg(format!("Host: {}", proxy.authority()));
    if !proxy.cookie.is_empty() {
        command.arg("-H").arg(format!("Cookie: {}", proxy.cookie));
    }
    for field in fields {
        command.arg("-H").arg(field);
    }
    let text = said(command.arg(format!("https://127.0.0.1:{}{path}", proxy.port)))?;
    // "  204859 requests in 4.00s, 250.00MB read"
    let line = text.lines().find(|line| line.contains(" requests in ")).ok_or_else(|| odd("wrk", &text))?;
    let mut words = line.split_whitespace();
    let requests: f64 = words.next().ok_or_else(|| odd("wrk", &text))?.parse()?;
    let time = words.nth(2).and_then(|time| time.strip_suffix("s,")).ok_or_else(|| odd("wrk", &text))?;
    let failed = text.contains("Non-2xx") || text.lines().any(|line| line.contains("Socket errors") && is_bad(line));
    if failed { Err(odd("wrk", &text).into()) } else { Ok((requests, time.parse()?)) }
}

/// Errors of reading and connecting; timeouts are the machine's when it is busy with other things.
fn is_bad(line: &str) -> bool {
    !line.contains("connect 0, read 0, write 0")
}

fn h2load(proxy: &Proxy, path: &str, seconds: u32, streams: u32) -> Outcome<(f64, f64)> {
    let mut command = Command::new("taskset");
    command.args(["-c", DRIVING, "h2load", "-t1", &format!("-c{CONNECTIONS}"), &format!("-m{streams}")]);
    command.arg(format!("--duration={seconds}")).arg(format!("--connect-to=127.0.0.1:{}", proxy.port));
    if !proxy.cookie.is_empty() {
        command.arg("-H").arg(format!("Cookie: {}", proxy.cookie));
    }
    let text = said(command.arg(format!("https://{HOST}:{}{path}", proxy.port)))?;
    // "requests: 144270 total, 144270 started, 144270 done, 144270 succeeded, 0 failed, 0 errored, 0 timeout"
    let line = text.lines().find(|line| line.starts_with("requests:")).ok_or_else(|| odd("h2load", &text))?;
    let count = |word: &str| {
        let mut parts = line.trim_start_matches("requests:").split(',');
        parts.find_map(|part| part.trim().strip_suffix(word)?.trim().parse::<f64>().ok())
    };
    let done = count("succeeded").ok_or_else(|| odd("h2load", &text))?;
    let fine = text.lines().any(|line| line.starts_with("status codes:") && line.contains(", 0 3xx, 0 4xx, 0 5xx"));
    if !fine || count("failed") != Some(0.0) || done == 0.0 || !text.contains("Application protocol: h2") {
        return Err(odd("h2load", &text).into());
    }
    Ok((done, f64::from(seconds)))
}

fn said(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

fn odd(program: &str, text: &str) -> String {
    format!("expected {program} to end without errors, found:\n{text}")
}
