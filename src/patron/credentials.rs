//! What a patron types in.
use zeroize::Zeroizing;

/// A card number and a PIN. Anyone may fill the box; only `patron` may open it, once, and it is wiped when dropped.
///
/// It has no `Debug`, `Display`, `Clone` or `Serialize`.
pub struct Credentials {
    card: Zeroizing<String>,
    pin: Zeroizing<String>,
}

impl Credentials {
    /// Seals what the patron typed. Nothing is trimmed or changed here: an ILS may care.
    #[must_use]
    pub const fn new(card: Zeroizing<String>, pin: Zeroizing<String>) -> Self {
        Self { card, pin }
    }

    pub(in crate::patron) fn card(&self) -> &str {
        &self.card
    }

    pub(in crate::patron) fn pin(&self) -> &str {
        &self.pin
    }
}
