//! `vestibule demo`.
use super::{Exit, Failure, Out};
use clap::Args;
use std::path::PathBuf;

/// What `demo` takes.
#[derive(Args)]
pub(super) struct Demo {
    /// The port of the portal and of the vendors' hosts
    #[arg(long, default_value_t = 8443)]
    pub(super) port: u16,
    /// The folder for everything that the demo keeps [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

/// Runs the demo until told to stop.
pub(super) fn run(demo: &Demo, _: &mut Out) -> Result<(), Failure> {
    let _ = (demo.port, &demo.dir);
    Err(Failure::new(Exit::Unavailable, "`demo` is not part of this build"))
}
