//! What every benchmark stands on: processes on processors of their own, a folder with a certificate, a client, a library
//! system, the product as an operator runs it, and how figures are judged. Each benchmark has this as its module `stage`.
pub(crate) mod browser;
pub(crate) mod figures;
pub(crate) mod machine;
pub(crate) mod plan;
pub(crate) mod process;
pub(crate) mod site;
pub(crate) mod vestibule;

mod ils;

use std::error::Error;
use std::process::ExitCode;

/// What a step of a benchmark comes to.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The end of a benchmark, as the shell sees it.
pub(crate) fn end(outcome: Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
