//! A library system as Koha answers, that counts: how often each card was asked with a wrong PIN, and how often in a row.
//! After five in a row it locks the card for good.
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const LOCKS_AFTER: usize = 5;

/// What one card has seen.
#[derive(Clone, Copy, Default, Debug)]
pub struct Seen {
    pub wrong: usize,
    pub right: usize,
    pub row: usize,
    pub most_in_a_row: usize,
    pub locked: bool,
}

#[derive(Default)]
struct Books {
    cards: BTreeMap<String, Seen>,
    unknown: BTreeSet<String>,
    asked: usize,
}

/// The running system; it ends with the runtime.
pub struct CountingIls {
    pub address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

/// How long answers take: about cards that are not known, and about those that are.
#[derive(Clone, Copy)]
pub struct Pace {
    pub unknown: Duration,
    pub known: Duration,
}

/// The `n`th card.
pub fn card(n: usize) -> String {
    format!("2{n:013}")
}

/// Its PIN; never `0000`.
pub fn pin(n: usize) -> String {
    format!("{:04}", 1 + (n * 7919) % 9999)
}

/// Its user name.
pub fn user(n: usize) -> String {
    format!("avery{n}")
}

/// Finds a patron as a database without case and accents does.
fn find(typed: &str) -> Option<usize> {
    let plain = typed.trim_end().to_lowercase().replace('é', "e");
    if let Some(n) = plain.strip_prefix("avery") {
        return n.parse().ok();
    }
    let digits = plain.strip_prefix('2').filter(|rest| rest.len() == 13)?;
    digits.parse().ok()
}

impl CountingIls {
    pub async fn start(pace: Pace) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let books = Arc::new(Mutex::new(Books::default()));
        let kept = Arc::clone(&books);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(talk(stream, Arc::clone(&kept), pace));
            }
        });
        Self { address, books }
    }

    /// What the card with this number has seen, under whatever name.
    pub fn seen(&self, n: usize) -> Seen {
        self.books.lock().unwrap().cards.get(&card(n)).copied().unwrap_or_default()
    }

    /// How many questions came in all.
    pub fn asked(&self) -> usize {
        self.books.lock().unwrap().asked
    }

    /// How many different cards were asked for with a wrong PIN.
    pub fn failing(&self) -> usize {
        let books = self.books.lock().unwrap();
        books.cards.values().filter(|seen| seen.wrong > 0).count() + books.unknown.len()
    }
}

async fn talk(stream: TcpStream, books: Arc<Mutex<Books>>, pace: Pace) {
    let mut stream = BufReader::new(stream);
    stream.get_ref().set_nodelay(true).unwrap();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\r', &mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = String::from_utf8(line).unwrap();
        let line = line.trim();
        let sequence = line.rsplit_once("AY").and_then(|(_, rest)| rest.chars().next()).unwrap();
        let body = match line.get(..2) {
            Some("93") => "941".to_owned(),
            Some("99") => "98YYYYNN60000320261122    1200002.00AOEXAMPLE|AMMake-believe|BXYYYYYYYYYYYNYYYY|".to_owned(),
            _ => {
                let (answer, wait) = patron(line, &books, pace);
                tokio::time::sleep(wait).await;
                answer
            }
        };
        let sealed = format!("{body}AY{sequence}AZ");
        let sum = sealed.bytes().fold(0_u16, |sum, b| sum.wrapping_add(b.into())).wrapping_neg();
        if stream.get_mut().write_all(format!("{sealed}{sum:04X}\r").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn patron(line: &str, books: &Mutex<Books>, pace: Pace) -> (String, Duration) {
    let field = |tag: &str| line.split('|').find_map(|f| f.strip_prefix(tag)).unwrap_or_default();
    // The first field stands behind the fixed ones.
    let (typed, given) = (field("AA"), field("AD"));
    let mut books = books.lock().unwrap();
    books.asked += 1;
    let head = |flags: &str| format!("64{flags:14}00020261122    120000{:024}AOEXAMPLE|", 0);
    let Some(n) = find(typed) else {
        books.unknown.insert(typed.to_owned());
        return (format!("{}AA{typed}|AE|BLN|AFInvalid cardnumber|", head("YYYY")), pace.unknown);
    };
    let seen = books.cards.entry(card(n)).or_default();
    let right = given == pin(n) && !seen.locked;
    if right {
        (seen.right, seen.row) = (seen.right + 1, 0);
    } else {
        (seen.wrong, seen.row) = (seen.wrong + 1, seen.row + 1);
        seen.most_in_a_row = seen.most_in_a_row.max(seen.row);
        seen.locked |= seen.row >= LOCKS_AFTER;
    }
    let verdict = if right { "Y" } else { "N" };
    (format!("{}AA{}|AEAvery Person|BLY|CQ{verdict}|PCADULT|", head(""), card(n)), pace.known)
}
