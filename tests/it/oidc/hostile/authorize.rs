//! Tricks with authorization requests: other addresses, other response types, parameters that stand there twice.
use super::super::conformance::jose::{Key, b64, peek, unsigned};
use super::super::conformance::rp::{Asked, Landed, User};
use super::super::conformance::rp_logout::{Left, OUT, leave, leaving};
use super::super::conformance::scene::Scene;
use super::scene;
use crate::support::figure;
use serde_json::json;
use std::sync::Arc;
use url::form_urlencoded::byte_serialize;

/// Almost `https://basic.example/cb`.
const ALMOST: [&str; 54] = [
    "https://basic.example/cb/",
    "https://basic.example/cb/more",
    "https://basic.example/cb/../cb",
    "https://basic.example/x/../cb",
    "https://basic.example//cb",
    "https://basic.example/CB",
    "https://basic.example/%63b",
    "https://basic.example/cb%2f",
    "https://basic.example/cb%2f..%2fevil",
    "https://basic.example/cb%00",
    "https://basic.example/cb%0d%0aX:%20y",
    "https://basic.example/cb?",
    "https://basic.example/cb?x=1",
    "https://basic.example/cb#",
    "https://basic.example/cb#x",
    "https://basic.example/cb;x",
    "https://basic.example/cb ",
    " https://basic.example/cb",
    "https://basic.example/cb\\",
    "https://BASIC.example/cb",
    "HTTPS://basic.example/cb",
    "https://basic.example./cb",
    "https://basic.example:443/cb",
    "https://basic.example:8443/cb",
    "https://basic.example@evil.example/cb",
    "https://user@basic.example/cb",
    "https://user:pass@basic.example/cb",
    "https://evil.example/cb",
    "https://evil.example/https://basic.example/cb",
    "https://evil.example?https://basic.example/cb",
    "https://evil.example#https://basic.example/cb",
    "https://evil.example\\@basic.example/cb",
    "https://basic.example\\@evil.example/cb",
    "https://basic.example.evil.example/cb",
    "https://evilbasic.example/cb",
    "https://sub.basic.example/cb",
    "https://b\u{430}sic.example/cb",
    "https://basic\u{3002}example/cb",
    "https:/basic.example/cb",
    "https:basic.example/cb",
    "//basic.example/cb",
    "/cb",
    "cb",
    "*",
    "https://*.example/cb",
    "http://basic.example/cb",
    "javascript:alert(1)",
    "data:text/html,x",
    "myapp://cb",
    "https://127.0.0.1/cb",
    "https://[::1]/cb",
    "https://[::ffff:127.0.0.1]/cb",
    "https://other.example/cb",
    "",
];

/// Almost `http://[::1]/cb`, with a port.
const ALMOST_NATIVE: [&str; 13] = [
    "http://[::1]:5000/cb/",
    "http://[::2]:5000/cb",
    "http://127.0.0.1:5000/cb",
    "http://localhost:5000/cb",
    "http://[::ffff:127.0.0.1]:5000/cb",
    "http://[0:0:0:0:0:0:0:1]:5000/cb",
    "http://[::1].evil.example:5000/cb",
    "http://[::1]:5000@evil.example/cb",
    "http://user@[::1]:5000/cb",
    "https://[::1]:5000/cb",
    "http://[::1]:5000/cb?x=1",
    "http://[::1]:99999/cb",
    "http://[::1]:05000/cb",
];

