//! A make-believe vendor that signs readers in over SAML 2.0, as a service provider. What comes is believed only when the
//! identity provider's published keys have signed it, whole, and it fits the request that this vendor made. It knows of the
//! portal what any service provider would: an entityID, and the metadata under it.
mod desk;
mod front;
mod identity_provider;
mod key;
mod names;
mod pages;
mod query;
mod response;
mod service_provider;
mod signatures;
mod tree;
mod written;

pub use key::{Keys, OwnKey};

pub(super) use front::answer;
pub(super) use service_provider::ServiceProvider;

use super::portal::Portal;
use super::trouble::Trouble;
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;

/// What a vendor and the portal agreed on.
pub struct Agreement {
    /// The portal.
    pub portal: Portal,
    /// The vendor's keys; without any it signs nothing and reads nothing that is encrypted.
    pub keys: Option<Keys>,
    /// Whether the vendor sends its requests as a form, instead of in the address.
    pub form_post: bool,
    /// Whether it takes part in signing out.
    pub logout: bool,
    /// The shortest time between two fetches of the portal's metadata.
    pub pause: Duration,
}

/// 128 random bits, as an ID of XML.
fn fresh_id() -> Result<String, Trouble> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Trouble::Unanswered("there is no chance to be had"))?;
    Ok(bytes.iter().fold(String::from("_"), |text, byte| format!("{text}{byte:02x}")))
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A time as messages have it, in whole seconds.
fn time_text(time: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    time.format(form).unwrap_or_default()
}

#[cfg(test)]
mod tests;
