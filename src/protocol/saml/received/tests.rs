//! Queries and forms as service providers send them, and as attackers do.
use super::super::message::Message;
use super::super::parsed::Malformed;
use super::super::service_provider::Binding;
use super::super::verified::testing::{EC, OTHER, REQUEST, RSA, Signer, cost};
use super::{Bad, Heard, receive};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::{DeflateEncoder, ZlibEncoder};
use std::io::Write;
use url::form_urlencoded::byte_serialize;

fn encoded(text: impl AsRef<[u8]>) -> String {
    byte_serialize(text.as_ref()).collect()
}

fn deflated(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).expect("memory");
    encoder.finish().expect("memory")
}

fn plain() -> String {
    REQUEST.replace("{signature}", "")
}

/// The value of `SAMLRequest` in a query.
fn value(text: &str) -> String {
    encoded(STANDARD.encode(deflated(text.as_bytes())))
}

fn query() -> String {
    format!("SAMLRequest={}&RelayState=ss%3amem%3A0a+b", value(&plain()))
}

fn signed_by(signer: &Signer, query: &str) -> String {
    let octets = format!("{query}&SigAlg={}", encoded(signer.method()));
    let signature = encoded(STANDARD.encode(signer.octets(octets.as_bytes())));
    format!("{octets}&Signature={signature}")
}

fn hear(binding: Binding, text: &str, must: bool) -> Result<Heard, &'static str> {
    let received = receive(binding, text.as_bytes()).map_err(Malformed::as_str)?;
    assert_eq!(received.issuer(), "https://sp.example/shibboleth");
    received.heard(&[RSA.public(), EC.public()], must).map_err(Bad::as_str)
}

fn word(query: &str) -> &'static str {
    hear(Binding::Redirect, query, false).err().unwrap_or("heard")
}

fn form(text: &str) -> String {
    format!("SAMLRequest={}", encoded(STANDARD.encode(text)))
}

#[test]
fn a_query_is_heard_signed_or_not() {
    let heard = hear(Binding::Redirect, &query(), false).expect("a message");
    assert_eq!(heard.relay_state.as_deref(), Some("ss:mem:0a b"));
    assert!(!heard.signed && matches!(heard.message, Message::Authn(_)));
    for signer in [&*RSA, &*EC] {
        let signed = signed_by(signer, &query());
        let heard = hear(Binding::Redirect, &signed, true).expect("a message");
        assert!(heard.signed);
        // Others may be there, and the order in the query is not what is signed.
        let parts: Vec<_> = signed.split('&').rev().collect();
        assert!(hear(Binding::Redirect, &format!("x=y&{}&&z", parts.join("&")), true).is_ok());
    }
    let bare = format!("SAMLRequest={}", value(&plain()));
    assert!(hear(Binding::Redirect, &signed_by(&RSA, &bare), true).is_ok());
    let encoding = encoded("urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE");
    assert!(hear(Binding::Redirect, &format!("{bare}&SAMLEncoding={encoding}"), false).is_ok());
}

#[test]
fn a_signature_in_a_query_covers_the_octets_as_they_came() {
    let signed = signed_by(&RSA, &query());
    assert_eq!(hear(Binding::Redirect, &query(), true).err(), Some("unsigned"));
    let stripped = signed.split("&Signature=").next().expect("a query");
    assert_eq!(word(stripped), "parameters");
    assert_eq!(word(&signed.replace("&SigAlg=", "&x=")), "parameters");
    for (was, is) in [
        ("ss%3amem", "ss%3Amem"),
        ("ss%3amem", "ss:mem"),
        ("0a+b", "0a%20b"),
        ("0a+b", "0a+c"),
        ("&RelayState=ss%3amem%3A0a+b", ""),
        ("SAMLRequest=", "SAMLRequest=&RelayState=&SAMLRequest="),
        ("rsa-sha256", "rsa-sha384"),
        ("rsa-sha256", "rsa%2Dsha256"),
        ("rsa-sha256", "ecdsa-sha256"),
    ] {
        assert!(signed.contains(was), "{was}");
        assert!(matches!(word(&signed.replacen(was, is, 1)), "signature" | "parameters"), "{was} -> {is}");
    }
    let other = value(&plain().replace("https://sp.example/acs", "https://ev.example/acs"));
    assert_eq!(word(&signed.replace(&value(&plain()), &other)), "signature");
    assert_eq!(word(&signed_by(&OTHER, &query())), "signature");
    let received = receive(Binding::Redirect, signed.as_bytes()).expect("a message");
    assert!(received.is_signed());
    assert_eq!(received.heard(&[], false).err().map(Bad::as_str), Some("key"));
    // Signed in another order than that of the binding.
    let relay = "RelayState=x";
    let request = format!("SAMLRequest={}", value(&plain()));
    assert_eq!(word(&signed_by(&RSA, &format!("{relay}&{request}"))), "signature");
}

