//! The report: figures as tables of Markdown, with the goals beside them.
use crate::latency::{Pace, Times};
use crate::load::{CONNECTIONS, Way};
use crate::peers::Proxy;
use crate::sign_ins::{BROWSERS, SignIns};
use crate::throughput::{Case, Run};
use crate::tools;
use std::fmt::Write as _;

/// The most bytes that a session may take.
const SESSION_GOAL: f64 = 512.0;

/// A goal: at least so many times the peer's figure.
struct Goal {
    rate: f64,
    per_cpu: Option<f64>,
}

/// What is aimed at against a peer at a size; `None` where a case is only told.
fn goal(peer: &str, case: &Case) -> Option<Goal> {
    if case.way == Way::Browser {
        return None;
    }
    let large = case.size > 1024;
    match peer {
        "nginx" => Some(Goal { rate: if large { 1.2 } else { 1.0 }, per_cpu: Some(1.0) }),
        "haproxy map" => Some(Goal { rate: if large { 1.2 } else { 1.0 }, per_cpu: None }),
        "nginx auth_request" => Some(Goal { rate: 2.0, per_cpu: None }),
        _ => None,
    }
}

/// The head: where and with what it was measured.
pub(crate) fn head(command: &str, load_before: &str) -> String {
    let mut text = String::from("# Results of the gateway benchmark\n\n");
    let _ = writeln!(text, "- Command: `{command}`, {}", tools::date());
    let _ = writeln!(text, "- Machine: {}", tools::machine());
    let _ = writeln!(text, "- Load average before the run: {load_before}");
    for version in tools::versions() {
        let _ = writeln!(text, "- {version}");
    }
    text
}

/// Requests a second of every proxy, and the ratios.
pub(crate) fn throughput(proxies: &[Proxy], cases: &[Case]) -> String {
    let mut text = String::from("\n## Throughput\n\n");
    let _ = writeln!(
        text,
        "TLS 1.3 with ECDSA on P-256, {CONNECTIONS} connections, keep-alive on both sides, no access log. Each proxy has \
         processor 0 and one worker; load and origin have processor 1. The proxies take turns; figures are medians of \
         the rounds. Where the proxy did not use all of its processor, the load or other work on the machine was the \
         limit, and requests for a second of the proxy's own processor time are the fairer figure.\n"
    );
    for proxy in proxies {
        let _ = writeln!(text, "- **{}**: {}", proxy.name, proxy.what);
    }
    text.push_str(
        "\n| case | proxy | requests/s | lowest–highest | requests per CPU-second | its CPU | others' CPU |\n\
         |---|---|--:|--:|--:|--:|--:|\n",
    );
    for case in cases {
        for (proxy, runs) in proxies.iter().zip(&case.runs) {
            let _ = writeln!(text, "| {} | {} | {} |", words(case), proxy.name, figures(runs));
        }
    }
    text + &ratios(proxies, cases)
}

fn words(case: &Case) -> String {
    format!("{}, {} KiB", case.way.words(), case.size / 1024)
}

fn figures(runs: &[Run]) -> String {
    let all = |of: fn(&Run) -> f64| runs.iter().map(of).collect::<Vec<_>>();
    let rates = all(|run| run.rate);
    let lowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = rates.iter().copied().fold(0.0, f64::max);
    format!(
        "{:.0} | {lowest:.0}–{highest:.0} | {:.0} | {:.0} % | {:.0} %",
        median(rates),
        median(all(|run| run.per_cpu)),
        median(all(|run| run.share)) * 100.0,
        median(all(|run| run.others)) * 100.0
    )
}

