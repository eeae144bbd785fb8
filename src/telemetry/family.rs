//! The catalogue of metrics: name, kind, labels and meaning of each family. The manual's table is made from it.
use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// What a family's series are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Counts observations by upper bounds.
    Histogram(&'static [f64]),
}

/// One metric family.
#[derive(Debug)]
pub(super) struct Family {
    /// `vestibule_<name>_<unit>`.
    pub(super) name: &'static str,
    /// What its series are.
    pub(super) kind: Kind,
    /// The label names.
    pub(super) labels: &'static [&'static str],
    /// What it means, for the exposition and the manual.
    pub(super) help: &'static str,
}

const QUICK: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const SLOW: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0];

macro_rules! catalogue {
    ($($id:ident $name:literal $kind:expr, $labels:expr, $help:literal;)*) => {
        $(pub(super) const $id: Family = Family { name: $name, kind: $kind, labels: &$labels, help: $help };)*
        /// Every family, in the manual's order.
        #[cfg(test)]
        pub(super) const ALL: &[&Family] = &[$(&$id),*];
    };
}

catalogue! {
    SIGN_INS "vestibule_sign_ins_total" Kind::Counter, ["library", "outcome"],
        "Sign-ins by how they ended: accepted, rejected (no such card or wrong PIN), throttled (not asked after too many of those), expired, blocked, other_library, unavailable";
    SIGN_IN_SECONDS "vestibule_sign_in_seconds" Kind::Histogram(SLOW), [],
        "Time that the library's system and the gate took for a sign-in; a rejection is held back longer, which does not count";
    SIGN_OUTS "vestibule_sign_outs_total" Kind::Counter, ["library"],
        "Sessions ended at the patron's wish";
    ILS_TROUBLE "vestibule_ils_trouble_total" Kind::Counter, ["library", "fault"],
        "Questions to a library's system without a usable answer, by who is to blame: patron, library, vendor, us";
    ILS_EXCHANGE_SECONDS "vestibule_ils_exchange_seconds" Kind::Histogram(SLOW), ["ils"],
        "Time from sending a message to an ILS to its answer";
    ILS_BREAKER_OPEN "vestibule_ils_breaker_open" Kind::Gauge, ["ils"],
        "1 while an ILS is not asked because it did not answer; 0 otherwise";
    DECISIONS "vestibule_decisions_total" Kind::Counter, ["library", "vendor", "outcome"],
        "Licence decisions: entitled or denied";
    DENIALS "vestibule_denials_total" Kind::Counter, ["library", "reason"],
        "Denied decisions by reason: no_licence, out_of_term, borrower_class, branch, age, standing";
    REQUESTS "vestibule_requests_total" Kind::Counter, ["vendor", "status"],
        "Requests answered, by vendor (`portal` for the portal itself) and class of status: 1xx to 5xx, other";
    REQUEST_SECONDS "vestibule_request_seconds" Kind::Histogram(QUICK), ["vendor"],
        "Time until the head of the answer was ready";
    VENDOR_TROUBLE "vestibule_vendor_trouble_total" Kind::Counter, ["vendor"],
        "Requests that a vendor's origin did not answer as it should";
    OIDC "vestibule_oidc_total" Kind::Counter, ["vendor", "outcome"],
        "Requests to the OpenID Provider by how they ended: code, tokens, declined (the vendor gets nobody), refused, client_refused (the vendor could not prove who it is), unavailable";
    SAML "vestibule_saml_total" Kind::Counter, ["vendor", "outcome"],
        "Messages to the SAML Identity Provider by how they ended: assertion, declined (the vendor gets nobody), refused, unavailable, signed_out, sign_out_refused";
    LOGOUT_DELIVERIES "vestibule_logout_deliveries_total" Kind::Counter, ["vendor", "outcome"],
        "Words to vendors that a reader signed out, by what became of them: delivered, refused, given_up (not taken at any try), dropped (too many waited)";
    DOCUMENT_TROUBLE "vestibule_document_trouble_total" Kind::Counter, ["vendor", "document"],
        "Documents of a vendor's (keys, sector) that could not be fetched or are not what they should be";
    REFUSED_REQUESTS "vestibule_refused_requests_total" Kind::Counter, ["status", "cause"],
        "Requests refused before anyone looked at them (malformed, unknown host, too large), by status and cause";
    HANDSHAKE_FAILURES "vestibule_handshake_failures_total" Kind::Counter, [],
        "Connections that ended before a first request, such as in the TLS handshake";
    ENDED_CONNECTIONS "vestibule_ended_connections_total" Kind::Counter, ["cause"],
        "Connections that the front ended or did not begin, by cause: network_full, full, shed, handshake_slow, head_slow, body_slow, answer_stalled, idle";
    RELOADS "vestibule_reloads_total" Kind::Counter, ["result"],
        "Reloads of the configuration: accepted, or refused (the old one stays)";
    RELOAD_PROBLEMS "vestibule_reload_problems_total" Kind::Counter, [],
        "Problems found in refused configurations";
    LAST_RELOAD_OK "vestibule_last_reload_ok" Kind::Gauge, [],
        "1 when the last configuration read was good, 0 when it was refused and an older one is in force";
    LAST_RELOAD_SUCCESS "vestibule_last_reload_success_timestamp_seconds" Kind::Gauge, [],
        "When the configuration in force took over, in seconds since 1970";
    SESSIONS "vestibule_sessions" Kind::Gauge, [],
        "Open sessions";
    STORE_FAILURES "vestibule_store_failures_total" Kind::Counter, [],
        "Groups of changes that the store's file could not take; their sign-ins were answered 503";
    STORE_WORKING "vestibule_store_working" Kind::Gauge, [],
        "1 while the store's file can be written, 0 when the last try failed";
    UPGRADES "vestibule_upgrades_total" Kind::Counter, ["result"],
        "New programs that were to take over: taken, or refused (the old one stays)";
    CONNECTIONS "vestibule_connections" Kind::Gauge, [],
        "Open connections of browsers";
    CERTIFICATE_EXPIRY "vestibule_certificate_expiry_timestamp_seconds" Kind::Gauge, ["name"],
        "When a certificate that is served ends, in seconds since 1970, by its first configured name";
    METADATA_VALID_UNTIL "vestibule_saml_metadata_valid_until_timestamp_seconds" Kind::Gauge, ["vendor"],
        "When what is known of a vendor's SAML metadata ends, in seconds since 1970; without one that is known and ends";
    TEMPLATE_PROBLEMS "vestibule_template_problems_total" Kind::Counter, [],
        "Times that the built-in page stood in for a template of the library's own";
    LOG_LINES_DROPPED "vestibule_log_lines_dropped_total" Kind::Counter, [],
        "Log lines given up because standard error could not take them in time";
    BUILD_INFO "vestibule_build_info" Kind::Gauge, ["version"],
        "Always 1; the label tells the version that runs";
}

impl Family {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    /// A family of counters, registered.
    pub(super) fn counters(&self, registry: &Registry) -> IntCounterVec {
        registered(registry, sound(IntCounterVec::new(self.opts(), self.labels)))
    }

    /// A family of gauges, registered.
    pub(super) fn gauges(&self, registry: &Registry) -> IntGaugeVec {
        registered(registry, sound(IntGaugeVec::new(self.opts(), self.labels)))
    }

    /// A family of histograms, registered.
    pub(super) fn histograms(&self, registry: &Registry) -> HistogramVec {
        let bounds = if let Kind::Histogram(bounds) = self.kind { bounds.to_vec() } else { Vec::new() };
        registered(registry, sound(HistogramVec::new(HistogramOpts::from(self.opts()).buckets(bounds), self.labels)))
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    sound(registry.register(Box::new(collector.clone())));
    collector
}

/// Unwraps what can fail only through a mistake in this folder: a bad or doubled name, or a wrong number of labels.
#[expect(clippy::expect_used, reason = "names and labels are literals of this folder, and a test makes every one")]
pub(super) fn sound<T>(made: prometheus::Result<T>) -> T {
    made.expect("the catalogue of metrics is sound")
}
