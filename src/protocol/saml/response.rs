//! The answer to a request to sign in: what a vendor is told of a reader, or that there is nothing to tell.
mod assertion;
mod status;

pub(super) use assertion::{Attribute, Statement, Subject, Value};
pub(super) use status::Status;

use super::canonical::{Element, Identifier, Unwritable, Xml};
use super::certified::Certified;
use super::encrypted::encrypt;
use super::names;
use super::peer::Signed;
use super::service_provider::EncryptionKey;
use super::signed::sign;
use crate::domain::Timestamp;
use crate::protocol::Unspoken;

/// What every answer has on it.
#[derive(Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// Our entityID.
    pub(super) issuer: &'a str,
    /// Where it goes.
    pub(super) destination: &'a str,
    /// The ID of the request; `None` where nobody asked.
    pub(super) in_response_to: Option<&'a str>,
    /// When it is written.
    pub(super) now: Timestamp,
}

impl Envelope<'_> {
    /// The beginning of a message with this name: its attributes, the issuer, and the place for the signature.
    pub(super) fn begin(
        &self,
        name: &'static str,
        id: &Identifier,
        not_on_or_after: Option<Timestamp>,
    ) -> Result<Element, Unwritable> {
        let stale = not_on_or_after.map(|time| time.to_string());
        Ok(Element::new(name)
            .declare("samlp", names::SAMLP)
            .attribute("Destination", self.destination)
            .attribute("ID", id.as_str())
            .attribute_if("InResponseTo", self.in_response_to)
            .attribute("IssueInstant", &self.now.to_string())
            .attribute_if("NotOnOrAfter", stale.as_deref())
            .attribute("Version", "2.0")
            .child(issuer(self.issuer)?)
            .signature_here())
    }
}

/// `saml:Issuer` in a message, where nothing around it has declared `saml`.
fn issuer(entity_id: &str) -> Result<Xml, Unwritable> {
    Element::new("saml:Issuer").declare("saml", names::SAML).text(entity_id).finish()
}

/// How an answer is to be written.
#[derive(Clone, Copy)]
pub(super) struct Manner<'a> {
    /// Who signs.
    pub(super) certified: Certified<'a>,
    /// What is signed; at least one of the two.
    pub(super) signed: Signed,
    /// To which key the assertion is encrypted, and whether AES-CBC may be used for it.
    pub(super) encrypt: Option<(&'a EncryptionKey, bool)>,
}

/// An answer with an assertion: signed, then encrypted, then signed as a whole.
pub(super) fn response(statement: &Statement<'_>, manner: &Manner<'_>) -> Result<Xml, Unspoken> {
    if !manner.signed.response && !manner.signed.assertion {
        return Err(Unspoken);
    }
    let assertion = statement.assertion()?;
    let assertion = if manner.signed.assertion { sign(assertion, manner.certified)? } else { assertion.bare() };
    let assertion = match manner.encrypt {
        Some((key, cbc)) => encrypt(&assertion, key, cbc)?,
        None => assertion,
    };
    let response = statement
        .envelope()
        .begin("samlp:Response", &Identifier::random(), None)?
        .child(Status::SUCCESS.element()?)
        .child(assertion)
        .to_sign()?;
    if manner.signed.response { sign(response, manner.certified) } else { Ok(response.bare()) }
}

/// An answer that has no assertion; signed in any case.
pub(super) fn failure(envelope: &Envelope<'_>, status: Status, certified: Certified<'_>) -> Result<Xml, Unspoken> {
    let response = envelope.begin("samlp:Response", &Identifier::random(), None)?.child(status.element()?).to_sign()?;
    sign(response, certified)
}

#[cfg(test)]
mod tests;
