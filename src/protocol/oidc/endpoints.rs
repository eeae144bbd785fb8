//! The endpoints that clients ask themselves: token (RFC 6749 §3.2), userinfo (OpenID Connect Core §5.3), pushed requests
//! (RFC 9126), introspection (RFC 7662) and revocation (RFC 7009).
use super::answer::{challenge, empty, error, json, unavailable};
use super::bearer::Bearer;
use super::client::{Authentication, Client, Dpop};
use super::client_auth::{Attempt, Cause, Checks, NotAuthenticated, authenticate};
use super::dpop::{self, BadProof, Thumbprint};
use super::grants::{Basis, Code, Issued, Kind, NotGranted, Token};
use super::parameters::Parameters;
use super::request::{self, Bad};
use super::signer::Statement;
use super::{At, Call, Provider};
use crate::domain::Timestamp;
use crate::store::{Family, StoreError};
use crate::telemetry::{Event, Provided};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Response, StatusCode};
use serde::Serialize;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How long a pushed request waits for its browser, in seconds.
const PUSHED_LIFE: i64 = 60;
/// How long the store keeps it: a browser that came in time carries all of it along, sealed, while its reader signs in.
const PUSHED_KEPT: Duration = Duration::from_secs(65);
/// The longest pushed request.
const PUSHED_LONGEST: usize = 6 * 1024;
/// How a pushed request is called (RFC 9126 §2.2).
pub(super) const PUSHED_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const BASIC: &str = "Basic realm=\"oidc\", charset=\"UTF-8\"";

#[derive(Serialize)]
struct Tokens<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    scope: &'static str,
    id_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

#[derive(Serialize)]
struct Pushed {
    request_uri: String,
    expires_in: i64,
}

#[derive(Serialize)]
struct NoToken {
    active: bool,
}

#[derive(Serialize)]
struct Confirmation<'a> {
    jkt: &'a str,
}

#[derive(Serialize)]
struct Introspection<'a> {
    active: bool,
    iss: &'a str,
    client_id: &'a str,
    sub: &'a str,
    scope: &'static str,
    token_type: &'static str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
}

/// Why a client's own request ends in an error.
enum Failed {
    Client(NotAuthenticated),
    Proof(BadProof),
    Grant(&'static str, &'static str),
    Down,
}

impl From<StoreError> for Failed {
    fn from(_: StoreError) -> Self {
        Self::Down
    }
}

impl From<NotAuthenticated> for Failed {
    fn from(why: NotAuthenticated) -> Self {
        Self::Client(why)
    }
}

impl From<NotGranted> for Failed {
    fn from(why: NotGranted) -> Self {
        match why {
            NotGranted::Store => Self::Down,
            NotGranted::Invalid => {
                Self::Grant("invalid_grant", "the code or token is not good, any more, or not for this client")
            }
        }
    }
}

impl Failed {
    fn answer(&self) -> Response<Bytes> {
        match self {
            Self::Down | Self::Proof(BadProof::Store) => unavailable(),
            Self::Grant(code, text) => error(StatusCode::BAD_REQUEST, code, text),
            Self::Proof(_) => error(StatusCode::BAD_REQUEST, "invalid_dpop_proof", "the DPoP proof is not acceptable"),
            Self::Client(why) => match why.code() {
                None => unavailable(),
                Some("invalid_client") => {
                    let response = error(StatusCode::UNAUTHORIZED, "invalid_client", "the client was not recognised");
                    if why.by_header { challenge(response, BASIC) } else { response }
                }
                Some(code) => error(StatusCode::BAD_REQUEST, code, "the request is ambiguous about its client"),
            },
        }
    }
}

