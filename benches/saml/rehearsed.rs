//! What the product does without a provider around it: writing signed responses, and reading a federation's aggregate. Each
//! is done by a process of its own on the processor that is measured, which is this program, started again.
use crate::exchange::Signatures;
use crate::stage::Outcome;
use crate::stage::figures::as_float;
use crate::stage::process::MEASURED;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use vestibule::domain::{Clock, SystemClock};
use vestibule::protocol::saml::measured::{Rehearsal, aggregate};

/// Ticks in a second in `/proc/PID/stat` (`USER_HZ`): 100 on every Linux.
const TICKS: f64 = 100.0;

/// What such a process does; for this program itself.
#[derive(clap::Subcommand)]
pub(crate) enum Task {
    /// Writes responses for a time
    #[command(hide = true)]
    Write {
        #[arg(value_enum)]
        signatures: Signatures,
        seconds: u32,
    },
    /// Reads an aggregate once
    #[command(hide = true)]
    Read { file: PathBuf, certificate: PathBuf, entity: String },
}

impl Task {
    /// Does it; gives what is to be printed.
    pub(crate) fn run(&self) -> Outcome<String> {
        match self {
            Self::Write { signatures, seconds } => write(*signatures, *seconds),
            Self::Read { file, certificate, entity } => read(file, certificate, entity),
        }
    }
}

fn write(signatures: Signatures, seconds: u32) -> Outcome<String> {
    let now = SystemClock.now();
    let rehearsal = Rehearsal::new(now)?;
    let both = signatures == Signatures::Two;
    let (before, end) = (cpu()?, Instant::now() + Duration::from_secs(seconds.into()));
    let mut count = 0_u64;
    while Instant::now() < end {
        for _ in 0..32 {
            black_box(rehearsal.response(both, now)?);
        }
        count += 32;
    }
    Ok(format!("{:.1}", as_float(count) / (cpu()? - before)))
}

fn read(file: &Path, certificate: &Path, entity: &str) -> Outcome<String> {
    let (text, certificate) = (fs::read(file)?, fs::read(certificate)?);
    let (before, idle) = (cpu()?, memory()?);
    let entities = aggregate(&text, &certificate, entity, SystemClock.now());
    let entities = entities.ok_or("expected the aggregate to be believed")?;
    Ok(format!("{entities} {:.3} {:.0}", cpu()? - before, memory()? - idle))
}

/// Seconds of processor time that this process used, in user and kernel mode.
fn cpu() -> Outcome<f64> {
    Ok(ticks(11)? + ticks(12)?)
}

/// Seconds of processor time that processes used that this one started, and that have ended.
pub(crate) fn children() -> Outcome<f64> {
    Ok(ticks(13)? + ticks(14)?)
}

/// A field of `/proc/self/stat`, counted from field 3.
fn ticks(field: usize) -> Outcome<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = text.rsplit_once(')').ok_or("expected a name in parentheses")?;
    let ticks: f64 = rest.split_whitespace().nth(field).ok_or("expected times")?.parse()?;
    Ok(ticks / TICKS)
}

/// The most memory that this process had, in KiB.
fn memory() -> Outcome<f64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("expected the most memory")?;
    Ok(line.split_whitespace().next().ok_or("expected a number")?.parse()?)
}

/// Responses for a second of processor time.
pub(crate) fn responses(signatures: Signatures, seconds: u32) -> Outcome<f64> {
    let which = if signatures == Signatures::Two { "two" } else { "one" };
    Ok(started(&["write", which, &seconds.to_string()])?.first().copied().unwrap_or_default())
}

/// What reading an aggregate took.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// How many entities there were.
    pub(crate) entities: f64,
    /// Seconds of processor time.
    pub(crate) cpu: f64,
    /// Memory that was needed meanwhile, beside the text, in KiB.
    pub(crate) memory: f64,
}

/// Reads an aggregate.
pub(crate) fn reading(file: &Path, certificate: &Path, entity: &str) -> Outcome<Reading> {
    let [file, certificate] = [file, certificate].map(|path| path.display().to_string());
    match *started(&["read", &file, &certificate, entity])? {
        [entities, cpu, memory] => Ok(Reading { entities, cpu, memory }),
        _ => Err("expected three numbers".into()),
    }
}

/// Starts this program again for a task; gives the numbers that it prints.
fn started(task: &[&str]) -> Outcome<Vec<f64>> {
    let output = Command::new("taskset").args(["-c", MEASURED]).arg(std::env::current_exe()?).args(task).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}
