//! What of a benchmark is measured, and for how long: the part of its command line that all have in common.
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What every benchmark takes.
#[derive(Args)]
pub(crate) struct Plan<P: ValueEnum + Send + Sync + 'static> {
    /// Short runs, to see whether everything works; nothing is written
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure this part only; nothing is written
    #[arg(long, value_enum)]
    only: Option<P>,
    /// Rounds for each case
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds for each run
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Measure this program, instead of the one that was built with the benchmark
    #[arg(long, value_name = "PROGRAM", global = true)]
    vestibule: Option<PathBuf>,
    /// Given by cargo
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Rounds for each case.
    pub(crate) rounds: u32,
    /// Seconds for each run.
    pub(crate) seconds: u32,
}

impl<P: ValueEnum + Copy + PartialEq + Send + Sync + 'static> Plan<P> {
    /// The program that is measured.
    pub(crate) fn program(&self) -> PathBuf {
        self.vestibule.clone().unwrap_or_else(|| env!("CARGO_BIN_EXE_vestibule").into())
    }

    /// Whether a part is to be measured.
    pub(crate) fn wants(&self, part: P) -> bool {
        self.only.is_none_or(|only| only == part)
    }

    /// For how long.
    pub(crate) const fn effort(&self) -> Effort {
        if self.quick {
            Effort { rounds: 1, seconds: 1 }
        } else {
            Effort { rounds: self.rounds, seconds: self.seconds }
        }
    }

    /// Whether the results are those of a whole run, to be written.
    pub(crate) const fn is_whole(&self) -> bool {
        !self.quick && self.only.is_none()
    }
}