impl Provider {
    /// The client that sends a form, and the form.
    async fn client<'p>(&'p self, at: &At<'_>, call: &Call<'_>) -> Result<(&'p Client, Parameters), Failed> {
        let form = form(call).ok_or(Failed::Grant("invalid_request", "expected a form, found something else"))?;
        if form.is_polluted() {
            return Err(Failed::Grant("invalid_request", "expected each parameter once, found one twice"));
        }
        let mut fields = call.headers.get_all(AUTHORIZATION).iter();
        let attempt = Attempt { authorization: fields.next(), several: fields.next().is_some(), form: &form };
        let checks = Checks { issuer: &at.issuer, keys: &self.keys, replays: &self.replays, now: call.now };
        let client = authenticate(&|id| self.client_at(at, id), &attempt, &checks).await;
        let client = client.inspect_err(|why| self.not_recognised(at, &form, *why))?;
        Ok((client, form))
    }

    fn not_recognised(&self, at: &At<'_>, form: &Parameters, why: NotAuthenticated) {
        // Only a vendor of the configuration is named; what else was sent is not.
        let vendor = form.get("client_id").and_then(|id| self.client_at(at, id)).map(|client| &client.vendor.id);
        let down = matches!(why.cause, Cause::Store | Cause::NoKeys);
        let outcome = if down { Provided::Unavailable } else { Provided::ClientRefused };
        self.telemetry.emit(&Event::Provided { vendor, outcome, cause: why.cause.word() });
    }

    async fn proof(&self, call: &Call<'_>, address: &str, client: &Client) -> Result<Option<Thumbprint>, Failed> {
        if client.dpop == Dpop::Off {
            return Ok(None);
        }
        let asked = dpop::Asked {
            method: call.method,
            address,
            access_token: None,
            bound_to: None,
            replays: &self.replays,
            now: call.now,
        };
        let proof = dpop::verify(call.headers, &asked).await.map_err(Failed::Proof)?;
        if proof.is_none() && client.dpop == Dpop::Required {
            return Err(Failed::Grant("invalid_dpop_proof", "expected a DPoP proof, found none"));
        }
        Ok(proof)
    }

    /// `POST /oidc/token`.
    pub(super) async fn token(&self, at: &At<'_>, call: &Call<'_>) -> Response<Bytes> {
        let answered = match self.client(at, call).await {
            Ok((client, form)) => {
                let answered = self.tokens(at, call, (client, &form)).await;
                let outcome = match &answered {
                    Ok(_) => (Provided::Tokens, ""),
                    Err(Failed::Proof(why)) => (Provided::Refused, why.word()),
                    Err(Failed::Down) => (Provided::Unavailable, ""),
                    Err(Failed::Grant(code, _)) => (Provided::Refused, *code),
                    Err(Failed::Client(why)) => (Provided::ClientRefused, why.cause.word()),
                };
                let vendor = Some(&client.vendor.id);
                self.telemetry.emit(&Event::Provided { vendor, outcome: outcome.0, cause: outcome.1 });
                answered
            }
            Err(failed) => Err(failed),
        };
        answered.unwrap_or_else(|failed| failed.answer())
    }

    async fn tokens(
        &self,
        at: &At<'_>,
        call: &Call<'_>,
        (client, form): (&Client, &Parameters),
    ) -> Result<Response<Bytes>, Failed> {
        let kind = form.get("grant_type");
        let refresh = kind == Some("refresh_token") && client.refresh_tokens;
        if kind != Some("authorization_code") && !refresh {
            return Err(match kind {
                None => Failed::Grant("invalid_request", "expected a grant_type, found none"),
                Some("refresh_token") => {
                    Failed::Grant("unauthorized_client", "refresh tokens are not switched on for this client")
                }
                Some(_) => Failed::Grant("unsupported_grant_type", "expected grant_type authorization_code"),
            });
        }
        let key = self.proof(call, &at.endpoint("token"), client).await?;
        let missing = || Failed::Grant("invalid_request", "expected the code or token to be exchanged, found none");
        if refresh {
            let token = form.get("refresh_token").ok_or_else(missing)?;
            // A token that is bound to a key is good with that key alone.
            let fits = |basis: &Basis| basis.jkt.as_deref() == key.as_ref().map(Thumbprint::as_str);
            let (basis, issued) = self.grants.refresh(token, client, fits, call.now).await?;
            return self.granted(at, client, (&basis, None, &issued), call.now);
        }
        let code = form.get("code").ok_or_else(missing)?;
        let (code, issued) = self.grants.redeem(code, client, |code| fits(code, form, key.as_ref()), call.now).await?;
        self.granted(at, client, (&code.basis, code.nonce.as_deref(), &issued), call.now)
    }

    fn granted(
        &self,
        at: &At<'_>,
        client: &Client,
        (basis, nonce, issued): (&Basis, Option<&str>, &Issued),
        now: Timestamp,
    ) -> Result<Response<Bytes>, Failed> {
        let authenticated = Timestamp::from_seconds(basis.authenticated);
        let statement = Statement { told: &basis.told, sid: &basis.sid, authenticated, nonce };
        let access_token = issued.access.reveal();
        let id_token = self.signer.id_token(client, &at.issuer, (&statement, access_token), now);
        let tokens = Tokens {
            access_token,
            token_type: token_type(basis),
            expires_in: issued.lives.as_secs(),
            scope: basis.scope(),
            id_token: id_token.map_err(|_| Failed::Down)?,
            refresh_token: issued.refresh.as_ref().map(Bearer::reveal),
        };
        Ok(json(StatusCode::OK, &tokens))
    }

    /// `GET` or `POST /oidc/userinfo`.
    pub(super) async fn userinfo(&self, at: &At<'_>, call: &Call<'_>) -> Response<Bytes> {
        let Some((scheme, token)) = bearer(call) else {
            return challenge(empty(StatusCode::UNAUTHORIZED), "Bearer realm=\"oidc\"");
        };
        let refused = || {
            let response = error(StatusCode::UNAUTHORIZED, "invalid_token", "the access token is not good, any more");
            challenge(response, "Bearer realm=\"oidc\", error=\"invalid_token\"")
        };
        let found = match self.grants.find(&token, call.now).await {
            Ok(found) => found.filter(|found| found.kind == Kind::Access),
            Err(StoreError) => return unavailable(),
        };
        let Some(found) = found.filter(|found| self.client_at(at, &found.basis.client).is_some()) else {
            return refused();
        };
        let bound = found.basis.jkt.is_some();
        match self.holds_key(at, call, (scheme, &token), &found).await {
            Ok(true) => json(StatusCode::OK, &found.basis.told),
            Ok(false) if !bound => refused(),
            // Whoever holds the key is to know how to show it (RFC 9449 §7.1).
            Ok(false) => {
                let text = "the access token is bound to a key: expected scheme DPoP and a proof";
                let response = error(StatusCode::UNAUTHORIZED, "invalid_token", text);
                challenge(response, "DPoP error=\"invalid_token\", algs=\"ES256 PS256 EdDSA\"")
            }
            Err(BadProof::Store) => unavailable(),
            Err(_) => {
                let text = "the DPoP proof is not acceptable";
                let response = error(StatusCode::UNAUTHORIZED, "invalid_dpop_proof", text);
                challenge(response, "DPoP error=\"invalid_dpop_proof\", algs=\"ES256 PS256 EdDSA\"")
            }
        }
    }

    /// Whether whoever shows a token may (RFC 9449 §7).
    async fn holds_key(
        &self,
        at: &At<'_>,
        call: &Call<'_>,
        (scheme, token): (Scheme, &str),
        found: &Token,
    ) -> Result<bool, BadProof> {
        let Some(jkt) = &found.basis.jkt else { return Ok(scheme == Scheme::Bearer) };
        let Some(bound) = Thumbprint::parse(jkt).filter(|_| scheme == Scheme::Dpop) else { return Ok(false) };
        let asked = dpop::Asked {
            method: call.method,
            address: &at.endpoint("userinfo"),
            access_token: Some(token),
            bound_to: Some(&bound),
            replays: &self.replays,
            now: call.now,
        };
        dpop::verify(call.headers, &asked).await.map(|proof| proof.is_some())
    }

    /// `POST /oidc/par`.
    pub(super) async fn push(&self, at: &At<'_>, call: &Call<'_>) -> Response<Bytes> {
        match self.pushed(at, call).await {
            Ok(response) => response,
            Err(failed) => failed.answer(),
        }
    }

    async fn pushed(&self, at: &At<'_>, call: &Call<'_>) -> Result<Response<Bytes>, Failed> {
        let (client, form) = self.client(at, call).await?;
        if form.has("request_uri") {
            return Err(Failed::Grant("invalid_request", "expected the request itself, found a request_uri"));
        }
        if form.get("client_id").is_some_and(|id| id != client.id) {
            return Err(Failed::Grant("invalid_request", "expected the client_id of the client, found another"));
        }
        let proof = self.proof_of_push(call, at, client).await?;
        let form = form.with("client_id", &client.id);
        let form = match &proof {
            Some(key) if form.get("dpop_jkt").is_some_and(|jkt| jkt != key.as_str()) => {
                return Err(Failed::Grant("invalid_dpop_proof", "expected the key that dpop_jkt names, found another"));
            }
            Some(key) => form.with("dpop_jkt", key.as_str()),
            None => form,
        };
        let bearer = Bearer::new();
        let found = request::read(client, &form, Some(bearer.name()), (&self.signer, &at.issuer));
        found.map_err(|bad| match bad {
            Bad::Back(request::Fault(code, text), _) => Failed::Grant(code, text),
            Bad::Page(_) => Failed::Grant("invalid_request", "expected a redirect_uri of the client"),
        })?;
        let kept = form.without_credentials();
        if kept.len() > PUSHED_LONGEST {
            return Err(Failed::Grant("invalid_request", "expected a shorter request"));
        }
        if !self.quotas.admits(client, call.now) {
            let text = "too many pushed requests of this client wait";
            return Ok(error(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", text));
        }
        let until = call.now.plus(PUSHED_LIFE).seconds();
        let record = super::PushedRequest { client: client.id.clone(), form: kept, until };
        self.grants.0.put(Family::Pushed, &bearer, &record, PUSHED_KEPT).await?;
        let request_uri = format!("{PUSHED_PREFIX}{}", bearer.reveal());
        Ok(json(StatusCode::CREATED, &Pushed { request_uri, expires_in: PUSHED_LIFE }))
    }

    /// A proof may come with a pushed request (RFC 9449 §10.1), but need not.
    async fn proof_of_push(&self, call: &Call<'_>, at: &At<'_>, client: &Client) -> Result<Option<Thumbprint>, Failed> {
        if !call.headers.contains_key("dpop") {
            return Ok(None);
        }
        self.proof(call, &at.endpoint("par"), client).await
    }

    /// `POST /oidc/introspect`.
    pub(super) async fn introspect(&self, at: &At<'_>, call: &Call<'_>) -> Response<Bytes> {
        let (client, form) = match self.client(at, call).await {
            Ok(known) => known,
            Err(failed) => return failed.answer(),
        };
        if matches!(client.authentication, Authentication::None) {
            return error(StatusCode::UNAUTHORIZED, "invalid_client", "expected a client that proves who it is");
        }
        let token = form.get("token").unwrap_or_default();
        match self.grants.find(token, call.now).await {
            Err(StoreError) => unavailable(),
            Ok(Some(token)) if token.basis.client == client.id => json(StatusCode::OK, &active(at, &token)),
            Ok(_) => json(StatusCode::OK, &NoToken { active: false }),
        }
    }

    /// `POST /oidc/revoke`.
    pub(super) async fn revoke(&self, at: &At<'_>, call: &Call<'_>) -> Response<Bytes> {
        let (client, form) = match self.client(at, call).await {
            Ok(known) => known,
            Err(failed) => return failed.answer(),
        };
        let Some(token) = form.get("token") else {
            return error(StatusCode::BAD_REQUEST, "invalid_request", "expected a token, found none");
        };
        match self.grants.revoke(token, client).await {
            Ok(()) => empty(StatusCode::OK),
            Err(StoreError) => unavailable(),
        }
    }
}

const fn token_type(basis: &Basis) -> &'static str {
    if basis.jkt.is_some() { "DPoP" } else { "Bearer" }
}

