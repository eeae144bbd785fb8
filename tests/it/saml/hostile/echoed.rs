//! What comes back out of a request: identifiers, relay states and names, none of which may become markup.
use super::asker::{PLAIN, Scene, escaped, id, query};
use crate::saml::emitted::{attribute_of, elements, is_signed_response};
use crate::saml::page::Form;
use std::path::PathBuf;

const STATES: [&str; 12] = [
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "</form><form action=https://evil.example>",
    "\" autofocus onfocus=alert(1) x=\"",
    "x; Set-Cookie: evil=1",
    "<saml:Assertion/>",
    "]]>&amp;&lt;&#10;",
    "javascript:alert(1)",
    "/\\evil.example",
    "{{7*7}}${7*7}",
    "\u{202e}\u{2028}\u{feff}é😀",
    "https://plain.example/books?a=1&b=2#c d+e%20f",
];

/// The certificate that the portal publishes first.
async fn certificate(scene: &Scene) -> (tempfile::TempDir, PathBuf) {
    let metadata = scene.world.browser().get(&format!("{}/saml/metadata", scene.portal())).await.text();
    let text: String = elements(&metadata, "X509Certificate")[0].1.split_whitespace().collect();
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("idp.pem");
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    std::fs::write(&file, pem).unwrap();
    (folder, file)
}

#[tokio::test]
async fn relay_states_come_back_to_the_byte_and_break_out_of_nothing() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let longest = "é".repeat(512);
    for state in STATES.into_iter().chain([&*longest]) {
        let asked = format!("{}&RelayState={}", query(&scene.draft(PLAIN)), escaped(state));
        let outcome = scene.ask(&mut browser, &asked).await;
        let text = outcome.page.text();
        let forms = Form::all(&outcome.page).into_iter().filter(|form| form.field("SAMLResponse").is_some()).count();
        let (form, _) = outcome.granted();
        assert_eq!((form.field("RelayState"), forms, form.fields.len()), (Some(state), 1, 2), "{text}");
        for planted in ["<script>alert", "<img src=x", "<form action=https://evil", "<saml:Assertion", ">49<"] {
            assert!(!text.contains(planted), "{state:?} on the page: {text}");
        }
        assert_eq!(form.action.as_str(), PLAIN.at("/acs"));
    }
    // What a form cannot carry to the byte is refused.
    for state in ["x\r\nSet-Cookie: evil=1", "x\ny", "\0"] {
        let asked = format!("{}&RelayState={}", query(&scene.draft(PLAIN)), escaped(state));
        scene.ask(&mut browser, &asked).await.refused("a control character");
    }
    // One byte more than the longest is refused; none at all is none.
    let asked = format!("{}&RelayState={}x", query(&scene.draft(PLAIN)), escaped(&longest));
    scene.ask(&mut browser, &asked).await.refused("1025 bytes");
    let (form, _) = scene.ask(&mut browser, &query(&scene.draft(PLAIN))).await.granted();
    assert_eq!((form.field("RelayState"), form.fields.len()), (None, 1));
}

#[tokio::test]
async fn identifiers_become_nothing_but_identifiers() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let (_folder, certificate) = certificate(&scene).await;
    let named = |id: &str| {
        let draft = scene.draft(PLAIN);
        let old = crate::saml::page::attribute(draft.split('>').next().unwrap(), "ID").unwrap();
        draft.replace(&old, id)
    };
    for id in [
        "_a&quot; x=&quot;",
        "_a&quot;&gt;&lt;saml:Assertion/&gt;",
        "&quot;&gt;&lt;/samlp:Response&gt;",
        "_a&#10;b",
        "_a b",
        "_a&lt;b",
        "_a&amp;b",
        "a:b",
        "1a",
        "",
        "_a'b",
        "-a",
        "_a]]&gt;",
    ] {
        scene.ask(&mut browser, &query(&named(id))).await.refused(id);
    }
    for good in [format!("_{}", "x".repeat(255)), format!("a.b-c_{}", id()), format!("Ünïcode{}", id())] {
        let (_, response) = scene.ask(&mut browser, &query(&named(&good))).await.granted();
        assert_eq!(attribute_of(&response, "Response", "InResponseTo").as_deref(), Some(&*good));
        assert_eq!(is_signed_response(&response, &certificate), Ok(()), "{response}");
        assert_eq!((elements(&response, "Assertion").len(), elements(&response, "Response").len()), (1, 1));
    }
    // What else a request says comes back nowhere.
    let draft = scene
        .draft(PLAIN)
        .replace(" Version=", " ProviderName=\"&lt;b&gt;evil&lt;/b&gt;\" Consent=\"urn:evil\" Version=");
    let outcome = scene.ask(&mut browser, &query(&draft)).await;
    assert!(!outcome.page.text().contains("evil"), "{}", outcome.page.text());
    let (_, response) = outcome.granted();
    assert!(!response.contains("evil"), "{response}");
}

#[tokio::test]
async fn what_metadata_calls_itself_is_text_on_a_page_that_nobody_frames() {
    let scene = Scene::open().await;
    let mut browser = scene.world.browser();
    let form = scene.ask(&mut browser, &query(&scene.draft(PLAIN))).await.page;
    let text = form.text();
    assert!(text.contains("name=\"pin\"") && text.contains("The plain"), "{text}");
    for planted in ["<script>alert", "javascript:"] {
        assert!(!text.contains(planted), "{text}");
    }
    let policy = form.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(form.headers["cache-control"].to_str().unwrap().contains("no-store"));
    let mut browser = scene.signed_in().await;
    let page = scene.ask(&mut browser, &query(&scene.draft(PLAIN))).await.page;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-inline"), "{policy}");
    assert!(page.headers["cache-control"].to_str().unwrap().contains("no-store"));
    // A visit that begins here goes to the vendor and nowhere else, whatever the address says.
    for more in ["?target=https://evil.example/", "?RelayState=https://evil.example/", "?url=https://evil.example/"] {
        let page = browser.visit(&format!("{}/go/plain{more}", scene.portal())).await;
        let form = Form::of(&page).unwrap_or_else(|| panic!("{}", page.text()));
        assert_eq!(form.action.as_str(), PLAIN.at("/acs"));
        assert!(!page.text().contains("evil.example"), "{}", page.text());
    }
}
