//! Starting what others wrote: each program in a process of its own, on a port of loopback, over TLS, ended with the test.
use crate::support::observe::{PATIENCE, until};
use serde_json::{Value, json};
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// What a program is started with, beside what is its own.
pub(super) struct Surroundings<'a> {
    /// Where its files go.
    pub(super) folder: &'a Path,
    /// The authority of the portal.
    pub(super) ca: &'a Path,
    /// Its certificate.
    pub(super) certificate: &'a Path,
    /// The certificate's key.
    pub(super) key: &'a Path,
}

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    OpenidClient,
    Express,
    Authlib,
    Apache,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn installed(path: &str) -> PathBuf {
    let path = here("target/test-partners").join(path);
    assert!(path.exists(), "`{}` is missing: run tests/install.sh, which installs it", path.display());
    path
}

/// A script, which ends when its standard input does.
pub(super) struct Program {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
    pub(super) port: u16,
    files: PathBuf,
}

impl Program {
    /// Starts it; it does not know its provider yet.
    pub(super) fn start(kind: Kind, around: &Surroundings<'_>) -> Self {
        let files = around.folder.join(format!("{kind:?}"));
        let mut process = command(kind)
            .args([around.certificate, around.key, &files.with_extension("heard")])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("NODE_PATH", here("target/test-partners/oidc/node_modules"))
            .env("NODE_EXTRA_CA_CERTS", around.ca)
            .env("NODE_NO_WARNINGS", "1")
            .env("REQUESTS_CA_BUNDLE", around.ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(files.with_extension("log")).unwrap())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut program = Self { process, said, port: 0, files };
        program.port = program.line().parse().unwrap();
        program
    }

    fn line(&mut self) -> String {
        let line = self.said.next().and_then(Result::ok);
        line.unwrap_or_else(|| panic!("it ended; does tests/install.sh run cleanly? {}", self.log()))
    }

    /// Tells it its provider and what its clients are.
    pub(super) fn configure(&mut self, issuer: &str, clients: &Value) {
        let told = json!({ "issuer": issuer, "clients": clients });
        writeln!(self.process.stdin.as_ref().unwrap(), "{told}").unwrap();
        assert_eq!(self.line(), "ready");
    }

    /// Everything that came to it: requests, and answers to its own.
    pub(super) fn heard(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.files.with_extension("heard")).unwrap_or_default()).into_owned()
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.files.with_extension("log")).unwrap_or_default()
    }
}

fn command(kind: Kind) -> Command {
    let script = |name: &str| here("tests/it/partners/oidc").join(name);
    let node = || {
        installed("oidc/node_modules/package-lock.json");
        // Where the machine's own is too old, tests/install.sh brings one.
        let brought = here("target/test-partners/node/node");
        Command::new(if brought.exists() { brought } else { PathBuf::from("node") })
    };
    let (mut command, script) = match kind {
        Kind::OpenidClient => (node(), script("openid_client.cjs")),
        Kind::Express => (node(), script("express_openid_connect.cjs")),
        Kind::Authlib => (Command::new(installed("venv/bin/python")), script("authlib_client.py")),
        Kind::Apache => panic!("it is not a script"),
    };
    command.arg(script);
    command
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Apache with `mod_auth_openidc`, as one process in the foreground.
pub(super) struct Apache {
    process: Child,
    pub(super) folder: TempDir,
}

/// What stands in Apache's configuration.
pub(super) struct Site<'a> {
    pub(super) port: u16,
    pub(super) issuer: &'a str,
    pub(super) origin: &'a str,
    pub(super) client: &'a str,
    pub(super) secret: &'a str,
    pub(super) algorithm: &'a str,
}

impl Apache {
    /// Starts it and waits until somebody can connect.
    pub(super) async fn start(site: &Site<'_>, around: &Surroundings<'_>) -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        // It gives up being root, and still reads these.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(at("pages/open")).unwrap();
        fs::write(at("pages/index.html"), "the reading room").unwrap();
        fs::write(at("pages/open/left"), "goodbye").unwrap();
        fs::copy(around.ca, at("ca.pem")).unwrap();
        fs::write(at("apache.conf"), configuration(site, around, folder.path())).unwrap();
        let process = Command::new("/usr/sbin/apache2").arg("-X").arg("-f").arg(at("apache.conf")).env_clear().spawn();
        let mut process = process.expect("Apache is there: run tests/install.sh");
        until("Apache listens", PATIENCE, || {
            let log = fs::read_to_string(at("error.log")).unwrap_or_default();
            assert!(process.try_wait().unwrap().is_none(), "Apache ended: {log}");
            at("apache.pid").exists() && TcpStream::connect(("127.0.0.1", site.port)).is_ok()
        })
        .await;
        Self { process, folder }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

fn configuration(site: &Site<'_>, around: &Surroundings<'_>, folder: &Path) -> String {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let host = url::Url::parse(site.origin).unwrap().host_str().unwrap().to_owned();
    let values = [
        ("FOLDER", path(folder)),
        ("MODULES", "/usr/lib/apache2/modules".to_owned()),
        ("HOST", host),
        ("PORT", site.port.to_string()),
        ("CERTIFICATE", path(around.certificate)),
        ("KEY", path(around.key)),
        ("CA", path(&folder.join("ca.pem"))),
        ("ISSUER", site.issuer.to_owned()),
        ("ORIGIN", site.origin.to_owned()),
        ("CLIENT", site.client.to_owned()),
        ("SECRET", site.secret.to_owned()),
        ("ALGORITHM", site.algorithm.to_owned()),
    ];
    let text = fs::read_to_string(here("tests/it/partners/oidc/apache.conf")).unwrap();
    values.iter().fold(text, |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

impl Drop for Apache {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}
