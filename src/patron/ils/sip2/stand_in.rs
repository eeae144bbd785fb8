//! A scriptable library system for tests: it answers each message as its script says, well or badly, and keeps every
//! byte that it received.
use super::message::{Detection, Draft, Message, Tag, Terminator};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// A message that came, or the beginning of a connection when it is empty.
pub(super) struct Line {
    /// Which connection, from 0.
    pub(super) connection: usize,
    /// The message without its terminator.
    pub(super) text: Vec<u8>,
}

impl Line {
    /// Whether a patron is asked for.
    pub(super) fn asks_for_patron(&self) -> bool {
        self.text.starts_with(b"23") || self.text.starts_with(b"63")
    }

    /// A field of the message.
    pub(super) fn field(&self, tag: [u8; 2]) -> Vec<u8> {
        Message::decode(&self.text).unwrap().once(Tag::new(tag)).unwrap().unwrap_or_default().to_vec()
    }

    fn detection(&self) -> Detection {
        let sum = self.text.len() > 6 && self.text[..self.text.len() - 4].ends_with(b"AZ");
        match Message::decode(&self.text).unwrap().sequence {
            Some(n) => Detection::Sequence(n),
            None if sum => Detection::Checksum,
            None => Detection::Off,
        }
    }

    /// A reply of these fields, such as `AA1|BLY`, with the right sequence number and checksum.
    pub(super) fn reply(&self, command: [u8; 2], fixed: &str, fields: &str) -> Vec<u8> {
        let mut draft = Draft::new(command, fixed.as_bytes()).unwrap();
        for field in fields.split('|').filter(|field| !field.is_empty()) {
            let (tag, value) = field.split_at(2);
            draft = draft.field(Tag::parse(tag).unwrap(), value.as_bytes()).unwrap();
        }
        draft.seal(self.detection(), Terminator::Cr).to_vec()
    }

    /// The reply to a patron request: 24 or 64 with these flags and fields after `AA`.
    pub(super) fn patron(&self, card: &str, flags: &str, fields: &str) -> Vec<u8> {
        let (command, counts) =
            if self.text.starts_with(b"23") { (*b"24", "") } else { (*b"64", "000000000000000000000000") };
        self.reply(command, &format!("{flags:14}00120261122    120000{counts}"), &format!("AOMAIN|AA{card}|{fields}"))
    }

    /// A good answer whatever is asked: the patron's id is the card with `id-` before it.
    pub(super) fn good(&self) -> Vec<u8> {
        match self.text.get(..2) {
            Some(b"93") => self.reply(*b"94", "1", ""),
            Some(b"99") => self.reply(*b"98", "YYYYNN10000520261122    1200002.00", "AOMAIN|BXYYYYYYYYYYYNYYYY"),
            Some(b"23" | b"63") => {
                let card = String::from_utf8(self.field(*b"AA")).unwrap();
                let pin = String::from_utf8(self.field(*b"AD")).unwrap();
                let right = if pin == format!("pin-{card}") { "Y" } else { "N" };
                self.patron(&card, "", &format!("AEWilhelmina Person|BLY|CQ{right}|XIid-{card}"))
            }
            _ => Vec::new(),
        }
    }
}

/// What the stand-in does about a message.
pub(super) enum Act {
    /// Sends.
    Send(Vec<u8>),
    /// Sends byte by byte.
    Drip(Vec<u8>, Duration),
    /// Lets others run so many times.
    Yield(usize),
    /// Goes on when told.
    Wait(Arc<Notify>),
    /// Tells.
    Tell(Arc<Notify>),
    /// Says nothing more and reads nothing more.
    Hang,
    /// Closes.
    Close,
}

type Script = dyn Fn(&Line) -> Vec<Act> + Send + Sync;

/// What the stand-in has seen.
#[derive(Default)]
pub(super) struct Seen {
    /// Every byte, by connection.
    pub(super) bytes: Mutex<Vec<Vec<u8>>>,
    /// Connections that are open.
    pub(super) open: AtomicUsize,
    /// The most that were open at once.
    pub(super) most: AtomicUsize,
    /// Told whenever a connection has ended.
    pub(super) ended: Notify,
}

impl Seen {
    /// How many connections there were.
    pub(super) fn connections(&self) -> usize {
        self.bytes.lock().len()
    }

    /// How often some bytes came.
    pub(super) fn count(&self, needle: &[u8]) -> usize {
        self.bytes.lock().iter().map(|all| all.windows(needle.len()).filter(|w| *w == needle).count()).sum()
    }
}

/// A running stand-in; it ends with the runtime.
pub(super) struct StandIn {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// What it has seen.
    pub(super) seen: Arc<Seen>,
}

impl StandIn {
    /// Starts a stand-in over TCP.
    pub(super) async fn start(script: impl Fn(&Line) -> Vec<Act> + Send + Sync + 'static) -> Self {
        Self::start_with(None, script).await
    }

    /// Starts a stand-in, over TLS where there is an acceptor.
    pub(super) async fn start_with(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Line) -> Vec<Act> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stand_in = Self { address: listener.local_addr().unwrap(), seen: Arc::default() };
        let (seen, script): (_, Arc<Script>) = (Arc::clone(&stand_in.seen), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let number = {
                    let mut bytes = seen.bytes.lock();
                    bytes.push(Vec::new());
                    bytes.len() - 1
                };
                let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
                seen.most.fetch_max(open, Ordering::SeqCst);
                let (seen, script, tls) = (Arc::clone(&seen), Arc::clone(&script), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, number, &seen, &*script).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(stream, number, &seen, &*script).await;
                            }
                        }
                    }
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                    seen.ended.notify_one();
                });
            }
        });
        stand_in
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, connection: usize, seen: &Seen, script: &Script) {
    let mut pending = Vec::new();
    let mut chunk = [0; 1024];
    let mut line = Line { connection, text: Vec::new() };
    loop {
        for act in script(&line) {
            if !perform(&mut stream, act).await {
                return;
            }
        }
        let end = loop {
            if let Some(end) = pending.iter().position(|b| *b == b'\r') {
                break end;
            }
            match stream.read(&mut chunk).await {
                Ok(n) if n > 0 => {
                    pending.extend_from_slice(&chunk[..n]);
                    seen.bytes.lock()[connection].extend_from_slice(&chunk[..n]);
                }
                _ => return,
            }
        };
        let mut text: Vec<u8> = pending.drain(..=end).collect();
        text.pop();
        line.text = text;
    }
}

/// Does one thing; `false` ends the connection.
async fn perform(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), act: Act) -> bool {
    match act {
        Act::Send(bytes) => return stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok(),
        Act::Drip(bytes, pause) => {
            for byte in bytes {
                if stream.write_all(&[byte]).await.is_err() {
                    return false;
                }
                tokio::time::sleep(pause).await;
            }
        }
        Act::Yield(times) => {
            for _ in 0..times {
                tokio::task::yield_now().await;
            }
        }
        Act::Wait(told) => told.notified().await,
        Act::Tell(notify) => notify.notify_one(),
        Act::Hang => std::future::pending().await,
        Act::Close => {
            let _ = stream.shutdown().await;
            return false;
        }
    }
    true
}
