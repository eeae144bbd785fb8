//! The counter of one card: which guesses are under way, how many failed in a row, and when each failed in the last day.
//! A guess is counted before it is asked and settled after, so that guesses at once cannot exceed what one after the
//! other may.
use super::ledger::{Entry, Fields, Seconds};

/// Guesses older than this no longer count.
pub(super) const DAY: u32 = 24 * 3600;

/// A guess that was not settled in this time ended without a word, as when the process died; it counts as failed.
pub(super) const LOST_AFTER: u32 = 60;

/// From where a guess comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A device where this card was used before.
    Known,
    /// An address inside the library.
    Premises,
    /// Anywhere else.
    Elsewhere,
}

/// How much of a card's patience a guess may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Failures in a row.
    pub(super) row: usize,
    /// Failures in a day.
    pub(super) day: usize,
}

/// What a counter says to one more guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is counted and may be asked.
    Ask,
    /// Not while others are under way: how they end decides.
    Wait,
    /// No.
    No,
}

/// How a guess ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::patron) enum Ending {
    /// The PIN was right.
    Right,
    /// The PIN was wrong, or there is no such card.
    Wrong,
    /// Nobody was asked, or the library system failed.
    Void,
}

/// A guess under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UnderWay {
    ticket: u32,
    since: Seconds,
    from: From,
}

/// One card's counter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Card {
    /// Whether the library system named the card so itself; else it may be another spelling of one.
    confirmed: bool,
    /// Failures since the last success.
    failed: u8,
    under_way: Vec<UnderWay>,
    /// When guesses failed that did not come from a known device.
    spent: Vec<Seconds>,
}

impl Card {
    /// Counts one more guess, if it may be asked.
    pub(super) fn begin(&mut self, (ticket, now): (u32, Seconds), from: From, bounds: Bounds) -> Answer {
        self.tidy(now);
        let unknown = self.under_way.iter().filter(|guess| guess.from != From::Known).count();
        let spends = from != From::Known;
        if usize::from(self.failed) >= bounds.row || (spends && self.spent.len() >= bounds.day) {
            return Answer::No;
        }
        let in_a_row = usize::from(self.failed) + self.under_way.len();
        if in_a_row >= bounds.row || (spends && self.spent.len() + unknown >= bounds.day) {
            return Answer::Wait;
        }
        // Two spellings of one card could be guessed at side by side, each with a counter of its own, until the
        // library system has told whose they are.
        if !self.confirmed && !self.under_way.is_empty() {
            return Answer::Wait;
        }
        self.under_way.push(UnderWay { ticket, since: now, from });
        Answer::Ask
    }

    /// Whether a guess from there has no chance, whatever those under way come to.
    pub(super) fn is_spent(&mut self, now: Seconds, from: From, bounds: Bounds) -> bool {
        self.tidy(now);
        usize::from(self.failed) >= bounds.row || (from != From::Known && self.spent.len() >= bounds.day)
    }

    /// Settles a guess that was counted here.
    pub(super) fn end(&mut self, (ticket, now): (u32, Seconds), ending: Ending) {
        let place = self.under_way.iter().position(|guess| guess.ticket == ticket);
        let guess = place.map(|place| self.under_way.swap_remove(place));
        match (ending, guess) {
            (Ending::Wrong, Some(guess)) => self.count(now, guess.from),
            // What others have under way goes on counting: they may reach the library system after this success.
            (Ending::Right, _) => self.failed = 0,
            _ => {}
        }
    }

    /// Counts the end of a guess that was counted under another spelling.
    pub(super) fn learn(&mut self, now: Seconds, from: From, ending: Ending) {
        self.tidy(now);
        self.confirmed = true;
        match ending {
            Ending::Wrong => self.count(now, from),
            Ending::Right => self.failed = 0,
            Ending::Void => {}
        }
    }

    /// Notes that the library system names the card so itself.
    pub(super) const fn confirm(&mut self) {
        self.confirmed = true;
    }

    fn count(&mut self, now: Seconds, from: From) {
        self.failed = self.failed.saturating_add(1);
        if from != From::Known {
            self.spent.push(now);
        }
    }

    fn tidy(&mut self, now: Seconds) {
        self.spent.retain(|at| now.saturating_sub(*at) < DAY);
        let lost: Vec<_> = self.under_way.extract_if(.., |g| now.saturating_sub(g.since) >= LOST_AFTER).collect();
        for guess in lost {
            self.count(guess.since, guess.from);
        }
    }
}

