//! Messages of service providers, as values. They come from one parsed document, after the pre-check and, where there is a
//! signature, from the very element that it covers.
use crate::domain::Timestamp;

/// `samlp:AuthnRequest` (Core 3.4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthnRequest {
    /// Its ID: an NCName of at most 256 characters.
    pub(super) id: String,
    /// The entityID of who asks.
    pub(super) issuer: String,
    /// When it was written.
    pub(super) issued: Timestamp,
    /// Where it was sent.
    pub(super) destination: Option<String>,
    /// Where the answer is to go.
    pub(super) consumer_url: Option<String>,
    /// The same as a number; the reader refuses both at once.
    pub(super) consumer_index: Option<u16>,
    /// By which binding the answer is to come.
    pub(super) binding: Option<String>,
    /// `ForceAuthn`.
    pub(super) force: bool,
    /// `IsPassive`.
    pub(super) passive: bool,
    /// `samlp:RequestedAuthnContext`.
    pub(super) contexts: Option<Contexts>,
    /// `samlp:NameIDPolicy`.
    pub(super) name_id: Option<NameIdPolicy>,
    /// Whether it names whom it means (`saml:Subject`), which we refuse: nobody is named to us.
    pub(super) names_subject: bool,
}

/// `samlp:RequestedAuthnContext` (Core 3.3.2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contexts {
    /// How they are to be compared.
    pub(super) comparison: Comparison,
    /// `saml:AuthnContextClassRef`s; empty where it has declarations.
    pub(super) classes: Vec<String>,
}

/// `Comparison`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// One of them; the default.
    Exact,
    /// At least as strong as one of them.
    Minimum,
    /// At most as strong as one of them.
    Maximum,
    /// Stronger than all of them.
    Better,
}

/// `samlp:NameIDPolicy` (Core 3.4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NameIdPolicy {
    /// The format that is wanted.
    pub(super) format: Option<String>,
    /// In whose name space.
    pub(super) qualifier: Option<String>,
    /// `AllowCreate`.
    pub(super) allow_create: bool,
}

/// `samlp:LogoutRequest` (Core 3.7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogoutRequest {
    /// Its ID.
    pub(super) id: String,
    /// Who asks.
    pub(super) issuer: String,
    /// When it was written.
    pub(super) issued: Timestamp,
    /// Where it was sent.
    pub(super) destination: Option<String>,
    /// Until when it holds.
    pub(super) not_on_or_after: Option<Timestamp>,
    /// Who is meant; `None` where the name is encrypted, which we do not read.
    pub(super) name_id: Option<NameId>,
    /// Which sessions are meant; empty means all.
    pub(super) sessions: Vec<String>,
    /// Whether the asker waits for no answer (Asynchronous Single Logout).
    pub(super) asynchronous: bool,
}

/// `saml:NameID` (Core 2.2.3).
#[derive(Clone, PartialEq, Eq)]
pub(super) struct NameId {
    /// The name.
    pub(super) value: String,
    /// Its format.
    pub(super) format: Option<String>,
    /// Whose name it is: the identity provider's entityID.
    pub(super) qualifier: Option<String>,
    /// For whom: the service provider's entityID.
    pub(super) sp_qualifier: Option<String>,
}

impl std::fmt::Debug for NameId {
    /// Without the name.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NameId").field("format", &self.format).finish_non_exhaustive()
    }
}

/// `samlp:LogoutResponse` (Core 3.7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogoutResponse {
    /// Who answers.
    pub(super) issuer: String,
    /// When it was written.
    pub(super) issued: Timestamp,
    /// Where it was sent.
    pub(super) destination: Option<String>,
    /// Which request of ours it answers.
    pub(super) in_response_to: Option<String>,
    /// Whether the session is ended there, whole.
    pub(super) success: bool,
}

/// A message that came by a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A request to sign in.
    Authn(AuthnRequest),
    /// A request to sign out.
    LogoutRequest(LogoutRequest),
    /// The answer to such a request of ours.
    LogoutResponse(LogoutResponse),
}

impl Message {
    /// Where it says that it was sent.
    pub(super) fn destination(&self) -> Option<&str> {
        match self {
            Self::Authn(request) => request.destination.as_deref(),
            Self::LogoutRequest(request) => request.destination.as_deref(),
            Self::LogoutResponse(response) => response.destination.as_deref(),
        }
    }

    /// When it says that it was written.
    pub(super) const fn issued(&self) -> Timestamp {
        match self {
            Self::Authn(request) => request.issued,
            Self::LogoutRequest(request) => request.issued,
            Self::LogoutResponse(response) => response.issued,
        }
    }
}
