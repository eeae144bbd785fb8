//! Who we are to vendors: `[saml]` of the configuration, and the entities that it and the libraries make. There is one entity
//! for all libraries, and one more for each library that is an issuer of its own.
use super::federation::{self, FederationSettings};
use super::location::{is_entity_id, secure_address};
use crate::domain::settings::Reader;
use crate::domain::{Library, LibraryId};
use std::collections::BTreeSet;
use std::sync::Arc;

const AN_ENTITY_ID: &str = "an absolute URI of at most 256 characters, such as `https://idp.example.org/saml/metadata`";
const A_URI: &str = "an absolute URI of at most 256 characters";
const AN_ADDRESS: &str = "an address that begins with `https://`, without user";
const A_CONTACT: &str = "an e-mail address such as `mailto:it@example.org`";
const A_LIBRARY: &str = "the id of a library with `own_issuer = true`";

/// What `[saml]` says; its default is what holds without the table.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    entity_id: Option<String>,
    own: Vec<(LibraryId, String)>,
    pub(super) organization: Option<Organization>,
    pub(super) logo: Option<Logo>,
    pub(super) information_url: Option<String>,
    pub(super) privacy_url: Option<String>,
    pub(super) error_url: Option<String>,
    /// In the order in which metadata names them.
    pub(super) contacts: Vec<Contact>,
    /// Frameworks that we say we follow, such as Sirtfi.
    pub(super) assurance: Vec<String>,
    /// `eduPersonAssurance` of every reader with a name.
    pub(super) assurance_values: Vec<String>,
    pub(super) federations: Vec<FederationSettings>,
}

/// Who runs the identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Organization {
    /// Its name.
    pub(super) name: String,
    /// Its site.
    pub(super) url: String,
}

/// A picture that vendors show beside our name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logo {
    /// Where it is.
    pub(super) url: String,
    /// In pixels.
    pub(super) width: i64,
    /// In pixels.
    pub(super) height: i64,
}

/// Whom a vendor may write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    /// About what.
    pub(super) kind: ContactKind,
    /// A `mailto:` address.
    pub(super) address: String,
}

/// About what a contact is (Metadata 2.3.2.2, REFEDS Security Contact).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContactKind {
    /// How it works.
    Technical,
    /// Readers who need help.
    Support,
    /// Contracts and policies.
    Administrative,
    /// Incidents.
    Security,
}

const CONTACTS: [(&str, ContactKind); 4] = [
    ("technical_contact", ContactKind::Technical),
    ("support_contact", ContactKind::Support),
    ("administrative_contact", ContactKind::Administrative),
    ("security_contact", ContactKind::Security),
];

impl Settings {
    /// Reads the table and ends the reading. `libraries` are those that are issuers of their own.
    #[must_use]
    pub fn read(table: Reader<'_>, libraries: &BTreeSet<LibraryId>) -> Self {
        let entity_id = table.parsed("entity_id", AN_ENTITY_ID, absolute_uri);
        let own = own_ids(&table, entity_id.as_deref(), libraries);
        let uris = |key| table.list(key, A_URI, absolute_uri).unwrap_or_default();
        let address = |key| table.parsed(key, AN_ADDRESS, https);
        let contact = |(key, kind)| Some(Contact { kind, address: table.parsed(key, A_CONTACT, mailto)? });
        let settings = Self {
            entity_id,
            own,
            organization: organization(&table),
            logo: logo(&table),
            information_url: address("information_url"),
            privacy_url: address("privacy_url"),
            error_url: address("error_url"),
            contacts: CONTACTS.into_iter().filter_map(contact).collect(),
            assurance: uris("assurance"),
            assurance_values: uris("assurance_values"),
            federations: federation::read(&table).unwrap_or_default(),
        };
        table.finish();
        settings
    }

    /// Who vouches for many vendors at once.
    #[must_use]
    pub fn federations(&self) -> &[FederationSettings] {
        &self.federations
    }
}

