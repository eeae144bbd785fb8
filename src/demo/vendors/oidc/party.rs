//! The relying party itself: it begins a sign-in, finishes it when the answer comes, and ends it when told to.
use super::super::claims::Claims;
use super::super::record::Traffic;
use super::desk::{Desk, Pending, Reader};
use super::provider::{Needs, Provider};
use super::token::{Asked, Rules, now};
use super::{Authentication, Registration, Trouble, random_text, sha256_text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use url::Url;

const CLIENT_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a sign-in is to be like.
pub(super) struct Wish {
    /// The browser that asks.
    pub(super) browser: String,
    /// The page to show afterwards.
    pub(super) target: String,
    pub(super) prompt: Option<String>,
    pub(super) max_age: Option<i64>,
}

/// A sign-in that has come to its end.
pub(super) struct Arrival {
    /// The name of the reader's session here.
    pub(super) session: String,
    /// The page to show.
    pub(super) target: String,
}

/// A vendor's side of OpenID Connect.
pub(in super::super) struct RelyingParty {
    id: String,
    registration: Registration,
    origin: String,
    provider: Provider,
    desk: Mutex<Desk>,
}

impl RelyingParty {
    /// For the vendor at `origin`, which keeps what it receives in `traffic`.
    pub(in super::super) fn new(id: &str, registration: Registration, origin: &str, traffic: Arc<Traffic>) -> Self {
        let needs = Needs {
            response_mode: if registration.form_post { "form_post" } else { "query" },
            authentication: match registration.authentication {
                Authentication::Secret(_) => "client_secret_basic",
                Authentication::PrivateKey(_) => "private_key_jwt",
            },
            algorithm: format!("{:?}", registration.algorithm),
        };
        let provider = Provider::new(registration.portal.clone(), traffic, needs, registration.pause);
        Self { id: id.to_owned(), registration, origin: origin.to_owned(), provider, desk: Mutex::default() }
    }

    /// The cookie that holds the name of a reader's session.
    pub(super) fn session_cookie(&self) -> String {
        format!("__Host-{}", self.id)
    }

    /// The cookie that ties a sign-in to the browser that began it.
    pub(super) fn browser_cookie(&self) -> String {
        format!("__Host-{}-browser", self.id)
    }

    pub(super) const fn form_post(&self) -> bool {
        self.registration.form_post
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn issuer(&self) -> &str {
        self.provider.issuer()
    }

    /// Who is signed in under this name.
    pub(super) fn reader(&self, session: &str) -> Option<Reader> {
        self.desk.lock().readers.get(session).cloned()
    }

    fn callback(&self) -> String {
        format!("{}/callback", self.origin)
    }

    fn farewell(&self) -> String {
        format!("{}/goodbye", self.origin)
    }

    const fn rules(&self) -> Rules<'_> {
        let Registration { client_id, algorithm, .. } = &self.registration;
        Rules { provider: &self.provider, client_id: client_id.as_str(), algorithm: *algorithm }
    }

    /// The address at the portal where a sign-in begins.
    pub(super) async fn begin(&self, wish: Wish) -> Result<String, Trouble> {
        let metadata = self.provider.metadata().await?;
        let [state, nonce, verifier] = [chance()?, chance()?, chance()?];
        let challenge = sha256_text(verifier.as_bytes());
        let mut address = address(&metadata.authorization_endpoint)?;
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.registration.client_id)
            .append_pair("redirect_uri", &self.callback())
            .append_pair("scope", "openid")
            .append_pair("state", &state)
            .append_pair("nonce", &nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if self.registration.form_post {
            address.query_pairs_mut().append_pair("response_mode", "form_post");
        }
        if let Some(prompt) = &wish.prompt {
            address.query_pairs_mut().append_pair("prompt", prompt);
        }
        if let Some(max_age) = wish.max_age {
            address.query_pairs_mut().append_pair("max_age", &max_age.to_string());
        }
        let Wish { browser, target, max_age, .. } = wish;
        self.desk.lock().pending.put(state, Pending { nonce, verifier, browser, target, max_age });
        Ok(address.into())
    }

    /// What the answer to a sign-in leads to. `fields` came with the answer, and `came` is all of it.
    pub(super) async fn finish(
        &self,
        browser: Option<&str>,
        fields: &HashMap<String, String>,
        came: Vec<u8>,
    ) -> Result<Arrival, Trouble> {
        let no = |why| Err(Trouble::Unbelievable(why));
        let field = |name: &str| fields.get(name).map(String::as_str);
        let Some(pending) = field("state").and_then(|state| self.desk.lock().pending.take(state)) else {
            return no("no sign-in of that state is under way");
        };
        if browser != Some(&pending.browser) {
            return no("the sign-in was begun in another browser");
        }
        if field("iss") != Some(self.provider.issuer()) {
            return no("the answer does not come from your library");
        }
        if let Some(error) = field("error") {
            return Err(Trouble::Refused(error.to_owned()));
        }
        let Some(code) = field("code") else { return no("the answer has no code") };
        let mut reader = self.redeem(code, &pending).await?;
        reader.came.insert(0, ("Your browser brought this from your library", came));
        let session = chance()?;
        self.desk.lock().readers.put(session.clone(), reader);
        Ok(Arrival { session, target: pending.target })
    }

    /// Exchanges a code for tokens, and a token for claims.
    async fn redeem(&self, code: &str, pending: &Pending) -> Result<Reader, Trouble> {
        let metadata = self.provider.metadata().await?;
        let callback = self.callback();
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &callback),
            ("code_verifier", &pending.verifier),
        ];
        let (assertion, basic) = self.prove()?;
        if let Some(assertion) = &assertion {
            fields.extend([("client_assertion_type", CLIENT_ASSERTION), ("client_assertion", assertion)]);
        }
        let answer = self.provider.post(&metadata.token_endpoint, &fields, basic).await?;
        let object = answer.object()?;
        let text = |name: &str| object.get(name).and_then(serde_json::Value::as_str);
        let (Some(id_token), Some(access_token)) = (text("id_token"), text("access_token")) else {
            return Err(Trouble::Unbelievable("the portal gave no tokens"));
        };
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")) {
            return Err(Trouble::Unbelievable("the access token is of an unknown kind"));
        }
        let asked = Asked { nonce: &pending.nonce, access_token, max_age: pending.max_age };
        let claims = self.rules().id_token(id_token, &asked).await?;
        let told = self.provider.get(&metadata.userinfo_endpoint, Some(access_token)).await?;
        let userinfo = Claims::new(told.object()?);
        if userinfo.text("sub") != claims.text("sub") {
            return Err(Trouble::Unbelievable("the portal tells of somebody else than it signed for"));
        }
        let came = vec![
            ("Your library answered this when asked for tokens", answer.raw),
            ("Your library answered this when asked about you", told.raw),
        ];
        Ok(Reader { id_token: id_token.to_owned(), claims, userinfo, came })
    }

    /// Who the vendor is: an assertion for the form, or the value of the `Authorization` field.
    fn prove(&self) -> Result<(Option<String>, Option<String>), Trouble> {
        let client = &self.registration.client_id;
        match &self.registration.authentication {
            Authentication::Secret(secret) => {
                let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = format!("{}:{}", encoded(client), encoded(secret));
                Ok((None, Some(format!("Basic {}", STANDARD.encode(pair)))))
            }
            Authentication::PrivateKey(key) => {
                let now = now();
                let claims = json!({ "iss": client, "sub": client, "aud": self.provider.issuer(), "jti": chance()?,
                    "iat": now, "exp": now + 60 });
                let signed = key.sign(&claims).map_err(|_| Trouble::Unanswered("the assertion could not be signed"))?;
                Ok((Some(signed), None))
            }
        }
    }

    /// Ends the sessions that a logout token names, and says how many there were.
    pub(super) async fn end(&self, logout_token: &str) -> Result<usize, Trouble> {
        let claims = self.rules().logout_token(logout_token).await?;
        let mut desk = self.desk.lock();
        let jti = claims.text("jti").unwrap_or_default().to_owned();
        if desk.used.get(&jti).is_some() {
            return Err(Trouble::Unbelievable("the logout token came before"));
        }
        desk.used.put(jti, ());
        let fits = |reader: &Reader, claim: &str| {
            claims.text(claim).is_none_or(|value| reader.claims.text(claim) == Some(value))
        };
        Ok(desk.readers.retain(|reader| !(fits(reader, "sub") && fits(reader, "sid"))))
    }

    /// Ends a session here; the address at the portal where it is to be ended as well.
    pub(super) async fn leave(&self, session: &str) -> Result<Option<String>, Trouble> {
        let Some(reader) = self.desk.lock().readers.take(session) else { return Ok(None) };
        let metadata = self.provider.metadata().await?;
        let state = chance()?;
        let mut address = address(&metadata.end_session_endpoint)?;
        address
            .query_pairs_mut()
            .append_pair("id_token_hint", &reader.id_token)
            .append_pair("client_id", &self.registration.client_id)
            .append_pair("post_logout_redirect_uri", &self.farewell())
            .append_pair("state", &state);
        self.desk.lock().leaving.put(state, ());
        Ok(Some(address.into()))
    }

    /// Forgets a session here.
    pub(super) fn forget(&self, session: &str) {
        self.desk.lock().readers.take(session);
    }

    /// Whether somebody left by way of the portal with this `state`, and has not come back yet.
    pub(super) fn came_back(&self, state: &str) -> bool {
        self.desk.lock().leaving.take(state).is_some()
    }
}

fn chance() -> Result<String, Trouble> {
    random_text().map_err(|_| Trouble::Unanswered("there is no chance to be had"))
}

fn address(text: &str) -> Result<Url, Trouble> {
    Url::parse(text).map_err(|_| Trouble::Unbelievable("the portal's address cannot be read"))
}
