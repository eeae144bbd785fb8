//! OpenID Connect: the provider that vendors' clients ask by way of the reader's browser.
mod backchannel;
mod client;
mod key_source;
mod parameters;
mod published;
mod sector;
mod settings;
#[cfg(test)]
mod stand_in;

pub use client::Client;