impl Entry for Card {
    /// A card that nobody guesses at has nothing to be remembered for a day: most cards, most of the time.
    fn life(&self, usual: u32) -> u32 {
        let quiet = self.failed == 0 && self.under_way.is_empty() && self.spent.is_empty();
        if quiet { LOST_AFTER } else { usual }
    }

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let (confirmed, failed) = (fields.byte()? != 0, fields.byte()?);
        let mut card = Self { confirmed, failed, ..Self::default() };
        for _ in 0..fields.byte()? {
            let (ticket, since) = (fields.number()?, fields.number()?);
            let from = match fields.byte()? {
                0 => From::Known,
                1 => From::Premises,
                _ => From::Elsewhere,
            };
            card.under_way.push(UnderWay { ticket, since, from });
        }
        while let Some(at) = fields.number() {
            card.spent.push(at);
        }
        Some(card)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let guesses = self.under_way.get(..255).unwrap_or(&self.under_way);
        out.extend([u8::from(self.confirmed), self.failed, u8::try_from(guesses.len()).unwrap_or(u8::MAX)]);
        for guess in guesses {
            out.extend(guess.ticket.to_be_bytes());
            out.extend(guess.since.to_be_bytes());
            out.push(guess.from as u8);
        }
        out.extend(self.spent.iter().flat_map(|at| at.to_be_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { row: 2, day: 5 };
    const WIDE: Bounds = Bounds { row: usize::MAX, day: 5 };
    const OWNER: Bounds = Bounds { row: 4, day: usize::MAX };

    fn confirmed() -> Card {
        Card { confirmed: true, ..Card::default() }
    }

    /// Counts, asks and settles.
    fn guess(card: &mut Card, now: u32, bounds: Bounds, ending: Ending) -> Answer {
        let answer = card.begin((now, now), From::Elsewhere, bounds);
        if answer == Answer::Ask {
            card.end((now, now), ending);
        }
        answer
    }

    #[test]
    fn a_row_ends_with_a_success() {
        let mut card = confirmed();
        assert_eq!(guess(&mut card, 1, BOUNDS, Ending::Wrong), Answer::Ask);
        assert_eq!(guess(&mut card, 2, BOUNDS, Ending::Wrong), Answer::Ask);
        assert_eq!(guess(&mut card, 3, BOUNDS, Ending::Wrong), Answer::No);
        assert_eq!(card.begin((4, 4), From::Known, OWNER), Answer::Ask);
        card.end((4, 4), Ending::Right);
        assert_eq!(guess(&mut card, 5, BOUNDS, Ending::Wrong), Answer::Ask);
    }

    #[test]
    fn a_day_has_so_many_guesses_and_no_more_whenever_it_begins() {
        let mut card = confirmed();
        for n in 0..5 {
            assert_eq!(guess(&mut card, n * 1000, WIDE, Ending::Wrong), Answer::Ask);
        }
        assert_eq!(guess(&mut card, 5000, WIDE, Ending::Wrong), Answer::No);
        assert_eq!(guess(&mut card, DAY - 1, WIDE, Ending::Wrong), Answer::No);
        assert_eq!(guess(&mut card, DAY, WIDE, Ending::Wrong), Answer::Ask, "the first is a day old");
        assert_eq!(guess(&mut card, DAY + 1, WIDE, Ending::Wrong), Answer::No);
        // A known device does not pay, nor is it asked to.
        assert_eq!(card.begin((9, DAY + 2), From::Known, Bounds { row: usize::MAX, day: 0 }), Answer::Ask);
    }

    #[test]
    fn what_is_under_way_counts() {
        let mut card = confirmed();
        assert_eq!(card.begin((1, 0), From::Elsewhere, BOUNDS), Answer::Ask);
        assert_eq!(card.begin((2, 0), From::Elsewhere, BOUNDS), Answer::Ask);
        assert_eq!(card.begin((3, 0), From::Elsewhere, BOUNDS), Answer::Wait);
        card.end((1, 0), Ending::Void);
        assert_eq!(card.begin((3, 0), From::Elsewhere, BOUNDS), Answer::Ask, "the system failed: not counted");
        card.end((2, 0), Ending::Wrong);
        // A success does not forget those that may arrive after it.
        card.end((3, 0), Ending::Right);
        assert_eq!(card.begin((4, 0), From::Elsewhere, BOUNDS), Answer::Ask);
        assert_eq!(card.begin((5, 0), From::Elsewhere, BOUNDS), Answer::Ask);
        card.end((4, 0), Ending::Right);
        assert_eq!(card.begin((6, 0), From::Elsewhere, BOUNDS), Answer::Ask);
        assert_eq!(card.begin((7, 0), From::Elsewhere, BOUNDS), Answer::Wait);
    }

    #[test]
    fn a_guess_that_never_ended_has_failed() {
        let mut card = confirmed();
        assert_eq!(card.begin((1, 0), From::Elsewhere, BOUNDS), Answer::Ask);
        assert_eq!(card.begin((2, 0), From::Elsewhere, BOUNDS), Answer::Ask);
        assert_eq!(card.begin((3, LOST_AFTER), From::Elsewhere, BOUNDS), Answer::No);
        card.end((1, LOST_AFTER), Ending::Wrong);
        assert_eq!(card.failed, 2, "and is not counted twice");
    }

    #[test]
    fn what_is_not_confirmed_has_one_guess_at_a_time() {
        let mut card = Card::default();
        assert_eq!(card.begin((1, 0), From::Elsewhere, WIDE), Answer::Ask);
        assert_eq!(card.begin((2, 0), From::Elsewhere, WIDE), Answer::Wait);
        card.end((1, 0), Ending::Wrong);
        card.confirm();
        assert_eq!(card.begin((2, 0), From::Elsewhere, WIDE), Answer::Ask);
        assert_eq!(card.begin((3, 0), From::Elsewhere, WIDE), Answer::Ask);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut card = confirmed();
        assert_eq!(card.begin((7, 3), From::Premises, WIDE), Answer::Ask);
        assert_eq!(guess(&mut card, 4, WIDE, Ending::Wrong), Answer::Ask);
        let mut bytes = Vec::new();
        card.write(&mut bytes);
        assert_eq!(Card::read(&mut Fields::new(&bytes)), Some(card));
        assert_eq!(Card::read(&mut Fields::new(&[1])), None);
    }
}
