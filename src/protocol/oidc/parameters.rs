//! The parameters of a request: `application/x-www-form-urlencoded` from a query or a body, where no name may stand
//! twice (RFC 6749 §3.1, §3.2) and an empty value is as good as none.
use std::collections::BTreeMap;
use url::form_urlencoded;

/// The most parameters that a request may have.
const MOST: usize = 60;

/// Why parameters cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Polluted;

/// The parameters of one request, and which names stood there twice.
#[derive(Default, Clone)]
pub(super) struct Parameters {
    values: BTreeMap<String, String>,
    twice: Vec<String>,
}

impl Parameters {
    /// Reads the text of a query or a form; gives up beyond sixty parameters.
    ///
    /// # Errors
    /// [`Polluted`] when it is not UTF-8 under its escapes, or has too many.
    pub(super) fn read(text: &[u8]) -> Result<Self, Polluted> {
        let mut found = Self::default();
        for (index, (name, value)) in form_urlencoded::parse(text).enumerate() {
            // The parser writes U+FFFD for what is not UTF-8: such a value is no longer what was sent.
            if index >= MOST || name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err(Polluted);
            }
            let name = name.into_owned();
            if found.values.contains_key(&name) || found.twice.contains(&name) {
                found.twice.push(name);
            } else {
                found.values.insert(name, value.into_owned());
            }
        }
        Ok(found)
    }

    /// The value of a parameter; `None` when it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a parameter is there at all, empty or not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether `name` stood there more than once.
    pub(super) fn is_twice(&self, name: &str) -> bool {
        self.twice.iter().any(|twice| twice == name)
    }

    /// The same with one value set.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let mut set = self.clone();
        set.values.insert(name.to_owned(), value.to_owned());
        set
    }

    /// The text of a form that holds these, but for what proves who the client is.
    pub(super) fn without_credentials(&self) -> String {
        let secret = ["client_secret", "client_assertion", "client_assertion_type"];
        let kept = self.values.iter().filter(|(name, _)| !secret.contains(&name.as_str()));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
    }

    /// Whether any name stood there more than once.
    pub(super) fn is_polluted(&self) -> bool {
        !self.twice.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_that_stands_twice_is_told() {
        let read = Parameters::read(b"a=1&b=&a=2&c=%20x+y").unwrap();
        assert_eq!(read.get("a"), Some("1"));
        assert!(read.is_twice("a") && read.is_polluted() && !read.is_twice("c"));
        assert!(read.has("b") && read.get("b").is_none());
        assert_eq!(read.get("c"), Some(" x y"));
        assert!(Parameters::read(b"a=%ff").is_err());
        assert!(Parameters::read("x=1&".repeat(100).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Parameters::read(&bytes);
        }
    }
}
