//! `vestibule serve` on a configuration of a test's own, and the other commands.
use super::browser::{Browser, Page};
use super::observe::{self, PATIENCE, until};
use super::world::World;
use std::fs::OpenOptions;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// The demo's configuration with a test's own `[limits]` in place of its own.
pub fn limited(text: &str, limits: &str) -> String {
    let own = "[limits]\nshared_networks = [\"127.0.0.0/8\"]\n";
    assert!(text.contains(own));
    text.replace(own, &format!("[limits]\n{limits}"))
}

pub const PORTAL_HOST: &str = "login.vestibule.localhost";

/// A port for a program that cannot choose one itself. It lies below those that are given to whoever asks for any, and is
/// given once, so that nobody takes it before that program does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 8_000 + u16::try_from(std::process::id() % 16_000).unwrap();
    let mut ports = (0..8_000).map(|_| first + NEXT.fetch_add(1, SeqCst));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("there is a free port")
}

/// Runs a command to its end, with `input` on its standard input.
pub fn vestibule(arguments: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_vestibule"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that asks for nothing may end before it was told anything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What a command printed, on both streams.
pub fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Serves a configuration with a command whose first arguments are there already; what it says is added to `log`.
fn launch(mut command: Command, config: &Path, log: &Path) -> Child {
    command
        .args(["serve", "--config"])
        .arg(config)
        .current_dir(config.parent().unwrap())
        // The names in a backtrace cost 64 MiB of memory, once: a figure of memory would include them.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(OpenOptions::new().create(true).append(true).open(log).unwrap())
        .spawn()
        .unwrap()
}

/// A serving process.
pub struct Served {
    process: Child,
    /// What took over from the process, in their order.
    successors: Vec<u32>,
    pub program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    pub portal: String,
    pub admin: String,
    pub port: u16,
}

impl Served {
    /// Serves a configuration in `folder` whose text depends on the ports of the portal and of the admin listener.
    pub async fn start(folder: &Path, text: impl FnOnce(u16, u16) -> String) -> Self {
        Self::start_by(folder, text, |program, _| Command::new(program)).await
    }

    /// As [`Served::start`], by a command that depends on the program and the two ports.
    pub async fn start_by(
        folder: &Path,
        text: impl FnOnce(u16, u16) -> String,
        command: impl FnOnce(&Path, [u16; 2]) -> Command,
    ) -> Self {
        let (port, admin) = (free_port(), free_port());
        let config = folder.join(format!("served-{port}.toml"));
        std::fs::write(&config, text(port, admin)).unwrap();
        let log = folder.join(format!("served-{port}.log"));
        let program = PathBuf::from(env!("CARGO_BIN_EXE_vestibule"));
        let process = launch(command(&program, [port, admin]), &config, &log);
        let (portal, admin) = (format!("https://{PORTAL_HOST}:{port}"), format!("http://127.0.0.1:{admin}"));
        let mut served = Self { process, successors: Vec::new(), program, config, log, portal, admin, port };
        served.ready().await;
        served
    }

    async fn ready(&mut self) {
        let at = self.admin.clone();
        until("the process is ready", PATIENCE, || {
            assert!(self.process.try_wait().unwrap().is_none(), "it ended: {}", self.log());
            observe::admin(&at, "/ready").is_ok_and(|(status, _)| status == 200)
        })
        .await;
    }

    /// Kills the process without a word and starts it again; how long until somebody can connect.
    pub async fn kill_and_start(&mut self) -> Duration {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let begun = Instant::now();
        self.process = launch(Command::new(&self.program), &self.config, &self.log);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "nobody listens: {}", self.log());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let took = begun.elapsed();
        self.ready().await;
        took
    }

    /// Changes the configuration's text; the process takes it at its next start, or when it looks.
    pub fn edit(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        std::fs::write(&self.config, change(text)).unwrap();
    }

    /// The folder `state_dir`.
    pub fn state(&self) -> PathBuf {
        self.config.with_file_name(format!("state-{}", self.port))
    }

    /// Serves the demo's world a second time, on other ports and with `edit` applied to the demo's configuration.
    /// Vendors do not believe its assertions: they know the demo's portal.
    pub async fn beside(world: &World, edit: impl FnOnce(String) -> String) -> Self {
        Self::beside_by(world, edit, |program, _| Command::new(program)).await
    }

    /// As [`Served::beside`], by a command that depends on the program and the two ports.
    pub async fn beside_by(
        world: &World,
        edit: impl FnOnce(String) -> String,
        command: impl FnOnce(&Path, [u16; 2]) -> Command,
    ) -> Self {
        let config = world.path("config");
        let text = edit(std::fs::read_to_string(&config).unwrap());
        let old = url::Url::parse(world.portal()).unwrap().port().unwrap();
        let text = |port, admin| {
            let text = text.replace(&format!(":{old}"), &format!(":{port}"));
            let text = text.replace("admin_listen = \"127.0.0.1:0\"", &format!("admin_listen = \"127.0.0.1:{admin}\""));
            text.replace("state_dir = \"state\"", &format!("state_dir = \"state-{port}\""))
        };
        Self::start_by(config.parent().unwrap(), text, command).await
    }

    pub fn config(&self) -> PathBuf {
        self.config.clone()
    }

    /// The process that serves now.
    pub fn pid(&self) -> u32 {
        self.successors.last().copied().unwrap_or_else(|| self.process.id())
    }

    /// Has the program started anew and waits until that serves.
    pub async fn upgrade(&mut self) {
        let took_over = |log: &str| {
            let lines = log.lines().filter(|line| line.contains("new program took over"));
            let pid =
                |line: &str| line.split("detail=").nth(1)?.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok();
            lines.filter_map(pid).collect::<Vec<u32>>()
        };
        let (before, said) = (self.successors.len(), self.log().len());
        self.signal("USR2");
        until("the new program took over", PATIENCE, || {
            let log = self.log();
            self.successors = took_over(&log);
            assert!(!log[said..].contains("did not take over"), "{log}");
            self.successors.len() > before
        })
        .await;
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([&format!("-{signal}"), &self.pid().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Waits for the end; the exit code, or the signal as a negative number.
    pub async fn ended(&mut self) -> i32 {
        let mut status: Option<ExitStatus> = None;
        until("the process ended", PATIENCE, || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        })
        .await;
        let status = status.unwrap();
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }

    /// Whether the process that serves now, which may be nobody's child here, has ended.
    pub fn has_ended(&self) -> bool {
        let state = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        state.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.trim_start().starts_with('Z'))
    }

    /// The public address of a vendor's host.
    pub fn vendor_url(&self, id: &str, path: &str) -> String {
        format!("https://{id}.proxy.localhost:{}{path}", self.port)
    }

    /// Signs in through the portal, and goes on to `wanted`, an address at a vendor's origin, if one is given.
    pub async fn sign_in(
        &self,
        browser: &mut Browser,
        (library, card, pin): (&str, &str, &str),
        wanted: Option<&str>,
    ) -> Page {
        let wanted = wanted.map(|to| format!("?url={to}")).unwrap_or_default();
        let login = format!("{}/login", self.portal);
        let form = browser.visit(&format!("{login}{wanted}")).await;
        let token = form.hidden("token").unwrap_or_else(|| panic!("no form: {} {}", form.status, form.text()));
        let onward = form.hidden("qurl").unwrap_or_default();
        let fields = [("token", &*token), ("qurl", &*onward), ("library", library), ("card", card), ("pin", pin)];
        let page = browser.post(&login, &fields).await;
        browser.follow(page).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let config = self.config.to_str().unwrap();
        for pid in &self.successors {
            // The earlier ones may have ended, and their numbers may be somebody else's now.
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&words).contains(config) {
                let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
