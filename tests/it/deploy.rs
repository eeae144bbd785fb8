//! What an operator deploys beside the program: the alert rules pass `promtool`, and they and the dashboard speak only
//! of metrics and labels that exist.
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use vestibule::domain::{LibraryId, VendorId};
use vestibule::telemetry::Telemetry;

const DASHBOARD: &str = include_str!("../../deploy/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../deploy/alerts.yml");
const ALERT_TESTS: &str = include_str!("../../deploy/alerts.test.yml");
const OPERATING: &str = include_str!("../../src/manual/operating.md");

/// Runs `promtool` on a file of `deploy/` and fails unless it succeeds.
fn promtool(arguments: &[&str]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
    let run = Command::new("promtool").args(arguments).current_dir(folder).output();
    let output = run.unwrap_or_else(|error| {
        panic!("expected `promtool` on PATH ({error}): it comes with Debian's package `prometheus`")
    });
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "promtool {arguments:?}:\n{}", String::from_utf8_lossy(&told));
}

#[test]
fn promtool_accepts_the_alert_rules() {
    promtool(&["check", "rules", "alerts.yml"]);
}

#[test]
fn the_alert_rules_fire_when_they_should() {
    promtool(&["test", "rules", "alerts.test.yml"]);
}

/// Every name of a series that is exposed, with its labels.
fn exposed() -> BTreeMap<String, BTreeSet<String>> {
    let telemetry = Telemetry::new();
    telemetry.know(&[LibraryId::parse("east").expect("an id")], &[VendorId::parse("atlas").expect("an id")], &["koha"]);
    telemetry.certificate("login.example.org", 0);
    let mut series: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in telemetry.text().lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once(['{', ' ']).expect("a name");
        let labels = labels.split('"').step_by(2).filter_map(|part| part.strip_suffix('='));
        let labels = labels.map(|label| label.trim_start_matches(',').to_owned());
        series.entry(name.to_owned()).or_default().extend(labels);
    }
    series
}

/// The words of `text` that look like a metric's name.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("vestibule_") || word.starts_with("process_")).collect()
}

/// Every string below `key` anywhere in `value`.
fn strings<'a>(value: &'a serde_json::Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == key => found.push(text),
                    _ => strings(value, key, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| strings(item, key, found)),
        _ => {}
    }
}

fn dashboard(key: &str) -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("the dashboard is JSON");
    let mut found = Vec::new();
    strings(&dashboard, key, &mut found);
    found.into_iter().map(str::to_owned).collect()
}

#[test]
fn dashboard_and_alerts_speak_of_metrics_that_exist() {
    let known = exposed();
    let queries = [dashboard("expr"), dashboard("query")].concat();
    assert!(queries.len() > 30, "only {} queries in the dashboard", queries.len());
    for text in queries.iter().map(String::as_str).chain([ALERTS, ALERT_TESTS]) {
        for name in metrics_in(text) {
            assert!(known.contains_key(name), "`{name}` is not exposed, but named in: {text}");
        }
    }
}

/// The label names that `query` selects or groups by.
fn labels_in(query: &str) -> BTreeSet<String> {
    let selected = query.split('{').skip(1).flat_map(|rest| rest.split('}').next().unwrap_or_default().split(','));
    let selected = selected.filter_map(|matcher| matcher.split(['=', '!']).next());
    let grouped = query.split("by (").skip(1).flat_map(|rest| rest.split(')').next().unwrap_or_default().split(','));
    selected.chain(grouped).map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect()
}

#[test]
fn dashboard_uses_labels_that_exist() {
    let known = exposed();
    // Prometheus adds these two to every series it scrapes.
    let added = ["instance", "job"];
    for query in dashboard("expr") {
        let metrics = metrics_in(&query);
        for label in labels_in(&query).iter().filter(|label| !added.contains(&label.as_str())) {
            let has = metrics.iter().any(|name| known.get(*name).is_some_and(|labels| labels.contains(label)));
            assert!(has, "no metric has the label `{label}` in: {query}");
        }
    }
}

#[test]
fn every_alert_is_tested_and_explained() {
    let alerts: Vec<&str> =
        ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::trim).collect();
    assert!(alerts.len() > 5, "only {alerts:?}");
    for alert in alerts {
        assert!(ALERT_TESTS.contains(&format!("alertname: {alert}")), "{alert} has no test in alerts.test.yml");
        assert!(OPERATING.contains(&format!("`{alert}`")), "{alert} is not explained in operating.md");
    }
}

/// The value of a key of a systemd unit; the last one counts.
fn said<'u>(unit: &'u str, key: &str) -> Option<&'u str> {
    unit.lines().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

#[test]
fn the_units_agree_with_the_program_and_with_each_other() {
    let service = include_str!("../../deploy/vestibule.service");
    let socket = include_str!("../../deploy/vestibule.socket");
    let sample = include_str!("../../deploy/samples/single-library.toml");
    // `upgrade` shows that the program says these things and takes such sockets.
    assert_eq!((said(service, "Type"), said(service, "NotifyAccess")), (Some("notify"), Some("main")));
    assert_eq!(said(service, "Sockets"), Some("vestibule.socket"));
    let listen = format!("listen = [\"{}\"]", said(socket, "ListenStream").expect("an address"));
    assert!(sample.contains(&listen), "the sample listens elsewhere than {listen}");
    let backlog: u32 = said(socket, "Backlog").expect("a backlog").parse().expect("a number");
    assert!(backlog >= 1024);
    for unit in [service, socket] {
        let lines = unit.lines().filter(|line| !line.starts_with(['#', '[']) && !line.is_empty());
        assert!(lines.clone().count() > 3);
        for line in lines {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no key: {line}"));
            assert!(!value.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric()), "{line}");
        }
    }
    // Longer than what is under way may take.
    let patience: u32 = said(service, "TimeoutStopSec").expect("a patience").parse().expect("a number");
    assert!(patience >= 60 && sample.contains("#drain = \"30s\""));
    for word in ["USR2", "vestibule.socket", "store.redb", "session_key_file"] {
        assert!(OPERATING.contains(word), "operating.md says nothing of {word}");
    }
}
