//! Signs what we write: an enveloped XML signature over text that already is canonical.
use super::canonical::{Element, Unsigned, Unwritable, Xml};
use super::certified::Certified;
use super::names;
use crate::protocol::{Algorithm, Unspoken};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The name of a signature algorithm; there is none for Ed25519 that vendors know.
pub(super) const fn method(algorithm: Algorithm) -> Result<&'static str, Unspoken> {
    match algorithm {
        Algorithm::Rs256 => Ok(names::RSA_SHA256),
        Algorithm::Es256 => Ok(names::ECDSA_SHA256),
        Algorithm::EdDsa => Err(Unspoken),
    }
}

/// Signs an element and puts the signature in its place.
pub(super) fn sign(unsigned: Unsigned, certified: Certified<'_>) -> Result<Xml, Unspoken> {
    let method = method(certified.key.algorithm)?;
    let digest = STANDARD.encode(digest::digest(&digest::SHA256, unsigned.as_str().as_bytes()));
    let info = signed_info(unsigned.id(), method, &digest)?;
    let value = certified.key.signature(info.alone("ds")?.as_bytes()).map_err(|_| Unspoken)?;
    let signature = Element::new("ds:Signature")
        .declare("ds", names::DS)
        .child(info)
        .leaf("ds:SignatureValue", &STANDARD.encode(value))
        .child(key_info(certified.certificate)?)
        .finish()?;
    Ok(unsigned.with(&signature)?)
}

/// `ds:SignedInfo` over the element with this ID, without the declaration of `ds`, which is around it.
fn signed_info(id: &str, method: &'static str, digest: &str) -> Result<Xml, Unwritable> {
    let transforms = Element::new("ds:Transforms")
        .child(algorithm("ds:Transform", names::ENVELOPED)?)
        .child(algorithm("ds:Transform", names::EXC_C14N)?)
        .finish()?;
    let reference = Element::new("ds:Reference")
        .attribute("URI", &format!("#{id}"))
        .child(transforms)
        .child(algorithm("ds:DigestMethod", names::SHA256)?)
        .leaf("ds:DigestValue", digest)
        .finish()?;
    Element::new("ds:SignedInfo")
        .child(algorithm("ds:CanonicalizationMethod", names::EXC_C14N)?)
        .child(algorithm("ds:SignatureMethod", method)?)
        .child(reference)
        .finish()
}

/// An element that names an algorithm.
pub(super) fn algorithm(name: &'static str, uri: &str) -> Result<Xml, Unwritable> {
    Element::new(name).attribute("Algorithm", uri).finish()
}

/// `ds:KeyInfo` with a certificate. It stands where `ds` is declared around it.
fn key_info(certificate: &str) -> Result<Xml, Unwritable> {
    let data = Element::new("ds:X509Data").leaf("ds:X509Certificate", certificate).finish()?;
    Element::new("ds:KeyInfo").child(data).finish()
}

#[cfg(test)]
pub(super) mod tests;
