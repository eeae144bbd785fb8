//! What is no message: bytes, bombs, documents that do more than say something.
use super::asker::{PLAIN, SIGNER, Scene, deflated, escaped, packed, posted, query, signed};
use crate::saml::page::attribute;
use crate::support::Browser;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Texts in place of a request with which nothing is wrong, each with what it is.
#[expect(clippy::too_many_lines, reason = "a list of tricks")]
pub(super) fn documents(good: &str) -> Vec<(&'static str, String)> {
    let (root, rest) = good.split_once('>').unwrap();
    let with_issuer = |issuer: &str| {
        let (before, after) = good.split_once("<saml:Issuer>").unwrap();
        let (_, after) = after.split_once("</saml:Issuer>").unwrap();
        format!("{before}<saml:Issuer>{issuer}</saml:Issuer>{after}")
    };
    let entity = PLAIN.entity();
    let attributes = |count: usize, name: &str| {
        let more: String = (0..count).fold(String::new(), |text, n| text + &format!(" {name}{n}=\"{n}\""));
        format!("{root}{more}>{rest}")
    };
    let inside = |text: &str| good.replace("</samlp:AuthnRequest>", &format!("{text}</samlp:AuthnRequest>"));
    let extensions = |text: &str| {
        good.replace("</saml:Issuer>", &format!("</saml:Issuer><samlp:Extensions>{text}</samlp:Extensions>"))
    };
    let dtd = |subset: &str, issuer: &str| format!("<!DOCTYPE x [{subset}]>{}", with_issuer(issuer));
    let laughs: String = (1..10)
        .fold(String::new(), |text, n| text + &format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)));
    vec![
        ("nothing", String::new()),
        ("no XML", "hello".to_owned()),
        ("half of it", good[..good.len() / 2].to_owned()),
        ("something after it", format!("{good}<x/>")),
        ("another root", good.replace("AuthnRequest", "ArtifactResolve")),
        ("another namespace", good.replace("SAML:2.0:protocol\"", "SAML:1.0:protocol\"")),
        ("an undeclared prefix", good.replace("xmlns:saml=", "xmlns:other=")),
        ("a NUL", with_issuer(&format!("{entity}\u{0}"))),
        ("a reference to NUL", with_issuer(&format!("{entity}&#0;"))),
        ("an internal entity", dtd(&format!("<!ENTITY e \"{entity}\">"), "&e;")),
        ("an external entity", dtd("<!ENTITY e SYSTEM \"file:///etc/passwd\">", "&e;")),
        ("a parameter entity", dtd("<!ENTITY % p SYSTEM \"http://127.0.0.1:1/x\"> %p;", &entity)),
        ("an empty DTD", format!("<!DOCTYPE samlp:AuthnRequest>{good}")),
        ("a billion laughs", dtd(&format!("<!ENTITY l0 \"ha\">{laughs}"), "&l9;")),
        ("a comment in the issuer", with_issuer(&entity.replace(".example", "<!-- -->.example"))),
        ("a comment anywhere", inside("<!-- hello -->")),
        ("CDATA in the issuer", with_issuer(&format!("<![CDATA[{entity}]]>"))),
        ("an instruction in the issuer", with_issuer(&format!("{entity}<?x y?>"))),
        ("the end of CDATA", with_issuer(&format!("{entity}]]>"))),
        ("an element in the issuer", with_issuer(&format!("{entity}<b xmlns=\"\"/>"))),
        ("two issuers", good.replace("</saml:Issuer>", &format!("</saml:Issuer><saml:Issuer>{entity}</saml:Issuer>"))),
        ("no issuer", good.replace(&format!("<saml:Issuer>{entity}</saml:Issuer>"), "")),
        ("many attributes", attributes(1500, "a")),
        ("many namespaces", attributes(1000, "xmlns:n")),
        ("much depth", extensions(&format!("{}{}", "<b>".repeat(4000), "</b>".repeat(4000)))),
        ("many elements", extensions(&"<b/>".repeat(10_000))),
        ("an attribute twice", good.replace(" Version=", " Version=\"2.0\" Version=")),
        (
            "an attribute twice by namespaces",
            good.replace(" Version=", " xmlns:a=\"urn:x\" xmlns:b=\"urn:x\" a:y=\"1\" b:y=\"2\" Version="),
        ),
        ("the prefix xml bound anew", good.replace(" Version=", " xmlns:xml=\"urn:x\" Version=")),
        ("no ID", good.replace(" ID=", " Id=")),
        ("an ID that is no name", good.replace(" ID=\"_", " ID=\"1:")),
        ("an ID of 300 characters", good.replace(" ID=\"_", &format!(" ID=\"_{}", "a".repeat(300)))),
        ("another version", good.replace("Version=\"2.0\"", "Version=\"1.1\"")),
        ("no version", good.replace(" Version=\"2.0\"", "")),
        ("no time", {
            let issued = attribute(root, "IssueInstant").unwrap();
            good.replace(&format!(" IssueInstant=\"{issued}\""), "")
        }),
    ]
}

async fn refused_by_each_binding(scene: &Scene, browser: &mut Browser, what: &str, document: &[u8]) {
    scene.ask(browser, &format!("SAMLRequest={}", packed(document))).await.refused(what);
    scene.post(browser, &[("SAMLRequest", &STANDARD.encode(document))]).await.refused(what);
}

