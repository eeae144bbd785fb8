//! The parameters of a binding: which are there, once each, and their octets as they came.
use super::super::parsed::Malformed;
use super::super::reading::Direction;

/// Every parameter that means something to us.
const KNOWN: &[&str] = &["SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding"];

/// A value as it came: percent-encoded.
#[derive(Clone, Copy)]
pub(super) struct Value<'t>(&'t [u8]);

impl Value<'_> {
    /// Its octets (URL Standard, `application/x-www-form-urlencoded`); a `%` that encodes nothing is refused.
    pub(super) fn decoded(self) -> Result<Vec<u8>, Malformed> {
        let mut octets = Vec::with_capacity(self.0.len());
        let mut rest = self.0.iter();
        while let Some(byte) = rest.next() {
            octets.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let (high, low) = (digit(rest.next()), digit(rest.next()));
                    high.zip(low).map(|(high, low)| high << 4 | low).ok_or(Malformed::Coding)?
                }
                other => *other,
            });
        }
        Ok(octets)
    }
}

fn digit(byte: Option<&u8>) -> Option<u8> {
    let value = char::from(*byte?).to_digit(16)?;
    u8::try_from(value).ok()
}

/// What a query or a form holds for us.
#[derive(Default)]
pub(super) struct Parameters<'t> {
    request: Option<Value<'t>>,
    response: Option<Value<'t>>,
    pub(super) relay_state: Option<Value<'t>>,
    pub(super) algorithm: Option<Value<'t>>,
    pub(super) signature: Option<Value<'t>>,
    pub(super) encoding: Option<Value<'t>>,
}

impl<'t> Parameters<'t> {
    /// Reads them. Others are passed over, but not ones that some reader could take for these.
    pub(super) fn read(text: &'t [u8]) -> Result<Self, Malformed> {
        if !text.iter().all(u8::is_ascii_graphic) {
            return Err(Malformed::Parameters);
        }
        let mut parameters = Self::default();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => pair.split_at(at),
                None => (pair, [].as_slice()),
            };
            let value = Value(value.strip_prefix(b"=").unwrap_or_default());
            if let Some(slot) = parameters.slot(name)?
                && slot.replace(value).is_some()
            {
                return Err(Malformed::Parameters);
            }
        }
        Ok(parameters)
    }

    /// Where a parameter goes; `None` for one that means nothing to us.
    fn slot(&mut self, name: &[u8]) -> Result<Option<&mut Option<Value<'t>>>, Malformed> {
        let decoded = Value(name).decoded()?;
        let Some(known) = KNOWN.iter().find(|known| seems(known, &decoded)) else { return Ok(None) };
        if known.as_bytes() != name {
            return Err(Malformed::Parameters);
        }
        Ok(Some(match *known {
            "SAMLRequest" => &mut self.request,
            "SAMLResponse" => &mut self.response,
            "RelayState" => &mut self.relay_state,
            "SigAlg" => &mut self.algorithm,
            "Signature" => &mut self.signature,
            _ => &mut self.encoding,
        }))
    }

    /// The one message.
    pub(super) fn message(&self) -> Result<(Direction, Value<'t>), Malformed> {
        match (self.request, self.response) {
            (Some(request), None) => Ok((Direction::Request, request)),
            (None, Some(response)) => Ok((Direction::Response, response)),
            _ => Err(Malformed::Parameters),
        }
    }

    /// What a signature in a query covers (Bindings 3.4.4.1): three parameters in this order, as they came.
    pub(super) fn signed_octets(&self) -> Vec<u8> {
        let parts = [
            ("SAMLRequest=", self.request),
            ("SAMLResponse=", self.response),
            ("RelayState=", self.relay_state),
            ("SigAlg=", self.algorithm),
        ];
        let mut octets = Vec::new();
        for (name, value) in parts {
            let Some(Value(value)) = value else { continue };
            if !octets.is_empty() {
                octets.push(b'&');
            }
            octets.extend_from_slice(name.as_bytes());
            octets.extend_from_slice(value);
        }
        octets
    }
}

/// Whether some reader could take a name for this one: by another case, by white space, or as a list (`SAMLRequest[]`).
fn seems(known: &str, decoded: &[u8]) -> bool {
    let decoded = decoded.trim_ascii();
    let plain = decoded.iter().position(|byte| matches!(byte, b'[' | 0)).map_or(decoded, |at| decoded.split_at(at).0);
    plain.eq_ignore_ascii_case(known.as_bytes())
}
