//! Identifiers that an operator chooses in the configuration.
use std::fmt;
use std::sync::Arc;

/// The identifier has a bad form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 40 lower-case ASCII letters, digits and inner hyphens")]
pub struct BadId;

fn checked(text: &str) -> Result<Arc<str>, BadId> {
    let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    // A vendor's id becomes one DNS label, so RFC 1123's shape is the rule for all ids.
    if text.is_empty() || text.len() > 40 || !inner || text.starts_with('-') || text.ends_with('-') {
        return Err(BadId);
    }
    Ok(Arc::from(text))
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses an id.
            ///
            /// # Errors
            /// [`BadId`] when the text is not a DNS label of lower-case ASCII.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                checked(text).map(Self)
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier! {
    /// A library (tenant) as the configuration names it.
    LibraryId
}
identifier! {
    /// A vendor as the configuration names it; also the first label of its public host name.
    VendorId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dns_labels_are_ids() {
        for good in ["a", "westport", "world-book-2"] {
            assert!(VendorId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "é", &"x".repeat(41)] {
            assert_eq!(VendorId::parse(bad), Err(BadId), "{bad}");
        }
    }
}
