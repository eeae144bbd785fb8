//! A relying party seen from outside, with a make-believe provider that says what each test wants it to say.
use super::super::tests::Files;
use super::super::visitor::{Page, Visitor};
use super::super::{Options, Role, VendorStandIn, acceptor};
use super::*;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use url::Url;

/// A key of the provider's.
struct Signer {
    kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    fn new(kid: &str, algorithm: Algorithm) -> Self {
        let family =
            if algorithm == Algorithm::RS256 { &rcgen::PKCS_RSA_SHA256 } else { &rcgen::PKCS_ECDSA_P256_SHA256 };
        let der = KeyPair::generate_for(family).unwrap().serialize_der();
        let key = match algorithm {
            Algorithm::RS256 => EncodingKey::from_rsa_der(&inner_rsa_key(&der)),
            _ => EncodingKey::from_ec_der(&der),
        };
        Self { kid: kid.to_owned(), algorithm, key }
    }

    fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        (jwk["kid"], jwk["use"]) = (json!(self.kid), json!("sig"));
        jwk
    }

    fn sign(&self, typ: &str, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        (header.typ, header.kid) = (Some(typ.to_owned()), Some(self.kid.clone()));
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

/// The inner key of PKCS#8, which is what the JWT library takes.
fn inner_rsa_key(pkcs8: &[u8]) -> Vec<u8> {
    let at = pkcs8.windows(4).position(|w| w[0] == 4 && w[1] == 0x82).unwrap();
    pkcs8[at + 4..].to_vec()
}

type Change = Box<dyn Fn(&mut Value) + Send>;

/// What the provider does.
struct Script {
    signers: Vec<Signer>,
    /// What is wrong with the ID token.
    id_token: Change,
    userinfo: Change,
    metadata: Change,
    /// By code: the `nonce` and the PKCE challenge of the request.
    codes: HashMap<String, (String, String)>,
    /// What the client sent to the token endpoint.
    redeemed: Vec<(HeaderMap, HashMap<String, String>)>,
    keys_asked: usize,
}

/// A provider.
struct Provider {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Provider {
    async fn start(files: &Files, algorithm: Algorithm) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script {
            signers: vec![Signer::new("first", algorithm)],
            id_token: Box::new(|_| ()),
            userinfo: Box::new(|_| ()),
            metadata: Box::new(|_| ()),
            codes: HashMap::new(),
            redeemed: Vec::new(),
            keys_asked: 0,
        }));
        let (tls, served) = (acceptor(&files.certificate()).unwrap(), Arc::clone(&script));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(stream) = tls.accept(stream).await else { continue };
                let script = Arc::clone(&served);
                let service = service_fn(move |request: Request<Incoming>| {
                    let script = Arc::clone(&script);
                    async move { Ok::<_, Infallible>(serve(&script, &issuer(address), request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, script }
    }
}

fn issuer(address: SocketAddr) -> String {
    format!("https://localhost:{}", address.port())
}

async fn serve(script: &Mutex<Script>, issuer: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut script = script.lock();
    let (status, value) = match head.uri.path() {
        "/.well-known/openid-configuration" => (200, script.metadata(issuer)),
        "/oidc/jwks" => (200, script.keys()),
        "/oidc/token" => script.token(issuer, head.headers, &body),
        "/oidc/userinfo" => {
            assert_eq!(head.headers["authorization"], "Bearer opaque");
            let mut told =
                json!({ "sub": "mz4k2tq7", "eduperson_entitlement": ["urn:mace:dir:entitlement:common-lib-terms"] });
            (script.userinfo)(&mut told);
            (200, told)
        }
        other => panic!("nobody asks for {other}"),
    };
    Response::builder().status(status).body(Full::new(Bytes::from(value.to_string()))).unwrap()
}

impl Script {
    fn metadata(&self, issuer: &str) -> Value {
        let mut metadata = json!({
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/oidc/authorize"),
            "token_endpoint": format!("{issuer}/oidc/token"), "userinfo_endpoint": format!("{issuer}/oidc/userinfo"),
            "jwks_uri": format!("{issuer}/oidc/jwks"), "end_session_endpoint": format!("{issuer}/oidc/logout"),
            "response_types_supported": ["code"], "response_modes_supported": ["query", "form_post"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "authorization_response_iss_parameter_supported": true });
        (self.metadata)(&mut metadata);
        metadata
    }

    fn keys(&mut self) -> Value {
        self.keys_asked += 1;
        json!({ "keys": self.signers.iter().map(Signer::jwk).collect::<Vec<_>>() })
    }

    fn token(&mut self, issuer: &str, headers: HeaderMap, body: &[u8]) -> (u16, Value) {
        let form: HashMap<_, _> = url::form_urlencoded::parse(body).into_owned().collect();
        let Some((nonce, challenge)) = self.codes.remove(&form["code"]) else {
            return (400, json!({ "error": "invalid_grant" }));
        };
        assert_eq!(sha256_text(form["code_verifier"].as_bytes()), challenge);
        self.redeemed.push((headers, form));
        let now = token::now();
        let mut claims = json!({ "iss": issuer, "sub": "mz4k2tq7", "aud": "chronicle", "exp": now + 300, "iat": now,
            "auth_time": now, "nonce": nonce, "sid": "s-1",
            "eduperson_scoped_affiliation": ["member@elmwood.example.org"] });
        let at_hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"opaque");
        claims["at_hash"] = json!(URL_SAFE_NO_PAD.encode(&at_hash.as_ref()[..16]));
        (self.id_token)(&mut claims);
        let typ = claims["typ"].take();
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let token = self.signers.last().unwrap().sign(typ.as_str().unwrap_or("JWT"), &claims);
        (200, json!({ "access_token": "opaque", "token_type": "Bearer", "expires_in": 300, "id_token": token }))
    }
}

/// A vendor, its provider, and the cookies of one browser.
struct World {
    files: Files,
    provider: Provider,
    vendor: VendorStandIn,
    visitor: Visitor,
}

impl World {
    async fn start(algorithm: Algorithm, authentication: Authentication, form_post: bool) -> Self {
        let files = Files::make();
        let provider = Provider::start(&files, algorithm).await;
        let address = provider.address;
        let registration = Registration {
            portal: Portal { issuer: issuer(address), address, ca: files.path("ca.pem") },
            client_id: "chronicle".to_owned(),
            authentication,
            algorithm,
            form_post,
            pause: Duration::ZERO,
        };
        let role = Role::OpenId(registration);
        let vendor = VendorStandIn::start(Options::new("chronicle", "The <Daily>", &files.path("traffic"), role)).await;
        let vendor = vendor.unwrap();
        let visitor = Visitor::of(vendor.address());
        Self { files, provider, vendor, visitor }
    }

    async fn usual() -> Self {
        Self::start(Algorithm::ES256, Authentication::Secret("s e+cret%".to_owned()), false).await
    }

    /// Begins a sign-in: the parameters that the vendor sent to the provider.
    async fn begin(&self, path: &str) -> HashMap<String, String> {
        let page = self.visitor.get(path).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        let to = Url::parse(page.location()).unwrap();
        assert_eq!(to.path(), "/oidc/authorize");
        let asked: HashMap<_, _> = to.query_pairs().into_owned().collect();
        let mut script = self.provider.script.lock();
        script.codes.insert("code-1".to_owned(), (asked["nonce"].clone(), asked["code_challenge"].clone()));
        asked
    }

    /// What the provider sends back with the browser.
    fn answer(&self, asked: &HashMap<String, String>) -> String {
        let iss = issuer(self.provider.address);
        format!("code=code-1&state={}&iss={iss}", asked["state"])
    }

    async fn sign_in(&self) -> Page {
        let asked = self.begin("/login").await;
        self.visitor.get(&format!("/callback?{}", self.answer(&asked))).await
    }

    fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.provider.script.lock());
    }

    async fn claims(&self) -> (StatusCode, Value) {
        let page = self.visitor.get("/claims").await;
        (page.status, serde_json::from_str(&page.text).unwrap())
    }

    fn logout_token(&self, change: impl FnOnce(&mut Value)) -> String {
        let now = token::now();
        let mut claims = json!({ "iss": issuer(self.provider.address), "aud": "chronicle", "iat": now, "exp": now + 120,
            "jti": random_text().unwrap(), "sid": "s-1", "sub": "mz4k2tq7", "typ": "logout+jwt",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
        change(&mut claims);
        let typ = claims["typ"].take();
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        self.provider.script.lock().signers.last().unwrap().sign(typ.as_str().unwrap(), &claims)
    }
}

#[tokio::test]
async fn a_reader_signs_in_and_sees_everything_that_the_vendor_was_told() {
    let world = World::start(Algorithm::RS256, Authentication::Secret("s e+cret%".to_owned()), false).await;
    assert_eq!(world.visitor.get("/").await.status, StatusCode::FORBIDDEN);
    let asked = world.begin("/login").await;
    let redirect = format!("{}/callback", world.vendor.origin());
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "chronicle"),
        ("redirect_uri", &redirect),
        ("scope", "openid"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], value);
    }
    assert!(["state", "nonce", "code_challenge"].iter().all(|name| asked[*name].len() == 43));
    let page = world.visitor.get(&format!("/callback?{}", world.answer(&asked))).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/"), "{}", page.text);
    let page = world.visitor.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    let sentence = "a member of elmwood.example.org, whom I know only as <code>mz4k2tq7</code>";
    assert!(page.text.contains(sentence), "{}", page.text);
    for shown in ["GET / HTTP/1.1", "GET /callback?code=code-1", "&quot;access_token&quot;", "The &lt;Daily&gt;", "s-1"]
    {
        assert!(page.text.contains(shown), "{shown} is missing in {}", page.text);
    }
    assert!(!page.text.contains("<b>") && !page.text.contains("<script"));
    let (status, told) = world.claims().await;
    assert_eq!((status, &told["id_token"]["nonce"]), (StatusCode::OK, &json!(asked["nonce"])));
    assert_eq!(told["userinfo"]["eduperson_entitlement"][0], "urn:mace:dir:entitlement:common-lib-terms");
    let kept = String::from_utf8(std::fs::read(world.files.path("traffic/chronicle.raw")).unwrap()).unwrap();
    assert!(kept.contains("GET /callback?code=code-1") && kept.contains("\"access_token\":\"opaque\""));
    let script = world.provider.script.lock();
    let (headers, form) = &script.redeemed[0];
    // RFC 6749 §2.3.1: form-encoded, then base64.
    assert_eq!(headers["authorization"], "Basic Y2hyb25pY2xlOnMrZSUyQmNyZXQlMjU=");
    assert_eq!((&*form["redirect_uri"], form.contains_key("client_assertion")), (&*redirect, false));
}

