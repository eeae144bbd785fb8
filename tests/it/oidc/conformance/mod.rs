//! The tests of the `OpenID` Foundation's suite in our own words, as tables: one row for each test of a plan, under the
//! suite's name. A run leaves a report of all rows in `target/oidc-conformance.md`.
pub(super) mod backchannel;
mod basic;
mod discovery;
mod fapi;
mod frontchannel;
pub(super) mod jose;
pub(super) mod listener;
mod plans;
pub(super) mod reader;
pub(super) mod rp;
pub(super) mod rp_logout;
pub(super) mod scene;

use crate::support::figure;
use futures_util::future::BoxFuture;
use scene::Scene;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// A test, which panics at the first surprise.
type Test = fn(Arc<Scene>) -> BoxFuture<'static, ()>;

/// One test of the suite.
pub(super) struct Row {
    /// The suite's name for it.
    name: &'static str,
    /// What it asserts.
    asserts: &'static str,
    /// What is tested: the suite's assertion, or what happens here instead where the row does not apply.
    test: Option<Test>,
    /// Why it does not apply.
    apart: Option<&'static str>,
    /// Whether most of the test is waiting.
    waits: bool,
}

/// Rows of a table: `NAME: ASSERTS => (TEST)`, `… => (apart "REASON")` or `… => (apart "REASON", but TEST)`; `waits` before
/// the test where it mostly waits, `at once` before one that waits for nothing at all.
macro_rules! rows {
    ($($name:literal: $asserts:literal => ($($what:tt)+));+ $(;)?) => { vec![$($crate::oidc::conformance::row!($name, $asserts, $($what)+)),+] };
}

macro_rules! row {
    ($name:literal, $asserts:literal, apart $why:expr) => {
        $crate::oidc::conformance::Row { name: $name, asserts: $asserts, test: None, apart: Some($why), waits: false }
    };
    ($name:literal, $asserts:literal, apart $why:expr, but $test:ident) => {
        $crate::oidc::conformance::Row {
            name: $name,
            asserts: $asserts,
            test: Some(|s| Box::pin($test(s))),
            apart: Some($why),
            waits: false,
        }
    };
    ($name:literal, $asserts:literal, at once $test:ident) => {
        $crate::oidc::conformance::Row {
            name: $name,
            asserts: $asserts,
            test: Some(|s| Box::pin(async move { $test(&s) })),
            apart: None,
            waits: false,
        }
    };
    ($name:literal, $asserts:literal, waits $test:ident) => {
        $crate::oidc::conformance::Row {
            name: $name,
            asserts: $asserts,
            test: Some(|s| Box::pin($test(s))),
            apart: None,
            waits: true,
        }
    };
    ($name:literal, $asserts:literal, $test:ident) => {
        $crate::oidc::conformance::Row {
            name: $name,
            asserts: $asserts,
            test: Some(|s| Box::pin($test(s))),
            apart: None,
            waits: false,
        }
    };
}
pub(super) use {row, rows};

/// How many tests that do not mostly wait run at once.
const AT_ONCE: usize = 4;

/// A plan of the suite.
pub(super) struct Plan {
    /// The suite's name for it.
    pub(super) name: &'static str,
    /// The path of the Rust test.
    pub(super) test: &'static str,
    pub(super) rows: Vec<Row>,
}

impl Plan {
    /// Runs all rows, leaves the report, and fails with the names of all rows that failed.
    pub(super) async fn run(self, scene: Arc<Scene>) {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let running: Vec<_> = self.rows.iter().map(|row| run(row, &scene, &room)).collect();
        let (mut lines, mut failed, mut passed, mut apart) = (String::new(), Vec::new(), 0, 0);
        for (row, run) in self.rows.iter().zip(running) {
            let outcome = match run.await.unwrap() {
                Err(why) => {
                    failed.push(format!("{}: {why}", row.name));
                    "FAILED".to_owned()
                }
                Ok(()) => match (row.apart, row.test) {
                    (None, _) => "pass".to_owned(),
                    (Some(why), None) => format!("does not apply: {why}"),
                    (Some(why), Some(_)) => format!("does not apply: {why} (tested)"),
                },
            };
            passed += usize::from(outcome == "pass");
            apart += usize::from(outcome.starts_with("does"));
            writeln!(lines, "| `{}` | {} | {outcome} |", row.name, row.asserts).unwrap();
        }
        let count = self.rows.len();
        report(self.name, &format!("{passed} pass, {apart} do not apply, {} of {count} fail", failed.len()), &lines);
        let reached = format!("{passed} pass, {apart} do not apply, {} fail", failed.len());
        figure(self.test, &format!("{}: {count} tests of the suite", self.name), &reached);
        let log = scene.served.log();
        let lines: Vec<_> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
        let told = (failed.join("\n"), lines[lines.len().saturating_sub(40)..].join("\n"));
        assert!(failed.is_empty(), "{} of {count} failed:\n{}\n{}", failed.len(), told.0, told.1);
    }
}

/// Starts one row's test; what it panicked with, if it did.
fn run(row: &Row, scene: &Arc<Scene>, room: &Arc<Semaphore>) -> tokio::task::JoinHandle<Result<(), String>> {
    let (test, waits) = (row.test, row.waits);
    let (scene, room) = (Arc::clone(scene), Arc::clone(room));
    tokio::spawn(async move {
        let Some(test) = test else { return Ok(()) };
        let permit = if waits { None } else { Some(room.acquire_owned().await.unwrap()) };
        let done = tokio::spawn(test(scene)).await;
        drop(permit);
        done.map_err(|error| match error.into_panic().downcast::<String>() {
            Ok(said) => *said,
            Err(other) => other.downcast::<&str>().map_or_else(|_| "it panicked".to_owned(), |text| text.to_string()),
        })
    })
}

/// Keeps one plan's part of the report and puts all parts together.
fn report(plan: &str, summary: &str, lines: &str) {
    static TOGETHER: Mutex<()> = Mutex::new(());
    let alone = TOGETHER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let parts = target.join("oidc-conformance");
    std::fs::create_dir_all(&parts).unwrap();
    let part = format!("## {plan}\n{summary}\n\n| test | asserts | outcome |\n|---|---|---|\n{lines}");
    std::fs::write(parts.join(format!("{}.md", plan.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))), part)
        .unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&parts).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let all: Vec<_> = files.iter().map(|f| std::fs::read_to_string(f).unwrap()).collect();
    let whole = format!("# The provider against the tests of the OpenID Foundation's suite\n\n{}", all.join("\n"));
    std::fs::write(target.parent().unwrap().join("oidc-conformance.md"), whole).unwrap();
    drop(alone);
}
