//! OpenID Connect: the provider that vendors' clients ask by way of the reader's browser. It sees what egress lets out, an
//! [`Introduction`], and never a patron or a session. Clients come from the configuration alone, and only the
//! authorization code flow is spoken.
mod answer;
mod assertion;
mod backchannel;
mod bearer;
mod client;
mod client_auth;
mod discovery;
mod dpop;
mod endpoints;
mod explain;
#[cfg(fuzzing)]
pub mod fuzzing;
mod grants;
mod jws;
#[cfg(test)]
mod key_holder;
mod key_set;
mod key_source;
mod logout;
mod parameters;
mod published;
mod quotas;
mod request;
mod sector;
mod settings;
mod signer;
#[cfg(test)]
mod stand_in;

pub use client::Client;
pub use explain::Explained;
pub use logout::Leaving;
pub(super) use settings::read;

use super::replays::{Purpose, Replays};
use super::{Asked, Declined, Heard, Learns, Onward, Rejected, SigningRing, Unspoken};
use crate::domain::settings::{Reading, Table};
use crate::domain::{Clock, LibraryId, Timestamp, VendorId};
use crate::egress::{Errands, Introduction};
use crate::store::{Family, Store, StoreError};
use crate::telemetry::{Event, Provided, Telemetry};
use backchannel::{Bounds, LogoutDeliveries};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bearer::{Bearer, Ledger};
use bytes::Bytes;
use endpoints::PUSHED_PREFIX;
use grants::{Basis, Grants};
use http::{HeaderMap, Method, Response};
use key_source::PublishedKeys;
use parameters::Parameters;
use published::Means;
use quotas::Quotas;
pub(super) use request::Request;
use request::{Bad, Fault};
use sector::SectorDocuments;
use serde::{Deserialize, Serialize};
use signer::{Signer, Told};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long the answer to a pushed request is remembered: as long as the request may wait for a sign-in.
const PUSHED_REMEMBERED: Duration = Duration::from_secs(3600);

/// What the provider is built with.
pub struct Parts {
    /// The issuer of all: the portal's origin.
    pub issuer: Arc<str>,
    /// Libraries that are issuers of their own.
    pub libraries: BTreeSet<LibraryId>,
    /// The languages of the pages.
    pub languages: Vec<String>,
    /// The signing keys.
    pub keys: Arc<SigningRing>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where codes and tokens are kept.
    pub store: Arc<dyn Store>,
    /// Where events go.
    pub telemetry: Arc<Telemetry>,
    /// What fetches and tells vendors.
    pub errands: BTreeMap<VendorId, Arc<Errands>>,
}

/// The provider, for every client of one configuration.
pub struct Provider {
    issuer: Arc<str>,
    clients: BTreeMap<String, Arc<Client>>,
    documents: BTreeMap<Option<LibraryId>, Bytes>,
    jwks: Bytes,
    signer: Arc<Signer>,
    grants: Grants,
    replays: Replays,
    keys: PublishedKeys,
    sectors: SectorDocuments,
    deliveries: LogoutDeliveries,
    quotas: Quotas,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
}

/// The issuer that is asked.
pub struct At<'a> {
    library: Option<&'a LibraryId>,
    issuer: Cow<'a, str>,
}

impl At<'_> {
    fn endpoint(&self, path: &str) -> String {
        format!("{}/oidc/{path}", self.issuer)
    }
}

/// A request of a client itself.
pub struct Call<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its fields.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
    /// When it came.
    pub now: Timestamp,
}

/// An endpoint that clients ask themselves, or that everybody may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The provider's metadata.
    Discovery,
    /// The public keys.
    Keys,
    /// Tokens for codes.
    Token,
    /// Who is there.
    Userinfo,
    /// Requests that a client pushes.
    Push,
    /// What a token is worth.
    Introspect,
    /// Takes a token away.
    Revoke,
}

impl Endpoint {
    /// The endpoint at a path below an issuer.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/.well-known/openid-configuration" => Self::Discovery,
            "/oidc/jwks" => Self::Keys,
            "/oidc/token" => Self::Token,
            "/oidc/userinfo" => Self::Userinfo,
            "/oidc/par" => Self::Push,
            "/oidc/introspect" => Self::Introspect,
            "/oidc/revoke" => Self::Revoke,
            _ => return None,
        })
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::Discovery | Self::Keys => "GET, HEAD",
            Self::Userinfo => "GET, POST",
            _ => "POST",
        }
    }

    fn takes(self, method: &Method) -> bool {
        self.methods().split(", ").any(|takes| takes == method.as_str())
    }
}