#[tokio::test]
async fn documents_that_are_no_message_are_refused() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    // Nothing is wrong with the one that they are made of.
    scene.ask(&mut browser, &query(&scene.draft(PLAIN))).await.granted();
    let form = posted(&scene.draft(PLAIN));
    scene.post(&mut browser, &[("SAMLRequest", &form)]).await.granted();
    for (what, document) in documents(&scene.draft(PLAIN)) {
        refused_by_each_binding(&scene, &mut browser, what, document.as_bytes()).await;
    }
    let good = scene.draft(PLAIN);
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(good.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let latin = good.replace("/saml<", "/sam\u{1}<").into_bytes();
    let latin: Vec<u8> = latin.into_iter().map(|byte| if byte == 1 { 0xe9 } else { byte }).collect();
    for (what, bytes) in [("UTF-16", utf16), ("Latin-1", latin)] {
        refused_by_each_binding(&scene, &mut browser, what, &bytes).await;
    }
}

#[tokio::test]
async fn packings_that_are_no_message_are_refused() {
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use std::io::Write;
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let good = scene.draft(PLAIN);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(good.as_bytes()).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(good.as_bytes()).unwrap();
    let raw = STANDARD.decode(deflated(good.as_bytes())).unwrap();
    let trailing = [&raw[..], b"more"].concat();
    let zeros = vec![b' '; 10 << 20];
    let long = good.replace(" Version=", &format!(" ProviderName=\"{}\" Version=", "0".repeat(10 << 20)));
    let spaced = good.replace("<saml:Issuer>", &format!("{}<saml:Issuer>", " ".repeat(70 << 10)));
    for (what, value) in [
        ("not base64", "***".to_owned()),
        ("base64 without its end", deflated(good.as_bytes()).trim_end_matches('=').to_owned() + "A"),
        ("zlib", STANDARD.encode(zlib.finish().unwrap())),
        ("gzip", STANDARD.encode(gzip.finish().unwrap())),
        ("not deflated", STANDARD.encode(&good)),
        ("half of the stream", STANDARD.encode(&raw[..raw.len() / 2])),
        ("something after the stream", STANDARD.encode(trailing)),
        ("ten megabytes of spaces", deflated(&zeros)),
        ("four megabytes of spaces", deflated(&zeros[..4 << 20])),
        ("ten megabytes in an attribute", deflated(long.as_bytes())),
        ("four megabytes in an attribute", deflated(long.replace(&"0".repeat(6 << 20), "").as_bytes())),
        ("seventy kilobytes", deflated(spaced.as_bytes())),
        ("nothing", String::new()),
    ] {
        scene.ask(&mut browser, &format!("SAMLRequest={}", escaped(&value))).await.refused(what);
    }
    for what in ["", "SAMLRequest", "other=1", "SAMLRequest=%", "SAMLRequest=%ff%fe", "SAMLart=AAQAAA%3D%3D"] {
        scene.ask(&mut browser, what).await.refused(what);
    }
    // Deflated in a form, which is to be plain.
    scene.post(&mut browser, &[("SAMLRequest", &deflated(good.as_bytes()))]).await.refused("deflated in a form");
    let spaced = scene.post(&mut browser, &[("SAMLRequest", &posted(&spaced))]).await;
    spaced.refused("seventy kilobytes in a form");
    // The very largest are not even read.
    let body = format!("SAMLRequest={}", "A".repeat(1 << 20)).into_bytes();
    let outcome = scene.post_body(&mut browser, &scene.sso(), body).await;
    assert!(
        [400, 413].contains(&outcome.page.status.as_u16()) && outcome.response.is_none(),
        "{}",
        outcome.page.status
    );
}

#[tokio::test]
async fn headers_of_other_profiles_and_passwords_for_http_are_ignored() {
    use hyper::Request;
    use hyper::body::Bytes;
    let scene = Scene::open().await;
    let draft = query(&scene.draft(PLAIN));
    let plain = format!("{}?{draft}", scene.sso());
    let mut browser = scene.world.browser();
    let request = Request::get(&plain)
        .header("accept", "text/html, application/vnd.paos+xml")
        .header("paos", "ver=\"urn:liberty:paos:2003-08\";\"urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp\"")
        .header("authorization", format!("Basic {}", STANDARD.encode("29475000112233:4711")));
    let page = browser.send(request.body(Bytes::new()).unwrap()).await;
    assert!(!page.text().contains("SAMLResponse") && !page.text().contains("Envelope"), "{}", page.text());
    let page = browser.follow(page).await;
    assert!(page.text().contains("name=\"pin\""), "the reader is asked for a card as ever: {}", page.text());
    assert!(!page.headers.contains_key("www-authenticate"));
    // An envelope of SOAP is no form.
    let envelope = format!(
        "<S:Envelope xmlns:S=\"http://schemas.xmlsoap.org/soap/envelope/\"><S:Body>{}</S:Body></S:Envelope>",
        signed(SIGNER, &scene.draft(SIGNER))
    );
    for kind in ["text/xml", "application/vnd.paos+xml", "multipart/form-data; boundary=x"] {
        let request = Request::post(scene.sso()).header("content-type", kind).header("soapaction", "x");
        let page = browser.send(request.body(Bytes::from(envelope.clone())).unwrap()).await;
        assert!([400, 415].contains(&page.status.as_u16()), "{kind}: {}", page.status);
        assert!(!page.text().contains("SAMLResponse"), "{kind}");
    }
}
