//! Federations: who vouches for many service providers at once, where it says so, and with which key. Reads
//! `[[saml.federation]]`.
use super::location::web_address;
use crate::domain::settings::Reader;
use crate::domain::{AddressRule, VendorId};
use crate::egress::TlsTrust;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How far ahead a federation's word may hold.
const VALIDITY: RangeInclusive<Duration> = HOUR..=Duration::from_secs(365 * 24 * 60 * 60);
/// How often it is asked.
const REFRESH: RangeInclusive<Duration> = Duration::from_secs(10 * 60)..=DAY;
const DEFAULT_BYTES: i64 = 128 << 20;
const BYTES: RangeInclusive<i64> = (64 << 10)..=(256 << 20);
const AN_ADDRESS: &str = "an address that begins with `https://`, without user";
const A_BASE: &str = "an address that begins with `https://` and ends with `/`, without user, query and fragment";
const SIGNERS: &str = "expected PEM certificates of who signs the metadata, RSA of at least 2048 bits or ECDSA on P-256 or \
                       P-384; found others or none";

/// Where a federation's word is had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// One description after the other, by the Metadata Query Protocol: the base address, which ends with `/`.
    Query(Url),
    /// All in one document.
    Aggregate(Url),
    /// The same, in a file that something else on this machine fetches.
    File(PathBuf),
}

/// A federation.
#[derive(Clone, Debug)]
pub struct FederationSettings {
    /// The id in the configuration.
    pub(super) id: VendorId,
    pub(super) place: Place,
    /// The certificates of which one must have signed (DER).
    pub(super) signers: Vec<Vec<u8>>,
    /// How far ahead its word may hold at most.
    pub(super) max_validity: Duration,
    /// How often it is asked, unless it wants to be asked more often.
    pub(super) refresh: Duration,
    /// How large a document may be.
    pub(super) max_bytes: usize,
    /// The authorities for TLS; `None` for the operating system's.
    pub(super) authorities: Option<Arc<Vec<CertificateDer<'static>>>>,
    /// Private addresses at which it may be asked.
    pub(super) private_addresses: Vec<AddressRule>,
}

impl FederationSettings {
    /// Whom to believe in TLS.
    pub(super) fn trust(&self) -> TlsTrust {
        self.authorities.as_ref().map_or(TlsTrust::Platform, |roots| TlsTrust::Roots(roots.to_vec()))
    }
}

/// Reads the `[[saml.federation]]` tables of `[saml]`; `None` after at least one problem was noted.
pub(super) fn read(saml: &Reader<'_>) -> Option<Vec<FederationSettings>> {
    let mut all: Vec<FederationSettings> = Vec::new();
    let mut good = true;
    for table in saml.tables("federation") {
        match federation(&table) {
            Some(federation) if all.iter().any(|other| other.id == federation.id) => {
                table.problem("id", "expected an id of its own, found that of another federation");
                good = false;
            }
            Some(federation) => all.push(federation),
            None => good = false,
        }
        table.finish();
    }
    good.then_some(all)
}

fn federation(table: &Reader<'_>) -> Option<FederationSettings> {
    let id = table.required("id", "1 to 40 lower-case ASCII letters, digits and inner hyphens", |text| {
        VendorId::parse(text).ok()
    });
    let place = place(table);
    let key = if table.has("key_file") {
        table.file("key_file").and_then(|pem| signers(table, "key_file", &pem))
    } else {
        table.missing("key_file", "a PEM file with the certificate of who signs the metadata");
        None
    };
    let max_validity = table.duration("max_validity", VALIDITY);
    let refresh = table.duration("refresh", REFRESH);
    let max_bytes = table.integer("max_bytes", BYTES).unwrap_or(DEFAULT_BYTES);
    let authorities = if table.has("ca_file") {
        let pem = table.file("ca_file")?;
        let found = certificates(&pem);
        if found.is_none() {
            table.problem("ca_file", "expected PEM certificates of authorities, found none");
        }
        Some(Arc::new(found?))
    } else {
        None
    };
    let private = table.list("private_addresses", "an address range such as `192.0.2.0/24`", AddressRule::parse);
    Some(FederationSettings {
        id: id?,
        place: place?,
        signers: key?,
        max_validity: max_validity.unwrap_or(28 * DAY),
        refresh: refresh.unwrap_or(6 * HOUR),
        max_bytes: usize::try_from(max_bytes).unwrap_or_default(),
        authorities,
        private_addresses: private.unwrap_or_default(),
    })
}

fn place(table: &Reader<'_>) -> Option<Place> {
    const KEYS: [&str; 3] = ["mdq_url", "aggregate_url", "aggregate_file"];
    let base = |text: &str| {
        web_address(text).filter(|url| text.ends_with('/') && url.query().is_none() && url.fragment().is_none())
    };
    let query = table.parsed("mdq_url", A_BASE, base).map(Place::Query);
    let aggregate = table.parsed("aggregate_url", AN_ADDRESS, web_address).map(Place::Aggregate);
    let file = table.place("aggregate_file").map(Place::File);
    let given: Vec<_> = KEYS.into_iter().filter(|key| table.has(key)).collect();
    match *given {
        [] => table.missing("mdq_url", "where the federation is asked, or `aggregate_url` or `aggregate_file`"),
        [_] => {}
        [_, second, ..] => {
            table.problem(second, "expected one of `mdq_url`, `aggregate_url` and `aggregate_file`, found several");
            return None;
        }
    }
    query.or(aggregate).or(file)
}

/// The certificates in a PEM file (DER); `None` where there is none, or something that is none.
pub(super) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty())
}

/// Those of them that `key` names and that sign metadata; `None` after a problem was noted.
pub(super) fn signers(table: &Reader<'_>, key: &str, pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let all: Vec<Vec<u8>> = certificates(pem).unwrap_or_default().iter().map(|der| der.to_vec()).collect();
    let good = !all.is_empty() && all.iter().all(|der| super::key::VerificationKey::from_certificate(der).is_some());
    if !good {
        table.problem(key, SIGNERS);
    }
    good.then_some(all)
}
