//! Service providers that nobody of this project wrote, on whole journeys through the identity provider: Shibboleth's
//! `mod_shib` and `mod_auth_mellon` (Debian), pysaml2 and python3-saml (PyPI).
mod chromium;
mod mellon;
mod program;
mod published;
mod pysaml2;
mod python3_saml;
mod rollover;
mod scene;
mod shibboleth;
mod told;
mod vendors;

pub(super) use program::key_pair;
