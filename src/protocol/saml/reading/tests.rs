//! What each message says, and what its schema does not allow.
use super::super::message::{Comparison, Message};
use super::super::parsed::{Malformed, Parsed};
use super::{Direction, instant, read};
use crate::domain::Timestamp;

const HEAD: &str = "xmlns:p=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:a=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
    ID=\"_1\" Version=\"2.0\" IssueInstant=\"2026-11-22T12:00:00Z\"";
const ISSUER: &str = "<a:Issuer>https://sp.example</a:Issuer>";

fn request(text: &str) -> Result<Message, &'static str> {
    heard(text, Direction::Request)
}

fn heard(text: &str, direction: Direction) -> Result<Message, &'static str> {
    let parsed = Parsed::message(text.as_bytes()).map_err(Malformed::as_str)?;
    read(parsed.root(), direction).map_err(Malformed::as_str)
}

fn authn(attributes: &str, elements: &str) -> Result<Message, &'static str> {
    request(&format!("<p:AuthnRequest {HEAD} {attributes}>{ISSUER}{elements}</p:AuthnRequest>"))
}

fn logout(attributes: &str, elements: &str) -> Result<Message, &'static str> {
    request(&format!("<p:LogoutRequest {HEAD} {attributes}>{ISSUER}{elements}</p:LogoutRequest>"))
}

#[test]
fn a_request_to_sign_in_is_read_whole() {
    let Ok(Message::Authn(plain)) = authn("", "") else { panic!("a request") };
    assert_eq!((plain.id.as_str(), plain.issuer.as_str()), ("_1", "https://sp.example"));
    assert_eq!(plain.issued, Timestamp::from_seconds(1_795_348_800));
    assert!(!plain.force && !plain.passive && !plain.names_subject && plain.contexts.is_none());
    let attributes = "Destination=\"https://login.example/saml/sso\" ForceAuthn=\"1\" IsPassive=\"true\" \
        AssertionConsumerServiceURL=\"https://sp.example/acs\" ProviderName=\"&lt;b&gt;\" \
        ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\"";
    let elements = "<p:Extensions><x xmlns=\"urn:x\"/></p:Extensions><a:Subject><a:NameID>x</a:NameID></a:Subject>\
        <p:NameIDPolicy Format=\"urn:f\" AllowCreate=\"true\" SPNameQualifier=\"q\"/>\
        <p:RequestedAuthnContext Comparison=\"minimum\"><a:AuthnContextClassRef> urn:c </a:AuthnContextClassRef>\
        </p:RequestedAuthnContext><p:Scoping><p:IDPList/></p:Scoping>";
    let Ok(Message::Authn(full)) = authn(attributes, elements) else { panic!("a request") };
    assert!(full.force && full.passive && full.names_subject);
    assert_eq!(full.destination.as_deref(), Some("https://login.example/saml/sso"));
    assert_eq!(full.consumer_url.as_deref(), Some("https://sp.example/acs"));
    assert_eq!(full.binding.as_deref(), Some("urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"));
    let policy = full.name_id.expect("a policy");
    assert_eq!((policy.format.as_deref(), policy.qualifier.as_deref()), (Some("urn:f"), Some("q")));
    assert!(policy.allow_create);
    let contexts = full.contexts.expect("contexts");
    assert_eq!((contexts.comparison, contexts.classes), (Comparison::Minimum, vec!["urn:c".to_owned()]));
    let Ok(Message::Authn(numbered)) = authn("AssertionConsumerServiceIndex=\"7\"", "") else { panic!("a request") };
    assert_eq!(numbered.consumer_index, Some(7));
}

