//! The door for fuzzing: a desk with clients from a configuration, before which anybody may claim to be one of them, and
//! proofs of keys. Built by `cargo fuzz` only.
use super::client::Client;
use super::client_auth::{Attempt, Checks, authenticate};
use super::dpop::{self, Asked, FIELD};
use super::key_set::{KeySource, NoKeys};
use super::parameters::Parameters;
use super::request::{self, Bad, Request};
use super::signer::Signer;
use crate::domain::settings::{Reading, Secrets, Table};
use crate::domain::{Timestamp, Vendor};
use crate::protocol::replays::Replays;
use crate::protocol::{Algorithm, Onward, SigningRing, asked};
use crate::store::{Family, Memory, Store};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use http::{HeaderMap, HeaderValue, Method};
use jsonwebtoken::jwk::JwkSet;
use std::sync::Arc;

/// Nobody publishes keys here.
struct Unpublished;

impl KeySource for Unpublished {
    fn keys_of<'a>(&'a self, _: &'a Client, _: Option<&'a str>) -> BoxFuture<'a, Result<Arc<JwkSet>, NoKeys>> {
        Box::pin(ready(Err(NoKeys)))
    }
}

/// What became of an authorization request.
pub enum Outcome {
    /// It waits for a patron: what is carried, and the way back with a refusal.
    Waits(String, Onward),
    /// The client is told that it is wrong.
    Back(Onward),
    /// Nobody is told but the patron.
    Refused(&'static str),
}

/// What asks for clients and proofs.
pub struct Desk {
    clients: Vec<Client>,
    signer: Signer,
    store: Arc<Memory>,
    replays: Replays,
}

impl Desk {
    /// A desk that knows these vendors by their `[vendor.oidc]` tables; `None` where one is wrong.
    #[must_use]
    pub fn new(vendors: &[(Arc<Vendor>, Table)], secrets: &dyn Secrets) -> Option<Self> {
        let reading = Reading::new(secrets);
        let clients =
            vendors.iter().map(|(vendor, table)| super::read(&reading.of(table), vendor)).collect::<Option<_>>()?;
        let store = Arc::new(Memory::new(1000));
        let replays = Replays::new(Arc::clone(&store) as Arc<dyn Store>);
        let ring = SigningRing::unsaved(&[Algorithm::EdDsa], Timestamp::from_seconds(0)).ok()?;
        Some(Self { clients, signer: Signer::new(Arc::new(ring)), store, replays })
    }

    /// Reads an authorization request at `issuer`.
    #[must_use]
    pub fn hear(&self, text: &[u8], issuer: &str) -> Outcome {
        let Ok(parameters) = Parameters::read(text) else { return Outcome::Refused("malformed") };
        let find = |id: &str| self.clients.iter().find(|client| client.id == id);
        let client = match request::client_of(&parameters, find) {
            Ok(client) => client,
            Err(why) => return Outcome::Refused(why.as_str()),
        };
        match request::read(client, &parameters, None, (&self.signer, issuer)) {
            Err(Bad::Page(why)) => Outcome::Refused(why.as_str()),
            Err(Bad::Back(fault, back)) => Outcome::Back(back.fault(issuer, fault)),
            Ok(request) => Self::waiting(client, request, issuer),
        }
    }

    fn waiting(client: &Client, request: Request, issuer: &str) -> Outcome {
        let carried = request.asked(client).carried();
        // What was carried is read again, as after a sign-in.
        let Ok(asked::Request::Oidc(again)) = serde_json::from_str(&carried) else {
            return Outcome::Refused("not read again");
        };
        let fields = vec![("error", "access_denied".to_owned())];
        again.back(client, issuer, fields).map_or(Outcome::Refused("no way back"), |back| Outcome::Waits(carried, back))
    }

    /// Forgets what was shown.
    pub fn forget(&self) {
        let _forgotten = self.store.purge(Family::Once).now_or_never();
    }

    /// Which client a request with these `Authorization` fields and this form is of.
    ///
    /// # Errors
    /// Why of none.
    pub fn client(
        &self,
        authorization: &[HeaderValue],
        form: &[u8],
        (issuer, now): (&str, Timestamp),
    ) -> Result<String, &'static str> {
        let form = Parameters::read(form).map_err(|_| "polluted")?;
        let attempt = Attempt { authorization: authorization.first(), several: authorization.len() > 1, form: &form };
        let checks = Checks { issuer, keys: &Unpublished, replays: &self.replays, now };
        let find = |id: &str| self.clients.iter().find(|client| client.id == id);
        let found = authenticate(&find, &attempt, &checks).now_or_never().ok_or("it waits")?;
        found.map(|client| client.id.clone()).map_err(|error| error.cause.word())
    }

    /// The thumbprint of the key that these `DPoP` fields prove for a POST to `address`; `None` without any.
    ///
    /// # Errors
    /// Why of none.
    pub fn proved(
        &self,
        fields: &[HeaderValue],
        (address, access_token): (&str, Option<&str>),
        now: Timestamp,
    ) -> Result<Option<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(FIELD, field.clone());
        }
        let replays = &self.replays;
        let asked = Asked { method: &Method::POST, address, access_token, bound_to: None, replays, now };
        let found = dpop::verify(&headers, &asked).now_or_never().ok_or("it waits")?;
        found.map(|key| key.map(|key| key.as_str().to_owned())).map_err(dpop::BadProof::word)
    }
}
