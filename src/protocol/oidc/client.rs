//! A vendor as the OpenID Provider knows it: its client metadata (OpenID Connect Registration 1.0 §2), which come from
//! the configuration alone.
use crate::domain::{LibraryId, Vendor};
use crate::protocol::Algorithm;
use crate::protocol::location::{is_loopback, web_address};
use jsonwebtoken::jwk::JwkSet;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use url::{Url, form_urlencoded};

/// The SHA-256 of a client secret. Secrets are 256 random bits that we made, so no slow hash is needed.
pub(super) struct SecretDigest(pub(super) [u8; 32]);

impl SecretDigest {
    /// Whether `secret` is the one, in constant time.
    pub(super) fn fits(&self, secret: &str) -> bool {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
        digest.as_ref().ct_eq(&self.0).into()
    }
}

/// Where a client's public keys come from.
pub(super) enum ClientKeys {
    /// They stand in the configuration's folder.
    Set(JwkSet),
    /// The vendor publishes them.
    Uri(Url),
}

/// The algorithm of a client's assertions; one, so that the header of an assertion decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AssertionAlgorithm {
    /// ECDSA on P-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// Ed25519.
    EdDsa,
}

/// How a client proves at our endpoints who it is (OpenID Connect Core §9).
pub(super) enum Authentication {
    /// `client_secret_basic`.
    Basic(SecretDigest),
    /// `client_secret_post`.
    Post(SecretDigest),
    /// `private_key_jwt` (RFC 7523).
    PrivateKey(AssertionAlgorithm, ClientKeys),
    /// `none`: a public client, which has PKCE alone.
    None,
}

impl Authentication {
    /// The name in metadata.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::PrivateKey(..) => "private_key_jwt",
            Self::None => "none",
        }
    }
}

/// Whether access tokens are bound to a key of the client (RFC 9449).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dpop {
    /// Proofs are not looked at.
    Off,
    /// A proof binds; without one the token is a bearer token.
    Optional,
    /// No proof, no token.
    Required,
}

/// An address to which a browser may be sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedirectUri {
    /// As it was configured; compared to the letter.
    pub(super) text: String,
    /// Its host.
    pub(super) host: String,
    /// An application on the reader's own machine, which may come back to any port (RFC 8252 §7.3).
    loopback: Option<Url>,
}

impl RedirectUri {
    /// Reads a configured address: `https`, or `http` to loopback; no fragment, no user.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = web_address(text)?;
        let loopback = url.scheme() == "http";
        if url.fragment().is_some() || loopback && !is_loopback(&url) {
            return None;
        }
        let host = url.host_str()?.to_owned();
        Some(Self { text: text.to_owned(), host, loopback: loopback.then_some(url) })
    }

    /// Whether `given` is this address: the same text, or for loopback the same but for the port.
    pub(super) fn is(&self, given: &str) -> bool {
        if self.text == given {
            return true;
        }
        let Some(mut own) = self.loopback.clone() else { return false };
        let Some(mut url) = web_address(given).filter(|url| is_loopback(url) && url.as_str() == given) else {
            return false;
        };
        own.set_port(None).is_ok() && url.set_port(None).is_ok() && own == url
    }
}

/// The origin of an address that was found to be one of a client's.
pub(super) fn origin_of(given: &str) -> String {
    web_address(given).map_or_else(String::new, |url| url.origin().ascii_serialization())
}

/// An address with these fields behind it, after those that it has.
pub(super) fn with_query<N: AsRef<str>, V: AsRef<str>>(
    address: &str,
    fields: impl IntoIterator<Item = (N, V)>,
) -> String {
    let glue = if address.contains('?') { '&' } else { '?' };
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    format!("{address}{glue}{query}")
}

/// By which name readers are known to a vendor (OpenID Connect Core §8.1).
pub(super) struct Sector {
    /// The host of the redirect addresses, or of the document that lists them.
    pub(super) host: String,
    /// `sector_identifier_uri`: a JSON list that must hold every redirect address.
    pub(super) document: Option<Url>,
}

