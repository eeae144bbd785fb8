//! What the query of a portal address asks for. `url=` takes all the rest, unescaped, as catalogue records have been
//! written for `EZproxy` for decades; `qurl=` is the same, percent-encoded.
use super::deeplink::looks_like_address;
use std::borrow::Cow;

/// The query's parts that the portal knows.
#[derive(Default)]
pub(super) struct Query<'q> {
    /// `lang=`: the language that the reader chose.
    pub(super) language: Option<&'q str>,
    /// `library=`: the library of a link on a library's own page.
    pub(super) library: Option<&'q str>,
    /// `request=`: what a vendor asks, sealed.
    pub(super) request: Option<&'q str>,
    /// `url=` or `qurl=`: where the reader wants to go.
    pub(super) wanted: Option<Cow<'q, str>>,
}

impl<'q> Query<'q> {
    /// Reads the text after `?`. What is malformed is not there; nothing after `url=` is looked at as a parameter.
    pub(super) fn read(query: Option<&'q str>) -> Self {
        let mut found = Self::default();
        let mut rest = query.unwrap_or("");
        while !rest.is_empty() {
            if let Some(raw) = rest.strip_prefix("url=") {
                found.wanted = Some(unescaped(raw));
                return found;
            }
            let (part, after) = rest.split_once('&').unwrap_or((rest, ""));
            rest = after;
            match part.split_once('=') {
                Some(("lang", value)) => found.language = Some(value),
                Some(("library", value)) => found.library = Some(value),
                Some(("request", value)) => found.request = Some(value),
                // An empty text is no address: what cannot be decoded must end in a page, not at the list.
                Some(("qurl", value)) => found.wanted = Some(decode(value).map_or(Cow::Borrowed(""), Cow::Owned)),
                _ => {}
            }
        }
        found
    }
}

/// The raw reading, or the decoded one when the raw one is no address at all.
fn unescaped(raw: &str) -> Cow<'_, str> {
    if looks_like_address(raw) {
        return Cow::Borrowed(raw);
    }
    match decode(raw) {
        Some(decoded) if looks_like_address(&decoded) => Cow::Owned(decoded),
        _ => Cow::Borrowed(raw),
    }
}

/// Percent-decodes; `None` for a broken escape or for bytes that are not UTF-8. A `+` stays: an address holds no spaces,
/// so it was meant.
pub(super) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (pair, after) = rest.split_first_chunk::<2>()?;
        bytes.push(hex_pair(*pair)?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// The byte that two hexadecimal digits spell.
pub(super) fn hex_pair([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some((digit(high)? << 4) | digit(low)?)
}

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3).
pub(super) fn encode(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |n: u8| DIGITS.get(usize::from(n)).copied().map_or('0', char::from);
    let mut out = String::with_capacity(text.len() + text.len() / 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wanted(query: &str) -> Option<String> {
        Query::read(Some(query)).wanted.map(Cow::into_owned)
    }

    #[test]
    fn url_takes_all_the_rest_as_it_stands() {
        assert_eq!(wanted("url=https://a.example/x?b=1&c=%20+d").unwrap(), "https://a.example/x?b=1&c=%20+d");
        assert_eq!(wanted("url=https://a.example/?lang=es").unwrap(), "https://a.example/?lang=es");
        assert!(Query::read(Some("url=https://a.example/&lang=es")).language.is_none());
        assert_eq!(Query::read(Some("lang=es&url=https://a.example/")).language, Some("es"));
        assert_eq!(wanted("library=x&url=HTTP://A.example").unwrap(), "HTTP://A.example");
    }

    #[test]
    fn an_encoded_url_is_decoded_once() {
        assert_eq!(wanted("url=https%3A%2F%2Fa.example%2F%3Fq%3D1").unwrap(), "https://a.example/?q=1");
        assert_eq!(wanted("qurl=https%3A%2F%2Fa.example%2F%3Fq%3D1%2B2&x=1").unwrap(), "https://a.example/?q=1+2");
        assert_eq!(wanted("qurl=https%253A%252F%252Fa.example").unwrap(), "https%3A%2F%2Fa.example");
        assert_eq!(wanted("url=javascript:alert(1)").unwrap(), "javascript:alert(1)");
        assert_eq!(wanted("qurl=https%3A%2F%2Fa.example%2").unwrap(), "");
        assert_eq!(wanted("qurl=%ff").unwrap(), "");
        assert!(wanted("surl=https://a.example").is_none());
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(text in any::<String>()) {
            let coded = encode(&text);
            prop_assert!(coded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            prop_assert_eq!(decode(&coded).unwrap(), text);
        }

        #[test]
        fn any_query_is_read(text in any::<String>()) {
            let _ = Query::read(Some(&text));
        }
    }
}
