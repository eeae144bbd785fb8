//! The hall: every request comes here, and the host that it is for decides who answers.
use super::reply::Reply;
use super::site::{Destination, Site, VendorSite};
use crate::domain::{Clock, Timestamp};
use crate::egress::{NoVisit, OutboundRequest, Remembered, Trouble, Visits, is_worker_refused};
use crate::net::{About, Handler, Inbound, Peer, screen};
use crate::session::ENTER_PATH;
use crate::telemetry::{Event, Refused, Telemetry};
use crate::web::{ClientAddress, ProblemPage, for_clients};
use arc_swap::ArcSwap;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use std::sync::Arc;
use std::time::Instant;
use tower_service::Service;
use url::form_urlencoded;

/// What all workers share.
pub(super) struct Hall {
    pub(super) site: ArcSwap<Site>,
    pub(super) visits: Visits,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) telemetry: Arc<Telemetry>,
}

/// One worker's hands.
pub(super) struct Worker {
    pub(super) hall: Arc<Hall>,
    pub(super) number: usize,
    pub(super) portal: axum::Router,
}

impl Handler for Arc<Worker> {
    type Body = Reply;
    type Memory = Remembered;

    fn refusal(&self, cause: Refused) -> Response<Reply> {
        self.hall.telemetry.emit(&Event::Refused { cause });
        let mut response = bare(cause.status());
        if cause == Refused::CookiesTooLarge {
            // The way out for a browser that a page has filled with cookies: they go, and the next request is as good as any.
            let field = HeaderName::from_static("clear-site-data");
            response.headers_mut().insert(field, HeaderValue::from_static("\"cookies\""));
        }
        response
    }

    async fn answer(&self, request: Request<Inbound>, about: About<'_, Remembered>) -> Response<Reply> {
        let started = Instant::now();
        let site = self.hall.site.load_full();
        let method = method_label(request.method());
        let version = if request.version() == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" };
        let destination = match screen(&request) {
            Ok(host) => site.destination(&host),
            Err(cause) => return self.refusal(cause),
        };
        let (vendor, response) = match destination {
            Some(Destination::Portal) => (None, Box::pin(self.portal_answer(&site, request, about.peer)).await),
            Some(Destination::Vendor(index)) => {
                let Some(vendor) = site.vendors.get(index) else { return bare(500) };
                (Some(&vendor.vendor.id), self.vendor_answer(&site, vendor, request, &about).await)
            }
            None => {
                self.hall.telemetry.emit(&Event::Refused { cause: Refused::HostUnknown });
                return site.problem(ProblemPage::UnknownHost, request.headers());
            }
        };
        let (status, took) = (response.status().as_u16(), started.elapsed());
        self.hall.telemetry.emit(&Event::Request { vendor, method, status, took, version });
        response
    }
}

impl Worker {
    async fn portal_answer(&self, site: &Site, request: Request<Inbound>, peer: Peer) -> Response<Reply> {
        if request.uri().path() == "/.well-known/jwks.json" {
            return jwks(site, request.method());
        }
        let request = request.map(|body| axum::body::Body::new(body.within(site.form)));
        let mut request = match for_clients(&site.providers.oidc, self.hall.clock.now(), request).await {
            Ok(response) => return response.map(Reply::from),
            Err(request) => request,
        };
        request.extensions_mut().insert(ClientAddress(peer.address.ip().to_canonical()));
        let Ok(response) = self.portal.clone().call(request).await;
        response.map(Reply::from)
    }

    async fn vendor_answer(
        &self,
        site: &Site,
        vendor: &VendorSite,
        request: Request<Inbound>,
        about: &About<'_, Remembered>,
    ) -> Response<Reply> {
        let now = self.hall.clock.now();
        let path = request.uri().path();
        if path == ENTER_PATH {
            return Box::pin(self.enter(site, vendor, &request, now)).await;
        }
        // The rest of this folder is ours, and empty: a vendor never sees a path of it.
        if path.starts_with("/.vestibule/") {
            return site.problem(ProblemPage::NotFound, request.headers());
        }
        if is_worker_refused(request.headers(), &vendor.vendor) {
            return site.problem(ProblemPage::NotFound, request.headers());
        }
        let visit =
            match self.hall.visits.find((request.headers(), about.memory), &vendor.vendor, &site.rules, now).await {
                Ok(visit) => visit,
                Err(NoVisit::NoSession) => return to_sign_in(site, vendor, &request),
                Err(NoVisit::Denied(why)) => return site.problem(ProblemPage::NotEntitled(why), request.headers()),
                Err(NoVisit::Store) => return site.problem(ProblemPage::StoreDown, request.headers()),
            };
        self.pass_on(site, vendor, request, (&visit, now)).await
    }

