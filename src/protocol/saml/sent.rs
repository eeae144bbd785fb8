//! How messages travel by way of the browser: in a form (Bindings 3.5) or in the query of an address (Bindings 3.4).
use super::canonical::{Unsigned, Xml};
use super::certified::Certified;
use super::signed::method;
use crate::protocol::Unspoken;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::Write;

/// Which parameter carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It asks.
    Request,
    /// It answers.
    Response,
}

impl Kind {
    /// The parameter's name, in forms and in queries.
    pub(super) const fn parameter(self) -> &'static str {
        match self {
            Self::Request => "SAMLRequest",
            Self::Response => "SAMLResponse",
        }
    }
}

/// The value of a form's field.
pub(super) fn as_form(message: &Xml) -> String {
    STANDARD.encode(message.as_str())
}

/// The address that carries the message. There is no signature in the XML but one over the query's very octets, which are
/// the ones sent.
pub(super) fn as_query(
    location: &str,
    kind: Kind,
    message: &Unsigned,
    relay_state: Option<&str>,
    certified: Certified<'_>,
) -> Result<String, Unspoken> {
    // What follows a fragment would never reach the vendor.
    if location.contains('#') {
        return Err(Unspoken);
    }
    let mut query = String::with_capacity(2048);
    parameter(&mut query, kind.parameter(), &STANDARD.encode(deflated(message.as_str())?));
    if let Some(relay_state) = relay_state {
        parameter(&mut query, "RelayState", relay_state);
    }
    parameter(&mut query, "SigAlg", method(certified.key.algorithm)?);
    let signature = certified.key.signature(query.as_bytes()).map_err(|_| Unspoken)?;
    parameter(&mut query, "Signature", &STANDARD.encode(signature));
    let between = match location {
        open if open.ends_with(['?', '&']) => "",
        open if open.contains('?') => "&",
        _ => "?",
    };
    Ok([location, between, &query].concat())
}

/// DEFLATE without a wrapper (RFC 1951).
fn deflated(text: &str) -> Result<Vec<u8>, Unspoken> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(text.len()), Compression::default());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).map_err(|_| Unspoken)
}

/// Appends `name=value`, with everything in the value escaped that is not unreserved (RFC 3986, 2.3).
fn parameter(query: &mut String, name: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(name);
    query.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            query.push(char::from(byte));
        } else {
            query.push('%');
            for digit in [byte >> 4, byte & 15] {
                query.extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