#[test]
fn a_request_that_its_schema_does_not_allow_is_refused() {
    let contexts = |inside: &str| format!("<p:RequestedAuthnContext>{inside}</p:RequestedAuthnContext>");
    for (attributes, elements) in [
        ("AssertionConsumerServiceURL=\"https://sp.example\" AssertionConsumerServiceIndex=\"1\"", String::new()),
        ("AssertionConsumerServiceIndex=\"65536\"", String::new()),
        ("AssertionConsumerServiceIndex=\"+1\"", String::new()),
        ("AssertionConsumerServiceIndex=\"\"", String::new()),
        ("ForceAuthn=\"yes\"", String::new()),
        ("Odd=\"x\"", String::new()),
        ("", ISSUER.to_owned()),
        ("", "text".to_owned()),
        ("", "<p:Odd/>".to_owned()),
        ("", "<a:NameIDPolicy/>".to_owned()),
        ("", "<p:Subject/>".to_owned()),
        ("", "<p:NameIDPolicy/><p:NameIDPolicy/>".to_owned()),
        ("", "<p:NameIDPolicy/><a:Subject/>".to_owned()),
        ("", contexts("")),
        ("", contexts("<a:AuthnContextClassRef/>")),
        (
            "",
            contexts(
                "<a:AuthnContextClassRef>c</a:AuthnContextClassRef><a:AuthnContextDeclRef>d</a:AuthnContextDeclRef>",
            ),
        ),
        ("", contexts("<x/>")),
        (
            "",
            contexts("<a:AuthnContextClassRef>c</a:AuthnContextClassRef>")
                .replace("Context>", "Context Comparison=\"odd\">"),
        ),
    ] {
        let answer = authn(attributes, &elements);
        assert!(matches!(answer, Err("schema" | "syntax")), "{attributes} {elements}: {answer:?}");
    }
    let plain = format!("<p:AuthnRequest {HEAD}>{ISSUER}</p:AuthnRequest>");
    for (was, is, word) in [
        ("Version=\"2.0\"", "Version=\"1.1\"", "version"),
        ("Version=\"2.0\"", "", "version"),
        ("ID=\"_1\"", "", "id"),
        ("IssueInstant=\"2026-11-22T12:00:00Z\"", "", "schema"),
        ("12:00:00Z", "12:00:00", "schema"),
        (ISSUER, "", "schema"),
        ("a:Issuer>", "p:Issuer>", "schema"),
        ("https://sp.example<", "<", "schema"),
        ("https://sp.example<", "https://sp.example<a:x/><", "schema"),
        ("<a:Issuer>", "<a:Issuer NameQualifier=\"x\">", "schema"),
        ("<a:Issuer>", "<a:Issuer Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:transient\">", "schema"),
        ("p:AuthnRequest", "p:Response", "unknown"),
        ("p:AuthnRequest", "a:AuthnRequest", "unknown"),
        ("p:AuthnRequest", "p:ArtifactResolve", "unknown"),
        ("p:AuthnRequest", "p:LogoutResponse", "unknown"),
    ] {
        assert!(plain.contains(was), "{was}");
        assert_eq!(request(&plain.replace(was, is)).err(), Some(word), "{was} -> {is}");
    }
    assert_eq!(heard(&plain, Direction::Response).err(), Some("unknown"));
    let long = plain.replace("https://sp.example", &format!("https://sp.example/{}", "x".repeat(1024)));
    assert_eq!(request(&long).err(), Some("schema"));
}

#[test]
fn a_request_to_sign_out_is_read_whole() {
    let name = "<a:NameID Format=\"urn:f\" NameQualifier=\"q\" SPNameQualifier=\"s\">name</a:NameID>";
    let sessions = "<p:SessionIndex>one</p:SessionIndex><p:SessionIndex>two</p:SessionIndex>";
    let Ok(Message::LogoutRequest(request)) =
        logout("NotOnOrAfter=\"2026-11-22T12:05:00Z\" Reason=\"urn:r\"", &format!("{name}{sessions}"))
    else {
        panic!("a request")
    };
    assert_eq!(request.not_on_or_after, Some(Timestamp::from_seconds(1_795_349_100)));
    assert_eq!(request.sessions, ["one", "two"]);
    assert!(!request.asynchronous);
    let name_id = request.name_id.expect("a name");
    assert_eq!((name_id.value.as_str(), name_id.sp_qualifier.as_deref()), ("name", Some("s")));
    let extension =
        "<p:Extensions><x:Asynchronous xmlns:x=\"urn:oasis:names:tc:SAML:2.0:protocol:ext:async-slo\"/></p:Extensions>";
    let Ok(Message::LogoutRequest(request)) = logout("", &format!("{extension}{name}")) else { panic!("a request") };
    assert!(request.asynchronous && request.sessions.is_empty());
    for wrong in [
        String::new(),
        sessions.to_owned(),
        format!("{name}{name}"),
        format!("{sessions}{name}"),
        format!("{name}<p:SessionIndex/>"),
        format!("<a:BaseID/>{sessions}"),
        format!("{name}{}", "<p:SessionIndex>x</p:SessionIndex>".repeat(65)),
        "<a:NameID/>".to_owned(),
    ] {
        assert_eq!(logout("", &wrong).err(), Some("schema"), "{wrong}");
    }
    assert_eq!(logout("NotOnOrAfter=\"tomorrow\"", name).err(), Some("schema"));
}

