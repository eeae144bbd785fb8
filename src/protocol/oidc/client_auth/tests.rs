//! Every method, alone and mixed, as requests bring them.
use super::*;
use crate::protocol::oidc::client::AssertionAlgorithm;
use crate::protocol::oidc::key_holder::{Held, ISSUER, NOW, Published, client, client_with_key, replays};
use aws_lc_rs::digest::{SHA256, digest};
use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

const SECRET: &str = "Jd83-_kd9 %+:é";
/// `SECRET`, encoded as a form is.
const ENCODED: &str = "Jd83-_kd9+%25%2B%3A%C3%A9";

static KEY: LazyLock<Held> = LazyLock::new(|| Held::new(AssertionAlgorithm::Es256));
static CLIENTS: LazyLock<Vec<Client>> = LazyLock::new(|| {
    let hash = || SecretDigest(digest(&SHA256, SECRET.as_bytes()).as_ref().try_into().unwrap());
    vec![
        client("basic", Authentication::Basic(hash())),
        client("b+sic 100%", Authentication::Basic(hash())),
        client("post", Authentication::Post(hash())),
        client("public", Authentication::None),
        client_with_key("key", &KEY),
    ]
});

fn authorization(scheme: &str, credentials: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("{scheme}{}", STANDARD.encode(credentials))).unwrap()
}

fn tried(authorization: Option<&HeaderValue>, form: &str, several: bool) -> Result<&'static str, NotAuthenticated> {
    let form = Parameters::read(form.as_bytes()).unwrap();
    let (keys, replays) = (Published(None), replays());
    let checks = Checks { issuer: ISSUER, keys: &keys, replays: &replays, now: NOW };
    let find = |id: &str| CLIENTS.iter().find(|client| client.id == id);
    let attempt = Attempt { authorization, several, form: &form };
    let found = authenticate(&find, &attempt, &checks).now_or_never().unwrap();
    found.map(|client| client.id.as_str())
}

fn by_header(authorization: &HeaderValue, form: &str) -> Result<&'static str, Cause> {
    tried(Some(authorization), form, false).map_err(|error| {
        assert!(error.by_header);
        error.cause
    })
}

fn by_form(form: &str) -> Result<&'static str, Cause> {
    tried(None, form, false).map_err(|error| {
        assert!(!error.by_header);
        error.cause
    })
}

