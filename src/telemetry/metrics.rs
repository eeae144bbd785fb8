//! The metrics registry and the one function that turns an event into a line and a count.
use super::family::{self, sound};
use super::table::{Families, Table};
use super::{Decision, Ended, Event, Refused, lines};
use crate::domain::{Clock, LibraryId, SystemClock, Timestamp, VendorId};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus::{Histogram, IntCounter, IntGauge, IntGaugeVec, Registry, TextEncoder};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

type Hook = Box<dyn Fn(&Telemetry) + Send + Sync>;

/// Where events go.
///
/// The series exist from [`Telemetry::know`] on, one for every combination of names in the configuration; an event
/// with an unknown name counts under `other`, so no event ever makes a new one.
pub struct Telemetry {
    registry: Registry,
    families: Families,
    table: ArcSwap<Table>,
    /// Held while a table takes over.
    taking_over: Mutex<()>,
    plain: Plain,
    log_requests: AtomicBool,
    before_scrape: OnceLock<Hook>,
}

/// The series whose labels do not come from the configuration.
struct Plain {
    sign_in_seconds: Histogram,
    /// In the order of [`Refused::slot`].
    refused: [IntCounter; Refused::ALL.len()],
    handshake_failures: IntCounter,
    /// In the order of [`Ended::slot`].
    ended: [IntCounter; Ended::ALL.len()],
    reloads_accepted: IntCounter,
    reloads_refused: IntCounter,
    reload_problems: IntCounter,
    last_reload_ok: IntGauge,
    last_reload_success: IntGauge,
    sessions: IntGauge,
    store_failures: IntCounter,
    store_working: IntGauge,
    upgrades_taken: IntCounter,
    upgrades_refused: IntCounter,
    connections: IntGauge,
    certificates: IntGaugeVec,
    metadata: IntGaugeVec,
    template_problems: IntCounter,
    log_lines_dropped: IntCounter,
}

fn counter(family: &family::Family, registry: &Registry) -> IntCounter {
    sound(family.counters(registry).get_metric_with_label_values::<&str>(&[]))
}

fn gauge(family: &family::Family, registry: &Registry) -> IntGauge {
    sound(family.gauges(registry).get_metric_with_label_values::<&str>(&[]))
}

impl Plain {
    fn new(registry: &Registry) -> Self {
        let refused = family::REFUSED_REQUESTS.counters(registry);
        let refused_for = |cause: Refused| {
            sound(refused.get_metric_with_label_values(&[&*cause.status().to_string(), cause.as_str()]))
        };
        let ended = family::ENDED_CONNECTIONS.counters(registry);
        let reloads = family::RELOADS.counters(registry);
        let upgrades = family::UPGRADES.counters(registry);
        let store_working = gauge(&family::STORE_WORKING, registry);
        store_working.set(1);
        let last_reload_ok = gauge(&family::LAST_RELOAD_OK, registry);
        last_reload_ok.set(1);
        let build = family::BUILD_INFO.gauges(registry);
        sound(build.get_metric_with_label_values(&[env!("CARGO_PKG_VERSION")])).set(1);
        let seconds = family::SIGN_IN_SECONDS.histograms(registry);
        Self {
            sign_in_seconds: sound(seconds.get_metric_with_label_values::<&str>(&[])),
            refused: Refused::ALL.map(refused_for),
            ended: Ended::ALL.map(|cause| sound(ended.get_metric_with_label_values(&[cause.as_str()]))),
            handshake_failures: counter(&family::HANDSHAKE_FAILURES, registry),
            reloads_accepted: sound(reloads.get_metric_with_label_values(&["accepted"])),
            reloads_refused: sound(reloads.get_metric_with_label_values(&["refused"])),
            reload_problems: counter(&family::RELOAD_PROBLEMS, registry),
            last_reload_ok,
            last_reload_success: gauge(&family::LAST_RELOAD_SUCCESS, registry),
            sessions: gauge(&family::SESSIONS, registry),
            store_failures: counter(&family::STORE_FAILURES, registry),
            store_working,
            upgrades_taken: sound(upgrades.get_metric_with_label_values(&["taken"])),
            upgrades_refused: sound(upgrades.get_metric_with_label_values(&["refused"])),
            connections: gauge(&family::CONNECTIONS, registry),
            certificates: family::CERTIFICATE_EXPIRY.gauges(registry),
            metadata: family::METADATA_VALID_UNTIL.gauges(registry),
            template_problems: counter(&family::TEMPLATE_PROBLEMS, registry),
            log_lines_dropped: counter(&family::LOG_LINES_DROPPED, registry),
        }
    }
}

