//! Signatures that cover something else than what is read: wrapping, duplicates, other keys, other algorithms.
use super::asker::{OTHER, PLAIN, SIGNER, Scene, completed, id, posted, signed, template};
use crate::saml::page::attribute;

/// A signed request and one of an attacker, in every arrangement in which the signature is good and the other one is read by
/// a careless reader.
fn wrapped(original: &str, evil: &str) -> Vec<(&'static str, String)> {
    let (start, rest) = original.split_once("<ds:Signature").unwrap();
    let (signature, end) = rest.split_once("</ds:Signature>").unwrap();
    let signature = format!("<ds:Signature{signature}</ds:Signature>");
    let bare = format!("{start}{end}");
    let after_issuer = |text: &str| evil.replacen("</saml:Issuer>", &format!("</saml:Issuer>{text}"), 1);
    let inside = |text: &str| evil.replace("</samlp:AuthnRequest>", &format!("{text}</samlp:AuthnRequest>"));
    let extensions = |text: &str| format!("<samlp:Extensions>{text}</samlp:Extensions>");
    let object =
        |text: &str| signature.replace("</ds:Signature>", &format!("<ds:Object>{text}</ds:Object></ds:Signature>"));
    let same_id = |text: &str| {
        let (ours, theirs) = (id_of(evil), id_of(original));
        text.replace(&format!("\"{ours}\""), &format!("\"{theirs}\""))
    };
    vec![
        (
            "the original in the signature",
            after_issuer(&signature.replace("</ds:Signature>", &format!("{bare}</ds:Signature>"))),
        ),
        ("the original beside the signature", after_issuer(&format!("{signature}{bare}"))),
        ("the signed original in extensions", after_issuer(&extensions(original))),
        ("the signed original as a child", inside(original)),
        ("the same ID twice", same_id(&after_issuer(&format!("{signature}{}", extensions(&bare))))),
        ("the original in an object", after_issuer(&object(&bare))),
        ("the original in extensions", after_issuer(&format!("{signature}{}", extensions(&bare)))),
        ("the signature with its object in extensions", after_issuer(&extensions(&object(&bare)))),
        (
            "the attacker's in the original",
            original.replace("</samlp:AuthnRequest>", &format!("{evil}</samlp:AuthnRequest>")),
        ),
        ("one after the other", format!("{evil}{original}")),
        ("both in another element", format!("<x>{evil}{original}</x>")),
        (
            "the same ID as xml:id",
            after_issuer(&signature).replacen(" ID=", &format!(" xml:id=\"{}\" ID=", id_of(original)), 1),
        ),
        (
            "the same ID as Id",
            after_issuer(&signature).replacen(" ID=", &format!(" Id=\"{}\" ID=", id_of(original)), 1),
        ),
        ("the signature of the original", same_id(&after_issuer(&signature))),
    ]
}

fn id_of(request: &str) -> String {
    attribute(request.split('>').next().unwrap(), "ID").unwrap()
}

#[tokio::test]
async fn wrapped_signatures_are_refused() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    let good = signed(SIGNER, &scene.draft(SIGNER));
    let (form, _) = scene.post(&mut browser, &[("SAMLRequest", &posted(&good))]).await.granted();
    assert_eq!(form.action.as_str(), SIGNER.at("/acs"));
    // The attacker's asks for an answer at another of the vendor's addresses.
    let good = signed(SIGNER, &scene.draft(SIGNER));
    let evil = scene.draft(SIGNER).replace("example/acs\"", "example/acs2\"");
    assert!(evil.contains("/acs2"));
    for (what, document) in wrapped(&good, &evil) {
        scene.post(&mut browser, &[("SAMLRequest", &posted(&document))]).await.refused(what);
    }
    // The issuer is another: one that signs nothing.
    let evil = scene.draft(PLAIN);
    for (what, document) in wrapped(&good, &evil) {
        let outcome = scene.post(&mut browser, &[("SAMLRequest", &posted(&document))]).await;
        outcome.refused(&format!("{what}, of another vendor"));
    }
    // The untouched original is still good: it was not answered yet.
    scene.post(&mut browser, &[("SAMLRequest", &posted(&good))]).await.granted();
}

