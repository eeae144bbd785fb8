//! Entering a vendor: the decision, then a ticket to the vendor's host. A refused patron gets a page, and nothing reaches
//! the vendor.
use super::answer::see_other;
use super::asked;
use super::deeplink::DeepLink;
use super::problem::ProblemPage;
use super::query::encode;
use super::visit::{Scene, Visit, qurl};
use crate::domain::{Denial, Entitlement, VendorId, decide};
use crate::protocol::{Heard, Start};
use crate::session::{ENTER_PATH, Session};
use crate::telemetry::{Decision, Event};
use axum::response::Response;

/// Decides for the patron of a session, today.
pub(super) fn decision(visit: &Visit, session: &Session, vendor: &VendorId) -> Result<Entitlement, Denial> {
    let today = visit.front.clock.now().date();
    decide(&visit.house.licences, (session.library(), vendor), session.standing(), today)
}

/// As [`decision`], and tells of it: the patron is at the vendor's door.
pub(super) fn decided(visit: &Visit, session: &Session, vendor: &VendorId) -> Result<Entitlement, Denial> {
    let decided = decision(visit, session, vendor);
    let told = decided.as_ref().map_or_else(|why| Decision::Denied(*why), |_| Decision::Entitled);
    visit.front.telemetry.emit(&Event::Decided { library: session.library(), vendor, decision: told });
    decided
}

/// Sends the browser on to a vendor's host, or says why not.
pub(super) async fn enter(visit: &Visit, session: &Session, link: &DeepLink<'_>) -> Response {
    let vendor = &link.vendor.vendor.id;
    let scene = Scene::of(Some(session));
    match decided(visit, session, vendor) {
        Err(why) => visit.problem(ProblemPage::NotEntitled(why), &scene),
        Ok(_) if link.vendor.host.is_none() => start(visit, session, link).await,
        Ok(_) => match visit.front.sessions.issue_ticket(session, vendor).await {
            Err(_) => {
                visit.problem(ProblemPage::StoreDown, &Scene { onward: Some(&qurl(link, visit.house.port)), ..scene })
            }
            Ok(ticket) => {
                let origin = link.vendor.public(visit.house.port).serialise();
                let (ticket, to) = (ticket.as_str(), encode(&link.path));
                // Browsers carry a fragment over redirects (RFC 9110 §10.2.2); it is never sent to anybody.
                let fragment = link.fragment.as_ref().map_or_else(String::new, |f| format!("#{f}"));
                see_other(&format!("{origin}{ENTER_PATH}?ticket={ticket}&to={to}{fragment}"))
            }
        },
    }
}

/// Sends the browser to a vendor that asks for its readers itself.
async fn start(visit: &Visit, session: &Session, link: &DeepLink<'_>) -> Response {
    let target = link.address(visit.house.port);
    let (to, now) = ((&link.vendor.vendor.id, session.library()), visit.front.clock.now());
    match visit.house.providers.start(to, &target, now) {
        None => see_other(&target),
        Some(Start::At(address)) => see_other(&address),
        Some(Start::Unasked(asked)) => asked::hear(visit, Heard::Asked(asked), false).await,
    }
}
