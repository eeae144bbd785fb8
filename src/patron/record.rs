//! What the library's system says of a patron, reduced by the connector to the little that anyone may need.
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
