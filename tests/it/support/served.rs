//! `vestibule serve` on a configuration of a test's own, and the other commands.
use super::browser::{Browser, Page};
use super::observe::{self, PATIENCE, until};
use super::world::World;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

pub const PORTAL_HOST: &str = "login.vestibule.localhost";

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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

/// A serving process.
pub struct Served {
    process: Child,
    log: PathBuf,
    pub portal: String,
    pub admin: String,
    pub port: u16,
}

impl Served {
    /// Serves a configuration in `folder` whose text depends on the ports of the portal and of the admin listener.
    pub async fn start(folder: &Path, text: impl FnOnce(u16, u16) -> String) -> Self {
        let (port, admin) = (free_port(), free_port());
        let config = folder.join(format!("served-{port}.toml"));
        std::fs::write(&config, text(port, admin)).unwrap();
        let log = folder.join(format!("served-{port}.log"));
        let process = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["serve", "--config"])
            .arg(&config)
            .current_dir(folder)
            // The names in a backtrace cost 64 MiB of memory, once: a figure of memory would include them.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let (portal, admin) = (format!("https://{PORTAL_HOST}:{port}"), format!("http://127.0.0.1:{admin}"));
        let mut served = Self { process, log, portal, admin, port };
        let at = served.admin.clone();
        until("the process is ready", PATIENCE, || {
            assert!(served.process.try_wait().unwrap().is_none(), "it ended: {}", served.log());
            observe::admin(&at, "/ready").is_ok_and(|(status, _)| status == 200)
        })
        .await;
        served
    }

    /// Serves the demo's world a second time, on other ports and with `edit` applied to the demo's configuration.
    /// Vendors do not believe its assertions: they know the demo's portal.
    pub async fn beside(world: &World, edit: impl FnOnce(String) -> String) -> Self {
        let config = world.path("config");
        let text = edit(std::fs::read_to_string(&config).unwrap());
        let old = url::Url::parse(world.portal()).unwrap().port().unwrap();
        Self::start(config.parent().unwrap(), |port, admin| {
            let text = text.replace(&format!(":{old}"), &format!(":{port}"));
            let text = text.replace("admin_listen = \"127.0.0.1:0\"", &format!("admin_listen = \"127.0.0.1:{admin}\""));
            text.replace("state_dir = \"state\"", &format!("state_dir = \"state-{port}\""))
        })
        .await
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
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
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
