//! Signing out (RP-Initiated Logout 1.0, Back-Channel Logout 1.0, Front-Channel Logout 1.0).
use super::client::{Client, with_query};
use super::parameters::Parameters;
use super::{At, Provider, issuer};
use crate::domain::VendorId;
use crate::egress::Introduced;
use std::sync::Arc;

/// What a vendor asks when it sends a reader to sign out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaving {
    /// The session that is meant, as this vendor knows it, where an ID token of ours says so.
    pub session: Option<(VendorId, String)>,
    /// Where to go afterwards.
    pub onward: Option<String>,
}

impl Provider {
    /// Reads a request to sign out: the text of a query or of a form. What is not proven by an ID token of ours is not
    /// heeded: the reader is asked, and stays here.
    #[must_use]
    pub fn hear_leaving(&self, at: &At<'_>, text: &[u8]) -> Leaving {
        let Ok(parameters) = Parameters::read(text) else { return Leaving::default() };
        if parameters.is_polluted() {
            return Leaving::default();
        }
        self.leaving(at, &parameters).unwrap_or_default()
    }

    fn leaving(&self, at: &At<'_>, parameters: &Parameters) -> Option<Leaving> {
        let hinted = self.signer.hint(parameters.get("id_token_hint")?, &at.issuer)?;
        let client = hinted.aud.iter().find_map(|id| self.client_at(at, id))?;
        if parameters.get("client_id").is_some_and(|id| id != client.id) {
            return None;
        }
        let onward = match parameters.get("post_logout_redirect_uri") {
            Some(given) => Some(onward(client, given, parameters.get("state"))?),
            None => None,
        };
        let session = hinted.sid.map(|sid| (client.vendor.id.clone(), sid));
        Some(Leaving { session, onward })
    }

    /// Tells vendors that a session which they knew has ended. Gives the addresses that the browser is to load for those
    /// who want to hear of it that way.
    pub async fn ended(&self, all: &[Introduced]) -> Vec<String> {
        let mut loaded = Vec::new();
        for introduced in all {
            let Some(client) = self.client_of(&introduced.vendor) else { continue };
            // A store that does not answer keeps no vendor from being told; tokens run out in minutes.
            let _ = self.grants.end(client, &introduced.sid).await;
            let issuer = issuer(&self.issuer, client.issuer.as_ref()).into_owned();
            if let Some(front) = &client.frontchannel {
                let mut url = front.clone();
                url.query_pairs_mut().append_pair("iss", &issuer).append_pair("sid", &introduced.sid);
                loaded.push(url.into());
            }
            let (signer, known, sid) = (Arc::clone(&self.signer), Arc::clone(client), introduced.sid.clone());
            let clock = Arc::clone(&self.clock);
            self.deliveries.deliver(client, move || signer.logout_token(&known, (&issuer, &sid), clock.now()).ok());
        }
        loaded
    }
}

/// The address to go on to, which must be configured to the letter.
fn onward(client: &Client, given: &str, state: Option<&str>) -> Option<String> {
    client.post_logout_redirect_uris.iter().find(|known| *known == given)?;
    Some(state.map_or_else(|| given.to_owned(), |state| with_query(given, [("state", state)])))
}
