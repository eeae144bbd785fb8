//! The integration tests, one binary.
#[cfg(test)]
mod deploy;
