//! Session ids and the cookies that carry them (RFC 6265bis: `__Host-`, host-only, `Secure`, `HttpOnly`).
use crate::domain::random;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::COOKIE;
use zeroize::Zeroizing;

/// Every cookie of ours begins so; vendors never see one and may not set one.
pub const COOKIE_PREFIX: &str = "__Host-vestibule";

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCookie {
    /// The session at the portal.
    Portal,
    /// The session at one vendor's host.
    Host,
}

impl SessionCookie {
    /// The cookie's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portal => "__Host-vestibule",
            Self::Host => "__Host-vestibule-visit",
        }
    }

    /// The `Set-Cookie` field that gives a browser this cookie until it is closed.
    #[must_use]
    pub fn set(self, id: &SecretId) -> String {
        format!("{}={}; Path=/; Secure; HttpOnly; SameSite=Lax", self.name(), id.reveal())
    }

    /// The `Set-Cookie` field that takes this cookie away.
    #[must_use]
    pub fn unset(self) -> String {
        format!("{}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0", self.name())
    }
}

/// 256 random bits that only a browser holds. Stores know it by its digest alone.
///
/// It has no `Debug`, `Display`, `Clone` or `Serialize`.
pub struct SecretId(Zeroizing<[u8; 32]>);

impl SecretId {
    /// A new one.
    #[must_use]
    pub fn new() -> Self {
        Self(Zeroizing::new(random()))
    }

    /// Reads the 43 characters that [`SecretId::reveal`] gave; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // A fixed length keeps every id to one spelling; the decoder refuses stray bits in the last character.
        let mut bytes = Zeroizing::new([0; 32]);
        let fits = text.len() == 43 && URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).ok()? == 32;
        fits.then_some(Self(bytes))
    }

    /// The text for the browser: 43 characters of base64url.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_slice())
    }

    /// The name under which a store knows it. Unkeyed, which is sound for 256 random bits.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut name = [0; 32];
        name.copy_from_slice(digest(&SHA256, self.0.as_slice()).as_ref());
        name
    }
}

impl Default for SecretId {
    fn default() -> Self {
        Self::new()
    }
}

/// The value of the cookie `name`; `None` when it is missing or there twice, since then one of them is not ours.
#[must_use]
pub fn cookie_value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut found = None;
    for field in headers.get_all(COOKIE) {
        // Vendors may set cookies that are not ASCII; ours are.
        for pair in field.as_bytes().split(|b| *b == b';') {
            let pair = pair.trim_ascii();
            let Some(value) = pair.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) else {
                continue;
            };
            if found.is_some() {
                return None;
            }
            found = Some(std::str::from_utf8(value).ok()?);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = SecretId::new();
        let text = id.reveal();
        assert_eq!(SecretId::parse(&text).unwrap().digest(), id.digest());
        let mut bits = text.clone().into_bytes();
        // The last character carries two spare bits; setting one must not give the same id again.
        let last = bits.last_mut().unwrap();
        *last = if *last == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(bits).unwrap();
        assert!(SecretId::parse(&other).is_none_or(|o| o.digest() != id.digest()));
        for bad in ["", &text[1..], &format!("{text}="), &format!("{text}A"), &text.replace(&text[..1], "+")] {
            assert!(SecretId::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_nobody_s() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, "a=1; __Host-vestibule=x; __Host-vestibule-visit=y".parse().unwrap());
        assert_eq!(cookie_value(&headers, "__Host-vestibule"), Some("x"));
        assert_eq!(cookie_value(&headers, "__Host-vestibule-visit"), Some("y"));
        headers.append(COOKIE, "__Host-vestibule=z".parse().unwrap());
        assert_eq!(cookie_value(&headers, "__Host-vestibule"), None);
    }
}
