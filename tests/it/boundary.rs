//! What must not compile, and what the types that carry the promise must not do.
use static_assertions::assert_not_impl_any;
use std::fmt::{Debug, Display};
use vestibule::egress::{Assertion, OutboundRequest};
use vestibule::patron::{Credentials, Keyring, Pseudonym, Subject, Vault, Verified};
use vestibule::session::{SecretId, Session};

assert_not_impl_any!(Credentials: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Verified: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Subject: Debug, Display, serde::Serialize);
assert_not_impl_any!(Keyring: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Vault: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Session: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(SecretId: Debug, Display, Clone, serde::Serialize);
assert_not_impl_any!(Assertion: serde::Serialize, Default);
assert_not_impl_any!(OutboundRequest: Default, Clone);
assert_not_impl_any!(Pseudonym: Default, From<String>);

#[test]
fn what_must_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
