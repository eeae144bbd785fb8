//! A relying party of the tests' own: what a vendor sends to the provider, and how it reads the answers. It takes nothing
//! from the product.
use super::jose::{Key, b64, now, random, sha256};
pub(in crate::oidc) use super::reader::{Answer, HtmlForm, Landed, User, attribute};
use super::scene::Scene;
use crate::support::{Browser, Page};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::form_urlencoded::Serializer;

pub(in crate::oidc) const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Name and value of one parameter.
pub(in crate::oidc) type Field = (String, String);

/// Connections to the provider that are open and nobody uses.
pub(in crate::oidc) struct Wire {
    ca: PathBuf,
    idle: std::sync::Mutex<Vec<Browser>>,
}

impl Wire {
    pub(in crate::oidc) fn new(ca: &Path) -> Self {
        Self { ca: ca.to_owned(), idle: std::sync::Mutex::default() }
    }

    /// Sends a request as a program does, without cookies.
    pub(in crate::oidc) async fn send(&self, request: Request<Bytes>) -> Page {
        let idle = self.idle.lock().unwrap().pop();
        let mut browser = idle.unwrap_or_else(|| Browser::new(&self.ca));
        "relying-party/1".clone_into(&mut browser.agent);
        let page = browser.send(request).await;
        assert!(!page.headers.contains_key("set-cookie"), "a program gets no cookie from {}", page.url);
        self.idle.lock().unwrap().push(browser);
        page
    }

    /// Sends a request as a browser does that keeps nothing.
    pub(in crate::oidc) async fn browse(&self, request: Request<Bytes>) -> Page {
        let idle = self.idle.lock().unwrap().pop();
        let mut browser = idle.unwrap_or_else(|| Browser::new(&self.ca));
        let page = browser.send(request).await;
        browser.forget("login.vestibule.localhost");
        self.idle.lock().unwrap().push(browser);
        page
    }
}

/// An answer of an endpoint for programs.
pub(in crate::oidc) struct Reply {
    pub(in crate::oidc) page: Page,
    pub(in crate::oidc) json: Value,
}

impl Reply {
    fn new(page: Page) -> Self {
        let json = serde_json::from_slice(&page.body).unwrap_or(Value::Null);
        Self { page, json }
    }

    pub(in crate::oidc) fn status(&self) -> u16 {
        self.page.status.as_u16()
    }

    pub(in crate::oidc) fn header(&self, name: &str) -> &str {
        self.page.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    pub(in crate::oidc) fn text(&self, name: &str) -> &str {
        self.json[name].as_str().unwrap_or_else(|| panic!("no `{name}`: {}", self.told()))
    }

    /// What came, for messages.
    pub(in crate::oidc) fn told(&self) -> String {
        format!("{} {}", self.page.status, self.page.text())
    }

    /// A success as RFC 6749 §5.1 has it.
    #[track_caller]
    pub(in crate::oidc) fn fine(self) -> Self {
        assert!(self.page.status.is_success(), "{}", self.told());
        self.is_json();
        self
    }

    #[track_caller]
    fn is_json(&self) {
        assert!(self.header("content-type").starts_with("application/json"), "{}", self.header("content-type"));
        assert!(self.header("cache-control").contains("no-store"), "cache-control: {}", self.header("cache-control"));
    }

    /// A refusal as RFC 6749 §5.2 has it, with one of these words.
    #[track_caller]
    pub(in crate::oidc) fn refused(&self, words: &[&str]) {
        let word = self.json["error"].as_str().unwrap_or_else(|| panic!("no error: {}", self.told()));
        assert!(words.contains(&word), "expected one of {words:?}, found {}", self.told());
        let expected: &[u16] = if word == "invalid_client" { &[400, 401] } else { &[400] };
        assert!(expected.contains(&self.status()), "{}", self.told());
        self.is_json();
        lawful(&self.json["error"], &self.json["error_description"]);
        for name in self.json.as_object().unwrap().keys() {
            assert!(["error", "error_description", "error_uri"].contains(&name.as_str()), "`{name}` beside an error");
        }
    }
}

/// Whether a word and a description keep to the characters of RFC 6749 §5.2.
#[track_caller]
pub(in crate::oidc) fn lawful(word: &Value, description: &Value) {
    let fits = |text: &str| text.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    assert!(word.as_str().is_some_and(|w| !w.is_empty() && fits(w)), "error: {word}");
    assert!(description.is_null() || description.as_str().is_some_and(fits), "error_description: {description}");
}

/// A request to an endpoint for programs.
#[derive(Clone)]
pub(in crate::oidc) struct Call {
    pub(in crate::oidc) url: String,
    pub(in crate::oidc) method: Method,
    pub(in crate::oidc) fields: Vec<Field>,
    pub(in crate::oidc) headers: Vec<(&'static str, String)>,
}

impl Call {
    pub(in crate::oidc) fn post(url: &str) -> Self {
        Self { url: url.to_owned(), method: Method::POST, fields: Vec::new(), headers: Vec::new() }
    }

