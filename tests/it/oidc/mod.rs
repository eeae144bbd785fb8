//! Vendors over OpenID Connect.
mod journey;
mod ssrf;
