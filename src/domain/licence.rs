//! Licences: what a library bought from a vendor, and for whom.
use super::{AgeClass, Code, Date, LibraryId, State, VendorId};

/// For whom a licence was bought. An empty list means "any"; `states` is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Borrower classes admitted.
    pub borrower_classes: Vec<Code>,
    /// Borrower classes refused, even when admitted above.
    pub except_borrower_classes: Vec<Code>,
    /// Home branches admitted.
    pub branches: Vec<Code>,
    /// Age classes admitted. A patron of unknown age meets no list of ages that does not name `unknown`.
    pub ages: Vec<AgeClass>,
    /// States of the card admitted.
    pub states: Vec<State>,
    /// First day of the licence.
    pub from: Option<Date>,
    /// Last day of the licence.
    pub until: Option<Date>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            borrower_classes: Vec::new(),
            except_borrower_classes: Vec::new(),
            branches: Vec::new(),
            ages: Vec::new(),
            states: vec![State::Good],
            from: None,
            until: None,
        }
    }
}

/// One library's agreement with one vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    /// Who bought it.
    pub library: LibraryId,
    /// From whom.
    pub vendor: VendorId,
    /// For whom.
    pub terms: Terms,
}
