//! The scanner finds what is there, and nothing else.
use super::leakscan::{Haystack, Hit, Needle, Scanner};
use super::planted::{CARD, PIN, PLANTED, TEXTS};
use super::spell::{base32, hex};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Instant;

/// Numbers that are the same at each run (`SplitMix64`).
pub(super) struct Dice(pub u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let a = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let b = (a ^ (a >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        b ^ (b >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() % limit as u64).unwrap()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.roll().to_le_bytes()).flatten().take(count).collect()
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        (1..items.len()).rev().for_each(|last| items.swap(last, self.below(last + 1)));
    }
}

fn needles() -> Vec<Needle> {
    let beside = vec!["atlas".to_owned(), "press".to_owned()];
    let mut needles = vec![Needle::Card { number: CARD.to_owned(), beside }, Needle::Pin(PIN.to_owned())];
    needles.extend(TEXTS.map(|text| Needle::Text(text.to_owned())));
    needles
}

/// Text of the kind that the traffic is made of.
fn chaff(dice: &mut Dice) -> Vec<u8> {
    let token = URL_SAFE_NO_PAD.encode(dice.bytes(150));
    let id = base32(&dice.bytes(20));
    format!("GET /article/{} HTTP/1.1\r\nlibrary-assertion: {token}\r\nx: {id}\r\n\r\n", dice.roll()).into_bytes()
}

#[test]
fn every_planted_leak_is_found() {
    let (scanner, mut dice, mut missed) = (Scanner::new(&needles()), Dice(1), Vec::new());
    for (how, leak) in PLANTED {
        let (before, after) = (chaff(&mut dice), chaff(&mut dice));
        let bytes = [&*before, leak, b"\r\n", &after].concat();
        if scanner.scan(&[Haystack::new("planted", bytes)]).is_empty() {
            missed.push(how);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
    println!("{} of {} planted leaks found", PLANTED.len(), PLANTED.len());
}

#[test]
fn a_leak_is_found_at_every_place() {
    let scanner = Scanner::new(&needles());
    let mut dice = Dice(2);
    let chaff: Vec<u8> = std::iter::repeat_with(|| chaff(&mut dice)).take(20).flatten().collect();
    for at in (0..=chaff.len()).step_by(97).chain([chaff.len()]) {
        let bytes = [&chaff[..at], CARD.as_bytes(), &chaff[at..]].concat();
        assert!(!scanner.scan(&[Haystack::new("planted", bytes)]).is_empty(), "at {at}");
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let mut dice = Dice(3);
    let mut needles = needles();
    for _ in 0..300 {
        let number = format!("2{:013}", dice.roll() % 10_000_000_000_000);
        needles.push(Needle::Card { number, beside: vec!["atlas".to_owned()] });
        needles.push(Needle::Pin(format!("{:06}", dice.below(1_000_000))));
        let letter = |dice: &mut Dice| char::from(b'a' + u8::try_from(dice.below(26)).unwrap());
        for length in [5, 6, 7, 9, 14] {
            let name: String = std::iter::repeat_with(|| letter(&mut dice)).take(length).collect();
            needles.push(Needle::Text(name));
        }
        let (year, month, day) = (1935 + dice.below(80), 1 + dice.below(12), 1 + dice.below(28));
        needles.push(Needle::Text(format!("{year}{month:02}{day:02}")));
        needles.push(Needle::Text(format!("{:09}", dice.below(1_000_000_000))));
    }
    let start = Instant::now();
    let scanner = Scanner::new(&needles);
    let built = start.elapsed();
    let bytes = dice.bytes(1 << 19);
    let texts = [hex(&bytes[..1 << 18]), base32(&bytes[..1 << 18]), URL_SAFE_NO_PAD.encode(&bytes)];
    let tokens = |text: &str| text.as_bytes().chunks(43).flat_map(|c| [c, b"\r\n"].concat()).collect::<Vec<u8>>();
    let mut haystacks: Vec<Haystack> = texts.iter().map(|text| Haystack::new("random", tokens(text))).collect();
    haystacks.push(Haystack::new("random bytes", bytes));
    haystacks.push(Haystack::new("chaff", (0..1_000).flat_map(|_| chaff(&mut dice)).collect::<Vec<u8>>()));
    let size: usize = haystacks.iter().map(|h| h.bytes.len()).sum();
    let (start, hits) = (Instant::now(), scanner.scan(&haystacks));
    let took = start.elapsed();
    println!("{} needles, {} patterns in {built:?}, {size} bytes in {took:?}", scanner.needles(), scanner.patterns());
    assert!(hits.is_empty(), "{:#?}", hits.iter().map(Hit::told).collect::<Vec<_>>());
}

#[test]
fn a_short_word_counts_only_where_it_stands_alone() {
    let scanner = Scanner::new(&[Needle::Text("Baker".to_owned()), Needle::Pin("1234".to_owned())]);
    let found = |text: &str| !scanner.scan(&[Haystack::new("text", text)]).is_empty();
    assert!(found("name=Baker&x=1") && found("/users/baker") && found("Baker") && found("pin=1234"));
    assert!(!found("Bakersfield") && !found("1234") && !found("pin=12345"));
    assert!(!found("x7Hq-Baker_9sKdjfhgkjsdhfkgjhsd"));
}
