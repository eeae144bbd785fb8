//! Protocols that vendors speak, and the keys that sign what they are told.
mod signing;

pub use signing::{Algorithm, Change, KeyInfo, KeyState, RingError, Rotation, SigningRing};
