//! Which elements of a document the identity provider has signed.
use super::names::{DS, ECDSA_SHA256, RSA_SHA256, SHA256};
use super::tree::Tree;
use bergshamra::dsig::verify::verify_all_document;
use bergshamra::keys::loader::load_x509_cert_der;
use bergshamra::{DsigContext, KeysManager, VerifyResult};
use uppsala::NodeId;

/// The elements that are signed, each by a signature of its own right inside it, with a key of one of these certificates.
pub(super) fn signed(tree: &Tree<'_>, certificates: &[Vec<u8>]) -> Result<Vec<NodeId>, &'static str> {
    let known = |name: &str, algorithms: &[&str]| {
        let algorithm = |node: NodeId| tree.attribute(node, "Algorithm").unwrap_or_default().to_owned();
        tree.all(DS, name).into_iter().all(|node| algorithms.contains(&&*algorithm(node)))
    };
    if !known("SignatureMethod", &[RSA_SHA256, ECDSA_SHA256]) {
        return Err("the signature is of an unknown kind");
    }
    // Digests also belong to RSA-OAEP, which has its own.
    let references = tree.all(DS, "Reference").into_iter();
    let mut digests = references.map(|reference| tree.only(reference, DS, "DigestMethod"));
    if !digests.all(|method| method.and_then(|method| tree.attribute(method, "Algorithm")) == Some(SHA256)) {
        return Err("the signature is of an unknown kind");
    }
    let mut keys = KeysManager::new();
    keys.add_keys(certificates.iter().filter_map(|der| load_x509_cert_der(der).ok()));
    let document = tree.document();
    let results = verify_all_document(&DsigContext::new(keys), document).map_err(|_| "there is no signature")?;
    Ok(results.iter().filter_map(|result| enveloping(tree, result)).collect())
}

/// The element around a good signature, if that is what it covers, and all that it covers.
fn enveloping(tree: &Tree<'_>, result: &VerifyResult) -> Option<NodeId> {
    let VerifyResult::Valid { signature_node, references, .. } = result else { return None };
    let [reference] = &references[..] else { return None };
    let parent = tree.document().parent(*signature_node)?;
    (reference.digest_verified && reference.resolved_node == Some(parent)).then_some(parent)
}
