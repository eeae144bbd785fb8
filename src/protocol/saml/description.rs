//! Our own metadata: what a vendor or a federation needs to know of one of our entities. It depends on the configuration and
//! the keys alone, so that it never changes by surprise; only the signed form has a date. Elements are in the order of the
//! schemas (Metadata 2.3.2, 2.4.3).
use super::canonical::{Element, Identifier, Unwritable, Xml};
use super::certified::Certified;
use super::entity::{Contact, ContactKind, Entity, Settings};
use super::{names, signed};
use crate::domain::Timestamp;
use crate::protocol::Unspoken;

/// For how long the signed form holds.
const VALIDITY: i64 = 7 * 86_400;

/// How long a copy of it may be used before it is fetched again, as an XML duration.
const KEPT: &str = "PT6H";

/// The language that we say names and addresses are in: that which registrars ask for.
const LANGUAGE: &str = "en";

/// Frameworks that an entity follows (SAML V2.0 Identity Assurance Profiles 3).
const CERTIFICATION: &str = "urn:oasis:names:tc:SAML:attribute:assurance-certification";

/// The kind of contact for incidents (REFEDS Security Contact Metadata Extension).
const SECURITY: &str = "http://refeds.org/metadata/contactType/security";

/// What there is to say of an entity.
pub(super) struct Description<'a> {
    /// The entity.
    pub(super) entity: &'a Entity,
    /// The address of the portal.
    pub(super) origin: &'a str,
    /// What the operator says of all.
    pub(super) settings: &'a Settings,
    /// The certificates of the keys that sign and will sign.
    pub(super) certificates: &'a [&'a str],
}

impl Description<'_> {
    /// The document.
    pub(super) fn plain(&self) -> Result<Xml, Unspoken> {
        Ok(self.fill(self.root())?.finish()?)
    }

    /// The document with a signature, for those who must not take it from anybody.
    pub(super) fn signed(&self, certified: Certified<'_>, now: Timestamp) -> Result<Xml, Unspoken> {
        let root = self
            .root()
            .attribute("ID", Identifier::random().as_str())
            .attribute("cacheDuration", KEPT)
            .attribute("validUntil", &now.plus(VALIDITY).to_string())
            .signature_here();
        signed::sign(self.fill(root)?.to_sign()?, certified)
    }

    fn root(&self) -> Element {
        Element::new("md:EntityDescriptor").declare("md", names::MD).attribute("entityID", &self.entity.entity_id)
    }

    fn fill(&self, root: Element) -> Result<Element, Unwritable> {
        let root = root.child(self.attributes()?).child(self.role()?).children(self.organization()?);
        let contacts: Result<Vec<_>, _> = self.settings.contacts.iter().map(contact).collect();
        Ok(root.children(contacts?))
    }

    /// What we honour and follow, as attributes of the entity.
    fn attributes(&self) -> Result<Xml, Unwritable> {
        let honoured = [names::ANONYMOUS_ACCESS, names::PSEUDONYMOUS_ACCESS];
        let mut all = vec![attribute(names::ENTITY_CATEGORY_SUPPORT, honoured)?];
        if !self.settings.assurance.is_empty() {
            all.push(attribute(CERTIFICATION, self.settings.assurance.iter().map(String::as_str))?);
        }
        let all = Element::new("mdattr:EntityAttributes").declare("mdattr", names::MDATTR).children(all).finish()?;
        Element::new("md:Extensions").child(all).finish()
    }

    fn role(&self) -> Result<Xml, Unwritable> {
        let (sso, slo) = (self.entity.sso(), self.entity.slo());
        let error = self.settings.error_url.clone().unwrap_or_else(|| format!("{}/saml/error", self.origin));
        let keys: Result<Vec<_>, _> = self.certificates.iter().map(|certificate| key(certificate)).collect();
        Element::new("md:IDPSSODescriptor")
            .attribute("WantAuthnRequestsSigned", "false")
            .attribute("errorURL", &error)
            .attribute("protocolSupportEnumeration", names::SAMLP)
            .child(self.extensions()?)
            .children(keys?)
            .child(endpoint("md:SingleLogoutService", names::REDIRECT, &slo)?)
            .child(endpoint("md:SingleLogoutService", names::POST, &slo)?)
            .leaf("md:NameIDFormat", names::TRANSIENT)
            .leaf("md:NameIDFormat", names::PERSISTENT)
            .child(endpoint("md:SingleSignOnService", names::REDIRECT, &sso)?)
            .child(endpoint("md:SingleSignOnService", names::POST, &sso)?)
            .finish()
    }

    /// Our scopes, and what a vendor's page shows of us.
    fn extensions(&self) -> Result<Xml, Unwritable> {
        let scope = |scope: &String| {
            Element::new("shibmd:Scope")
                .declare("shibmd", names::SHIBMD)
                .attribute("regexp", "false")
                .text(scope)
                .finish()
        };
        let scopes: Result<Vec<_>, _> = self.entity.scopes.iter().map(scope).collect();
        Element::new("md:Extensions").children(scopes?).child(self.shown()?).finish()
    }

    fn shown(&self) -> Result<Xml, Unwritable> {
        let settings = self.settings;
        let privacy = settings.privacy_url.clone().unwrap_or_else(|| format!("{}/privacy", self.origin));
        let information = settings.information_url.as_deref();
        let information = information.map(|url| in_language("mdui:InformationURL", url)).transpose()?;
        let logo = settings.logo.as_ref().map(|logo| {
            Element::new("mdui:Logo")
                .attribute("height", &logo.height.to_string())
                .attribute("width", &logo.width.to_string())
                .text(&logo.url)
                .finish()
        });
        Element::new("mdui:UIInfo")
            .declare("mdui", names::MDUI)
            .child(in_language("mdui:DisplayName", &self.entity.name)?)
            .children(information)
            .child(in_language("mdui:PrivacyStatementURL", &privacy)?)
            .children(logo.transpose()?)
            .finish()
    }

    /// Who runs it. A library's own entity goes by the library's name.
    fn organization(&self) -> Result<Option<Xml>, Unwritable> {
        let Some(organization) = &self.settings.organization else { return Ok(None) };
        let element = Element::new("md:Organization")
            .child(in_language("md:OrganizationName", &self.entity.name)?)
            .child(in_language("md:OrganizationDisplayName", &self.entity.name)?)
            .child(in_language("md:OrganizationURL", &organization.url)?);
        element.finish().map(Some)
    }
}

