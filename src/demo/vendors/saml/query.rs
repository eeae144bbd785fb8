//! Messages in the query of an address (Bindings 3.4), written and read.
use super::super::trouble::Trouble;
use super::key::OwnKey;
use super::names::RSA_SHA256;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::io::{Read, Write};
use x509_parser::prelude::{FromDer, X509Certificate};

/// The longest message that is read.
const LONGEST: u64 = 64 * 1024;

/// The address to which a message goes in the browser, signed if there is a key.
pub(super) fn address(
    location: &str,
    (kind, message): (&str, &str),
    relay_state: Option<&str>,
    key: Option<&OwnKey>,
) -> Result<String, Trouble> {
    let mut text = format!("{kind}={}", percent(&deflated(message)));
    if let Some(state) = relay_state {
        text = format!("{text}&RelayState={}", percent(state));
    }
    if let Some(key) = key {
        text = format!("{text}&SigAlg={}", percent(RSA_SHA256));
        let signature = key.sign(text.as_bytes())?;
        text = format!("{text}&Signature={}", percent(&STANDARD.encode(signature)));
    }
    let join = if location.contains('?') { '&' } else { '?' };
    Ok(format!("{location}{join}{text}"))
}

fn percent(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn deflated(message: &str) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let written = encoder.write_all(message.as_bytes()).and_then(|()| encoder.finish());
    STANDARD.encode(written.unwrap_or_default())
}

/// A message of the other side's, with its signature checked over the very bytes that came.
pub(super) fn read(query: &str, kind: &str, certificates: &[Vec<u8>]) -> Result<String, &'static str> {
    let raw = |name: &str| {
        let mut parts = query.split('&').filter_map(|part| part.split_once('=')).filter(|(known, _)| *known == name);
        match (parts.next(), parts.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    };
    let (Some(message), Some(algorithm), Some(signature)) = (raw(kind), raw("SigAlg"), raw("Signature")) else {
        return Err("the message is not signed");
    };
    if plain(algorithm) != RSA_SHA256 {
        return Err("the message is signed in an unknown way");
    }
    let state = raw("RelayState").map(|state| format!("&RelayState={state}")).unwrap_or_default();
    let signed = format!("{kind}={message}{state}&SigAlg={algorithm}");
    let signature = STANDARD.decode(plain(signature)).map_err(|_| "the signature cannot be read")?;
    if !certificates.iter().any(|der| verifies(der, signed.as_bytes(), &signature)) {
        return Err("the signature is wrong");
    }
    inflated(&plain(message)).ok_or("the message cannot be read")
}

fn plain(value: &str) -> String {
    url::form_urlencoded::parse(format!("x={value}").as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

fn verifies(certificate: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let key = &certificate.public_key().subject_public_key.data;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key).verify(signed, signature).is_ok()
}

/// A message out of base64 and DEFLATE.
pub(super) fn inflated(text: &str) -> Option<String> {
    let mut message = String::new();
    DeflateDecoder::new(&*STANDARD.decode(text).ok()?).take(LONGEST).read_to_string(&mut message).ok()?;
    Some(message)
}
