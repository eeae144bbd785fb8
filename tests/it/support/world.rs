//! A running demo: the real binary, with its make-believe ILS and vendors, on free ports and in a folder of its own.
use super::browser::{Browser, Page};
use super::served::free_port;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// A running demo.
pub struct World {
    process: Child,
    pub folder: TempDir,
    pub told: Value,
}

impl World {
    /// Starts the demo and waits until it says that it is ready.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`World::start`], with more environment.
    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        Self::start_prepared(environment, |_| ())
    }

    /// As [`World::start_with`], in a demo folder where `prepare` may have left something.
    pub fn start_prepared(environment: &[(&str, &str)], prepare: impl FnOnce(&Path)) -> Self {
        let folder = TempDir::new().unwrap();
        prepare(&folder.path().join("demo"));
        let log = std::fs::File::create(folder.path().join("stderr.log")).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_vestibule"))
            .args(["demo", "--port", &free_port().to_string(), "--dir"])
            .arg(folder.path().join("demo"))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let told = folder.path().join("demo/demo.json");
        // The file is there before the first line is printed.
        let first = lines.next();
        assert!(first.is_some(), "the demo ended at once: {}", log_of(folder.path()));
        std::thread::spawn(move || lines.for_each(drop));
        let told = serde_json::from_slice(&std::fs::read(told).unwrap()).unwrap();
        Self { process, folder, told }
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What the process wrote to standard error so far.
    pub fn log(&self) -> String {
        log_of(self.folder.path())
    }

    pub fn text(&self, key: &str) -> &str {
        self.told[key].as_str().unwrap()
    }

    pub fn path(&self, key: &str) -> PathBuf {
        PathBuf::from(self.text(key))
    }

    pub fn portal(&self) -> &str {
        self.text("portal")
    }

    pub fn patron(&self, index: usize) -> &Value {
        &self.told["patrons"][index]
    }

    pub fn vendor(&self, id: &str) -> &Value {
        self.told["vendors"].as_array().unwrap().iter().find(|v| v["id"] == id).unwrap()
    }

    /// The public address of a vendor's host.
    pub fn vendor_url(&self, id: &str, path: &str) -> String {
        let port = url::Url::parse(self.portal()).unwrap().port().unwrap();
        format!("https://{}:{port}{path}", self.vendor(id)["host"].as_str().unwrap())
    }

    pub fn browser(&self) -> Browser {
        Browser::new(&self.path("ca"))
    }

    /// What a vendor received so far.
    pub fn received(&self, vendor: &str) -> Vec<u8> {
        let folder = self.path("vendor_traffic");
        let file = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        let mut files: Vec<_> = file.filter(|p| p.file_stem().is_some_and(|s| s == vendor)).collect();
        files.sort();
        files.iter().flat_map(|p| std::fs::read(p).unwrap()).collect()
    }

    /// Signs a patron in, on the way to `deep_link` if one is given, and follows to where that leads.
    pub async fn sign_in(&self, browser: &mut Browser, patron: &Value, deep_link: Option<&str>) -> Page {
        let start = deep_link.map_or_else(|| format!("{}/login", self.portal()), str::to_owned);
        let form = browser.visit(&start).await;
        let page = self.submit(browser, &form, patron["card"].as_str().unwrap(), patron).await;
        browser.follow(page).await
    }

    /// Fills the form on a page and posts it.
    pub async fn submit(&self, browser: &mut Browser, form: &Page, card: &str, patron: &Value) -> Page {
        let pin = patron["pin"].as_str().unwrap();
        self.post_login(browser, form, (card, pin), patron["library"].as_str().unwrap()).await
    }

    pub async fn post_login(
        &self,
        browser: &mut Browser,
        form: &Page,
        (card, pin): (&str, &str),
        library: &str,
    ) -> Page {
        let token = form.hidden("token").unwrap_or_else(|| panic!("no form: {} {}", form.status, form.text()));
        let wanted = form.hidden("qurl").unwrap_or_default();
        let mut fields =
            vec![("token", &*token), ("qurl", &*wanted), ("library", library), ("card", card), ("pin", pin)];
        // A vendor's request that waits.
        let request = form.hidden("request");
        fields.extend(request.as_deref().map(|request| ("request", request)));
        browser.post(&format!("{}/login", self.portal()), &fields).await
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([&format!("-{signal}"), &self.pid().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Stops the demo as a service manager does.
    pub fn stop(mut self) -> ExitStatus {
        self.end()
    }

    /// As [`World::stop`], but what it wrote can still be read.
    pub fn end(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.process.wait().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("stderr.log")).unwrap_or_default()
}
