//! stub
use serde::Serialize;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
/// a
pub enum Algorithm {
    /// a
    Es256,
    /// b
    Rs256,
    /// c
    EdDsa,
}
/// a
pub struct SigningRing;
impl SigningRing {
    /// a
    pub fn has(&self, _: Algorithm) -> bool {
        true
    }
    /// a
    pub fn sign(&self, _: Algorithm, _: &str, _: &impl Serialize) -> Result<String, String> {
        Err(String::new())
    }
    /// a
    pub fn jwks(&self) -> &str {
        ""
    }
}
