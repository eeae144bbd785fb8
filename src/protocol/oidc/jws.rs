//! A compact JSON Web Signature (RFC 7515 §7.1) from a stranger, read strictly and by ourselves: what its header says is
//! compared with what is expected and decides nothing.
use super::client::AssertionAlgorithm;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::verify;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

/// The longest text that is looked at, in bytes: RSA keys and signatures of 4,096 bits, and plenty of claims.
pub(super) const LONGEST: usize = 8 * 1024;
/// The longest `kid` and `jti`, in characters.
pub(super) const LONGEST_NAME: usize = 256;

/// Why a text is no signature that we look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Whether a member is there, whatever its value.
#[derive(Clone, Copy, Default)]
pub(super) struct Present(pub(super) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(from).map(|_| Self(true))
    }
}

/// What we look at in a header. `jku`, `x5u`, `x5c` and, but for a proof, `jwk` are not even read.
#[derive(Deserialize)]
pub(super) struct Header {
    /// The algorithm that the sender used.
    pub(super) alg: String,
    /// The type of the whole.
    pub(super) typ: Option<String>,
    /// The name of the key.
    pub(super) kid: Option<String>,
    #[serde(default)]
    crit: Present,
    #[serde(default)]
    b64: Present,
}

/// The three parts, without their signature being believed.
pub(super) struct Compact<'a> {
    signed: &'a str,
    signature: &'a str,
    header: Vec<u8>,
    payload: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a text apart: three parts in strict base64url, neither too long nor empty.
    ///
    /// # Errors
    /// [`Malformed`].
    pub(super) fn parse(text: &'a str) -> Result<Self, Malformed> {
        if text.len() > LONGEST {
            return Err(Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed)?;
        // The decoder refuses padding, other alphabets and bits left over; a fourth part has a dot in it.
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty()).ok_or(Malformed);
        part(signature)?;
        Ok(Self { signed, signature, header: part(header)?, payload: part(payload)? })
    }

    /// The header.
    ///
    /// # Errors
    /// [`Malformed`], also where it asks for extensions (`crit`, `b64`): we have none.
    pub(super) fn header(&self) -> Result<Header, Malformed> {
        let header: Header = object(&self.header)?;
        let long = header.kid.as_ref().is_some_and(|kid| kid.chars().count() > LONGEST_NAME);
        if header.crit.0 || header.b64.0 || long { Err(Malformed) } else { Ok(header) }
    }

    /// More of the header.
    ///
    /// # Errors
    /// [`Malformed`].
    pub(super) fn header_as<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        object(&self.header)
    }

    /// The claims, which are to be believed only after [`Compact::is_signed_by`].
    ///
    /// # Errors
    /// [`Malformed`].
    pub(super) fn claims<T: DeserializeOwned>(&self) -> Result<T, Malformed> {
        object(&self.payload)
    }

    /// Whether the holder of `key` signed it, by this algorithm and no other.
    pub(super) fn is_signed_by(&self, key: &DecodingKey, algorithm: AssertionAlgorithm) -> bool {
        verify(self.signature, self.signed.as_bytes(), key, algorithm.in_jwt()).unwrap_or(false)
    }
}

/// Reads a JSON object; a list of values in the order of the fields is none. The whole is read once more for its own sake:
/// what is skipped as unknown is not looked at closely, and might not even be UTF-8.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(_)) => serde_json::from_slice(bytes).map_err(|_| Malformed),
        _ => Err(Malformed),
    }
}

/// The whole seconds of a `NumericDate` (RFC 7519 §2), which may have a fraction.
pub(super) fn seconds(number: &Number) -> Option<i64> {
    const FAR: f64 = 1e12;
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    let floor = number.as_f64()?.floor();
    if floor.abs() < FAR { format!("{floor:.0}").parse().ok() } else { None }
}