/// Requests whose signature is not one that may be believed.
#[expect(clippy::too_many_lines, reason = "a list of tricks")]
fn doubtful(scene: &Scene) -> Vec<(&'static str, String)> {
    let good = signed(SIGNER, &scene.draft(SIGNER));
    let draft = scene.draft(SIGNER);
    let id = id_of(&draft);
    let (before, after) = draft.split_once("</saml:Issuer>").unwrap();
    let with = |template: &str| completed(SIGNER, &format!("{before}</saml:Issuer>{template}{after}"));
    let plain = template(&id);
    let (head, tail) = good.split_once("<ds:Signature").unwrap();
    let signature = format!("<ds:Signature{}</ds:Signature>", tail.split("</ds:Signature>").next().unwrap());
    let rest = tail.split_once("</ds:Signature>").unwrap().1;
    let digest = |value: &str| {
        let (start, rest) = good.split_once("<ds:DigestValue>").unwrap();
        let (old, end) = rest.split_once("</ds:DigestValue>").unwrap();
        format!("{start}<ds:DigestValue>{}</ds:DigestValue>{end}", value.replace('@', old))
    };
    let reference = |uri: &str| good.replace("URI=\"#", &format!("URI=\"{uri}"));
    let method = |name: &str| good.replace("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", name);
    let (_, info) = good.split_once("<ds:SignedInfo>").unwrap();
    let info = format!("<ds:SignedInfo>{}</ds:SignedInfo>", info.split("</ds:SignedInfo>").next().unwrap());
    let (_, once) = info.split_once("<ds:Reference").unwrap();
    let once = format!("<ds:Reference{}</ds:Reference>", once.split("</ds:Reference>").next().unwrap());
    let transform = |algorithm: &str, text: &str| {
        let more = format!("<ds:Transform Algorithm=\"{algorithm}\">{text}</ds:Transform></ds:Transforms>");
        good.replace("</ds:Transforms>", &more)
    };
    vec![
        ("signed by another vendor", signed(OTHER, &scene.draft(SIGNER))),
        ("changed after signing", good.replace("example/acs\"", "example/acs2\"")),
        ("not signed", draft.clone()),
        ("two signatures", format!("{head}{signature}{signature}{rest}")),
        ("a signature at the end", {
            // Behind something that belongs behind it.
            let policy = "<samlp:NameIDPolicy AllowCreate=\"true\"></samlp:NameIDPolicy></samlp:AuthnRequest>";
            let more = signed(SIGNER, &scene.draft(SIGNER).replace("</samlp:AuthnRequest>", policy));
            let (start, rest) = more.split_once("<ds:Signature").unwrap();
            let (inside, end) = rest.split_once("</ds:Signature>").unwrap();
            let moved = format!("<ds:Signature{inside}</ds:Signature></samlp:AuthnRequest>");
            format!("{start}{}", end.replace("</samlp:AuthnRequest>", &moved))
        }),
        ("two SignedInfo", good.replace(&info, &format!("{info}{info}"))),
        ("two references", good.replace(&once, &format!("{once}{once}"))),
        ("two hundred references", good.replace(&once, &once.repeat(100))),
        ("no reference", good.replace(&once, "")),
        ("a comment in the digest", digest("<!-- -->@")),
        ("the digest of nothing", digest("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")),
        ("no digest", digest("")),
        ("a file", reference("file:///etc/passwd#")),
        ("another server", reference("http://127.0.0.1:1/#")),
        ("an XPointer", reference("#xpointer(/)")),
        ("nobody", reference(&format!("#x{}", super::asker::id()))),
        ("HMAC", method("http://www.w3.org/2000/09/xmldsig#hmac-sha1")),
        ("HMAC with SHA-256", method("http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")),
        (
            "RSA with SHA-1",
            with(&plain.replace(
                "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            )),
        ),
        (
            "a digest by SHA-1",
            with(&plain.replace("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1")),
        ),
        (
            "canonical XML with comments",
            with(&plain.replace(
                "CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"",
                "CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#WithComments\"",
            )),
        ),
        (
            "XPath",
            transform("http://www.w3.org/TR/1999/REC-xpath-19991116", "<ds:XPath>not(ancestor-or-self::x)</ds:XPath>"),
        ),
        (
            "XSLT",
            transform(
                "http://www.w3.org/TR/1999/REC-xslt-19991116",
                "<xsl:stylesheet xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" version=\"1.0\"/>",
            ),
        ),
        (
            "many transforms",
            transform("http://www.w3.org/2001/10/xml-exc-c14n#", "").replace(
                "</ds:Transforms>",
                &format!(
                    "{}</ds:Transforms>",
                    "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>".repeat(300)
                ),
            ),
        ),
        (
            "no transforms",
            with(&plain.replace("<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>", "")),
        ),
        ("a relative namespace", good.replace("<saml:Issuer>", "<saml:Issuer xmlns:q=\"1\">")),
        ("an empty signature", {
            let (start, rest) = good.split_once("<ds:SignatureValue>").unwrap();
            format!(
                "{start}<ds:SignatureValue></ds:SignatureValue>{}",
                rest.split_once("</ds:SignatureValue>").unwrap().1
            )
        }),
    ]
}

#[tokio::test]
async fn signatures_that_nobody_can_believe_are_refused() {
    let scene = Scene::open().await;
    let mut browser = scene.signed_in().await;
    for (what, document) in doubtful(&scene) {
        scene.post(&mut browser, &[("SAMLRequest", &posted(&document))]).await.refused(what);
    }
    // Not even where no signature is asked for: one that is there has to be good.
    let unsigned = scene.draft(PLAIN);
    let (before, after) = unsigned.split_once("</saml:Issuer>").unwrap();
    let foreign = completed(SIGNER, &format!("{before}</saml:Issuer>{}{after}", template(&id_of(&unsigned))));
    scene.post(&mut browser, &[("SAMLRequest", &posted(&foreign))]).await.refused("signed by nobody that is known");
    // The key in the message is nobody's.
    let draft = scene.draft(SIGNER);
    let (before, after) = draft.split_once("</saml:Issuer>").unwrap();
    let key = "<ds:KeyInfo><ds:KeyValue></ds:KeyValue></ds:KeyInfo></ds:Signature>";
    let own = template(&id_of(&draft)).replace("</ds:Signature>", key);
    let own = completed(OTHER, &format!("{before}</saml:Issuer>{own}{after}"));
    assert!(own.contains("Modulus"), "{own}");
    scene.post(&mut browser, &[("SAMLRequest", &posted(&own))]).await.refused("with the key in the message");
    assert_ne!(id(), id());
}
