//! What IT sees: the pages of the admin listener, metrics, and waiting until they say something.
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A page of the admin listener at `http://HOST:PORT`.
pub fn admin(origin: &str, path: &str) -> std::io::Result<(u16, String)> {
    let address = origin.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default();
    Ok((status, body.to_owned()))
}

/// `/metrics`, by series: name and labels as they stand there.
pub fn metrics(origin: &str) -> BTreeMap<String, f64> {
    let (status, text) = admin(origin, "/metrics").unwrap();
    assert_eq!(status, 200);
    let line = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        Some((series.to_owned(), value.parse().ok()?))
    };
    text.lines().filter(|l| !l.starts_with('#')).filter_map(line).collect()
}

/// One series; 0 where it is not there.
pub fn metric(origin: &str, series: &str) -> f64 {
    metrics(origin).get(series).copied().unwrap_or_default()
}

/// Reloads that were accepted or refused so far.
pub fn reloads(origin: &str, result: &str) -> f64 {
    metric(origin, &format!("vestibule_reloads_total{{result=\"{result}\"}}"))
}

/// Looks again and again until `happened`, at most for as long as stated.
pub async fn until(what: &str, patience: Duration, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while !happened() {
        assert!(begun.elapsed() < patience, "waited {patience:?} in vain: {what}");
        look.tick().await;
    }
}

pub const PATIENCE: Duration = Duration::from_secs(30);
