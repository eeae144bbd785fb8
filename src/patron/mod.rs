//! The privacy boundary: personal data enters here and never leaves. Outside this folder nobody can open
//! [`Credentials`], read what an ILS said, or make a [`Verified`]; what comes out is a keyed [`Subject`], a coarse
//! standing, and, one vendor at a time, a [`Pseudonym`].
mod attempts;
mod credentials;
mod gate;
mod ils;
mod pseudonym;
mod record;
mod vault;

pub use attempts::Approach;
pub use credentials::Credentials;
pub use gate::{Gate, GateParts, Ilses, Refusal, Verified};
pub use ils::{IlsHealth, Step, Verdict, kinds as ils_kinds};
pub use pseudonym::{Keyring, Pseudonym, Subject};
pub use vault::Vault;

#[cfg(fuzzing)]
pub use ils::fuzzing;