/// `[[saml.library]]`: entityIDs that libraries had before, each of one library alone.
fn own_ids(table: &Reader<'_>, common: Option<&str>, libraries: &BTreeSet<LibraryId>) -> Vec<(LibraryId, String)> {
    let mut all: Vec<(LibraryId, String)> = Vec::new();
    for one in table.tables("library") {
        let own_issuer = |text: &str| LibraryId::parse(text).ok().filter(|id| libraries.contains(id));
        let library = one.required("library", A_LIBRARY, own_issuer);
        let entity_id = one.required("entity_id", AN_ENTITY_ID, absolute_uri);
        if let (Some(library), Some(entity_id)) = (library, entity_id) {
            if all.iter().any(|(known, _)| *known == library) {
                one.problem("library", "expected each library once, found one again");
            }
            if common == Some(&*entity_id) || all.iter().any(|(_, known)| *known == entity_id) {
                one.problem("entity_id", "expected an entityID of its own, found one that is taken");
            }
            all.push((library, entity_id));
        }
        one.finish();
    }
    all
}

fn organization(table: &Reader<'_>) -> Option<Organization> {
    let inner = table.table("organization")?;
    let name = inner.required("name", "a name of 1 to 256 characters", |text| {
        (!text.trim().is_empty() && text.chars().count() <= 256).then(|| text.trim().to_owned())
    });
    let url = inner.required("url", AN_ADDRESS, https);
    inner.finish();
    Some(Organization { name: name?, url: url? })
}

fn logo(table: &Reader<'_>) -> Option<Logo> {
    let url = table.parsed("logo_url", AN_ADDRESS, https);
    let sides = ["logo_width", "logo_height"].map(|key| {
        if table.has("logo_url") && !table.has(key) {
            table.missing(key, "a number of pixels with `logo_url`");
        } else if table.has(key) && !table.has("logo_url") {
            table.problem(key, "expected `logo_url` too, found nothing");
        }
        table.integer(key, 1..=10_000)
    });
    let [width, height] = sides;
    Some(Logo { url: url?, width: width?, height: height? })
}

/// A URI with a scheme, to the letter.
fn absolute_uri(text: &str) -> Option<String> {
    is_entity_id(text).then(|| text.to_owned())
}

/// An address of ours or of the library's own, to the letter.
fn https(text: &str) -> Option<String> {
    secure_address(text).map(|_| text.to_owned())
}

fn mailto(text: &str) -> Option<String> {
    let (mailbox, host) = text.strip_prefix("mailto:")?.split_once('@')?;
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\@?&,;:()[]".contains(&b))
    };
    (plain(mailbox) && plain(host) && text.len() <= 261).then(|| text.to_owned())
}

/// An identity provider, as vendors tell one from another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "an entityID is called so everywhere")]
pub struct Entity {
    pub(super) entity_id: String,
    /// The address below which its own are, without a slash at the end.
    pub(super) base: String,
    /// The library whose patrons alone it speaks for; `None` for all libraries'.
    pub(super) library: Option<LibraryId>,
    /// The scopes that it may use, each once.
    pub(super) scopes: Vec<String>,
    /// What pages of vendors may call it.
    pub(super) name: String,
}

impl Entity {
    /// The entityID.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// The library whose patrons alone it speaks for; `None` for all libraries'.
    #[must_use]
    pub const fn library(&self) -> Option<&LibraryId> {
        self.library.as_ref()
    }

    /// Where its metadata is.
    #[must_use]
    pub fn metadata(&self) -> String {
        format!("{}/saml/metadata", self.base)
    }

    /// Where sign-ins are asked for.
    #[must_use]
    pub fn sso(&self) -> String {
        format!("{}/saml/sso", self.base)
    }

    /// Where sign-outs are asked for.
    #[must_use]
    pub fn slo(&self) -> String {
        format!("{}/saml/slo", self.base)
    }
}

/// Every entity that we are.
#[derive(Clone, Debug)]
pub struct Entities {
    /// The address of the portal.
    pub(super) origin: String,
    common: Entity,
    own: Vec<Entity>,
}