fn attribute<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Result<Xml, Unwritable> {
    let attribute = Element::new("saml:Attribute")
        .declare("saml", names::SAML)
        .attribute("Name", name)
        .attribute("NameFormat", names::URI_NAMES);
    values.into_iter().fold(attribute, |attribute, value| attribute.leaf("saml:AttributeValue", value)).finish()
}

fn key(certificate: &str) -> Result<Xml, Unwritable> {
    let data = Element::new("ds:X509Data").leaf("ds:X509Certificate", certificate).finish()?;
    let info = Element::new("ds:KeyInfo").declare("ds", names::DS).child(data).finish()?;
    Element::new("md:KeyDescriptor").attribute("use", "signing").child(info).finish()
}

fn endpoint(name: &'static str, binding: &str, location: &str) -> Result<Xml, Unwritable> {
    Element::new(name).attribute("Binding", binding).attribute("Location", location).finish()
}

fn in_language(name: &'static str, text: &str) -> Result<Xml, Unwritable> {
    Element::new(name).attribute("xml:lang", LANGUAGE).text(text).finish()
}

fn contact(contact: &Contact) -> Result<Xml, Unwritable> {
    let element = Element::new("md:ContactPerson");
    let element = match contact.kind {
        ContactKind::Technical => element.attribute("contactType", "technical"),
        ContactKind::Support => element.attribute("contactType", "support"),
        ContactKind::Administrative => element.attribute("contactType", "administrative"),
        // It must have a name, says REFEDS.
        ContactKind::Security => element
            .declare("remd", names::REMD)
            .attribute("contactType", "other")
            .attribute("remd:contactType", SECURITY)
            .leaf("md:GivenName", "Security contact"),
    };
    element.leaf("md:EmailAddress", &contact.address).finish()
}

#[cfg(test)]
mod tests;
