//! The OpenID Provider, from outside.
mod conformance;
mod hostile;
mod journey;
