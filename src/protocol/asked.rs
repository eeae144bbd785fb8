//! What every protocol has in common in which a vendor asks by way of the browser: the request that waits while a patron
//! signs in, what it wishes of the sign-in, and the ways back to the vendor.
use super::{oidc, saml};
use crate::domain::{LibraryId, Timestamp, VendorId};
use serde::{Deserialize, Serialize};

/// How much a patron is to be bothered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// As little as possible: whoever is signed in goes straight on.
    AsNeeded,
    /// Not at all: who is not signed in is refused.
    Never,
    /// The patron signs in anew.
    SignIn,
    /// The patron says once more that they want to go on, and with which card.
    Confirm,
}

/// What a vendor wishes of the sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// How much a patron is to be bothered.
    pub interaction: Interaction,
    /// The longest time since the sign-in, in seconds.
    pub max_age: Option<i64>,
    /// The languages in which the vendor's page is shown, best first.
    pub languages: Vec<String>,
}

/// A request of a vendor that was found good and waits for a patron.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks.
    pub vendor: VendorId,
    /// The only library whose patrons are meant, if there is one.
    pub library: Option<LibraryId>,
    /// What is wished of the sign-in.
    pub wish: Wish,
    /// The origin to which the browser goes back.
    pub origin: String,
    /// The whole request in the protocol's own form.
    pub(in crate::protocol) request: Request,
}

/// A request in its protocol's own form, as it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::protocol) enum Request {
    /// An authorization request.
    Oidc(Box<oidc::Request>),
    /// An `AuthnRequest`, or a visit that begins here.
    Saml(Box<saml::Request>),
}

impl Asked {
    /// The whole request as a text, from which the protocol makes this value again.
    #[must_use]
    pub fn carried(&self) -> String {
        serde_json::to_string(&self.request).unwrap_or_default()
    }
}

/// How a browser goes on to a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onward {
    /// By a redirect.
    Redirect(String),
    /// By a form that posts itself.
    Form {
        /// Where to.
        action: String,
        /// Its fields.
        fields: Vec<(&'static str, String)>,
    },
}

/// Why a vendor gets no patron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declined {
    /// Nobody is signed in, and nobody may be bothered.
    SignInNeeded,
    /// The patron went back.
    WentBack,
    /// The patron has no licence.
    Denied,
    /// Something of ours is down.
    Unavailable,
}

/// What became of a request of a vendor.
#[derive(Clone, Debug)]
pub enum Heard {
    /// It is good and waits for a patron.
    Asked(Box<Asked>),
    /// It is bad, and the vendor is told so by way of the browser.
    Back(Onward),
    /// It is bad, and there is nobody who could safely be told but the patron.
    Refused(Rejected),
}

/// Why a request is refused without a word to the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejected {
    /// No such client here.
    Client,
    /// The address to come back to is not one of the client's.
    RedirectUri,
    /// The request is malformed.
    Malformed,
    /// The vendor's own list of its addresses does not hold.
    Sector,
    /// The vendor's metadata is not there, or has run out.
    Metadata,
    /// A signature is missing or wrong.
    Signature,
    /// It was sent to somebody else.
    Destination,
    /// It is too old, or from the future.
    Stale,
    /// A request that was pushed is not there, any more.
    Pushed,
    /// The store does not answer.
    Store,
}

impl Rejected {
    /// The word in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::RedirectUri => "redirect_uri",
            Self::Malformed => "malformed",
            Self::Sector => "sector",
            Self::Metadata => "metadata",
            Self::Signature => "signature",
            Self::Destination => "destination",
            Self::Stale => "stale",
            Self::Pushed => "pushed",
            Self::Store => "store",
        }
    }
}

impl Wish {
    /// Whether a sign-in that the vendor is told to be of `signed_in` is young enough.
    #[must_use]
    pub fn is_young_enough(&self, signed_in: Timestamp, now: Timestamp) -> bool {
        self.max_age.is_none_or(|most| now.since(signed_in) <= most)
    }
}
