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

/// Why a request is refused before anyone looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The request line is none.
    RequestLine,
    /// A version of HTTP that is not spoken here.
    Version,
    /// A method that is not served.
    Method,
    /// The target is no path and no address of this host.
    Target,
    /// The target is too long.
    TargetTooLong,
    /// A line ends otherwise than with CRLF.
    LineEnd,
    /// A field's name is no token.
    FieldName,
    /// A field's value has a control character.
    FieldValue,
    /// Too many fields.
    FieldCount,
    /// The head is too large.
    HeadTooLarge,
    /// The cookies alone are larger than a head may be.
    CookiesTooLarge,
    /// No `Host`.
    HostMissing,
    /// `Host` more than once.
    HostTwice,
    /// `Host` is no authority.
    HostMalformed,
    /// `Host` and the target name different hosts.
    HostDiffers,
    /// Nobody here has this host.
    HostUnknown,
    /// `Content-Length` is no number, or there more than once.
    Length,
    /// `Content-Length` and `Transfer-Encoding`.
    LengthAndCoding,
    /// A malformed `Transfer-Encoding`, or one in a version without.
    Coding,
    /// A `Transfer-Encoding` other than `chunked`.
    CodingUnknown,
    /// An `Expect` other than `100-continue`.
    Expectation,
    /// A body whose chunks are malformed.
    Chunk,
    /// A field that belongs to one connection, in a version without such fields.
    Hop,
}

impl Refused {
    /// Every cause, in the order of [`Refused::slot`].
    pub const ALL: [Self; 23] = [
        Self::RequestLine,
        Self::Version,
        Self::Method,
        Self::Target,
        Self::TargetTooLong,
        Self::LineEnd,
        Self::FieldName,
        Self::FieldValue,
        Self::FieldCount,
        Self::HeadTooLarge,
        Self::CookiesTooLarge,
        Self::HostMissing,
        Self::HostTwice,
        Self::HostMalformed,
        Self::HostDiffers,
        Self::HostUnknown,
        Self::Length,
        Self::LengthAndCoding,
        Self::Coding,
        Self::CodingUnknown,
        Self::Expectation,
        Self::Chunk,
        Self::Hop,
    ];

    /// The word in the log and the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestLine => "request_line",
            Self::Version => "version",
            Self::Method => "method",
            Self::Target => "target",
            Self::TargetTooLong => "target_too_long",
            Self::LineEnd => "line_end",
            Self::FieldName => "field_name",
            Self::FieldValue => "field_value",
            Self::FieldCount => "field_count",
            Self::HeadTooLarge => "head_too_large",
            Self::CookiesTooLarge => "cookies_too_large",
            Self::HostMissing => "host_missing",
            Self::HostTwice => "host_twice",
            Self::HostMalformed => "host_malformed",
            Self::HostDiffers => "host_differs",
            Self::HostUnknown => "host_unknown",
            Self::Length => "length",
            Self::LengthAndCoding => "length_and_coding",
            Self::Coding => "coding",
            Self::CodingUnknown => "coding_unknown",
            Self::Expectation => "expectation",
            Self::Chunk => "chunk",
            Self::Hop => "hop",
        }
    }

    /// The status that tells the client (RFC 9110 §15.5).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::HostUnknown => 421,
            Self::FieldCount | Self::HeadTooLarge | Self::CookiesTooLarge => 431,
            Self::Method | Self::CodingUnknown => 501,
            Self::Version => 505,
            _ => 400,
        }
    }

    /// Where the cause stands in [`Refused::ALL`].
    #[must_use]
    pub const fn slot(self) -> usize {
        self as usize
    }
}

/// Why a connection was ended, or not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Its network has as many as it may have.
    NetworkFull,
    /// There are as many as there may be, and all are busy.
    Full,
    /// It had nothing to do for longest when there were as many as there may be.
    Shed,
    /// Its TLS handshake took too long.
    HandshakeSlow,
    /// The head of a request took too long.
    HeadSlow,
    /// The body of a request came too slowly.
    BodySlow,
    /// An answer was taken too slowly.
    AnswerStalled,
    /// It had nothing to do for long.
    Idle,
}

impl Ended {
    /// Every cause, in the order of their slots.
    pub const ALL: [Self; 8] = [
        Self::NetworkFull,
        Self::Full,
        Self::Shed,
        Self::HandshakeSlow,
        Self::HeadSlow,
        Self::BodySlow,
        Self::AnswerStalled,
        Self::Idle,
    ];

    /// The word in the log and the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NetworkFull => "network_full",
            Self::Full => "full",
            Self::Shed => "shed",
            Self::HandshakeSlow => "handshake_slow",
            Self::HeadSlow => "head_slow",
            Self::BodySlow => "body_slow",
            Self::AnswerStalled => "answer_stalled",
            Self::Idle => "idle",
        }
    }

    /// Where the cause stands in [`Ended::ALL`].
    pub(super) const fn slot(self) -> usize {
        self as usize
    }
}

/// What came of a request to the OpenID Provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provided {
    /// A reader went back to the vendor with a code.
    Code,
    /// The vendor got tokens.
    Tokens,
    /// A reader went back to the vendor with the word that it gets nobody.
    Declined,
    /// The request was not as it must be.
    Refused,
    /// The vendor could not prove who it is.
    ClientRefused,
    /// We could not answer.
    Unavailable,
}