    async fn pass_on(
        &self,
        site: &Site,
        vendor: &VendorSite,
        mut request: Request<Inbound>,
        (visit, now): (&crate::egress::Visit, Timestamp),
    ) -> Response<Reply> {
        let language = request.headers().get(ACCEPT_LANGUAGE).cloned();
        let browser = request.headers().contains_key(http::header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let mut outbound = OutboundRequest::from_inbound(request, &vendor.vendor, &vendor.faces, visit);
        if vendor.protocol.speak(visit, &mut outbound, now).is_err() {
            self.hall.telemetry.emit(&Event::VendorTrouble { vendor: &vendor.vendor.id, cause: "unsigned" });
            return site.problem_in(ProblemPage::OurFault, language.as_ref());
        }
        let Some(upstream) = vendor.upstreams.get(self.number) else { return bare(500) };
        let answer = match browser {
            Some(browser) if outbound.is_upgrade() => Box::pin(upstream.upgrade(outbound, browser)).await,
            _ => upstream.send(outbound).await,
        };
        match answer {
            Ok(answer) => answer.map(Reply::Vendor),
            // The browser broke it, not the vendor.
            Err(Trouble::Browser) => bare(400),
            Err(trouble) => self.vendor_trouble(site, vendor, trouble, language.as_ref()),
        }
    }

    fn vendor_trouble(
        &self,
        site: &Site,
        vendor: &VendorSite,
        trouble: Trouble,
        language: Option<&HeaderValue>,
    ) -> Response<Reply> {
        self.hall.telemetry.emit(&Event::VendorTrouble { vendor: &vendor.vendor.id, cause: trouble.cause() });
        let page = if trouble.is_slow() { ProblemPage::VendorSlow } else { ProblemPage::VendorDown };
        site.problem_in(page, language)
    }

    /// Takes a ticket for a cookie and goes on to the page that was wanted.
    async fn enter(
        &self,
        site: &Site,
        vendor: &VendorSite,
        request: &Request<Inbound>,
        now: Timestamp,
    ) -> Response<Reply> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return site.problem(ProblemPage::BadRequest, request.headers());
        }
        let (ticket, to) = entry_fields(request.uri().query().unwrap_or_default());
        match self.hall.visits.enter(&ticket, &vendor.vendor.id, now).await {
            Ok(Some(entry)) => {
                let mut response = redirect(&format!("{}{to}", vendor.faces.origin));
                if let Ok(cookie) = HeaderValue::from_str(&entry.cookie) {
                    response.headers_mut().insert(SET_COOKIE, cookie);
                }
                response
            }
            Ok(None) => redirect(&sign_in_url(site, vendor, &to)),
            Err(_) => site.problem(ProblemPage::StoreDown, request.headers()),
        }
    }
}

/// `ticket` and `to` of an entry's query; `to` is a path on this host or `/`.
fn entry_fields(query: &str) -> (String, String) {
    let (mut ticket, mut to) = (String::new(), String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "ticket" => ticket = value.into_owned(),
            "to" => to = value.into_owned(),
            _ => {}
        }
    }
    let visible = to.bytes().all(|b| b.is_ascii_graphic()) && to.starts_with('/') && !to.starts_with("//");
    (ticket, if visible { to } else { "/".to_owned() })
}

/// Whoever has no session here is sent to sign in, if they came by a page that can show it.
fn to_sign_in(site: &Site, vendor: &VendorSite, request: &Request<Inbound>) -> Response<Reply> {
    let mode = request.headers().get("sec-fetch-mode").map(HeaderValue::as_bytes);
    let navigates = mode.is_none_or(|mode| mode == b"navigate");
    if !(navigates && matches!(*request.method(), Method::GET | Method::HEAD)) {
        return site.problem(ProblemPage::SignInAgain, request.headers());
    }
    let path = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    redirect(&sign_in_url(site, vendor, path))
}

fn sign_in_url(site: &Site, vendor: &VendorSite, path: &str) -> String {
    let wanted = format!("{}{path}", vendor.faces.vendor_origin);
    let query = form_urlencoded::byte_serialize(wanted.as_bytes()).collect::<String>();
    format!("{}/login?qurl={query}", site.portal_origin)
}

fn redirect(to: &str) -> Response<Reply> {
    let Ok(location) = HeaderValue::from_str(to) else { return bare(400) };
    let mut response = Response::new(Reply::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    response
}

/// The public halves of the signing keys (RFC 7517), for vendors.
fn jwks(site: &Site, method: &Method) -> Response<Reply> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return bare(405);
    }
    let mut response = Response::new(Reply::from(site.jwks.clone()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("access-control-allow-origin"), HeaderValue::from_static("*"));
    response
}

/// An answer without a page, for those who do not speak HTTP; the connection is closed.
fn bare(status: u16) -> Response<Reply> {
    let mut response = Response::new(Reply::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

const fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "OTHER",
    }
}

impl Site {
    fn problem(&self, page: ProblemPage, headers: &HeaderMap) -> Response<Reply> {
        self.problem_in(page, headers.get(ACCEPT_LANGUAGE))
    }

    fn problem_in(&self, page: ProblemPage, language: Option<&HeaderValue>) -> Response<Reply> {
        let language = language.and_then(|value| value.to_str().ok());
        self.pages.problem(page, language).map(|text| Reply::from(bytes::Bytes::from(text)))
    }
}