    pub(in crate::oidc) fn get(url: &str) -> Self {
        Self { method: Method::GET, ..Self::post(url) }
    }

    pub(in crate::oidc) fn by(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Sets a field.
    pub(in crate::oidc) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self.also(name, value)
    }

    /// Adds a field, even if it is there already.
    pub(in crate::oidc) fn also(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(in crate::oidc) fn all(mut self, fields: &[Field]) -> Self {
        self.fields.extend_from_slice(fields);
        self
    }

    pub(in crate::oidc) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self
    }

    pub(in crate::oidc) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(in crate::oidc) fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    pub(in crate::oidc) fn basic(self, id: &str, secret: &str) -> Self {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let both = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
        self.header(AUTHORIZATION.as_str(), &format!("Basic {both}"))
    }

    pub(in crate::oidc) fn proof(self, proof: &str) -> Self {
        self.header("dpop", proof)
    }

    pub(in crate::oidc) async fn send(&self, scene: &Scene) -> Reply {
        let body = Serializer::new(String::new()).extend_pairs(&self.fields).finish();
        let mut request = Request::builder().method(self.method.clone()).header(ACCEPT, "application/json");
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let bare = self.method == Method::GET;
        let request = match (bare, body.is_empty()) {
            (true, true) => request.uri(&self.url).body(Bytes::new()),
            (true, false) => request.uri(format!("{}?{body}", self.url)).body(Bytes::new()),
            (false, _) => {
                request.uri(&self.url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(Bytes::from(body))
            }
        };
        Reply::new(scene.wire.send(request.unwrap()).await)
    }
}

/// How a relying party proves who it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::oidc) enum Auth {
    Basic,
    Post,
    Key,
    Public,
}

/// A relying party.
pub(in crate::oidc) struct Rp {
    pub(in crate::oidc) id: String,
    pub(in crate::oidc) auth: Auth,
    pub(in crate::oidc) secret: String,
    pub(in crate::oidc) key: Arc<Key>,
    /// The key that access tokens are bound to, if this relying party does that.
    pub(in crate::oidc) dpop: Option<Arc<Key>>,
    pub(in crate::oidc) redirect: String,
    /// The algorithm that its ID tokens must have.
    pub(in crate::oidc) algorithm: jsonwebtoken::Algorithm,
    /// Whether requests are pushed.
    pub(in crate::oidc) pushes: bool,
}

impl Rp {
    /// An authorization request.
    pub(in crate::oidc) fn ask(&self, scene: &Scene) -> Asked {
        let verifier = random();
        let asked = Asked { endpoint: scene.endpoint("authorization_endpoint"), fields: Vec::new(), verifier };
        let challenge = sha256(&asked.verifier);
        let asked = asked
            .with("client_id", &self.id)
            .with("response_type", "code")
            .with("redirect_uri", &self.redirect)
            .with("scope", "openid")
            .with("state", &random())
            .with("nonce", &random())
            .with("code_challenge", &challenge)
            .with("code_challenge_method", "S256");
        match scene.response_mode {
            Some(mode) => asked.with("response_mode", mode),
            None => asked,
        }
    }

    /// The claims of a client assertion.
    pub(in crate::oidc) fn assertion_claims(&self, scene: &Scene) -> Value {
        let now = now();
        json!({ "iss": self.id, "sub": self.id, "aud": scene.issuer, "jti": random(), "iat": now, "exp": now + 60 })
    }

    /// A client assertion with these claims, signed as registered.
    pub(in crate::oidc) fn assertion(&self, claims: &Value) -> String {
        self.key.sign(&json!({ "alg": self.key.algorithm, "kid": self.key.kid(), "typ": "JWT" }), claims)
    }

    /// A call to an endpoint, named as in the metadata, with this party's proof of who it is.
    pub(in crate::oidc) fn call(&self, scene: &Scene, endpoint: &str) -> Call {
        let call = Call::post(&scene.endpoint(endpoint));
        match self.auth {
            Auth::Basic => call.basic(&self.id, &self.secret),
            Auth::Post => call.with("client_id", &self.id).with("client_secret", &self.secret),
            Auth::Key => self.asserting(call, &self.assertion(&self.assertion_claims(scene))),
            Auth::Public => call.with("client_id", &self.id),
        }
    }

    /// A call with another assertion than the usual one.
    pub(in crate::oidc) fn asserting(&self, call: Call, assertion: &str) -> Call {
        let call = call.with("client_id", &self.id).with("client_assertion_type", ASSERTION);
        call.with("client_assertion", assertion)
    }

    /// The exchange of a code, with a proof where the party has a key for that.
    pub(in crate::oidc) fn redemption(&self, scene: &Scene, code: &str, asked: &Asked) -> Call {
        let call = self.bare_redemption(scene, code, asked);
        match &self.dpop {
            Some(key) => call.proof(&Proof::post(&scene.endpoint("token_endpoint")).by(key)),
            None => call,
        }
    }

