//! Guessing: how many attempts at a card may reach the library's system, from where. Every counter stands in the store
//! under a keyed name, is counted before the question and settled after it, and ends within a day.
//!
//! Three things are counted: a card's failures, in a row and in a day; a network's failing cards, in an hour; and the
//! failures of a device with a card that it knows. A device knows a card when it holds a tag from an earlier success.
mod card;
mod device;
mod ledger;
mod network;
mod pace;
mod spelling;

#[cfg(test)]
mod tests;

use super::Keyring;
use crate::domain::{Clock, GuessLimits, random};
use crate::store::{Store, StoreError};
use card::{Answer, Bounds, Card, DAY, From};
use device::{Device, SLIPS, Slips};
use ledger::{Entry, Fields, Ledger, Seconds};
use network::{CardThere, HOUR, Network};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

pub(in crate::patron) use card::Ending;
pub(in crate::patron) use pace::Pace;

/// How long a guess waits for those before it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whoever waited longer than this for a library system that then gave no answer does not ask it as well.
const LONG: Duration = Duration::from_secs(1);

/// How soon it looks whether they have ended, and how seldom at last.
const FIRST_LOOK: Duration = Duration::from_millis(25);
const LATER_LOOKS: Duration = Duration::from_millis(200);

/// Guesses that may wait at once: each costs some work whenever it looks.
const WAITING: usize = 1000;

/// Guesses of a day that are kept for what cannot be counted beforehand: the first guess under each spelling of a card
/// that nobody has seen.
const SLACK: usize = 5;

/// Guesses of a day that are kept for addresses inside the library.
const FOR_PREMISES: usize = 5;

/// Nobody makes the last failure before the lock. Strangers inside the library leave one try of a row to the patron's own
/// devices, others one more: one of theirs may have been under a spelling that nobody had seen.
fn bounds(limits: &GuessLimits, from: From) -> Bounds {
    let row = limits.ils_locks_after.map_or(usize::MAX, |locks| match from {
        From::Known => locks.saturating_sub(1),
        From::Premises => locks.saturating_sub(2),
        From::Elsewhere => locks.saturating_sub(3).max(1),
    });
    let day = match from {
        From::Known => usize::MAX,
        From::Premises => limits.per_day.saturating_sub(SLACK),
        From::Elsewhere => limits.per_day.saturating_sub(SLACK + FOR_PREMISES),
    };
    Bounds { row, day }
}

/// From where somebody asks to be let in.
#[derive(Clone, Copy)]
pub struct Approach<'a> {
    /// When the credentials had arrived whole.
    pub arrived: Instant,
    /// The browser's address.
    pub address: Option<IpAddr>,
    /// Whether that is inside the library.
    pub premises: bool,
    /// What the browser holds from earlier sign-ins.
    pub device: Option<&'a str>,
}

/// What is said to a guess before it is asked.
pub(super) enum Admitted {
    /// It may be asked, and must be settled.
    Yes(Box<Guess>),
    /// Too many failed; it is not asked.
    Throttled,
    /// Those before it did not end in time.
    Busy,
}

/// A guess that was counted.
pub(super) struct Guess {
    ticket: u32,
    typed: [u8; 32],
    /// The card on whose counter it stands: `typed`, or what that is known to be a spelling of.
    counted: [u8; 32],
    from: From,
    networks: Vec<Counted>,
    /// `None` inside the library, where machines are shared.
    device: Option<Device>,
}

/// A guess as it stands on a network's counter.
struct Counted {
    network: [u8; 32],
    card: CardThere,
    /// Whether it was counted when it began; a known device's was not.
    begun: bool,
}

/// The counters of one library system.
pub(super) struct Attempts {
    ledger: Ledger,
    keys: Arc<Keyring>,
    clock: Arc<dyn Clock>,
    limits: GuessLimits,
    ils: Arc<str>,
    waiting: Semaphore,
    /// How often the library system gave no answer.
    troubles: AtomicU64,
}

