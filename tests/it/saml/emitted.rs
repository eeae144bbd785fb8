//! What the identity provider sends, looked at from outside: `xmlsec1` verifies and decrypts, and each value is found by the
//! element that it stands in.
use super::page::{attribute, unescaped};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const RESPONSE: &str = "urn:oasis:names:tc:SAML:2.0:protocol:Response";
const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion";
const ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor";

/// Runs `xmlsec1` on a document.
fn xmlsec1(arguments: &[&str], document: &str) -> Result<String, String> {
    let folder = TempDir::new().unwrap();
    let (file, output) = (folder.path().join("in.xml"), folder.path().join("out.xml"));
    std::fs::write(&file, document).unwrap();
    let ids = [RESPONSE, ASSERTION, ENTITY].into_iter().flat_map(|name| ["--id-attr:ID", name]);
    let mut command = Command::new("xmlsec1");
    command.arg(arguments[0]).args(ids).args(&arguments[1..]).arg("--output").arg(&output).arg(&file);
    let done = command.output().expect("xmlsec1 is there: run tests/install.sh");
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned());
    }
    Ok(std::fs::read_to_string(output).unwrap_or_default())
}

/// Whether the signature that is a child of a kind of element verifies with a certificate.
fn is_signed(document: &str, parent: &str, certificate: &Path) -> Result<(), String> {
    let at = format!("//*[local-name()='{parent}']/*[local-name()='Signature']");
    let certificate = certificate.to_str().unwrap();
    xmlsec1(&["--verify", "--pubkey-cert-pem", certificate, "--node-xpath", &at], document).map(drop)
}

/// The document that a vendor reads: signed as a whole, and in the assertion, which is decrypted if it came encrypted.
#[track_caller]
pub(super) fn verified(response: &str, certificate: &Path, encrypted: Option<&Path>) -> String {
    assert_eq!(is_signed(response, "Response", certificate), Ok(()), "{response}");
    assert_eq!(elements(response, "EncryptedAssertion").len(), usize::from(encrypted.is_some()), "{response}");
    let plain = encrypted.map(|key| {
        assert!(!response.contains("AttributeStatement"), "nothing is left in the open: {response}");
        xmlsec1(&["--decrypt", "--privkey-pem", key.to_str().unwrap()], response).unwrap()
    });
    let plain = plain.unwrap_or_else(|| response.to_owned());
    assert_eq!(elements(&plain, "Assertion").len(), 1, "one assertion: {plain}");
    assert_eq!(is_signed(&plain, "Assertion", certificate), Ok(()), "{plain}");
    // A check that finds nothing wrong with anything would be none.
    let other = response.replacen("Version=\"2.0\"", "Version=\"2.1\"", 1);
    assert!(is_signed(&other, "Response", certificate).is_err(), "a changed response is refused");
    plain
}

/// Whether signed metadata verifies.
pub(super) fn is_signed_metadata(metadata: &str, certificate: &Path) -> Result<(), String> {
    is_signed(metadata, "EntityDescriptor", certificate)
}

/// Whether a response that holds no assertion, or is not to be decrypted, verifies.
pub(super) fn is_signed_response(response: &str, certificate: &Path) -> Result<(), String> {
    is_signed(response, "Response", certificate)
}

/// The elements of a local name: their tags and what is inside.
pub(super) fn elements<'d>(document: &'d str, name: &str) -> Vec<(&'d str, &'d str)> {
    let mut found = Vec::new();
    for (at, _) in document.match_indices('<') {
        let rest = &document[at + 1..];
        let tag = rest.split('>').next().unwrap_or_default();
        let qualified = tag.split([' ', '\n', '\t', '/']).next().unwrap_or_default();
        if qualified.rsplit(':').next() != Some(name) || rest.starts_with('/') {
            continue;
        }
        let inside = if tag.ends_with('/') { "" } else { &rest[tag.len() + 1..] };
        let inside = inside.split(&format!("</{qualified}>")).next().unwrap_or_default();
        found.push((tag, inside));
    }
    found
}

/// The one element of a local name.
#[track_caller]
pub(super) fn element<'d>(document: &'d str, name: &str) -> (&'d str, &'d str) {
    let found = elements(document, name);
    assert_eq!(found.len(), 1, "one `{name}`: {document}");
    found[0]
}

/// An attribute of the one element of a local name.
#[track_caller]
pub(super) fn attribute_of(document: &str, name: &str, wanted: &str) -> Option<String> {
    attribute(element(document, name).0, wanted)
}

/// The text of an element that holds nothing else.
pub(super) fn text(inside: &str) -> String {
    unescaped(inside)
}

/// The statuses of a response, without their common beginning.
pub(super) fn statuses(document: &str) -> Vec<String> {
    let codes = elements(document, "StatusCode");
    let value = |tag: &str| attribute(tag, "Value").unwrap();
    codes.iter().map(|(tag, _)| value(tag).rsplit(':').next().unwrap().to_owned()).collect()
}

/// The attributes of an assertion: names and their values.
pub(super) fn attributes(document: &str) -> std::collections::BTreeMap<String, Vec<String>> {
    let each = elements(document, "Attribute").into_iter().map(|(tag, inside)| {
        let format = attribute(tag, "NameFormat");
        assert_eq!(format.as_deref(), Some("urn:oasis:names:tc:SAML:2.0:attrname-format:uri"), "{tag}");
        let values = elements(inside, "AttributeValue").into_iter().map(|(_, value)| {
            // eduPersonTargetedID is a name in an element of its own.
            elements(value, "NameID").first().map_or_else(|| text(value), |(_, name)| text(name))
        });
        (attribute(tag, "Name").unwrap(), values.collect())
    });
    each.collect()
}

/// Whether the assertion of a response, which is in the open, is signed.
pub(super) fn is_signed_assertion(response: &str, certificate: &Path) -> Result<(), String> {
    is_signed(response, "Assertion", certificate)
}
