//! A library system that nobody of this project wrote: the SIP2 server of the package `pysip2`, in a process of its own; and
//! an installation from nothing, with the commands of the manual.
use super::support::browser::Browser;
use super::support::served::{Served, free_port, printed, vestibule};
use hyper::StatusCode;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

const ADULT: (&str, &str) = ("21234000000017", "4711");
const IN_DEBT: (&str, &str) = ("21234000000025", "0815");
const NAME: &str = "Wildermuth";

/// The foreign server; it ends when its standard input does.
struct ForeignIls {
    process: Child,
    port: u16,
}

impl ForeignIls {
    fn start() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = here.join("target/test-partners/venv/bin/python");
        assert!(python.exists(), "`{}` is missing: run tests/install.sh, which installs it", python.display());
        let mut process = Command::new(python)
            .arg(here.join("tests/it/partners/sip2_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the foreign server tells its port; does tests/install.sh run cleanly?");
        Self { process, port }
    }
}

impl Drop for ForeignIls {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A vendor that answers everything with one word and keeps what it heard.
struct TinyVendor {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl TinyVendor {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), kept) = (stream, Arc::clone(&kept)) else { return };
                std::thread::spawn(move || answer(stream, &kept));
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }
}

fn answer(mut stream: TcpStream, kept: &Mutex<Vec<u8>>) {
    let (mut piece, mut head) = ([0; 4096], Vec::new());
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        kept.lock().unwrap().extend_from_slice(&piece[..count]);
        head.extend_from_slice(&piece[..count]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome").is_err() {
                return;
            }
        }
    }
}

/// An installation made from nothing in a folder.
struct Installation {
    folder: TempDir,
    ils: u16,
    vendor: u16,
}

impl Installation {
    fn make(ils: u16, vendor: u16) -> Self {
        let folder = TempDir::new().unwrap();
        let made = Self { folder, ils, vendor };
        let at = |name: &str| made.at(name).to_str().unwrap().to_owned();
        for arguments in [&["dev-certs", "--dir", &at("certs")][..], &["keys", "new", "--pseudonym", &at("names.key")]]
        {
            let done = vestibule(arguments, "");
            assert_eq!(done.status.code(), Some(0), "{}", printed(&done));
        }
        fs::write(made.at("ils.password"), "foreign-secret\n").unwrap();
        fs::set_permissions(made.at("ils.password"), fs::Permissions::from_mode(0o600)).unwrap();
        made
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, port: u16, admin: u16) -> String {
        format!(
            r#"public_url = "https://login.vestibule.localhost:{port}"
proxy_domain = "proxy.localhost"
listen = ["127.0.0.1:{port}"]
admin_listen = "127.0.0.1:{admin}"
state_dir = "state"
pseudonym_key_file = "names.key"

[[certificate]]
certificate = "certs/server.pem"
key = "certs/server-key.pem"

[[ils]]
id = "foreign"
kind = "sip2"
address = "127.0.0.1:{}"
institution = "FOREIGN"

[ils.login]
user = "terminal"
password_file = "ils.password"

[[library]]
id = "abroad"
name = "Library Abroad"
scope = "abroad.example.org"
ils = "foreign"

[[vendor]]
id = "tiny"
name = "Tiny"
origin = "http://127.0.0.1:{}"
private_addresses = ["127.0.0.1"]

[[licence]]
library = "abroad"
vendor = "tiny"
"#,
            self.ils, self.vendor
        )
    }

