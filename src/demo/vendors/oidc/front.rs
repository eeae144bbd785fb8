//! Which address of the vendor answers what.
use super::super::asked::{Asked, is_path, read, see_other, with_cookie};
use super::super::bodies::{Body, whole};
use super::super::routes::{html, json, nowhere, text, with};
use super::super::trouble::failed;
use super::party::{RelyingParty, Wish};
use super::{Trouble, pages, random_text};
use hyper::body::Incoming;
use hyper::header;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

/// Answers one request to the vendor of that name; `received` is its head as it came.
pub(in super::super) async fn answer(
    (name, party): (&str, &RelyingParty),
    request: Request<Incoming>,
    received: Vec<u8>,
) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let reads = matches!(method, Method::GET | Method::HEAD);
    let posts = method == Method::POST && ["/callback", "/initiate", "/backchannel"].contains(&&*path);
    if !(posts || (reads && path != "/backchannel")) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "there is another method for this\n");
    }
    let Some(asked) = read(request, received).await else {
        return text(StatusCode::BAD_REQUEST, "the form cannot be read\n");
    };
    match path.as_str() {
        "/" => page(name, party, &asked, None),
        "/claims" => claims(party, &asked),
        "/me" => me(party, &asked),
        "/login" => login(name, party, &asked).await,
        "/initiate" => initiate(name, party, &asked).await,
        "/callback" => callback(name, party, asked).await,
        "/backchannel" => backchannel(party, &asked).await,
        "/logout" => logout(name, party, &asked).await,
        "/goodbye" => goodbye(name, party, &asked),
        _ => match path.strip_prefix("/article/").and_then(|n| n.parse().ok()) {
            Some(number) => page(name, party, &asked, Some(number)),
            None => nowhere(name),
        },
    }
}

fn page(name: &str, party: &RelyingParty, asked: &Asked, article: Option<u32>) -> Response<Body> {
    let reader = asked.cookie(&party.session_cookie()).and_then(|session| party.reader(session));
    match (reader, article) {
        (Some(reader), None) => html(StatusCode::OK, pages::welcome(name, &reader, &asked.received)),
        (Some(reader), Some(number)) => {
            html(StatusCode::OK, super::super::pages::article(name, &reader.claims, number))
        }
        // Whoever follows a link to an article signs in on the way.
        (None, Some(number)) => see_other(&format!("/login?target=/article/{number}")),
        (None, None) => html(StatusCode::FORBIDDEN, super::super::pages::not_signed_in(name, party.issuer())),
    }
}

fn claims(party: &RelyingParty, asked: &Asked) -> Response<Body> {
    let reader = asked.cookie(&party.session_cookie()).and_then(|session| party.reader(session));
    reader.map_or_else(not_signed_in, |reader| {
        json(StatusCode::OK, &json!({ "id_token": reader.claims.all(), "userinfo": reader.userinfo.all() }))
    })
}

/// The claims of the ID token alone, where vendors of the gateway have those of the assertion.
fn me(party: &RelyingParty, asked: &Asked) -> Response<Body> {
    let reader = asked.cookie(&party.session_cookie()).and_then(|session| party.reader(session));
    reader.map_or_else(not_signed_in, |reader| json(StatusCode::OK, &Value::Object(reader.claims.all().clone())))
}

fn not_signed_in() -> Response<Body> {
    json(StatusCode::FORBIDDEN, &json!({ "error": "nobody is signed in" }))
}

async fn login(name: &str, party: &RelyingParty, asked: &Asked) -> Response<Body> {
    let target = asked.field("target").filter(|target| is_path(target)).unwrap_or("/");
    begin(name, party, asked, target).await
}

/// Third-party-initiated login (OpenID Connect Core 1.0 §4).
async fn initiate(name: &str, party: &RelyingParty, asked: &Asked) -> Response<Body> {
    if asked.field("iss") != Some(party.issuer()) {
        return failed(name, &Trouble::Unbelievable("somebody else than your library sent you"));
    }
    let target = asked.field("target_link_uri").and_then(|uri| uri.strip_prefix(party.origin()));
    begin(name, party, asked, target.filter(|target| is_path(target)).unwrap_or("/")).await
}

async fn begin(name: &str, party: &RelyingParty, asked: &Asked, target: &str) -> Response<Body> {
    let cookie = party.browser_cookie();
    let Some(browser) = asked.cookie(&cookie).map(str::to_owned).or_else(|| random_text().ok()) else {
        return failed(name, &Trouble::Unanswered("there is no chance to be had"));
    };
    let wish = Wish {
        browser: browser.clone(),
        target: target.to_owned(),
        prompt: asked.field("prompt").map(str::to_owned),
        max_age: asked.field("max_age").and_then(|age| age.parse().ok()),
    };
    match party.begin(wish).await {
        // A form that another site's page posts brings no cookie that is `Lax`.
        Ok(address) if party.form_post() => with_cookie(see_other(&address), &cookie, &browser, "None"),
        Ok(address) => with_cookie(see_other(&address), &cookie, &browser, "Lax"),
        Err(trouble) => failed(name, &trouble),
    }
}

async fn callback(name: &str, party: &RelyingParty, asked: Asked) -> Response<Body> {
    let browser = asked.cookie(&party.browser_cookie());
    let before = asked.cookie(&party.session_cookie());
    let arrival = match &asked.fields {
        Some(fields) => party.finish(browser, fields, asked.received.clone()).await,
        None => Err(Trouble::Unbelievable("the answer says something twice")),
    };
    match arrival {
        Ok(arrival) => {
            if let Some(session) = before {
                party.forget(session);
            }
            with_cookie(see_other(&arrival.target), &party.session_cookie(), &arrival.session, "Lax")
        }
        Err(trouble) => failed(name, &trouble),
    }
}

/// Back-channel logout: the portal says who has left (OpenID Connect Back-Channel Logout 1.0 §2.5 to 2.8).
async fn backchannel(party: &RelyingParty, asked: &Asked) -> Response<Body> {
    let ended = match asked.field("logout_token") {
        Some(token) => party.end(token).await,
        None => Err(Trouble::Unbelievable("there is no logout token")),
    };
    let response = match ended {
        Ok(_) => Response::new(whole("")),
        Err(Trouble::Unbelievable(why)) => {
            json(StatusCode::BAD_REQUEST, &json!({ "error": "invalid_request", "error_description": why }))
        }
        Err(_) => json(StatusCode::BAD_GATEWAY, &json!({ "error": "the keys could not be fetched" })),
    };
    with(response, header::CACHE_CONTROL, "no-store")
}

/// RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0 §2).
async fn logout(name: &str, party: &RelyingParty, asked: &Asked) -> Response<Body> {
    let session = asked.cookie(&party.session_cookie()).unwrap_or_default();
    match party.leave(session).await {
        Ok(Some(address)) => see_other(&address),
        Ok(None) => see_other("/"),
        Err(trouble) => failed(name, &trouble),
    }
}

fn goodbye(name: &str, party: &RelyingParty, asked: &Asked) -> Response<Body> {
    let known = asked.field("state").is_some_and(|state| party.came_back(state));
    html(StatusCode::OK, pages::goodbye(name, known))
}
