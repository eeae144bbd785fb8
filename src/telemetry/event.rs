//! The events. Their fields are ids that the operator chose, closed enums, numbers and static text; nothing else.
use crate::domain::{Denial, Fault, LibraryId, VendorId};
use std::time::Duration;

/// How a sign-in ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignIn {
    /// Card and PIN were right and the card is admitted.
    Accepted,
    /// No such card or a wrong PIN.
    Rejected,
    /// Not asked, because too many attempts had failed.
    Throttled,
    /// The card has expired.
    Expired,
    /// The card is blocked.
    Blocked,
    /// The patron belongs to another library of the consortium.
    OtherLibrary,
    /// The library's system gave no answer that can be trusted.
    Unavailable,
}

impl SignIn {
    /// Every outcome, in the order of [`SignIn::slot`].
    pub(super) const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Rejected,
        Self::Throttled,
        Self::Expired,
        Self::Blocked,
        Self::OtherLibrary,
        Self::Unavailable,
    ];

    /// The metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Throttled => "throttled",
            Self::Expired => "expired",
            Self::Blocked => "blocked",
            Self::OtherLibrary => "other_library",
            Self::Unavailable => "unavailable",
        }
    }

    /// Where the outcome stands in [`SignIn::ALL`].
    pub(super) const fn slot(self) -> usize {
        self as usize
    }
}

/// What was decided about a patron and a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// A licence admits the patron.
    Entitled,
    /// No licence does, and why.
    Denied(Denial),
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A sign-in ended.
    SignIn {
        /// Where.
        library: &'a LibraryId,
        /// How.
        outcome: SignIn,
        /// How long the library's system and the gate took.
        took: Duration,
    },
    /// The library's system did not answer as it should.
    IlsTrouble {
        /// Which library was being asked for.
        library: &'a LibraryId,
        /// Who is to blame.
        fault: Fault,
        /// What happened, in words of ours.
        cause: &'static str,
    },
    /// One exchange with an ILS ended well, whatever it answered.
    IlsAnswer {
        /// The `[[ils]]` table's id.
        ils: &'a str,
        /// From sending to the answer.
        took: Duration,
    },
    /// The breaker of an ILS opened (`true`) or closed (`false`).
    IlsBreaker {
        /// The `[[ils]]` table's id.
        ils: &'a str,
        /// Whether it is open now.
        open: bool,
    },
    /// A session ended at the patron's wish.
    SignOut {
        /// Where.
        library: &'a LibraryId,
    },
    /// A licence was looked at.
    Decided {
        /// Whose.
        library: &'a LibraryId,
        /// For which vendor.
        vendor: &'a VendorId,
        /// What came of it.
        decision: Decision,
    },
    /// A request was answered. The one line a request.
    Request {
        /// `None` for the portal.
        vendor: Option<&'a VendorId>,
        /// The method, when it is a well-known one, else `OTHER`.
        method: &'static str,
        /// The status that the browser got.
        status: u16,
        /// Until the answer's head was ready.
        took: Duration,
        /// `HTTP/1.1` or `HTTP/2`.
        version: &'static str,
    },
    /// A request was refused before anyone looked at it.
    Refused {
        /// The status.
        status: u16,
        /// Why, in words of ours.
        cause: &'static str,
    },
    /// A vendor's origin did not answer as it should.
    VendorTrouble {
        /// Which.
        vendor: &'a VendorId,
        /// What happened, in words of ours.
        cause: &'static str,
    },
    /// A connection ended before a request, such as in the TLS handshake.
    Handshake {
        /// Why, in words of ours.
        cause: &'static str,
    },
    /// A configuration took over.
    Reloaded {
        /// How many libraries it has.
        libraries: usize,
        /// How many vendors it has.
        vendors: usize,
    },
    /// A configuration was refused; the old one stays. One event for each problem.
    ReloadRefused {
        /// File, line, key path and what is wrong, without any value.
        problem: &'a str,
    },
    /// A new configuration was refused as a whole; told once, after its problems.
    ReloadFailed {
        /// How many problems it had.
        problems: usize,
    },
    /// The store's file could not be written (`false`), or can again (`true`). Told when it changes.
    StoreWorks {
        /// Whether it can.
        working: bool,
    },
    /// A new program took over the listening sockets, or did not and this one goes on.
    Upgraded {
        /// Whether it did.
        taken: bool,
        /// Its process id, or why not, in words of ours.
        detail: &'a str,
    },
    /// A phase of the process's life.
    Life {
        /// `starting`, `ready`, `draining`, `stopped`, …
        phase: &'static str,
        /// A detail that the operator configured, such as an address to listen on.
        detail: &'a str,
    },
    /// A page template of the library's own could not be used; the built-in one was.
    Template {
        /// The template's file name.
        name: &'a str,
        /// What is wrong with it.
        problem: &'a str,
    },
}
