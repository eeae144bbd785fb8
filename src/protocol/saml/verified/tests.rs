//! One form of signature is believed, and every other is refused before or by the library.
use super::super::key::VerificationKey;
use super::super::parsed::{Bounds, Malformed, Parsed};
use super::testing::{EC, OTHER, REQUEST, RSA, cost, template};
use super::{Bergshamra, Unverified, Verifier, has_signature};

const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
const NOTHING: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// What becomes of a message: its issuer from the verified node, or a word.
fn heard(text: &str, keys: &[VerificationKey]) -> Result<String, &'static str> {
    let parsed = Parsed::message(text.as_bytes()).map_err(Malformed::as_str)?;
    let node = Bergshamra.verify_enveloped(&parsed, keys).map_err(Unverified::as_str)?;
    let issuer = node.child("urn:oasis:names:tc:SAML:2.0:assertion", "Issuer").and_then(super::Node::word);
    issuer.ok_or("no issuer")
}

fn signed() -> String {
    RSA.sign(REQUEST, "_a1")
}

/// A document with another template in the place of its signature.
fn with_template(template: &str) -> String {
    RSA.fill(&REQUEST.replace("{signature}", template))
}

fn ours() -> [VerificationKey; 1] {
    [RSA.public()]
}

#[test]
fn a_signed_message_is_verified_by_any_of_the_keys() {
    let issuer = Ok("https://sp.example/shibboleth".to_owned());
    assert_eq!(heard(&signed(), &ours()), issuer);
    assert_eq!(heard(&signed(), &[OTHER.public(), EC.public(), RSA.public()]), issuer);
    assert_eq!(heard(&EC.sign(REQUEST, "_a1"), &[RSA.public(), EC.public()]), issuer);
    assert_eq!(heard(&with_template(&template("", RSA.method())), &ours()), issuer);
}

/// Some programs break base64 with carriage returns, which stand there as references.
#[test]
fn the_signature_may_be_broken_into_lines() {
    for broken in ["\n", "\r\n", "&#13;\n", " "] {
        let at = "<ds:SignatureValue>".len() + 40;
        let mut text = signed();
        let start = text.find("<ds:SignatureValue>").expect("a value");
        text.insert_str(start + at, broken);
        assert!(heard(&text, &ours()).is_ok(), "{broken:?}");
    }
}

#[test]
fn what_was_signed_may_not_change() {
    assert!(has_signature(&Parsed::message(signed().as_bytes()).expect("a message")));
    for (was, is) in [
        ("https://sp.example/acs", "https://ev.example/acs"),
        (">https://sp.example/shibboleth<", ">https://sp.example/shibbolets<"),
        ("Version=\"2.0\"", "Version=\"2.0\" ForceAuthn=\"true\""),
        ("#enveloped-signature\"", "#enveloped-signature\" x=\"y\""),
    ] {
        let changed = signed().replace(was, is);
        assert_ne!(changed, signed());
        assert_eq!(heard(&changed, &ours()), Err("signature"), "{was}");
    }
}