    /// A configuration for commands that serve nothing.
    fn config(&self, name: &str, edit: impl FnOnce(String) -> String) -> String {
        let path = self.at(name);
        fs::write(&path, edit(self.text(8443, 9443))).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn patrons_of_a_foreign_system_sign_in() {
    let (ils, vendor) = (ForeignIls::start(), TinyVendor::start());
    let installed = Installation::make(ils.port, vendor.port);
    let served = Served::start(installed.folder.path(), |port, admin| installed.text(port, admin)).await;
    let wanted = format!("http://127.0.0.1:{}/shelf", vendor.port);
    let browser = || Browser::new(&installed.at("certs/ca.pem"));
    let given = |(card, pin): (&'static str, &'static str)| ("abroad", card, pin);
    for (card, pin, status) in [
        (ADULT.0, "4712", StatusCode::UNAUTHORIZED),
        ("21234000000033", "4711", StatusCode::UNAUTHORIZED),
        (IN_DEBT.0, "9999", StatusCode::UNAUTHORIZED),
        (IN_DEBT.0, IN_DEBT.1, StatusCode::FORBIDDEN),
        // Longer than a field of this server may be, and not of its charset.
        (ADULT.0, "\u{4e2d}\u{6587}", StatusCode::UNAUTHORIZED),
    ] {
        let page = served.sign_in(&mut browser(), ("abroad", card, pin), Some(&wanted)).await;
        assert_eq!(page.status, status, "{}", page.text());
    }
    assert_eq!(vendor.heard(), "", "nothing reached the vendor");
    // The pooled connection serves one after another, and the right PIN opens the door each time.
    for _ in 0..10 {
        let page = served.sign_in(&mut browser(), given(ADULT), Some(&wanted)).await;
        assert_eq!((page.status, page.text().as_str()), (StatusCode::OK, "welcome"));
    }
    let heard = vendor.heard();
    assert!(heard.contains("GET /shelf HTTP/1.1") && heard.to_lowercase().contains("library-assertion: "));
    for personal in [ADULT.0, ADULT.1, NAME, "Marktplatz"] {
        assert!(!heard.contains(personal) && !served.log().contains(personal));
    }
}

#[test]
fn the_probe_tells_steps_and_no_value() {
    let (ils, vendor) = (ForeignIls::start(), TinyVendor::start());
    let installed = Installation::make(ils.port, vendor.port);
    let config = installed.config("probe.toml", |text| text);
    let probe = |config: &str, card: &str, pin: &str| {
        vestibule(&["ils", "probe", "--config", config, "--library", "abroad", "--card", card], pin)
    };
    let good = probe(&config, ADULT.0, "4711\n");
    let told = printed(&good);
    assert_eq!(good.status.code(), Some(0), "{told}");
    for step in ["connect", "login", "status", "patron request"] {
        let line = told.lines().find(|l| l.trim_start().starts_with(step)).unwrap_or_else(|| panic!("{step}: {told}"));
        assert!(line.contains(" ms ") && !line.contains("BAD"), "{line}");
    }
    for field in ["AE", "BD"] {
        assert!(told.contains(field), "the name of the field `{field}` that came is told: {told}");
    }
    for (card, pin) in [(ADULT.0, "4712\n"), ("21234000000033", "4711\n")] {
        let bad = probe(&config, card, pin);
        assert_eq!(bad.status.code(), Some(69), "{}", printed(&bad));
        assert!(printed(&bad).contains("patron request"));
    }
    for output in [&good, &probe(&config, ADULT.0, "4712\n")] {
        for value in [ADULT.0, "4711", "4712", NAME, "Ottilie", "Marktplatz", "foreign-secret"] {
            assert!(!printed(output).contains(value), "{}", printed(output));
        }
    }
    // Wrong account, nobody there, no such library.
    fs::write(installed.at("ils.password"), "canary-7f3a").unwrap();
    let refused = probe(&config, ADULT.0, "4711\n");
    assert_eq!(refused.status.code(), Some(69), "{}", printed(&refused));
    assert!(printed(&refused).contains("login") && !printed(&refused).contains("canary"));
    let nobody = installed.config("nobody.toml", |text| text.replace(&ils.port.to_string(), &free_port().to_string()));
    assert_eq!(probe(&nobody, ADULT.0, "4711\n").status.code(), Some(69));
    let arguments = ["ils", "probe", "--config", &config, "--library", "elsewhere", "--card", "1"];
    assert_eq!(vestibule(&arguments, "1\n").status.code(), Some(64));
}

#[test]
fn check_finds_every_mistake_and_asks_everyone() {
    let (ils, vendor) = (ForeignIls::start(), TinyVendor::start());
    let installed = Installation::make(ils.port, vendor.port);
    let check = |config: &str, live: &[&str]| vestibule(&[&["check", "--config", config], live].concat(), "");
    let good = installed.config("good.toml", |text| text);
    for live in [&[][..], &["--live"]] {
        let done = check(&good, live);
        assert_eq!(done.status.code(), Some(0), "{}", printed(&done));
    }
    assert_eq!(vendor.heard(), "", "a check sends no request");
    // Every mistake at once, each with its line.
    let bad = installed.config("bad.toml", |text| {
        text.replace("institution = \"FOREIGN\"", "institutoin = \"canary-7f3a\"")
            .replace("ils = \"foreign\"", "ils = \"canary-7f3a\"")
            .replace("password_file = \"ils.password\"", "password_file = \"canary-7f3a\"")
            .replace("[[licence]]", "[[licence]]\nages = [\"canary-7f3a\"]")
    });
    let done = check(&bad, &[]);
    assert_eq!(done.status.code(), Some(78));
    let text = fs::read_to_string(&bad).unwrap();
    let told = printed(&done);
    let lines = text.lines().enumerate().filter(|(_, l)| l.contains("canary-7f3a"));
    for (number, line) in lines.map(|(i, line)| (i + 1, line)) {
        assert!(told.contains(&format!("bad.toml:{number}: `")), "line {number}, {line}: {told}");
    }
    assert!(told.contains("did you mean `institution`?") && !told.contains("canary"), "{told}");
    assert_eq!(check("/nonexistent.toml", &[]).status.code(), Some(78));
    // A good configuration of systems that do not answer.
    for gone in [ils.port, vendor.port] {
        let dead = installed.config("dead.toml", |t| t.replace(&gone.to_string(), &free_port().to_string()));
        let done = check(&dead, &["--live"]);
        assert_eq!(done.status.code(), Some(69), "{}", printed(&done));
        assert!(printed(&done).contains("BAD"));
        assert_eq!(check(&dead, &[]).status.code(), Some(0));
    }
}
