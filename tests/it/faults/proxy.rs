//! The fault proxy: a line between the portal and the library's system that can be made to misbehave while it is in use. It
//! works in user space, message by message, so every fault is the same on every machine.
use socket2::{Domain, SockRef, Socket, Type};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// All is well.
    Open,
    /// Nobody listens, and open connections are reset.
    Refuse,
    /// Nobody answers a SYN, and open connections are reset.
    Deaf,
    /// The kernel takes connections and nobody else does; what is said on open ones is not heard.
    Silent,
    /// Connections are taken, questions are heard, and nothing is ever said. Late answers come when the way opens.
    Hang,
    /// Every answer comes so much later.
    Slow(Duration),
    /// An answer about a patron ends in its middle, with a FIN.
    HalfLine,
    /// The checksum of an answer about a patron is wrong.
    Garbage,
    /// The sequence number of an answer about a patron is another one, and its checksum fits.
    WrongNumber,
    /// An answer about a patron ends in its middle, with a RST.
    Reset,
    /// Open and refused in turn, so long each.
    Flap(Duration),
    /// The answer is the one that another patron got last, with a number and a checksum that fit.
    Stranger,
    /// An answer about a patron comes twice.
    Twice,
    /// Answers come byte by byte, so far apart.
    Drip(Duration),
}

/// A fault proxy; it ends with the runtime.
pub struct Proxy {
    pub port: u16,
    way: watch::Sender<Way>,
    pub seen: Arc<Seen>,
}

/// What passed.
#[derive(Default)]
pub struct Seen {
    /// When each connection was taken.
    pub taken: Mutex<Vec<Instant>>,
    /// When each question about a patron came.
    pub questions: Mutex<Vec<Instant>>,
    /// The most connections that the portal had at once.
    pub most: AtomicUsize,
    last_answer: Mutex<Vec<u8>>,
}

impl Proxy {
    /// A proxy before `system`; the portal's connections are counted on the way.
    pub async fn before(system: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, ways) = watch::channel(Way::Open);
        let proxy = Self { port, way, seen: Arc::default() };
        let keeper = Keeper { port, system, seen: Arc::clone(&proxy.seen) };
        tokio::spawn(keeper.keep(listener, ways));
        let seen = Arc::clone(&proxy.seen);
        tokio::spawn(async move {
            let mut look = tokio::time::interval(Duration::from_millis(250));
            // The table is long on a busy machine, and reading it must not keep the scenes waiting.
            look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                look.tick().await;
                let seen = Arc::clone(&seen);
                let looked =
                    tokio::task::spawn_blocking(move || seen.most.fetch_max(open_connections_to(port), SeqCst));
                if looked.await.is_err() {
                    return;
                }
            }
        });
        proxy
    }

    pub fn set(&self, way: Way) {
        self.way.send(way).unwrap();
    }
}

/// Connections to a port of 127.0.0.1 that are open or about to be, by the kernel's own table; without those that the
/// proxy itself made to fill its queue.
fn open_connections_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let to = format!("0100007F:{port:04X}");
    // Other work may have left tens of thousands of lines; few are about this port.
    let lines = table.lines().skip(1).filter(|line| line.contains(&to));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let open = fields.filter(|f| f[2] == to && matches!(f[3], "01" | "02"));
    open.filter(|f| !f[1].starts_with("0200007F")).count()
}

struct Keeper {
    port: u16,
    system: SocketAddr,
    seen: Arc<Seen>,
}

/// Where connections come in, or do not.
enum Door {
    Open(TcpListener),
    Closed,
    /// A listener whose queue is full, and what fills it.
    Full(
        #[expect(dead_code, reason = "held open")] StdListener,
        #[expect(dead_code, reason = "held open")] Vec<Socket>,
    ),
}

