//! Starting service providers: each in a process of its own, on a port of loopback, over TLS, ended with the test.
use crate::support::observe::{PATIENCE, until};
use crate::support::program::{Program, filled, here, installed};
use serde_json::{Map, Value, json};
use std::fs::{self, File, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// What a service provider is started with, beside what is its own.
pub(super) struct Surroundings<'a> {
    /// Where its files go.
    pub(super) folder: &'a Path,
    /// The certificate of its site.
    pub(super) certificate: &'a Path,
    /// The certificate's key.
    pub(super) key: &'a Path,
}

/// Which service provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Shibboleth,
    Mellon,
    Pysaml2,
    Python3Saml,
}

fn ours(name: &str) -> PathBuf {
    here("tests/it/partners/saml").join(name)
}

/// A key pair for messages, made once: the certificate and the key.
pub(in crate::saml) fn key_pair() -> (&'static Path, &'static Path) {
    static MADE: OnceLock<(TempDir, PathBuf, PathBuf)> = OnceLock::new();
    let (_, certificate, key) = MADE.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let (certificate, key) = (folder.path().join("saml.pem"), folder.path().join("saml.key"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=vendor", "-out"])
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (folder, certificate, key)
    });
    (certificate, key)
}

/// Starts sites in Python; they know neither what they are nor their identity provider yet.
pub(super) fn start(kind: Kind, around: &Surroundings<'_>) -> Program {
    let files = around.folder.join(format!("{kind:?}"));
    let script = if kind == Kind::Pysaml2 { "pysaml2_sp.py" } else { "python3_saml_sp.py" };
    let (certificate, key) = key_pair();
    let mut command = Command::new(installed("saml/bin/python"));
    command
        .arg(ours(script))
        .args([around.certificate, around.key, certificate, key, around.folder, &Program::hearing(&files)])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Program::spawn(&mut command, files)
}

/// Tells sites what they are; they write their metadata.
pub(super) fn describe(program: &mut Program, sites: &Map<String, Value>) {
    program.tell(&json!({ "sites": sites }), "described");
}

/// Has sites read the metadata of the identity provider, again if they did before.
pub(super) fn learn(program: &mut Program, idp: &Path) {
    program.tell(&json!({ "idp": idp }), "ready");
}

/// Apache in the foreground with `mod_shib` and its daemon, or with `mod_auth_mellon`.
pub(super) struct Apache {
    kind: Kind,
    port: u16,
    origin: String,
    folder: TempDir,
    processes: Vec<Child>,
}

impl Apache {
    /// Writes what it needs, but for the metadata of its identity provider.
    pub(super) fn prepare(kind: Kind, origin: &str, around: &Surroundings<'_>) -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        // It gives up being root, and still reads these.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(at("pages/open")).unwrap();
        fs::create_dir_all(at("pages/books")).unwrap();
        fs::write(at("pages/index.html"), "the reading room").unwrap();
        fs::write(at("pages/books/7"), "the seventh book").unwrap();
        fs::write(at("pages/open/left"), "goodbye").unwrap();
        fs::create_dir_all(at("posts")).unwrap();
        fs::set_permissions(at("posts"), Permissions::from_mode(0o777)).unwrap();
        fs::copy(ours("attribute-map.xml"), at("attribute-map.xml")).unwrap();
        let (certificate, key) = key_pair();
        for (from, to) in
            [(certificate, "saml.pem"), (key, "saml.key"), (around.certificate, "site.pem"), (around.key, "site.key")]
        {
            fs::copy(from, at(to)).unwrap();
            fs::set_permissions(at(to), Permissions::from_mode(0o644)).unwrap();
        }
        let port = url::Url::parse(origin).unwrap().port().unwrap();
        Self { kind, port, origin: origin.to_owned(), folder, processes: Vec::new() }
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, idp: &str, to: &str) {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let host = url::Url::parse(&self.origin).unwrap().host_str().unwrap().to_owned();
        let values = [
            ("FOLDER", path(self.folder.path())),
            ("MODULES", "/usr/lib/apache2/modules".to_owned()),
            ("HOST", host),
            ("PORT", self.port.to_string()),
            ("CERTIFICATE", path(&self.at("site.pem"))),
            ("KEY", path(&self.at("site.key"))),
            ("SAML_CERTIFICATE", path(&self.at("saml.pem"))),
            ("SAML_KEY", path(&self.at("saml.key"))),
            ("ORIGIN", self.origin.clone()),
            ("IDP", idp.to_owned()),
            // Whether Shibboleth waits for the answer to a sign-out; by its own default it does not.
            ("ASYNCHRONOUS", self.origin.starts_with("https://vestry.").to_string()),
        ];
        fs::write(self.at(to), filled(&ours(name), &values)).unwrap();
    }

    /// Starts it and waits until somebody can connect. `idp` is the name of its identity provider, whose metadata is there.
    pub(super) async fn start(&mut self, idp: &str) {
        if self.kind == Kind::Shibboleth {
            self.write("shibboleth2.xml", idp, "shibboleth2.xml");
            let mut shibd = Command::new("/usr/sbin/shibd");
            shibd
                .args(["-F", "-f", "-w", "30", "-c"])
                .arg(self.at("shibboleth2.xml"))
                .arg("-p")
                .arg(self.at("shibd.pid"));
            self.spawn(shibd);
            let socket = self.at("shibd.sock");
            until("shibd listens", PATIENCE, || {
                self.lives();
                socket.exists()
            })
            .await;
        }
        let configuration = if self.kind == Kind::Shibboleth { "shibboleth.conf" } else { "mellon.conf" };
        self.write(configuration, idp, "apache.conf");
        let mut apache = Command::new("/usr/sbin/apache2");
        apache.args(["-D", "FOREGROUND", "-f"]).arg(self.at("apache.conf"));
        self.spawn(apache);
        until("Apache listens", PATIENCE, || {
            self.lives();
            self.at("apache.pid").exists() && TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        })
        .await;
    }

    /// Ends it; it can be started again.
    pub(super) fn stop(&mut self) {
        for mut process in self.processes.drain(..).rev() {
            let _ = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
            let _ = process.wait();
        }
        for left in ["apache.pid", "shibd.sock"] {
            let _ = fs::remove_file(self.folder.path().join(left));
        }
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    fn spawn(&mut self, mut command: Command) {
        let log = File::options().create(true).append(true).open(self.at("said.log")).unwrap();
        // Apache ends its whole group of processes.
        let command =
            command.process_group(0).env_clear().stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.processes.push(command.spawn().expect("it is there: run tests/install.sh"));
    }

    fn lives(&mut self) {
        let log = self.log();
        for process in &mut self.processes {
            assert!(process.try_wait().unwrap().is_none(), "it ended: {log}");
        }
    }

    pub(super) fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.at(name)).unwrap_or_default();
        format!("{}{}", read("said.log"), read("error.log"))
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        self.stop();
    }
}
