//! `saml:Assertion`: what a vendor is told.
use super::Envelope;
use crate::domain::Timestamp;
use crate::protocol::saml::canonical::{Element, Identifier, Unsigned, Unwritable, Xml};
use crate::protocol::saml::names;

/// How long an assertion may be used, in seconds.
const LIFETIME: i64 = 300;

const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

/// A name for a reader. It has no `Debug`: it may be a name by which a vendor knows somebody again.
#[derive(Clone, Copy)]
pub(in crate::protocol::saml) struct Subject<'a> {
    /// [`names::TRANSIENT`] or [`names::PERSISTENT`].
    pub(in crate::protocol::saml) format: &'a str,
    /// The name.
    pub(in crate::protocol::saml) value: &'a str,
    /// Whose name it is: our entityID.
    pub(in crate::protocol::saml) qualifier: Option<&'a str>,
    /// For whom: the vendor's entityID.
    pub(in crate::protocol::saml) sp_qualifier: Option<&'a str>,
}

impl Subject<'_> {
    fn begin(&self, element: Element) -> Result<Xml, Unwritable> {
        element
            .attribute("Format", self.format)
            .attribute_if("NameQualifier", self.qualifier)
            .attribute_if("SPNameQualifier", self.sp_qualifier)
            .text(self.value)
            .finish()
    }

    /// `saml:NameID` where `saml` is declared around it.
    fn element(&self) -> Result<Xml, Unwritable> {
        self.begin(Element::new("saml:NameID"))
    }

    /// `saml:NameID` in a message, where nothing around it has declared `saml`.
    pub(in crate::protocol::saml) fn in_message(&self) -> Result<Xml, Unwritable> {
        self.begin(Element::new("saml:NameID").declare("saml", names::SAML))
    }
}

/// A value of an attribute.
#[derive(Clone, Copy)]
pub(in crate::protocol::saml) enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// A name with its qualifiers, as `eduPersonTargetedID` has it.
    Name(Subject<'a>),
}

/// An attribute.
pub(in crate::protocol::saml) struct Attribute<'a> {
    /// Its name, a URI.
    pub(in crate::protocol::saml) name: &'a str,
    /// Its name for people.
    pub(in crate::protocol::saml) friendly: &'a str,
    /// Its values; with none the attribute is left out.
    pub(in crate::protocol::saml) values: Vec<Value<'a>>,
}

impl Attribute<'_> {
    fn element(&self) -> Result<Xml, Unwritable> {
        let mut attribute = Element::new("saml:Attribute")
            .attribute("FriendlyName", self.friendly)
            .attribute("Name", self.name)
            .attribute("NameFormat", names::URI_NAMES);
        for value in &self.values {
            let element = Element::new("saml:AttributeValue");
            let element = match value {
                Value::Text(text) => element.text(text),
                Value::Name(name) => element.child(name.element()?),
            };
            attribute = attribute.child(element.finish()?);
        }
        attribute.finish()
    }
}

/// What is said of a reader to a vendor.
pub(in crate::protocol::saml) struct Statement<'a> {
    /// The ID of the assertion.
    pub(in crate::protocol::saml) id: &'a Identifier,
    /// Our entityID.
    pub(in crate::protocol::saml) issuer: &'a str,
    /// The vendor's entityID.
    pub(in crate::protocol::saml) audience: &'a str,
    /// Where the vendor takes it.
    pub(in crate::protocol::saml) destination: &'a str,
    /// The ID of the vendor's request; `None` where it did not ask.
    pub(in crate::protocol::saml) in_response_to: Option<&'a str>,
    /// When it is written.
    pub(in crate::protocol::saml) now: Timestamp,
    /// When the reader signed in, no finer than anybody may know.
    pub(in crate::protocol::saml) authenticated: Timestamp,
    /// By which name this vendor knows the session.
    pub(in crate::protocol::saml) session_index: &'a str,
    /// When the session ends, no finer than anybody may know.
    pub(in crate::protocol::saml) session_ends: Timestamp,
    /// Whom it is about.
    pub(in crate::protocol::saml) subject: Subject<'a>,
    /// What else is said.
    pub(in crate::protocol::saml) attributes: &'a [Attribute<'a>],
}

impl Statement<'_> {
    /// What the answer that carries it has on it.
    pub(super) const fn envelope(&self) -> Envelope<'_> {
        Envelope {
            issuer: self.issuer,
            destination: self.destination,
            in_response_to: self.in_response_to,
            now: self.now,
        }
    }

    /// The assertion, not yet signed. It declares all prefixes that it uses, so that it also stands alone when a vendor has
    /// decrypted it.
    pub(super) fn assertion(&self) -> Result<Unsigned, Unwritable> {
        Element::new("saml:Assertion")
            .declare("saml", names::SAML)
            .attribute("ID", self.id.as_str())
            .attribute("IssueInstant", &self.now.to_string())
            .attribute("Version", "2.0")
            .leaf("saml:Issuer", self.issuer)
            .signature_here()
            .child(self.subject()?)
            .child(self.conditions()?)
            .child(self.authentication()?)
            .children(self.attribute_statement()?)
            .to_sign()
    }

    fn stale(&self) -> String {
        self.now.plus(LIFETIME).to_string()
    }

    fn subject(&self) -> Result<Xml, Unwritable> {
        let data = Element::new("saml:SubjectConfirmationData")
            .attribute_if("InResponseTo", self.in_response_to)
            .attribute("NotOnOrAfter", &self.stale())
            .attribute("Recipient", self.destination)
            .finish()?;
        let confirmation = Element::new("saml:SubjectConfirmation").attribute("Method", BEARER).child(data).finish()?;
        Element::new("saml:Subject").child(self.subject.element()?).child(confirmation).finish()
    }

    fn conditions(&self) -> Result<Xml, Unwritable> {
        let audience = Element::new("saml:AudienceRestriction").leaf("saml:Audience", self.audience).finish()?;
        Element::new("saml:Conditions")
            .attribute("NotBefore", &self.now.to_string())
            .attribute("NotOnOrAfter", &self.stale())
            .child(audience)
            .finish()
    }

    fn authentication(&self) -> Result<Xml, Unwritable> {
        let context = Element::new("saml:AuthnContext").leaf("saml:AuthnContextClassRef", names::PASSWORD).finish()?;
        Element::new("saml:AuthnStatement")
            .attribute("AuthnInstant", &self.authenticated.to_string())
            .attribute("SessionIndex", self.session_index)
            .attribute("SessionNotOnOrAfter", &self.session_ends.to_string())
            .child(context)
            .finish()
    }

    /// Without attributes there is no such statement: the schema wants at least one in it.
    fn attribute_statement(&self) -> Result<Option<Xml>, Unwritable> {
        let mut statement = None;
        for attribute in self.attributes.iter().filter(|attribute| !attribute.values.is_empty()) {
            let element = statement.unwrap_or_else(|| Element::new("saml:AttributeStatement"));
            statement = Some(element.child(attribute.element()?));
        }
        statement.map(Element::finish).transpose()
    }
}