    /// The exchange of a code without a proof.
    pub(in crate::oidc) fn bare_redemption(&self, scene: &Scene, code: &str, asked: &Asked) -> Call {
        self.call(scene, "token_endpoint")
            .with("grant_type", "authorization_code")
            .with("code", code)
            .with("redirect_uri", asked.get("redirect_uri").unwrap_or(&self.redirect))
            .with("code_verifier", &asked.verifier)
    }

    pub(in crate::oidc) async fn redeem(&self, scene: &Scene, code: &str, asked: &Asked) -> Reply {
        self.redemption(scene, code, asked).send(scene).await
    }

    /// A pushed authorization request, without a proof.
    pub(in crate::oidc) fn pushing(&self, scene: &Scene, asked: &Asked) -> Call {
        let call = self.call(scene, "pushed_authorization_request_endpoint");
        // The id stands in the request as well as in the proof of who asks.
        call.without("client_id").all(&asked.fields)
    }

    /// Pushes a request and gives the short one that stands for it.
    pub(in crate::oidc) async fn push(&self, scene: &Scene, asked: &Asked) -> Asked {
        let reply = self.pushing(scene, asked).send(scene).await;
        assert_eq!(reply.status(), 201, "{}", reply.told());
        self.pushed(scene, &reply.fine(), asked)
    }

    /// The request that stands for a pushed one.
    pub(in crate::oidc) fn pushed(&self, scene: &Scene, reply: &Reply, asked: &Asked) -> Asked {
        assert!(reply.json["expires_in"].as_i64().is_some_and(|s| (5..600).contains(&s)), "{}", reply.told());
        let short = Asked { fields: Vec::new(), ..asked.clone() };
        assert_eq!(short.endpoint, scene.endpoint("authorization_endpoint"));
        short.with("client_id", &self.id).with("request_uri", reply.text("request_uri"))
    }

    /// A request as this party sends it through the browser: pushed before where it does that.
    pub(in crate::oidc) async fn sent(&self, scene: &Scene, asked: &Asked) -> Asked {
        if self.pushes { self.push(scene, asked).await } else { asked.clone() }
    }

    /// A request for what the access token opens.
    pub(in crate::oidc) fn userinfo(&self, scene: &Scene, token: &str) -> Call {
        let call = Call::get(&scene.endpoint("userinfo_endpoint"));
        match &self.dpop {
            Some(key) => {
                let proof = Proof::get(&call.url).for_token(token).by(key);
                call.header(AUTHORIZATION.as_str(), &format!("DPoP {token}")).proof(&proof)
            }
            None => call.bearer(token),
        }
    }
}

/// A DPoP proof (RFC 9449 §4.2).
pub(in crate::oidc) struct Proof {
    pub(in crate::oidc) header: Value,
    pub(in crate::oidc) claims: Value,
}

impl Proof {
    fn new(method: &str, url: &str) -> Self {
        let claims = json!({ "jti": random(), "htm": method, "htu": url, "iat": now() });
        Self { header: json!({ "typ": "dpop+jwt", "alg": "ES256" }), claims }
    }

    pub(in crate::oidc) fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    pub(in crate::oidc) fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    pub(in crate::oidc) fn for_token(self, token: &str) -> Self {
        self.claim("ath", json!(sha256(token)))
    }

    /// Sets a claim; `null` takes it away.
    pub(in crate::oidc) fn claim(mut self, name: &str, value: Value) -> Self {
        set(&mut self.claims, name, value);
        self
    }

    /// Sets a member of the header; `null` takes it away. The public key is put in unless it was set.
    pub(in crate::oidc) fn header(mut self, name: &str, value: Value) -> Self {
        self.header[name] = value;
        self
    }

    pub(in crate::oidc) fn by(mut self, key: &Key) -> String {
        if self.header.get("jwk").is_none() {
            self.header["jwk"] = key.bare();
        }
        self.header.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        key.sign(&self.header, &self.claims)
    }
}

/// Sets a member; `null` takes it away.
pub(in crate::oidc) fn set(object: &mut Value, name: &str, value: Value) {
    if value.is_null() {
        object.as_object_mut().unwrap().remove(name);
    } else {
        object[name] = value;
    }
}

/// An authorization request.
#[derive(Clone)]
pub(in crate::oidc) struct Asked {
    pub(in crate::oidc) endpoint: String,
    pub(in crate::oidc) fields: Vec<Field>,
    pub(in crate::oidc) verifier: String,
}

impl Asked {
    /// Sets a parameter.
    pub(in crate::oidc) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).also(name, value)
    }

    /// Adds a parameter, even if it is there already.
    pub(in crate::oidc) fn also(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(in crate::oidc) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self
    }

    pub(in crate::oidc) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(in crate::oidc) fn url(&self) -> String {
        format!("{}?{}", self.endpoint, self.body())
    }

    pub(in crate::oidc) fn body(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

/// A `client_secret` for an id, the same in every run.
pub(in crate::oidc) fn secret(id: &str) -> String {
    b64(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("the secret of {id}").as_bytes()))
}
