//! Who asks at the token endpoint. The first byte says what follows: `a`, `Authorization` fields, an empty line, and a
//! form; `s`, the header of an assertion, an empty line, and its claims, which the client's key signs; `p`, the same of a
//! proof of a key; `r`, `DPoP` fields.
#![no_main]
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::sync::LazyLock;
use url::{Url, form_urlencoded};
use vestibule::protocol::oidc::fuzzing::Desk;
use vestibule_fuzz::{FileSecret, NOON, oidc_vendors};

const ISSUER: &str = "https://login.example.org";
const ADDRESS: &str = "https://login.example.org/oidc/token";
const SECRET: &str = "s3cret +é";
const TOKEN: &str = "a-token";
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[9; 32]).expect("a key"));

static DESK: LazyLock<Desk> = LazyLock::new(|| {
    let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": public(), "kid": "k1"}]});
    let vendors = oidc_vendors();
    assert_eq!(vendors.len(), 4);
    let desk = Desk::new(&vendors, &FileSecret(set.to_string().into_bytes())).expect("clients");
    // Or nothing below would find anything.
    let right = format!("Basic {}", STANDARD.encode("b%2Bsic%25100:s3cret+%2B%C3%A9"));
    let right = HeaderValue::from_str(&right).expect("a field");
    assert_eq!(desk.client(&[right], b"", (ISSUER, NOON)).as_deref(), Ok("b+sic%100"));
    for (form, id) in [(&b"client_id=post&client_secret=s3cret+%2B%C3%A9"[..], "post"), (b"client_id=public", "public")]
    {
        assert_eq!(desk.client(&[], form, (ISSUER, NOON)).as_deref(), Ok(id));
    }
    desk
});

fuzz_target!(|data: &[u8]| {
    let [kind, rest @ ..] = data else { return };
    let cut = rest.windows(2).position(|w| w == b"\n\n");
    let (head, body) = cut.map_or((&[][..], rest), |at| (&rest[..at], &rest[at + 2..]));
    match kind {
        b'a' => asked(&fields(head), body),
        b's' => asserted(head, body),
        b'p' => proved(head, body),
        b'r' => shown(&fields(rest)),
        _ => return,
    }
    DESK.forget();
});

fn public() -> String {
    URL_SAFE_NO_PAD.encode(KEY.public_key().as_ref())
}

fn fields(text: &[u8]) -> Vec<HeaderValue> {
    text.split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .filter_map(|l| HeaderValue::from_bytes(l).ok())
        .collect()
}

fn sign(header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = KEY.sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

fn client(authorization: &[HeaderValue], form: &[u8]) -> Result<String, &'static str> {
    DESK.client(authorization, form, (ISSUER, NOON))
}

/// Whoever is recognised showed what only that client has, and nothing else.
fn asked(authorization: &[HeaderValue], form: &[u8]) {
    let Ok(found) = client(authorization, form) else { return };
    let all: Vec<(String, String)> =
        form_urlencoded::parse(form).map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    let of = |name: &str| {
        all.iter().filter(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str()).collect::<Vec<_>>()
    };
    let (ids, secrets, assertions) = (of("client_id"), of("client_secret"), of("client_assertion"));
    assert!(ids.len() < 2 && ids.iter().all(|id| *id == found), "another client's name in the form");
    let methods = authorization.len() + secrets.len() + assertions.len();
    match (found.as_str(), methods) {
        ("b+sic%100", 1) => basic(&authorization[0]),
        ("post", 1) => assert_eq!((ids.len(), secrets.as_slice()), (1, &[SECRET][..])),
        ("public", 0) => assert_eq!(ids.len(), 1),
        ("key", 1) => {
            assert_eq!(of("client_assertion_type"), [TYPE]);
            signed(assertions[0]);
            assert_eq!(client(authorization, form), Err("replayed"));
        }
        _ => panic!("recognised by another method than its own, or by several"),
    }
}

fn basic(field: &HeaderValue) {
    let text = field.to_str().expect("text");
    assert!(text[..6].eq_ignore_ascii_case("basic "));
    let decoded = String::from_utf8(STANDARD.decode(&text[6..]).expect("base64")).expect("text");
    let (id, secret) = decoded.split_once(':').expect("two halves");
    let plain = |text: &str| form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|(_, v)| v.into_owned());
    assert_eq!((plain(id).as_deref(), plain(secret).as_deref()), (Some("b+sic%100"), Some(SECRET)));
}

/// A text that the client's key signed, about the client, for us, now.
fn signed(text: &str) {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("not three parts") };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let key = UnparsedPublicKey::new(&ED25519, KEY.public_key().as_ref());
    let message = format!("{header}.{claims}");
    key.verify(message.as_bytes(), &decoded(signature)).expect("the client's signature");
    let json = |part: &str| serde_json::from_slice(&decoded(part)).expect("JSON");
    assert!(believable(&json(header), &json(claims)), "not to be believed");
}

fn near(value: &Value, range: std::ops::RangeInclusive<f64>) -> bool {
    value.as_f64().is_some_and(|date| range.contains(&(date - NOON.seconds() as f64)))
}

fn named(jti: &Value) -> bool {
    jti.as_str().is_some_and(|jti| (1..=256).contains(&jti.chars().count()))
}

