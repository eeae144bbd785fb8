//! Messages out of queries and forms (Bindings 3.4, 3.5), from the octets as they came. A parameter that is there twice, or
//! that is spelt so that only some readers see it, ends everything: what one program checks and another uses must be one.
#[cfg(test)]
mod captured;
mod inflated;
mod parameters;
#[cfg(test)]
mod tests;

use self::parameters::Parameters;
use super::key::{SignatureAlgorithm, VerificationKey};
use super::message::Message;
use super::parsed::{Bounds, Malformed, Parsed};
use super::reading::{self, Direction};
use super::service_provider::Binding;
use super::verified::{Bergshamra, Unverified, Verifier, has_signature};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What travels along for the asker, in bytes.
const LONGEST_RELAY_STATE: usize = 1024;
/// A query or a form: a message in base64, all of it percent-encoded at the worst, and the rest.
const MOST_BYTES: usize = 4 * Bounds::MESSAGE.bytes;
/// The one encoding of the Redirect binding (Bindings 3.4.4.1).
const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";

/// A message is not heard: it is malformed, or its signature is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It cannot be read.
    Malformed(Malformed),
    /// It is not signed by whom it should be.
    Unverified(Unverified),
}

impl Bad {
    /// The word for events.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed(why) => why.as_str(),
            Self::Unverified(why) => why.as_str(),
        }
    }
}

impl From<Malformed> for Bad {
    fn from(why: Malformed) -> Self {
        Self::Malformed(why)
    }
}

impl From<Unverified> for Bad {
    fn from(why: Unverified) -> Self {
        Self::Unverified(why)
    }
}

/// A signature beside a message (Bindings 3.4.4.1).
struct Detached {
    /// The octets that it covers.
    octets: Vec<u8>,
    algorithm: SignatureAlgorithm,
    signature: Vec<u8>,
}

/// How a message is signed.
enum Signed {
    /// Not at all.
    Not,
    /// In the query.
    Beside(Detached),
    /// In the document.
    Within,
}

/// A message that came and is not yet believed.
pub(super) struct Received {
    parsed: Parsed<'static>,
    direction: Direction,
    issuer: String,
    relay_state: Option<String>,
    signed: Signed,
}

/// A message that may be answered.
pub(super) struct Heard {
    /// The message, read from what its signature covers.
    pub(super) message: Message,
    /// What travels along for the asker, to the byte.
    pub(super) relay_state: Option<String>,
    /// Whether a key of its sender signed it.
    pub(super) signed: bool,
}

/// Reads what a browser brought: the query, or the body of a form.
pub(super) fn receive(binding: Binding, text: &[u8]) -> Result<Received, Malformed> {
    if text.len() > MOST_BYTES {
        return Err(Malformed::Size);
    }
    let parameters = Parameters::read(text)?;
    let (direction, message) = parameters.message()?;
    let relay_state = parameters.relay_state.map(|value| relay_state(value.decoded()?)).transpose()?;
    match binding {
        Binding::Redirect => {
            let parsed = redirected(&parameters, &message.decoded()?)?;
            let signed = detached(&parameters)?.map_or(Signed::Not, Signed::Beside);
            Received::new(parsed, direction, relay_state, signed)
        }
        Binding::Post => {
            if parameters.algorithm.or(parameters.signature).or(parameters.encoding).is_some() {
                return Err(Malformed::Parameters);
            }
            let mut coded = message.decoded()?;
            coded.retain(|byte| !byte.is_ascii_whitespace());
            let text = STANDARD.decode(coded).map_err(|_| Malformed::Coding)?;
            let parsed = Parsed::message(&text)?.into_owned();
            let signed = if has_signature(&parsed) { Signed::Within } else { Signed::Not };
            Received::new(parsed, direction, relay_state, signed)
        }
    }
}

/// The document of the Redirect binding, which holds no signature (Bindings 3.4.4.1).
fn redirected(parameters: &Parameters<'_>, coded: &[u8]) -> Result<Parsed<'static>, Malformed> {
    if let Some(encoding) = parameters.encoding
        && encoding.decoded()? != DEFLATE.as_bytes()
    {
        return Err(Malformed::Parameters);
    }
    let deflated = STANDARD.decode(coded).map_err(|_| Malformed::Coding)?;
    let text = inflated::inflated(&deflated, Bounds::MESSAGE.bytes)?;
    let parsed = Parsed::message(&text)?.into_owned();
    if has_signature(&parsed) {
        return Err(Malformed::SignedOtherwise);
    }
    Ok(parsed)
}

/// The signature in a query, over the octets as they came, in the order of the binding.
fn detached(parameters: &Parameters<'_>) -> Result<Option<Detached>, Malformed> {
    let (algorithm, signature) = match (parameters.algorithm, parameters.signature) {
        (None, None) => return Ok(None),
        (Some(algorithm), Some(signature)) => (algorithm, signature),
        _ => return Err(Malformed::Parameters),
    };
    let named = algorithm.decoded()?;
    let algorithm = std::str::from_utf8(&named).ok().and_then(SignatureAlgorithm::parse);
    let mut coded = signature.decoded()?;
    // Lines, as some programs break base64 into.
    coded.retain(|byte| !matches!(byte, b'\r' | b'\n'));
    Ok(Some(Detached {
        octets: parameters.signed_octets(),
        algorithm: algorithm.ok_or(Malformed::SignedOtherwise)?,
        signature: STANDARD.decode(coded).map_err(|_| Malformed::Coding)?,
    }))
}

/// Text that a form brings back as it came: without control characters, which browsers change.
fn relay_state(value: Vec<u8>) -> Result<String, Malformed> {
    if value.len() > LONGEST_RELAY_STATE {
        return Err(Malformed::RelayState);
    }
    String::from_utf8(value).ok().filter(|text| !text.contains(char::is_control)).ok_or(Malformed::RelayState)
}

impl Received {
    fn new(
        parsed: Parsed<'static>,
        direction: Direction,
        relay_state: Option<String>,
        signed: Signed,
    ) -> Result<Self, Malformed> {
        let issuer = reading::issuer(parsed.root())?;
        Ok(Self { parsed, direction, issuer, relay_state, signed })
    }

    /// Who says that it sent this.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether it has a signature, by anybody.
    pub(super) const fn is_signed(&self) -> bool {
        !matches!(self.signed, Signed::Not)
    }

    /// The message, if it is whole and signed as it should be. A signature that is there must be one of `keys`.
    pub(super) fn heard(self, keys: &[VerificationKey], must_be_signed: bool) -> Result<Heard, Bad> {
        let root = match &self.signed {
            Signed::Not if must_be_signed => return Err(Unverified::Unsigned.into()),
            Signed::Not => self.parsed.root(),
            Signed::Beside(detached) => {
                detached.verify(keys)?;
                self.parsed.root()
            }
            Signed::Within => Bergshamra.verify_enveloped(&self.parsed, keys)?,
        };
        let message = reading::read(root, self.direction)?;
        let signed = self.is_signed();
        Ok(Heard { message, relay_state: self.relay_state, signed })
    }
}

impl Detached {
    fn verify(&self, keys: &[VerificationKey]) -> Result<(), Unverified> {
        if keys.is_empty() {
            return Err(Unverified::Key);
        }
        let signed = keys.iter().any(|key| key.verifies(self.algorithm, &self.octets, &self.signature));
        signed.then_some(()).ok_or(Unverified::Signature)
    }
}
