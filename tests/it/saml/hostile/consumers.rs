//! Addresses to which an answer might be stolen.
use super::asker::{PLAIN, Scene, query};

#[expect(clippy::too_many_lines, reason = "a list of tricks")]
#[tokio::test]
async fn answers_go_to_addresses_of_the_metadata_alone() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let at = PLAIN.at("/acs");
    let good = scene.draft(PLAIN);
    let with = |url: &str| scene.draft(PLAIN).replace(&format!("URL=\"{at}\""), &format!("URL=\"{url}\""));
    for url in [
        "https://evil.example/acs",
        "https://plain.example/acs/",
        "https://plain.example/acs/more",
        "https://plain.example/acs?x=1",
        "https://plain.example/acs#x",
        "https://plain.example/x/../acs",
        "https://plain.example/./acs",
        "https://plain.example//acs",
        "https://plain.example/%61cs",
        "https://plain.example/ACS",
        "https://PLAIN.example/acs",
        "HTTPS://plain.example/acs",
        "https://plain.example:443/acs",
        "https://plain.example:444/acs",
        "https://plain.example./acs",
        "https://plain.example@evil.example/acs",
        "https://user@plain.example/acs",
        "https://plain.example\\@evil.example/acs",
        "https://pl\u{430}in.example/acs",
        "http://plain.example/acs",
        "javascript:alert(1)",
        "data:text/html,x",
        "/acs",
        "//plain.example/acs",
        " https://plain.example/acs",
        "https://plain.example/acs ",
        "https://plain.example/acs&#10;",
        "",
        "https://signer.example/acs",
        "https://plain.example/slo",
    ] {
        let outcome = scene.ask(&mut browser, &query(&with(url))).await;
        outcome.refused(url);
        assert!(!outcome.page.text().contains("evil.example"), "{url} is shown");
    }
    let without = |xml: &str| xml.replace(&format!(" AssertionConsumerServiceURL=\"{at}\""), "");
    let numbered = |index: &str| {
        without(&scene.draft(PLAIN))
            .replace(" Version=", &format!(" AssertionConsumerServiceIndex=\"{index}\" Version="))
    };
    let bare = |xml: &str| xml.replace(" ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"", "");
    for (what, draft) in [
        ("an index that is not there", bare(&numbered("2"))),
        ("an index below nought", bare(&numbered("-1"))),
        ("an index beyond numbers", bare(&numbered("99999999999999999999"))),
        ("an index that is no number", bare(&numbered("x"))),
        ("both", good.replace(" Version=", " AssertionConsumerServiceIndex=\"0\" Version=")),
        ("by redirect", good.replace("bindings:HTTP-POST", "bindings:HTTP-Redirect")),
        ("by PAOS", good.replace("bindings:HTTP-POST", "bindings:PAOS")),
        ("by artifact", good.replace("bindings:HTTP-POST", "bindings:HTTP-Artifact")),
        ("by nothing", good.replace("urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", "")),
    ] {
        scene.ask(&mut browser, &query(&draft)).await.refused(what);
    }
    // Those that are there.
    for (draft, to) in [
        (with(&PLAIN.at("/acs2")), "/acs2"),
        (bare(&numbered("1")), "/acs2"),
        (bare(&numbered("0")), "/acs"),
        (without(&scene.draft(PLAIN)), "/acs"),
        (bare(&scene.draft(PLAIN)), "/acs"),
    ] {
        let (form, response) = scene.ask(&mut browser, &query(&draft)).await.granted();
        assert_eq!(form.action.as_str(), PLAIN.at(to));
        let destination = crate::saml::emitted::attribute_of(&response, "Response", "Destination");
        assert_eq!(destination, Some(PLAIN.at(to)));
    }
}

#[tokio::test]
async fn nobody_unknown_is_answered() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let entity = PLAIN.entity();
    for issuer in [
        "https://evil.example/saml".to_owned(),
        String::new(),
        format!("{entity}/"),
        entity.to_uppercase(),
        entity.replace("https", "http"),
        format!("{}/saml/metadata", scene.portal()),
        "x".repeat(1025),
    ] {
        let draft = scene.draft(PLAIN).replace(&format!(">{entity}<"), &format!(">{issuer}<"));
        scene.ask(&mut browser, &query(&draft)).await.refused(&issuer);
    }
    let formats = scene
        .draft(PLAIN)
        .replace("<saml:Issuer>", "<saml:Issuer Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:transient\">");
    scene.ask(&mut browser, &query(&formats)).await.refused("an issuer that is no entity");
}
