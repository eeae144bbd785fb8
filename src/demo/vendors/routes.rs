//! Which address of a make-believe vendor answers what.
use super::assertion::Verifier;
use super::bodies::{Body, numbered, slow, whole, with_trailer};
use super::{Vendor, pages, websocket};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::ops::Range;

/// The longest body that `/bytes/N` gives.
const MOST_BYTES: usize = 1 << 30;

/// Answers one request; `received` is its head as it came.
pub(super) async fn answer(
    (vendor, verifier): (&Vendor, &Verifier),
    request: Request<Incoming>,
    received: Vec<u8>,
) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if path == "/upload" {
        return upload(request).await;
    }
    if path == "/ws" {
        return web_socket(vendor, request);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return with(text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD only\n"), header::ALLOW, "GET, HEAD");
    }
    if let Some(count) = path.strip_prefix("/bytes/") {
        return count
            .parse()
            .ok()
            .filter(|n| *n <= MOST_BYTES)
            .map_or_else(|| nowhere(&vendor.name), |n| bytes(&request, n));
    }
    match path.as_str() {
        "/echo" => whole_text(StatusCode::OK, received),
        "/stream" => plain(slow()),
        "/trailers" => with(plain(with_trailer()), header::TRAILER, "x-trail"),
        "/redirect" => redirect(vendor),
        "/set-cookie" => set_cookies(request.headers()),
        "/me" => me(verifier, request.headers()).await,
        "/" => page((vendor, verifier), request.headers(), &received, None).await,
        _ => match path.strip_prefix("/article/").and_then(|n| n.parse().ok()) {
            Some(number) => page((vendor, verifier), request.headers(), &received, Some(number)).await,
            None => nowhere(&vendor.name),
        },
    }
}

async fn page(
    (vendor, verifier): (&Vendor, &Verifier),
    headers: &HeaderMap,
    received: &[u8],
    article: Option<u32>,
) -> Response<Body> {
    let verdict = verifier.verify(headers).await;
    let status = if verdict.is_ok() { StatusCode::OK } else { StatusCode::FORBIDDEN };
    let html = match (&verdict, article) {
        (Ok(claims), None) => pages::welcome(&vendor.name, claims, received),
        (Ok(claims), Some(number)) => pages::article(&vendor.name, claims, number),
        (Err(why), _) => pages::stranger(&vendor.name, why, received),
    };
    self::html(status, html)
}

async fn me(verifier: &Verifier, headers: &HeaderMap) -> Response<Body> {
    let (status, value) = match verifier.verify(headers).await {
        Ok(claims) => (StatusCode::OK, serde_json::Value::Object(claims.all().clone())),
        Err(why) => (StatusCode::FORBIDDEN, serde_json::json!({ "error": why })),
    };
    json(status, &value)
}

pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(whole(value.to_string()));
    *response.status_mut() = status;
    with(response, header::CONTENT_TYPE, "application/json")
}

pub(super) fn nowhere(name: &str) -> Response<Body> {
    html(StatusCode::NOT_FOUND, pages::nowhere(name))
}

fn redirect(vendor: &Vendor) -> Response<Body> {
    let mut response = text(StatusCode::FOUND, "moved to the first article\n");
    if let Ok(value) = HeaderValue::try_from(format!("{}/article/1", vendor.origin)) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// Cookies as vendors set them, and some that a vendor must not get through.
fn set_cookies(headers: &HeaderMap) -> Response<Body> {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("127.0.0.1");
    let domain = host.split(':').next().unwrap_or(host);
    let mut response = text(StatusCode::OK, "four cookies were set\n");
    for cookie in [
        format!("visit=first; Path=/; Domain={domain}; HttpOnly"),
        "shelf=open; Path=/; SameSite=Lax".to_owned(),
        "wide=everywhere; Path=/; Domain=localhost".to_owned(),
        "__Host-vestibule=taken; Path=/; Secure; HttpOnly".to_owned(),
    ] {
        if let Ok(value) = HeaderValue::try_from(cookie) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

async fn upload(request: Request<Incoming>) -> Response<Body> {
    if !matches!(*request.method(), Method::POST | Method::PUT) {
        return with(text(StatusCode::METHOD_NOT_ALLOWED, "POST or PUT only\n"), header::ALLOW, "POST, PUT");
    }
    let mut body = request.into_body();
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => count += frame.data_ref().map_or(0, bytes::Bytes::len),
            Err(_) => return text(StatusCode::BAD_REQUEST, "the body broke off\n"),
        }
    }
    whole_text(StatusCode::OK, format!("{count} bytes\n"))
}

fn bytes(request: &Request<Incoming>, length: usize) -> Response<Body> {
    let wanted = request.headers().get(header::RANGE).and_then(|r| r.to_str().ok()).map(|r| range(r, length));
    let (status, span, content_range) = match wanted {
        None | Some(Wanted::All) => (StatusCode::OK, 0..length, None),
        Some(Wanted::Part(part)) => {
            let told = format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1));
            (StatusCode::PARTIAL_CONTENT, part, Some(told))
        }
        Some(Wanted::Nothing) => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0, Some(format!("bytes */{length}"))),
    };
    let count = HeaderValue::from(span.len());
    let mut response = Response::new(numbered(span));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, count);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(value) = content_range.and_then(|told| HeaderValue::try_from(told).ok()) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    response
}

