//! The doorkeeper counts connections, of each network and in all, and looks round several times a second for those
//! that take too long. When the house is full, whoever has had nothing to do for longest makes room.
use super::pulse::{Ending, Pulse, Ticks};
use super::server::Stop;
use crate::domain::Limits;
use crate::telemetry::{Ended, Event, Telemetry};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One in so many connections makes room at once, so that a crowd at the door is not a look round for each.
const SHARE: usize = 100;
/// Files that are kept for the other side, for logs and for the store: one in so many, and not fewer than the least.
const KEPT_SHARE: usize = 20;
const KEPT: usize = 256;

/// An IPv4 address, or the first half of an IPv6 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Network(u64);

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            // No IPv6 network in use begins with so many zeros.
            IpAddr::V4(v4) => Self(u32::from(v4).into()),
            IpAddr::V6(v6) => Self(u64::try_from(u128::from(v6) >> 64).unwrap_or(u64::MAX)),
        }
    }
}

#[derive(Default)]
struct Book {
    open: HashMap<u64, Arc<Pulse>>,
    of_network: HashMap<Network, u32>,
    /// How many of the open ones are on their way out.
    ending: usize,
    number: u64,
}

/// Connections that are few.
const FEW: usize = 32;

/// Counts connections and ends those that take too long.
pub struct Doorkeeper {
    limits: ArcSwap<Limits>,
    telemetry: Arc<Telemetry>,
    /// How many connections the operating system leaves us.
    room: usize,
    book: Mutex<Book>,
    ticks: Ticks,
    begun: Instant,
    looks: AtomicBool,
}

/// A connection's place. It is free again when this is dropped.
pub(super) struct Admission {
    keeper: Arc<Doorkeeper>,
    network: Network,
    number: u64,
    pub(super) pulse: Arc<Pulse>,
    /// Whether few others were connected when it came.
    pub(super) among_few: bool,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.keeper.telemetry.connections(-1);
        let mut book = self.keeper.book.lock();
        book.open.remove(&self.number);
        book.ending -= usize::from(self.pulse.is_ending());
        if let Some(open) = book.of_network.get_mut(&self.network) {
            *open -= 1;
            if *open == 0 {
                book.of_network.remove(&self.network);
            }
        }
    }
}

impl Doorkeeper {
    /// A doorkeeper in front of an empty house.
    #[must_use]
    pub fn new(limits: Limits, telemetry: Arc<Telemetry>) -> Arc<Self> {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let files = usize::try_from(files.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        let kept = (files / KEPT_SHARE).max(KEPT.min(files / 4));
        Arc::new(Self {
            limits: ArcSwap::from_pointee(limits),
            telemetry,
            room: files - kept,
            book: Mutex::default(),
            ticks: Arc::new(AtomicU64::new(1)),
            begun: Instant::now(),
            looks: AtomicBool::new(false),
        })
    }

    /// Other limits, for connections to come.
    pub fn heed(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    /// Gives a connection a place, or none.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Admission> {
        let limits = self.limits.load_full();
        let network = Network::of(address);
        let most = limits.connections.map_or(self.room, |most| most.min(self.room));
        let mut book = self.book.lock();
        if book.of_network.get(&network).is_some_and(|open| *open >= limits.of_network(address)) {
            drop(book);
            return self.turn_away(Ended::NetworkFull);
        }
        let shed = if book.open.len() - book.ending >= most { self.make_room(&mut book, most) } else { 0 };
        if book.open.len() - book.ending >= most {
            drop(book);
            return self.turn_away(Ended::Full);
        }
        let among_few = book.open.len() < FEW;
        book.number += 1;
        let number = book.number;
        let pulse = Arc::new(Pulse::new(limits, Arc::clone(&self.ticks)));
        book.open.insert(number, Arc::clone(&pulse));
        *book.of_network.entry(network).or_default() += 1;
        drop(book);
        self.telemetry.connections(1);
        (0..shed).for_each(|_| self.telemetry.emit(&Event::Connection { ended: Ended::Shed }));
        Some(Admission { keeper: Arc::clone(self), network, number, pulse, among_few })
    }

    fn turn_away<T>(&self, ended: Ended) -> Option<T> {
        self.telemetry.emit(&Event::Connection { ended });
        None
    }

    /// Asks those to leave who have had nothing to do for longest; where everyone is busy, cuts those who have not
    /// asked for anything yet.
    fn make_room(&self, book: &mut Book, most: usize) -> usize {
        let now = self.ticks.load(Ordering::Relaxed);
        let oldest = |since: fn(&Pulse) -> Option<u64>, book: &Book| {
            let mut all: Vec<_> = book.open.values().filter_map(|p| Some((since(p)?, Arc::clone(p)))).collect();
            let some = (most / SHARE).max(1).min(all.len());
            if some > 0 {
                all.select_nth_unstable_by_key(some - 1, |(since, _)| *since);
            }
            all.truncate(some);
            all
        };
        let mut leave = oldest(Pulse::idle_since, book);
        let mut ending = Ending::Ask(Ended::Shed);
        if leave.is_empty() {
            leave = oldest(Pulse::unproven_since, book);
            ending = Ending::Cut(Ended::Shed);
        }
        for (_, pulse) in &leave {
            pulse.end(ending, now);
        }
        book.ending += leave.len();
        leave.len()
    }

    /// Looks round until the stop has ended; only the first call does.
    pub(super) async fn look_round(self: Arc<Self>, stop: Stop) {
        if self.looks.swap(true, Ordering::Relaxed) {
            return;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.step()) => self.look(),
                () = stop.ended() => return,
            }
        }
    }

    /// An eighth of the shortest time that is watched, but neither idle work nor a late look.
    fn step(&self) -> Duration {
        let limits = self.limits.load();
        let times = [limits.handshake, limits.head, limits.idle, limits.body, limits.answer, limits.switched];
        let shortest = times.into_iter().min().unwrap_or_default();
        (shortest / 8).clamp(Duration::from_millis(20), Duration::from_millis(500))
    }

    fn look(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.ticks.store(now, Ordering::Relaxed);
        let mut told = Vec::new();
        let mut book = self.book.lock();
        let mut ending = 0;
        for pulse in book.open.values() {
            let Some(verdict) = pulse.verdict(now) else { continue };
            ending += usize::from(!pulse.is_ending());
            pulse.end(verdict, now);
            if let Ending::Ask(ended) | Ending::Cut(ended) = verdict {
                told.push(ended);
            }
        }
        book.ending += ending;
        drop(book);
        for ended in told {
            self.telemetry.emit(&Event::Connection { ended });
        }
    }
}
