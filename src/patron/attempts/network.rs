//! The counter of one network: how many different cards failed there within the hour, against how many succeeded. One PIN
//! tried on card after card shows here; a branch whose patrons share one address and mistype now and then does not.
use super::card::{Answer, Ending, LOST_AFTER};
use super::ledger::{Entry, Fields, Seconds};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Cards count for so long.
pub(super) const HOUR: u32 = 3600;

/// Successes that are remembered at most.
const REMEMBERED: usize = 2000;

/// A card's name inside one network.
pub(super) type CardThere = [u8; 8];

/// The networks in which an address counts, and how much wider each is than one house's.
pub(super) fn of(address: IpAddr) -> Vec<(Vec<u8>, usize)> {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let net = Ipv4Addr::from_bits(v4.to_bits() & !0xff);
            vec![([&[4, 24], net.octets().as_slice()].concat(), 1)]
        }
        // A house has at least a /64 of its own, and whoever rents a machine may well have a /48.
        IpAddr::V6(v6) => [(64, 1), (48, 3)]
            .map(|(length, wide)| {
                let net = Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << (128 - u32::from(length))));
                ([&[6, length], net.octets().as_slice()].concat(), wide)
            })
            .to_vec(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Failing {
    card: CardThere,
    at: Seconds,
    /// Guesses at it from this network that are not settled.
    under_way: u8,
    failed: bool,
}

/// One network's counter.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Network {
    failing: Vec<Failing>,
    succeeded: Vec<(CardThere, Seconds)>,
}

impl Network {
    /// Counts one more guess at a card, if it may be asked.
    pub(super) fn begin(&mut self, card: CardThere, now: Seconds, base: usize) -> Answer {
        self.tidy(now);
        if let Some(known) = self.failing.iter_mut().find(|f| f.card == card) {
            known.under_way = known.under_way.saturating_add(1);
            known.at = now;
            return Answer::Ask;
        }
        let answer = self.room(base);
        if answer == Answer::Ask {
            self.failing.push(Failing { card, at: now, under_way: 1, failed: false });
        }
        answer
    }

    /// What [`Network::begin`] would say, without counting.
    pub(super) fn would(&mut self, card: CardThere, now: Seconds, base: usize) -> Answer {
        self.tidy(now);
        if self.failing.iter().any(|f| f.card == card) { Answer::Ask } else { self.room(base) }
    }

    fn room(&self, base: usize) -> Answer {
        let most = base + self.succeeded.len() / 2;
        let failed = self.failing.iter().filter(|f| f.failed).count();
        if failed >= most {
            Answer::No
        } else if self.failing.len() >= most {
            Answer::Wait
        } else {
            Answer::Ask
        }
    }

    /// Settles a guess that was counted here.
    pub(super) fn end(&mut self, card: CardThere, now: Seconds, ending: Ending) {
        if ending == Ending::Right {
            return self.succeed(card, now);
        }
        let Some(known) = self.failing.iter_mut().find(|f| f.card == card) else { return };
        known.under_way = known.under_way.saturating_sub(1);
        known.failed |= ending == Ending::Wrong;
        self.failing.retain(|f| f.failed || f.under_way > 0);
    }

    /// Notes that a card's PIN was right.
    pub(super) fn succeed(&mut self, card: CardThere, now: Seconds) {
        self.tidy(now);
        self.failing.retain(|f| f.card != card);
        self.succeeded.retain(|(other, _)| *other != card);
        if self.succeeded.len() < REMEMBERED {
            self.succeeded.push((card, now));
        }
    }

    fn tidy(&mut self, now: Seconds) {
        let age = |at: Seconds| now.saturating_sub(at);
        for lost in self.failing.iter_mut().filter(|f| f.under_way > 0 && age(f.at) >= LOST_AFTER) {
            (lost.under_way, lost.failed) = (0, true);
        }
        self.failing.retain(|f| age(f.at) < HOUR);
        self.succeeded.retain(|(_, at)| age(*at) < HOUR);
    }
}