fn assertion(id: &str, jti: &str) -> String {
    let now = NOW.seconds();
    let claims = json!({"iss": id, "sub": id, "aud": ISSUER, "exp": now + 60, "jti": jti});
    let text = KEY.sign(&json!({"alg": "ES256"}), &claims);
    format!("client_assertion={text}&client_assertion_type={TYPE}")
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn each_method_is_known_by_its_own_way() {
    assert_eq!(by_header(&authorization("Basic ", &format!("basic:{ENCODED}")), ""), Ok("basic"));
    assert_eq!(by_header(&authorization("bAsIc ", &format!("basic:{ENCODED}")), "client_id=basic"), Ok("basic"));
    assert_eq!(by_header(&authorization("Basic ", &format!("b%2Bsic+100%25:{ENCODED}")), ""), Ok("b+sic 100%"));
    assert_eq!(by_form(&format!("client_id=post&client_secret={}", form_encoded(SECRET))), Ok("post"));
    assert_eq!(by_form("client_id=public"), Ok("public"));
    assert_eq!(by_form("client_id=public&client_secret="), Ok("public"));
    assert_eq!(by_form(&assertion("key", "a")), Ok("key"));
    assert_eq!(by_form(&format!("{}&client_id=key", assertion("key", "b"))), Ok("key"));
}

#[test]
fn a_client_has_one_method_and_no_other() {
    let secret = form_encoded(SECRET);
    for id in ["basic", "public", "key"] {
        assert_eq!(by_form(&format!("client_id={id}&client_secret={secret}")), Err(Cause::Method), "{id}");
    }
    for id in ["post", "public", "key"] {
        assert_eq!(by_header(&authorization("Basic ", &format!("{id}:{ENCODED}")), ""), Err(Cause::Method), "{id}");
    }
    for id in ["basic", "post", "key"] {
        assert_eq!(by_form(&format!("client_id={id}")), Err(Cause::Method), "{id}");
    }
    for id in ["basic", "post", "public"] {
        assert_eq!(by_form(&assertion(id, "c")), Err(Cause::Method), "{id}");
    }
}

#[test]
fn a_request_uses_one_method() {
    let basic = authorization("Basic ", &format!("basic:{ENCODED}"));
    for form in [
        format!("client_id=basic&client_secret={}", form_encoded(SECRET)),
        format!("client_secret={}", form_encoded(SECRET)),
        assertion("basic", "d"),
        format!("client_assertion_type={TYPE}"),
        "client_id=post".to_owned(),
        "client_id=basic&client_id=basic".to_owned(),
    ] {
        assert_eq!(by_header(&basic, &form), Err(Cause::Several), "{form}");
    }
    let mixed = format!("{}&client_secret=x&client_id=key", assertion("key", "e"));
    assert_eq!(by_form(&mixed), Err(Cause::Several));
    for name in PARAMETERS {
        let twice = format!("client_id=public&{name}=a&{name}=a");
        assert_eq!(by_form(&twice), Err(Cause::Several), "{name}");
    }
    let several = tried(Some(&basic), "", true).unwrap_err();
    assert_eq!((several.code(), several.cause.word()), (Some("invalid_request"), "several"));
}

#[test]
fn who_is_not_known_is_told_the_same() {
    for wrong in ["basic:wrong", "basic:", ":", "", "nobody:wrong", "basic", "basic:Jd83-_kd9 %+:é"] {
        let refused = tried(Some(&authorization("Basic ", wrong)), "", false).unwrap_err();
        assert_eq!((refused.code(), refused.by_header), (Some("invalid_client"), true), "{wrong}");
    }
    for wrong in ["", "client_id=nobody", "client_id=nobody&client_secret=x", "client_id=post&client_secret=x"] {
        let refused = tried(None, wrong, false).unwrap_err();
        assert_eq!((refused.code(), refused.by_header), (Some("invalid_client"), false), "{wrong}");
    }
    assert_eq!(by_form("client_secret=x"), Err(Cause::Missing));
    assert_eq!(by_form("client_id=nobody&client_secret=x"), Err(Cause::Unknown));
    assert_eq!(by_form("client_id=post&client_secret=x"), Err(Cause::Secret));
}

#[test]
fn credentials_are_decoded_strictly() {
    let encoded = STANDARD.encode(format!("basic:{ENCODED}"));
    assert_eq!(encoded.len() % 4, 0);
    let short = STANDARD.encode("basic:x");
    assert!(short.ends_with("=="));
    for bad in [
        format!("Basic  {encoded}"),
        format!("Basic {encoded} "),
        format!("Basic\t{encoded}"),
        format!("Basic {encoded}="),
        format!("Basic {}", short.trim_end_matches('=')),
        format!("Basic {encoded}, Basic {encoded}"),
        format!("Basic{encoded}"),
        "Basic".to_owned(),
        "Basic ".to_owned(),
    ] {
        assert_eq!(by_header(&HeaderValue::from_str(&bad).unwrap(), ""), Err(Cause::Malformed), "{bad}");
    }
    for bad in ["basic:%", "basic:%2", "basic:%zz", "basic:%+1", "basic:%ff", "basic:a b", "basic:é", "bas%00ic:a"] {
        assert_eq!(by_header(&authorization("Basic ", bad), ""), Err(Cause::Malformed), "{bad}");
    }
    for scheme in ["Bearer ", "DPoP ", "Basics "] {
        let other = authorization(scheme, &format!("basic:{ENCODED}"));
        assert_eq!(by_header(&other, ""), Err(Cause::Method), "{scheme}");
    }
    let bytes = HeaderValue::from_bytes(b"Basic \xff\xfe").unwrap();
    assert_eq!(by_header(&bytes, ""), Err(Cause::Malformed));
}

#[test]
fn an_assertion_comes_with_its_type_and_its_client() {
    let with_type = |kind: &str| {
        let text = assertion("key", "f");
        text.replace(TYPE, kind)
    };
    assert_eq!(by_form(&with_type("")), Err(Cause::Malformed));
    assert_eq!(by_form(&format!("client_assertion_type={TYPE}")), Err(Cause::Malformed));
    assert_eq!(by_form(&with_type(&TYPE.to_uppercase())), Err(Cause::Method));
    assert_eq!(by_form(&with_type("urn:ietf:params:oauth:client-assertion-type:saml2-bearer")), Err(Cause::Method));
    assert_eq!(by_form(&format!("{}&client_id=public", assertion("key", "g"))), Err(Cause::Subject));
    assert_eq!(by_form(&format!("{}&client_id=key", assertion("public", "h"))), Err(Cause::Subject));
    assert_eq!(by_form(&assertion("nobody", "i")), Err(Cause::Unknown));
    // A client with a key that sends none.
    assert_eq!(by_form("client_id=key"), Err(Cause::Method));
}

proptest! {
    #[test]
    fn what_a_form_encodes_is_decoded_again(text in "\\P{Cc}{1,40}") {
        prop_assert_eq!(form_decoded(&form_encoded(&text)), Some(text));
    }

    #[test]
    fn any_header_is_read_or_refused(value in any::<Vec<u8>>(), decoded in "\\PC{0,60}", form in "\\PC{0,100}") {
        let Ok(form) = Parameters::read(form.as_bytes()) else { return Ok(()) };
        let given = HeaderValue::from_bytes(&value).ok();
        for value in [given, Some(authorization("Basic ", &decoded)), None].into_iter().flatten() {
            let attempt = Attempt { authorization: Some(&value), several: false, form: &form };
            let Ok(Shown::Basic { id, .. }) = shown(&attempt) else { continue };
            prop_assert!(!id.is_empty() && !id.chars().any(char::is_control));
        }
    }
}
