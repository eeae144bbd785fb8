//! Black-box and structural tests, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test may stop at the first surprise"
)]
mod admin;
mod architecture;
mod boundary;
mod canary;
mod chromium;
mod config;
mod crosswise;
#[cfg(test)]
mod deploy;
mod floods;
mod foreign;
mod gateway;
mod journey;
mod licences;
mod outage;
mod reload;
mod sessions;
mod stop;
mod support;