impl Entry for Network {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let mut network = Self::default();
        for _ in 0..fields.number()? {
            let (card, at) = (fields.take()?, fields.number()?);
            let (under_way, failed) = (fields.byte()?, fields.byte()? != 0);
            network.failing.push(Failing { card, at, under_way, failed });
        }
        while let (Some(card), Some(at)) = (fields.take(), fields.number()) {
            network.succeeded.push((card, at));
        }
        Some(network)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(u32::try_from(self.failing.len()).unwrap_or_default().to_be_bytes());
        for failing in &self.failing {
            out.extend(failing.card);
            out.extend(failing.at.to_be_bytes());
            out.extend([failing.under_way, u8::from(failing.failed)]);
        }
        for (card, at) in &self.succeeded {
            out.extend(card);
            out.extend(at.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(n: u64) -> CardThere {
        n.to_be_bytes()
    }

    fn guess(network: &mut Network, n: u64, now: u32, ending: Ending) -> Answer {
        let answer = network.begin(card(n), now, 20);
        if answer == Answer::Ask {
            network.end(card(n), now, ending);
        }
        answer
    }

    #[test]
    fn card_after_card_is_stopped_for_an_hour() {
        let mut network = Network::default();
        for n in 0..20 {
            assert_eq!(guess(&mut network, n, 0, Ending::Wrong), Answer::Ask);
        }
        assert_eq!(guess(&mut network, 20, 1, Ending::Wrong), Answer::No);
        assert_eq!(guess(&mut network, 7, 1, Ending::Right), Answer::Ask, "whoever mistyped may try again");
        assert_eq!(guess(&mut network, 21, 1, Ending::Wrong), Answer::Ask, "and is no failure any more");
        assert_eq!(guess(&mut network, 22, 1, Ending::Wrong), Answer::No);
        assert_eq!(guess(&mut network, 22, HOUR, Ending::Wrong), Answer::Ask);
    }

    #[test]
    fn a_busy_branch_is_never_stopped() {
        let mut network = Network::default();
        for n in 0..3000 {
            let now = u32::try_from(n).unwrap() * 12;
            if n % 10 == 0 {
                assert_eq!(guess(&mut network, n, now, Ending::Wrong), Answer::Ask, "patron {n}");
            }
            if n % 20 != 0 {
                assert_eq!(guess(&mut network, n, now, Ending::Right), Answer::Ask, "patron {n}");
            }
        }
    }

    #[test]
    fn many_at_once_wait_for_how_it_ends() {
        let mut network = Network::default();
        for n in 0..20 {
            assert_eq!(network.begin(card(n), 0, 20), Answer::Ask);
        }
        assert_eq!(network.would(card(20), 0, 20), Answer::Wait);
        network.end(card(0), 0, Ending::Void);
        assert_eq!(network.begin(card(20), 0, 20), Answer::Ask);
        for n in 1..21 {
            network.end(card(n), 0, Ending::Wrong);
        }
        assert_eq!(network.begin(card(21), 0, 20), Answer::No);
        assert_eq!(network.begin(card(3), 0, 20), Answer::Ask);
        assert_eq!(network.failing.len(), 20);
    }

    #[test]
    fn an_address_counts_in_its_network_however_it_is_written() {
        let networks = |text: &str| of(text.parse().unwrap());
        assert_eq!(networks("192.0.2.7"), networks("192.0.2.200"));
        assert_eq!(networks("192.0.2.7"), networks("::ffff:192.0.2.9"));
        assert_ne!(networks("192.0.2.7"), networks("192.0.3.7"));
        let (one, other) = (networks("2001:db8:1:2::1"), networks("2001:db8:1:3:ffff::9"));
        assert!(one[0] != other[0] && one[1] == other[1]);
        assert_eq!(one[0], networks("2001:db8:1:2:ffff::9")[0]);
        assert_eq!((one[0].1, one[1].1), (1, 3));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut network = Network::default();
        network.begin(card(1), 5, 20);
        guess(&mut network, 2, 6, Ending::Wrong);
        guess(&mut network, 3, 7, Ending::Right);
        let mut bytes = Vec::new();
        network.write(&mut bytes);
        assert_eq!(Network::read(&mut Fields::new(&bytes)), Some(network));
    }
}
