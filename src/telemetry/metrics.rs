//! The metrics registry and the one function that turns an event into a line and a count.
use super::family::{self, sound};
use super::table::{Families, Table};
use super::{Decision, Event, lines};
use crate::domain::{Clock, LibraryId, SystemClock, VendorId};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus::{Histogram, IntCounter, IntGauge, IntGaugeVec, Registry, TextEncoder};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The statuses with which a request may be refused before anyone looks at it; any other counts as `other`.
const REFUSALS: [u16; 17] = [400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 417, 421, 429, 431, 500, 501, 503];

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
    refused: Vec<(u16, IntCounter)>,
    refused_other: IntCounter,
    handshake_failures: IntCounter,
    reloads_accepted: IntCounter,
    reloads_refused: IntCounter,
    reload_problems: IntCounter,
    last_reload_ok: IntGauge,
    last_reload_success: IntGauge,
    sessions: IntGauge,
    connections: IntGauge,
    certificates: IntGaugeVec,
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
        let refused_as = |status: &str| sound(refused.get_metric_with_label_values(&[status]));
        let reloads = family::RELOADS.counters(registry);
        let last_reload_ok = gauge(&family::LAST_RELOAD_OK, registry);
        last_reload_ok.set(1);
        let build = family::BUILD_INFO.gauges(registry);
        sound(build.get_metric_with_label_values(&[env!("CARGO_PKG_VERSION")])).set(1);
        let seconds = family::SIGN_IN_SECONDS.histograms(registry);
        Self {
            sign_in_seconds: sound(seconds.get_metric_with_label_values::<&str>(&[])),
            refused: REFUSALS.iter().map(|&status| (status, refused_as(&status.to_string()))).collect(),
            refused_other: refused_as("other"),
            handshake_failures: counter(&family::HANDSHAKE_FAILURES, registry),
            reloads_accepted: sound(reloads.get_metric_with_label_values(&["accepted"])),
            reloads_refused: sound(reloads.get_metric_with_label_values(&["refused"])),
            reload_problems: counter(&family::RELOAD_PROBLEMS, registry),
            last_reload_ok,
            last_reload_success: gauge(&family::LAST_RELOAD_SUCCESS, registry),
            sessions: gauge(&family::SESSIONS, registry),
            connections: gauge(&family::CONNECTIONS, registry),
            certificates: family::CERTIFICATE_EXPIRY.gauges(registry),
            template_problems: counter(&family::TEMPLATE_PROBLEMS, registry),
            log_lines_dropped: counter(&family::LOG_LINES_DROPPED, registry),
        }
    }

    fn refused(&self, status: u16) -> &IntCounter {
        self.refused.iter().find(|(known, _)| *known == status).map_or(&self.refused_other, |(_, counter)| counter)
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
            _ => self.count_plain(event),
        }
    }

    fn count_plain(&self, event: &Event<'_>) {
        match event {
            Event::Refused { status, .. } => self.plain.refused(*status).inc(),
            Event::Handshake { .. } => self.plain.handshake_failures.inc(),
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
        for known in certificate_names(&self.plain.certificates) {
            if !names.contains(known.as_str()) {
                // An error says that the series is gone already.
                let _gone = self.plain.certificates.remove_label_values(&[known]);
            }
        }
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

fn certificate_names(certificates: &IntGaugeVec) -> Vec<String> {
    use prometheus::core::Collector;
    let families = certificates.collect();
    let series = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric);
    series.filter_map(|metric| metric.get_label().first().map(|label| label.value().to_owned())).collect()
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}
