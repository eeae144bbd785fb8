//! How a request ended, as an answer says it (Core 3.2.2.2). There is never a message in words: it would be ours to the
//! vendor about a person.
use crate::protocol::saml::canonical::{Element, Unwritable, Xml};

/// Who is the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol::saml) enum Top {
    /// All is well.
    Success,
    /// Who asked.
    Requester,
    /// We, or what stands behind us.
    Responder,
}

impl Top {
    const fn uri(self) -> &'static str {
        match self {
            Self::Success => "urn:oasis:names:tc:SAML:2.0:status:Success",
            Self::Requester => "urn:oasis:names:tc:SAML:2.0:status:Requester",
            Self::Responder => "urn:oasis:names:tc:SAML:2.0:status:Responder",
        }
    }
}

/// What it was, in more detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol::saml) enum Second {
    /// The reader could not sign in, or did not want to.
    AuthnFailed,
    /// The name that was asked for cannot be had.
    InvalidNameIdPolicy,
    /// Nobody signs in here in the way that was asked for.
    NoAuthnContext,
    /// The reader would have to be asked, and must not be.
    NoPassive,
    /// Not everybody could be told of the sign-out.
    PartialLogout,
    /// We understand, and do not do it.
    RequestDenied,
    /// We do not do such a thing.
    RequestUnsupported,
    /// Whoever is meant is not who is here.
    UnknownPrincipal,
}

impl Second {
    const fn uri(self) -> &'static str {
        match self {
            Self::AuthnFailed => "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed",
            Self::InvalidNameIdPolicy => "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy",
            Self::NoAuthnContext => "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext",
            Self::NoPassive => "urn:oasis:names:tc:SAML:2.0:status:NoPassive",
            Self::PartialLogout => "urn:oasis:names:tc:SAML:2.0:status:PartialLogout",
            Self::RequestDenied => "urn:oasis:names:tc:SAML:2.0:status:RequestDenied",
            Self::RequestUnsupported => "urn:oasis:names:tc:SAML:2.0:status:RequestUnsupported",
            Self::UnknownPrincipal => "urn:oasis:names:tc:SAML:2.0:status:UnknownPrincipal",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol::saml) struct Status {
    /// Who is the cause.
    pub(in crate::protocol::saml) top: Top,
    /// What it was.
    pub(in crate::protocol::saml) second: Option<Second>,
}

impl Status {
    /// All is well.
    pub(in crate::protocol::saml) const SUCCESS: Self = Self { top: Top::Success, second: None };
    /// Something behind us does not work.
    pub(in crate::protocol::saml) const UNAVAILABLE: Self = Self { top: Top::Responder, second: None };
    /// The reader did not sign in.
    pub(in crate::protocol::saml) const AUTHN_FAILED: Self = Self::responder(Second::AuthnFailed);
    /// The reader would have to be asked.
    pub(in crate::protocol::saml) const NO_PASSIVE: Self = Self::responder(Second::NoPassive);
    /// The library has not licensed this vendor.
    pub(in crate::protocol::saml) const REQUEST_DENIED: Self = Self::responder(Second::RequestDenied);
    /// Nobody signs in here in that way.
    pub(in crate::protocol::saml) const NO_AUTHN_CONTEXT: Self = Self::requester(Second::NoAuthnContext);
    /// There are no such names here.
    pub(in crate::protocol::saml) const INVALID_NAME_ID_POLICY: Self = Self::requester(Second::InvalidNameIdPolicy);
    /// We do not do such a thing.
    pub(in crate::protocol::saml) const REQUEST_UNSUPPORTED: Self = Self::requester(Second::RequestUnsupported);
    /// The session is ended here, and not everywhere.
    pub(in crate::protocol::saml) const PARTIAL_LOGOUT: Self =
        Self { top: Top::Success, second: Some(Second::PartialLogout) };
    /// The session that is meant is not this browser's.
    pub(in crate::protocol::saml) const UNKNOWN_PRINCIPAL: Self = Self::requester(Second::UnknownPrincipal);

    /// The last word of the lowest code, for events.
    pub(in crate::protocol::saml) fn word(self) -> &'static str {
        let code = self.second.map_or(self.top.uri(), Second::uri);
        code.rsplit_once(':').map_or(code, |(_, word)| word)
    }

    const fn responder(second: Second) -> Self {
        Self { top: Top::Responder, second: Some(second) }
    }

    const fn requester(second: Second) -> Self {
        Self { top: Top::Requester, second: Some(second) }
    }

    /// `samlp:Status`. It stands where `samlp` is declared around it.
    pub(in crate::protocol::saml) fn element(self) -> Result<Xml, Unwritable> {
        let mut code = Element::new("samlp:StatusCode").attribute("Value", self.top.uri());
        if let Some(second) = self.second {
            code = code.child(Element::new("samlp:StatusCode").attribute("Value", second.uri()).finish()?);
        }
        Element::new("samlp:Status").child(code.finish()?).finish()
    }
}
