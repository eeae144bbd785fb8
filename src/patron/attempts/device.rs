//! What a browser holds of the cards that were used in it: a random number, and for each card a tag made of both with the
//! operator's key. Without the key it says nothing, not even how many cards there were; with it, only whether a given
//! card was among them.
use super::card::DAY;
use super::ledger::{Entry, Fields, Seconds};
use crate::domain::random;
use crate::patron::Keyring;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// Tags that a device holds: a family's cards, and a user name beside a number.
const TAGS: usize = 6;

/// Failures in a day after which a device counts as any other.
pub(super) const SLIPS: usize = 10;

const LENGTH: usize = 16 * (1 + TAGS);

/// One browser.
pub(super) struct Device {
    nonce: [u8; 16],
    tags: [[u8; 16]; TAGS],
}

impl Device {
    /// A browser that holds nothing yet. Places without a tag are filled with chance.
    pub(super) fn new() -> Self {
        Self { nonce: random(), tags: std::array::from_fn(|_| random()) }
    }

    /// Reads what [`Device::text`] wrote; `None` for any other text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        let length = base64::encoded_len(LENGTH, false)?;
        let fits = text.len() == length && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? == LENGTH;
        let mut fields = Fields::new(&bytes);
        let nonce = fields.take().filter(|_| fits)?;
        let mut tags = [[0; 16]; TAGS];
        for tag in &mut tags {
            *tag = fields.take()?;
        }
        Some(Self { nonce, tags })
    }

    /// The text for the browser, always of the same length.
    pub(super) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.nonce.as_slice(), self.tags.as_flattened()].concat())
    }

    /// Whether the card of this name was used here.
    pub(super) fn knows(&self, keys: &Keyring, name: &[u8; 32]) -> bool {
        let tag = self.tag(keys, name);
        self.tags.iter().fold(false, |known, other| known | bool::from(other.ct_eq(&tag)))
    }

    /// Remembers a card; the one that was not used for longest may go.
    pub(super) fn remember(&mut self, keys: &Keyring, name: &[u8; 32]) {
        let tag = self.tag(keys, name);
        let place = self.tags.iter().position(|other| *other == tag).unwrap_or(TAGS - 1);
        if let Some(slot) = self.tags.get_mut(place) {
            *slot = tag;
        }
        if let Some(newer) = self.tags.get_mut(..=place) {
            newer.rotate_right(1);
        }
    }

    /// The name under which failures of this device with a card are counted.
    pub(super) fn slips(&self, keys: &Keyring, name: &[u8; 32]) -> [u8; 32] {
        keys.attempts(&[b"slips", &self.nonce, name])
    }

    fn tag(&self, keys: &Keyring, name: &[u8; 32]) -> [u8; 16] {
        let tag = keys.attempts(&[b"device", &self.nonce, name]);
        tag.first_chunk().copied().unwrap_or_default()
    }
}

/// When a device failed with a card.
#[derive(Default)]
pub(super) struct Slips(Vec<Seconds>);

impl Slips {
    /// How many there were within the day.
    pub(super) fn count(&self, now: Seconds) -> usize {
        self.0.iter().filter(|at| now.saturating_sub(**at) < DAY).count()
    }

    /// One more.
    pub(super) fn add(&mut self, now: Seconds) {
        self.0.retain(|at| now.saturating_sub(*at) < DAY);
        self.0.push(now);
    }
}

impl Entry for Slips {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut slips = Self::default();
        while let Some(at) = fields.number() {
            slips.0.push(at);
        }
        Some(slips)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0.iter().flat_map(|at| at.to_be_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: u8) -> [u8; 32] {
        [n; 32]
    }

    #[test]
    fn a_device_knows_the_cards_that_were_used_last() {
        let keys = Keyring::new(&[7; 32]).unwrap();
        let mut device = Device::new();
        assert!(!device.knows(&keys, &name(1)));
        for n in 0..8 {
            device.remember(&keys, &name(n));
            device.remember(&keys, &name(2));
        }
        let device = Device::parse(&device.text()).unwrap();
        let known: Vec<u8> = (0..9).filter(|n| device.knows(&keys, &name(*n))).collect();
        assert_eq!(known, [2, 3, 4, 5, 6, 7]);
        assert!(!device.knows(&Keyring::new(&[8; 32]).unwrap(), &name(2)), "another operator's key");
    }

    #[test]
    fn what_a_browser_holds_says_nothing_and_cannot_be_moved() {
        let keys = Keyring::new(&[7; 32]).unwrap();
        let (mut one, mut other) = (Device::new(), Device::new());
        let empty = one.text().len();
        one.remember(&keys, &name(1));
        other.remember(&keys, &name(1));
        assert_eq!(one.text().len(), empty, "not even how many cards there were");
        assert!(one.tags[0] != other.tags[0], "two devices have nothing in common");
        other.tags = one.tags;
        assert!(!other.knows(&keys, &name(1)), "a tag belongs to its device");
        for bad in ["", "x", &one.text()[1..], &format!("{}A", one.text()), &"=".repeat(empty)] {
            assert!(Device::parse(bad).is_none());
        }
    }

    #[test]
    fn slips_are_forgotten_after_a_day() {
        let mut slips = Slips::default();
        (0..12).for_each(|n| slips.add(n));
        assert_eq!(slips.count(12), 12);
        assert_eq!(slips.count(DAY), 11);
        slips.add(DAY + 20);
        assert_eq!(slips.0.len(), 1);
    }
}
