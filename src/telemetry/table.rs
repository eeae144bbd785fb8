//! The series that exist: resolved once at configuration load, so that counting an event is a look-up and an atomic
//! addition, and so that the number of series depends on the configuration alone, never on what patrons do.
use super::event::{Delivery, Document, Provided, SignIn, Stated};
use super::family::{self, sound};
use crate::domain::{Denial, Fault, LibraryId, VendorId};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};
use std::collections::{HashMap, HashSet};

/// The label of a name that the configuration does not know.
const OTHER: &str = "other";
/// The `vendor` label of the portal itself.
pub(super) const PORTAL: &str = "portal";
/// The classes of status, each at its first digit minus one.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", OTHER];
const FAULTS: [Fault; 4] = [Fault::Patron, Fault::Library, Fault::Vendor, Fault::Us];
const DENIALS: [Denial; 6] =
    [Denial::NoLicence, Denial::OutOfTerm, Denial::BorrowerClass, Denial::Branch, Denial::Age, Denial::Standing];

/// The families whose labels come from the configuration.
pub(super) struct Families {
    sign_ins: IntCounterVec,
    sign_outs: IntCounterVec,
    ils_trouble: IntCounterVec,
    ils_exchange: HistogramVec,
    ils_breaker: IntGaugeVec,
    decisions: IntCounterVec,
    denials: IntCounterVec,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    vendor_trouble: IntCounterVec,
    oidc: IntCounterVec,
    saml: IntCounterVec,
    logout_deliveries: IntCounterVec,
    document_trouble: IntCounterVec,
}

impl Families {
    /// Registers them.
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            sign_ins: family::SIGN_INS.counters(registry),
            sign_outs: family::SIGN_OUTS.counters(registry),
            ils_trouble: family::ILS_TROUBLE.counters(registry),
            ils_exchange: family::ILS_EXCHANGE_SECONDS.histograms(registry),
            ils_breaker: family::ILS_BREAKER_OPEN.gauges(registry),
            decisions: family::DECISIONS.counters(registry),
            denials: family::DENIALS.counters(registry),
            requests: family::REQUESTS.counters(registry),
            request_seconds: family::REQUEST_SECONDS.histograms(registry),
            vendor_trouble: family::VENDOR_TROUBLE.counters(registry),
            oidc: family::OIDC.counters(registry),
            saml: family::SAML.counters(registry),
            logout_deliveries: family::LOGOUT_DELIVERIES.counters(registry),
            document_trouble: family::DOCUMENT_TROUBLE.counters(registry),
        }
    }
}

/// A family, to remove series from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    SignIns,
    SignOuts,
    IlsTrouble,
    IlsExchange,
    IlsBreaker,
    Decisions,
    Denials,
    Requests,
    RequestSeconds,
    VendorTrouble,
    Oidc,
    Saml,
    LogoutDeliveries,
    DocumentTrouble,
}

/// Makes series and remembers which.
struct Maker<'a> {
    families: &'a Families,
    made: HashSet<(Of, Vec<String>)>,
}

