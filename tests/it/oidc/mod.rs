//! Vendors over OpenID Connect.
mod journey;
