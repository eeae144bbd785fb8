//! What tests are given: settings from a piece of TOML, credentials, a connector.
use super::settings::{Settings, read};
use super::{Sip2, Surroundings};
use crate::domain::settings::{Node, Place, Reading, Secrets, Table, Value};
use crate::domain::{ManualClock, Timestamp};
use crate::patron::Credentials;
use crate::telemetry::Telemetry;
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// 2026-11-22, noon.
pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_795_348_800);

/// Files by name, instead of a file system.
#[derive(Default)]
pub(super) struct Files(pub(super) BTreeMap<&'static str, Vec<u8>>);

impl Secrets for Files {
    fn file(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let built_in: Option<&[u8]> = match path {
            "secret" => Some(b"s3cret\n"),
            "pipe" => Some(b"a|b"),
            _ => self.0.get(path).map(Vec::as_slice),
        };
        built_in.map(|bytes| Zeroizing::new(bytes.to_vec())).ok_or_else(|| "expected a file".to_owned())
    }

    fn environment(&self, _: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        Err("expected a variable".to_owned())
    }
}

fn place() -> Place {
    Place { file: "test.toml".into(), line: 1 }
}

fn table(toml: &toml::Table, path: &str) -> Table {
    let entries = toml.iter().map(|(key, value)| {
        let path = crate::domain::settings::join(path, key);
        (key.clone(), Node { value: node(value, &path), place: place() })
    });
    Table { path: path.to_owned(), place: place(), entries: entries.collect() }
}

fn node(value: &toml::Value, path: &str) -> Value {
    match value {
        toml::Value::String(text) => Value::Text(text.clone()),
        toml::Value::Integer(n) => Value::Integer(*n),
        toml::Value::Boolean(flag) => Value::Flag(*flag),
        toml::Value::Array(items) => {
            Value::List(items.iter().map(|item| Node { value: node(item, path), place: place() }).collect())
        }
        toml::Value::Table(inner) => Value::Table(table(inner, path)),
        _ => Value::Other("a date or a fraction"),
    }
}

fn reading(toml: &str, files: &Files) -> (Option<Settings>, Vec<String>) {
    let mut toml: toml::Table = toml.parse().unwrap();
    toml.insert("id".into(), "main".into());
    toml.insert("kind".into(), "sip2".into());
    let table = table(&toml, "ils");
    let reading = Reading::new(files);
    let reader = reading.of(&table);
    let settings = read(&reader);
    reader.finish();
    (settings, reading.into_problems().iter().map(ToString::to_string).collect())
}

/// Settings that must be right.
pub(super) fn settings_with(toml: &str, files: &Files) -> Settings {
    let (settings, problems) = reading(toml, files);
    assert_eq!(problems, Vec::<String>::new());
    settings.unwrap()
}

/// Settings that must be right and need no file.
pub(super) fn settings(toml: &str) -> Settings {
    settings_with(toml, &Files::default())
}

/// What is wrong with settings.
pub(super) fn problems(toml: &str) -> Vec<String> {
    reading(toml, &Files::default()).1
}

/// What a patron types.
pub(super) fn credentials(card: &str, pin: &str) -> Credentials {
    Credentials::new(Zeroizing::new(card.to_owned()), Zeroizing::new(pin.to_owned()))
}

/// A connector.
pub(super) fn connector(settings: Settings) -> Sip2 {
    let telemetry = Arc::new(Telemetry::new());
    let clock = Arc::new(ManualClock::at(NOW));
    Sip2::new(settings, Surroundings { id: "main".into(), clock, telemetry })
}