impl Provided {
    /// Every outcome, in the order of their slots.
    pub(super) const ALL: [Self; 6] =
        [Self::Code, Self::Tokens, Self::Declined, Self::Refused, Self::ClientRefused, Self::Unavailable];

    /// The metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Tokens => "tokens",
            Self::Declined => "declined",
            Self::Refused => "refused",
            Self::ClientRefused => "client_refused",
            Self::Unavailable => "unavailable",
        }
    }

    /// Where the outcome stands in [`Provided::ALL`].
    pub(super) const fn slot(self) -> usize {
        self as usize
    }
}

/// What came of a message to the SAML Identity Provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stated {
    /// A reader went back to the vendor with an assertion.
    Written,
    /// A reader went back to the vendor with the word that it gets nobody.
    Declined,
    /// The request was not as it must be.
    Refused,
    /// We could not answer.
    Unavailable,
    /// A session ended at the vendor's wish.
    SignedOut,
    /// The vendor's word of a sign-out was not as it must be.
    SignOutRefused,
}

impl Stated {
    /// Every outcome, in the order of their slots.
    pub(super) const ALL: [Self; 6] =
        [Self::Written, Self::Declined, Self::Refused, Self::Unavailable, Self::SignedOut, Self::SignOutRefused];

    /// The metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "assertion",
            Self::Declined => "declined",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::SignedOut => "signed_out",
            Self::SignOutRefused => "sign_out_refused",
        }
    }

    /// Where the outcome stands in [`Stated::ALL`].
    pub(super) const fn slot(self) -> usize {
        self as usize
    }
}

/// The ID of an assertion: 128 random bits, and nothing else fits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssertionId(pub [u8; 16]);

impl std::fmt::Display for AssertionId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "_{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What became of the word to a vendor that a reader signed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// The vendor took it.
    Delivered,
    /// The vendor answered that it is wrong; it is not told again.
    Refused,
    /// The vendor did not take it at any of the tries.
    GivenUp,
    /// Too many waited; the oldest made room.
    Dropped,
}

impl Delivery {
    /// Every outcome, in the order of their slots.
    pub(super) const ALL: [Self; 4] = [Self::Delivered, Self::Refused, Self::GivenUp, Self::Dropped];

    /// The word in the log and the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::GivenUp => "given_up",
            Self::Dropped => "dropped",
        }
    }

    /// Where the outcome stands in [`Delivery::ALL`].
    pub(super) const fn slot(self) -> usize {
        self as usize
    }
}

/// A document that a vendor publishes for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Document {
    /// Its public keys (`jwks_uri`).
    Keys,
    /// The list of its redirect addresses (`sector_identifier_uri`).
    Sector,
    /// What its service provider or a federation says of it (SAML metadata).
    Metadata,
}

impl Document {
    /// Every document, in the order of their slots.
    pub(super) const ALL: [Self; 3] = [Self::Keys, Self::Sector, Self::Metadata];

    /// The word in the log and the metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Sector => "sector",
            Self::Metadata => "metadata",
        }
    }

    /// Where the document stands in [`Document::ALL`].
    pub(super) const fn slot(self) -> usize {
        self as usize
    }
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
        /// Why; the status follows from it.
        cause: Refused,
    },
    /// A vendor's origin did not answer as it should.
    VendorTrouble {
        /// Which.
        vendor: &'a VendorId,
        /// What happened, in words of ours.
        cause: &'static str,
    },
    /// The OpenID Provider was asked.
    Provided {
        /// By which vendor; `None` where no vendor of the configuration is named.
        vendor: Option<&'a VendorId>,
        /// What came of it.
        outcome: Provided,
        /// Why, in words of ours; empty where all was well.
        cause: &'static str,
    },
    /// The SAML Identity Provider was asked.
    Stated {
        /// By which vendor; `None` where no vendor of the configuration is named.
        vendor: Option<&'a VendorId>,
        /// What came of it.
        outcome: Stated,
        /// Why, in words of ours; empty where all was well.
        cause: &'static str,
    },
    /// An assertion was written. With these lines beside a vendor's own log, one that we never wrote stands out.
    Asserted {
        /// For which vendor.
        vendor: &'a VendorId,
        /// Its ID.
        assertion: AssertionId,
    },
    /// The word to a vendor that a reader signed out came to an end. Only counted: its line would stand beside that of
    /// the sign-out.
    LogoutDelivery {
        /// Which vendor.
        vendor: &'a VendorId,
        /// What became of it.
        outcome: Delivery,
    },
    /// A vendor does not take word of sign-outs. Told, not counted, and seldom.
    LogoutTrouble {
        /// Which vendor.
        vendor: &'a VendorId,
        /// What became of the last.
        outcome: Delivery,
        /// Why, in words of ours.
        cause: &'static str,
    },
    /// A document of a vendor's could not be fetched, or is not what it should be.
    DocumentTrouble {
        /// Which vendor.
        vendor: &'a VendorId,
        /// Which document.
        document: Document,
        /// Why, in words of ours.
        cause: &'static str,
    },
    /// A connection ended before a request, such as in the TLS handshake.
    Handshake {
        /// Why, in words of ours.
        cause: &'static str,
    },
    /// A connection was ended by us, or not begun.
    Connection {
        /// Why.
        ended: Ended,
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