impl Telemetry {
    /// A telemetry of its own, with its own registry. Requests are not logged until [`Telemetry::log_requests`].
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        sound(registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self())));
        let families = Families::new(&registry);
        let table = ArcSwap::from_pointee(Table::make(&families, &[], &[], &[]));
        let plain = Plain::new(&registry);
        Self {
            registry,
            families,
            table,
            taking_over: Mutex::new(()),
            plain,
            log_requests: AtomicBool::new(false),
            before_scrape: OnceLock::new(),
        }
    }

    /// Makes the series for a configuration that takes over. Series of names that are gone are removed; those of
    /// names that stay go on counting.
    pub fn know(&self, libraries: &[LibraryId], vendors: &[VendorId], ilses: &[&str]) {
        let _one = self.taking_over.lock();
        let table = Arc::new(Table::make(&self.families, libraries, vendors, ilses));
        let older = self.table.swap(Arc::clone(&table));
        table.supersede(&older, &self.families);
        self.plain.last_reload_success.set(SystemClock.now().seconds());
    }

    /// Tells an event: its log line and its metrics.
    ///
    /// For [`Event::Request`] this is a look-up and two atomic additions unless requests are logged.
    pub fn emit(&self, event: &Event<'_>) {
        let lines_of_requests = self.log_requests.load(Ordering::Relaxed);
        if let Event::Request { vendor, status, took, .. } = event {
            let table = self.table.load();
            let series = table.vendor(*vendor);
            series.requests(*status).inc();
            series.seconds.observe(took.as_secs_f64());
        } else {
            self.count(event);
        }
        if lines_of_requests || !event.is_of_a_request() {
            lines::write(event);
        }
    }

    fn count(&self, event: &Event<'_>) {
        let table = self.table.load();
        match event {
            Event::SignIn { library, outcome, took } => {
                table.library(library).sign_in(*outcome);
                self.plain.sign_in_seconds.observe(took.as_secs_f64());
            }
            Event::IlsTrouble { library, fault, .. } => table.library(library).trouble(*fault),
            Event::IlsAnswer { ils, took } => table.ils(ils).exchange.observe(took.as_secs_f64()),
            Event::IlsBreaker { ils, open } => table.ils(ils).breaker.set(i64::from(*open)),
            Event::SignOut { library } => table.library(library).sign_outs.inc(),
            Event::Decided { library, vendor, decision } => {
                let series = table.library(library);
                match decision {
                    Decision::Entitled => series.decisions(vendor).entitled.inc(),
                    Decision::Denied(reason) => {
                        series.decisions(vendor).denied.inc();
                        series.denial(*reason);
                    }
                }
            }
            Event::VendorTrouble { vendor, .. } => table.vendor(Some(vendor)).trouble.inc(),
            Event::Provided { vendor, outcome, .. } => table.vendor_or_other(*vendor).provided(*outcome),
            Event::Stated { vendor, outcome, .. } => table.vendor_or_other(*vendor).stated(*outcome),
            Event::LogoutDelivery { vendor, outcome } => table.vendor(Some(vendor)).delivery(*outcome),
            Event::DocumentTrouble { vendor, document, .. } => table.vendor(Some(vendor)).document(*document),
            _ => self.count_plain(event),
        }
    }

    fn count_plain(&self, event: &Event<'_>) {
        match event {
            Event::Refused { cause } => {
                if let Some(counter) = self.plain.refused.get(cause.slot()) {
                    counter.inc();
                }
            }
            Event::Handshake { .. } => self.plain.handshake_failures.inc(),
            Event::Connection { ended } => {
                if let Some(counter) = self.plain.ended.get(ended.slot()) {
                    counter.inc();
                }
            }
            Event::Reloaded { .. } => {
                self.plain.reloads_accepted.inc();
                self.plain.last_reload_ok.set(1);
            }
            Event::ReloadRefused { .. } => {
                self.plain.reload_problems.inc();
                self.plain.last_reload_ok.set(0);
            }
            Event::ReloadFailed { .. } => {
                self.plain.reloads_refused.inc();
                self.plain.last_reload_ok.set(0);
            }
            Event::Template { .. } => self.plain.template_problems.inc(),
            Event::StoreWorks { working } => self.plain.store_working.set(i64::from(*working)),
            Event::Upgraded { taken: true, .. } => self.plain.upgrades_taken.inc(),
            Event::Upgraded { taken: false, .. } => self.plain.upgrades_refused.inc(),
            _ => {}
        }
    }

    /// Whether each request, refused request and failed handshake gets a log line.
    pub fn log_requests(&self, on: bool) {
        self.log_requests.store(on, Ordering::Relaxed);
    }

    /// Sets the number of open sessions.
    pub fn sessions(&self, open: u64) {
        self.plain.sessions.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// Counts a group of changes that the store's file did not take.
    pub fn store_failed(&self) {
        self.plain.store_failures.inc();
    }

    /// Adds to the number of open connections; negative when they close.
    pub fn connections(&self, delta: i64) {
        self.plain.connections.add(delta);
    }

    /// Sets whether an ILS's breaker is open, as [`Event::IlsBreaker`] does but without a log line.
    pub fn ils_breaker(&self, ils: &str, open: bool) {
        self.table.load().ils(ils).breaker.set(i64::from(open));
    }

    /// Sets when one certificate ends, in seconds since 1970.
    pub fn certificate(&self, host_label: &str, not_after: i64) {
        sound(self.plain.certificates.get_metric_with_label_values(&[host_label])).set(not_after);
    }

    /// Sets when each certificate that is served ends, and forgets every other one.
    pub fn certificates(&self, served: &[(&str, i64)]) {
        let _one = self.taking_over.lock();
        for (name, not_after) in served {
            self.certificate(name, *not_after);
        }
        let names: HashSet<&str> = served.iter().map(|(name, _)| *name).collect();
        forget_others(&self.plain.certificates, &names);
    }

    /// Sets when what is known of a vendor's metadata ends; `None` where nothing is known, or it has no end.
    pub fn metadata(&self, vendor: &VendorId, until: Option<Timestamp>) {
        let labels = [vendor.as_str()];
        match until {
            Some(until) => sound(self.plain.metadata.get_metric_with_label_values(&labels)).set(until.seconds()),
            // An error says that there is none already.
            None => drop(self.plain.metadata.remove_label_values(&labels)),
        }
    }

    /// Forgets the metadata of all other vendors.
    pub fn metadata_only_of<'a>(&self, vendors: impl IntoIterator<Item = &'a VendorId>) {
        forget_others(&self.plain.metadata, &vendors.into_iter().map(VendorId::as_str).collect());
    }

    /// Sets what runs before each scrape, to bring gauges such as [`Telemetry::sessions`] up to date. Only the first
    /// call counts.
    pub fn before_scrape(&self, hook: impl Fn(&Self) + Send + Sync + 'static) {
        let _first = self.before_scrape.set(Box::new(hook));
    }

    /// Every metric in Prometheus' text format 0.0.4. Reads `/proc`, so not for an async thread.
    #[must_use]
    pub fn text(&self) -> String {
        if let Some(hook) = self.before_scrape.get() {
            hook(self);
        }
        // The encoder fails only for a family without series, which `gather` leaves out.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }

    /// The counter of lost log lines.
    pub(super) fn log_lines_dropped(&self) -> IntCounter {
        self.plain.log_lines_dropped.clone()
    }
}

