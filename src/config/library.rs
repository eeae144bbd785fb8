//! `[[ils]]` and `[[library]]` tables.
use super::parse::{Context, Ids, never_empty};
use super::{IlsSettings, LibrarySettings, names};
use crate::domain::settings::Reader;
use crate::domain::{AddressRule, Code, Library, LibraryId, State};
use std::sync::Arc;
use url::Url;

/// The entitlement value of licences for all members of a library, as federations registered it.
const COMMON_LIB_TERMS: &str = "urn:mace:dir:entitlement:common-lib-terms";

/// What an id looks like.
pub(super) const AN_ID: &str = "1 to 40 lower-case ASCII letters, digits and inner hyphens";

/// All libraries and their systems.
#[derive(Default)]
pub(super) struct Libraries {
    pub(super) ids: Ids,
    pub(super) ilses: Vec<IlsSettings>,
    pub(super) all: Vec<LibrarySettings>,
}

pub(super) fn read(root: &Reader<'_>, context: &Context<'_>) -> Libraries {
    let mut ils_ids = Ids::default();
    let mut ilses = Vec::new();
    for table in root.tables("ils") {
        // The rest of the table is for `patron::ils` to read, and to finish.
        let Some(id) = id(&table) else { continue };
        ils_ids.take(&table, &id);
        ilses.push(IlsSettings { id, table: table.table_read().clone() });
    }
    let mut ids = Ids::default();
    let tables = root.tables("library");
    if tables.is_empty() && !root.has("library") {
        root.missing("library", "a `[[library]]` table");
    }
    never_empty(root, "library", "expected at least one `[[library]]` table, found none");
    let mut libraries = Vec::with_capacity(tables.len());
    for table in tables {
        libraries.extend(library(&table, &mut ids, &ils_ids));
        table.finish();
    }
    warn_of_unused(root, context, &libraries);
    Libraries { ids, ilses, all: libraries }
}

fn warn_of_unused(root: &Reader<'_>, context: &Context<'_>, libraries: &[LibrarySettings]) {
    for table in root.tables("ils") {
        let unused = id(&table).is_some_and(|id| libraries.iter().all(|library| library.ils != id));
        if unused {
            context.warn(&table, "id", "no library uses this system");
        }
    }
}

/// Reads a table's id. All ids have the same shape.
pub(super) fn id(table: &Reader<'_>) -> Option<String> {
    table.required("id", AN_ID, |text| LibraryId::parse(text).ok().map(|_| text.to_owned()))
}

fn library(table: &Reader<'_>, ids: &mut Ids, ils_ids: &Ids) -> Option<LibrarySettings> {
    let id = id(table).inspect(|id| ids.take(table, id));
    let name = name(table);
    let scope = table.required("scope", "a domain name such as `westport.example.org`", names::dns_name);
    let ils = table.required("ils", "the id of an `[[ils]]` table of this configuration", |text| {
        Some(text.to_owned()).filter(|id| ils_ids.has(id))
    });
    let affiliation = table.word("affiliation", &AFFILIATIONS).unwrap_or("member");
    let entitlements = table.list("entitlements", "a URI without spaces", entitlement);
    let admit = states(table, "admit");
    let library = Library {
        id: LibraryId::parse(&id?).ok()?,
        name: name?,
        scope: scope?,
        affiliation: affiliation.to_owned(),
        entitlements: entitlements.unwrap_or_else(|| vec![COMMON_LIB_TERMS.to_owned()]),
        admit: admit.unwrap_or_else(|| vec![State::Good]),
        branches: codes(table, "branches"),
        premises: table.list("premises", AN_ADDRESS_RANGE, AddressRule::parse).unwrap_or_default(),
        own_issuer: table.flag("own_issuer").unwrap_or_default(),
        help_url: table.parsed("help_url", "an `https:`, `http:`, `mailto:` or `tel:` address", help_url),
    };
    Some(LibrarySettings { library: Arc::new(library), ils: ils? })
}

/// What an address range looks like.
pub(super) const AN_ADDRESS_RANGE: &str = "an address range such as `192.0.2.0/24`";

/// eduPerson 2020-01 §2.2.1.
const AFFILIATIONS: [(&str, &str); 8] = [
    ("member", "member"),
    ("affiliate", "affiliate"),
    ("library-walk-in", "library-walk-in"),
    ("student", "student"),
    ("faculty", "faculty"),
    ("staff", "staff"),
    ("employee", "employee"),
    ("alum", "alum"),
];

/// A name on pages.
pub(super) fn name(table: &Reader<'_>) -> Option<String> {
    table.required("name", "a name of 1 to 200 printable characters", |text| {
        let fine = !text.trim().is_empty() && text.chars().count() <= 200 && !text.chars().any(char::is_control);
        fine.then(|| text.trim().to_owned())
    })
}

/// States of a card. Nobody has none of them.
pub(super) fn states(table: &Reader<'_>, key: &str) -> Option<Vec<State>> {
    never_empty(table, key, "expected at least one state, found none; nobody could use it");
    table.list(key, "one of `good`, `expired`, `blocked`", State::parse)
}

/// Codes of the library's system. A list that is there but empty is refused: does it mean nobody, or everybody?
pub(super) fn codes(table: &Reader<'_>, key: &str) -> Vec<Code> {
    never_empty(table, key, "expected at least one code, found none; leave the key out for any");
    table.list(key, "a code of 1 to 64 printable characters", Code::parse).unwrap_or_default()
}

fn entitlement(text: &str) -> Option<String> {
    let fine = text.len() <= 255 && text.bytes().all(|b| b.is_ascii_graphic()) && Url::parse(text).is_ok();
    fine.then(|| text.to_owned())
}

fn help_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let fine = ["https", "http", "mailto", "tel"].contains(&url.scheme()) && !text.contains(char::is_control);
    fine.then(|| text.to_owned())
}