/// The plain reading of an assertion.
fn believable(header: &Value, claims: &Value) -> bool {
    let typ = header["typ"].as_str().map(str::to_ascii_lowercase);
    let kinds = ["jwt", "client-authentication+jwt", "application/client-authentication+jwt"];
    header["alg"] == "EdDSA"
        && (header["typ"].is_null() || typ.is_some_and(|typ| kinds.contains(&typ.as_str())))
        && (header["kid"].is_null() || header["kid"] == "k1")
        && header.get("crit").is_none()
        && header.get("b64").is_none()
        && claims["iss"] == "key"
        && claims["sub"] == "key"
        && claims["aud"] == ISSUER
        && near(&claims["exp"], 1.0..=311.0)
        && ["nbf", "iat"].iter().all(|name| claims[*name].is_null() || near(&claims[*name], f64::MIN..=11.0))
        && named(&claims["jti"])
}

/// The plain reading of a proof.
fn provable(header: &Value, claims: &Value) -> bool {
    let Some(mut address) = claims["htu"].as_str().and_then(|text| Url::parse(text).ok()) else { return false };
    address.set_query(None);
    address.set_fragment(None);
    let jwk = &header["jwk"];
    header["alg"] == "EdDSA"
        && header["typ"] == "dpop+jwt"
        && header.get("crit").is_none()
        && header.get("b64").is_none()
        && (jwk["kty"] == "OKP" && jwk["crv"] == "Ed25519" && jwk["x"] == public())
        && ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().all(|name| jwk.get(*name).is_none())
        && claims["htm"] == "POST"
        && address.as_str() == ADDRESS
        && near(&claims["iat"], -60.0..=61.0)
        && named(&claims["jti"])
}

/// Whether a text has each member once and every number whole, so that it can be read in one way only.
fn is_plain(value: &Value, text: &[u8]) -> bool {
    fn whole(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.as_i64().is_some(),
            Value::Array(all) => all.iter().all(whole),
            Value::Object(all) => all.values().all(whole),
            _ => true,
        }
    }
    whole(value) && value.to_string().len() == text.iter().filter(|b| !b.is_ascii_whitespace()).count()
}

fn read(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or(Value::Null)
}

/// What the client's key signed is believed only where the plain reading believes it, and once.
fn asserted(header: &[u8], claims: &[u8]) {
    let text = sign(header, claims);
    let form = |text: &str| format!("client_assertion_type={TYPE}&client_assertion={text}").into_bytes();
    let (plain_header, plain_claims) = (read(header), read(claims));
    let found = client(&[], &form(&text));
    if found.is_ok() {
        assert!(believable(&plain_header, &plain_claims), "believed, and not believable");
        assert_eq!(client(&[], &form(&text)), Err("replayed"), "believed twice");
        DESK.forget();
        let mut forged = text.clone().into_bytes();
        let place = forged.len() - 40 - claims.len() % 40;
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("text");
        assert!(forged == text || client(&[], &form(&forged)).is_err(), "a forged signature");
    } else if is_plain(&plain_header, header) && is_plain(&plain_claims, claims) && header.len() + claims.len() < 4000 {
        let exact = |name: &str, furthest: i64| {
            plain_claims[name].as_i64().is_none_or(|date| date - NOON.seconds() <= furthest)
        };
        let sure = exact("exp", 300) && exact("nbf", 10) && exact("iat", 10) && is_typed(&plain_header, &plain_claims);
        assert!(!(sure && believable(&plain_header, &plain_claims)), "believable, and refused: {found:?}");
    }
}

/// Whether no member has a value that is neither of its type nor null.
fn is_typed(header: &Value, claims: &Value) -> bool {
    let fine = |value: &Value| value.is_null() || value.is_i64() || value.is_string();
    header.is_object() && claims.is_object() && fine(&header["kid"]) && fine(&claims["nbf"]) && fine(&claims["iat"])
}

fn proved(header: &[u8], claims: &[u8]) {
    let fields = [HeaderValue::from_str(&sign(header, claims)).expect("a field")];
    let prove = |token| DESK.proved(&fields, (ADDRESS, token), NOON);
    let (plain_header, plain_claims) = (read(header), read(claims));
    for token in [None, Some(TOKEN)] {
        let found = match prove(token) {
            Ok(found) => found,
            Err(why) => {
                let sure = token.is_none()
                    && (is_plain(&plain_header, header) && is_plain(&plain_claims, claims))
                    && has_only(&plain_header, &["typ", "alg", "jwk"])
                    && has_only(&plain_header["jwk"], &["kty", "crv", "x"])
                    && has_only(&plain_claims, &["jti", "htm", "htu", "iat"])
                    && plain_claims["htu"] == ADDRESS
                    && (-60..=60).contains(&(plain_claims["iat"].as_i64().unwrap_or_default() - NOON.seconds()));
                assert!(!(sure && provable(&plain_header, &plain_claims)), "provable, and refused: {why}");
                continue;
            }
        };
        assert!(provable(&plain_header, &plain_claims), "proved, and not provable");
        let text = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, public());
        assert_eq!(found, Some(digest(text.as_bytes())));
        assert!(token.is_none() || plain_claims["ath"] == digest(TOKEN.as_bytes()), "for another token");
        assert_eq!(prove(token), Err("replayed"), "proved twice");
        DESK.forget();
    }
}

fn has_only(value: &Value, names: &[&str]) -> bool {
    value.as_object().is_some_and(|members| members.keys().all(|name| names.contains(&name.as_str())))
}

fn digest(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes))
}

/// Raw fields: no more than one, and a thumbprint is of 32 bytes.
fn shown(fields: &[HeaderValue]) {
    if let Ok(found) = DESK.proved(fields, (ADDRESS, None), NOON) {
        assert_eq!(found.is_some(), fields.len() == 1);
        assert!(found.is_none_or(|found| found.len() == 43));
    }
}
