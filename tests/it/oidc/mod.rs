//! Vendors over OpenID Connect.
mod conformance;
mod demo;
mod hostile;
mod journey;
mod onboarding;
mod ssrf;
