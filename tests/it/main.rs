//! Black-box and structural tests, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test may stop at the first surprise"
)]
mod architecture;
mod boundary;
mod config;
#[cfg(test)]
mod deploy;
mod gateway;
mod journey;
mod licences;
mod support;
