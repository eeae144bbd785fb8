//! The benchmark of OpenID Connect: Vestibule beside npm's `oidc-provider` on one processor each, with the ratios printed.
//! `cargo bench --bench oidc -- --help` tells what it takes.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints what it found")]
mod exchanges;
mod flow;
mod flows;
mod latency;
#[path = "../stage/line.rs"]
mod line;
mod memory;
#[path = "../stage/openssl.rs"]
mod openssl;
mod peer;
mod providers;
mod report;
#[path = "../stage/mod.rs"]
mod stage;
mod vestibule;

use clap::{Parser, Subcommand, ValueEnum};
use flow::Algorithm;
use providers::Provider;
use stage::machine::{self, Program};
use stage::plan::{Effort, Plan};
use stage::site::{PORTAL, Site};
use stage::{Outcome, process};
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Where the last results stand.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/OIDC.md");

/// What this benchmark runs, beside the peer.
const PROGRAMS: [Program; 2] = [("taskset", "--version", "util-linux"), ("openssl", "version", "openssl")];

/// Measures Vestibule's OpenID Connect beside oidc-provider, and prints the ratios.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    load: Option<Load>,
    #[command(flatten)]
    plan: Plan<Part>,
}

/// For profilers.
#[derive(Clone, Copy, Subcommand)]
enum Load {
    /// Starts Vestibule alone, prints its process, and puts whole flows on it for a time
    Load {
        /// The algorithm of its ID tokens
        #[arg(value_enum)]
        algorithm: Algorithm,
        /// For how long
        #[arg(long, default_value_t = 60)]
        time: u32,
    },
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Whole flows
    Flows,
    /// The token endpoint beside bare signatures
    Exchanges,
    /// The time that a flow takes at a fixed rate
    Latency,
    /// Memory before and after many flows
    Memory,
}

fn main() -> ExitCode {
    stage::end(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Outcome<()> {
    machine::check(&PROGRAMS)?;
    peer::check()?;
    let load = machine::load_average();
    process::settle()?;
    let site = Site::lay(&[PORTAL, "*.proxy.localhost"])?;
    // By now every server has stopped and written what it had to say.
    measure(&site, arguments, &load).map_err(|error| format!("{error}\n{}", site.log_of_vestibule()).into())
}

fn measure(site: &Site, arguments: &Arguments, load: &str) -> Outcome<()> {
    let plan = &arguments.plan;
    let program = plan.program();
    if let Some(Load::Load { algorithm, time }) = arguments.load {
        let (provider, _) = vestibule::start(site, &program, "vestibule")?;
        println!("process {}", provider.id());
        let run = flows::alone(site, &provider, algorithm, Duration::from_secs(time.into()))?;
        println!("{:.0} flows/s, {:.0} per CPU-second", run.rate, run.per_cpu);
        return Ok(());
    }
    let mut text = machine::head("Results of the oidc benchmark", &machine::command("oidc"), load, &PROGRAMS);
    text.push_str(&peer::version()?);
    println!("{text}");
    let effort = plan.effort();
    if [Part::Flows, Part::Exchanges, Part::Latency].into_iter().any(|part| plan.wants(part)) {
        let providers = providers(site, &program)?;
        for part in [Part::Flows, Part::Exchanges, Part::Latency].into_iter().filter(|part| plan.wants(*part)) {
            tell(&mut text, &beside(site, &providers, part, effort)?);
        }
    }
    if plan.wants(Part::Memory) {
        let flows = if plan.quick { 2_000 } else { memory::FLOWS };
        eprintln!("memory …");
        tell(&mut text, &report::memory(&memory::measure(site, &program, flows)?));
    }
    if plan.is_whole() {
        fs::write(RESULTS, &text)?;
    }
    Ok(())
}

fn tell(text: &mut String, part: &str) {
    println!("{part}");
    text.push_str(part);
}

/// Vestibule is the last.
fn providers(site: &Site, program: &Path) -> Outcome<Vec<Provider>> {
    Ok(vec![peer::start(site, true)?, peer::start(site, false)?, vestibule::start(site, program, "vestibule")?.0])
}

fn beside(site: &Site, providers: &[Provider], part: Part, effort: Effort) -> Outcome<String> {
    match part {
        Part::Flows => Ok(report::flows(providers, &flows::measure(site, providers, effort)?)),
        Part::Exchanges => Ok(report::exchanges(providers, &exchanges::measure(site, providers, effort)?)),
        _ => {
            Ok(report::latency(&latency::measure(site, providers, Duration::from_secs(u64::from(effort.seconds) * 5))?))
        }
    }
}
