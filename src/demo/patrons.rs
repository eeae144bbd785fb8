//! Make-believe patrons: five to try things with, then as many generated ones as wanted. The same seed gives the same
//! people. Every string that would name one of them is long and odd enough not to turn up by chance, so that a search
//! for it in what a vendor received means something.
use super::names::{FAMILY, GIVEN, STREETS, TOWNS, WAYS};
use serde::Serialize;
use std::collections::HashSet;

/// The library most patrons belong to.
pub const ELMWOOD: &str = "elmwood";
/// The second library of the consortium.
pub const HARBOUR: &str = "harbour";

/// A make-believe patron. Serialised, it is what `demo.json` tells of one.
#[derive(Serialize)]
pub struct Patron {
    /// The id of the patron's library.
    pub library: String,
    /// The number on the card.
    pub card: String,
    /// The PIN.
    pub pin: String,
    /// What the patron is for, in a few words.
    pub note: String,
    /// Every string that the library system holds on the person.
    pub pii: Vec<String>,
    /// What the library system holds, field by field.
    #[serde(skip)]
    pub held: Held,
}

/// What the library system holds on a patron, as it sends it.
pub struct Held {
    /// The full name.
    pub name: String,
    /// The home address in one line.
    pub address: String,
    /// The e-mail address.
    pub email: String,
    /// The telephone number.
    pub phone: String,
    /// The birth date, `YYYYMMDD`.
    pub born: String,
    /// The last day of the card, `YYYYMMDD`.
    pub expires: String,
    /// The class of borrower.
    pub class: &'static str,
    /// The home branch.
    pub branch: &'static str,
    /// The system's own number for the patron.
    pub id: String,
    /// Whether the card is in order.
    pub state: CardState,
}

/// Whether a card is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardState {
    /// In order.
    Good,
    /// Its last day has passed.
    Expired,
    /// The patron owes too much.
    Fines,
}

/// Makes `count` patrons, at least the five named ones: an adult, a juvenile, one whose card expired, one blocked by
/// fines, and an adult at the second library.
#[must_use]
pub fn generate(seed: u64, count: usize) -> Vec<Patron> {
    let mut made = named();
    let mut taken: HashSet<String> = made.iter().flat_map(|p| [p.card.clone(), p.held.id.clone()]).collect();
    let mut dice = Dice(seed);
    while made.len() < count {
        let sketch = random_sketch(&mut dice, made.len());
        if taken.contains(&sketch.card) || taken.contains(&sketch.id) {
            continue;
        }
        taken.extend([sketch.card.clone(), sketch.id.clone()]);
        made.push(sketch.finish());
    }
    made
}

/// How old a patron is, coarsely.
#[derive(Clone, Copy)]
enum Age {
    Adult,
    Teen,
    Juvenile,
}

/// A patron before the strings are put together.
struct Sketch {
    library: &'static str,
    note: String,
    card: String,
    pin: String,
    id: String,
    given: &'static str,
    middle: &'static str,
    family: &'static str,
    house: u64,
    street: &'static str,
    way: &'static str,
    town: &'static str,
    postcode: String,
    phone: String,
    born: (u64, u64, u64),
    class: &'static str,
    branch: &'static str,
    state: CardState,
}

impl Sketch {
    fn finish(self) -> Patron {
        let (year, month, day) = self.born;
        let name = [self.given, self.middle, self.family].join(" ");
        let mailbox = format!("{}.{}", plain(self.given), plain(self.family));
        let mailbox = format!("{mailbox}.{}", self.id.get(5..).unwrap_or_default());
        let held = Held {
            name: name.clone(),
            address: format!("{} {} {}, {} {}", self.house, self.street, self.way, self.town, self.postcode),
            email: format!("{mailbox}@post.example.net"),
            phone: self.phone,
            born: format!("{year:04}{month:02}{day:02}"),
            expires: if self.state == CardState::Expired { "20240131" } else { "20991231" }.to_owned(),
            class: self.class,
            branch: self.branch,
            id: self.id,
            state: self.state,
        };
        let pii = vec![
            self.card.clone(),
            self.pin.clone(),
            name,
            self.given.to_owned(),
            self.middle.to_owned(),
            self.family.to_owned(),
            held.email.clone(),
            mailbox,
            held.phone.clone(),
            held.address.clone(),
            format!("{} {} {}", self.house, self.street, self.way),
            self.street.to_owned(),
            self.town.to_owned(),
            self.postcode,
            held.born.clone(),
            format!("{year:04}-{month:02}-{day:02}"),
            held.id.clone(),
        ];
        Patron { library: self.library.to_owned(), card: self.card, pin: self.pin, note: self.note, pii, held }
    }
}

/// The five patrons that people try things with. They do not depend on the seed, so that a page can print them.
fn named() -> Vec<Patron> {
    let like = adult();
    let second = visitor(&like);
    let [juvenile, expired, blocked] = neighbours(&like);
    [like, juvenile, expired, blocked, second].into_iter().map(Sketch::finish).collect()
}

