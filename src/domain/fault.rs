//! Who is to blame. Decides page, status, metric and whether a retry may help.

/// The party whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The reader or their browser: a wrong PIN, a malformed request.
    Patron,
    /// The library's system: down, slow, speaking nonsense.
    Library,
    /// The vendor's origin.
    Vendor,
    /// This product or its configuration.
    Us,
}

impl Fault {
    /// The metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patron => "patron",
            Self::Library => "library",
            Self::Vendor => "vendor",
            Self::Us => "us",
        }
    }
}
