//! Problem pages: one plain sentence, what to do next, and a code to ask about. Any room may show one through the app.
use crate::domain::{Denial, random};
use http::StatusCode;
use std::time::Duration;

/// What went wrong, as far as a reader needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemPage {
    /// The request is for a host that is not ours. The page names nothing.
    UnknownHost,
    /// The request is malformed.
    BadRequest,
    /// A vendor's request to sign in is not as it must be.
    AskedWrongly,
    /// A vendor's request to sign in waited too long.
    AskedTooLate,
    /// A form came from elsewhere.
    ForeignForm,
    /// There is no session, or it ended.
    SignInAgain,
    /// No licence admits the patron.
    NotEntitled(Denial),
    /// The PIN is right; the card's term is over.
    CardExpired,
    /// The PIN is right; the library denies the card its services.
    CardBlocked,
    /// The PIN is right; the card is another library's.
    OtherLibrary,
    /// A deep link leads to no configured vendor.
    NotAResource,
    /// There is no such page.
    NotFound,
    /// The page is there, but not for this method.
    WrongMethod,
    /// The body is too large.
    TooLarge,
    /// The body is no form.
    WrongType,
    /// The mistake is ours.
    OurFault,
    /// The vendor's origin cannot be reached, or answers nonsense.
    VendorDown,
    /// The library's system cannot be asked.
    LibraryDown {
        /// When asking again may help.
        retry_after: Duration,
    },
    /// Sessions cannot be looked up.
    StoreDown,
    /// The vendor's origin did not answer in time.
    VendorSlow,
}

impl ProblemPage {
    /// The status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::AskedWrongly | Self::AskedTooLate => StatusCode::BAD_REQUEST,
            Self::SignInAgain => StatusCode::UNAUTHORIZED,
            Self::ForeignForm | Self::NotEntitled(_) | Self::CardExpired | Self::CardBlocked | Self::OtherLibrary => {
                StatusCode::FORBIDDEN
            }
            Self::NotAResource | Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::WrongType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::OurFault => StatusCode::INTERNAL_SERVER_ERROR,
            Self::VendorDown => StatusCode::BAD_GATEWAY,
            Self::LibraryDown { .. } | Self::StoreDown => StatusCode::SERVICE_UNAVAILABLE,
            Self::VendorSlow => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// What the ids of its messages begin with.
    pub(super) const fn messages(self) -> &'static str {
        match self {
            Self::UnknownHost => "problem-unknown-host",
            Self::BadRequest => "problem-bad-request",
            Self::AskedWrongly => "problem-asked-wrongly",
            Self::AskedTooLate => "problem-asked-too-late",
            Self::ForeignForm => "problem-foreign-form",
            Self::SignInAgain => "problem-sign-in-again",
            Self::NotEntitled(_) => "problem-not-entitled",
            Self::CardExpired => "problem-card-expired",
            Self::CardBlocked => "problem-card-blocked",
            Self::OtherLibrary => "problem-other-library",
            Self::NotAResource => "problem-not-a-resource",
            Self::NotFound => "problem-not-found",
            Self::WrongMethod => "problem-wrong-method",
            Self::TooLarge => "problem-too-large",
            Self::WrongType => "problem-wrong-type",
            Self::OurFault => "problem-our-fault",
            Self::VendorDown => "problem-vendor-down",
            Self::LibraryDown { .. } => "problem-library-down",
            Self::StoreDown => "problem-store-down",
            Self::VendorSlow => "problem-vendor-slow",
        }
    }

    /// The message that says why, where the problem itself does not.
    pub(super) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::NotEntitled(denial) => Some(denial_message(denial)),
            _ => None,
        }
    }

    /// Whether the way on is to sign in.
    pub(super) const fn asks_to_sign_in(self) -> bool {
        matches!(
            self,
            Self::ForeignForm
                | Self::SignInAgain
                | Self::CardExpired
                | Self::CardBlocked
                | Self::OtherLibrary
                | Self::LibraryDown { .. }
                | Self::TooLarge
                | Self::WrongType
        )
    }

    /// Whole seconds for `Retry-After` (RFC 9110 §10.2.3).
    pub(super) const fn retry_after(self) -> Option<u64> {
        match self {
            Self::LibraryDown { retry_after } => {
                let seconds = retry_after.as_secs().saturating_add(if retry_after.subsec_nanos() > 0 { 1 } else { 0 });
                Some(if seconds == 0 { 1 } else { seconds })
            }
            Self::StoreDown => Some(5),
            _ => None,
        }
    }
}

/// The message that says why a patron may not use a vendor.
pub(super) const fn denial_message(denial: Denial) -> &'static str {
    match denial {
        Denial::NoLicence => "denied-no-licence",
        Denial::OutOfTerm => "denied-out-of-term",
        Denial::BorrowerClass => "denied-borrower-class",
        Denial::Branch => "denied-branch",
        Denial::Age => "denied-age",
        Denial::Standing => "denied-standing",
    }
}

/// The code on a problem page, as an extension of its response, so that the request's log line can show it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correlation(pub String);

impl Correlation {
    /// Eight random letters and digits that cannot be mistaken for each other.
    pub(super) fn new() -> Self {
        const ALPHABET: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyz2";
        let letter = |b: u8| ALPHABET.get(usize::from(b & 31)).copied().map_or('2', char::from);
        Self(random::<8>().map(letter).iter().collect())
    }
}
