//! The manual's tables of metrics and messages, made from the code; a test compares them with the committed page.
use super::family::{ALL, Kind};
use super::lines::MESSAGES;
use std::fmt::Write as _;

/// The table of metrics.
fn metrics() -> String {
    let mut table = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for family in ALL {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(table, "| `{}` | {kind} | {} | {} |", family.name, labels.join(", "), family.help).expect("a string");
    }
    table
}

/// The table of messages.
fn messages() -> String {
    let mut table = "| level | message | fields | meaning |\n|---|---|---|---|\n".to_owned();
    for message in MESSAGES {
        let fields: Vec<String> = message.fields.iter().map(|(name, meaning)| format!("`{name}`: {meaning}")).collect();
        let (level, text, meaning) = (message.level, message.text, message.meaning);
        writeln!(table, "| {level} | `{text}` | {} | {meaning} |", fields.join("; ")).expect("a string");
    }
    table
}

/// `page` with the text between the marks of `name` replaced.
fn with(page: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = page.split_once(&begin).expect("a beginning mark");
    let (_, after) = rest.split_once(&end).expect("an end mark");
    format!("{before}{begin}\n{table}\n{end}{after}")
}

const PAGE: &str = include_str!("../manual/messages.md");

fn fresh() -> String {
    with(&with(PAGE, "metrics", &metrics()), "messages", &messages())
}

#[test]
fn the_manual_has_the_tables_of_the_code() {
    assert!(
        fresh() == PAGE,
        "src/manual/messages.md is out of date; run \
         `cargo test --lib telemetry::reference::write -- --ignored` and commit it"
    );
}

#[test]
#[ignore = "writes the tables into src/manual/messages.md"]
fn write_the_tables() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/messages.md");
    std::fs::write(path, fresh()).expect("a writable source folder");
}
