//! What one browser, one network and all together may take of the front, and how much guessing a library's system is
//! asked to bear.
use super::AddressRule;
use std::net::IpAddr;
use std::time::Duration;

/// The limits of connections. The defaults bear a reading room behind one address, and let go of whoever only holds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From the connection to the end of its TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
    /// A body that is sent more slowly than [`Limits::bytes_per_second`] is waited for so long.
    pub body: Duration,
    /// An answer that is taken more slowly than [`Limits::bytes_per_second`] is held so long.
    pub answer: Duration,
    /// From the end of a form's head to the end of its body.
    pub form: Duration,
    /// A connection that switched to another protocol may be silent so long.
    pub switched: Duration,
    /// The least rate of bodies and answers.
    pub bytes_per_second: u32,
    /// Connections at once; where it is not given, what the operating system's limit of open files leaves.
    pub connections: Option<usize>,
    /// Connections at once of one IPv4 address or IPv6 /64 network.
    pub per_network: u32,
    /// The same, of one that many readers share.
    pub per_shared_network: u32,
    /// The networks that many readers share.
    pub shared: Vec<AddressRule>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            form: Duration::from_secs(10),
            switched: Duration::from_secs(600),
            bytes_per_second: 500,
            connections: None,
            per_network: 200,
            per_shared_network: 4000,
            shared: Vec::new(),
        }
    }
}

impl Limits {
    /// How many connections an address may share with its network.
    #[must_use]
    pub fn of_network(&self, address: IpAddr) -> u32 {
        if self.shared.iter().any(|rule| rule.contains(address)) { self.per_shared_network } else { self.per_network }
    }
}

/// How many sign-ins may fail before they are no longer passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessLimits {
    /// Failures in a row after which the library's system locks a card; `None` where it never does.
    pub ils_locks_after: Option<usize>,
    /// Failures of a card in a day that may reach the library's system from devices that do not know it.
    pub per_day: usize,
    /// Different cards that may fail in an hour in one network, beside half of those that succeed there.
    pub cards_per_network: usize,
    /// How long every rejection takes at least.
    pub answer_after: Duration,
}

impl Default for GuessLimits {
    fn default() -> Self {
        Self { ils_locks_after: Some(5), per_day: 30, cards_per_network: 20, answer_after: Duration::from_millis(500) }
    }
}