#[tokio::test]
async fn another_vendor_signs_its_requests_and_gets_the_answer_as_a_form() {
    let key = ClientKey::generate().unwrap();
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_value(key.jwks()).unwrap();
    let world = World::start(Algorithm::ES256, Authentication::PrivateKey(key), true).await;
    let page = world.visitor.get("/login").await;
    assert!(page.headers["set-cookie"].to_str().unwrap().ends_with("; Path=/; Secure; HttpOnly; SameSite=None"));
    let asked = world.begin("/login?target=/article/7").await;
    assert_eq!(asked["response_mode"], "form_post");
    let page = world.visitor.send("POST", "/callback", &world.answer(&asked)).await;
    assert_eq!(page.location(), "/article/7", "{}", page.text);
    assert!(page.headers["set-cookie"].to_str().unwrap().ends_with("SameSite=Lax"));
    assert!(world.visitor.get("/article/7").await.text.contains("Article 7"));
    assert!(world.visitor.get("/").await.text.contains("code=code-1&amp;state="), "the form is shown");
    let script = world.provider.script.lock();
    let (headers, form) = &script.redeemed[0];
    assert!(headers.get("authorization").is_none());
    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    let mut rules = jsonwebtoken::Validation::new(Algorithm::ES256);
    rules.set_audience(&[issuer(world.provider.address)]);
    rules.set_issuer(&["chronicle"]);
    let kid = jsonwebtoken::decode_header(&form["client_assertion"]).unwrap().kid.unwrap();
    let jwk = jwks.find(&kid).unwrap();
    assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), kid);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    let claims = jsonwebtoken::decode::<Value>(&form["client_assertion"], &key, &rules).unwrap().claims;
    assert!(claims["aud"].is_string() && claims["sub"] == "chronicle" && claims["jti"].as_str().unwrap().len() == 43);
}

