//! Authorization requests (OpenID Connect Core §3.1.2): what is read, what is refused and how, and what waits.
use super::client::{Client, origin_of, with_query};
use super::parameters::Parameters;
use super::signer::Signer;
use crate::egress::Pseudonym;
use crate::protocol::{Asked, Interaction, Onward, Rejected, Wish, asked};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The longest `state` and `nonce`, in bytes; longer ones are refused rather than cut.
const LONGEST: usize = 1024;

/// How an answer travels to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ResponseMode {
    /// In the query of a redirect.
    Query,
    /// In a form that posts itself (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// An authorization request that was found good, in the form in which it waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::protocol) struct Request {
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) mode: ResponseMode,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) jkt: Option<String>,
    /// Whether `offline_access` was asked for and may be had.
    pub(super) offline: bool,
    prompt: Prompt,
    pub(super) max_age: Option<i64>,
    /// The subject of `id_token_hint`.
    pub(super) hint: Option<String>,
    languages: Vec<String>,
    /// The digest of the pushed request from which this one came.
    pub(super) pushed: Option<[u8; 32]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Prompt {
    Default,
    None,
    Login,
    Confirm,
}

/// An error for the client (RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6): its code, and a sentence that holds
/// nothing of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) &'static str, pub(super) &'static str);

const fn invalid(text: &'static str) -> Fault {
    Fault("invalid_request", text)
}

/// Why a request is not good.
pub(super) enum Bad {
    /// Nobody can be told but the patron.
    Page(Rejected),
    /// The client is told.
    Back(Fault, Box<Return>),
}

/// Where an answer goes.
pub(super) struct Return {
    pub(super) given: String,
    pub(super) mode: ResponseMode,
    pub(super) state: Option<String>,
}

/// The client that a request names.
///
/// # Errors
/// [`Rejected`]: without a client that is known, nobody is told.
pub(super) fn client_of<'c>(
    parameters: &Parameters,
    find: impl Fn(&str) -> Option<&'c Client>,
) -> Result<&'c Client, Rejected> {
    if parameters.is_twice("client_id") {
        return Err(Rejected::Malformed);
    }
    parameters.get("client_id").and_then(find).ok_or(Rejected::Client)
}

/// Reads a request of `client`; `pushed` is its digest where it was pushed.
///
/// # Errors
/// [`Bad`].
pub(super) fn read(
    client: &Client,
    parameters: &Parameters,
    pushed: Option<[u8; 32]>,
    (signer, issuer): (&Signer, &str),
) -> Result<Request, Bad> {
    if parameters.is_twice("redirect_uri") {
        return Err(Bad::Page(Rejected::Malformed));
    }
    let given = parameters.get("redirect_uri").ok_or(Bad::Page(Rejected::RedirectUri))?;
    client.redirect_uri(given).ok_or(Bad::Page(Rejected::RedirectUri))?;
    let form = parameters.get("response_mode") == Some("form_post");
    let mode = if form { ResponseMode::FormPost } else { ResponseMode::Query };
    // A state that cannot be given back to the letter is not given back at all.
    let state = parameters.get("state").filter(|state| !parameters.is_twice("state") && state.len() <= LONGEST);
    let back = |fault| {
        let (given, state) = (given.to_owned(), state.map(str::to_owned));
        Bad::Back(fault, Box::new(Return { given, mode, state }))
    };
    check(client, parameters, pushed.is_some()).map_err(back)?;
    let prompt = prompt(parameters).map_err(back)?;
    let hint = hint(client, parameters, (signer, issuer)).map_err(back)?;
    let max_age = max_age(parameters).map_err(back)?;
    let words = |name| parameters.get(name).unwrap_or_default().split(' ').filter(|word| !word.is_empty());
    let offline = client.refresh_tokens && words("scope").any(|word| word == "offline_access");
    Ok(Request {
        client: client.id.clone(),
        redirect_uri: given.to_owned(),
        mode,
        state: state.map(str::to_owned),
        nonce: parameters.get("nonce").map(str::to_owned),
        challenge: parameters.get("code_challenge").map(str::to_owned),
        jkt: parameters.get("dpop_jkt").map(str::to_owned),
        offline,
        prompt,
        max_age,
        hint,
        languages: words("ui_locales").take(8).filter(|tag| tag.len() <= 35).map(str::to_owned).collect(),
        pushed,
    })
}

/// What must hold whatever the patron does.
fn check(client: &Client, parameters: &Parameters, pushed: bool) -> Result<(), Fault> {
    if parameters.is_polluted() {
        return Err(invalid("expected each parameter once, found one twice"));
    }
    if parameters.get("request").is_some() {
        return Err(Fault("request_not_supported", "request objects are not supported"));
    }
    if parameters.get("request_uri").is_some() {
        return Err(Fault("request_uri_not_supported", "expected a request_uri of the pushed request endpoint"));
    }
    if parameters.get("registration").is_some() {
        return Err(Fault("registration_not_supported", "clients are registered by the library"));
    }
    match parameters.get("response_mode") {
        None | Some("query" | "form_post") => {}
        Some(_) => return Err(invalid("expected response_mode query or form_post")),
    }
    match parameters.get("response_type") {
        Some("code") => {}
        None => return Err(invalid("expected a response_type, found none")),
        Some(_) => return Err(Fault("unsupported_response_type", "expected response_type code")),
    }
    if client.par_required && !pushed {
        return Err(invalid("expected a pushed authorization request"));
    }
    if ["state", "nonce"].iter().any(|name| parameters.get(name).is_some_and(|value| value.len() > LONGEST)) {
        return Err(invalid("expected state and nonce of at most 1024 bytes"));
    }
    let scope = parameters.get("scope").unwrap_or_default();
    let legal = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if !scope.bytes().all(legal) || !scope.split(' ').any(|word| word == "openid") {
        return Err(Fault("invalid_scope", "expected a scope with openid"));
    }
    if parameters.get("dpop_jkt").is_some_and(|jkt| !is_digest(jkt)) {
        return Err(invalid("expected dpop_jkt to be a SHA-256 thumbprint"));
    }
    pkce(client, parameters)
}