impl Entities {
    /// The entities of these libraries at the portal with this origin.
    #[must_use]
    pub fn new<'l>(origin: &str, settings: &Settings, libraries: impl IntoIterator<Item = &'l Arc<Library>>) -> Self {
        let libraries: Vec<_> = libraries.into_iter().collect();
        let mut scopes: Vec<String> = Vec::new();
        for library in &libraries {
            if !scopes.contains(&library.scope) {
                scopes.push(library.scope.clone());
            }
        }
        let name = match (&settings.organization, &libraries[..]) {
            (Some(organization), _) => organization.name.clone(),
            (None, [only]) => only.name.clone(),
            (None, _) => origin.trim_start_matches("https://").to_owned(),
        };
        let common = entity(origin.to_owned(), settings.entity_id.as_ref(), (None, scopes, name));
        let own = libraries.iter().filter(|library| library.own_issuer).map(|library| {
            let named = settings.own.iter().find(|(id, _)| *id == library.id).map(|(_, entity_id)| entity_id);
            let of = (Some(library.id.clone()), vec![library.scope.clone()], library.name.clone());
            entity(format!("{origin}/at/{}", library.id), named, of)
        });
        let own = own.collect();
        Self { origin: origin.to_owned(), common, own }
    }

    /// The entity of a library that is an issuer of its own, or with `None` that of all.
    #[must_use]
    pub fn of(&self, library: Option<&LibraryId>) -> Option<&Entity> {
        match library {
            None => Some(&self.common),
            Some(library) => self.own.iter().find(|entity| entity.library.as_ref() == Some(library)),
        }
    }

    /// The entity with this entityID.
    #[must_use]
    pub fn named(&self, entity_id: &str) -> Option<&Entity> {
        self.iter().find(|entity| entity.entity_id == entity_id)
    }

    /// Every entity, that of all libraries first.
    pub fn iter(&self) -> impl Iterator<Item = &Entity> {
        std::iter::once(&self.common).chain(&self.own)
    }
}

