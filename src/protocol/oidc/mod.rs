//! OpenID Connect: the provider that vendors' clients ask by way of the reader's browser.
mod client;
mod parameters;
mod settings;

pub use client::Client;