/// A vendor as a client.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of the configuration, and they are told apart by name"
)]
pub struct Client {
    pub(super) vendor: Arc<Vendor>,
    pub(super) id: String,
    /// The library whose issuer knows the client; `None` for the issuer of all.
    pub(super) issuer: Option<LibraryId>,
    pub(super) authentication: Authentication,
    pub(super) redirect_uris: Vec<RedirectUri>,
    pub(super) post_logout_redirect_uris: Vec<String>,
    pub(super) sector: Sector,
    pub(super) id_token_algorithm: Algorithm,
    pub(super) pkce_required: bool,
    pub(super) par_required: bool,
    pub(super) dpop: Dpop,
    /// FAPI 2.0 Security Profile.
    pub(super) fapi: bool,
    pub(super) access_token_lifetime: Duration,
    pub(super) refresh_tokens: bool,
    pub(super) backchannel: Option<Backchannel>,
    pub(super) frontchannel: Option<Url>,
    pub(super) initiate: Option<Url>,
    pub(super) entitlements: bool,
    pub(super) affiliation: bool,
}

/// Where a client wants to hear of sign-outs.
#[derive(Clone)]
pub(super) struct Backchannel {
    /// `backchannel_logout_uri`.
    pub(super) uri: Url,
    /// How long the client may take to answer.
    pub(super) timeout: Duration,
}

impl Client {
    /// The vendor.
    #[must_use]
    pub fn vendor(&self) -> &Vendor {
        &self.vendor
    }

    /// Whether it is told the scoped affiliation, and the entitlements.
    #[must_use]
    pub const fn learns(&self) -> (bool, bool) {
        (self.affiliation, self.entitlements)
    }

    /// The sector by which it knows readers.
    #[must_use]
    pub fn sector(&self) -> &str {
        &self.sector.host
    }

    /// The configured redirect address that `given` is.
    pub(super) fn redirect_uri(&self, given: &str) -> Option<&RedirectUri> {
        self.redirect_uris.iter().find(|known| known.is(given))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_address_is_compared_to_the_letter() {
        let known = RedirectUri::parse("https://rp.example/cb").unwrap();
        assert!(known.is("https://rp.example/cb"));
        for other in [
            "https://rp.example/cb/",
            "https://rp.example/cb?x=1",
            "https://rp.example/CB",
            "https://RP.example/cb",
            "https://rp.example./cb",
            "https://rp.example:443/cb",
            "https://user@rp.example/cb",
            "https://rp.example\\@evil.example/cb",
            "https://rp.example/cb%2f",
            "https://rp.example/x/../cb",
            "http://rp.example/cb",
        ] {
            assert!(!known.is(other), "{other}");
        }
    }

    #[test]
    fn an_application_on_loopback_may_choose_its_port() {
        let known = RedirectUri::parse("http://127.0.0.1/cb").unwrap();
        assert!(known.is("http://127.0.0.1:5000/cb"));
        for other in [
            "http://127.0.0.1:5000/cb2",
            "http://127.0.0.2:5000/cb",
            "https://127.0.0.1:5000/cb",
            "http://127.0.0.1.evil.example/cb",
        ] {
            assert!(!known.is(other), "{other}");
        }
        let public = RedirectUri::parse("https://127.0.0.1/cb").unwrap();
        assert!(!public.is("https://127.0.0.1:5000/cb"));
    }

    #[test]
    fn addresses_that_are_no_place_to_come_back_to_are_refused() {
        for bad in [
            "",
            "cb",
            "http://rp.example/cb",
            "https://rp.example/cb#x",
            "javascript:alert(1)",
            "https://a@rp.example/",
            "https://rp example/",
        ] {
            assert!(RedirectUri::parse(bad).is_none(), "{bad}");
        }
    }
}
