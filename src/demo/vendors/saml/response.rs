//! Whether a response is to be believed, and what it says (Core 3.2.2, Profiles 4.1.4). Values are read from the elements that
//! are signed and from nowhere else.
use super::identity_provider::Metadata;
use super::key::OwnKey;
use super::names::{
    AES128_GCM, AES256_GCM, BEARER, ENTITLEMENT, OAEP, OAEP_MGF1P, PAIRWISE_ID, SAML, SAMLP, SCOPED_AFFILIATION,
    SUCCESS, XENC,
};
use super::signatures::signed;
use super::tree::Tree;
use bergshamra::EncContext;
use serde_json::{Map, Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uppsala::NodeId;

/// By how much two clocks may differ.
const SKEW: Duration = Duration::seconds(60);
/// A response is not older than this when it comes.
const OLDEST: Duration = Duration::minutes(5);

/// What a response must fit.
pub(super) struct Rules<'a> {
    pub(super) provider: &'a Metadata,
    /// The vendor's own entityID.
    pub(super) entity_id: &'a str,
    /// Where responses are to be sent.
    pub(super) consumer: &'a str,
    /// The key to which assertions are encrypted. With one, none may come in the clear.
    pub(super) key: Option<&'a OwnKey>,
    pub(super) now: OffsetDateTime,
}

/// A response that the identity provider has signed, for this vendor and for now.
pub(super) struct Response {
    pub(super) id: String,
    /// The ID of the request that it answers.
    pub(super) in_response_to: String,
    /// What it says of the reader; or why it says nothing.
    pub(super) outcome: Result<Assertion, String>,
}

/// What is said of a reader.
pub(super) struct Assertion {
    pub(super) id: String,
    pub(super) name: NameId,
    pub(super) session_index: String,
    /// All of it, by the words of SAML.
    pub(super) told: Map<String, Value>,
    /// What pages say in sentences, by the words that all vendors use.
    pub(super) known: Map<String, Value>,
    /// Its text.
    pub(super) text: String,
}

/// A name for somebody.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct NameId {
    pub(super) value: String,
    pub(super) format: Option<String>,
    pub(super) qualifier: Option<String>,
    pub(super) sp_qualifier: Option<String>,
}

impl NameId {
    /// Reads `saml:NameID`.
    pub(super) fn read(tree: &Tree<'_>, node: NodeId) -> Self {
        let attribute = |key: &str| tree.attribute(node, key).map(str::to_owned);
        Self {
            value: tree.text(node),
            format: attribute("Format"),
            qualifier: attribute("NameQualifier"),
            sp_qualifier: attribute("SPNameQualifier"),
        }
    }
}

