//! What a processor can sign, by OpenSSL: the measure of what signs. Benchmarks of signatures have it as their module
//! `openssl`.
use crate::stage::Outcome;
use crate::stage::process::MEASURED;
use std::process::Command;

/// RSA signatures with 2,048 bits for a second of processor time, which OpenSSL counts by its own.
pub(crate) fn signatures(seconds: u32) -> Outcome<f64> {
    let seconds = seconds.to_string();
    let output = Command::new("taskset")
        .args(["-c", MEASURED, "openssl", "speed", "-mr", "-seconds", &seconds, "rsa2048"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // "+F2:2:2048:4385.2:151110.0": signatures and verifications a second.
    let line = text.lines().find_map(|line| line.strip_prefix("+F2:")).ok_or("expected rates of openssl")?;
    Ok(line.split(':').nth(2).ok_or("expected a rate of openssl")?.parse()?)
}
