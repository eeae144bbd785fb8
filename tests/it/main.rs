//! Black-box and structural tests, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test may stop at the first surprise"
)]
mod addresses;
mod admin;
mod architecture;
mod boundary;
mod canary;
mod chromium;
mod config;
mod crosswise;
#[cfg(test)]
mod deploy;
mod faults;
mod floods;
mod foreign;
mod gateway;
mod guessing;
mod isolation;
mod journey;
mod licences;
mod oidc;
mod reload;
mod restart;
mod saml;
mod sessions;
mod shell;
mod stop;
mod support;
mod swaps;
mod upgrade;
