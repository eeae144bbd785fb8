//! The command line: what each command takes and how the process ends. One file a command; all printing goes through
//! [`Out`], and exit codes are those of `sysexits.h`.
mod check;
mod demo;
pub mod dev_certs;
mod ils;
mod keys;
mod live;
mod output;
mod serve;
mod vendors;

pub use output::Out;

use crate::config::{self, Config};
use crate::domain::{Clock, SystemClock};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::Path;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Good,
    /// The command line is wrong (`EX_USAGE`).
    Usage,
    /// Something that is needed does not answer (`EX_UNAVAILABLE`).
    Unavailable,
    /// The configuration is wrong (`EX_CONFIG`).
    Configuration,
}

impl Exit {
    /// The number that the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Usage => 64,
            Self::Unavailable => 69,
            Self::Configuration => 78,
        }
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub struct Failure {
    /// How the process ends.
    pub exit: Exit,
    /// One sentence for the operator; empty where all is said already.
    pub sentence: String,
}

impl Failure {
    /// A failure with a sentence.
    #[must_use]
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into() }
    }
}

const LONG: &str = "Vestibule stands between a library's system (ILS) and the vendors that the library licenses. A reader \
signs in with a library card; a vendor is told only that an entitled reader of this library asks, under a name that no other \
vendor knows.";

const EXAMPLES: &str = "Try it:
  vestibule demo                                   a library, vendors and Vestibule on this machine
Set it up:
  vestibule keys new --pseudonym pseudonym.key     make the key that names readers; keep a copy
  vestibule check --config vestibule.toml --live   find every mistake, and ask the ILS and the vendors
  vestibule ils probe --config vestibule.toml --library westport --card 123
  vestibule serve --config vestibule.toml

Exit codes: 0 good, 64 wrong command line, 69 something needed does not answer, 78 wrong configuration.";

#[derive(Parser)]
#[command(name = "vestibule", version, about = "The entrance hall between a library and its vendors", long_about = LONG)]
#[command(after_help = EXAMPLES, arg_required_else_help = true, subcommand_required = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve readers until told to stop
    Serve(serve::Serve),
    /// Find every mistake in a configuration, without serving
    Check(check::Check),
    /// Make a certificate authority and a certificate for trying things out
    DevCerts(dev_certs::DevCerts),
    /// Talk to a library's system
    #[command(subcommand)]
    Ils(ils::Ils),
    /// Make, rotate and show keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Write the lines of a configuration that connect a vendor
    #[command(subcommand)]
    Vendors(vendors::Vendors),
    /// Run a make-believe library, vendors and Vestibule between them, on this machine only
    Demo(demo::Demo),
}

/// Does what the command line says.
pub fn run(arguments: impl IntoIterator<Item = OsString>, out: &mut Out) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let word = arguments.first().cloned().unwrap_or_default();
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command,
        Err(error) => return usage(&error, out),
    };
    let done = match command {
        Command::Serve(serve) => serve::run(&serve, word, out),
        Command::Check(check) => check::run(&check, out),
        Command::DevCerts(certs) => dev_certs::run(&certs, out),
        Command::Ils(ils) => ils::run(&ils, out),
        Command::Keys(keys) => keys::run(&keys, out),
        Command::Vendors(vendors) => vendors::run(&vendors, out),
        Command::Demo(demo) => demo::run(&demo, out),
    };
    match done {
        Ok(()) => Exit::Good,
        Err(failure) => {
            if !failure.sentence.is_empty() {
                out.trouble(&format!("vestibule: {}", failure.sentence));
            }
            failure.exit
        }
    }
}

/// Help and version are answers; anything else that the parser says is a mistake.
fn usage(error: &clap::Error, out: &mut Out) -> Exit {
    let text = error.render().to_string();
    if error.use_stderr() {
        out.trouble(text.trim_end());
        Exit::Usage
    } else {
        out.line(text.trim_end());
        Exit::Good
    }
}

/// Loads a configuration; prints every problem when there are any.
fn load(path: &Path, out: &mut Out) -> Result<Config, Failure> {
    config::load(path, SystemClock.now()).map_err(|problems| {
        for problem in &problems {
            out.trouble(&problem.to_string());
        }
        Failure::new(Exit::Configuration, counted(problems.len(), "problem"))
    })
}

/// `1 problem`, `2 problems`.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Runs what waits for the network, on this thread.
fn wait_for<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|_| Failure::new(Exit::Unavailable, "could not start the runtime"))?;
    Ok(runtime.block_on(work))
}

#[cfg(test)]
mod tests;