impl Maker<'_> {
    fn note(&mut self, of: Of, labels: &[&str]) {
        self.made.insert((of, labels.iter().map(|&label| label.to_owned()).collect()));
    }

    fn counter(&mut self, of: Of, vec: &IntCounterVec, labels: &[&str]) -> IntCounter {
        self.note(of, labels);
        sound(vec.get_metric_with_label_values(labels))
    }

    fn histogram(&mut self, of: Of, vec: &HistogramVec, labels: &[&str]) -> Histogram {
        self.note(of, labels);
        sound(vec.get_metric_with_label_values(labels))
    }

    fn vendor(&mut self, name: &str) -> OfVendor {
        let families = self.families;
        OfVendor {
            requests: CLASSES.map(|class| self.counter(Of::Requests, &families.requests, &[name, class])),
            seconds: self.histogram(Of::RequestSeconds, &families.request_seconds, &[name]),
            trouble: self.counter(Of::VendorTrouble, &families.vendor_trouble, &[name]),
            oidc: Provided::ALL.map(|how| self.counter(Of::Oidc, &families.oidc, &[name, how.as_str()])),
            saml: Stated::ALL.map(|how| self.counter(Of::Saml, &families.saml, &[name, how.as_str()])),
            deliveries: Delivery::ALL
                .map(|of| self.counter(Of::LogoutDeliveries, &families.logout_deliveries, &[name, of.as_str()])),
            documents: Document::ALL
                .map(|of| self.counter(Of::DocumentTrouble, &families.document_trouble, &[name, of.as_str()])),
        }
    }

    fn decisions(&mut self, library: &str, vendor: &str) -> Decisions {
        let vec = &self.families.decisions;
        Decisions {
            entitled: self.counter(Of::Decisions, vec, &[library, vendor, "entitled"]),
            denied: self.counter(Of::Decisions, vec, &[library, vendor, "denied"]),
        }
    }

    fn library(&mut self, name: &str, vendors: &[VendorId]) -> OfLibrary {
        let families = self.families;
        OfLibrary {
            sign_ins: SignIn::ALL.map(|how| self.counter(Of::SignIns, &families.sign_ins, &[name, how.as_str()])),
            sign_outs: self.counter(Of::SignOuts, &families.sign_outs, &[name]),
            trouble: FAULTS.map(|f| self.counter(Of::IlsTrouble, &families.ils_trouble, &[name, f.as_str()])),
            denials: DENIALS.map(|d| self.counter(Of::Denials, &families.denials, &[name, d.as_str()])),
            decisions: vendors.iter().map(|id| (id.clone(), self.decisions(name, id.as_str()))).collect(),
            other: self.decisions(name, OTHER),
        }
    }

    fn ils(&mut self, name: &str) -> OfIls {
        let families = self.families;
        self.note(Of::IlsBreaker, &[name]);
        OfIls {
            exchange: self.histogram(Of::IlsExchange, &families.ils_exchange, &[name]),
            breaker: sound(families.ils_breaker.get_metric_with_label_values(&[name])),
        }
    }
}

/// A vendor's series, or the portal's.
pub(super) struct OfVendor {
    requests: [IntCounter; 6],
    /// Until the answer's head.
    pub(super) seconds: Histogram,
    /// Failures of the origin.
    pub(super) trouble: IntCounter,
    oidc: [IntCounter; 6],
    saml: [IntCounter; 6],
    /// In the order of [`Delivery::ALL`].
    deliveries: [IntCounter; 4],
    /// In the order of [`Document::ALL`].
    documents: [IntCounter; 3],
}

impl OfVendor {
    /// Counts a request to the OpenID Provider.
    pub(super) fn provided(&self, outcome: Provided) {
        count(&self.oidc, outcome.slot());
    }

    /// Counts a message to the SAML Identity Provider.
    pub(super) fn stated(&self, outcome: Stated) {
        count(&self.saml, outcome.slot());
    }

    /// Counts what became of the word of a sign-out.
    pub(super) fn delivery(&self, outcome: Delivery) {
        count(&self.deliveries, outcome.slot());
    }

    /// Counts a document that could not be used.
    pub(super) fn document(&self, document: Document) {
        count(&self.documents, document.slot());
    }

    /// The counter for a status.
    pub(super) fn requests(&self, status: u16) -> &IntCounter {
        let [one, two, three, four, five, other] = &self.requests;
        match status {
            100..=199 => one,
            200..=299 => two,
            300..=399 => three,
            400..=499 => four,
            500..=599 => five,
            _ => other,
        }
    }
}

/// The decisions on one vendor.
pub(super) struct Decisions {
    /// A licence admitted.
    pub(super) entitled: IntCounter,
    /// None did.
    pub(super) denied: IntCounter,
}

/// A library's series.
pub(super) struct OfLibrary {
    sign_ins: [IntCounter; 7],
    /// Sessions ended by the patron.
    pub(super) sign_outs: IntCounter,
    trouble: [IntCounter; 4],
    denials: [IntCounter; 6],
    decisions: HashMap<VendorId, Decisions>,
    other: Decisions,
}

impl OfLibrary {
    /// Counts a sign-in.
    pub(super) fn sign_in(&self, outcome: SignIn) {
        count(&self.sign_ins, outcome.slot());
    }

    /// Counts an ILS without a usable answer.
    pub(super) fn trouble(&self, fault: Fault) {
        // A match, so that a new fault cannot be forgotten here.
        count(
            &self.trouble,
            match fault {
                Fault::Patron => 0,
                Fault::Library => 1,
                Fault::Vendor => 2,
                Fault::Us => 3,
            },
        );
    }

