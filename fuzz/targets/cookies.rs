//! Cookies: the browser's, as we read them and as they go on to a vendor, and a vendor's, as they go on to the browser.
//! Each line of the input is one field.
#![no_main]
use http::header::{CONNECTION, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use vestibule::egress::PublicHost;
use vestibule::egress::fuzzing::{answer_fields, vendor_cookies};
use vestibule::session::{SecretId, SessionCookie, cookie_value};
use vestibule_fuzz::vendors;

const PUBLIC: &str = "https://atlas.proxy.example.net:8443";

static FACES: LazyLock<PublicHost> = LazyLock::new(|| {
    let vendors = vendors();
    let atlas = vendors.iter().find(|v| v.vendor.id.as_str() == "atlas").expect("a vendor");
    PublicHost::new(PUBLIC, &atlas.vendor).expect("a host")
});

fuzz_target!(|data: &[u8]| {
    let fields: Vec<HeaderValue> =
        data.split(|b| *b == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    for cookie in [SessionCookie::Portal, SessionCookie::Host] {
        ours(&fields, cookie);
    }
    for field in &fields {
        to_vendor(field.as_bytes());
    }
    to_browser(&fields);
});

/// A cookie pair's name and value, read in the plainest way.
fn pair(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let text = text.trim_ascii();
    match text.iter().position(|b| *b == b'=') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Our cookie is found exactly where it stands once; what an id was read from is what it is written as.
fn ours(fields: &[HeaderValue], cookie: SessionCookie) {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(COOKIE, field.clone());
    }
    let found: Vec<&[u8]> = fields
        .iter()
        .flat_map(|field| field.as_bytes().split(|b| *b == b';'))
        .filter_map(|text| match pair(text) {
            (name, value) if name == cookie.name().as_bytes() => value,
            _ => None,
        })
        .collect();
    let value = cookie_value(&headers, cookie.name());
    match (found.as_slice(), value) {
        ([only], Some(value)) => assert_eq!(*only, value.as_bytes()),
        ([only], None) => assert!(std::str::from_utf8(only).is_err(), "our cookie was not found"),
        (_, value) => assert!(value.is_none(), "a cookie that is not there once was taken"),
    }
    if let Some(id) = value.and_then(SecretId::parse) {
        assert_eq!(Some(id.reveal().as_str()), value, "an id with two spellings");
        assert!(cookie.set(&id).bytes().all(|b| (b' '..0x7f).contains(&b)));
    }
}

/// Whether a vendor may not see, or set, this pair: its name is like ours, whatever that is no letter stands before it.
fn is_reserved(text: &[u8]) -> bool {
    let visible = |b: &u8| (b'!'..=b'~').contains(b) && *b != b'=';
    let begin = text.iter().position(visible).unwrap_or(text.len());
    let name = String::from_utf8_lossy(pair(&text[begin..]).0.trim_ascii()).to_ascii_lowercase();
    ["__host-vestibule", "__secure-vestibule", "vestibule"].iter().any(|ours| name.starts_with(ours))
}

fn to_vendor(field: &[u8]) {
    let kept = vendor_cookies(field);
    assert!(kept.len() <= field.len() + field.iter().filter(|b| **b == b';').count());
    let texts = |field: &[u8]| -> Vec<Vec<u8>> {
        let pairs = field.split(|b| *b == b';').map(<[u8]>::trim_ascii).filter(|text| !text.is_empty());
        pairs.map(<[u8]>::to_vec).collect()
    };
    let expected: Vec<_> = texts(field).into_iter().filter(|text| !is_reserved(text)).collect();
    assert_eq!(texts(&kept), expected, "the vendor's cookies, and no other, in their order");
    assert_eq!(vendor_cookies(&kept), kept);
    assert!(HeaderValue::from_bytes(&kept).is_ok());
}

/// Names of fields that the target gives to the lines of an input, in turn.
const NAMES: [HeaderName; 4] = [SET_COOKIE, LOCATION, CONNECTION, HeaderName::from_static("alt-svc")];

fn to_browser(fields: &[HeaderValue]) {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("kept"));
    for (i, field) in fields.iter().enumerate() {
        headers.append(NAMES[i % NAMES.len()].clone(), field.clone());
    }
    let before = headers.clone();
    answer_fields(&mut headers, &FACES);
    for field in headers.get_all(SET_COOKIE) {
        let mut parts = field.as_bytes().split(|b| *b == b';');
        assert!(!is_reserved(parts.next().unwrap_or_default()), "a vendor set a cookie of ours");
        for part in parts {
            assert!(!pair(part).0.trim_ascii().eq_ignore_ascii_case(b"domain"), "a cookie left its host");
        }
    }
    for name in [CONNECTION, HeaderName::from_static("alt-svc")] {
        assert!(!headers.contains_key(name));
    }
    let Some(location) = headers.get(LOCATION) else { return };
    let given = before.get(LOCATION).expect("a place that was given");
    assert!(location == given || location.as_bytes().starts_with(PUBLIC.as_bytes()), "a place of nobody's");
}
