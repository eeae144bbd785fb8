//! Standing: the coarse facts of a patron that rules may use. None of them names a person.
use super::Date;

/// A code that the library's system uses for a borrower class or a branch: at most 64 printable characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(Box<str>);

impl Code {
    /// Trims and checks a code; `None` when empty, longer than 64 bytes or not printable.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fine = !text.is_empty() && text.len() <= 64 && !text.chars().any(char::is_control);
        fine.then(|| Self(text.into()))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether the card is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing stands against the card.
    Good,
    /// The card's term is over.
    Expired,
    /// The library's system denies this card its services.
    Blocked,
}

impl State {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Expired => "expired",
            Self::Blocked => "blocked",
        }
    }

    /// Reads the word in the configuration.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Good, Self::Expired, Self::Blocked].into_iter().find(|s| s.as_str() == word)
    }
}

/// A coarse age. The birth date it came from is dropped inside the ILS connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgeClass {
    /// 18 years or more.
    Adult,
    /// 13 to 17 years.
    Teen,
    /// Under 13 years.
    Juvenile,
    /// The library's system did not say.
    Unknown,
}

impl AgeClass {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adult => "adult",
            Self::Teen => "teen",
            Self::Juvenile => "juvenile",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word in the configuration.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Adult, Self::Teen, Self::Juvenile, Self::Unknown].into_iter().find(|a| a.as_str() == word)
    }

    /// The class of someone born on `born`, seen on `today`. A birthday counts from its first minute in UTC; one on
    /// 29 February counts from 1 March in common years.
    #[must_use]
    pub fn on(today: Date, born: Date) -> Self {
        let before_birthday = (u8::from(today.month()), today.day()) < (u8::from(born.month()), born.day());
        let years = today.year() - born.year() - i32::from(before_birthday);
        match years {
            i32::MIN..0 => Self::Unknown,
            0..13 => Self::Juvenile,
            13..18 => Self::Teen,
            18.. => Self::Adult,
        }
    }
}

/// What the rules may know of a patron.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether the card is in order.
    pub state: State,
    /// The library's class of borrower, such as `ADULT` or `STAFF`.
    pub borrower_class: Option<Code>,
    /// The home branch.
    pub branch: Option<Code>,
    /// The coarse age.
    pub age: AgeClass,
    /// The last day on which the card is valid.
    pub expires: Option<Date>,
}

impl Standing {
    /// A card in good order of which nothing else is known.
    #[must_use]
    pub const fn good() -> Self {
        Self { state: State::Good, borrower_class: None, branch: None, age: AgeClass::Unknown, expires: None }
    }

    /// The state on `today`: a card that was good at sign-in may run out during a session.
    #[must_use]
    pub fn state_on(&self, today: Date) -> State {
        match (self.state, self.expires) {
            (State::Good, Some(last)) if last < today => State::Expired,
            (state, _) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn birthdays_turn_on_the_day() {
        let born = date!(2013 - 11 - 22);
        assert_eq!(AgeClass::on(date!(2026 - 11 - 21), born), AgeClass::Juvenile);
        assert_eq!(AgeClass::on(date!(2026 - 11 - 22), born), AgeClass::Teen);
        assert_eq!(AgeClass::on(date!(2031 - 11 - 21), born), AgeClass::Teen);
        assert_eq!(AgeClass::on(date!(2031 - 11 - 22), born), AgeClass::Adult);
        let leap = date!(2012 - 02 - 29);
        assert_eq!(AgeClass::on(date!(2025 - 02 - 28), leap), AgeClass::Juvenile);
        assert_eq!(AgeClass::on(date!(2025 - 03 - 01), leap), AgeClass::Teen);
        assert_eq!(AgeClass::on(date!(2012 - 01 - 01), leap), AgeClass::Unknown);
    }

    #[test]
    fn a_good_card_runs_out_after_its_last_day() {
        let card = Standing { expires: Some(date!(2026 - 11 - 22)), ..Standing::good() };
        assert_eq!(card.state_on(date!(2026 - 11 - 22)), State::Good);
        assert_eq!(card.state_on(date!(2026 - 11 - 23)), State::Expired);
    }
}
