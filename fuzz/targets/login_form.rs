//! The sign-in form: its body in any pieces, and the guards that say whose form it is. The first byte says how large the
//! pieces are; what comes before an empty line is header fields, what follows is the body.
#![no_main]
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use std::convert::Infallible;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};
use vestibule::session::SecretId;
use vestibule::web::fuzzing::{LONGEST_FORM, check_source, form_fields, token, token_fits};
use vestibule::web::ProblemPage;

const OUR_ORIGIN: &str = "https://login.example.org:8443";
const NAMES: [&str; 5] = ["card", "pin", "library", "url", "token"];
const KEY: [u8; 32] = [5; 32];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

fuzz_target!(|data: &[u8]| {
    let [size, rest @ ..] = data else { return };
    let cut = rest.windows(2).position(|w| w == b"\n\n");
    let (head, body) = cut.map_or((&[][..], rest), |at| (&rest[..at], &rest[at + 2..]));
    source(head);
    fields(usize::from(*size) + 1, body);
});

fn read(pieces: Vec<Bytes>) -> Result<Vec<Result<String, ProblemPage>>, ProblemPage> {
    let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)));
    RUNTIME.block_on(form_fields(body, &NAMES))
}

/// A form reads the same however it is cut; what it says is what a browser meant.
fn fields(size: usize, body: &[u8]) {
    let whole = read(vec![Bytes::copy_from_slice(body)]);
    let cut = read(body.chunks(size).map(Bytes::copy_from_slice).collect());
    assert!(whole == cut, "the pieces made a difference");
    assert_eq!(whole.is_err(), body.len() > LONGEST_FORM);
    let Ok(values) = whole else { return };
    let meant: Vec<(String, String)> =
        url::form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    for (name, value) in NAMES.iter().zip(values) {
        let raw = body.split(|b| *b == b'&').filter(|part| part.starts_with(format!("{name}=").as_bytes())).count();
        match value {
            Ok(value) if raw == 0 => assert!(value.is_empty()),
            Ok(value) => {
                assert_eq!(raw, 1, "a field that is there twice");
                assert!(meant.iter().any(|(n, v)| n == name && *v == value), "read otherwise than it was meant");
            }
            Err(problem) => assert_eq!(problem, ProblemPage::BadRequest),
        }
    }
}

/// Only a form of our own origin is read, and only its own browser's token fits.
fn source(head: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in head.split(|b| *b == b'\n') {
        let Some(at) = line.iter().position(|b| *b == b':') else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(line[at + 1..].trim_ascii()))
        {
            headers.append(name, value);
        }
    }
    let all = |name: &str| headers.get_all(name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
    if check_source(OUR_ORIGIN, &headers).is_ok() {
        let (origins, sites) = (all(ORIGIN.as_str()), all("sec-fetch-site"));
        assert!(origins.is_empty() || origins == [OUR_ORIGIN.as_bytes()], "a form of another origin");
        assert!(sites.is_empty() || sites == [b"same-origin"], "a form of another site");
        assert!(origins.len() + sites.len() > 0, "a form from nowhere");
        let kind = all(CONTENT_TYPE.as_str())[0].to_ascii_lowercase();
        assert!(kind.starts_with(b"application/x-www-form-urlencoded"));
    }
    let cookies = all(COOKIE.as_str());
    let given = all("x-token").first().map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default();
    if token_fits(&KEY, &headers, &given) {
        // Which needs the right cookie once, and the token that belongs to it.
        let joined = cookies.concat();
        let text = String::from_utf8_lossy(&joined);
        let id = text.split("__Host-vestibule-form=").nth(1).and_then(|rest| SecretId::parse(rest.get(..43)?));
        assert_eq!(given, token(&KEY, &id.expect("an id")));
    }
}