fn active<'a>(at: &'a At<'_>, token: &'a Token) -> Introspection<'a> {
    Introspection {
        active: true,
        iss: &at.issuer,
        client_id: &token.basis.client,
        sub: &token.basis.told.sub,
        scope: token.basis.scope(),
        token_type: token_type(&token.basis),
        iat: token.issued,
        exp: token.expires,
        cnf: token.basis.jkt.as_deref().map(|jkt| Confirmation { jkt }),
    }
}

/// Whether nothing speaks against a code: redirect address, PKCE both ways, key.
fn fits(code: &mut Code, form: &Parameters, key: Option<&Thumbprint>) -> bool {
    let bound = match (&code.basis.jkt, key) {
        (Some(jkt), Some(key)) => jkt == key.as_str(),
        (Some(_), None) => false,
        (None, key) => {
            code.basis.jkt = key.map(|key| key.as_str().to_owned());
            true
        }
    };
    bound && form.get("redirect_uri") == Some(&code.redirect_uri) && verifies(code, form)
}

fn verifies(code: &Code, form: &Parameters) -> bool {
    match (&code.challenge, form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) => {
            let length = (43..=128).contains(&verifier.len());
            let legal = verifier.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
            let sum = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
            length && legal && bool::from(sum.as_bytes().ct_eq(challenge.as_bytes()))
        }
        // A verifier where there was no challenge is a downgrade (RFC 9700 §4.8.2).
        (None, None) => !form.has("code_verifier"),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

/// The one token of a request: in `Authorization`, or in a form where it is a bearer token (RFC 6750 §2).
fn bearer(call: &Call<'_>) -> Option<(Scheme, String)> {
    let in_header = in_header(call.headers);
    let posted = (*call.method == Method::POST && !call.body.is_empty()).then(|| form(call)).flatten();
    let in_form =
        posted.filter(|form| !form.is_polluted()).and_then(|form| form.get("access_token").map(str::to_owned));
    match (in_header, in_form) {
        (Some(token), None) => Some(token),
        (None, Some(token)) if !call.headers.contains_key(AUTHORIZATION) => Some((Scheme::Bearer, token)),
        _ => None,
    }
}

fn in_header(headers: &HeaderMap) -> Option<(Scheme, String)> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().filter(|_| fields.next().is_none())?.to_str().ok()?;
    let (scheme, token) = field.split_once(' ')?;
    let scheme = match scheme {
        scheme if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        scheme if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return None,
    };
    Some((scheme, token.trim_start_matches(' ').to_owned()))
}

/// A form in the body.
fn form(call: &Call<'_>) -> Option<Parameters> {
    let kind = call.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    Parameters::read(call.body).ok()
}
