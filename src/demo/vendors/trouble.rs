//! What can go wrong when a vendor signs a reader in, and what the reader is shown then.
use super::bodies::Body;
use super::pages::{escape, layout};
use super::routes::html;
use hyper::{Response, StatusCode};

/// Why a sign-in came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The portal said so: one of its error codes.
    Refused(String),
    /// What came is not to be believed.
    Unbelievable(&'static str),
    /// The portal did not answer as it should.
    Unanswered(&'static str),
}

/// What the reader is shown.
pub(super) fn failed(name: &str, trouble: &Trouble) -> Response<Body> {
    let status = match trouble {
        Trouble::Refused(_) => StatusCode::FORBIDDEN,
        Trouble::Unbelievable(_) => StatusCode::BAD_REQUEST,
        Trouble::Unanswered(_) => StatusCode::BAD_GATEWAY,
    };
    html(status, page(name, trouble))
}

/// The page where a sign-in came to nothing.
fn page(name: &str, trouble: &Trouble) -> String {
    let why = match trouble {
        Trouble::Refused(error) => format!("Your library said no: <code>{}</code>.", escape(error)),
        Trouble::Unbelievable(why) => format!("What came is not to be believed: {}.", escape(why)),
        Trouble::Unanswered(why) => format!("Your library could not be reached: {}.", escape(why)),
    };
    let content = format!(
        "<h1>You are not signed in</h1><p>{why}</p><p><a href=\"/login\">Try again</a></p>\
         <p><a href=\"/\">The first page of {}</a></p>",
        escape(name)
    );
    layout("Not signed in", name, &content)
}
