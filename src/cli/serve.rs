//! `vestibule serve`: the product at work, until it is told to stop.
use super::{Exit, Failure, Out};
use crate::app::{self, NotStarted, Program, Running};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `serve` takes.
#[derive(Args)]
#[command(
    after_help = "SIGHUP, and a change of any of its files, loads the configuration again; a bad one is refused and the old \
one stays. SIGTERM stops: no new connections, and what is under way ends. SIGUSR2 starts the program anew from its file, \
hands it the listening sockets and stops when it serves; if it does not, this one stays."
)]
pub(super) struct Serve {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Take the listening sockets from the process that started this one, on standard input
    #[arg(long, hide = true)]
    pub(super) take_over: bool,
}

/// Serves until told to stop, or until the program of this name, started anew, has taken over.
pub(super) fn run(serve: &Serve, word: OsString, out: &mut Out) -> Result<(), Failure> {
    app::harden().map_err(|why| Failure::new(Exit::Unavailable, why))?;
    let start = if serve.take_over { app::take_over } else { app::start };
    let running = start(&serve.config).map_err(|why| failure(&why, out))?;
    let program = Program { word, config: serve.config.clone() };
    // Requests that outlast the patience are cut; the operator's log says so, and the stop was still a clean one.
    let _all_ended = running.wait_and_stop(Some(&program));
    Ok(())
}

/// Tells why the product did not start: every problem on a line of its own.
pub(super) fn failure(why: &NotStarted, out: &mut Out) -> Failure {
    match why {
        NotStarted::Configuration(problems) => {
            for problem in problems {
                out.trouble(problem);
            }
            Failure::new(Exit::Configuration, why.to_string())
        }
        NotStarted::State(_) | NotStarted::System { .. } => Failure::new(Exit::Unavailable, why.to_string()),
    }
}

/// The portal's address and IT's.
pub(super) fn addresses(running: &Running) -> (String, String) {
    (running.public.origin(), format!("http://{}", running.admin))
}