impl Keeper {
    async fn keep(self, listener: TcpListener, mut ways: watch::Receiver<Way>) {
        let keeper = Arc::new(self);
        let mut door = Door::Open(listener);
        loop {
            let way = *ways.borrow_and_update();
            let begun = Instant::now();
            door = keeper.door(door, way).await;
            let flap = async {
                match way {
                    Way::Flap(each) => tokio::time::sleep(each.saturating_sub(begun.elapsed())).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::pin!(flap);
            let mut flapped = false;
            loop {
                let accepted = async {
                    match &door {
                        Door::Open(listener) if way != Way::Silent => listener.accept().await.unwrap().0,
                        _ => std::future::pending().await,
                    }
                };
                tokio::select! {
                    changed = ways.changed() => if changed.is_err() { return } else { break },
                    () = &mut flap, if !flapped => {
                        flapped = true;
                        door = keeper.door(door, Way::Refuse).await;
                    }
                    stream = accepted => {
                        keeper.seen.taken.lock().unwrap().push(Instant::now());
                        let (seen, port) = (Arc::clone(&keeper.seen), keeper.port);
                        drop(tokio::task::spawn_blocking(move || seen.most.fetch_max(open_connections_to(port), SeqCst)));
                        tokio::spawn(Arc::clone(&keeper).carry(stream, ways.clone()));
                    }
                }
                if let (true, Way::Flap(each)) = (flapped, way) {
                    // This wait is the fault that is played.
                    tokio::time::sleep(each).await;
                    break;
                }
            }
        }
    }

    async fn door(&self, door: Door, way: Way) -> Door {
        let address: SocketAddr = format!("127.0.0.1:{}", self.port).parse().unwrap();
        match (way, door) {
            (Way::Refuse, _) => Door::Closed,
            (Way::Deaf, door) => {
                drop(door);
                let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                full.set_reuse_address(true).unwrap();
                full.bind(&address.into()).unwrap();
                full.listen(0).unwrap();
                let fillers = (0..3).map(|_| {
                    let one = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                    one.bind(&"127.0.0.2:0".parse::<SocketAddr>().unwrap().into()).unwrap();
                    one.set_nonblocking(true).unwrap();
                    let _ = one.connect(&address.into());
                    one
                });
                let fillers = fillers.collect();
                Door::Full(full.into(), fillers)
            }
            (_, Door::Open(listener)) => Door::Open(listener),
            (_, other) => {
                drop(other);
                Door::Open(TcpListener::bind(address).await.unwrap())
            }
        }
    }

    /// Carries one connection.
    async fn carry(self: Arc<Self>, mut near: TcpStream, mut ways: watch::Receiver<Way>) {
        let Ok(mut far) = TcpStream::connect(self.system).await else { return };
        let (mut answer, mut near_piece, mut far_piece) = (Vec::new(), [0; 4096], [0; 4096]);
        let begun = Instant::now();
        loop {
            let way = *ways.borrow_and_update();
            let reset = match way {
                Way::Refuse | Way::Deaf => true,
                Way::Flap(each) => begun.elapsed() >= each,
                _ => false,
            };
            if reset {
                let _ = SockRef::from(&near).set_linger(Some(Duration::ZERO));
                return;
            }
            let mute = matches!(way, Way::Silent | Way::Hang);
            let until_flap = async {
                match way {
                    Way::Flap(each) => tokio::time::sleep(each.saturating_sub(begun.elapsed())).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = ways.changed() => if changed.is_err() { return },
                () = until_flap => {}
                read = near.read(&mut near_piece), if way != Way::Silent => match read {
                    Ok(count @ 1..) => {
                        let question = &near_piece[..count];
                        if question.starts_with(b"63") || question.starts_with(b"23") {
                            self.seen.questions.lock().unwrap().push(Instant::now());
                        }
                        if far.write_all(question).await.is_err() { return }
                    }
                    _ => return,
                },
                read = far.read(&mut far_piece), if !mute => match read {
                    Ok(count @ 1..) => {
                        answer.extend_from_slice(&far_piece[..count]);
                        while let Some(end) = answer.iter().position(|b| *b == b'\r') {
                            let line: Vec<u8> = answer.drain(..=end).collect();
                            if self.pass(&mut near, line, &mut ways).await.is_none() { return }
                        }
                    }
                    _ => return,
                },
            }
        }
    }

    /// Passes one answer on, or what becomes of it; `None` ends the connection.
    async fn pass(&self, near: &mut TcpStream, line: Vec<u8>, ways: &mut watch::Receiver<Way>) -> Option<()> {
        let way = *ways.borrow();
        let of_patron = line.starts_with(b"64") || line.starts_with(b"24");
        let half = &line[..line.len() / 2];
        // Waits in here are the faults that are played.
        match way {
            Way::Slow(late) => {
                tokio::select! {
                    () = tokio::time::sleep(late) => {}
                    _ = ways.changed() => ways.mark_changed(),
                }
                near.write_all(&line).await.ok()
            }
            Way::Drip(pause) => {
                for byte in line {
                    near.write_all(&[byte]).await.ok()?;
                    tokio::time::sleep(pause).await;
                }
                Some(())
            }
            Way::HalfLine if of_patron => {
                near.write_all(half).await.ok()?;
                None
            }
            Way::Reset if of_patron => {
                near.write_all(half).await.ok()?;
                let _ = SockRef::from(&*near).set_linger(Some(Duration::ZERO));
                None
            }
            Way::Garbage if of_patron => {
                let mut line = line;
                let digit = line.len() - 2;
                line[digit] = if line[digit] == b'0' { b'1' } else { b'0' };
                near.write_all(&line).await.ok()
            }
            Way::WrongNumber if of_patron => {
                let number = number(&line);
                let other = if number == b'9' { b'0' } else { number + 1 };
                near.write_all(&renumbered(&line, other)).await.ok()
            }
            Way::Stranger if of_patron => {
                let strange = self.seen.last_answer.lock().unwrap().clone();
                near.write_all(&renumbered(&strange, number(&line))).await.ok()
            }
            Way::Twice if of_patron => near.write_all(&[line.clone(), line].concat()).await.ok(),
            _ => {
                if of_patron {
                    self.seen.last_answer.lock().unwrap().clone_from(&line);
                }
                near.write_all(&line).await.ok()
            }
        }
    }
}

/// The sequence number of an answer that ends with `AYnAZcccc` and a carriage return.
fn number(line: &[u8]) -> u8 {
    line[line.len() - 8]
}

/// The answer under another number, with a checksum that fits.
fn renumbered(line: &[u8], number: u8) -> Vec<u8> {
    let mut body = line[..line.len() - 5].to_vec();
    let place = body.len() - 3;
    assert!(body.ends_with(b"AZ") && body[place - 2..place] == *b"AY");
    body[place] = number;
    let sum = body.iter().fold(0_u16, |sum, b| sum.wrapping_sub(u16::from(*b)));
    body.extend(format!("{sum:04X}\r").bytes());
    body
}
