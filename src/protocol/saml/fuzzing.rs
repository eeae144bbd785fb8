//! The door for fuzzing: messages and metadata of strangers, and what was made of them. Built by `cargo fuzz` only.
use super::message::Message;
use super::metadata::{self, Demands, Described};
use super::parsed::Malformed;
use super::received::{Bad, receive};
use super::service_provider::Binding;
use crate::domain::Timestamp;
use std::time::Duration;

/// A service provider, known by its metadata.
pub struct Sender(Described);

/// What came of a message.
pub struct Outcome {
    /// Who sent it, by its own word.
    pub issuer: String,
    /// What travels along.
    pub relay_state: Option<String>,
    /// Whether its sender signed it.
    pub signed: bool,
    /// Everything that was read, but for names of people.
    pub message: String,
}

impl Sender {
    /// Reads the metadata; `None` where it is of no use.
    #[must_use]
    pub fn read(metadata: &[u8]) -> Option<Self> {
        metadata::of_operator(metadata, None).ok().map(Self)
    }

    /// Its name.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.0.provider.entity_id
    }

    /// Hears a query or, `by_form`, the body of a form.
    ///
    /// # Errors
    /// A closed word.
    pub fn hear(&self, by_form: bool, text: &[u8], must_be_signed: bool) -> Result<Outcome, &'static str> {
        let binding = if by_form { Binding::Post } else { Binding::Redirect };
        let received = receive(binding, text).map_err(Malformed::as_str)?;
        let heard = received.heard(&self.0.provider.signing, must_be_signed).map_err(Bad::as_str)?;
        let issuer = match &heard.message {
            Message::Authn(request) => &request.issuer,
            Message::LogoutRequest(request) => &request.issuer,
            Message::LogoutResponse(response) => &response.issuer,
        };
        Ok(Outcome {
            issuer: issuer.clone(),
            relay_state: heard.relay_state,
            signed: heard.signed,
            message: format!("{:?}", heard.message),
        })
    }
}

/// A service provider of a document: its name, where it takes assertions, until when that holds, and everything else.
pub struct Found {
    /// Its name.
    pub entity_id: String,
    /// Where it takes assertions.
    pub consumers: Vec<String>,
    /// Until when that holds, in seconds since 1970.
    pub until: Option<i64>,
    /// All that was read.
    pub whole: String,
}

impl From<Described> for Found {
    fn from(described: Described) -> Self {
        let provider = described.provider;
        Self {
            entity_id: provider.entity_id.clone(),
            consumers: provider.consumers.iter().map(|consumer| consumer.location.clone()).collect(),
            until: provider.valid_until.map(Timestamp::seconds),
            whole: format!("{provider:?}"),
        }
    }
}

/// What a document of the operator's says.
///
/// # Errors
/// A sentence.
pub fn vouched(text: &[u8]) -> Result<Found, String> {
    metadata::of_operator(text, None).map(Found::from).map_err(metadata::Unfit::sentence)
}

/// What a document of strangers says about `wanted`; with `signer`, only if that certificate's key has signed it.
///
/// # Errors
/// A sentence.
pub fn published(text: &[u8], signer: Option<&[u8]>, now: Timestamp, wanted: &str) -> Result<Found, String> {
    let signers: Vec<_> = signer.and_then(super::key::VerificationKey::from_certificate).into_iter().collect();
    if signer.is_some() && signers.is_empty() {
        return Err("no key".to_owned());
    }
    let max_validity = Some(Duration::from_secs(28 * 86_400));
    let demands = Demands { signers: &signers, max_validity, bytes: 1 << 20, now };
    let contents = metadata::read(text, &demands, &[wanted]).map_err(metadata::Unfit::sentence)?;
    let found = contents.found.into_iter().next().ok_or_else(|| "nothing".to_owned())?;
    found.map(Found::from).map_err(metadata::Unfit::sentence)
}
