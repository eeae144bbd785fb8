//! The integration tests, one binary.
mod deploy;