impl Attempts {
    pub(super) fn new(
        ils: &str,
        (store, keys, clock): (Arc<dyn Store>, Arc<Keyring>, Arc<dyn Clock>),
        limits: GuessLimits,
    ) -> Self {
        let (ledger, waiting) = (Ledger::new(store), Semaphore::new(WAITING));
        Self { ledger, keys, clock, limits, ils: Arc::from(ils), waiting, troubles: AtomicU64::new(0) }
    }

    /// The library system gave no answer: whoever waits for those under way is told so, and does not wait for it again.
    pub(super) fn note_trouble(&self) {
        self.troubles.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a guess at a card before it is asked, or refuses it. Waits while those under way decide.
    pub(super) async fn begin(&self, typed: &str, approach: &Approach<'_>) -> Result<Admitted, StoreError> {
        let typed = self.name(typed);
        let begun = Instant::now();
        let (mut place, mut pause) = (None, FIRST_LOOK);
        let troubles = self.troubles.load(Ordering::Relaxed);
        loop {
            if self.troubles.load(Ordering::Relaxed) != troubles && begun.elapsed() > LONG {
                return Ok(Admitted::Busy);
            }
            let alias: Alias = self.ledger.look(self.alias(&typed)).await?;
            let mut guess = self.guess(typed, alias.0.unwrap_or(typed), approach).await?;
            match self.count(&mut guess, approach.address).await? {
                Answer::Ask => return Ok(Admitted::Yes(Box::new(guess))),
                Answer::No => return Ok(Admitted::Throttled),
                Answer::Wait => {}
            }
            place = place.or_else(|| self.waiting.try_acquire().ok());
            if place.is_none() || begun.elapsed() >= PATIENCE {
                return Ok(Admitted::Busy);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LATER_LOOKS);
        }
    }

    async fn guess(&self, typed: [u8; 32], counted: [u8; 32], approach: &Approach<'_>) -> Result<Guess, StoreError> {
        let device = approach.device.and_then(Device::parse);
        let mut from = if approach.premises { From::Premises } else { From::Elsewhere };
        if let Some(device) = &device
            && (device.knows(&self.keys, &typed) || device.knows(&self.keys, &counted))
        {
            let slips: Slips = self.ledger.look(device.slips(&self.keys, &counted)).await?;
            if slips.count(self.now()) < SLIPS {
                from = From::Known;
            }
        }
        let ticket = u32::from_be_bytes(random());
        Ok(Guess { ticket, typed, counted, from, networks: Vec::new(), device })
    }

    /// Puts a guess on every counter that it concerns, or on none.
    async fn count(&self, guess: &mut Guess, address: Option<IpAddr>) -> Result<Answer, StoreError> {
        let (now, bounds) = (self.now(), bounds(&self.limits, guess.from));
        let mut card: Card = self.ledger.look(guess.counted).await?;
        if card.is_spent(now, guess.from, bounds) {
            return Ok(Answer::No);
        }
        let networks = address.map(network::of).unwrap_or_default();
        let networks = networks.iter().map(|(net, wide)| self.counted(net, *wide, guess)).collect::<Vec<_>>();
        for (there, base) in networks.iter().filter(|(there, _)| there.begun) {
            let mut network: Network = self.ledger.look(there.network).await?;
            match network.would(there.card, now, *base) {
                Answer::Ask => {}
                refused => return Ok(refused),
            }
        }
        let (ticket, from) = ((guess.ticket, now), guess.from);
        let answer = self.ledger.change(guess.counted, DAY, |card: &mut Card| card.begin(ticket, from, bounds)).await?;
        if answer != Answer::Ask {
            return Ok(answer);
        }
        for (there, base) in networks {
            if there.begun {
                let begin = |network: &mut Network| network.begin(there.card, now, base);
                let answer = self.ledger.change(there.network, HOUR, begin).await?;
                if answer != Answer::Ask {
                    self.ledger.change(guess.counted, DAY, |card: &mut Card| card.end(ticket, Ending::Void)).await?;
                    self.leave(guess, Ending::Void).await?;
                    return Ok(answer);
                }
            }
            guess.networks.push(there);
        }
        Ok(Answer::Ask)
    }

    fn counted(&self, network: &[u8], wide: usize, guess: &Guess) -> (Counted, usize) {
        let card = self.keys.attempts(&[b"there", network, &guess.counted]);
        let counted = Counted {
            network: self.keys.attempts(&[b"network", network]),
            card: card.first_chunk().copied().unwrap_or_default(),
            begun: guess.from != From::Known,
        };
        (counted, self.limits.cards_per_network.saturating_mul(wide))
    }

    /// Settles a guess. `named` is the card that the library system spoke of, `typed` if it did not say. Gives what the
    /// browser is to hold from now on.
    pub(super) async fn end(
        &self,
        mut guess: Box<Guess>,
        ending: Ending,
        named: Option<&str>,
    ) -> Result<Option<String>, StoreError> {
        let card = named.map_or(guess.counted, |named| self.name(named));
        if ending != Ending::Void {
            self.learn(&guess, card, ending).await?;
        }
        let (ticket, confirmed) = ((guess.ticket, self.now()), ending != Ending::Void && card == guess.counted);
        let settle = |entry: &mut Card| {
            entry.end(ticket, ending);
            if confirmed {
                entry.confirm();
            }
        };
        self.ledger.change(guess.counted, DAY, settle).await?;
        self.leave(&guess, ending).await?;
        if ending == Ending::Wrong
            && guess.from == From::Known
            && let Some(device) = &guess.device
        {
            let now = self.now();
            self.ledger.change(device.slips(&self.keys, &guess.counted), DAY, |s: &mut Slips| s.add(now)).await?;
        }
        if ending != Ending::Right {
            return Ok(None);
        }
        let mut device = guess.device.take().unwrap_or_else(Device::new);
        device.remember(&self.keys, &guess.typed);
        device.remember(&self.keys, &card);
        Ok(Some(device.text()))
    }

    /// Writes down which card the typed text is a spelling of, where that is news; then the guess counts on both.
    async fn learn(&self, guess: &Guess, card: [u8; 32], ending: Ending) -> Result<(), StoreError> {
        if card != guess.counted {
            let (now, from) = (self.now(), guess.from);
            self.ledger.change(card, DAY, |entry: &mut Card| entry.learn(now, from, ending)).await?;
        }
        if card != guess.typed || guess.counted != guess.typed {
            self.ledger.put(self.alias(&guess.typed), DAY, &Alias(Some(card))).await?;
        }
        Ok(())
    }

    async fn leave(&self, guess: &Guess, ending: Ending) -> Result<(), StoreError> {
        let now = self.now();
        for there in &guess.networks {
            let settle = |network: &mut Network| match (there.begun, ending) {
                (true, _) => network.end(there.card, now, ending),
                (false, Ending::Right) => network.succeed(there.card, now),
                (false, _) => {}
            };
            self.ledger.change(there.network, HOUR, settle).await?;
        }
        Ok(())
    }

    /// The name of a card. Libraries that share a library system share its patrons, so they are not told apart.
    fn name(&self, card: &str) -> [u8; 32] {
        self.keys.attempts(&[b"card", self.ils.as_bytes(), spelling::plain(card).as_bytes()])
    }

    fn alias(&self, typed: &[u8; 32]) -> [u8; 32] {
        self.keys.attempts(&[b"alias", typed])
    }

    fn now(&self) -> Seconds {
        u32::try_from(self.clock.now().seconds()).unwrap_or_default()
    }
}

/// The card that a text is a spelling of.
#[derive(Default)]
struct Alias(Option<[u8; 32]>);

impl Entry for Alias {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        fields.take().map(|card| Self(Some(card)))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0.iter().flatten());
    }
}
