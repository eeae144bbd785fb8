//! Requests that are genuine and cannot be fulfilled, too old, or answered already.
use super::asker::{PLAIN, SIGNER, Scene, draft_for, id, query, signed_query, stamp};
use crate::saml::page::attribute;

fn issued(draft: &str, seconds: i64) -> String {
    let old = attribute(draft.split('>').next().unwrap(), "IssueInstant").unwrap();
    draft.replace(&old, &stamp(seconds))
}

#[tokio::test]
async fn a_request_is_answered_once_and_in_its_time() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let draft = scene.draft(PLAIN);
    scene.ask(&mut browser, &query(&draft)).await.granted();
    for again in [draft.clone(), issued(&draft, -5), draft.replace("/acs\"", "/acs2\"")] {
        scene.ask(&mut browser, &query(&again)).await.refused("the same ID again");
    }
    let mut another = scene.signed_in().await;
    scene.ask(&mut another, &query(&draft)).await.refused("the same ID at another browser");
    for (seconds, good) in [(-3590, true), (-3700, false), (290, true), (400, false), (-86_400 * 365, false)] {
        let outcome = scene.ask(&mut browser, &query(&issued(&scene.draft(PLAIN), seconds))).await;
        if good {
            outcome.granted();
        } else {
            outcome.refused(&format!("{seconds} s"));
        }
    }
    for time in ["2026-02-30T00:00:00Z", "yesterday", "2026-01-01T00:00:00", "2026-01-01T00:00:00+14:59", ""] {
        let draft = scene.draft(PLAIN);
        let old = attribute(draft.split('>').next().unwrap(), "IssueInstant").unwrap();
        scene.ask(&mut browser, &query(&draft.replace(&old, time))).await.refused(time);
    }
    for to in ["https://evil.example/saml/sso", "https://login.example/saml/sso", ""] {
        let draft = draft_for(PLAIN, to);
        scene.ask(&mut browser, &query(&draft)).await.refused(&format!("for {to:?}"));
        let draft = draft_for(SIGNER, to);
        scene.ask(&mut browser, &signed_query(SIGNER, &draft, None)).await.refused(&format!("signed, for {to:?}"));
    }
    let slo = draft_for(PLAIN, &scene.slo());
    scene.ask(&mut browser, &query(&slo)).await.refused("for the other address");
    let to_slo = scene.ask_at(&mut browser, &scene.slo(), &query(&scene.draft(PLAIN))).await;
    to_slo.refused("a request to sign in where one signs out");
}

#[expect(clippy::too_many_lines, reason = "a list of tricks")]
#[tokio::test]
async fn what_cannot_be_fulfilled_is_answered_with_the_reason() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let with = |children: &str| {
        scene.draft(PLAIN).replace("</samlp:AuthnRequest>", &format!("{children}</samlp:AuthnRequest>"))
    };
    let classes = "urn:oasis:names:tc:SAML:2.0:ac:classes";
    let context = |comparison: &str, class: &str| {
        with(&format!(
            "<samlp:RequestedAuthnContext{comparison}><saml:AuthnContextClassRef>{classes}:{class}\
             </saml:AuthnContextClassRef></samlp:RequestedAuthnContext>"
        ))
    };
    let policy = |text: &str| with(&format!("<samlp:NameIDPolicy {text}/>"));
    let formats = "urn:oasis:names:tc:SAML";
    for (what, draft, statuses) in [
        ("another context", context("", "X509"), ["Requester", "NoAuthnContext"]),
        (
            "a better one",
            context(" Comparison=\"better\"", "PasswordProtectedTransport"),
            ["Requester", "NoAuthnContext"],
        ),
        (
            "a mail address",
            policy(&format!("Format=\"{formats}:1.1:nameid-format:emailAddress\"")),
            ["Requester", "InvalidNameIDPolicy"],
        ),
        (
            "a name that lasts",
            policy(&format!("Format=\"{formats}:2.0:nameid-format:persistent\" AllowCreate=\"true\"")),
            ["Requester", "InvalidNameIDPolicy"],
        ),
        (
            "another's names",
            policy("SPNameQualifier=\"https://other.example/saml\""),
            ["Requester", "InvalidNameIDPolicy"],
        ),
    ] {
        let (form, _) = scene.ask(&mut browser, &query(&draft)).await.declined(what, &statuses);
        assert_eq!(form.action.as_str(), PLAIN.at("/acs"), "{what}");
    }
    let subject = scene.draft(PLAIN).replace(
        "</saml:Issuer>",
        "</saml:Issuer><saml:Subject><saml:NameID>29475000112233</saml:NameID></saml:Subject>",
    );
    let (_, response) =
        scene.ask(&mut browser, &query(&subject)).await.declined("a subject", &["Requester", "RequestUnsupported"]);
    assert!(!response.contains("29475000112233"));
    for (what, draft) in [
        ("the context that there is", context("", "PasswordProtectedTransport")),
        ("any name", policy(&format!("Format=\"{formats}:1.1:nameid-format:unspecified\""))),
        (
            "a name for the visit",
            policy(&format!("Format=\"{formats}:2.0:nameid-format:transient\" AllowCreate=\"false\"")),
        ),
        ("passive, in a session", scene.draft(PLAIN).replace(" Version=", " IsPassive=\"true\" Version=")),
    ] {
        let (_, response) = scene.ask(&mut browser, &query(&draft)).await.granted();
        assert!(response.contains("<saml:AuthnStatement"), "{what}");
    }
    let forced = scene.draft(PLAIN).replace(" Version=", " ForceAuthn=\"1\" Version=");
    let page = scene.ask(&mut browser, &query(&forced)).await;
    assert!(page.response.is_none() && page.page.text().contains("name=\"pin\""), "{}", page.page.text());
    let both = scene.draft(PLAIN).replace(" Version=", " ForceAuthn=\"true\" IsPassive=\"true\" Version=");
    scene.ask(&mut browser, &query(&both)).await.declined("forced and passive", &["Responder", "NoPassive"]);
    let passive = scene.draft(PLAIN).replace(" Version=", " IsPassive=\"true\" Version=");
    let nobody = &mut scene.world.browser();
    scene.ask(nobody, &query(&passive)).await.declined("passive, and nobody there", &["Responder", "NoPassive"]);
    assert_ne!(id(), id());
}
