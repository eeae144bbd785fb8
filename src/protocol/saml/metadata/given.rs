//! Metadata of make-believe service providers and federations, for tests.
use crate::protocol::saml::verified::testing::Signer;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;

/// The namespaces of metadata.
const SPACES: &str = "xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" \
    xmlns:mdattr=\"urn:oasis:names:tc:SAML:metadata:attribute\" xmlns:mdui=\"urn:oasis:names:tc:SAML:metadata:ui\" \
    xmlns:mdrpi=\"urn:oasis:names:tc:SAML:metadata:rpi\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
    xmlns:init=\"urn:oasis:names:tc:SAML:profiles:SSO:request-init\"";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// An entity, to be written.
pub(in crate::protocol::saml) struct Entity {
    /// Its name.
    pub(in crate::protocol::saml) id: String,
    /// Attributes of the entity.
    pub(in crate::protocol::saml) attributes: String,
    /// What comes before its role.
    pub(in crate::protocol::saml) extensions: String,
    /// Attributes of its role.
    pub(in crate::protocol::saml) role: String,
    /// What is in its role; in the order of the schema.
    pub(in crate::protocol::saml) inside: String,
}

/// Where readers are sent at a service provider.
pub(in crate::protocol::saml) fn consumer(location: &str) -> String {
    format!("<md:AssertionConsumerService Binding=\"{POST}\" Location=\"{location}\" index=\"1\"/>")
}

/// A key of a service provider.
pub(in crate::protocol::saml) fn key(usage: &str, certificate: &[u8], more: &str) -> String {
    format!(
        "<md:KeyDescriptor{usage}><ds:KeyInfo><ds:X509Data><ds:X509Certificate>\n{}\n</ds:X509Certificate></ds:X509Data>\
         </ds:KeyInfo>{more}</md:KeyDescriptor>",
        STANDARD.encode(certificate)
    )
}

/// A plain service provider.
pub(in crate::protocol::saml) fn entity(id: &str) -> Entity {
    Entity {
        id: id.to_owned(),
        attributes: String::new(),
        extensions: String::new(),
        role: String::new(),
        inside: consumer("https://sp.example/acs"),
    }
}

impl Entity {
    fn write(&self, attributes: &str, first: &str) -> String {
        let Self { id, attributes: own, extensions, role, inside } = self;
        format!(
            "<md:EntityDescriptor {attributes} {own} entityID=\"{id}\">{first}{extensions}<md:SPSSODescriptor {role} \
             protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{inside}</md:SPSSODescriptor>\
             </md:EntityDescriptor>"
        )
    }

    /// As a document.
    pub(in crate::protocol::saml) fn document(&self) -> String {
        self.write(SPACES, "")
    }

    /// As a document that is signed.
    pub(in crate::protocol::saml) fn signed(&self, signer: &Signer) -> String {
        signer.sign(&self.write(&format!("{SPACES} ID=\"_e\""), "{signature}"), "_e")
    }
}

/// Entities together, without a signature.
pub(in crate::protocol::saml) fn together(attributes: &str, inside: &str) -> String {
    format!("<md:EntitiesDescriptor {SPACES} ID=\"_all\" {attributes}>{{signature}}{inside}</md:EntitiesDescriptor>")
}

/// Entities as a part of a document.
pub(in crate::protocol::saml) fn inner(entities: &[Entity]) -> String {
    entities.iter().map(|entity| entity.write("", "")).collect()
}

/// A signed aggregate of entities.
pub(in crate::protocol::saml) fn aggregate(signer: &Signer, attributes: &str, entities: &[Entity]) -> String {
    signer.sign(&together(attributes, &inner(entities)), "_all")
}

/// A signed aggregate of so many entities, each about as large as those of real federations.
pub(in crate::protocol::saml) fn large(signer: &Signer, attributes: &str, entities: usize) -> String {
    let certificate = signer.expired_certificate();
    let mut all = String::with_capacity(entities * 5600);
    for n in 0..entities {
        let mut one = entity(&format!("https://sp{n}.example/shibboleth"));
        one.extensions = categories("http://macedir.org/entity-category", &["https://refeds.org/category/anonymous"]);
        let mut inside = format!(
            "<md:Extensions><mdui:UIInfo><mdui:DisplayName xml:lang=\"en\">Service number {n}</mdui:DisplayName>\
             <mdui:Description xml:lang=\"en\">{}</mdui:Description></mdui:UIInfo></md:Extensions>",
            "A service of which much is to be said. ".repeat(18)
        );
        inside += &key(" use=\"signing\"", &certificate, "");
        inside += &key(" use=\"encryption\"", &certificate, "");
        for index in 0..4 {
            let _ = write!(
                inside,
                "<md:AssertionConsumerService Binding=\"{POST}\" index=\"{index}\" \
                 Location=\"https://sp{n}.example/Shibboleth.sso/SAML2/POST/{index}\"/>"
            );
        }
        for name in 0..6 {
            let _ = write!(
                inside,
                "<!-- {name} --><md:AttributeConsumingService index=\"{name}\"><md:RequestedAttribute \
                 Name=\"urn:oid:1.3.6.1.4.1.5923.1.1.1.{name}\" isRequired=\"true\" \
                 NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:uri\"/></md:AttributeConsumingService>"
            );
        }
        one.inside = inside;
        all += &one.write("", "");
    }
    signer.sign(&together(attributes, &all), "_all")
}

/// `mdattr:EntityAttributes` with one attribute.
pub(in crate::protocol::saml) fn categories(name: &str, values: &[&str]) -> String {
    let values: String =
        values.iter().map(|v| ["<saml:AttributeValue>", v, "</saml:AttributeValue>"].concat()).collect();
    format!(
        "<md:Extensions><mdattr:EntityAttributes><saml:Attribute Name=\"{name}\" \
         NameFormat=\"urn:oasis:names:tc:SAML:2.0:attrname-format:uri\">{values}</saml:Attribute>\
         </mdattr:EntityAttributes></md:Extensions>"
    )
}
