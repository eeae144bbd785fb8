//! A make-believe library system that speaks SIP2 over TCP. It answers from memory, at once or after a set delay, and
//! keeps every byte that it received and sent.
mod conversation;
mod message;
mod mischief;

pub use mischief::Mischief;

use super::patrons::Patron;
use conversation::{Conversation, Desk, Reply};
use mischief::Spoilt;
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest message that is read.
const LONGEST: usize = 64 * 1024;
/// How long to wait when a connection cannot be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the stand-in behaves.
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Whom it knows.
    pub patrons: Arc<[Patron]>,
    /// The terminal's account.
    pub user: String,
    /// The terminal's password.
    pub password: String,
    /// How long each answer takes.
    pub delay: Duration,
    /// A folder for every byte received (`NNNN.in.raw`) and sent (`NNNN.out.raw`), two files a connection.
    pub traffic: Option<PathBuf>,
}

impl Options {
    /// Answers at once, on a free port of loopback, and keeps no traffic.
    #[must_use]
    pub fn new(patrons: Arc<[Patron]>, user: &str, password: &str) -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            patrons,
            user: user.to_owned(),
            password: password.to_owned(),
            delay: Duration::ZERO,
            traffic: None,
        }
    }
}

/// The running stand-in. Dropping it stops it too, without waiting.
pub struct StandIn {
    address: SocketAddr,
    mischief: Arc<Mutex<Option<Mischief>>>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl StandIn {
    /// Binds and begins to answer.
    ///
    /// # Errors
    /// When the address cannot be bound or the traffic folder cannot be made.
    pub async fn start(options: Options) -> io::Result<Self> {
        if let Some(folder) = &options.traffic {
            std::fs::create_dir_all(folder)?;
        }
        let listener = TcpListener::bind(options.bind).await?;
        let address = listener.local_addr()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mischief = Arc::default();
        let server = Server {
            desk: Arc::new(Desk::new(options.patrons, options.user, options.password)),
            manners: Manners { delay: options.delay, mischief: Arc::clone(&mischief) },
            traffic: options.traffic,
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(server.accept(listener));
        Ok(Self { address, mischief, stop, tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Misbehaves from the next answer on, on connections old and new; `None` ends it.
    pub fn misbehave(&self, mischief: Option<Mischief>) {
        *self.mischief.lock() = mischief;
    }

    /// Stops listening, closes all connections and waits until that is done.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// How answers are given.
#[derive(Clone)]
struct Manners {
    delay: Duration,
    mischief: Arc<Mutex<Option<Mischief>>>,
}

struct Server {
    desk: Arc<Desk>,
    manners: Manners,
    traffic: Option<PathBuf>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    async fn accept(self, listener: TcpListener) {
        let mut number = 0_u64;
        loop {
            let accepted =
                tokio::select! { () = self.stop.cancelled() => return, accepted = listener.accept() => accepted };
            // Out of file descriptors, most likely: wait for some to come back.
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            number += 1;
            let Ok(record) = Record::open(self.traffic.as_deref(), number) else { continue };
            let talk = Conversation::new(Arc::clone(&self.desk));
            let (manners, stop) = (self.manners.clone(), self.stop.clone());
            self.tasks.spawn(async move {
                // A connection that breaks is over either way.
                tokio::select! { () = stop.cancelled() => (), _ = converse(stream, talk, record, manners) => () }
            });
        }
    }
}

async fn converse(
    mut stream: TcpStream,
    mut talk: Conversation,
    mut record: Record,
    manners: Manners,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = bytes::BytesMut::with_capacity(4096);
    while stream.read_buf(&mut input).await? > 0 {
        record.received(&input)?;
        while let Some(end) = input.iter().skip(record.seen).position(|b| *b == b'\r').map(|at| at + record.seen) {
            let line = input.split_to(end + 1);
            record.seen = 0;
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            let start = line.iter().position(|b| !matches!(b, b'\r' | b'\n' | b' ' | 0));
            let Some(line) = start.and_then(|at| line.get(at..)) else { continue };
            let Reply::Send(answer) = talk.answer(line) else { return Ok(()) };
            if !manners.delay.is_zero() {
                tokio::time::sleep(manners.delay).await;
            }
            let mischief = *manners.mischief.lock();
            if let Some(mischief) = mischief {
                let close = misbehave(&mut stream, &mut record, mischief.spoil(answer)).await?;
                if close {
                    return Ok(());
                }
                continue;
            }
            record.sent(&answer)?;
            stream.write_all(&answer).await?;
        }
        record.seen = input.len();
        if input.len() > LONGEST {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends a spoilt answer; whether the connection is to be closed.
async fn misbehave(stream: &mut TcpStream, record: &mut Record, spoilt: Spoilt) -> io::Result<bool> {
    record.sent(&spoilt.bytes)?;
    match spoilt.pause {
        None => stream.write_all(&spoilt.bytes).await?,
        Some(pause) => {
            for byte in spoilt.bytes {
                stream.write_u8(byte).await?;
                tokio::time::sleep(pause).await;
            }
        }
    }
    Ok(spoilt.close)
}

/// Where a connection's bytes are kept.
struct Record {
    files: Option<(File, File)>,
    /// How many bytes at the front of the input were recorded and searched before.
    seen: usize,
}

impl Record {
    fn open(folder: Option<&Path>, number: u64) -> io::Result<Self> {
        let file = |folder: &Path, way| File::create(folder.join(format!("{number:04}.{way}.raw")));
        let files = match folder {
            Some(folder) => Some((file(folder, "in")?, file(folder, "out")?)),
            None => None,
        };
        Ok(Self { files, seen: 0 })
    }

    /// Keeps what is new in `input`.
    fn received(&mut self, input: &[u8]) -> io::Result<()> {
        match &mut self.files {
            Some((file, _)) => file.write_all(input.get(self.seen..).unwrap_or_default()),
            None => Ok(()),
        }
    }

    fn sent(&mut self, answer: &[u8]) -> io::Result<()> {
        match &mut self.files {
            Some((_, file)) => file.write_all(answer),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::patrons::generate;

    async fn standing(change: impl FnOnce(&mut Options)) -> StandIn {
        let mut options = Options::new(generate(1, 50).into(), "terminal", "secret");
        change(&mut options);
        StandIn::start(options).await.unwrap()
    }

    async fn line(stream: &mut TcpStream) -> String {
        let mut line = Vec::new();
        while line.last() != Some(&b'\r') {
            line.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(line).unwrap()
    }

    #[tokio::test]
    async fn a_foreign_client_signs_a_patron_in() {
        let ils = standing(|_| ()).await;
        let address = ils.address().to_string();
        let patron = &generate(1, 5)[0];
        let (card, pin, name) = (patron.card.clone(), patron.pin.clone(), patron.held.name.clone());
        tokio::task::spawn_blocking(move || {
            let mut client = sip2::Client::new(&address).unwrap();
            let mut params = sip2::ParamSet::new();
            params.set_sip_user("terminal").set_sip_pass("secret").set_institution("EXAMPLE");
            params.set_patron_id(&card).set_patron_pwd(&pin);
            assert!(client.login(&params).unwrap().ok());
            assert!(client.sc_status().unwrap().ok());
            for answer in [client.patron_status(&params).unwrap(), client.patron_info(&params).unwrap()] {
                assert!(answer.ok());
                assert_eq!(answer.value("CQ"), Some("Y"));
                assert_eq!(answer.value("AE"), Some(name.as_str()));
            }
            params.set_patron_pwd("000000");
            assert_eq!(client.patron_info(&params).unwrap().value("CQ"), Some("N"));
            params.set_patron_id("20000000000000");
            assert!(!client.patron_info(&params).unwrap().ok());
        })
        .await
        .unwrap();
        ils.stop().await;
    }

    #[tokio::test]
    async fn bytes_may_drip_and_messages_may_come_together() {
        let ils = standing(|_| ()).await;
        let mut stream = TcpStream::connect(ils.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in b"9300CNterminal|COsecret|AY3AZF5CF\r\n" {
            stream.write_u8(*byte).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(line(&mut stream).await, "941AY3AZFDFA\r");
        stream.write_all(b"9300CNterminal|COsecret|\r9900302.00\r\n9900302.00\r").await.unwrap();
        assert_eq!(line(&mut stream).await, "941\r");
        assert!(line(&mut stream).await.starts_with("98YNNYNN600003"));
        assert!(line(&mut stream).await.starts_with("98YNNYNN600003"));
    }

    #[tokio::test]
    async fn every_byte_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let ils = standing(|o| o.traffic = Some(folder.path().to_owned())).await;
        let mut stream = TcpStream::connect(ils.address()).await.unwrap();
        stream.write_all(b"\r\n9300CNterminal|COse").await.unwrap();
        stream.write_all(b"cret|\r").await.unwrap();
        assert_eq!(line(&mut stream).await, "941\r");
        ils.stop().await;
        let kept = |name| std::fs::read(folder.path().join(name)).unwrap();
        assert_eq!(kept("0001.in.raw"), b"\r\n9300CNterminal|COsecret|\r");
        assert_eq!(kept("0001.out.raw"), b"941\r");
    }

    #[tokio::test]
    async fn mischief_begins_and_ends_on_an_open_connection() {
        let ils = standing(|_| ()).await;
        let mut stream = TcpStream::connect(ils.address()).await.unwrap();
        let login = b"9300CNterminal|COsecret|\r";
        stream.write_all(login).await.unwrap();
        assert_eq!(line(&mut stream).await, "941\r");
        ils.misbehave(Some(Mischief::AskAgain));
        stream.write_all(login).await.unwrap();
        assert_eq!(line(&mut stream).await, "96AZFEF6\r");
        ils.misbehave(Some(Mischief::Drip(Duration::from_millis(1))));
        stream.write_all(login).await.unwrap();
        assert_eq!(line(&mut stream).await, "941\r");
        ils.misbehave(None);
        stream.write_all(login).await.unwrap();
        assert_eq!(line(&mut stream).await, "941\r");
        ils.misbehave(Some(Mischief::CutShort));
        stream.write_all(login).await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"94");
    }

    #[tokio::test]
    async fn stopping_closes_connections_and_the_port() {
        let ils = standing(|o| o.delay = Duration::from_secs(3600)).await;
        let address = ils.address();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"9300CNterminal|COsecret|\r").await.unwrap();
        ils.stop().await;
        assert!(!matches!(stream.read(&mut [0; 8]).await, Ok(1..)));
        assert!(TcpStream::connect(address).await.is_err());
    }
}