#[tokio::test]
async fn whatever_is_wrong_with_an_id_token_keeps_the_reader_out() {
    let world = World::usual().await;
    let now = token::now();
    for (claim, value, why) in [
        ("iss", json!("https://elsewhere.example"), "somebody else"),
        ("aud", json!("lexicon"), "meant for somebody else"),
        ("aud", json!(["chronicle", "lexicon"]), "meant for others as well"),
        ("azp", json!("lexicon"), "issued to somebody else"),
        ("exp", json!(now - 60), "expired"),
        ("exp", Value::Null, "lacks a claim"),
        ("iat", json!(now + 60), "issued in the future"),
        ("iat", json!(now - 600), "too long ago"),
        ("iat", Value::Null, "when it was issued"),
        ("nonce", json!("another"), "another request"),
        ("nonce", Value::Null, "another request"),
        ("sub", json!(""), "names no subject"),
        ("sub", json!("another"), "somebody else than it signed for"),
        ("at_hash", json!("another"), "another access token"),
        ("auth_time", json!(now + 60), "in the future"),
        ("typ", json!("logout+jwt"), "another kind"),
    ] {
        world.change(|script| script.id_token = Box::new(move |claims| claims[claim] = value.clone()));
        let page = world.sign_in().await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{claim}");
        assert!(page.text.contains(why), "{claim}: {}", page.text);
        assert_eq!(world.claims().await.0, StatusCode::FORBIDDEN);
    }
    world.change(|script| script.id_token = Box::new(|_| ()));
    assert_eq!(world.sign_in().await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn only_the_agreed_algorithm_and_the_published_keys_count() {
    let world = World::usual().await;
    let refused = async |why: &str| {
        let page = world.sign_in().await;
        assert!(page.status == StatusCode::BAD_REQUEST && page.text.contains(why), "{}", page.text);
    };
    assert_eq!(world.sign_in().await.status, StatusCode::SEE_OTHER);
    // The same kid as the published key's, which is remembered.
    world.change(|script| script.signers = vec![Signer::new("first", Algorithm::ES256)]);
    refused("signature is wrong").await;
    world.change(|script| script.signers = vec![Signer::new("second", Algorithm::RS256)]);
    refused("another algorithm than was agreed").await;
    // A rotation: the new key is fetched when it turns up.
    world.change(|script| script.signers = vec![Signer::new("third", Algorithm::ES256)]);
    let asked = world.provider.script.lock().keys_asked;
    assert_eq!(world.sign_in().await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.sign_in().await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.provider.script.lock().keys_asked, asked + 1);
}

/// What a provider might send back, of a `state` and an issuer.
type Answer = fn(&str, &str) -> String;

#[tokio::test]
async fn an_answer_must_fit_its_request_and_its_browser() {
    let world = World::usual().await;
    let iss = issuer(world.provider.address);
    let answers: [(Answer, &str); 5] = [
        (|state, _| format!("code=code-1&state={state}"), "not come from your library"),
        (|state, _| format!("code=code-1&state={state}&iss=https://evil.example"), "not come from your library"),
        (|_, iss| format!("code=code-1&state=another&iss={iss}"), "no sign-in of that state"),
        (|state, iss| format!("code=code-1&state={state}&iss={iss}&code=code-2"), "says something twice"),
        (|state, iss| format!("state={state}&iss={iss}"), "has no code"),
    ];
    for (answer, why) in answers {
        let asked = world.begin("/login").await;
        let page = world.visitor.get(&format!("/callback?{}", answer(&asked["state"], &iss))).await;
        assert!(page.status == StatusCode::BAD_REQUEST && page.text.contains(why), "{why}: {}", page.text);
    }
    let asked = world.begin("/login").await;
    let mine = std::mem::take(&mut *world.visitor.cookies.lock());
    let page = world.visitor.get(&format!("/callback?{}", world.answer(&asked))).await;
    assert!(page.text.contains("begun in another browser"), "{}", page.text);
    *world.visitor.cookies.lock() = mine;
    // A state is good once, whatever came of it.
    let page = world.visitor.get(&format!("/callback?{}", world.answer(&asked))).await;
    assert!(page.text.contains("no sign-in of that state"), "{}", page.text);
    let asked = world.begin("/login").await;
    let refusal = format!("/callback?error=access_denied&state={}&iss={iss}", asked["state"]);
    let page = world.visitor.get(&refusal).await;
    assert!(page.status == StatusCode::FORBIDDEN && page.text.contains("<code>access_denied</code>"), "{}", page.text);
    let asked = world.begin("/login").await;
    world.change(|script| script.codes.clear());
    let page = world.visitor.get(&format!("/callback?{}", world.answer(&asked))).await;
    assert!(page.status == StatusCode::FORBIDDEN && page.text.contains("invalid_grant"), "{}", page.text);
}

#[tokio::test]
async fn metadata_of_somebody_else_or_without_what_is_needed_is_refused() {
    for (key, value) in [
        ("issuer", json!("https://elsewhere.example")),
        ("token_endpoint", json!("https://elsewhere.example/token")),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("id_token_signing_alg_values_supported", json!(["RS256"])),
        ("authorization_response_iss_parameter_supported", json!(false)),
        ("jwks_uri", Value::Null),
    ] {
        let world = World::usual().await;
        world.change(|script| script.metadata = Box::new(move |metadata| metadata[key] = value.clone()));
        let page = world.visitor.get("/login").await;
        assert!(page.headers.get("location").is_none() && page.status.as_u16() >= 400, "{key}: {}", page.status);
    }
}

#[tokio::test]
async fn the_portal_ends_a_session_over_the_back_channel() {
    let world = World::usual().await;
    let post = async |token: &str| world.visitor.send("POST", "/backchannel", &format!("logout_token={token}")).await;
    assert_eq!(world.sign_in().await.status, StatusCode::SEE_OTHER);
    let now = token::now();
    for (claim, value) in [
        ("nonce", json!("n")),
        ("events", json!({})),
        ("events", Value::Null),
        ("jti", Value::Null),
        ("aud", json!("lexicon")),
        ("iss", json!("https://elsewhere.example")),
        ("iat", json!(now - 3600)),
        ("typ", json!("JWT")),
    ] {
        let page = post(&world.logout_token(|claims| claims[claim] = value)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{claim}");
    }
    let neither = world.logout_token(|claims| (claims["sub"], claims["sid"]) = (Value::Null, Value::Null));
    assert_eq!(post(&neither).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(world.visitor.send("POST", "/backchannel", "x=1").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(post(&world.logout_token(|claims| claims["sid"] = json!("s-2"))).await.status, StatusCode::OK);
    assert_eq!(world.visitor.get("/").await.status, StatusCode::OK, "somebody else has left");
    let token = world.logout_token(|_| ());
    assert_eq!(post(&token).await.status, StatusCode::OK);
    assert_eq!(world.visitor.get("/").await.status, StatusCode::FORBIDDEN);
    assert_eq!(post(&token).await.status, StatusCode::BAD_REQUEST, "a token is good once");
}

#[tokio::test]
async fn the_portal_s_link_begins_a_sign_in_and_leads_to_the_page() {
    let world = World::usual().await;
    let (iss, origin) = (issuer(world.provider.address), world.vendor.origin().to_owned());
    assert_eq!(world.visitor.get("/initiate?iss=https://evil.example").await.status, StatusCode::BAD_REQUEST);
    for (target, to) in [
        (format!("{origin}/article/9"), "/article/9"),
        ("https://evil.example/article/9".to_owned(), "/"),
        (format!("{origin}//evil.example"), "/"),
        (format!("{origin}.evil.example/"), "/"),
    ] {
        let asked = world.begin(&format!("/initiate?iss={iss}&target_link_uri={target}")).await;
        let page = world.visitor.get(&format!("/callback?{}", world.answer(&asked))).await;
        assert_eq!(page.location(), to, "{target}");
    }
    world.visitor.cookies.lock().clear();
    assert_eq!(world.visitor.get("/article/3").await.location(), "/login?target=/article/3");
}

#[tokio::test]
async fn a_reader_signs_out_by_way_of_the_portal() {
    let world = World::usual().await;
    assert_eq!(world.visitor.get("/logout").await.location(), "/");
    world.sign_in().await;
    let page = world.visitor.get("/logout").await;
    let to = Url::parse(page.location()).unwrap();
    let asked: HashMap<_, _> = to.query_pairs().into_owned().collect();
    assert_eq!(to.path(), "/oidc/logout");
    assert_eq!(asked["post_logout_redirect_uri"], format!("{}/goodbye", world.vendor.origin()));
    assert_eq!(asked["id_token_hint"].split('.').count(), 3);
    assert_eq!(world.visitor.get("/").await.status, StatusCode::FORBIDDEN);
    let back = format!("/goodbye?state={}", asked["state"]);
    assert!(world.visitor.get(&back).await.text.contains("brought you back"));
    assert!(!world.visitor.get(&back).await.text.contains("brought you back"), "a state is good once");
}

#[tokio::test]
async fn a_sign_in_that_must_be_fresh_is_checked() {
    let world = World::usual().await;
    let now = token::now();
    world.change(|script| script.id_token = Box::new(move |claims| claims["auth_time"] = json!(now - 100)));
    for (path, fine) in [("/login?max_age=1000", true), ("/login?max_age=10", false)] {
        let asked = world.begin(path).await;
        assert_eq!(Some(asked["max_age"].as_str()), path.split('=').nth(1));
        let page = world.visitor.get(&format!("/callback?{}", world.answer(&asked))).await;
        assert_eq!(page.status == StatusCode::SEE_OTHER, fine, "{}", page.text);
    }
    assert_eq!(world.begin("/login?prompt=login").await["prompt"], "login");
}