/// Whatever an encrypted name holds, nobody looks: no reference is followed, no transform run, no key unwrapped.
#[test]
fn an_encrypted_name_is_not_decrypted() {
    let data = |inside: &str| {
        format!(
            "<a:EncryptedID><e:EncryptedData xmlns:e=\"http://www.w3.org/2001/04/xmlenc#\">{inside}</e:EncryptedData></a:EncryptedID>"
        )
    };
    for inside in [
        "<e:CipherData><e:CipherReference URI=\"file:///etc/passwd\"/></e:CipherData>",
        "<e:CipherData><e:CipherReference URI=\"http://127.0.0.1:9/\"/></e:CipherData>",
        "<e:EncryptionMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#rsa-1_5\"/>",
        "<e:CipherData><e:CipherValue>AAAA</e:CipherValue></e:CipherData>",
    ] {
        let Ok(Message::LogoutRequest(request)) = logout("", &data(inside)) else { panic!("a request: {inside}") };
        assert!(request.name_id.is_none());
    }
}

#[test]
fn an_answer_to_a_sign_out_is_a_success_or_it_is_not() {
    let answer = |status: &str| {
        let text = format!(
            "<p:LogoutResponse {HEAD} InResponseTo=\"_2\">{ISSUER}<p:Status>{status}</p:Status></p:LogoutResponse>"
        );
        heard(&text, Direction::Response).map(|message| match message {
            Message::LogoutResponse(response) => (response.success, response.in_response_to),
            _ => panic!("another message"),
        })
    };
    let of = |code: &str| format!("urn:oasis:names:tc:SAML:2.0:status:{code}");
    let success = format!("<p:StatusCode Value=\"{}\"/><p:StatusMessage>fine</p:StatusMessage>", of("Success"));
    let id = Some("_2".to_owned());
    assert_eq!(answer(&success), Ok((true, id.clone())));
    let partial = format!(
        "<p:StatusCode Value=\"{}\"><p:StatusCode Value=\"{}\"/></p:StatusCode>",
        of("Success"),
        of("PartialLogout")
    );
    assert_eq!(answer(&partial), Ok((false, id.clone())));
    assert_eq!(answer(&format!("<p:StatusCode Value=\"{}\"/>", of("Responder"))), Ok((false, id)));
    for wrong in ["", "<p:StatusCode/>", "<p:StatusMessage/>", "<p:StatusCode Value=\"x\"/><p:StatusCode Value=\"x\"/>"]
    {
        assert_eq!(answer(wrong), Err("schema"), "{wrong}");
    }
}

#[test]
fn times_are_in_utc() {
    let noon = Some(Timestamp::from_seconds(1_795_348_800));
    for text in [
        "2026-11-22T12:00:00Z",
        "2026-11-22T12:00:00.999Z",
        "2026-11-22T12:00:00.123456789Z",
        "2026-11-22T12:00:00+00:00",
    ] {
        assert_eq!(instant(text), noon, "{text}");
    }
    for text in [
        "",
        "Z",
        "2026-11-22",
        "2026-11-22T12:00:00",
        "2026-11-22 12:00:00Z",
        "2026-13-22T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T12:60:00Z",
        "2026-11-22T12:00:60Z",
        "2026-11-22T12:00:00+01:00",
        "-026-11-22T12:00:00Z",
        "+026-11-22T12:00:00Z",
        "12026-11-22T12:00:00Z",
        "2026-11-22T12:00:00.Z",
        "2026-11-22T12:00:00.1234567890123Z",
        "2026-11-22T12:00:\u{664}Z",
        "2026-1\u{e4}22T12:00:00Z",
        " 2026-11-22T12:00:00Z",
    ] {
        assert_eq!(instant(text), None, "{text}");
    }
}
