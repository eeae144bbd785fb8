//! The gateway benchmark: Vestibule beside nginx and haproxy on one processor each, with the ratios printed.
//! `cargo bench --bench gateway -- --help` tells what it takes.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints what it found")]
mod ground;
mod idle;
mod lasting;
mod latency;
mod line;
mod load;
mod peers;
mod report;
mod results;
mod sessions;
mod sign_ins;
mod soak;
#[path = "../stage/mod.rs"]
mod stage;
mod throughput;
mod vestibule;
mod visitors;

use clap::{Parser, Subcommand, ValueEnum};
use ground::Ground;
use peers::{Proxy, SESSIONS};
use stage::machine::{self, Program};
use stage::plan::Plan;
use stage::{Outcome, process};
use std::path::Path;
use std::process::ExitCode;

/// What this benchmark runs.
const PROGRAMS: [Program; 6] = [
    ("nginx", "-v", "nginx-light"),
    ("haproxy", "-v", "haproxy"),
    ("wrk", "-v", "wrk"),
    ("h2load", "--version", "nghttp2-client"),
    ("taskset", "--version", "util-linux"),
    ("openssl", "version", "openssl"),
];

/// Measures Vestibule beside nginx and haproxy, and prints the ratios; or measures it alone, over many connections,
/// sessions or minutes.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    lasting: Option<Lasting>,
    #[command(flatten)]
    plan: Plan<Part>,
    /// Start Vestibule alone, print how to put load on it, and wait for a line on standard input
    #[arg(long)]
    stay: bool,
}

/// What the product keeps over time.
#[derive(Clone, Copy, Subcommand)]
enum Lasting {
    /// Memory of idle TLS connections; 10,000 are written to the results
    Idle {
        /// How many
        #[arg(long, default_value_t = lasting::CONNECTIONS)]
        connections: u64,
    },
    /// Memory of sessions; 1,000,000 are written to the results
    Sessions {
        /// How many
        #[arg(long, default_value_t = lasting::SESSIONS)]
        sessions: u64,
    },
    /// Memory and open files over a long time at half load; 30 minutes and more are written to the results
    Soak {
        /// How long
        #[arg(long, default_value_t = lasting::MINUTES)]
        minutes: u32,
    },
}

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Requests a second and memory
    Throughput,
    /// Time added to a request
    Latency,
    /// Sign-ins a second and memory of sessions
    SignIns,
}

fn main() -> ExitCode {
    stage::end(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Outcome<()> {
    machine::check(&PROGRAMS)?;
    let load = machine::load_average();
    process::settle()?;
    let ground = Ground::lay()?;
    // By now every server has stopped and written what it had to say.
    measure(&ground, arguments, &load).map_err(|error| format!("{error}\n{}", ground.site.log_of_vestibule()).into())
}

fn measure(ground: &Ground, arguments: &Arguments, load: &str) -> Outcome<()> {
    let plan = &arguments.plan;
    let program = plan.program();
    if arguments.stay {
        return stay(ground, &program);
    }
    if let Some(lasting) = arguments.lasting {
        return lasting::measure(ground, &program, lasting, &machine::command("gateway"));
    }
    let mut text = machine::head("Results of the gateway benchmark", &machine::command("gateway"), load, &PROGRAMS);
    println!("{text}");
    if plan.wants(Part::Throughput) || plan.wants(Part::Latency) {
        let proxies = proxies(ground, &program)?;
        for part in [Part::Throughput, Part::Latency].into_iter().filter(|part| plan.wants(*part)) {
            tell(&mut text, &proxied(ground, &proxies, plan, part)?);
        }
    }
    if plan.wants(Part::SignIns) {
        let patrons = if plan.quick { 2_000 } else { 100_000 };
        eprintln!("{patrons} sign-ins …");
        tell(&mut text, &report::sign_ins(&sign_ins::measure(ground, &program, patrons)?));
    }
    if plan.is_whole() {
        results::write(&text)?;
    }
    Ok(())
}

fn tell(text: &mut String, part: &str) {
    println!("{part}");
    text.push_str(part);
}

/// Vestibule is the last.
fn proxies(ground: &Ground, program: &Path) -> Outcome<Vec<Proxy>> {
    Ok(vec![
        peers::bare_nginx(ground)?,
        peers::haproxy(ground)?,
        peers::nginx_auth_request(ground)?,
        vestibule(ground, program)?,
    ])
}

fn vestibule(ground: &Ground, program: &Path) -> Outcome<Proxy> {
    let mut proxy = vestibule::start(ground, program, "vestibule")?;
    let sessions = u64::try_from(SESSIONS)?;
    sign_ins::many(ground, &proxy, 0..sessions)?;
    let session = vestibule::sign_in(&mut vestibule::portal(ground, &proxy)?, proxy.port, sessions)?;
    proxy.cookie = vestibule::enter(ground, &proxy, &session)?;
    Ok(proxy)
}

fn proxied(ground: &Ground, proxies: &[Proxy], plan: &Plan<Part>, part: Part) -> Outcome<String> {
    if part == Part::Latency {
        eprintln!("latency …");
        let requests = if plan.quick { 400 } else { 10_000 };
        return Ok(report::latency(&latency::measure(ground, proxies, requests)?));
    }
    let cases = throughput::measure(ground, proxies, plan.effort())?;
    Ok(report::throughput(proxies, &cases) + &report::memory(proxies))
}

/// For profilers.
fn stay(ground: &Ground, program: &Path) -> Outcome<()> {
    let proxy = vestibule(ground, program)?;
    let (authority, cookie, port) = (proxy.authority(), &proxy.cookie, proxy.port);
    println!("process {}", proxy.id());
    println!("wrk -t1 -c64 -d30s -H 'Host: {authority}' -H 'Cookie: {cookie}' https://127.0.0.1:{port}/1k");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