#[test]
fn weak_signatures_in_a_query_are_refused() {
    for algorithm in [
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
        "http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-md5",
        "none",
        "",
    ] {
        let signed = format!("{}&SigAlg={}&Signature=AAAA", query(), encoded(algorithm));
        assert_eq!(word(&signed), "signed_otherwise", "{algorithm}");
    }
    // A signature in the document, beside one in the query or alone.
    let within = format!("SAMLRequest={}", value(&RSA.sign(REQUEST, "_a1")));
    assert_eq!(word(&within), "signed_otherwise");
    assert_eq!(word(&signed_by(&RSA, &within)), "signed_otherwise");
}

#[test]
fn parameters_are_there_once_and_plainly() {
    let request = format!("SAMLRequest={}", value(&plain()));
    let signed = signed_by(&RSA, &query());
    let signature = signed.split('&').next_back().expect("a signature");
    for text in [
        String::new(),
        "SAMLRequest".to_owned() + "&SAMLRequest",
        "RelayState=x".to_owned(),
        format!("{request}&{request}"),
        format!("{request}&SAMLResponse={}", value(&plain())),
        format!("{request}&RelayState=a&RelayState=a"),
        format!("{signed}&SigAlg={}", encoded(RSA.method())),
        format!("{signed}&{signature}"),
        format!("{request}&%53AMLRequest=x"),
        format!("{request}&samlrequest=x"),
        format!("{request}&SAMLRequest%00=x"),
        format!("{request}&SAMLRequest[]=x"),
        format!("{request}&+SAMLResponse=x"),
        format!("{request}&Relay%53tate=x"),
        request.replace("SAMLRequest", "%53AMLRequest"),
        format!("{request}&SAMLEncoding=x"),
        format!("{request}&RelayState=\u{e4}"),
        format!("{request} "),
    ] {
        assert_eq!(word(&text), "parameters", "{text}");
    }
    // What asks goes as a request and what answers as a response.
    assert_eq!(word(&request.replace("SAMLRequest", "SAMLResponse")), "unknown");
}

#[test]
fn relay_state_comes_back_to_the_byte_or_not_at_all() {
    let request = format!("SAMLRequest={}", value(&plain()));
    for sound in ["", "a", "\"><script>", "\u{e4}\u{1f40c}", "https://sp.example/?a=b&c=d#e", &"x".repeat(1024)] {
        let heard = hear(Binding::Redirect, &format!("{request}&RelayState={}", encoded(sound)), false);
        assert_eq!(heard.ok().and_then(|heard| heard.relay_state).as_deref(), Some(sound));
    }
    for wrong in ["x".repeat(1025).as_bytes(), b"\0", b"a\r\nb", b"\xff"] {
        assert_eq!(word(&format!("{request}&RelayState={}", encoded(wrong))), "relay_state");
    }
    assert_eq!(word(&format!("{request}&RelayState=%zz")), "coding");
}

