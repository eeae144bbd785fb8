//! `vestibule serve`.
use super::{Exit, Failure, Out};
use clap::Args;
use std::path::PathBuf;

/// What `serve` takes.
#[derive(Args)]
#[command(
    after_help = "SIGHUP loads the configuration again; a bad one is refused and the old one stays. SIGTERM stops."
)]
pub(super) struct Serve {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
}

/// Serves until told to stop.
pub(super) fn run(serve: &Serve, out: &mut Out) -> Result<(), Failure> {
    super::load(&serve.config, out)?;
    Err(Failure::new(Exit::Unavailable, "`serve` is not part of this build"))
}