fn adult() -> Sketch {
    Sketch {
        library: ELMWOOD,
        note: "adult in good standing".to_owned(),
        card: card(1431, 10_000_017),
        pin: "462817".to_owned(),
        id: "314159265".to_owned(),
        given: "Philippa",
        middle: "Rosalind",
        family: "Quennell-Marsh",
        house: 12,
        street: "Kestrelbrook",
        way: "Lane",
        town: "Wrenborough",
        postcode: "XK-48213-Q".to_owned(),
        phone: "+99-555-0148-2793".to_owned(),
        born: (1980, 2, 29),
        class: "Adult",
        branch: "ELM-MAIN",
        state: CardState::Good,
    }
}

/// A juvenile, one whose card expired, and one who owes too much.
fn neighbours(adult: &Sketch) -> [Sketch; 3] {
    let juvenile = Sketch {
        note: "juvenile in good standing".to_owned(),
        card: card(1431, 10_000_025),
        pin: "903152".to_owned(),
        id: "358979323".to_owned(),
        given: "Bartholomew",
        born: (2022, 7, 4),
        class: "Juvenile",
        branch: "ELM-EAST",
        phone: "+99-555-0190-6635".to_owned(),
        ..adult.like()
    };
    let expired = Sketch {
        note: "adult whose card has expired".to_owned(),
        card: card(1431, 10_000_033),
        pin: "275940".to_owned(),
        id: "384626433".to_owned(),
        given: "Kateřina",
        middle: "Ludmilla",
        family: "Dvořáková",
        street: "Hollowmere",
        postcode: "XK-77105-F".to_owned(),
        born: (1971, 11, 16),
        phone: "+99-555-0127-8841".to_owned(),
        state: CardState::Expired,
        ..adult.like()
    };
    let blocked = Sketch {
        note: "adult blocked by unpaid fines".to_owned(),
        card: card(1431, 10_000_041),
        pin: "618034".to_owned(),
        id: "338327950".to_owned(),
        given: "Thandiwe",
        middle: "Nokuthula",
        family: "Ndlovu-Brandt",
        street: "Thistledown",
        way: "Road",
        postcode: "XK-30962-W".to_owned(),
        born: (1966, 5, 23),
        phone: "+99-555-0163-5520".to_owned(),
        state: CardState::Fines,
        ..adult.like()
    };
    [juvenile, expired, blocked]
}

/// An adult at the second library.
fn visitor(adult: &Sketch) -> Sketch {
    Sketch {
        library: HARBOUR,
        note: "adult in good standing at the second library".to_owned(),
        card: card(2776, 20_000_015),
        pin: "730581".to_owned(),
        id: "502884197".to_owned(),
        given: "Guðmundur",
        middle: "Þorsteinn",
        family: "Hallgrímsson",
        street: "Lanternquay",
        way: "Steps",
        town: "Gullhaven Sands",
        postcode: "XH-11874-B".to_owned(),
        born: (1958, 9, 30),
        phone: "+99-555-0105-9917".to_owned(),
        branch: "HBR-MAIN",
        ..adult.like()
    }
}

impl Sketch {
    /// The same sketch again, to vary.
    fn like(&self) -> Self {
        Self {
            note: self.note.clone(),
            card: self.card.clone(),
            pin: self.pin.clone(),
            id: self.id.clone(),
            postcode: self.postcode.clone(),
            phone: self.phone.clone(),
            ..*self
        }
    }
}

fn random_sketch(dice: &mut Dice, number: usize) -> Sketch {
    let (library, prefix, area, branches): (_, _, _, &[&str]) = if dice.below(100) < 65 {
        (ELMWOOD, 1431, "XK", &["ELM-MAIN", "ELM-EAST", "ELM-HILL"])
    } else {
        (HARBOUR, 2776, "XH", &["HBR-MAIN", "HBR-PIER"])
    };
    let age = match dice.below(100) {
        0..14 => Age::Juvenile,
        14..24 => Age::Teen,
        _ => Age::Adult,
    };
    let state = match dice.below(100) {
        0..4 => CardState::Expired,
        4..7 => CardState::Fines,
        _ => CardState::Good,
    };
    let letter = char::from(b'A' + u8::try_from(dice.below(26)).unwrap_or(0));
    Sketch {
        library,
        note: format!("generated {number}: {}, {}", age.word(), state.word()),
        card: card(prefix, 30_000_000 + dice.below(69_999_999)),
        // Six digits: shorter ones would turn up by chance in ports, times and signatures.
        pin: format!("{:06}", 200_000 + dice.below(800_000)),
        id: format!("{}", 300_000_000 + dice.below(300_000_000)),
        given: dice.pick(GIVEN),
        middle: dice.pick(GIVEN),
        family: dice.pick(FAMILY),
        house: 1 + dice.below(240),
        street: dice.pick(STREETS),
        way: dice.pick(WAYS),
        town: dice.pick(TOWNS),
        postcode: format!("{area}-{:05}-{letter}", dice.below(100_000)),
        phone: format!("+99-555-{:04}-{:04}", dice.below(10_000), dice.below(10_000)),
        born: (age.birth_year(dice), 1 + dice.below(12), 1 + dice.below(28)),
        class: age.class(dice),
        branch: dice.pick(branches),
        state,
    }
}

