//! OpenID Connect: the provider that vendors' clients ask by way of the reader's browser.
mod assertion;
mod client;
mod client_auth;
mod dpop;
mod jws;
#[cfg(test)]
mod key_holder;
mod key_set;
mod parameters;
mod replays;
mod settings;

pub use client::Client;