/// Removes the series of every name but these.
fn forget_others(gauges: &IntGaugeVec, names: &HashSet<&str>) {
    use prometheus::core::Collector;
    let families = gauges.collect();
    let series = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric);
    let known = series.filter_map(|metric| metric.get_label().first().map(|label| label.value().to_owned()));
    for other in known.filter(|known| !names.contains(known.as_str())) {
        // An error says that the series is gone already.
        let _gone = gauges.remove_label_values(&[other]);
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Denial, Fault};
    use crate::telemetry::Provided;
    use crate::telemetry::SignIn;
    use crate::telemetry::log::{LogFormat, capture::log_of};
    use std::time::Duration;

    fn library(id: &str) -> LibraryId {
        LibraryId::parse(id).expect("an id")
    }

    fn vendor(id: &str) -> VendorId {
        VendorId::parse(id).expect("an id")
    }

    /// A telemetry that knows two libraries, two vendors, an ILS and a certificate.
    fn known() -> Telemetry {
        let telemetry = Telemetry::new();
        telemetry.know(&[library("east"), library("west")], &[vendor("atlas"), vendor("world-book")], &["koha"]);
        telemetry.certificates(&[("login.example.org", 2_000_000_000)]);
        telemetry.metadata(&vendor("atlas"), Some(Timestamp::from_seconds(2_000_000_000)));
        telemetry
    }

    /// Every kind of event, once with known names and once with new ones, with values that `n` varies.
    fn all(telemetry: &Telemetry, n: u16) {
        let (east, atlas) = (library("east"), vendor("atlas"));
        let (newcomer, stranger) = (library(&format!("l{n}")), vendor(&format!("v{n}")));
        let (new_ils, took) = (format!("i{n}"), Duration::from_micros(u64::from(n)));
        let outcome = SignIn::ALL[usize::from(n) % 7];
        let decision = if n.is_multiple_of(2) { Decision::Entitled } else { Decision::Denied(Denial::Age) };
        for (library, vendor, ils) in [(&east, &atlas, "koha"), (&newcomer, &stranger, new_ils.as_str())] {
            for event in [
                Event::SignIn { library, outcome, took },
                Event::IlsTrouble { library, fault: Fault::Library, cause: "no answer in time" },
                Event::IlsAnswer { ils, took },
                Event::IlsBreaker { ils, open: n.is_multiple_of(2) },
                Event::SignOut { library },
                Event::Decided { library, vendor, decision },
                Event::Request { vendor: Some(vendor), method: "GET", status: n, took, version: "HTTP/2" },
                Event::Request { vendor: None, method: "POST", status: 503, took, version: "HTTP/1.1" },
                Event::Refused { cause: Refused::ALL[usize::from(n) % Refused::ALL.len()] },
                Event::VendorTrouble { vendor, cause: "connection refused" },
                Event::Provided { vendor: Some(vendor), outcome: Provided::Refused, cause: "invalid_request" },
                Event::Handshake { cause: "not TLS" },
                Event::Connection { ended: Ended::ALL[usize::from(n) % Ended::ALL.len()] },
                Event::Reloaded { libraries: 2, vendors: 2 },
                Event::ReloadRefused { problem: "vestibule.toml:3: `listen`: expected an address" },
                Event::ReloadFailed { problems: 1 },
                Event::Life { phase: "ready", detail: "" },
                Event::Template { name: "sign-in.html", problem: "line 3: unexpected end" },
                Event::StoreWorks { working: n.is_multiple_of(2) },
                Event::Upgraded { taken: n.is_multiple_of(2), detail: "it did not get ready in time" },
            ] {
                telemetry.emit(&event);
            }
        }
        telemetry.sessions(u64::from(n));
        telemetry.connections(1);
    }

    fn series(telemetry: &Telemetry) -> usize {
        telemetry.text().lines().filter(|line| !line.starts_with('#')).count()
    }

    fn value(telemetry: &Telemetry, series: &str) -> Option<f64> {
        telemetry.text().lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    #[test]
    fn events_never_make_series() {
        let telemetry = known();
        let before = series(&telemetry);
        (0..10).for_each(|n| all(&telemetry, n));
        assert_eq!(series(&telemetry), before, "after 10 rounds");
        (0..10_000).for_each(|n| all(&telemetry, n));
        assert_eq!(series(&telemetry), before, "after 10,000 rounds");
    }

    #[test]
    fn every_family_of_the_catalogue_is_exposed() {
        let text = known().text();
        for family in family::ALL {
            let kind = match family.kind {
                family::Kind::Counter => "counter",
                family::Kind::Gauge => "gauge",
                family::Kind::Histogram(_) => "histogram",
            };
            assert!(text.contains(&format!("# TYPE {} {kind}\n", family.name)), "{}", family.name);
            assert!(family.name.starts_with("vestibule_"), "{}", family.name);
        }
        let exposed = text.lines().filter(|line| line.starts_with("# TYPE vestibule_")).count();
        assert_eq!(exposed, family::ALL.len());
        assert!(text.contains("process_resident_memory_bytes"));
    }

    #[test]
    fn the_text_parses() {
        for line in known().text().lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
            assert!(labels.ends_with('}'), "{line}");
        }
    }

    #[test]
    fn events_count_where_they_belong() {
        let telemetry = known();
        all(&telemetry, 210);
        all(&telemetry, 421);
        for (series, expected) in [
            ("vestibule_sign_ins_total{library=\"east\",outcome=\"accepted\"}", 1.0),
            ("vestibule_sign_ins_total{library=\"other\",outcome=\"rejected\"}", 1.0),
            ("vestibule_sign_in_seconds_count", 4.0),
            ("vestibule_sign_outs_total{library=\"east\"}", 2.0),
            ("vestibule_ils_trouble_total{fault=\"library\",library=\"east\"}", 2.0),
            ("vestibule_ils_exchange_seconds_count{ils=\"koha\"}", 2.0),
            ("vestibule_ils_breaker_open{ils=\"koha\"}", 0.0),
            ("vestibule_decisions_total{library=\"east\",outcome=\"entitled\",vendor=\"atlas\"}", 1.0),
            ("vestibule_decisions_total{library=\"other\",outcome=\"denied\",vendor=\"other\"}", 1.0),
            ("vestibule_denials_total{library=\"east\",reason=\"age\"}", 1.0),
            ("vestibule_requests_total{status=\"2xx\",vendor=\"atlas\"}", 1.0),
            ("vestibule_requests_total{status=\"4xx\",vendor=\"other\"}", 1.0),
            ("vestibule_requests_total{status=\"5xx\",vendor=\"portal\"}", 4.0),
            ("vestibule_request_seconds_count{vendor=\"world-book\"}", 0.0),
            ("vestibule_vendor_trouble_total{vendor=\"atlas\"}", 2.0),
            ("vestibule_refused_requests_total{cause=\"target\",status=\"400\"}", 2.0),
            ("vestibule_refused_requests_total{cause=\"field_value\",status=\"400\"}", 2.0),
            ("vestibule_ended_connections_total{cause=\"body_slow\"}", 2.0),
            ("vestibule_ended_connections_total{cause=\"shed\"}", 2.0),
            ("vestibule_handshake_failures_total", 4.0),
            ("vestibule_reloads_total{result=\"refused\"}", 4.0),
            ("vestibule_reload_problems_total", 4.0),
            ("vestibule_last_reload_ok", 0.0),
            ("vestibule_template_problems_total", 4.0),
            ("vestibule_sessions", 421.0),
            ("vestibule_connections", 2.0),
        ] {
            assert_eq!(value(&telemetry, series), Some(expected), "{series}");
        }
    }

    #[test]
    fn a_reload_keeps_counts_of_names_that_stay_and_removes_names_that_go() {
        let telemetry = known();
        all(&telemetry, 200);
        let before = series(&telemetry);
        telemetry.know(&[library("east")], &[vendor("atlas")], &["koha"]);
        let text = telemetry.text();
        assert!(!text.contains("west") && !text.contains("world-book"));
        assert!(series(&telemetry) < before);
        assert_eq!(value(&telemetry, "vestibule_requests_total{status=\"2xx\",vendor=\"atlas\"}"), Some(1.0));
        telemetry.know(&[library("east"), library("west")], &[vendor("atlas"), vendor("world-book")], &["koha"]);
        assert_eq!(series(&telemetry), before);
    }

    #[test]
    fn a_certificate_that_is_gone_is_forgotten() {
        let telemetry = known();
        telemetry.certificates(&[("proxy.example.net", 5)]);
        let text = telemetry.text();
        assert!(text.contains("{name=\"proxy.example.net\"} 5"));
        assert!(!text.contains("login.example.org"));
    }

    #[test]
    fn gauges_are_brought_up_to_date_before_a_scrape() {
        let telemetry = known();
        telemetry.before_scrape(|telemetry| telemetry.sessions(7));
        assert_eq!(value(&telemetry, "vestibule_sessions"), Some(7.0));
    }

    #[test]
    fn requests_are_logged_only_when_asked() {
        let telemetry = known();
        let atlas = vendor("atlas");
        let took = Duration::from_micros(1_234);
        let request = Event::Request { vendor: Some(&atlas), method: "GET", status: 200, took, version: "HTTP/2" };
        let quiet = log_of(LogFormat::Json, || telemetry.emit(&request));
        telemetry.log_requests(true);
        let told = log_of(LogFormat::Json, || telemetry.emit(&request));
        assert_eq!(quiet, "");
        assert_eq!(
            told,
            "{\"timestamp\":\"2026-01-01T00:00:00Z\",\"level\":\"INFO\",\"message\":\"request answered\",\
             \"vendor\":\"atlas\",\"method\":\"GET\",\"status\":200,\"duration_ms\":1.234,\"version\":\"HTTP/2\"}\n"
        );
    }

    #[test]
    fn metadata_that_is_known_no_more_has_no_end() {
        let telemetry = known();
        let ends = |id: &str, seconds: i64| {
            let line = format!("vestibule_saml_metadata_valid_until_timestamp_seconds{{vendor=\"{id}\"}} {seconds}\n");
            telemetry.text().contains(&line)
        };
        telemetry.metadata(&vendor("world-book"), Some(Timestamp::from_seconds(5)));
        assert!(ends("atlas", 2_000_000_000) && ends("world-book", 5));
        telemetry.metadata_only_of(&[vendor("world-book")]);
        assert!(!ends("atlas", 2_000_000_000) && ends("world-book", 5));
        telemetry.metadata(&vendor("world-book"), None);
        assert!(!ends("world-book", 5));
    }
}