impl Age {
    const fn word(self) -> &'static str {
        match self {
            Self::Adult => "adult",
            Self::Teen => "teen",
            Self::Juvenile => "juvenile",
        }
    }

    /// Years chosen so that people stay what they are for as long as may be.
    fn birth_year(self, dice: &mut Dice) -> u64 {
        match self {
            Self::Adult => 1935 + dice.below(65),
            Self::Teen => 2012 + dice.below(2),
            Self::Juvenile => 2019 + dice.below(5),
        }
    }

    fn class(self, dice: &mut Dice) -> &'static str {
        match self {
            Self::Adult => dice.pick(&["Adult", "Adult", "Adult", "Senior", "Student", "Staff"]),
            Self::Teen => "Young Adult",
            Self::Juvenile => "Juvenile",
        }
    }
}

impl CardState {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Expired => "expired",
            Self::Fines => "blocked",
        }
    }
}

/// A 14-digit library card: `2`, four digits of the institution, eight of the card, and a check digit (Luhn).
fn card(institution: u64, serial: u64) -> String {
    let front = format!("2{institution:04}{serial:08}");
    let sum: u64 = front.bytes().rev().enumerate().map(|(i, b)| doubled(u64::from(b - b'0'), i % 2 == 0)).sum();
    format!("{front}{}", (10 - sum % 10) % 10)
}

const fn doubled(digit: u64, double: bool) -> u64 {
    match (double, digit) {
        (false, d) => d,
        (true, d @ 0..5) => d * 2,
        (true, d) => d * 2 - 9,
    }
}

/// A name as it stands in an e-mail address: lower-case ASCII letters only.
fn plain(name: &str) -> String {
    name.to_lowercase().chars().filter(char::is_ascii_alphabetic).collect()
}

/// A small generator of numbers (`SplitMix64`): the same seed, the same people.
struct Dice(u64);

impl Dice {
    const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let a = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let b = (a ^ (a >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        b ^ (b >> 31)
    }

    const fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        let place = usize::try_from(self.roll() % from.len().max(1) as u64).unwrap_or(0);
        from.get(place).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_five_are_who_the_contract_says() {
        let people = generate(7, 5);
        let seen: Vec<_> = people.iter().map(|p| (p.library.as_str(), p.held.class, p.held.state)).collect();
        assert_eq!(
            seen,
            [
                (ELMWOOD, "Adult", CardState::Good),
                (ELMWOOD, "Juvenile", CardState::Good),
                (ELMWOOD, "Adult", CardState::Expired),
                (ELMWOOD, "Adult", CardState::Fines),
                (HARBOUR, "Adult", CardState::Good),
            ]
        );
        assert_eq!(people[2].held.expires, "20240131");
    }

    #[test]
    fn the_same_seed_gives_the_same_people() {
        let json = |seed| serde_json::to_string(&generate(seed, 1_200)).unwrap();
        assert_eq!(json(1), json(1));
        assert_ne!(json(1), json(2));
    }

    #[test]
    fn cards_and_ids_are_unique_and_well_formed() {
        let people = generate(3, 3_000);
        let cards: HashSet<_> = people.iter().map(|p| &p.card).collect();
        let ids: HashSet<_> = people.iter().map(|p| &p.held.id).collect();
        assert_eq!((cards.len(), ids.len()), (3_000, 3_000));
        for p in &people {
            assert_eq!(p.card.len(), 14);
            assert!(p.card.starts_with('2') && p.card.bytes().all(|b| b.is_ascii_digit()));
            assert!((4..=6).contains(&p.pin.len()) && p.pin.bytes().all(|b| b.is_ascii_digit()));
        }
        let good = people.iter().filter(|p| p.held.state == CardState::Good).count();
        assert!(good > 2_600);
        assert!(people.iter().any(|p| p.library == HARBOUR) && people.iter().any(|p| !p.held.name.is_ascii()));
    }

    #[test]
    fn every_string_on_a_person_is_distinctive_and_complete() {
        let common = "user-agent accept-language library-assertion elmwood.example.org harbour content-type article";
        for p in generate(9, 1_500) {
            for text in &p.pii {
                assert!(text.chars().count() >= 6, "{text}");
                assert!(!common.contains(&text.to_lowercase()), "{text}");
            }
            for text in [&p.card, &p.pin, &p.held.name, &p.held.email, &p.held.phone, &p.held.address, &p.held.born] {
                assert!(p.pii.contains(text));
            }
            assert!(!p.held.name.contains('|') && !p.held.address.contains('|'));
        }
    }

    #[test]
    fn only_the_contract_s_fields_are_told() {
        let value = serde_json::to_value(&generate(1, 5)[0]).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["card", "library", "note", "pii", "pin"]);
    }
}
