//! The configuration: any text as the operator's file. It is read or refused, each problem has its line, and no problem
//! repeats a value, which may be a secret.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vestibule::config;
use vestibule::domain::settings::{Problem, Reading};
use vestibule::domain::{Clock, ManualClock};
use vestibule::patron::Ilses;
use vestibule::telemetry::Telemetry;
use vestibule_fuzz::{NOON, folder};

/// What stands for a secret in the inputs: no message and no key has it of its own.
const SECRET: &str = "S3cr3tV4lu3";

static FILE: LazyLock<PathBuf> = LazyLock::new(|| folder("file").join("vestibule.toml"));

fuzz_target!(|data: &[u8]| {
    // What an operator's file may include is a matter of names, and this machine's files are none of the fuzzer's.
    if data.windows(2).any(|w| w == b"..") || data.windows(3).any(|w| w == b"\"/d") {
        return;
    }
    std::fs::write(&*FILE, data).expect("a file of our own");
    let draft = config::read(&FILE, NOON);
    let problems: Vec<Problem> = draft.problems.iter().cloned().chain(library_systems(&draft)).collect();
    assert_eq!(draft.config.is_some(), draft.problems.is_empty(), "a configuration with problems, or none without");
    let lines = data.iter().filter(|b| **b == b'\n').count() + 1;
    let is_text = std::str::from_utf8(data).is_ok();
    for problem in problems.iter().chain(&draft.warnings) {
        assert_eq!(&*problem.place.file, FILE.to_string_lossy().as_ref());
        assert!(problem.place.line <= lines, "a line that the file does not have");
        assert!(problem.place.line > 0 || !is_text, "a problem without a line");
        assert!(!problem.text.contains(|c: char| c.is_control()), "a problem that breaks its line");
    }
    if may_be_judged(data) {
        for problem in problems.iter().chain(&draft.warnings) {
            assert!(!problem.to_string().contains(SECRET), "a value was told");
        }
    }
    assert!(draft.files.contains(&FILE) || !is_text);
});

/// Reads the tables of library systems, as `check` does; opens no connection.
fn library_systems(draft: &config::Draft) -> Vec<Problem> {
    let reading = Reading::new(&draft.secrets);
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOON));
    let telemetry = Arc::new(Telemetry::new());
    let mut ilses = Ilses::default();
    for ils in &draft.ilses {
        let reader = config::ils_reader(&reading, ils);
        ilses.add(&ils.id, &reader, &clock, &telemetry);
        reader.finish();
    }
    reading.into_problems()
}

/// Whether the secret stands in values only: keys may be told, and so may ids, which are names.
fn may_be_judged(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return true };
    let (table, errors) = DeTable::parse_recoverable(text);
    !errors.is_empty() || !is_key(table.get_ref())
}

fn is_key(table: &DeTable<'_>) -> bool {
    table.iter().any(|(key, value)| key.get_ref().contains(SECRET) || in_value(value))
}

fn in_value(value: &Spanned<DeValue<'_>>) -> bool {
    match value.get_ref() {
        DeValue::Table(inner) => is_key(inner),
        DeValue::Array(items) => items.iter().any(in_value),
        _ => false,
    }
}
