//! The report: figures as tables of Markdown, with the goals beside them.
use crate::latency::{Pace, Times};
use crate::load::{CONNECTIONS, Way};
use crate::peers::Proxy;
use crate::sign_ins::{BROWSERS, SignIns};
use crate::stage::figures::{columns, mebibytes, ratio, reaches, verdict};
use crate::throughput::Case;
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
            let _ = writeln!(text, "| {} | {} | {} |", words(case), proxy.name, columns(runs));
        }
    }
    text + &ratios(proxies, cases)
}

fn words(case: &Case) -> String {
    format!("{}, {} KiB", case.way.words(), case.size / 1024)
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
            let rate = ratio(ours, runs, |run| run.rate);
            let per_cpu = ratio(ours, runs, |run| run.per_cpu);
            let goal = goal(proxy.name, case);
            let rate_goal = judged(rate, goal.as_ref().map(|goal| goal.rate));
            let per_cpu_goal = judged(per_cpu, goal.and_then(|goal| goal.per_cpu));
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

fn judged(found: f64, goal: Option<f64>) -> String {
    goal.map_or_else(|| "–".to_owned(), |goal| format!("≥ {goal:.1} {}", verdict(reaches(found, goal))))
}

/// The most memory that each proxy had.
pub(crate) fn memory(proxies: &[Proxy]) -> String {
    let mut text = String::from("\n## Peak memory\n\n| proxy | MiB |\n|---|--:|\n");
    for proxy in proxies {
        let _ = writeln!(text, "| {} | {:.1} |", proxy.name, mebibytes(proxy.peak()));
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
    let met = verdict(found.bytes <= SESSION_GOAL);
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
