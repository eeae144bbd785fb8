//! Words of a sign-out (Core 3.7). Both are handed over unsigned: how they are signed depends on how they travel.
use super::canonical::{Identifier, Unsigned};
use super::response::{Envelope, Status, Subject};
use crate::domain::Timestamp;
use crate::protocol::Unspoken;

/// Whose session is ended, as the vendor knows it.
pub(super) struct Parting<'a> {
    /// The ID of the request, to which the vendor answers.
    pub(super) id: &'a Identifier,
    /// Our entityID.
    pub(super) issuer: &'a str,
    /// Where the vendor takes it.
    pub(super) destination: &'a str,
    /// When it is written.
    pub(super) now: Timestamp,
    /// Until when it holds.
    pub(super) not_on_or_after: Timestamp,
    /// Whom the assertion was about.
    pub(super) subject: Subject<'a>,
    /// The session's name in the assertion.
    pub(super) session_index: &'a str,
}

/// `samlp:LogoutRequest`.
pub(super) fn logout_request(parting: &Parting<'_>) -> Result<Unsigned, Unspoken> {
    let envelope =
        Envelope { issuer: parting.issuer, destination: parting.destination, in_response_to: None, now: parting.now };
    Ok(envelope
        .begin("samlp:LogoutRequest", parting.id, Some(parting.not_on_or_after))?
        .child(parting.subject.in_message()?)
        .leaf("samlp:SessionIndex", parting.session_index)
        .to_sign()?)
}

/// `samlp:LogoutResponse`.
pub(super) fn logout_response(envelope: &Envelope<'_>, status: Status) -> Result<Unsigned, Unspoken> {
    Ok(envelope.begin("samlp:LogoutResponse", &Identifier::random(), None)?.child(status.element()?).to_sign()?)
}

#[cfg(test)]
mod tests;