    /// Counts the reason of a denial.
    pub(super) fn denial(&self, reason: Denial) {
        count(
            &self.denials,
            match reason {
                Denial::NoLicence => 0,
                Denial::OutOfTerm => 1,
                Denial::BorrowerClass => 2,
                Denial::Branch => 3,
                Denial::Age => 4,
                Denial::Standing => 5,
            },
        );
    }

    /// The decisions on a vendor.
    pub(super) fn decisions(&self, vendor: &VendorId) -> &Decisions {
        self.decisions.get(vendor).unwrap_or(&self.other)
    }
}

fn count(counters: &[IntCounter], slot: usize) {
    if let Some(counter) = counters.get(slot) {
        counter.inc();
    }
}

/// An ILS's series.
pub(super) struct OfIls {
    /// Times of exchanges.
    pub(super) exchange: Histogram,
    /// 1 while its breaker is open.
    pub(super) breaker: IntGauge,
}

/// Every series whose labels come from one configuration.
pub(super) struct Table {
    portal: OfVendor,
    vendors: HashMap<VendorId, OfVendor>,
    other_vendor: OfVendor,
    libraries: HashMap<LibraryId, OfLibrary>,
    other_library: OfLibrary,
    ilses: HashMap<String, OfIls>,
    other_ils: OfIls,
    made: HashSet<(Of, Vec<String>)>,
}

impl Table {
    /// Makes every series for a configuration.
    pub(super) fn make(families: &Families, libraries: &[LibraryId], vendors: &[VendorId], ilses: &[&str]) -> Self {
        let mut maker = Maker { families, made: HashSet::new() };
        Self {
            portal: maker.vendor(PORTAL),
            vendors: vendors.iter().map(|id| (id.clone(), maker.vendor(id.as_str()))).collect(),
            other_vendor: maker.vendor(OTHER),
            libraries: libraries.iter().map(|id| (id.clone(), maker.library(id.as_str(), vendors))).collect(),
            other_library: maker.library(OTHER, vendors),
            ilses: ilses.iter().map(|&id| (id.to_owned(), maker.ils(id))).collect(),
            other_ils: maker.ils(OTHER),
            made: maker.made,
        }
    }

    /// Removes the series that an older table made and this one did not.
    pub(super) fn supersede(&self, older: &Self, families: &Families) {
        for (of, labels) in older.made.difference(&self.made) {
            // An error says that the series is gone already.
            let _gone = match of {
                Of::SignIns => families.sign_ins.remove_label_values(labels),
                Of::SignOuts => families.sign_outs.remove_label_values(labels),
                Of::IlsTrouble => families.ils_trouble.remove_label_values(labels),
                Of::IlsExchange => families.ils_exchange.remove_label_values(labels),
                Of::IlsBreaker => families.ils_breaker.remove_label_values(labels),
                Of::Decisions => families.decisions.remove_label_values(labels),
                Of::Denials => families.denials.remove_label_values(labels),
                Of::Requests => families.requests.remove_label_values(labels),
                Of::RequestSeconds => families.request_seconds.remove_label_values(labels),
                Of::VendorTrouble => families.vendor_trouble.remove_label_values(labels),
                Of::Oidc => families.oidc.remove_label_values(labels),
                Of::Saml => families.saml.remove_label_values(labels),
                Of::LogoutDeliveries => families.logout_deliveries.remove_label_values(labels),
                Of::DocumentTrouble => families.document_trouble.remove_label_values(labels),
            };
        }
    }

    /// A vendor's series; the portal's for `None`.
    pub(super) fn vendor(&self, id: Option<&VendorId>) -> &OfVendor {
        id.map_or(&self.portal, |id| self.vendors.get(id).unwrap_or(&self.other_vendor))
    }

    /// A vendor's series; those of others for `None`.
    pub(super) fn vendor_or_other(&self, id: Option<&VendorId>) -> &OfVendor {
        id.and_then(|id| self.vendors.get(id)).unwrap_or(&self.other_vendor)
    }

    /// A library's series.
    pub(super) fn library(&self, id: &LibraryId) -> &OfLibrary {
        self.libraries.get(id).unwrap_or(&self.other_library)
    }

    /// An ILS's series.
    pub(super) fn ils(&self, id: &str) -> &OfIls {
        self.ilses.get(id).unwrap_or(&self.other_ils)
    }
}