#[test]
fn what_is_not_deflated_to_its_last_byte_is_refused() {
    let of = |bytes: &[u8]| format!("SAMLRequest={}", encoded(STANDARD.encode(bytes)));
    let sound = deflated(plain().as_bytes());
    let mut longer = sound.clone();
    longer.push(0);
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(plain().as_bytes()).expect("memory");
    let zlib = zlib.finish().expect("memory");
    for (name, bytes) in [
        ("not deflated", plain().into_bytes()),
        ("zlib", zlib),
        ("one byte more", longer),
        ("two streams", [sound.clone(), sound.clone()].concat()),
        ("cut short", sound.get(..sound.len() - 4).unwrap_or_default().to_vec()),
        ("nothing", Vec::new()),
        ("endless empty blocks", [0, 0, 0, 0xff, 0xff].repeat(5000)),
    ] {
        assert_eq!(word(&of(&bytes)), "coding", "{name}");
    }
    for coded in ["!", "A", "AA=A", "====", "AB==C", "A%0AAA%3D", "+", "%2"] {
        assert_eq!(word(&format!("SAMLRequest={coded}")), "coding", "{coded}");
    }
    for (text, expected) in [("\u{feff}<a/>", "encoding"), ("<a>\0</a>", "encoding"), ("", "syntax")] {
        assert_eq!(word(&of(&deflated(text.as_bytes()))), expected);
    }
}

/// Ten megabytes in ten kilobytes: no more than the bound is ever produced.
#[test]
fn a_bomb_costs_no_more_than_its_bound() {
    for filler in ["\0", " ", "<a>", "<a b=\"", "x"] {
        let text = format!("<a b=\"{}\"/>", filler.repeat(10_000_000 / filler.len()));
        let query = format!("SAMLRequest={}", value(&text));
        let cost = cost(|| assert_eq!(word(&query), "size"));
        assert!(cost < 50.0, "{filler}: {cost} ms");
    }
    let long = format!("SAMLRequest={}", "A".repeat(300_000));
    assert_eq!(word(&long), "size");
}

#[test]
fn a_form_is_heard_signed_or_not() {
    let heard = hear(Binding::Post, &format!("{}&RelayState=x%26y", form(&plain())), false).expect("a message");
    assert_eq!(heard.relay_state.as_deref(), Some("x&y"));
    assert!(!heard.signed);
    assert_eq!(hear(Binding::Post, &form(&plain()), true).err(), Some("unsigned"));
    let signed = RSA.sign(REQUEST, "_a1");
    assert!(hear(Binding::Post, &form(&signed), true).ok().is_some_and(|heard| heard.signed));
    // Base64 in lines, as many programs write it.
    let lines: Vec<_> = STANDARD.encode(&signed).as_bytes().chunks(76).map(<[u8]>::to_vec).collect();
    let lines = encoded(lines.join(b"\r\n".as_slice()));
    assert!(hear(Binding::Post, &format!("SAMLRequest={lines}"), true).is_ok());
    for (text, expected) in [
        (form(&signed.replace("https://sp.example/acs", "https://ev.example/acs")), "signature"),
        (form(&OTHER.sign(REQUEST, "_a1")), "signature"),
        (format!("{}&Signature=AAAA&SigAlg=x", form(&plain())), "parameters"),
        (format!("{0}&{0}", form(&plain())), "parameters"),
        (format!("SAMLRequest={}", encoded(STANDARD.encode(deflated(plain().as_bytes())))), "encoding"),
        ("SAMLRequest=%3Ca%2F%3E".to_owned(), "coding"),
        (form(&plain().replace("2.0\" Issue", "1.1\" Issue")), "version"),
        (form(&plain().replace("_a1", "_a&quot; x=&quot;")), "id"),
    ] {
        assert_eq!(hear(Binding::Post, &text, false).err(), Some(expected), "{expected}");
    }
}

/// A signature that is there must be good, also where none is asked for.
#[test]
fn a_bad_signature_is_worse_than_none() {
    assert!(hear(Binding::Redirect, &query(), false).is_ok());
    assert_eq!(word(&format!("{}&SigAlg={}&Signature=AAAA", query(), encoded(RSA.method()))), "signature");
    let signed = RSA.sign(REQUEST, "_a1");
    let start = signed.find("<ds:SignatureValue>").expect("a value") + "<ds:SignatureValue>".len();
    let mut broken = signed.clone();
    broken.replace_range(start..start + 4, "AAAA");
    assert_eq!(hear(Binding::Post, &form(&broken), false).err(), Some("signature"));
}
