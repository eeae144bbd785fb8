//! Sign-outs that somebody else has written.
use super::asker::{
    OTHER, Outcome, PLAIN, SIGNER, Scene, deflated, escaped, id, packed, posted, query, signed, signed_query, stamp,
};
use crate::saml::emitted::{attribute_of, element, statuses, text};
use crate::saml::page::navigate;
use crate::support::Browser;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How a vendor calls a session.
struct Known {
    name: String,
    session: String,
}

async fn enter(scene: &Scene, browser: &mut Browser) -> Known {
    let (_, response) = scene.ask(browser, &signed_query(SIGNER, &scene.draft(SIGNER), None)).await.granted();
    let name = text(element(&response, "NameID").1);
    Known { name, session: attribute_of(&response, "AuthnStatement", "SessionIndex").unwrap() }
}

fn leaving(scene: &Scene, known: &Known) -> String {
    let (id, issued, slo, entity) = (id(), stamp(0), scene.slo(), SIGNER.entity());
    let idp = format!("{}/saml/metadata", scene.portal());
    let Known { name, session } = known;
    format!(
        "<samlp:LogoutRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{issued}\" \
         Destination=\"{slo}\"><saml:Issuer>{entity}</saml:Issuer>\
         <saml:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:transient\" NameQualifier=\"{idp}\" \
         SPNameQualifier=\"{entity}\">{name}</saml:NameID>\
         <samlp:SessionIndex>{session}</samlp:SessionIndex></samlp:LogoutRequest>"
    )
}

async fn is_in(scene: &Scene, browser: &mut Browser) -> bool {
    let page = navigate(browser, &format!("{}/login", scene.portal())).await;
    let page = browser.follow(page).await;
    !page.text().contains("name=\"pin\"")
}

/// The status of the answer that a browser carries to the vendor, if there is one.
fn answered(outcome: &Outcome) -> Option<Vec<String>> {
    let to = outcome.page.location()?;
    assert!(to.as_str().starts_with(&SIGNER.at("/slo?")), "{to}");
    let packed = to.query_pairs().find(|(name, _)| name == "SAMLResponse")?.1.into_owned();
    let mut text = String::new();
    let packed = STANDARD.decode(packed).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::DeflateDecoder::new(&*packed), &mut text).unwrap();
    Some(statuses(&text))
}

#[expect(clippy::too_many_lines, reason = "a list of tricks")]
#[tokio::test]
async fn nobody_but_the_vendor_itself_signs_its_reader_out() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let known = enter(&scene, &mut browser).await;
    let good = leaving(&scene, &known);
    let encrypted = "<saml:EncryptedID><xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"><xenc:CipherData>\
                     <xenc:CipherReference URI=\"http://127.0.0.1:1/\"/></xenc:CipherData></xenc:EncryptedData>\
                     </saml:EncryptedID>";
    let (start, rest) = good.split_once("<saml:NameID").unwrap();
    let hidden = format!("{start}{encrypted}{}", rest.split_once("</saml:NameID>").unwrap().1);
    for (what, query) in [
        ("not signed", query(&good)),
        ("signed by another", signed_query(OTHER, &good, None)),
        (
            "without a name",
            signed_query(SIGNER, &format!("{start}{}", rest.split_once("</saml:NameID>").unwrap().1), None),
        ),
        ("with an encrypted name", signed_query(SIGNER, &hidden, None)),
        ("for another address", signed_query(SIGNER, &good.replace("/saml/slo\"", "/saml/sso\""), None)),
        ("a day old", signed_query(SIGNER, &old(&good, -86_400), None)),
        (
            "held until yesterday",
            signed_query(
                SIGNER,
                &good.replace(" Version=", &format!(" NotOnOrAfter=\"{}\" Version=", stamp(-86_400))),
                None,
            ),
        ),
        ("no message", format!("SAMLRequest={}", packed(b"<x/>"))),
    ] {
        let outcome = scene.ask_at(&mut browser, &scene.slo(), &query).await;
        assert!(answered(&outcome).is_none_or(|said| said[0] != "Success"), "{what}");
        assert!(is_in(&scene, &mut browser).await, "{what}: the reader is signed out");
    }
    for (what, form) in [
        ("not signed", posted(&good)),
        ("signed by another", posted(&signed(OTHER, &good))),
        ("deflated", deflated(good.as_bytes())),
    ] {
        scene.post_at(&mut browser, &scene.slo(), &[("SAMLRequest", &form)]).await.refused(what);
        assert!(is_in(&scene, &mut browser).await, "{what}, by a form: the reader is signed out");
    }
    // Somebody else's session, name, or names.
    let others = enter(&scene, &mut scene.signed_in().await).await;
    for (what, text) in [
        ("another session", good.replace(&known.session, &others.session)),
        ("another name", good.replace(&known.name, &others.name)),
        (
            "another vendor's name",
            good.replace(
                &format!("SPNameQualifier=\"{}\"", SIGNER.entity()),
                &format!("SPNameQualifier=\"{}\"", OTHER.entity()),
            ),
        ),
        ("another provider's name", good.replace("/saml/metadata\" SPName", "/saml/other\" SPName")),
        ("another issuer", good.replace(&format!(">{}<", SIGNER.entity()), &format!(">{}<", PLAIN.entity()))),
    ] {
        assert_ne!(text, good, "{what}");
        scene.ask_at(&mut browser, &scene.slo(), &signed_query(SIGNER, &text, None)).await;
        assert!(is_in(&scene, &mut browser).await, "{what}: the reader is signed out");
    }
    // And the vendor itself does.
    let outcome = scene.ask_at(&mut browser, &scene.slo(), &signed_query(SIGNER, &good, Some("state"))).await;
    assert_eq!(answered(&outcome), Some(vec!["Success".to_owned()]), "{}", outcome.page.text());
    let to = outcome.page.location().unwrap();
    assert!(to.query_pairs().any(|(name, value)| name == "RelayState" && value == "state"), "{to}");
    assert!(!is_in(&scene, &mut browser).await);
}

fn old(message: &str, seconds: i64) -> String {
    let issued = crate::saml::page::attribute(message.split('>').next().unwrap(), "IssueInstant").unwrap();
    message.replace(&issued, &stamp(seconds))
}

#[tokio::test]
async fn answers_that_nobody_asked_for_lead_nowhere() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    enter(&scene, &mut browser).await;
    let (own, issued, slo, entity, asked) = (id(), stamp(0), scene.slo(), SIGNER.entity(), id());
    let answer = format!(
        "<samlp:LogoutResponse xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{own}\" Version=\"2.0\" IssueInstant=\"{issued}\" \
         Destination=\"{slo}\" InResponseTo=\"{asked}\"><saml:Issuer>{entity}</saml:Issuer><samlp:Status>\
         <samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status></samlp:LogoutResponse>"
    );
    let base = format!("SAMLResponse={}", packed(answer.as_bytes()));
    for state in
        ["", "/\\evil.example", "//evil.example", "https:evil.example", "https://evil.example/", "javascript:alert(1)"]
    {
        let query = if state.is_empty() { base.clone() } else { format!("{base}&RelayState={}", escaped(state)) };
        let outcome = scene.ask_at(&mut browser, &scene.slo(), &query).await;
        assert_eq!(outcome.page.url.origin().ascii_serialization(), scene.portal(), "{state}");
        assert!(outcome.page.location().is_none(), "{state}");
        assert!(!outcome.page.text().contains("evil.example"), "{state}: {}", outcome.page.text());
        assert!(is_in(&scene, &mut browser).await, "{state}: the reader is signed out");
    }
}
