//! Vendors for tests: small HTTP servers on loopback that do as they are told, and clients that point to them.
use super::client::{AssertionAlgorithm, Authentication, Backchannel, Client, ClientKeys, Dpop, RedirectUri, Sector};
use super::published::Means;
use crate::domain::{Clock, ManualClock, Timestamp, Vendor, VendorId, VendorOrigin};
use crate::egress::{Errands, TlsTrust};
use crate::protocol::Algorithm;
use crate::telemetry::Telemetry;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What a server answers: status and body; `None` is silence.
pub(super) type Answer = Option<(u16, String)>;

/// A vendor's server.
pub(super) struct Site {
    at: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// A server that gives `answer` until told otherwise.
    pub(super) async fn open(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let site = Self { at, answer: Arc::new(Mutex::new(answer)), requests: Arc::default() };
        let (answer, requests) = (Arc::clone(&site.answer), Arc::clone(&site.requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&requests)));
            }
        });
        site
    }

    /// Gives another answer from now on.
    pub(super) fn answer(&self, status: u16, body: &str) {
        *self.answer.lock() = Some((status, body.to_owned()));
    }

    /// Says nothing from now on.
    pub(super) fn fall_silent(&self) {
        *self.answer.lock() = None;
    }

    /// The requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }

    /// Waits for the `n`th request.
    pub(super) async fn asked(&self, n: usize) {
        until(|| self.requests.lock().len() >= n).await;
    }

    /// An address there.
    pub(super) fn uri(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.at)).unwrap()
    }
}

/// Waits until `done`; gives up after a minute.
pub(super) async fn until(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it never came");
}

async fn serve(mut stream: TcpStream, answer: Arc<Mutex<Answer>>, requests: Arc<Mutex<Vec<String>>>) {
    let mut text = Vec::new();
    loop {
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |n| n.parse().unwrap()) {
                requests.lock().push(whole);
                break;
            }
        }
        if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let answer = answer.lock().clone();
    let Some((status, body)) = answer else { return std::future::pending().await };
    let text = format!("HTTP/1.1 {status} So\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    drop(stream.write_all(text.as_bytes()).await);
}

/// The way to the vendor `id`, which is on loopback.
pub(super) fn errands(id: &str) -> Arc<Errands> {
    Arc::new(Errands::new(vendor(id), &TlsTrust::Roots(vec![])).unwrap())
}

fn vendor(id: &str) -> Arc<Vendor> {
    let origin = VendorOrigin { tls: true, host: "archive.example".into(), port: 443 };
    Arc::new(Vendor::plain(id, origin).at_private(&["127.0.0.1"]))
}

/// A client of the vendor `id` without any addresses of its own but two to come back to, on two hosts.
pub(super) fn client(id: &str) -> Client {
    let redirect_uris =
        ["https://a.example/cb", "https://b.example/cb"].map(|text| RedirectUri::parse(text).unwrap()).to_vec();
    Client {
        vendor: vendor(id),
        id: id.to_owned(),
        issuer: None,
        authentication: Authentication::None,
        redirect_uris,
        post_logout_redirect_uris: vec![],
        sector: Sector { host: "a.example".to_owned(), document: None },
        id_token_algorithm: Algorithm::Es256,
        pkce_required: true,
        par_required: false,
        dpop: Dpop::Off,
        fapi: false,
        access_token_lifetime: Duration::from_secs(300),
        refresh_tokens: false,
        backchannel: None,
        frontchannel: None,
        initiate: None,
        entitlements: true,
        affiliation: true,
    }
}

/// The same, with a place for sign-outs.
pub(super) fn client_told_at(id: &str, uri: Url, timeout: Duration) -> Client {
    Client { backchannel: Some(Backchannel { uri, timeout }), ..client(id) }
}

/// The same, with published keys.
pub(super) fn client_with_keys_at(id: &str, uri: Url) -> Client {
    let authentication = Authentication::PrivateKey(AssertionAlgorithm::Es256, ClientKeys::Uri(uri));
    Client { authentication, ..client(id) }
}

/// The same, with a document of its sector.
pub(super) fn client_of_sector(id: &str, uri: Url) -> Client {
    Client { sector: Sector { host: "a.example".to_owned(), document: Some(uri) }, ..client(id) }
}

/// A telemetry that knows two vendors.
pub(super) fn telemetry() -> Arc<Telemetry> {
    let telemetry = Telemetry::new();
    telemetry.know(&[], &["chronicle", "lexicon"].map(|id| VendorId::parse(id).unwrap()), &[]);
    Arc::new(telemetry)
}

/// What a series of the telemetry says.
pub(super) fn counted(telemetry: &Telemetry, series: &str) -> u64 {
    let text = telemetry.text();
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).expect("a series")
}

/// The means to ask the vendor `id`, with a clock that the test moves.
pub(super) fn means(id: &str) -> (Means, Arc<ManualClock>, Arc<Telemetry>) {
    let (clock, telemetry) = (Arc::new(ManualClock::at(Timestamp::from_seconds(1_800_000_000))), telemetry());
    let means =
        Means { errands: errands(id), clock: Arc::clone(&clock) as Arc<dyn Clock>, telemetry: Arc::clone(&telemetry) };
    (means, clock, telemetry)
}