/// Nobody is sent anywhere.
async fn page(scene: &Arc<Scene>, what: &str, asked: &Asked) {
    match User::new(scene).go(asked).await {
        Landed::Page(page) => assert_eq!(page.status, 400, "{what}: {}", page.text()),
        Landed::Form(_) => panic!("{what}: taken for good"),
        Landed::Answer(answer) => panic!("{what}: sent to {}", answer.at),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_uri_is_compared_to_the_letter() {
    let scene = scene().await;
    let asked = scene.rp("basic").ask(&scene);
    for variant in ALMOST {
        page(&scene, variant, &asked.clone().with("redirect_uri", variant)).await;
    }
    let native = scene.rp("native").ask(&scene);
    for variant in ALMOST_NATIVE {
        page(&scene, variant, &native.clone().with("redirect_uri", variant)).await;
    }
    // The right one is taken, and so is any port of an application on the reader's own machine.
    User::new(&scene).go(&asked).await.form();
    User::new(&scene).go(&native.with("redirect_uri", "http://[::1]:5000/cb")).await.form();
    figure(
        "oidc::hostile::authorize::a_redirect_uri_is_compared_to_the_letter",
        "redirect addresses that are almost right (goal: none led anywhere)",
        &format!("{} tried, none", ALMOST.len() + ALMOST_NATIVE.len()),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_parameter_stands_there_twice() {
    let scene = scene().await;
    let asked = scene.rp("basic").ask(&scene);
    for (name, value) in [("client_id", "other"), ("redirect_uri", "https://evil.example/cb")] {
        let own = asked.get(name).unwrap().to_owned();
        page(&scene, name, &asked.clone().also(name, value)).await;
        page(&scene, name, &asked.clone().also(name, &own)).await;
        let mut first = asked.clone();
        first.fields.insert(0, (name.to_owned(), value.to_owned()));
        page(&scene, name, &first).await;
    }
    for name in ["response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "extra"] {
        let own = asked.get(name).unwrap_or("x").to_owned();
        let twice = asked.clone().with(name, &own).also(name, &own);
        let answer = User::new(&scene).go(&twice).await.answer();
        assert_eq!(answer.get("error"), Some("invalid_request"), "{name}: {:?}", answer.fields);
        assert!(answer.get("code").is_none() && answer.get("iss") == Some(&scene.issuer), "{name}");
    }
    // Names are compared as they are after decoding.
    let mut asked = asked;
    asked.endpoint = format!("{}?%63lient_id=other", asked.endpoint);
    let url = format!("{}&{}", asked.endpoint, asked.body());
    let mut user = User::new(&scene);
    let landed = user.browser.get(&url).await;
    user.land(landed, &asked).await.error_page();
    // A form whose address has a query as well: only the form is read.
    let rp = scene.rp("basic");
    let asked = rp.ask(&scene);
    let mut split = asked.clone();
    split.endpoint = format!("{}?redirect_uri=https%3A%2F%2Fevil.example%2Fcb&client_id=other", asked.endpoint);
    match User::new(&scene).post(&split).await {
        Landed::Form(_) => {}
        Landed::Page(page) => assert_eq!(page.status, 400),
        Landed::Answer(answer) => panic!("{} {:?}", answer.at, answer.fields),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn response_types_and_modes_are_not_to_be_changed() {
    let scene = scene().await;
    let rp = scene.rp("basic");
    for kind in [
        "token",
        "id_token",
        "code token",
        "code id_token",
        "id_token token",
        "code id_token token",
        "none",
        "CODE",
        "code code",
    ] {
        let asked = rp.ask(&scene).with("response_type", kind);
        User::new(&scene).go(&asked).await.answer().refused(
            &asked,
            &scene,
            &["unsupported_response_type", "invalid_request"],
        );
    }
    for mode in ["fragment", "query.jwt", "jwt", "web_message", "FORM_POST", "fragment query"] {
        let asked = rp.ask(&scene).with("response_mode", mode);
        User::new(&scene).go(&asked).await.answer().refused(&asked, &scene, &["invalid_request"]);
    }
    // The request that waits behind the sign-in form is sealed: nothing beside it changes what it asks for.
    let asked = rp.ask(&scene);
    let mut user = User::new(&scene);
    let form = user.go(&asked).await.form();
    for change in [
        "response_type=token",
        "redirect_uri=https%3A%2F%2Fevil.example%2F",
        "client_id=other",
        "response_mode=form_post",
    ] {
        let page = user.browser.get(&format!("{}&{change}", form.url)).await;
        let form = user.land(page, &asked).await.form();
        let answer = user.sign_in(&form, &asked).await.answer();
        answer.granted(&asked, &scene);
        user = User::new(&scene);
    }
    // And no byte of it can be changed.
    let request = form.url.query_pairs().find(|(n, _)| n == "request").unwrap().1.into_owned();
    for at in [0, request.len() / 2, request.len() - 2] {
        let mut bytes = request.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let page = User::new(&scene).browser.get(&format!("{}/login?request={changed}", scene.issuer)).await;
        assert!(page.status.is_client_error(), "{} {}", page.status, page.text());
        assert!(page.headers.get("location").is_none());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_tells_who_the_issuer_is() {
    let scene = scene().await;
    let rp = scene.rp("basic");
    // `granted` and `refused` look for `iss`, and for a state that comes back to the letter.
    let asked = rp.ask(&scene);
    let mut user = User::new(&scene);
    user.authorize(&asked).await.granted(&asked, &scene);
    let errors: [(&str, &str, &[&str]); 6] = [
        ("scope", "profile", &["invalid_scope", "invalid_request"]),
        ("prompt", "none login", &["invalid_request"]),
        ("max_age", "-1", &["invalid_request"]),
        ("code_challenge_method", "plain", &["invalid_request"]),
        ("response_type", "token", &["unsupported_response_type"]),
        ("registration", "{}", &["registration_not_supported"]),
    ];
    for (name, value, words) in errors {
        let asked = rp.ask(&scene).with(name, value);
        user.go(&asked).await.answer().refused(&asked, &scene, words);
        let posted = asked.with("response_mode", "form_post");
        let answer = user.go(&posted).await.answer();
        assert!(answer.posted && answer.get("iss") == Some(&scene.issuer), "{:?}", answer.fields);
    }
    // Without a state there is none in the answer.
    let asked = rp.ask(&scene).without("state");
    user.go(&asked).await.answer().granted(&asked, &scene);
    // An empty one is as good as none.
    let asked = rp.ask(&scene).with("state", "");
    assert_eq!(user.go(&asked).await.answer().get("state").unwrap_or(""), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_are_believed_only_with_our_signature() {
    let scene = scene().await;
    let rp = scene.rp("basic");
    let mut user = User::new(&scene);
    let done = scene.whole(&rp, &mut user, &rp.ask(&scene)).await;
    let (header, claims) = (peek(done.id_token(), 0), done.claims.clone());
    let keys = scene.keys().await;
    let public = keys["keys"].as_array().unwrap().iter().find(|k| k["kid"] == header["kid"]).unwrap();
    let mut none = header.clone();
    none["alg"] = json!("none");
    let mut symmetric = header.clone();
    symmetric["alg"] = json!("HS256");
    let mine = Key::new("ES256");
    let own = json!({ "alg": "ES256", "jwk": mine.public, "kid": mine.kid() });
    let other = scene.rp("other");
    let foreign = scene.whole(&other, &mut User::new(&scene), &other.ask(&scene)).await;
    let (signed, _) = done.id_token().rsplit_once('.').unwrap();
    let hints = [
        ("alg none", unsigned(&none, &claims)),
        (
            "HMAC with the public key",
            super::super::conformance::jose::hmac_signed(public.to_string().as_bytes(), &symmetric, &claims),
        ),
        ("a key in the header", mine.sign(&own, &claims)),
        ("our kid, another key", mine.sign(&json!({ "alg": "ES256", "kid": header["kid"] }), &claims)),
        ("no signature", format!("{signed}.")),
        ("another client's", foreign.id_token().to_owned()),
        ("no token", "x.y.z".to_owned()),
        ("nothing much", b64("x")),
    ];
    for (what, hint) in &hints {
        let asked = rp.ask(&scene).with("prompt", "none").with("id_token_hint", hint);
        let answer = user.go(&asked).await.answer();
        assert!(answer.get("code").is_none(), "{what}: a code for it");
        answer.refused(&asked, &scene, &["invalid_request", "login_required"]);
        let asked = leaving(&scene).with("id_token_hint", hint).with("post_logout_redirect_uri", OUT);
        let landed = User::new(&scene).go(&asked).await;
        assert!(!matches!(landed, Landed::Answer(_)), "{what}: sent on from signing out");
    }
    // None of it signed the reader out.
    let asked = rp.ask(&scene).with("prompt", "none");
    user.go(&asked).await.answer().granted(&asked, &scene);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_leads_only_where_the_vendor_said() {
    let scene = scene().await;
    let rp = scene.rp("logout");
    let mut user = User::new(&scene);
    let done = scene.whole(&rp, &mut user, &rp.ask(&scene)).await;
    let other = scene.rp("basic");
    let foreign = scene.whole(&other, &mut User::new(&scene), &other.ask(&scene)).await;
    let wrong = [
        "https://evil.example/",
        "https://logout.example/out/",
        "https://logout.example/out?x=1",
        "https://logout.example/out#x",
        "https://LOGOUT.example/out",
        "https://logout.example:443/out",
        "https://logout.example@evil.example/out",
        "https://logout.example/cb",
        "//logout.example/out",
        "javascript:alert(1)",
        "\thttps://logout.example/out",
    ];
    for to in wrong {
        let asked = leaving(&scene).with("id_token_hint", done.id_token()).with("post_logout_redirect_uri", to);
        match leave(&scene, &mut User::new(&scene), &asked).await {
            Left::Page(text) => assert!(!text.contains("evil.example"), "{to}: {text}"),
            Left::Sent(answer) => panic!("{to}: sent to {}", answer.at),
        }
    }
    // The hint of one vendor does not open the addresses of another.
    let asked = leaving(&scene).with("id_token_hint", foreign.id_token()).with("post_logout_redirect_uri", OUT);
    assert!(matches!(leave(&scene, &mut User::new(&scene), &asked).await, Left::Page(_)));
    let asked = leaving(&scene).with("id_token_hint", done.id_token()).with("client_id", "basic");
    let asked = asked.with("post_logout_redirect_uri", OUT);
    assert!(matches!(leave(&scene, &mut User::new(&scene), &asked).await, Left::Page(_)), "client_id contradicts");
    let asked = leaving(&scene).with("id_token_hint", done.id_token()).with("post_logout_redirect_uri", OUT);
    let twice = asked.clone().also("post_logout_redirect_uri", "https://evil.example/");
    assert!(matches!(leave(&scene, &mut User::new(&scene), &twice).await, Left::Page(_)), "twice");
    // A hint that names another reader's session signs nobody out who was not asked.
    let mut stranger = User::another(&scene);
    scene.whole(&rp, &mut stranger, &rp.ask(&scene)).await;
    stranger.go(&asked).await;
    let still = rp.ask(&scene).with("prompt", "none");
    stranger.go(&still).await.answer().granted(&still, &scene);
    // And the reader whose vendor did none of this is still there.
    let still = rp.ask(&scene).with("prompt", "none");
    user.go(&still).await.answer().granted(&still, &scene);
    let encoded: String = byte_serialize(OUT.as_bytes()).collect();
    let page = user.browser.get(&format!("{}?post_logout_redirect_uri={encoded}", leaving(&scene).endpoint)).await;
    assert!(page.headers.get("location").is_none() && !page.text().contains("logout.example"));
}