/// A request that a client pushed.
#[derive(Serialize, Deserialize)]
struct PushedRequest {
    client: String,
    form: String,
    /// The second until which a browser must have come.
    until: i64,
}

/// Notes what is wrong with clients together, which no table shows alone. Each comes with its `[vendor.oidc]` table.
pub fn note_clashes(clients: &[(&Client, &Table)], libraries: &BTreeSet<LibraryId>, reading: &Reading<'_>) {
    for (index, (client, table)) in clients.iter().enumerate() {
        let clash = |key, text: String| reading.of(table).problem(key, text);
        let earlier = || clients.iter().take(index).map(|(earlier, _)| earlier);
        if let Some(other) = earlier().find(|other| other.id == client.id) {
            clash("client_id", format!("expected an id of its own, found that of the vendor `{}`", other.vendor.id));
        }
        let shared = |other: &&&Client| {
            let meant = client.sector.document.is_some() && client.sector.document == other.sector.document;
            other.sector.host == client.sector.host && !meant
        };
        if let Some(other) = earlier().find(shared) {
            let text = format!(
                "expected a host of its own, found that of the vendor `{}`: both would know a reader by one name; where \
                 that is meant, give both the same `sector_identifier_uri`",
                other.vendor.id
            );
            clash("redirect_uris", text);
        }
        if client.issuer.as_ref().is_some_and(|library| !libraries.contains(library)) {
            clash("issuer", "expected a library with `own_issuer = true`, found another id".to_owned());
        }
    }
}

impl Provider {
    /// The provider for these clients, about which [`note_clashes`] noted nothing.
    ///
    /// # Errors
    /// [`Unspoken`] when there is no signing key for one of them.
    pub fn new(clients: Vec<Client>, parts: Parts) -> Result<Self, Unspoken> {
        let signer = Arc::new(Signer::new(Arc::clone(&parts.keys)));
        if !clients.iter().all(|client| signer.serves(client)) {
            return Err(Unspoken);
        }
        let refresh = clients.iter().any(|client| client.refresh_tokens);
        let extras = discovery::Extras { languages: &parts.languages, refresh };
        let mut documents = BTreeMap::new();
        for library in std::iter::once(None).chain(parts.libraries.iter().map(Some)) {
            let issuer = issuer(&parts.issuer, library);
            documents.insert(library.cloned(), Bytes::from(discovery::document(&issuer, &extras)?));
        }
        let means = |client: &Client| {
            let errands = Arc::clone(parts.errands.get(&client.vendor.id)?);
            Some(Means { errands, clock: Arc::clone(&parts.clock), telemetry: Arc::clone(&parts.telemetry) })
        };
        let all = || clients.iter().filter_map(|client| Some((client, means(client)?)));
        let (keys, sectors) = (PublishedKeys::new(all()), SectorDocuments::new(all()));
        let deliveries = LogoutDeliveries::new(parts.errands.into_values(), &parts.telemetry, Bounds::default());
        Ok(Self {
            clients: clients.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect(),
            documents,
            jwks: Bytes::from(signer.published().to_owned()),
            signer,
            grants: Grants(Ledger(Arc::clone(&parts.store))),
            replays: Replays::new(parts.store),
            keys,
            sectors,
            deliveries,
            quotas: Quotas::default(),
            clock: parts.clock,
            telemetry: parts.telemetry,
            issuer: parts.issuer,
        })
    }

    /// Knows from now on what `older` knows of vendors' documents: a reload of the configuration forgets nothing.
    pub fn inherit(&self, older: &Self) {
        self.keys.inherit(&older.keys);
        self.sectors.inherit(&older.sectors);
    }

    /// The issuer at a library's path, or the issuer of all; `None` where the library is no issuer.
    #[must_use]
    pub fn at<'a>(&'a self, library: Option<&'a LibraryId>) -> Option<At<'a>> {
        let known = library.is_none() || self.documents.contains_key(&library.cloned());
        known.then(|| At { library, issuer: issuer(&self.issuer, library) })
    }

    fn client_at(&self, at: &At<'_>, id: &str) -> Option<&Client> {
        let client = self.clients.get(id)?;
        (client.issuer.as_ref() == at.library).then_some(&**client)
    }

    fn client_of(&self, vendor: &VendorId) -> Option<&Arc<Client>> {
        self.clients.values().find(|client| client.vendor.id == *vendor)
    }

