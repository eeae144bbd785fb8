//! What browsers do in the soak: several kinds, each with some visitors of its own.
use crate::Outcome;
use crate::ground::HOST;
use crate::line::{Door, Line, Version};
use crate::stage::site::PORTAL;
use crate::stage::vestibule::hidden;
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// A kind of visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Asks again and again on one HTTP/1.1 connection.
    Keep1,
    /// Asks four times at once on one HTTP/2 connection.
    Keep2,
    /// Opens a connection for one question.
    Fresh,
    /// Signs in and out.
    SignIn,
    /// Opens a WebSocket, says ten things and hears them again.
    Socket,
    /// Goes away in the middle of an answer, or of a question.
    Abort,
}

/// Every kind.
pub(crate) const KINDS: [Kind; 6] = [Kind::Keep1, Kind::Keep2, Kind::Fresh, Kind::SignIn, Kind::Socket, Kind::Abort];

impl Kind {
    /// Words for the tables.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Keep1 => "HTTP/1.1, kept connection, 1 KiB",
            Self::Keep2 => "HTTP/2, kept connection, 4 × 1 KiB",
            Self::Fresh => "new connection, 1 KiB",
            Self::SignIn => "sign-in and sign-out",
            Self::Socket => "WebSocket, 10 × 1 KiB both ways",
            Self::Abort => "request or answer broken off",
        }
    }

    /// How many visitors of this kind there are.
    const fn visitors(self) -> u32 {
        match self {
            Self::Keep1 => 16,
            Self::Keep2 => 8,
            Self::Fresh | Self::SignIn | Self::Socket | Self::Abort => 4,
        }
    }
}

/// What visitors share.
pub(crate) struct Scene {
    door: Door,
    cookie: String,
    /// Whether it is time to go.
    pub(crate) over: AtomicBool,
    next: AtomicU64,
    counts: [(AtomicU64, AtomicU64); KINDS.len()],
    failures: Mutex<Vec<String>>,
}

impl Scene {
    pub(crate) fn new(door: Door, cookie: String) -> Self {
        let (next, failures) = (AtomicU64::new(10_000), Mutex::default());
        Self { door, cookie, over: AtomicBool::new(false), next, counts: Default::default(), failures }
    }

    /// How often each kind did what it does, and how often it failed, since the last call.
    pub(crate) fn take(&self) -> Vec<(u64, u64)> {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        self.counts.iter().map(|(done, failed)| (take(done), take(failed))).collect()
    }

    /// The first failures.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().clone()
    }

    /// A number that nobody had: a card, a network.
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn note(&self, kind: Kind, outcome: &Outcome<()>) {
        let place = KINDS.iter().position(|other| *other == kind).and_then(|place| self.counts.get(place));
        let Some((done, failed)) = place else { return };
        done.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = outcome {
            failed.fetch_add(1, Ordering::Relaxed);
            let mut failures = self.failures.lock();
            if failures.len() < 10 {
                failures.push(format!("{}: {error}", kind.words()));
            }
        }
    }
}

/// Starts the visitors of every kind; each kind does so many things a second, or as many as it can.
pub(crate) fn come(scene: &Arc<Scene>, rates: Option<&[f64]>) -> Vec<JoinHandle<()>> {
    let mut all = Vec::new();
    for (place, kind) in KINDS.into_iter().enumerate() {
        let rate = rates.and_then(|rates| rates.get(place)).map(|rate| rate.max(0.01));
        let pause = rate.map(|rate| Duration::from_secs_f64(f64::from(kind.visitors()) / rate));
        all.extend((0..kind.visitors()).map(|_| tokio::spawn(visit(Arc::clone(scene), kind, pause))));
    }
    all
}

async fn visit(scene: Arc<Scene>, kind: Kind, pause: Option<Duration>) {
    let mut kept = None;
    let mut next = Instant::now();
    while !scene.over.load(Ordering::Relaxed) {
        let outcome = timeout(Duration::from_secs(30), act(&scene, kind, &mut kept)).await;
        let outcome = outcome.unwrap_or_else(|_| Err("expected an end within 30 s".into()));
        if outcome.is_err() {
            kept = None;
        }
        scene.note(kind, &outcome);
        if let Some(pause) = pause {
            next += pause;
            // Whoever is late does not catch up for ever.
            next = next.max(Instant::now().checked_sub(pause * 10).unwrap_or(next));
            sleep_until(next).await;
        }
    }
}

async fn act(scene: &Scene, kind: Kind, kept: &mut Option<Line>) -> Outcome<()> {
    match kind {
        Kind::Keep1 => fine(keep(scene, kept, Version::One).await?.get("/1k", &scene.cookie).await?.0.status),
        Kind::Keep2 => keep(scene, kept, Version::Two).await?.get_all("/1k", &scene.cookie, 4).await,
        Kind::Fresh => {
            let version = if scene.number().is_multiple_of(2) { Version::One } else { Version::Two };
            let mut line = Line::open(&scene.door, HOST, scene.number(), version).await?;
            fine(line.get("/1k", &scene.cookie).await?.0.status)
        }
        Kind::SignIn => sign_in_and_out(scene).await,
        Kind::Socket => converse(scene).await,
        Kind::Abort if scene.number().is_multiple_of(2) => leave_answer(scene).await,
        Kind::Abort => leave_question(scene).await,
    }
}

