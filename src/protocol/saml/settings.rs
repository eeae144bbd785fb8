//! Reads `[vendor.saml]`: which service provider a vendor is, and what it may be told at most.
use super::federation::{FederationSettings, signers};
use super::location::{is_entity_id, web_address};
use super::metadata;
use super::peer::{Agreement, Encryption, Peer, Signed, Source};
use crate::domain::settings::{Reader, Reading, Table};
use crate::domain::{LibraryId, Vendor, VendorId};
use crate::protocol::Algorithm;
use std::collections::BTreeSet;
use std::sync::Arc;
use url::Url;

const AN_ENTITY_ID: &str = "an absolute URI of at most 256 printable ASCII characters, as the vendor's metadata has it";
const AN_ADDRESS: &str = "an address that begins with `https://`, without user";
const SOURCES: [&str; 3] = ["metadata_file", "metadata_url", "federation"];

/// What a vendor may be told, in a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Release {
    Anonymous,
    Pseudonymous,
    Library,
}

/// Reads the table; `None` after at least one problem was noted.
pub(in crate::protocol) fn read(settings: &Reader<'_>, vendor: &Arc<Vendor>) -> Option<Peer> {
    let found = source(settings);
    let issuers = settings.list("issuers", "the id of a library", |text| LibraryId::parse(text).ok());
    if issuers.as_ref().is_some_and(Vec::is_empty) {
        settings.problem("issuers", "expected at least one library, found none");
    }
    let agreement = agreement(settings, vendor);
    let signed = settings.word(
        "sign",
        &[
            ("both", Signed { response: true, assertion: true }),
            ("response", Signed { response: true, assertion: false }),
            ("assertion", Signed { response: false, assertion: true }),
        ],
    );
    let algorithm = settings.word("algorithm", &[("RS256", Algorithm::Rs256), ("ES256", Algorithm::Es256)]);
    let encryption = settings.word(
        "encryption",
        &[
            ("when_possible", Encryption::WhenPossible),
            ("required", Encryption::Required),
            ("never", Encryption::Never),
        ],
    );
    let cbc = settings.flag("encryption_cbc").unwrap_or_default();
    if cbc && encryption == Some(Encryption::Never) {
        settings.problem("encryption_cbc", "expected `false` with `encryption = \"never\"`, found `true`");
    }
    let start = settings.parsed("start_url", AN_ADDRESS, web_address);
    let unsolicited = settings.flag("unsolicited").unwrap_or_default();
    let targets = settings.list("targets", AN_ADDRESS, |text| web_address(text).map(|_| text.to_owned()));
    let (entity_id, source) = found?;
    Some(Peer {
        vendor: Arc::clone(vendor),
        entity_id,
        source,
        issuers,
        agreement,
        signed: signed.unwrap_or(Signed { response: true, assertion: true }),
        algorithm: algorithm.unwrap_or(Algorithm::Rs256),
        encryption: encryption.unwrap_or(Encryption::WhenPossible),
        cbc,
        unsolicited,
        start,
        targets: targets.unwrap_or_default(),
    })
}

fn agreement(settings: &Reader<'_>, vendor: &Vendor) -> Agreement {
    let words =
        [("anonymous", Release::Anonymous), ("pseudonymous", Release::Pseudonymous), ("library", Release::Library)];
    let release = settings.word("release", &words).unwrap_or(Release::Pseudonymous);
    let known_again = release != Release::Anonymous && !vendor.anonymous;
    let name = |key| {
        let on = settings.flag(key).unwrap_or_default();
        if on && !known_again {
            settings.problem(key, "expected `false` for a vendor that never knows a reader again, found `true`");
        }
        on && known_again
    };
    Agreement {
        known_again,
        entitlements: settings.flag("entitlements").unwrap_or(release == Release::Library),
        targeted_id: name("targeted_id"),
        persistent: name("persistent_name_id"),
    }
}

/// The service provider's name, and where its metadata comes from.
fn source(settings: &Reader<'_>) -> Option<(String, Source)> {
    let id = settings.parsed("entity_id", AN_ENTITY_ID, |text| is_entity_id(text).then(|| text.to_owned()));
    let given: Vec<_> = SOURCES.into_iter().filter(|key| settings.has(key)).collect();
    // Each is read, so that none of them is an unknown key.
    let (file, address, federation) = (file(settings, id.as_deref()), address(settings), federation(settings));
    if let [_, second, ..] = *given {
        settings.problem(second, "expected one of `metadata_file`, `metadata_url` and `federation`, found several");
        return None;
    }
    if given.is_empty() {
        settings.missing("metadata_file", "the vendor's metadata, or `metadata_url` or `federation`");
        return None;
    }
    if id.is_none() && !settings.has("entity_id") && !settings.has("metadata_file") {
        settings.missing("entity_id", AN_ENTITY_ID);
    }
    let source = file.or(address).or(federation)?;
    let named = match &source {
        Source::File(described) => Some(described.provider.entity_id.clone()),
        _ => None,
    };
    Some((if settings.has("entity_id") { id? } else { named? }, source))
}

fn file(settings: &Reader<'_>, entity_id: Option<&str>) -> Option<Source> {
    if !settings.has("metadata_file") {
        return None;
    }
    let content = settings.file("metadata_file")?;
    match metadata::of_operator(&content, entity_id) {
        Ok(described) => Some(Source::File(described)),
        Err(unfit) => {
            settings.problem("metadata_file", unfit.sentence());
            None
        }
    }
}

fn address(settings: &Reader<'_>) -> Option<Source> {
    let uri: Option<Url> = settings.parsed("metadata_url", AN_ADDRESS, web_address);
    if settings.has("metadata_key_file") && !settings.has("metadata_url") {
        settings.problem("metadata_key_file", "expected `metadata_url` beside it, found none");
    }
    let signers = if settings.has("metadata_key_file") {
        settings.file("metadata_key_file").and_then(|pem| signers(settings, "metadata_key_file", &pem))?
    } else {
        Vec::new()
    };
    Some(Source::Address { uri: uri?, signers })
}

fn federation(settings: &Reader<'_>) -> Option<Source> {
    let id = |text: &str| VendorId::parse(text).ok().map(|_| text.to_owned());
    settings.parsed("federation", "the id of a `[[saml.federation]]` table", id).map(Source::Federation)
}

/// Notes what is wrong with vendors together, which no table shows alone. Each comes with its `[vendor.saml]` table.
pub fn note_clashes(
    peers: &[(&Peer, &Table)],
    federations: &[FederationSettings],
    libraries: &BTreeSet<LibraryId>,
    reading: &Reading<'_>,
) {
    for (index, (peer, table)) in peers.iter().enumerate() {
        let clash = |key, text: String| reading.of(table).problem(key, text);
        if let Some((other, _)) = peers.iter().take(index).find(|(other, _)| other.entity_id == peer.entity_id) {
            let text = format!(
                "expected a service provider of its own, found that of the vendor `{}`: both would know a reader by one \
                 name",
                other.vendor.id
            );
            clash("entity_id", text);
        }
        if let Source::Federation(id) = &peer.source
            && !federations.iter().any(|federation| federation.id.as_str() == id)
        {
            clash("federation", "expected the id of a `[[saml.federation]]` table, found another".to_owned());
        }
        let known = |id: &LibraryId| libraries.contains(id);
        if !peer.issuers.iter().flatten().all(known) {
            clash("issuers", "expected libraries with `own_issuer = true`, found another id".to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