impl AssertionAlgorithm {
    /// The name in JOSE.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The same in words of jsonwebtoken.
    pub(super) const fn in_jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Ps256 => jsonwebtoken::Algorithm::PS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compact(header: &str, payload: &str, signature: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part(payload), part(signature))
    }

    fn header(text: &str) -> Result<Header, Malformed> {
        Compact::parse(&compact(text, "{}", "s")).unwrap().header()
    }

    #[test]
    fn only_three_parts_of_strict_base64url_are_read() {
        assert!(Compact::parse("YQ.YQ.YQ").is_ok());
        for bad in ["", ".", "..", "YQ.YQ", "YQ..YQ", "YQ.YQ.", ".YQ.YQ", "YQ.YQ.YQ.YQ", "YQ==.YQ.YQ", "YR.YQ.YQ"] {
            assert!(Compact::parse(bad).is_err(), "{bad}");
        }
        for bad in [" YQ.YQ.YQ", "YQ.YQ.YQ\n", "Y+.YQ.YQ", "Y/.YQ.YQ", "YQ.Y Q.YQ", "é.YQ.YQ", "YQ.YQ.Y"] {
            assert!(Compact::parse(bad).is_err(), "{bad}");
        }
        let long = "a".repeat(LONGEST);
        assert!(Compact::parse(&format!("YQ.{long}.YQ")).is_err());
    }

    #[test]
    fn a_header_may_have_more_members_but_no_extensions() {
        let fine = header(r#"{"alg":"ES256","x":{"y":[1]},"jku":7,"x5c":null,"kid":"k"}"#).ok().unwrap();
        assert_eq!((fine.alg.as_str(), fine.kid.as_deref()), ("ES256", Some("k")));
        for bad in [
            "",
            "{}",
            "[]",
            "null",
            r#"["ES256"]"#,
            r#"{"alg":7}"#,
            r#"{"alg":"ES256","alg":"ES256"}"#,
            r#"{"alg":"ES256","kid":7}"#,
            r#"{"alg":"ES256","typ":[]}"#,
            r#"{"alg":"ES256","crit":["exp"]}"#,
            r#"{"alg":"ES256","crit":null}"#,
            r#"{"alg":"ES256","crit":[]}"#,
            r#"{"alg":"ES256","b64":false}"#,
            r#"{"alg":"ES256","b64":true}"#,
            r#"{"alg":"ES256"} x"#,
        ] {
            let text = compact(bad, "{}", "s");
            assert!(Compact::parse(&text).and_then(|jws| jws.header()).is_err(), "{bad}");
        }
        // What we do not use must still be text that everybody reads alike.
        for bad in [&b"{\"alg\":\"ES256\",\"x\":\"\xff\"}"[..], b"{\"alg\":\"ES256\",\"x\":\"\\ud800\"}"] {
            let text = format!("{}.YQ.YQ", URL_SAFE_NO_PAD.encode(bad));
            assert!(Compact::parse(&text).unwrap().header().is_err(), "{}", bad.escape_ascii());
        }
        let long = format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "k".repeat(LONGEST_NAME + 1));
        assert!(header(&long).is_err());
    }

    #[test]
    fn dates_are_numbers_with_or_without_a_fraction() {
        let read = |text: &str| seconds(&text.parse().unwrap());
        assert_eq!(read("1795348800"), Some(1_795_348_800));
        assert_eq!(read("1795348800.9"), Some(1_795_348_800));
        assert_eq!(read("1.7953488e9"), Some(1_795_348_800));
        assert_eq!(read("-1.5"), Some(-2));
        assert_eq!(read("18446744073709551615"), None);
        assert_eq!(read("1e300"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}", header in "\\PC{0,100}", claims in any::<Vec<u8>>()) {
            let _ = Compact::parse(&text);
            let of_parts = format!("{}.{}.YQ", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
            if let Ok(jws) = Compact::parse(&of_parts) {
                let _ = jws.header();
                let _ = jws.claims::<Value>();
            }
        }
    }
}
