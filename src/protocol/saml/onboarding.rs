//! What a vendor's own metadata suggests for its lines in the configuration, for whoever connects the vendor.
use super::explain::Explained;
use super::federation::certificates;
use super::key::VerificationKey;
use super::location::web_address;
use super::metadata::{self, Demands, Described};
use super::names;
use super::peer::Peer;
use super::service_provider::NameWish;
use super::sso::default_consumer;
use crate::domain::Timestamp;
use url::Url;

/// How large a document may be.
pub const MOST_BYTES: usize = 1 << 20;

/// What is suggested.
#[derive(Debug)]
pub struct Proposal {
    described: Described,
    origin: String,
}

/// Reads a vendor's metadata. Without a name, its only service provider; with certificates (PEM), one of which must have signed
/// it.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn propose(
    text: &[u8],
    entity_id: Option<&str>,
    signers: Option<&[u8]>,
    now: Timestamp,
) -> Result<Proposal, String> {
    if let Some(pem) = signers {
        let keys: Vec<_> = certificates(pem)
            .unwrap_or_default()
            .iter()
            .filter_map(|der| VerificationKey::from_certificate(der))
            .collect();
        if keys.is_empty() {
            return Err("expected PEM certificates of who signs the metadata, found none".to_owned());
        }
        let demands = Demands { signers: &keys, max_validity: None, bytes: MOST_BYTES, now };
        metadata::read(text, &demands, &[]).map_err(metadata::Unfit::sentence)?;
    }
    let described = metadata::of_operator(text, entity_id).map_err(metadata::Unfit::sentence)?;
    if described.provider.valid_until.is_some_and(|until| until <= now) {
        return Err(metadata::Unfit::Expired.sentence());
    }
    let consumer = default_consumer(&described.provider).and_then(|consumer| web_address(&consumer.location));
    let origin = consumer.ok_or_else(|| metadata::Unfit::NoConsumer.sentence())?.origin().ascii_serialization();
    Ok(Proposal { described, origin })
}

impl Proposal {
    /// The service provider's entityID.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.described.provider.entity_id
    }

    /// What it calls itself.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.described.provider.display_name.as_deref()
    }

    /// The origin of the address that takes assertions.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether its metadata says that it wants no name of a reader.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        let provider = &self.described.provider;
        provider.name_wish == Some(NameWish::None) || provider.categories.contains(names::ANONYMOUS_ACCESS)
    }

    /// What it asks for and will receive with its lines, and what is odd.
    #[must_use]
    pub fn explain(&self, peer: &Peer, now: Timestamp) -> Explained {
        peer.explain(&self.described, self.described.provider.valid_until, now)
    }

    /// Where a visit begins at the vendor's own, so that it asks the identity provider with this entityID (Service Provider
    /// Request Initiation 2.3).
    #[must_use]
    pub fn start_url(&self, ours: &str) -> Option<String> {
        let mut url = Url::parse(self.described.provider.initiator.as_ref()?).ok()?;
        url.query_pairs_mut().append_pair("entityID", ours);
        Some(url.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn metadata(more: &str, extensions: &str) -> String {
        format!(
            "<md:EntityDescriptor xmlns:md=\"{}\" xmlns:init=\"{}\" xmlns:mdui=\"{}\" entityID=\"https://sp.journal.example/sp\" {more}>\
             <md:SPSSODescriptor protocolSupportEnumeration=\"{}\"><md:Extensions>{extensions}</md:Extensions>\
             <md:AssertionConsumerService index=\"1\" Binding=\"{}\" Location=\"https://a.journal.example/acs\"/>\
             <md:AssertionConsumerService index=\"2\" isDefault=\"true\" Binding=\"{}\" Location=\"https://b.journal.example:8443/acs\"/>\
             <md:AttributeConsumingService index=\"1\"><md:ServiceName xml:lang=\"en\">x</md:ServiceName>\
             <md:RequestedAttribute Name=\"urn:oid:0.9.2342.19200300.100.1.3\" isRequired=\"true\"/>\
             <md:RequestedAttribute Name=\"{}\"/><md:RequestedAttribute Name=\"urn:x&#x9b;31m\"/>\
             </md:AttributeConsumingService></md:SPSSODescriptor></md:EntityDescriptor>",
            names::MD,
            names::INIT,
            names::MDUI,
            names::SAMLP,
            names::POST,
            names::POST,
            names::TARGETED_ID,
        )
    }

    #[test]
    fn what_a_vendor_says_of_itself_becomes_lines() {
        let initiator = format!(
            "<mdui:UIInfo><mdui:DisplayName xml:lang=\"en\">The Journal</mdui:DisplayName></mdui:UIInfo>\
             <init:RequestInitiator Binding=\"{}\" Location=\"https://a.journal.example/Login?a=1\"/>",
            names::INIT
        );
        let proposal = propose(metadata("", &initiator).as_bytes(), None, None, NOW).unwrap();
        assert_eq!(proposal.entity_id(), "https://sp.journal.example/sp");
        assert_eq!(proposal.name(), Some("The Journal"));
        assert_eq!(proposal.origin(), "https://b.journal.example:8443", "of the default service");
        assert_eq!(
            proposal.start_url("https://login.example.org/saml/metadata").as_deref(),
            Some("https://a.journal.example/Login?a=1&entityID=https%3A%2F%2Flogin.example.org%2Fsaml%2Fmetadata")
        );
        assert!(!proposal.is_anonymous());
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let refused = |text: &str, signers: Option<&[u8]>| propose(text.as_bytes(), None, signers, NOW).unwrap_err();
        assert!(refused("<html></html>", None).starts_with("expected SAML metadata"));
        assert!(refused(&metadata("validUntil=\"2020-01-01T00:00:00Z\"", ""), None).contains("expired"));
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
        assert!(
            refused(&metadata("", ""), Some(certificate.as_bytes())).contains("expected metadata that can be used")
        );
        assert!(refused(&metadata("", ""), Some(b"x")).contains("PEM"));
    }
}
