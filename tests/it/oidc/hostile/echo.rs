//! What comes back: line breaks and markup in every value that is echoed, in addresses, in forms and on pages.
use super::super::conformance::rp::Auth;
use super::super::conformance::rp::{HtmlForm, User};
use super::super::conformance::rp_logout::leaving;
use super::super::conformance::scene::Made;
use super::super::conformance::scene::Scene;
use super::scene;
use crate::support::Page;

const VALUES: [&str; 10] = [
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "</form><form action=https://evil.example>",
    "x\r\nSet-Cookie: evil=1",
    "x\nLocation: https://evil.example/",
    "%0d%0aX-Evil: 1",
    "\u{0}\u{1}\u{7f}",
    "\u{202e}\u{2028}\u{feff}é😀",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "javascript:alert(1)//&code=evil&iss=https://evil.example#x",
];

/// No markup of the value, no field of its own.
#[track_caller]
fn clean(page: &Page, value: &str) {
    let text = page.text();
    for planted in ["<script>alert", "<img src=x", "<form action=https://evil", "49"] {
        let there =
            if planted == "49" { value.contains("{{7*7}}") && text.contains(">49<") } else { text.contains(planted) };
        assert!(!there, "{value:?} on the page: {text}");
    }
    for name in ["x-evil", "set-cookie"] {
        let planted = page.headers.get_all(name).iter().any(|v| v.to_str().unwrap_or_default().contains("evil"));
        assert!(!planted && !page.headers.contains_key("x-evil"), "{value:?} as a field");
    }
    if let Some(to) = page.headers.get("location") {
        let to = to.to_str().expect("printable ASCII");
        assert!(!to.contains(['\r', '\n', '<', '"', ' ']), "{to}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_comes_back_to_the_letter_and_breaks_out_of_nothing() {
    let scene = scene().await;
    let rp = scene.rp("basic");
    let mut user = User::new(&scene);
    user.authorize(&rp.ask(&scene)).await;
    for value in VALUES {
        // `granted` compares the state.
        let asked = rp.ask(&scene).with("state", value).with("nonce", value);
        let answer = user.go(&asked).await.answer();
        answer.granted(&asked, &scene);
        clean(&answer.page, value);
        let tokens = rp.redeem(&scene, answer.code(), &asked).await.fine();
        scene.check_tokens(&rp, &tokens.json, Some(value)).await;
        let posted = rp.ask(&scene).with("state", value).with("response_mode", "form_post");
        let answer = user.go(&posted).await.answer();
        assert_eq!(answer.get("state"), Some(value));
        assert_eq!(HtmlForm::all(&answer.page).len(), 1, "one form: {}", answer.page.text());
        assert_eq!(answer.fields.len(), 3, "{:?}", answer.fields);
        clean(&answer.page, value);
        // In errors too.
        let wrong = rp.ask(&scene).with("state", value).with("response_type", "token");
        let answer = user.go(&wrong).await.answer();
        answer.refused(&wrong, &scene, &["unsupported_response_type"]);
        clean(&answer.page, value);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_else_of_a_request_comes_back_at_all() {
    let scene = scene().await;
    let rp = scene.rp("basic");
    let names = [
        "client_id",
        "redirect_uri",
        "response_type",
        "response_mode",
        "scope",
        "prompt",
        "max_age",
        "display",
        "ui_locales",
        "claims_locales",
        "login_hint",
        "id_token_hint",
        "acr_values",
        "code_challenge",
        "code_challenge_method",
        "request",
        "request_uri",
        "claims",
        "registration",
        "dpop_jkt",
        "extra",
    ];
    for name in names {
        for value in VALUES {
            let asked = rp.ask(&scene).with(name, value);
            let page = User::new(&scene).browser.get(&asked.url()).await;
            assert!(page.status != 500, "{name} {value:?}");
            clean(&page, value);
            let to = page.headers.get("location").map_or("", |to| to.to_str().unwrap());
            assert!(!to.contains("evil"), "{name} {value:?}: {to}");
        }
        assert!(!scene.served.log().contains("evil"), "{name} is logged");
    }
    on_other_pages(&scene).await;
}

async fn on_other_pages(scene: &std::sync::Arc<Scene>) {
    for value in VALUES {
        for name in ["id_token_hint", "post_logout_redirect_uri", "state", "client_id", "logout_hint", "ui_locales"] {
            let page = User::new(scene).browser.get(&leaving(scene).with(name, value).url()).await;
            assert!(page.status != 500, "{name} {value:?}");
            clean(&page, value);
            assert!(!page.text().contains("evil.example"), "{name} {value:?}: {}", page.text());
        }
        let rp = scene.rp("basic");
        let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        for path in ["/login?request=", "/login/cancel?request=", "/go/"] {
            let page = User::new(scene).browser.get(&format!("{}{path}{encoded}", scene.issuer)).await;
            assert!(page.status.as_u16() < 500, "{path} {value:?} {}", page.status);
            clean(&page, value);
        }
        for (endpoint, name) in [
            ("token_endpoint", "grant_type"),
            ("token_endpoint", "code"),
            ("revocation_endpoint", "token"),
            ("introspection_endpoint", "token"),
        ] {
            let reply = rp.call(scene, endpoint).with(name, value).send(scene).await;
            assert!(reply.status() < 500, "{endpoint} {name} {value:?}: {}", reply.told());
            assert!(!reply.page.text().contains("evil"), "{}", reply.told());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_s_name_is_text() {
    let made = Made::new("markup", Auth::Basic).named("<b>The</b> \\\"archive\\\" & sons");
    let scene = Scene::open(vec![made], None).await;
    let rp = scene.rp("markup");
    let form = User::new(&scene).go(&rp.ask(&scene)).await.form();
    let text = form.text();
    assert!(!text.contains("<b>The</b>"), "{text}");
    assert!(text.contains("&lt;b&gt;The&lt;"), "the page names the vendor: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_on_the_way_are_not_framed_nor_kept_nor_referred_to() {
    let scene = scene().await;
    let rp = scene.rp("basic");
    let mut user = User::new(&scene);
    let asked = rp.ask(&scene);
    let form = user.go(&asked).await.form();
    let signed_in = user.sign_in(&form, &asked).await.answer();
    let posted = user.go(&rp.ask(&scene).with("response_mode", "form_post")).await.answer();
    let error = user.go(&asked.with("redirect_uri", "https://evil.example/")).await.error_page();
    for (what, page) in [("form", &form), ("redirect", &signed_in.page), ("form_post", &posted.page), ("error", &error)]
    {
        let field = |name: &str| page.headers.get(name).map_or("", |v| v.to_str().unwrap());
        assert!(field("cache-control").contains("no-store"), "{what}: {}", field("cache-control"));
        assert!(field("content-security-policy").contains("frame-ancestors 'none'"), "{what}");
        assert!(["no-referrer", "same-origin"].contains(&field("referrer-policy")), "{what}: nothing goes elsewhere");
        assert_eq!(field("x-content-type-options"), "nosniff", "{what}");
    }
}