/// RFC 7636, with S256 alone (RFC 9700 §2.1.1).
fn pkce(client: &Client, parameters: &Parameters) -> Result<(), Fault> {
    match (parameters.get("code_challenge"), parameters.get("code_challenge_method")) {
        (Some(challenge), Some("S256")) if is_digest(challenge) => Ok(()),
        (Some(_), Some("S256")) => Err(invalid("expected a code_challenge of 43 characters of base64url")),
        (Some(_), _) => Err(invalid("expected code_challenge_method S256")),
        (None, Some(_)) => Err(invalid("expected a code_challenge beside code_challenge_method")),
        (None, None) if client.pkce_required => Err(invalid("expected a code_challenge (PKCE)")),
        (None, None) => Ok(()),
    }
}

/// 32 bytes in base64url.
fn is_digest(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)
}

fn prompt(parameters: &Parameters) -> Result<Prompt, Fault> {
    let words: Vec<_> = parameters.get("prompt").unwrap_or_default().split(' ').filter(|w| !w.is_empty()).collect();
    if words.iter().any(|word| !["none", "login", "consent", "select_account"].contains(word)) {
        return Err(invalid("expected prompt none, login, consent or select_account"));
    }
    Ok(match words.as_slice() {
        [] => Prompt::Default,
        ["none"] => Prompt::None,
        words if words.contains(&"none") => return Err(invalid("expected prompt none alone")),
        words if words.contains(&"login") => Prompt::Login,
        _ => Prompt::Confirm,
    })
}

fn max_age(parameters: &Parameters) -> Result<Option<i64>, Fault> {
    let Some(text) = parameters.get("max_age") else { return Ok(None) };
    let age = text.parse().ok().filter(|age| (0..=u32::MAX.into()).contains(age) && !text.starts_with('+'));
    age.map(Some).ok_or(invalid("expected max_age to be a number of seconds"))
}

/// The subject of an ID token of ours for this client, however old (Core §3.1.2.1).
fn hint(client: &Client, parameters: &Parameters, (signer, issuer): (&Signer, &str)) -> Result<Option<String>, Fault> {
    let Some(token) = parameters.get("id_token_hint") else { return Ok(None) };
    let hinted = signer.hint(token, issuer).filter(|hinted| hinted.aud.contains(&client.id));
    hinted.map(|hinted| Some(hinted.sub)).ok_or(invalid("expected id_token_hint to be an ID token for this client"))
}

impl Request {
    /// The request as the browser's side sees it.
    pub(super) fn asked(self, client: &Client) -> Asked {
        let interaction = match self.prompt {
            Prompt::Default => Interaction::AsNeeded,
            Prompt::None => Interaction::Never,
            Prompt::Login => Interaction::SignIn,
            Prompt::Confirm => Interaction::Confirm,
        };
        Asked {
            vendor: client.vendor.id.clone(),
            library: client.issuer.clone(),
            wish: Wish { interaction, max_age: self.max_age, languages: self.languages.clone() },
            origin: origin_of(&self.redirect_uri),
            request: asked::Request::Oidc(Box::new(self)),
        }
    }

    /// Whether it is for the very patron whom the vendor knows by `name` (`id_token_hint`).
    pub(in crate::protocol) fn is_meant(&self, name: &Pseudonym) -> bool {
        self.hint.as_ref().is_none_or(|hint| hint == name.as_str())
    }

    /// The way back to the client with these fields, and with `state` and `iss` (RFC 9207).
    pub(super) fn back(&self, client: &Client, issuer: &str, fields: Vec<(&'static str, String)>) -> Option<Onward> {
        client.redirect_uri(&self.redirect_uri)?;
        let back = Return { given: self.redirect_uri.clone(), mode: self.mode, state: self.state.clone() };
        Some(back.with(issuer, fields))
    }
}

impl Return {
    /// The way back with these fields.
    pub(super) fn with(self, issuer: &str, mut fields: Vec<(&'static str, String)>) -> Onward {
        fields.extend(self.state.map(|state| ("state", state)));
        fields.push(("iss", issuer.to_owned()));
        match self.mode {
            ResponseMode::FormPost => Onward::Form { action: self.given, fields },
            ResponseMode::Query => Onward::Redirect(with_query(&self.given, fields)),
        }
    }

    /// The way back with an error.
    pub(super) fn fault(self, issuer: &str, Fault(error, description): Fault) -> Onward {
        self.with(issuer, vec![("error", error.to_owned()), ("error_description", description.to_owned())])
    }
}
