//! What the library's system says of a patron, reduced by the connector to the little that anyone may need.
use super::ils::IlsError;
use crate::domain::Standing;
use zeroize::Zeroizing;

/// The answer for one patron with the right PIN. Lives for one call; wiped when dropped.
///
/// It has no `Debug`, `Display`, `Clone` or `Serialize`.
pub(in crate::patron) struct Record {
    /// The canonical id that the ILS returned (not what was typed); never empty.
    pub(in crate::patron) id: Zeroizing<String>,
    /// The coarse facts.
    pub(in crate::patron) standing: Standing,
}

/// The library system's word on one question.
///
/// It has no `Debug`, `Display`, `Clone` or `Serialize`.
pub(in crate::patron) struct Word {
    /// The card number by which the system knows the patron, where it named one: also where it refuses the PIN, and
    /// other than what was typed where that was a user name.
    pub(in crate::patron) card: Option<Zeroizing<String>>,
    /// Whether the question was put to the system at all.
    pub(in crate::patron) asked: bool,
    /// What it said.
    pub(in crate::patron) found: Result<Record, IlsError>,
}

impl Word {
    /// The word on credentials that were not sent.
    pub(in crate::patron) const fn unasked(why: IlsError) -> Self {
        Self { card: None, asked: false, found: Err(why) }
    }

    /// No word that can be trusted.
    pub(in crate::patron) const fn none(why: IlsError) -> Self {
        Self { card: None, asked: true, found: Err(why) }
    }
}
