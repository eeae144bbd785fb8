//! Starting what others wrote: each program in a process of its own, on a port of loopback, over TLS, ended with the test.
use crate::support::observe::{PATIENCE, until};
use crate::support::program::{Program, filled, here, installed};
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
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

/// Starts a script; it does not know its provider yet.
pub(super) fn start(kind: Kind, around: &Surroundings<'_>) -> Program {
    let files = around.folder.join(format!("{kind:?}"));
    let mut command = command(kind);
    command
        .args([around.certificate, around.key, &Program::hearing(&files)])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("NODE_PATH", here("target/test-partners/oidc/node_modules"))
        .env("NODE_EXTRA_CA_CERTS", around.ca)
        .env("NODE_NO_WARNINGS", "1")
        .env("REQUESTS_CA_BUNDLE", around.ca);
    let mut program = Program::spawn(&mut command, files);
    program.wait();
    program
}

/// Tells a script its provider and what its clients are.
pub(super) fn configure(program: &mut Program, issuer: &str, clients: &Value) {
    program.tell(&json!({ "issuer": issuer, "clients": clients }), "ready");
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
    filled(&here("tests/it/partners/oidc/apache.conf"), &values)
}

impl Drop for Apache {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}
