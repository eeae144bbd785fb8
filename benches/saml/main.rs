//! The benchmark of SAML: Vestibule beside `SimpleSAMLphp` and pysaml2 on one processor, and beside bare signatures, with
//! the ratios printed. `cargo bench --bench saml -- --help` tells what it takes.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints what it found")]
mod aggregate;
mod exchange;
mod exchanges;
mod federation;
#[path = "../stage/line.rs"]
mod line;
#[path = "../stage/openssl.rs"]
mod openssl;
mod peers;
mod providers;
mod rehearsed;
mod report;
#[path = "../stage/mod.rs"]
mod stage;
mod verified;
mod vestibule;

use clap::{Parser, Subcommand, ValueEnum};
use exchange::Signatures;
use providers::Provider;
use rehearsed::Task;
use stage::machine::{self, Program};
use stage::plan::{Effort, Plan};
use stage::site::{PORTAL, Site};
use stage::{Outcome, process};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Where the last results stand.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/SAML.md");

/// What this benchmark runs, beside the peers.
const PROGRAMS: [Program; 4] = [
    ("taskset", "--version", "util-linux"),
    ("openssl", "version", "openssl"),
    ("xmlsec1", "--version", "xmlsec1"),
    ("nginx", "-v", "nginx-light"),
];

/// Measures Vestibule's SAML beside other identity providers, and prints the ratios.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    plan: Plan<Part>,
}

/// For profilers, and for this program itself.
#[derive(Subcommand)]
enum Command {
    /// Starts one provider alone, prints its processes, and puts whole exchanges on it for a time
    Load {
        /// The provider
        #[arg(value_enum)]
        provider: Known,
        /// How much is signed
        #[arg(long, value_enum, default_value = "two")]
        signatures: Signatures,
        /// For how long
        #[arg(long, default_value_t = 60)]
        time: u32,
    },
    #[command(flatten)]
    Task(Task),
}

/// A provider.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Known {
    Simplesamlphp,
    Pysaml2,
    Vestibule,
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Whole exchanges beside other identity providers
    Exchanges,
    /// Responses beside bare signatures
    Signatures,
    /// A federation's aggregate
    Federation,
}

fn main() -> ExitCode {
    stage::end(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Outcome<()> {
    if let Some(Command::Task(task)) = &arguments.command {
        println!("{}", task.run()?);
        return Ok(());
    }
    machine::check(&PROGRAMS)?;
    peers::check()?;
    let load = machine::load_average();
    process::settle()?;
    let site = Site::lay(&[PORTAL, "*.proxy.localhost"])?;
    // By now every server has stopped and written what it had to say.
    measure(&site, arguments, &load).map_err(|error| format!("{error}\n{}", site.log_of_vestibule()).into())
}

fn measure(site: &Site, arguments: &Arguments, load: &str) -> Outcome<()> {
    let plan = &arguments.plan;
    let program = plan.program();
    if let Some(Command::Load { provider, signatures, time }) = arguments.command {
        let provider = start(site, &program, provider)?;
        println!("processes {:?}", provider.servers.iter().map(process::Server::id).collect::<Vec<_>>());
        let run = exchanges::alone(site, &provider, (signatures, Duration::from_secs(time.into())))?;
        println!("{:.0} exchanges/s, {:.0} per CPU-second", run.rate, run.per_cpu);
        return Ok(());
    }
    let mut text = machine::head("Results of the saml benchmark", &machine::command("saml"), load, &PROGRAMS);
    text.push_str(&peers::versions()?);
    println!("{text}");
    let effort = plan.effort();
    for part in [Part::Exchanges, Part::Signatures, Part::Federation].into_iter().filter(|part| plan.wants(*part)) {
        let part = measured(site, &program, (part, effort, plan.quick))?;
        println!("{part}");
        text.push_str(&part);
    }
    if plan.is_whole() {
        fs::write(RESULTS, &text)?;
    }
    Ok(())
}

fn measured(site: &Site, program: &Path, (part, effort, quick): (Part, Effort, bool)) -> Outcome<String> {
    match part {
        Part::Exchanges => {
            eprintln!("exchanges …");
            let providers = providers(site, program)?;
            Ok(report::exchanges(&providers, &exchanges::in_turns(site, &providers, effort)?))
        }
        Part::Signatures => {
            eprintln!("signatures …");
            let vestibule = start(site, program, Known::Vestibule)?;
            Ok(report::signatures(&exchanges::beside_bare(site, &vestibule, effort)?))
        }
        Part::Federation => {
            eprintln!("federation …");
            Ok(report::federation(&federation::measure(site, program, effort, federation::entities(quick))?))
        }
    }
}

/// Vestibule is the last. Each has shown that its signatures verify.
fn providers(site: &Site, program: &Path) -> Outcome<Vec<Provider>> {
    let known = [Known::Simplesamlphp, Known::Pysaml2, Known::Vestibule];
    let providers = known.into_iter().map(|known| start(site, program, known)).collect::<Outcome<Vec<_>>>()?;
    for provider in &providers {
        verified::verify(site, provider)?;
    }
    Ok(providers)
}

fn start(site: &Site, program: &Path, known: Known) -> Outcome<Provider> {
    match known {
        Known::Simplesamlphp => peers::simplesamlphp(site),
        Known::Pysaml2 => peers::pysaml2(site),
        Known::Vestibule => vestibule::start(site, program),
    }
}
