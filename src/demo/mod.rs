//! The make-believe world of `vestibule demo`: patrons, a library system that speaks SIP2, and vendors that show every
//! byte they receive. It is an honest double: it shares no code with the product that it faces, so an error in one is
//! seen by the other. Everything listens on loopback only, and nobody in it exists.
mod configuration;
pub mod ils;
mod names;
pub mod patrons;
pub mod vendors;
pub mod world;
