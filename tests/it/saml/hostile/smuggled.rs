//! Queries that say one thing to who verifies and another to who reads.
use super::asker::{OTHER, PLAIN, SIGNER, Scene, escaped, packed, query, signature, signed, signed_query};

#[tokio::test]
async fn queries_that_say_two_things_are_refused() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let draft = || scene.draft(SIGNER);
    scene.ask(&mut browser, &signed_query(SIGNER, &draft(), Some("a b+c/é"))).await.granted();
    let good = signed_query(SIGNER, &draft(), Some("state"));
    let part = |name: &str| good.split('&').find(|part| part.starts_with(name)).unwrap().to_owned();
    let (request, relay, algorithm, signed_by) =
        (part("SAMLRequest"), part("RelayState"), part("SigAlg"), part("Signature"));
    let evil = query(&draft().replace("example/acs\"", "example/acs2\""));
    let sha1 = escaped("http://www.w3.org/2000/09/xmldsig#rsa-sha1");
    let text = format!("{}&SigAlg={sha1}", query(&draft()));
    let weak = format!("{text}&Signature={}", signature(SIGNER, &text));
    for (what, query) in [
        ("not signed", format!("{request}&{relay}")),
        ("no algorithm", format!("{request}&{relay}&{signed_by}")),
        ("an algorithm and no signature", format!("{request}&{relay}&{algorithm}")),
        ("an empty signature", format!("{request}&{relay}&{algorithm}&Signature=")),
        ("another relay state", format!("{request}&RelayState=other&{algorithm}&{signed_by}")),
        ("no relay state", format!("{request}&{algorithm}&{signed_by}")),
        ("another request", format!("{evil}&{relay}&{algorithm}&{signed_by}")),
        ("two requests, the other first", format!("{evil}&{good}")),
        ("two requests, the other last", format!("{good}&{evil}")),
        ("two relay states", format!("{good}&RelayState=other")),
        ("two algorithms", format!("{good}&{algorithm}")),
        ("two signatures", format!("{good}&{signed_by}")),
        ("a request and a response", format!("{good}&SAMLResponse={}", packed(b"<x/>"))),
        ("the same name in disguise", format!("{good}&SAML%52equest={}", &evil["SAMLRequest=".len()..])),
        ("SHA-1", weak),
        ("signed by another", signed_query(OTHER, &draft(), None)),
        ("signed within", format!("SAMLRequest={}", packed(signed(SIGNER, &draft()).as_bytes()))),
        ("signed within and without", signed_query(SIGNER, &signed(SIGNER, &draft()), None)),
        ("another encoding", good.replace("&SigAlg", "&SAMLEncoding=urn%3Ax&SigAlg")),
    ] {
        scene.ask(&mut browser, &query).await.refused(what);
    }
    // The original is still good, and goes where its relay state says.
    let (form, _) = scene.ask(&mut browser, &good).await.granted();
    assert_eq!(form.field("RelayState"), Some("state"));
}

#[tokio::test]
async fn what_was_signed_is_verified_in_the_letters_in_which_it_came() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    // Lower-case escapes and a plus for a space are other octets, and signed as such.
    for state in ["a%20b", "a+b", "%c3%a9", "%C3%A9", "%61"] {
        let text =
            format!("{}&RelayState={state}&SigAlg={}", query(&scene.draft(SIGNER)), escaped(super::asker::RSA_SHA256));
        let good = format!("{text}&Signature={}", signature(SIGNER, &text));
        let (form, _) = scene.ask(&mut browser, &good).await.granted();
        let plain = url::form_urlencoded::parse(format!("x={state}").as_bytes()).next().unwrap().1.into_owned();
        assert_eq!(form.field("RelayState"), Some(&*plain));
    }
    let text = format!("{}&RelayState=a+b&SigAlg={}", query(&scene.draft(SIGNER)), escaped(super::asker::RSA_SHA256));
    let good = format!("{text}&Signature={}", signature(SIGNER, &text));
    scene.ask(&mut browser, &good.replace("a+b", "a%20b")).await.refused("the same in other octets");
    // In another order it is what it was: the order of what is signed is fixed.
    let parts: Vec<_> = good.split('&').rev().collect();
    scene.ask(&mut browser, &parts.join("&")).await.granted();
    // A vendor whose metadata says nothing of signatures may leave them out, but not get them wrong.
    scene.ask(&mut browser, &query(&scene.draft(PLAIN))).await.granted();
    let foreign = signed_query(SIGNER, &scene.draft(PLAIN), None);
    scene.ask(&mut browser, &foreign).await.refused("signed by nobody that is known");
}