    /// Answers an endpoint.
    pub async fn serve(&self, at: &At<'_>, endpoint: Endpoint, call: &Call<'_>) -> Response<Bytes> {
        if !endpoint.takes(call.method) {
            return answer::wrong_method(endpoint.methods());
        }
        match endpoint {
            Endpoint::Discovery => {
                let document = self.documents.get(&at.library.cloned()).cloned().unwrap_or_default();
                answer::public(document, "application/json")
            }
            Endpoint::Keys => answer::public(self.jwks.clone(), "application/jwk-set+json"),
            Endpoint::Token => self.token(at, call).await,
            Endpoint::Userinfo => self.userinfo(at, call).await,
            Endpoint::Push => self.push(at, call).await,
            Endpoint::Introspect => self.introspect(at, call).await,
            Endpoint::Revoke => self.revoke(at, call).await,
        }
    }

    /// Reads an authorization request: the text of a query or of a form.
    pub async fn hear(&self, at: &At<'_>, text: &[u8], now: Timestamp) -> Heard {
        let (client, outcome) = self.heard(at, text, now).await;
        let vendor = client.map(|client| &client.vendor.id);
        match outcome {
            Ok(asked) => Heard::Asked(Box::new(asked)),
            Err(Bad::Page(why)) => {
                let outcome = if why == Rejected::Store { Provided::Unavailable } else { Provided::Refused };
                self.telemetry.emit(&Event::Provided { vendor, outcome, cause: why.as_str() });
                Heard::Refused(why)
            }
            Err(Bad::Back(fault, back)) => {
                self.telemetry.emit(&Event::Provided { vendor, outcome: Provided::Refused, cause: fault.0 });
                Heard::Back(back.fault(&at.issuer, fault))
            }
        }
    }

    async fn heard(&self, at: &At<'_>, text: &[u8], now: Timestamp) -> (Option<&Client>, Result<Asked, Bad>) {
        let Ok(parameters) = Parameters::read(text) else { return (None, Err(Bad::Page(Rejected::Malformed))) };
        let client = match request::client_of(&parameters, |id| self.client_at(at, id)) {
            Ok(client) => client,
            Err(why) => return (None, Err(Bad::Page(why))),
        };
        (Some(client), self.read(at, client, &parameters, now).await)
    }

    async fn read(&self, at: &At<'_>, client: &Client, parameters: &Parameters, now: Timestamp) -> Result<Asked, Bad> {
        self.sectors.verified(client).await.map_err(|_| Bad::Page(Rejected::Sector))?;
        let pushed = parameters.get("request_uri").and_then(|uri| uri.strip_prefix(PUSHED_PREFIX));
        let request = match pushed.filter(|_| !parameters.is_twice("request_uri")) {
            Some(name) => self.read_pushed(at, client, name, now).await?,
            None => request::read(client, parameters, None, (&self.signer, &at.issuer))?,
        };
        Ok(request.asked(client))
    }

    /// What a client pushed counts alone, whatever else stands beside it (RFC 9126 §4).
    async fn read_pushed(&self, at: &At<'_>, client: &Client, name: &str, now: Timestamp) -> Result<Request, Bad> {
        let bearer = Bearer::parse(name).ok_or(Bad::Page(Rejected::Pushed))?;
        let found = self.grants.0.get::<PushedRequest>(Family::Pushed, &bearer).await;
        let found = found.map_err(|StoreError| Bad::Page(Rejected::Store))?.map(|found| found.record);
        let good = |pushed: &PushedRequest| pushed.client == client.id && now.seconds() <= pushed.until;
        let pushed = found.filter(good).ok_or(Bad::Page(Rejected::Pushed))?;
        let parameters = Parameters::read(pushed.form.as_bytes()).map_err(|_| Bad::Page(Rejected::Malformed))?;
        request::read(client, &parameters, Some(bearer.name()), (&self.signer, &at.issuer))
    }

    /// A request that waited; `None` when it can no longer be answered, because the configuration has changed.
    pub(in crate::protocol) fn take_up(&self, request: Request) -> Option<Asked> {
        let client = self.waiting(&request)?;
        Some(request.asked(client))
    }

    /// The client of a request, which may have left the configuration while the request waited.
    fn waiting(&self, request: &Request) -> Option<&Arc<Client>> {
        let client = self.clients.get(&request.client)?;
        client.redirect_uri(&request.redirect_uri)?;
        Some(client)
    }

