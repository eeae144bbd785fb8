//! Whether a document is signed by whom it should be: one enveloped signature, over the whole document, in one form. The
//! form is checked before any cryptography; the library sees nothing that has another, and what it verified must be the
//! document element of the very tree that is read afterwards.
mod form;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use super::key::VerificationKey;
use super::parsed::{Node, Parsed};
use bergshamra::keys::loader::load_spki_der;
use bergshamra::{DsigContext, KeysManager, VerifyResult};

/// Why a document is not believed: closed words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unverified {
    /// It has no signature.
    Unsigned,
    /// It has more than one, or one that stands elsewhere or has another form than we know.
    Form,
    /// It names an algorithm that we do not believe.
    Algorithm,
    /// It covers something else than the whole document.
    Reference,
    /// There is no key that could have signed it.
    Key,
    /// None of the keys signed it as it is.
    Signature,
}

impl Unverified {
    /// The word for events.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::Form => "form",
            Self::Algorithm => "algorithm",
            Self::Reference => "reference",
            Self::Key => "key",
            Self::Signature => "signature",
        }
    }
}

/// What verifies enveloped signatures (XML Signature).
pub(super) trait Verifier {
    /// The document element, which one of `keys` has signed whole.
    fn verify_enveloped<'p>(&self, parsed: &'p Parsed<'_>, keys: &[VerificationKey]) -> Result<Node<'p>, Unverified>;
}

/// By bergshamra.
pub(super) struct Bergshamra;

impl Verifier for Bergshamra {
    fn verify_enveloped<'p>(&self, parsed: &'p Parsed<'_>, keys: &[VerificationKey]) -> Result<Node<'p>, Unverified> {
        let signature = form::signature(parsed)?;
        if keys.is_empty() {
            return Err(Unverified::Key);
        }
        let mut manager = KeysManager::new();
        manager.add_keys(keys.iter().filter_map(|key| load_spki_der(key.spki()).ok()));
        // Its defaults are ours: no key out of the document, every digest computed, position checked.
        let context = DsigContext::new(manager);
        let verified = bergshamra::dsig::verify::verify_document(&context, parsed.document());
        let Ok(VerifyResult::Valid { signature_node, references, .. }) = verified else {
            return Err(Unverified::Signature);
        };
        let [reference] = references.as_slice() else { return Err(Unverified::Reference) };
        let root = parsed.root();
        // An empty URI means the document, for which the library names no node.
        let covers = match reference.resolved_node {
            Some(node) => node == root.id(),
            None => reference.uri.is_empty(),
        };
        if !covers || !reference.digest_verified || signature_node != signature.id() {
            return Err(Unverified::Reference);
        }
        Ok(root)
    }
}

/// Whether there is a signature anywhere in a document.
pub(super) fn has_signature(parsed: &Parsed<'_>) -> bool {
    form::signatures(parsed.root()).next().is_some()
}