/// What a `Range` field asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// Everything: the field is of a kind that is not served.
    All,
    Part(Range<usize>),
    Nothing,
}

/// Reads a field with one range of bytes (RFC 9110 §14.1.2).
fn range(field: &str, length: usize) -> Wanted {
    let Some((first, last)) = field.strip_prefix("bytes=").and_then(|r| r.trim().split_once('-')) else {
        return Wanted::All;
    };
    let part = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => first..length.min(last.saturating_add(1)),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Wanted::All,
    };
    if part.is_empty() { Wanted::Nothing } else { Wanted::Part(part) }
}

fn web_socket(vendor: &Vendor, mut request: Request<Incoming>) -> Response<Body> {
    let field = |name: HeaderName| request.headers().get(name).and_then(|v| v.to_str().ok());
    let wants = field(header::UPGRADE).is_some_and(|u| u.eq_ignore_ascii_case("websocket"));
    let key = field(header::SEC_WEBSOCKET_KEY).filter(|_| wants).map(websocket::accept_key);
    let Some(accept) = key.and_then(|k| HeaderValue::try_from(k).ok()) else {
        let refusal = text(StatusCode::UPGRADE_REQUIRED, "a WebSocket handshake is needed\n");
        return with(refusal, header::UPGRADE, "websocket");
    };
    let (upgrade, stop) = (hyper::upgrade::on(&mut request), vendor.stop.clone());
    vendor.tasks.spawn(async move {
        let talk = async {
            match upgrade.await {
                Ok(stream) => websocket::echo(TokioIo::new(stream)).await,
                Err(error) => Err(std::io::Error::other(error)),
            }
        };
        // A conversation that breaks is over either way.
        tokio::select! { () = stop.cancelled() => (), _ = talk => () }
    });
    let mut response = Response::new(whole(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    with(with(response, header::CONNECTION, "upgrade"), header::UPGRADE, "websocket")
}

pub(super) fn text(status: StatusCode, content: &'static str) -> Response<Body> {
    whole_text(status, content)
}

fn whole_text(status: StatusCode, content: impl Into<hyper::body::Bytes>) -> Response<Body> {
    let mut response = plain(whole(content));
    *response.status_mut() = status;
    response
}

fn plain(body: Body) -> Response<Body> {
    with(Response::new(body), header::CONTENT_TYPE, "text/plain; charset=utf-8")
}

pub(super) fn html(status: StatusCode, content: String) -> Response<Body> {
    let mut response = with(Response::new(whole(content)), header::CONTENT_TYPE, "text/html; charset=utf-8");
    *response.status_mut() = status;
    with(response, header::CACHE_CONTROL, "no-store")
}

pub(super) fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        assert_eq!(range("bytes=0-9", 100), Wanted::Part(0..10));
        assert_eq!(range("bytes=90-200", 100), Wanted::Part(90..100));
        assert_eq!(range("bytes=90-", 100), Wanted::Part(90..100));
        assert_eq!(range("bytes=-10", 100), Wanted::Part(90..100));
        assert_eq!(range("bytes=-0", 100), Wanted::Nothing);
        assert_eq!(range("bytes=100-", 100), Wanted::Nothing);
        for odd in ["bytes=5-2", "bytes=1-2,4-5", "lines=1-2", "bytes=", "bytes=-", "bytes=x-y"] {
            assert_eq!(range(odd, 100), Wanted::All, "{odd}");
        }
    }
}