/// Ratios are taken within a round, where both had the same machine; the median round stands.
fn ratios(proxies: &[Proxy], cases: &[Case]) -> String {
    let mut text = String::from(
        "\n### Vestibule against its peers\n\nThe median of the rounds' ratios; 1.00 is as fast as the peer.\n\n\
         | case | against | requests/s | goal | requests per CPU-second | goal |\n|---|---|--:|--:|--:|--:|\n",
    );
    for case in cases {
        let Some((ours, theirs)) = case.runs.split_last() else { continue };
        for (proxy, runs) in proxies.iter().zip(theirs) {
            let ratio = |of: fn(&Run) -> f64| median(ours.iter().zip(runs).map(|(a, b)| of(a) / of(b)).collect());
            let (rate, per_cpu) = (ratio(|run| run.rate), ratio(|run| run.per_cpu));
            let goal = goal(proxy.name, case);
            let rate_goal = verdict(rate, goal.as_ref().map(|goal| goal.rate));
            let per_cpu_goal = verdict(per_cpu, goal.and_then(|goal| goal.per_cpu));
            let _ = writeln!(
                text,
                "| {} | {} | {rate:.2} | {rate_goal} | {per_cpu:.2} | {per_cpu_goal} |",
                words(case),
                proxy.name
            );
        }
    }
    text
}

fn verdict(found: f64, goal: Option<f64>) -> String {
    let Some(goal) = goal else { return "–".to_owned() };
    // A figure is given with two decimals, and judged as it is given.
    let met = (found * 100.0).round() >= (goal * 100.0).round();
    format!("≥ {goal:.1} {}", if met { "met" } else { "**missed**" })
}

/// The most memory that each proxy had.
pub(crate) fn memory(proxies: &[Proxy]) -> String {
    let mut text = String::from("\n## Peak memory\n\n| proxy | MiB |\n|---|--:|\n");
    for proxy in proxies {
        let peak = u32::try_from(proxy.peak()).unwrap_or(u32::MAX);
        let _ = writeln!(text, "| {} | {:.1} |", proxy.name, f64::from(peak) / 1024.0);
    }
    text
}

/// Time that a proxy adds to a request.
pub(crate) fn latency(all: &[Times]) -> String {
    let mut text = String::from(
        "\n## Latency\n\nOne connection, 1 KiB over TLS; microseconds. Added is what there is above the origin itself.\n\n\
         | asked | pace | p50 | added | p99 | added |\n|---|---|--:|--:|--:|--:|\n",
    );
    for times in all {
        let origin = all.iter().find(|other| other.pace == times.pace);
        let of = |permille: usize| {
            let (own, base) = (times.quantile(permille), origin.map_or(0.0, |o| o.quantile(permille)));
            format!("{own:.0} | {:+.0}", own - base)
        };
        let pace = if times.pace == Pace::AtOnce { "at once" } else { "after 1 ms of rest" };
        let _ = writeln!(text, "| {} | {pace} | {} | {} |", times.name, of(500), of(990));
    }
    text
}

/// Sign-ins and sessions.
pub(crate) fn sign_ins(found: &SignIns) -> String {
    let met = if found.bytes <= SESSION_GOAL { "met" } else { "**missed**" };
    format!(
        "\n## Sign-ins and sessions\n\n{} patrons, {BROWSERS} browsers at once, each sign-in the form and the filled-in form \
         over TLS; a SIP2 stand-in that answers at once.\n\n\
         | figure | found | goal |\n|---|--:|--:|\n\
         | sign-ins/s | {:.0} | – |\n\
         | sign-ins per CPU-second | {:.0} | – |\n\
         | bytes of memory per session | {:.0} | ≤ {SESSION_GOAL:.0} {met} |\n\
         | resident before and after, KiB | {} → {} | – |\n",
        found.patrons, found.rate, found.per_cpu, found.bytes, found.resident.0, found.resident.1
    )
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    let middle = all.len() / 2;
    let at = |place: usize| all.get(place).copied().unwrap_or(f64::NAN);
    if all.len() % 2 == 1 { at(middle) } else { f64::midpoint(at(middle.wrapping_sub(1)), at(middle)) }
}
