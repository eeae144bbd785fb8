//! Vendors over OpenID Connect.
mod demo;
mod journey;
mod onboarding;
mod ssrf;