async fn keep<'k>(scene: &Scene, kept: &'k mut Option<Line>, version: Version) -> Outcome<&'k mut Line> {
    if kept.is_none() {
        *kept = Some(Line::open(&scene.door, HOST, scene.number(), version).await?);
    }
    kept.as_mut().ok_or_else(|| "expected a connection".into())
}

fn fine(status: StatusCode) -> Outcome<()> {
    if status == 200 { Ok(()) } else { Err(format!("expected 200, found {status}").into()) }
}

async fn sign_in_and_out(scene: &Scene) -> Outcome<()> {
    let card = scene.number();
    let mut line = Line::open(&scene.door, PORTAL, card, Version::One).await?;
    let (head, page) = line.get("/login", "").await?;
    let token = hidden(&String::from_utf8_lossy(&page), "token").ok_or("expected a form with a token")?.to_owned();
    let form = cookie(&head, "__Host-vestibule-form")?;
    let body = format!("token={token}&qurl=&library=bench&card={card:014}&pin=1234");
    let (head, _) = post(&mut line, scene, "/login", &format!("__Host-vestibule-form={form}"), body).await?;
    let session = format!("__Host-vestibule={}", cookie(&head, "__Host-vestibule")?);
    let (_, page) = line.get("/logout", &session).await?;
    let token = hidden(&String::from_utf8_lossy(&page), "token").ok_or("expected a button to sign out")?.to_owned();
    fine(post(&mut line, scene, "/logout", &session, format!("token={token}")).await?.0.status)
}

async fn post(
    line: &mut Line,
    scene: &Scene,
    path: &str,
    cookie: &str,
    body: String,
) -> Outcome<(http::response::Parts, Bytes)> {
    let request = line
        .request(Method::POST, path, cookie)
        .header("origin", format!("https://{}", scene.door.authority(PORTAL)))
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::from(body))?;
    let (parts, body) = line.send(request).await?.into_parts();
    Ok((parts, body.collect().await?.to_bytes()))
}

/// A cookie that an answer sets.
fn cookie(head: &http::response::Parts, name: &str) -> Outcome<String> {
    let mut fields = head.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let value = fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('=')?.split(';').next());
    value.map(str::to_owned).ok_or_else(|| format!("expected the cookie {name} with {}", head.status).into())
}

async fn converse(scene: &Scene) -> Outcome<()> {
    let mut line = Line::open(&scene.door, HOST, scene.number(), Version::One).await?;
    let request = line
        .request(Method::GET, "/socket", &scene.cookie)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(Full::default())?;
    let answer = line.send(request).await?;
    if answer.status() != 101 {
        return Err(format!("expected 101, found {}", answer.status()).into());
    }
    let mut socket = TokioIo::new(hyper::upgrade::on(answer).await?);
    let mut heard = [0; 1024];
    for _ in 0..10 {
        socket.write_all(&[b's'; 1024]).await?;
        socket.flush().await?;
        socket.read_exact(&mut heard).await?;
    }
    Ok(())
}

/// Reads the beginning of a long answer and goes.
async fn leave_answer(scene: &Scene) -> Outcome<()> {
    let version = if scene.number().is_multiple_of(2) { Version::One } else { Version::Two };
    let mut line = Line::open(&scene.door, HOST, scene.number(), version).await?;
    let request = line.request(Method::GET, "/100k", &scene.cookie).body(Full::default())?;
    let mut body = line.send(request).await?.into_body();
    match body.frame().await {
        Some(Ok(_)) => Ok(()),
        _ => Err("expected the beginning of an answer".into()),
    }
}

/// Sends the beginning of a long question and goes.
async fn leave_question(scene: &Scene) -> Outcome<()> {
    let mut stream = scene.door.stream(HOST, scene.number(), Version::One).await?;
    let head = format!(
        "POST /1k HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Length: 100000\r\n\r\n",
        scene.door.authority(HOST),
        scene.cookie
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&[b'q'; 2000]).await?;
    Ok(stream.flush().await?)
}

/// A vendor that switches protocols and says again whatever it hears.
pub(crate) async fn echo(port: u16) -> Outcome<JoinHandle<()>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    Ok(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async { drop(echo_one(stream).await) });
        }
    }))
}

async fn echo_one(mut stream: TcpStream) -> Outcome<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    let (mut reader, mut writer) = stream.split();
    let _ = tokio::io::copy(&mut reader, &mut writer).await?;
    Ok(())
}
