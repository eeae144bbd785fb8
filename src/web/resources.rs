//! The list of resources, the way to each, and what vendors see.
use super::answer::see_other;
use super::entry::{decision, enter};
use super::house::HouseVendor;
use super::problem::denial_message;
use super::visit::{Scene, Visit, front_page, login_path, qurl};
use crate::domain::{Denial, Library, VendorId};
use crate::egress::Release;
use crate::session::Session;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use minijinja::{Value, context};

/// `GET /`.
pub(super) async fn home(visit: Visit) -> Response {
    match visit.session().await {
        Ok(Some(_)) => see_other("/resources"),
        Ok(None) => see_other("/login"),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// `GET /resources`.
pub(super) async fn list(visit: Visit) -> Response {
    let session = match visit.session().await {
        Ok(Some(session)) => session,
        Ok(None) => return see_other("/login"),
        Err(problem) => return visit.problem(problem, &Scene::of(None)),
    };
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for HouseVendor { vendor, .. } in &visit.house.vendors {
        let (id, name, description) = (vendor.id.as_str(), &vendor.name, &vendor.description);
        match decision(&visit, &session, &vendor.id) {
            Ok(_) => open.push(context! { id, name, description }),
            // What the library never licensed is nothing that this patron lacks.
            Err(Denial::NoLicence) => {}
            Err(why) => closed.push(context! { name, description, reason => denial_message(why) }),
        }
    }
    let library = visit.house.library(session.library()).map_or("", |l| l.library.name.as_str());
    let more = context! { open, closed, library };
    visit.page(StatusCode::OK, "resources.html", &Scene { session: Some(&session), onward: None, more })
}

/// `GET /go/{vendor}`.
pub(super) async fn go(Path(id): Path<String>, visit: Visit) -> Response {
    let Some(vendor) = VendorId::parse(&id).ok().and_then(|id| visit.house.vendor(&id)) else {
        return visit.nothing_here().await;
    };
    let link = front_page(vendor);
    match visit.session().await {
        Ok(Some(session)) => enter(&visit, &session, &link).await,
        Ok(None) => see_other(&login_path(Some(&qurl(&link, visit.house.port)))),
        Err(problem) => visit.problem(problem, &Scene::of(None)),
    }
}

/// `GET /privacy`. It also answers while sessions cannot be looked up: as to a reader who is not signed in.
pub(super) async fn privacy(visit: Visit) -> Response {
    let session = visit.session().await.unwrap_or(None);
    let vendors: Vec<Value> = match session.as_deref() {
        None => visit.house.vendors.iter().map(|vendor| facts(&visit, vendor)).collect(),
        Some(session) => receipts(&visit, session),
    };
    let more = context! { vendors };
    visit.page(StatusCode::OK, "privacy.html", &Scene { session: session.as_deref(), onward: None, more })
}

/// What a vendor is told of every reader.
fn facts(visit: &Visit, vendor: &HouseVendor) -> Value {
    let learns = visit.house.learns(&vendor.vendor, visit.front.clock.now());
    context! {
        name => vendor.vendor.name.as_str(),
        anonymous => !learns.name,
        direct => vendor.host.is_none(),
        full_user_agent => vendor.vendor.full_user_agent,
        learns_affiliation => learns.affiliation,
        learns_entitlements => learns.entitlements,
    }
}

/// What each vendor that this patron may use is told about them: the very values.
fn receipts(visit: &Visit, session: &Session) -> Vec<Value> {
    let Some(library) = visit.house.library(session.library()) else { return Vec::new() };
    let may_use = |v: &&HouseVendor| decision(visit, session, &v.vendor.id).is_ok();
    visit.house.vendors.iter().filter(may_use).map(|v| receipt(visit, (session, &library.library), v)).collect()
}

fn receipt(visit: &Visit, (session, library): (&Session, &Library), vendor: &HouseVendor) -> Value {
    let (sector, keys) = (vendor.sector.as_deref(), &visit.house.keys);
    let release = Release { library, vendor: &vendor.vendor, sector, keys };
    let learns = visit.house.learns(&vendor.vendor, visit.front.clock.now());
    context! {
        pseudonym => release.pseudonym(session).filter(|_| learns.name).map(|name| name.as_str().to_owned()),
        affiliation => format!("{}@{}", library.affiliation, library.scope),
        entitlements => library.entitlements.clone(),
        ..facts(visit, vendor)
    }
}