fn entity(
    base: String,
    entity_id: Option<&String>,
    (library, scopes, name): (Option<LibraryId>, Vec<String>, String),
) -> Entity {
    let entity_id = entity_id.cloned().unwrap_or_else(|| format!("{base}/saml/metadata"));
    Entity { entity_id, base, library, scopes, name }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::State;
    use crate::domain::settings::{Node, Place, Reading, Secrets, Table, Value};
    use zeroize::Zeroizing;

    struct NoSecrets;

    impl Secrets for NoSecrets {
        fn file(&self, _: &str) -> Result<Zeroizing<Vec<u8>>, String> {
            Err(String::new())
        }

        fn environment(&self, _: &str) -> Result<Zeroizing<Vec<u8>>, String> {
            Err(String::new())
        }
    }

    fn place() -> Place {
        Place { file: Arc::from("test"), line: 0 }
    }

    fn node(path: &str, value: &toml::Value) -> Node {
        let value = match value {
            toml::Value::String(text) => Value::Text(text.clone()),
            toml::Value::Integer(n) => Value::Integer(*n),
            toml::Value::Boolean(flag) => Value::Flag(*flag),
            toml::Value::Array(items) => {
                let each = items.iter().enumerate();
                Value::List(each.map(|(i, item)| node(&format!("{path}[{i}]"), item)).collect())
            }
            toml::Value::Table(inner) => Value::Table(table(path, inner)),
            _ => Value::Other("something else"),
        };
        Node { value, place: place() }
    }

    fn table(path: &str, toml: &toml::Table) -> Table {
        let entry = |(key, value): (&String, &toml::Value)| (key.clone(), node(&format!("{path}.{key}"), value));
        Table { path: path.to_owned(), place: place(), entries: toml.iter().map(entry).collect() }
    }

    /// What `[saml]` with these lines says, and what is wrong with it. `westport` and `eastport` are issuers of their own.
    pub(in crate::protocol::saml) fn read(lines: &str) -> (Settings, Vec<String>) {
        let table = table("saml", &toml::from_str(lines).unwrap());
        let reading = Reading::new(&NoSecrets);
        let own = ["westport", "eastport"].map(|id| LibraryId::parse(id).unwrap());
        let settings = Settings::read(reading.of(&table), &BTreeSet::from(own));
        let problem = |problem: &crate::domain::settings::Problem| format!("{}: {}", problem.path, problem.text);
        (settings, reading.into_problems().iter().map(problem).collect())
    }

    /// A library with an entityID of its own, or without.
    pub(in crate::protocol::saml) fn library(id: &str, own_issuer: bool) -> Arc<Library> {
        Arc::new(Library {
            id: LibraryId::parse(id).unwrap(),
            name: format!("The {id} <Library>"),
            scope: format!("{id}.example.org"),
            affiliation: "member".to_owned(),
            entitlements: Vec::new(),
            admit: vec![State::Good],
            branches: Vec::new(),
            premises: Vec::new(),
            own_issuer,
            help_url: None,
        })
    }

    #[test]
    fn everything_can_be_said() {
        let (settings, problems) = read(
            "entity_id = 'urn:example:idp'\n\
             organization = { name = 'Example Library', url = 'https://www.example.org' }\n\
             logo_url = 'https://www.example.org/l.png'\nlogo_width = 80\nlogo_height = 60\n\
             information_url = 'https://www.example.org/i'\nprivacy_url = 'https://www.example.org/p'\n\
             error_url = 'https://www.example.org/e'\n\
             technical_contact = 'mailto:it@example.org'\nsupport_contact = 'mailto:desk@example.org'\n\
             administrative_contact = 'mailto:head@example.org'\nsecurity_contact = 'mailto:cert@example.org'\n\
             assurance = ['https://refeds.org/sirtfi']\nassurance_values = ['https://refeds.org/assurance']\n\
             [[library]]\nlibrary = 'westport'\nentity_id = 'https://idp.westport.example/idp/shibboleth'\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(settings.logo, Some(Logo { url: "https://www.example.org/l.png".into(), width: 80, height: 60 }));
        assert_eq!(settings.contacts.len(), 4);
        let libraries = [library("westport", true), library("eastport", true), library("northport", false)];
        let entities = Entities::new("https://login.example.org", &settings, &libraries);
        let all: Vec<_> = entities.iter().map(|e| (e.entity_id.as_str(), e.sso(), e.scopes.len())).collect();
        let at = |base: &str| format!("https://login.example.org{base}/saml/sso");
        assert_eq!(
            all,
            [
                ("urn:example:idp", at(""), 3),
                ("https://idp.westport.example/idp/shibboleth", at("/at/westport"), 1),
                ("https://login.example.org/at/eastport/saml/metadata", at("/at/eastport"), 1),
            ]
        );
        assert_eq!(entities.of(None).unwrap().name, "Example Library");
        assert_eq!(entities.named("urn:example:idp"), entities.of(None));
        let northport = LibraryId::parse("northport").unwrap();
        assert_eq!(entities.of(Some(&northport)), None, "a library without an issuer of its own");
    }

    #[test]
    fn without_a_table_addresses_are_names() {
        let entities = Entities::new("https://login.example.org", &Settings::default(), &[library("westport", false)]);
        let common = entities.of(None).unwrap();
        assert_eq!(common.entity_id, "https://login.example.org/saml/metadata");
        assert_eq!(
            (common.metadata(), common.slo()),
            (common.entity_id.clone(), "https://login.example.org/saml/slo".into())
        );
        assert_eq!(common.name, "The westport <Library>");
        assert_eq!(entities.iter().count(), 1);
    }

    #[test]
    fn each_mistake_is_told_with_its_key() {
        let long = format!("entity_id = 'https://e/{}'", "x".repeat(250));
        for (lines, path) in [
            ("entity_id = 'idp'", "saml.entity_id"),
            ("entity_id = 'https://idp.example/a b'", "saml.entity_id"),
            (long.as_str(), "saml.entity_id"),
            ("privacy_url = 'http://www.example.org'", "saml.privacy_url"),
            ("error_url = 'javascript:alert(1)'", "saml.error_url"),
            ("information_url = 'https://me:pin@www.example.org'", "saml.information_url"),
            ("logo_url = 'https://www.example.org/l.png'\nlogo_height = 1", "saml.logo_width"),
            ("logo_width = 3", "saml.logo_width"),
            ("organization = { name = 'x' }", "saml.organization.url"),
            ("organization = { name = ' ', url = 'https://x.example' }", "saml.organization.name"),
            ("technical_contact = 'it@example.org'", "saml.technical_contact"),
            ("security_contact = 'mailto:it@example.org?cc=x@example.org'", "saml.security_contact"),
            ("assurance = ['sirtfi']", "saml.assurance[0]"),
            ("[[library]]\nlibrary = 'northport'\nentity_id = 'urn:example:n'", "saml.library[0].library"),
            ("[[library]]\nlibrary = 'westport'", "saml.library[0].entity_id"),
            (
                "entity_id = 'urn:example:n'\n[[library]]\nlibrary = 'westport'\nentity_id = 'urn:example:n'",
                "saml.library[0].entity_id",
            ),
            (
                "[[library]]\nlibrary = 'westport'\nentity_id = 'urn:example:a'\n\
                 [[library]]\nlibrary = 'westport'\nentity_id = 'urn:example:b'",
                "saml.library[1].library",
            ),
        ] {
            let (_, problems) = read(lines);
            assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
            assert!(problems[0].starts_with(&format!("{path}: expected ")), "{lines}: {problems:?}");
        }
        let (_, problems) = read("technical_contct = 'mailto:it@example.org'");
        assert_eq!(problems, ["saml.technical_contct: unknown key; did you mean `technical_contact`?"]);
    }
}
