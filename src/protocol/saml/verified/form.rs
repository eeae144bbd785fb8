//! The one form of a signature that we know (Core 5.4, Metadata 3): where it stands, what it covers, by which transforms and
//! algorithms. All of it is read from the tree; nothing is computed but the digest of nothing.
use super::super::key::SignatureAlgorithm;
use super::super::names::{DS, ENVELOPED, EXC_C14N, MD, SAML, SAMLP};
use super::super::parsed::{Node, Parsed, trimmed};
use super::Unverified;
use aws_lc_rs::digest::{self, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Prefixes that may be listed as inclusive.
const MOST_PREFIXES: usize = 16;

/// The signature of the document element: the only one in the document.
pub(super) fn signature<'p>(parsed: &'p Parsed<'_>) -> Result<Node<'p>, Unverified> {
    let root = parsed.root();
    let mut all = signatures(root);
    let signature = all.next().ok_or(Unverified::Unsigned)?;
    let signed_infos = every(root).filter(|node| node.is(DS, "SignedInfo")).count();
    if all.next().is_some() || signed_infos != 1 || position(root).map(Node::id) != Some(signature.id()) {
        return Err(Unverified::Form);
    }
    let parts: Vec<_> = signature.elements().collect();
    let (info, value) = match parts.as_slice() {
        [info, value] => (*info, *value),
        [info, value, key] if key.is(DS, "KeyInfo") => (*info, *value),
        _ => return Err(Unverified::Form),
    };
    let sound = info.is(DS, "SignedInfo") && value.is(DS, "SignatureValue") && signature.has_elements_only();
    if !sound || !value.has_one_text() {
        return Err(Unverified::Form);
    }
    signed_info(info, root)?;
    Ok(signature)
}

/// Every signature in the document.
pub(super) fn signatures(root: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    every(root).filter(|node| node.is(DS, "Signature"))
}

/// Every element. The tree is as deep as its bounds allow, and the list as long as the widest way to one of them.
fn every(root: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let mut waiting = vec![root];
    std::iter::from_fn(move || {
        let node = waiting.pop()?;
        let from = waiting.len();
        waiting.extend(node.elements());
        waiting.get_mut(from..).unwrap_or_default().reverse();
        Some(node)
    })
}

/// The element at whose place the schema has the signature: the first of metadata, the one after `saml:Issuer` of messages.
fn position(root: Node<'_>) -> Option<Node<'_>> {
    let mut elements = root.elements();
    match root.namespace() {
        MD => elements.next(),
        SAMLP => elements.next().filter(|first| first.is(SAML, "Issuer")).and_then(|_| elements.next()),
        _ => None,
    }
}

fn signed_info(info: Node<'_>, root: Node<'_>) -> Result<(), Unverified> {
    let parts: Vec<_> = info.elements().collect();
    let [canonicalization, method, reference] = parts.as_slice() else { return Err(Unverified::Form) };
    let named = canonicalization.is(DS, "CanonicalizationMethod")
        && method.is(DS, "SignatureMethod")
        && reference.is(DS, "Reference")
        && info.has_elements_only();
    if !named || method.elements().next().is_some() {
        return Err(Unverified::Form);
    }
    if method.attribute("Algorithm").and_then(SignatureAlgorithm::parse).is_none() {
        return Err(Unverified::Algorithm);
    }
    exclusive(*canonicalization)?;
    self::reference(*reference, root)
}

fn reference(reference: Node<'_>, root: Node<'_>) -> Result<(), Unverified> {
    let uri = reference.attribute("URI").ok_or(Unverified::Reference)?;
    let whole = uri.is_empty() || uri.strip_prefix('#').is_some_and(|id| root.attribute("ID") == Some(id));
    if !whole || reference.attribute("Type").is_some() {
        return Err(Unverified::Reference);
    }
    let parts: Vec<_> = reference.elements().collect();
    let [transforms, method, value] = parts.as_slice() else { return Err(Unverified::Form) };
    let named = transforms.is(DS, "Transforms") && method.is(DS, "DigestMethod") && value.is(DS, "DigestValue");
    if !named || !reference.has_elements_only() || method.elements().next().is_some() || !value.has_one_text() {
        return Err(Unverified::Form);
    }
    self::transforms(*transforms)?;
    digest_value(method.attribute("Algorithm"), &value.text().unwrap_or_default())
}

/// Exactly the two that an enveloped signature needs.
fn transforms(transforms: Node<'_>) -> Result<(), Unverified> {
    let mut parts = transforms.elements();
    let (Some(first), Some(second), None) = (parts.next(), parts.next(), parts.next()) else {
        return Err(Unverified::Form);
    };
    if !first.is(DS, "Transform") || !second.is(DS, "Transform") || !transforms.has_elements_only() {
        return Err(Unverified::Form);
    }
    if first.attribute("Algorithm") != Some(ENVELOPED) || first.elements().next().is_some() {
        return Err(Unverified::Algorithm);
    }
    exclusive(second)
}

/// Exclusive canonicalisation without comments, with or without prefixes that are kept.
fn exclusive(node: Node<'_>) -> Result<(), Unverified> {
    if node.attribute("Algorithm") != Some(EXC_C14N) {
        return Err(Unverified::Algorithm);
    }
    let mut parts = node.elements();
    let sound = match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some(kept), None) => kept.is(EXC_C14N, "InclusiveNamespaces") && are_prefixes(kept),
        (Some(_), Some(_)) => false,
    };
    (sound && node.has_elements_only()).then_some(()).ok_or(Unverified::Form)
}

fn are_prefixes(kept: Node<'_>) -> bool {
    let list = kept.attribute("PrefixList").unwrap_or_default();
    let is_prefix = |c: char| c.is_ascii_alphanumeric() || matches!(c, '#' | '_' | '-' | '.');
    list.split_ascii_whitespace().count() <= MOST_PREFIXES
        && list.split_ascii_whitespace().all(|prefix| prefix.chars().all(is_prefix))
        && kept.elements().next().is_none()
}

/// A digest of a kind that we believe, and not of nothing: a canonical form that is empty hides a failure.
fn digest_value(method: Option<&str>, value: &str) -> Result<(), Unverified> {
    let algorithm = match method {
        Some("http://www.w3.org/2001/04/xmlenc#sha256") => &digest::SHA256,
        Some("http://www.w3.org/2001/04/xmldsig-more#sha384") => &digest::SHA384,
        Some("http://www.w3.org/2001/04/xmlenc#sha512") => &digest::SHA512,
        _ => return Err(Unverified::Algorithm),
    };
    let value = STANDARD.decode(trimmed(value)).map_err(|_| Unverified::Form)?;
    if value.len() != algorithm.output_len() || value == digest(algorithm, b"").as_ref() {
        return Err(Unverified::Form);
    }
    Ok(())
}