    /// Answers a request with a code for whoever is introduced.
    ///
    /// # Errors
    /// [`StoreError`], also when the request can no longer be answered.
    pub(in crate::protocol) async fn answer(
        &self,
        (asked, request): (&Asked, &Request),
        introduction: &Introduction,
        now: Timestamp,
    ) -> Result<Onward, StoreError> {
        let client = self.waiting(request).ok_or(StoreError)?;
        if let Some(pushed) = request.pushed
            && !self.is_first_answer(client, pushed).await?
        {
            return self.decline((asked, request), Declined::Denied).ok_or(StoreError);
        }
        let basis = Basis {
            client: client.id.clone(),
            told: told(client, introduction),
            sid: introduction.sid().to_owned(),
            authenticated: introduction.authenticated().seconds(),
            ends: now.plus(i64::try_from(introduction.lasts()).unwrap_or(0)).seconds(),
            offline: request.offline,
            jkt: request.jkt.clone(),
        };
        let bound = (request.redirect_uri.clone(), request.nonce.clone(), request.challenge.clone());
        let code = self.grants.give_code(basis, bound, (introduction.is_fresh(), now)).await?;
        self.telemetry.emit(&Event::Provided { vendor: Some(&asked.vendor), outcome: Provided::Code, cause: "" });
        let issuer = issuer(&self.issuer, client.issuer.as_ref());
        request.back(client, &issuer, vec![("code", code.reveal().to_owned())]).ok_or(StoreError)
    }

    /// Whether a pushed request is answered for the first time: it is good once, in however many tabs it waits.
    async fn is_first_answer(&self, client: &Client, pushed: [u8; 32]) -> Result<bool, StoreError> {
        self.grants.0.drop_name(Family::Pushed, pushed).await?;
        let name = URL_SAFE_NO_PAD.encode(pushed);
        self.replays.first_use(Purpose::Pushed, (&client.id, &name), PUSHED_REMEMBERED).await
    }

    /// Tells a vendor that it gets nobody; `None` when its request can no longer be answered.
    pub(in crate::protocol) fn decline(&self, (asked, request): (&Asked, &Request), why: Declined) -> Option<Onward> {
        let client = self.waiting(request)?;
        let Fault(code, text) = match why {
            Declined::SignInNeeded => Fault("login_required", "nobody is signed in"),
            Declined::WentBack | Declined::Denied => Fault("access_denied", "the reader went back, or has no access"),
            Declined::Unavailable => Fault("temporarily_unavailable", "the provider cannot answer now"),
        };
        self.telemetry.emit(&Event::Provided { vendor: Some(&asked.vendor), outcome: Provided::Declined, cause: code });
        let issuer = issuer(&self.issuer, client.issuer.as_ref());
        let fields = vec![("error", code.to_owned()), ("error_description", text.to_owned())];
        request.back(client, &issuer, fields)
    }

    /// The address where a reader's visit to a vendor begins: the vendor's own that starts a sign-in (Core §4), or the
    /// page that the reader wants.
    pub(in crate::protocol) fn start(&self, vendor: &VendorId, target: &str) -> Option<String> {
        let client = self.client_of(vendor)?;
        let Some(initiate) = &client.initiate else { return Some(target.to_owned()) };
        let mut url = initiate.clone();
        let issuer = issuer(&self.issuer, client.issuer.as_ref());
        url.query_pairs_mut().append_pair("iss", &issuer).append_pair("target_link_uri", target);
        Some(url.into())
    }

    /// What a vendor is told.
    pub(in crate::protocol) fn learns(&self, vendor: &VendorId) -> Option<Learns> {
        let client = self.client_of(vendor)?;
        let (affiliation, entitlements) = client.learns();
        Some(Learns { name: !client.vendor.anonymous, affiliation, entitlements })
    }
}

impl From<Rejected> for Bad {
    fn from(why: Rejected) -> Self {
        Self::Page(why)
    }
}

fn issuer<'a>(all: &'a str, library: Option<&LibraryId>) -> Cow<'a, str> {
    library.map_or(Cow::Borrowed(all), |library| Cow::Owned(format!("{all}/at/{library}")))
}

fn told(client: &Client, introduction: &Introduction) -> Told {
    let assertion = introduction.assertion();
    Told {
        sub: introduction.name().as_str().to_owned(),
        eduperson_entitlement: client.entitlements.then(|| assertion.entitlements().to_vec()),
        eduperson_scoped_affiliation: client.affiliation.then(|| [assertion.scoped_affiliation().to_owned()]),
    }
}
