//! A request to a vendor that signs readers in, its cookies and fields; and what such vendors answer with.
use super::bodies::Body;
use super::routes::{text, with};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::collections::HashMap;

const LARGEST_FORM: usize = 64 * 1024;

/// Every field of a query or form, by its name.
pub(super) type Fields = HashMap<String, String>;

/// One request: its head as it came, and the fields of its query or form.
pub(super) struct Asked {
    headers: HeaderMap,
    /// The query as it came.
    pub(super) query: String,
    /// Nothing where a name stands twice.
    pub(super) fields: Option<Fields>,
    pub(super) received: Vec<u8>,
}

/// Reads the query, or the form of a `POST`.
pub(super) async fn read(request: Request<Incoming>, mut received: Vec<u8>) -> Option<Asked> {
    let (head, body) = request.into_parts();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let fields = if head.method == Method::POST {
        let body = Limited::new(body, LARGEST_FORM).collect().await.ok()?.to_bytes();
        received.extend_from_slice(&body);
        fields(&body)
    } else {
        fields(query.as_bytes())
    };
    Some(Asked { headers: head.headers, query, fields, received })
}

/// Every field by its name; none where a name stands twice.
fn fields(form: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    for (name, value) in url::form_urlencoded::parse(form) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(fields)
}

impl Asked {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.as_ref()?.get(name).map(String::as_str)
    }

    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let all = self.headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
        let mut pairs = all.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// Whether a text is a path here; a second slash would lead to another host.
pub(super) fn is_path(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// Sends the browser on.
pub(super) fn see_other(address: &str) -> Response<Body> {
    let mut response = text(StatusCode::SEE_OTHER, "");
    match HeaderValue::try_from(address) {
        Ok(value) => drop(response.headers_mut().insert(header::LOCATION, value)),
        Err(_) => return text(StatusCode::BAD_GATEWAY, "the address cannot be read\n"),
    }
    with(with(response, header::CACHE_CONTROL, "no-store"), header::REFERRER_POLICY, "no-referrer")
}

/// Gives the browser a cookie.
pub(super) fn with_cookie(mut response: Response<Body>, name: &str, value: &str, same_site: &str) -> Response<Body> {
    let cookie = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}");
    if let Ok(value) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_path_of_this_host() {
        assert!(is_path("/") && is_path("/article/1?x=%20"));
        for bad in ["", "article", "//evil.example", "/\\evil.example", "https://evil.example", "/a b", "/a\r\nx: y"] {
            assert!(!is_path(bad), "{bad}");
        }
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        assert_eq!(fields(b"a=1&b=%20").unwrap()["b"], " ");
        assert!(fields(b"state=1&code=2&state=1").is_none());
    }
}
