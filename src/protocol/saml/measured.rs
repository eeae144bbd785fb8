//! The door for benchmarks: what is written and what is read, without a provider around it. It gives counts, so that whoever
//! measures learns nothing that a vendor would believe.
use super::canonical::Identifier;
use super::certified::CertifiedRing;
use super::federation::certificates;
use super::key::VerificationKey;
use super::metadata::{Demands, read};
use super::names;
use super::peer::Signed;
use super::response::{Attribute, Manner, Statement, Subject, Value, response};
use crate::domain::Timestamp;
use crate::protocol::{Algorithm, RingError, Unspoken};

/// The entityID of nobody.
const NOBODY: &str = "https://login.library.example/saml/metadata";

/// Keys that no vendor knows.
pub struct Rehearsal {
    keys: CertifiedRing,
}

impl Rehearsal {
    /// With new keys, which are kept nowhere.
    ///
    /// # Errors
    /// [`RingError`].
    pub fn new(now: Timestamp) -> Result<Self, RingError> {
        Ok(Self { keys: CertifiedRing::unsaved(now)? })
    }

    /// Writes a response about nobody as a vendor gets it in a form, signed with RSA: the response, and the assertion too if
    /// `both`. Gives its length.
    ///
    /// # Errors
    /// [`Unspoken`].
    pub fn response(&self, both: bool, now: Timestamp) -> Result<usize, Unspoken> {
        let id = Identifier::random();
        let (request, session, name) = (Identifier::random(), Identifier::random(), Identifier::random());
        let text = |name, friendly, value| Attribute { name, friendly, values: vec![Value::Text(value)] };
        let attributes = [
            text(names::SCOPED_AFFILIATION, "eduPersonScopedAffiliation", "member@library.example"),
            text(names::HOME_ORGANIZATION, "schacHomeOrganization", "library.example"),
            text(names::PAIRWISE_ID, "pairwise-id", "mfrggzdfmztwq2lknnwg23tpobyxe43u@library.example"),
        ];
        let statement = Statement {
            id: &id,
            issuer: NOBODY,
            audience: "https://vendor.example/saml",
            destination: "https://vendor.example/saml/acs",
            in_response_to: Some(request.as_str()),
            now,
            authenticated: now,
            session_index: session.as_str(),
            session_ends: now,
            subject: Subject {
                format: names::TRANSIENT,
                value: name.as_str(),
                qualifier: Some(NOBODY),
                sp_qualifier: Some("https://vendor.example/saml"),
            },
            attributes: &attributes,
        };
        let certified = self.keys.signing(Algorithm::Rs256).ok_or(Unspoken)?;
        let manner = Manner { certified, signed: Signed { response: true, assertion: both }, encrypt: None };
        Ok(super::sent::as_form(&response(&statement, &manner)?).len())
    }
}

/// Reads a federation's aggregate as a provider does: parses it, verifies it with the keys of these certificates (PEM), and
/// indexes it. Gives how many entities are in it, if the one that is named can be spoken to; else `None`.
#[must_use]
pub fn aggregate(text: &[u8], signers: &[u8], entity_id: &str, now: Timestamp) -> Option<usize> {
    let keys: Vec<_> = certificates(signers)?.iter().filter_map(|der| VerificationKey::from_certificate(der)).collect();
    let demands = Demands {
        signers: &keys,
        max_validity: Some(std::time::Duration::from_secs(28 * 86_400)),
        bytes: text.len(),
        now,
    };
    let contents = read(text, &demands, &[entity_id]).ok()?;
    contents.found.first()?.is_ok().then_some(contents.entities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsed_response_is_longer_with_two_signatures() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let rehearsal = Rehearsal::new(now).expect("keys");
        let (one, two) = (rehearsal.response(false, now).expect("one"), rehearsal.response(true, now).expect("two"));
        assert!(two > one + 1_000, "{one} {two}");
    }

    #[test]
    fn what_is_no_signed_aggregate_is_not_counted() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let unsigned = br#"<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"/>"#;
        assert_eq!(aggregate(unsigned, b"", "https://vendor.example", now), None);
    }
}