#[test]
fn only_a_key_of_the_metadata_counts() {
    assert_eq!(heard(&signed(), &[]), Err("key"));
    assert_eq!(heard(&signed(), &[OTHER.public()]), Err("signature"));
    assert_eq!(heard(&signed(), &[EC.public()]), Err("signature"));
    assert_eq!(heard(&REQUEST.replace("{signature}", ""), &ours()), Err("unsigned"));
    // A certificate of the forger's own in KeyInfo is read by nobody.
    let certificate = base64(&OTHER.expired_certificate());
    let info = format!(
        "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    );
    let forged = OTHER.fill(&REQUEST.replace(
        "{signature}",
        &template("#_a1", OTHER.method()).replace("</ds:Signature>", &format!("{info}</ds:Signature>")),
    ));
    assert_eq!(heard(&forged, &ours()), Err("signature"));
    assert!(heard(&forged, &[OTHER.public()]).is_ok(), "the form itself is sound");
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn weak_and_confused_algorithms_are_refused() {
    for method in [
        SHA1,
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA256",
        "",
    ] {
        assert_eq!(heard(&signed().replace(RSA.method(), method), &ours()), Err("algorithm"), "{method}");
    }
    let digest = "http://www.w3.org/2001/04/xmlenc#sha256";
    for weak in ["http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmldsig-more#md5"] {
        assert_eq!(heard(&signed().replace(digest, weak), &ours()), Err("algorithm"), "{weak}");
    }
    let truncated = format!("{}\"><ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>", RSA.method());
    let hmac = signed().replace(&format!("{}\"/>", RSA.method()), &truncated);
    assert_eq!(heard(&hmac, &ours()), Err("form"));
}

#[test]
fn the_transforms_are_the_two_of_an_enveloped_signature() {
    let enveloped = "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
    let exclusive = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>";
    let both = format!("{enveloped}{exclusive}");
    let of = |algorithm: &str| format!("<ds:Transform Algorithm=\"{algorithm}\"/>");
    let many = both.repeat(100);
    for (transforms, word) in [
        (String::new(), "form"),
        (enveloped.to_owned(), "form"),
        (exclusive.to_owned(), "form"),
        (format!("{exclusive}{enveloped}"), "algorithm"),
        (format!("{both}{exclusive}"), "form"),
        (many, "form"),
        (format!("{enveloped}{}", of("http://www.w3.org/TR/1999/REC-xslt-19991116")), "algorithm"),
        (format!("{enveloped}{}", of("http://www.w3.org/TR/1999/REC-xpath-19991116")), "algorithm"),
        (format!("{enveloped}{}", of("http://www.w3.org/2002/06/xmldsig-filter2")), "algorithm"),
        (format!("{enveloped}{}", of("http://www.w3.org/2001/10/xml-exc-c14n#WithComments")), "algorithm"),
        (format!("{enveloped}{}", of("http://www.w3.org/TR/2001/REC-xml-c14n-20010315")), "algorithm"),
    ] {
        let changed = signed().replace(&both, &transforms);
        assert_ne!(changed, signed());
        assert_eq!(heard(&changed, &ours()), Err(word), "{transforms}");
    }
    let kept = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"><ec:InclusiveNamespaces \
        xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"xs #default\"/></ds:Transform>";
    let template = template("#_a1", RSA.method()).replace(exclusive, kept);
    assert!(heard(&with_template(&template), &ours()).is_ok());
    let odd = template.replace("xs #default", "xs('");
    assert_eq!(heard(&with_template(&odd), &ours()), Err("form"));
}

#[test]
fn the_reference_covers_the_whole_document() {
    for (uri, word) in [
        ("#_b2", "reference"),
        ("#", "reference"),
        ("file:///etc/passwd", "reference"),
        ("http://127.0.0.1:9/x", "reference"),
        ("cid:x", "reference"),
        ("#xpointer(/)", "reference"),
        ("#xpointer(id('_a1'))", "reference"),
        ("_a1", "reference"),
    ] {
        assert_eq!(heard(&signed().replace("URI=\"#_a1\"", &format!("URI=\"{uri}\"")), &ours()), Err(word), "{uri}");
    }
    assert_eq!(heard(&signed().replace(" URI=\"#_a1\"", ""), &ours()), Err("reference"));
    let text = signed();
    let start = text.find("<ds:Reference").expect("a reference");
    let end = text.find("</ds:SignedInfo>").expect("its end");
    let reference = &text[start..end];
    for count in [0, 2, 20] {
        let changed = text.replace(reference, &reference.repeat(count));
        assert_eq!(heard(&changed, &ours()), Err("form"), "{count}");
    }
}

#[test]
fn a_signature_has_one_form_and_one_place() {
    let text = signed();
    let start = text.find("<ds:Signature ").expect("a signature");
    let end = text.find("</samlp:AuthnRequest>").expect("its end");
    let signature = text[start..end].to_owned();
    let info_end = signature.find("</ds:SignedInfo>").expect("its end") + "</ds:SignedInfo>".len();
    let info_start = signature.find("<ds:SignedInfo>").expect("its start");
    let info = &signature[info_start..info_end];
    let issuer = &text[text.find("<saml:Issuer").expect("an issuer")..start];
    for (name, changed) in [
        ("two SignedInfo", text.replace(info, &info.repeat(2))),
        ("two signatures", text.replace(&signature, &signature.repeat(2))),
        ("before the issuer", text.replace(&format!("{issuer}{signature}"), &format!("{signature}{issuer}"))),
        ("deeper", text.replace(&signature, &format!("<samlp:Extensions>{signature}</samlp:Extensions>"))),
        ("later", text.replace(&signature, &format!("<samlp:Scoping/>{signature}"))),
        ("an object", text.replace("</ds:Signature>", "<ds:Object/></ds:Signature>")),
        ("text", text.replace("</ds:SignedInfo>", "</ds:SignedInfo>x")),
        (
            "no value",
            text.replace("<ds:SignatureValue>", "<ds:SignatureValue/><ds:KeyInfo>")
                .replace("</ds:SignatureValue>", "</ds:KeyInfo>"),
        ),
        ("an element in the digest", text.replace("</ds:DigestValue>", "<ds:X/></ds:DigestValue>")),
    ] {
        assert_ne!(changed, text, "{name}");
        assert_eq!(heard(&changed, &ours()), Err("form"), "{name}");
    }
    for (name, changed) in [
        ("comment", text.replace("</ds:DigestValue>", "<!----></ds:DigestValue>")),
        ("instruction", text.replace("</ds:DigestValue>", "<?x?></ds:DigestValue>")),
        ("section", text.replace("</ds:DigestValue>", "<![CDATA[]]></ds:DigestValue>")),
    ] {
        assert_eq!(heard(&changed, &ours()), Err("markup"), "{name}");
    }
}

#[test]
fn nothing_is_not_a_digest_of_anything() {
    let text = signed();
    let start = text.find("<ds:DigestValue>").expect("a digest") + "<ds:DigestValue>".len();
    let end = text.find("</ds:DigestValue>").expect("its end");
    for value in [NOTHING, "", "AAAA", "not base64"] {
        let changed = format!("{}{value}{}", &text[..start], &text[end..]);
        assert_eq!(heard(&changed, &ours()), Err("form"), "{value}");
    }
    for relative in ["1", "a/b", "#x", "//host/x", ":x", ""] {
        let changed = text.replace("<saml:Issuer ", &format!("<saml:Issuer xmlns:q=\"{relative}\" "));
        assert!(matches!(heard(&changed, &ours()), Err("namespace" | "syntax")), "{relative}");
    }
}

/// Signature wrapping, eight ways (Somorovsky and others, 2012), for a request: a good one is moved, and a forged one stands
/// where a careless reader looks.
#[test]
fn a_wrapped_request_is_refused() {
    let good = signed();
    let start = good.find("<ds:Signature ").expect("a signature");
    let end = good.find("</samlp:AuthnRequest>").expect("its end");
    let signature = good[start..end].to_owned();
    let unsigned = good.replace(&signature, "");
    let evil = |id: &str, inside: &str| {
        REQUEST
            .replace("_a1", id)
            .replace("https://sp.example/acs", "https://ev.example/acs")
            .replace("{signature}", inside)
    };
    let object =
        format!("<ds:Object xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{unsigned}</ds:Object></ds:Signature>");
    let with_object = signature.replace("</ds:Signature>", &object);
    let extension = |what: &str| format!("<samlp:Extensions>{what}</samlp:Extensions>");
    let parent = "<samlp:Extensions xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">";
    for (number, text) in [
        (1, evil("_evil", &with_object)),
        (2, evil("_evil", &format!("{signature}{unsigned}"))),
        (3, format!("{parent}{}{good}</samlp:Extensions>", evil("_evil", ""))),
        (4, evil("_evil", &good)),
        (5, evil("_a1", &format!("{signature}{}", extension(&unsigned)))),
        (6, evil("_a1", &with_object)),
        (7, evil("_evil", &extension(&good))),
        (8, evil("_evil", &format!("{}{}", extension(&unsigned), with_object))),
        // The same ID by another attribute.
        (9, evil("_evil", &format!("{signature}{}", extension(&unsigned.replace(" ID=", " Id="))))),
        (10, evil("_evil", &signature).replace(" ID=\"_evil\"", " ID=\"_evil\" Id=\"_a1\"")),
        (11, evil("_evil", &signature).replace(" ID=\"_evil\"", " ID=\"_evil\" xml:id=\"_a1\"")),
        (12, evil("_evil", &signature).replace(" ID=\"_evil\"", " id=\"_a1\" ID=\"_evil\"")),
    ] {
        let answer = heard(&text, &ours());
        assert!(matches!(answer, Err("form" | "id" | "reference")), "{number}: {answer:?}");
    }
}

#[test]
fn metadata_is_verified_the_same_way() {
    let document = "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" ID=\"_m\" \
        entityID=\"https://sp.example\">{signature}<!-- a remark --><md:Extensions/></md:EntityDescriptor>";
    let verify = |text: &str| {
        let parsed = Parsed::metadata(text.as_bytes(), Bounds::metadata(1 << 20)).map_err(Malformed::as_str)?;
        Bergshamra.verify_enveloped(&parsed, &ours()).map(|node| node.name().to_owned()).map_err(Unverified::as_str)
    };
    let signed = RSA.sign(document, "_m");
    assert_eq!(verify(&signed).as_deref(), Ok("EntityDescriptor"));
    assert_eq!(verify(&signed.replace("https://sp.example", "https://ev.example")), Err("signature"));
    // One entity of many is signed, and not what holds it.
    let aggregate = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{signed}</md:EntitiesDescriptor>"
    );
    assert_eq!(verify(&aggregate), Err("form"));
    assert_eq!(verify(&signed.replace("</ds:DigestValue>", "<!----></ds:DigestValue>")), Err("form"));
}

/// What is as dear as the bounds allow: refused by its form, or canonicalised, digested and found wrong.
#[test]
fn no_signed_message_costs_more_than_fifty_milliseconds() {
    let text = signed();
    let between = |start: &str, end: &str| {
        let from = text.find(start).expect("its start");
        text[from..from + text[from..].find(end).expect("its end") + end.len()].to_owned()
    };
    let reference = between("<ds:Reference", "</ds:Reference>");
    let transform = between("<ds:Transform ", "/>");
    let extended = |inside: String| {
        let extensions = format!("</ds:Signature><samlp:Extensions>{inside}</samlp:Extensions>");
        text.replace("</ds:Signature>", &extensions)
    };
    let repeated = |most: u32, one: &dyn Fn(u32) -> String| (0..most).map(one).collect::<String>();
    let declared = repeated(31, &|at| format!(" xmlns:p{at}=\"u:{at}\""));
    let used = repeated(31, &|at| format!(" p{at}:a=\"\""));
    let attributes = repeated(30, &|at| format!(" a{at}=\"&#10;\""));
    for (name, text, word) in [
        ("2,000 references", text.replace(&reference, &reference.repeat(2000)), "size"),
        ("150 references", text.replace(&reference, &reference.repeat(150)), "form"),
        ("5,000 transforms", text.replace(&transform, &transform.repeat(5000)), "size"),
        ("600 transforms", text.replace(&transform, &transform.repeat(600)), "form"),
        ("1,900 elements", extended("<x/>".repeat(1900)), "signature"),
        ("deep elements", extended(format!("{}{}", "<x>".repeat(30), "</x>".repeat(30)).repeat(60)), "signature"),
        ("many attributes", extended(format!("<x{attributes}/>").repeat(150)), "signature"),
        (
            "many prefixes",
            extended(format!("<x{declared}><y{declared}>{}</y></x>", format!("<z{used}/>").repeat(190))),
            "signature",
        ),
        ("many prefixes, not used", extended(format!("<x{declared}>{}</x>", "<z/>".repeat(1900))), "signature"),
        ("a long text", extended("&#10;".repeat(11_000)), "signature"),
    ] {
        let cost = cost(|| assert_eq!(heard(&text, &ours()), Err(word), "{name}"));
        assert!(cost < 50.0, "{name}: {cost} ms");
    }
}