impl Rules<'_> {
    /// Reads a response, or says why it is not to be believed.
    pub(super) fn read(&self, text: &str) -> Result<Response, &'static str> {
        let tree = Tree::parse(text)?;
        let root = tree.root(SAMLP, "Response").ok_or("the message is not a response")?;
        if !signed(&tree, &self.provider.certificates)?.contains(&root) {
            return Err("the response's signature is wrong");
        }
        self.check_response(&tree, root)?;
        let attribute = |key: &str| tree.attribute(root, key).map(str::to_owned);
        let id = attribute("ID").ok_or("the response has no ID")?;
        let in_response_to = attribute("InResponseTo").ok_or("nobody asked for the response")?;
        let outcome = match refusal(&tree, root) {
            Some(status) => Err(status),
            None => Ok(self.assertion((&tree, root, text), &in_response_to)?),
        };
        Ok(Response { id, in_response_to, outcome })
    }

    fn check_response(&self, tree: &Tree<'_>, root: NodeId) -> Result<(), &'static str> {
        let attribute = |key: &str| tree.attribute(root, key);
        if attribute("Version") != Some("2.0") {
            return Err("the response is of another version");
        }
        if attribute("Destination") != Some(self.consumer) {
            return Err("the response was meant for another address");
        }
        if tree.text_of(root, SAML, "Issuer").as_ref() != Some(&self.provider.entity_id) {
            return Err("the response comes from somebody else");
        }
        self.check_issued(attribute("IssueInstant"))
    }

    fn check_issued(&self, issued: Option<&str>) -> Result<(), &'static str> {
        match issued.and_then(time) {
            None => Err("the message does not say when it was written"),
            Some(issued) if issued > self.now + SKEW => Err("the message was written in the future"),
            Some(issued) if issued < self.now - OLDEST => Err("the message was written too long ago"),
            Some(_) => Ok(()),
        }
    }

    /// The one assertion of a response: in the clear, or encrypted to this vendor.
    fn assertion(
        &self,
        (tree, root, text): (&Tree<'_>, NodeId, &str),
        in_response_to: &str,
    ) -> Result<Assertion, &'static str> {
        let clear = tree.children(root, SAML, "Assertion");
        let encrypted = tree.children(root, SAML, "EncryptedAssertion");
        match (&clear[..], &encrypted[..], self.key) {
            ([assertion], [], None) => self.believe(tree, *assertion, in_response_to),
            ([], [_], Some(key)) => {
                let opened = open(tree, text, key)?;
                let tree = Tree::parse(&opened)?;
                let root = tree.root(SAMLP, "Response").ok_or("the message is not a response")?;
                let around = tree.only(root, SAML, "EncryptedAssertion");
                let assertion = around.and_then(|around| tree.only(around, SAML, "Assertion"));
                self.believe(&tree, assertion.ok_or("nothing was encrypted")?, in_response_to)
            }
            ([_], [], Some(_)) => Err("the assertion came in the clear"),
            _ => Err("the response has not one assertion that can be read"),
        }
    }

    fn believe(&self, tree: &Tree<'_>, node: NodeId, in_response_to: &str) -> Result<Assertion, &'static str> {
        if !signed(tree, &self.provider.certificates)?.contains(&node) {
            return Err("the assertion's signature is wrong");
        }
        let attribute = |key: &str| tree.attribute(node, key);
        if attribute("Version") != Some("2.0") || attribute("ID").is_none_or(str::is_empty) {
            return Err("the assertion is of another version");
        }
        if tree.text_of(node, SAML, "Issuer").as_ref() != Some(&self.provider.entity_id) {
            return Err("the assertion comes from somebody else");
        }
        self.check_issued(attribute("IssueInstant"))?;
        let subject = tree.only(node, SAML, "Subject").ok_or("the assertion is about nobody")?;
        self.check_bearer(tree, subject, in_response_to)?;
        self.check_conditions(tree, node)?;
        let statement = tree.only(node, SAML, "AuthnStatement").ok_or("the assertion tells of no sign-in")?;
        let name = tree.only(subject, SAML, "NameID").ok_or("the assertion names no subject")?;
        let name = NameId::read(tree, name);
        let session_index = tree.attribute(statement, "SessionIndex").ok_or("the assertion names no session")?;
        let attributes = attributes(tree, node)?;
        let said = |key: &str| attribute(key).unwrap_or_default();
        let of_sign_in = |key: &str| tree.attribute(statement, key).unwrap_or_default();
        let context = tree.only(statement, SAML, "AuthnContext");
        let context = context.and_then(|context| tree.text_of(context, SAML, "AuthnContextClassRef"));
        let told = json!({
            "ID": said("ID"), "IssueInstant": said("IssueInstant"), "Issuer": self.provider.entity_id,
            "NameID": { "value": name.value, "Format": name.format, "NameQualifier": name.qualifier,
                "SPNameQualifier": name.sp_qualifier },
            "SessionIndex": session_index, "AuthnInstant": of_sign_in("AuthnInstant"),
            "SessionNotOnOrAfter": of_sign_in("SessionNotOnOrAfter"), "AuthnContextClassRef": context,
            "attributes": attributes,
        });
        let Value::Object(told) = told else { return Err("the assertion cannot be read") };
        Ok(Assertion {
            id: said("ID").to_owned(),
            session_index: session_index.to_owned(),
            known: known(&self.provider.entity_id, &attributes),
            told,
            name,
            text: tree.document().node_source(node).unwrap_or_default().to_owned(),
        })
    }

    /// Whoever brings the assertion is the subject: here, now, and in answer to the request.
    fn check_bearer(&self, tree: &Tree<'_>, subject: NodeId, in_response_to: &str) -> Result<(), &'static str> {
        let confirmation = tree.only(subject, SAML, "SubjectConfirmation").ok_or("the subject is not confirmed")?;
        if tree.attribute(confirmation, "Method") != Some(BEARER) {
            return Err("the subject is not confirmed");
        }
        let data = tree.only(confirmation, SAML, "SubjectConfirmationData").ok_or("the subject is not confirmed")?;
        let attribute = |key: &str| tree.attribute(data, key);
        if attribute("Recipient") != Some(self.consumer) {
            return Err("the assertion was meant for another address");
        }
        if attribute("InResponseTo") != Some(in_response_to) {
            return Err("the assertion answers another request");
        }
        if attribute("NotBefore").is_some() || !self.is_before(attribute("NotOnOrAfter")) {
            return Err("the assertion has expired");
        }
        Ok(())
    }

    fn check_conditions(&self, tree: &Tree<'_>, assertion: NodeId) -> Result<(), &'static str> {
        let conditions = tree.only(assertion, SAML, "Conditions").ok_or("the assertion has no conditions")?;
        if tree.attribute(conditions, "NotBefore").and_then(time).is_none_or(|from| from > self.now + SKEW) {
            return Err("the assertion is not valid yet");
        }
        if !self.is_before(tree.attribute(conditions, "NotOnOrAfter")) {
            return Err("the assertion has expired");
        }
        let restriction = tree.only(conditions, SAML, "AudienceRestriction");
        let audience = restriction.and_then(|restriction| tree.text_of(restriction, SAML, "Audience"));
        if audience.as_deref() == Some(self.entity_id) {
            Ok(())
        } else {
            Err("the assertion is meant for somebody else")
        }
    }

    fn is_before(&self, end: Option<&str>) -> bool {
        end.and_then(time).is_some_and(|end| self.now < end + SKEW)
    }
}

/// The words of a status other than success, most general first.
fn refusal(tree: &Tree<'_>, root: NodeId) -> Option<String> {
    let mut words = Vec::new();
    let mut code = tree.only(root, SAMLP, "Status").and_then(|status| tree.only(status, SAMLP, "StatusCode"));
    while let Some(node) = code {
        words.push(tree.attribute(node, "Value").unwrap_or_default());
        code = tree.only(node, SAMLP, "StatusCode");
    }
    if words == [SUCCESS] {
        return None;
    }
    let short = |word: &&str| word.rsplit(':').next().unwrap_or_default().to_owned();
    Some(words.iter().map(short).collect::<Vec<_>>().join("/"))
}

/// Decrypts what is encrypted, where it stands.
fn open(tree: &Tree<'_>, text: &str, key: &OwnKey) -> Result<String, &'static str> {
    let agreed = [AES128_GCM, AES256_GCM, OAEP_MGF1P, OAEP];
    let algorithms = tree.all(XENC, "EncryptionMethod").into_iter().map(|node| tree.attribute(node, "Algorithm"));
    if !algorithms.into_iter().all(|known| known.is_some_and(|known| agreed.contains(&known))) {
        return Err("the assertion is encrypted in an unknown way");
    }
    let keys = key.decryption().map_err(|_| "the vendor's own key cannot be read")?;
    let context = EncContext::new(keys).with_disable_cipher_reference(true);
    bergshamra::decrypt(&context, text).map_err(|_| "the assertion cannot be decrypted")
}

/// Attributes by their names, each with all its values.
fn attributes(tree: &Tree<'_>, assertion: NodeId) -> Result<Map<String, Value>, &'static str> {
    let mut all = Map::new();
    for statement in tree.children(assertion, SAML, "AttributeStatement") {
        for attribute in tree.children(statement, SAML, "Attribute") {
            let name = tree.attribute(attribute, "Name").ok_or("an attribute has no name")?;
            let values = tree.children(attribute, SAML, "AttributeValue").into_iter().map(|value| tree.text(value));
            if all.insert(name.to_owned(), values.collect()).is_some() {
                return Err("an attribute is there twice");
            }
        }
    }
    Ok(all)
}

fn known(issuer: &str, attributes: &Map<String, Value>) -> Map<String, Value> {
    let words = [
        ("sub", PAIRWISE_ID),
        ("eduperson_scoped_affiliation", SCOPED_AFFILIATION),
        ("eduperson_entitlement", ENTITLEMENT),
    ];
    let found = words.iter().filter_map(|(word, name)| Some(((*word).to_owned(), attributes.get(*name)?.clone())));
    found.chain([("iss".to_owned(), issuer.into())]).collect()
}

/// A time of a message's.
pub(super) fn time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}
