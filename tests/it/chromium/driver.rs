//! Chromium and its driver: started for one test, with a profile of its own, and ended with it.
use super::super::support::{World, browser};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;
use url::Url;

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// A running Chromium.
pub(crate) struct Chromium {
    pub(crate) client: Client,
    driver: Driver,
}

impl Chromium {
    /// Starts a browser that trusts the world's certificate.
    pub(crate) async fn start(world: &World, scripts: Scripts) -> Self {
        Self::start_trusting(world, scripts, &[]).await
    }

    /// Starts a browser that trusts the world's certificate and some in files.
    pub(crate) async fn start_trusting(world: &World, scripts: Scripts, certificates: &[&Path]) -> Self {
        let driver = Driver::start();
        let profile = driver.folder.path().join("profile");
        let mut pins = vec![key_pin(world).await];
        pins.extend(certificates.iter().map(|file| pin_of(&CertificateDer::from_pem_file(file).unwrap())));
        let pin = format!("--ignore-certificate-errors-spki-list={}", pins.join(","));
        let mut arguments = vec![pin, format!("--user-data-dir={}", profile.display())];
        arguments.extend(FLAGS.map(str::to_owned));
        let mut options = json!({ "binary": program("chromium"), "args": arguments });
        if scripts == Scripts::Off {
            options["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
        }
        let mut wanted = Capabilities::new();
        wanted.insert("goog:chromeOptions".to_owned(), options);
        wanted.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL", "performance": "ALL" }));
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(wanted).connect(&format!("http://127.0.0.1:{}", driver.port)).await;
        let client = client.unwrap_or_else(|error| panic!("Chromium does not start ({error}): run tests/install.sh"));
        Self { client, driver }
    }

    /// Asks the browser itself, by its own protocol.
    pub(super) async fn tell(&self, method: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": method, "params": parameters });
        self.client.issue_cmd(Extra { path: "goog/cdp/execute", body }).await.unwrap()
    }

    /// What a log of the browser holds since it was last asked.
    pub(crate) async fn log(&self, kind: &str) -> Vec<Value> {
        let told = self.client.issue_cmd(Extra { path: "se/log", body: json!({ "type": kind }) }).await.unwrap();
        told.as_array().unwrap().clone()
    }

    /// What the browser complained of since it was last asked.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for entry in self.log("browser").await {
            let message = entry["message"].as_str().unwrap();
            // Refusals are pages with a status of 4xx or 5xx, which the browser mentions.
            let refusal = message.contains("Failed to load resource: the server responded with a status");
            if entry["level"] != "INFO" && !refusal {
                complaints.push(message.to_owned());
            }
        }
        complaints
    }

    /// What pages asked of hosts that are not the world's, since it was last asked.
    pub(super) async fn strayed(&self, world: &World) -> Vec<String> {
        let asked = addresses(&self.log("performance").await);
        assert!(asked.iter().any(|url| url.path() == "/login"), "the log of requests is not empty");
        let port = Url::parse(world.portal()).unwrap().port();
        asked.iter().filter(|url| !is_of_the_world(url, port)).map(Url::to_string).collect()
    }

    /// Closes the browser and fails if it broke a content security policy.
    pub(crate) async fn close(self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "the browser complained: {complaints:#?}");
        self.client.close().await.unwrap();
        drop(self.driver);
    }

    /// Closes the browser and fails if it asked anybody but the world's hosts, or broke a content security policy.
    pub(super) async fn end(self, world: &World) {
        let strayed = self.strayed(world).await;
        assert!(strayed.is_empty(), "other hosts were asked: {strayed:?}");
        self.close().await;
    }
}

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en",
    // They would take their width from a narrow page.
    "--hide-scrollbars",
];

/// Every address that a page asked for, or was sent to on the way.
fn addresses(log: &[Value]) -> Vec<Url> {
    let events = log.iter().map(|entry| serde_json::from_str::<Value>(entry["message"].as_str().unwrap()).unwrap());
    let asked = events.filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
    asked.map(|event| Url::parse(event["message"]["params"]["request"]["url"].as_str().unwrap()).unwrap()).collect()
}

fn is_of_the_world(url: &Url, port: Option<u16>) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ours = host == "login.vestibule.localhost" || host.ends_with(".proxy.localhost");
    // The browser's own first page is `chrome:`.
    matches!(url.scheme(), "data" | "chrome") || (url.scheme() == "https" && ours && url.port() == port)
}

/// What Chromium calls a key's pin: the hash of the public key that the portal shows, once its certificate has been
/// checked against the demo's authority.
async fn key_pin(world: &World) -> String {
    let tls = browser::trusting(&world.path("ca"), &[b"http/1.1"]);
    let stream = browser::connect(&tls, &Url::parse(world.portal()).unwrap()).await;
    pin_of(&stream.get_ref().1.peer_certificates().unwrap()[0])
}

fn pin_of(certificate: &CertificateDer<'_>) -> String {
    let (_, leaf) = x509_parser::parse_x509_certificate(certificate).unwrap();
    STANDARD.encode(digest(&SHA256, leaf.public_key().raw))
}

/// Where a program is.
fn program(name: &str) -> String {
    let folders = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    let found = found.unwrap_or_else(|| panic!("`{name}` is missing: run tests/install.sh"));
    found.to_string_lossy().into_owned()
}

/// The browser's driver, on a port that it chose.
struct Driver {
    process: Child,
    port: u16,
    folder: TempDir,
    ended: Receiver<()>,
}

impl Driver {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut process = Command::new(program("chromedriver"))
            .args(["--port=0", "--log-level=SEVERE"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.find_map(|line| {
            let port = line.strip_suffix('.')?.rsplit_once("started successfully on port ")?.1;
            port.parse().ok()
        });
        let (end, ended) = channel();
        std::thread::spawn(move || {
            lines.for_each(drop);
            drop(end);
        });
        let port = told.unwrap_or_else(|| panic!("chromedriver does not start: run tests/install.sh"));
        Self { process, port, folder, ended }
    }

    /// Asks the driver to close its browsers and leave, which killing it would not.
    fn leave(&mut self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new())?;
        // Its output ends when it and its browsers do.
        let _ = self.ended.recv_timeout(Duration::from_secs(10));
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.leave();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A command that only this driver has.
#[derive(Debug)]
struct Extra {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
