//! Which address of the vendor answers what.
use super::super::asked::{Asked, is_path, read, see_other, with_cookie};
use super::super::bodies::{Body, whole};
use super::super::routes::{html, json, nowhere, text, with};
use super::super::trouble::{Trouble, failed};
use super::desk::Reader;
use super::service_provider::{Errand, ServiceProvider, Wish};
use super::{fresh_id, pages};
use hyper::body::Incoming;
use hyper::header;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

/// Answers one request to the vendor of that name; `received` is its head as it came.
pub(in super::super) async fn answer(
    (name, provider): (&str, &ServiceProvider),
    request: Request<Incoming>,
    received: Vec<u8>,
) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let reads = matches!(method, Method::GET | Method::HEAD);
    let consumes = path == "/saml/acs";
    if !(reads && !consumes || method == Method::POST && consumes) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "there is another method for this\n");
    }
    let Some(asked) = read(request, received).await else {
        return text(StatusCode::BAD_REQUEST, "the form cannot be read\n");
    };
    match path.as_str() {
        "/" => page((name, provider), &asked, None),
        "/claims" | "/me" => claims(provider, &asked),
        "/login" => login((name, provider), &asked).await,
        "/logout" => logout((name, provider), &asked).await,
        "/saml/acs" => consume((name, provider), asked).await,
        "/saml/slo" => signed_out((name, provider), &asked).await,
        "/saml/metadata" => metadata(provider),
        _ => match path.strip_prefix("/article/").and_then(|n| n.parse().ok()) {
            Some(number) => page((name, provider), &asked, Some(number)),
            None => nowhere(name),
        },
    }
}

fn reader(provider: &ServiceProvider, asked: &Asked) -> Option<Reader> {
    asked.cookie(&provider.session_cookie()).and_then(|session| provider.reader(session))
}

fn page((name, provider): (&str, &ServiceProvider), asked: &Asked, article: Option<u32>) -> Response<Body> {
    match (reader(provider, asked), article) {
        (Some(reader), None) => html(StatusCode::OK, pages::welcome(name, &reader, &asked.received)),
        (Some(reader), Some(number)) => html(StatusCode::OK, super::super::pages::article(name, &reader.known, number)),
        // Whoever follows a link to an article signs in on the way.
        (None, Some(number)) => see_other(&format!("/login?target=/article/{number}")),
        (None, None) => html(StatusCode::FORBIDDEN, super::super::pages::not_signed_in(name, &provider.issuer())),
    }
}

/// What the assertion said.
fn claims(provider: &ServiceProvider, asked: &Asked) -> Response<Body> {
    match reader(provider, asked) {
        Some(reader) => json(StatusCode::OK, &Value::Object(reader.told.all().clone())),
        None => json(StatusCode::FORBIDDEN, &json!({ "error": "nobody is signed in" })),
    }
}

async fn login((name, provider): (&str, &ServiceProvider), asked: &Asked) -> Response<Body> {
    let target = asked.field("target").filter(|target| is_path(target)).unwrap_or("/").to_owned();
    let cookie = provider.browser_cookie();
    let browser = match asked.cookie(&cookie) {
        Some(browser) => browser.to_owned(),
        None => match fresh_id() {
            Ok(browser) => browser,
            Err(trouble) => return failed(name, &trouble),
        },
    };
    let wish = Wish { browser: browser.clone(), target, force: asked.field("force") == Some("true") };
    let response = match provider.begin(wish).await {
        Ok(Errand::Address(address)) => see_other(&address),
        Ok(Errand::Form { action, message, relay_state }) => {
            let fields = [("SAMLRequest", &*message), ("RelayState", &*relay_state)];
            html(StatusCode::OK, pages::onward(name, &action, &fields))
        }
        Err(trouble) => return failed(name, &trouble),
    };
    // A form that the portal's page posts brings no cookie that is `Lax`.
    with_cookie(response, &cookie, &browser, "None")
}

/// A response comes.
async fn consume((name, provider): (&str, &ServiceProvider), asked: Asked) -> Response<Body> {
    let browser = asked.cookie(&provider.browser_cookie());
    let before = asked.cookie(&provider.session_cookie());
    let arrival = match &asked.fields {
        Some(fields) => provider.finish(browser, fields, asked.received.clone()).await,
        None => Err(Trouble::Unbelievable("the form says something twice")),
    };
    match arrival {
        Ok(arrival) => {
            if let Some(session) = before {
                provider.forget(session);
            }
            with_cookie(see_other(&arrival.target), &provider.session_cookie(), &arrival.session, "Lax")
        }
        Err(trouble) => failed(name, &trouble),
    }
}

async fn logout((name, provider): (&str, &ServiceProvider), asked: &Asked) -> Response<Body> {
    let session = asked.cookie(&provider.session_cookie()).unwrap_or_default();
    match provider.leave(session).await {
        Ok(Some(address)) => see_other(&address),
        Ok(None) => see_other("/"),
        Err(trouble) => failed(name, &trouble),
    }
}

/// Word of a sign-out comes, or the answer to some that went from here.
async fn signed_out((name, provider): (&str, &ServiceProvider), asked: &Asked) -> Response<Body> {
    let heard = if asked.fields.is_none() {
        Err(Trouble::Unbelievable("the address says something twice"))
    } else if asked.field("SAMLResponse").is_some() {
        provider.left(&asked.query).await.map(|whole| html(StatusCode::OK, pages::goodbye(name, whole)))
    } else {
        provider.end(&asked.query, asked.field("RelayState")).await.map(|address| see_other(&address))
    };
    heard.unwrap_or_else(|trouble| failed(name, &trouble))
}

fn metadata(provider: &ServiceProvider) -> Response<Body> {
    with(Response::new(whole(provider.metadata())), header::CONTENT_TYPE, "application/samlmetadata+xml")
}
