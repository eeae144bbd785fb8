//! The report: figures as tables of Markdown, with the goals beside them.
use crate::exchanges::Exchanges;
use crate::flow::Algorithm;
use crate::flows::{Case, PATRONS};
use crate::latency::{self, Times};
use crate::memory::Memory;
use crate::providers::Provider;
use crate::stage::figures::{columns, mebibytes, median, ratio, reaches, verdict};
use crate::vestibule::LIFETIME;
use std::fmt::Write as _;

/// Exchanges for each bare signature.
const EXCHANGES_GOAL: f64 = 0.85;
/// Milliseconds.
const LATENCY_GOAL: f64 = 10.0;
/// MiB.
const IDLE_GOAL: f64 = 40.0;
/// How much of the memory before may be more afterwards.
const RETURN_GOAL: f64 = 0.20;

/// At least so many times the flows of the peer with TLS.
const fn goal(algorithm: Algorithm) -> f64 {
    match algorithm {
        Algorithm::Rs256 => 3.5,
        Algorithm::Es256 => 10.0,
    }
}

const COLUMNS: &str = "/s | lowest–highest | per CPU-second | its CPU | others' CPU |\n";

/// Whole flows of every provider, and the ratios.
pub(crate) fn flows(providers: &[Provider], cases: &[Case]) -> String {
    let mut text = String::from("\n## Whole flows\n\n");
    let _ = writeln!(
        text,
        "A flow is a browser's authorization request with a session, answered with a code, and the vendor's token request \
         with `client_secret_basic`; state, nonce and PKCE (S256) are new for each, and every ID token is looked at. Both \
         speak TLS 1.3 with ECDSA on P-256 and keep connections (HTTP/1.1); {PATRONS} patrons at once, each with one \
         connection of the browser's and one of the vendor's. Both know pairwise subjects, opaque access tokens, PAR, \
         introspection and revocation, and put the same claims into the ID token. Each provider has processor 0; the load \
         has processor 1. The providers take turns; figures are medians of the rounds. Where the provider did not use \
         all of its processor, the load or other work on the machine was the limit: flows for a second of the provider's \
         own processor time are what the goals speak of.\n"
    );
    for provider in providers {
        let _ = writeln!(text, "- **{}**: {}", provider.name, provider.what);
    }
    let _ = writeln!(text, "\n| case | provider | flows{COLUMNS}|---|---|--:|--:|--:|--:|--:|");
    for case in cases {
        for (provider, runs) in providers.iter().zip(&case.runs) {
            let _ = writeln!(text, "| {} | {} | {} |", case.algorithm.name(), provider.name, columns(runs));
        }
    }
    text + &ratios(providers, cases) + &peaks(providers)
}

/// The most memory that each provider had so far.
fn peaks(providers: &[Provider]) -> String {
    let mut text = String::from("\n### Peak memory meanwhile\n\n| provider | MiB |\n|---|--:|\n");
    for provider in providers {
        let _ = writeln!(text, "| {} | {:.1} |", provider.name, mebibytes(provider.server.peak()));
    }
    text
}

fn ratios(providers: &[Provider], cases: &[Case]) -> String {
    let mut text = String::from(
        "\n### Vestibule against its peer\n\nThe median of the rounds' ratios; 1.00 is as fast as the peer. The goal is set \
         against the peer with TLS, which Vestibule has to do as well.\n\n\
         | case | against | flows/s | flows per CPU-second | goal |\n|---|---|--:|--:|--:|\n",
    );
    for case in cases {
        let Some((ours, theirs)) = case.runs.split_last() else { continue };
        for (provider, runs) in providers.iter().zip(theirs) {
            let (rate, per_cpu) = (ratio(ours, runs, |run| run.rate), ratio(ours, runs, |run| run.per_cpu));
            let goal = goal(case.algorithm);
            let met = verdict(reaches(per_cpu, goal));
            let goal = if provider.tls { format!("≥ {goal:.1} {met}") } else { "–".to_owned() };
            let (case, name) = (case.algorithm.name(), provider.name);
            let _ = writeln!(text, "| {case} | {name} | {rate:.2} | {per_cpu:.2} | {goal} |");
        }
    }
    text
}

/// The token endpoint beside bare signatures.
pub(crate) fn exchanges(providers: &[Provider], found: &Exchanges) -> String {
    let mut text = String::from(
        "\n## Token endpoint\n\nExchanges of codes that were fetched before, ID tokens with RS256 (2,048 bits), beside \
         signatures of `openssl speed rsa2048` on the same processor, round by round.\n\n",
    );
    let _ = writeln!(text, "| provider | exchanges{COLUMNS}|---|--:|--:|--:|--:|--:|");
    for (provider, runs) in providers.iter().zip(&found.runs) {
        let _ = writeln!(text, "| {} | {} |", provider.name, columns(runs));
    }
    let signatures = median(found.signatures.clone());
    let _ = writeln!(text, "| openssl, bare signatures | – | – | {signatures:.0} | – | – |");
    let _ = writeln!(text, "\n| provider | exchanges for each bare signature, per CPU-second | goal |\n|---|--:|--:|");
    for (place, (provider, runs)) in providers.iter().zip(&found.runs).enumerate() {
        let of_signatures = runs.iter().zip(&found.signatures).map(|(run, signatures)| run.per_cpu / signatures);
        let part = median(of_signatures.collect());
        let met = verdict(reaches(part, EXCHANGES_GOAL));
        let ours = place + 1 == providers.len();
        let goal = if ours { format!("≥ {EXCHANGES_GOAL} {met}") } else { "–".to_owned() };
        let _ = writeln!(text, "| {} | {part:.2} | {goal} |", provider.name);
    }
    text
}

/// Times at a fixed rate.
pub(crate) fn latency(all: &[Times]) -> String {
    let mut text = String::from("\n## Latency\n\n");
    let _ = write!(
        text,
        "Whole flows that begin at random moments, {:.0} a second on average, whether earlier ones have ended or not; from \
         the moment at which each was to begin to the end of its token response. Milliseconds.\n\n\
         | case | provider | flows/s | its CPU | p50 | p99 | goal | p99.9 | longest |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|\n",
        latency::RATE
    );
    let ours = all.last().map(|times| times.provider);
    for times in all {
        let p99 = times.quantile(990);
        let judged =
            (ours == Some(times.provider)).then(|| format!("< {LATENCY_GOAL:.0} {}", verdict(p99 < LATENCY_GOAL)));
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.0} % | {:.2} | {p99:.2} | {} | {:.2} | {:.2} |",
            times.algorithm.name(),
            times.provider,
            times.rate,
            times.share * 100.0,
            times.quantile(500),
            judged.unwrap_or_else(|| "–".to_owned()),
            times.quantile(999),
            times.quantile(1000)
        );
    }
    text
}

/// Memory of the product.
pub(crate) fn memory(found: &Memory) -> String {
    let change = mebibytes(found.settled) / mebibytes(found.before) - 1.0;
    let (after, seconds) = found.after;
    format!(
        "\n## Memory\n\nVestibule with all protocols on: two OpenID Connect vendors and one behind the gateway. Access tokens \
         live {LIFETIME}, so that the wait is short; codes live at most as long. Resident set.\n\n\
         | figure | found | goal |\n|---|--:|--:|\n\
         | idle, just started | {:.1} MiB | ≤ {IDLE_GOAL:.0} MiB {} |\n\
         | idle, with pools and caches at their size | {:.1} MiB | – |\n\
         | after {} flows in {seconds:.0} s, half with each algorithm | {:.1} MiB | – |\n\
         | once codes and tokens have run out | {:.1} MiB | – |\n\
         | against the level before | {:+.1} % | within {:.0} % {} |\n",
        mebibytes(found.idle),
        verdict(mebibytes(found.idle) <= IDLE_GOAL),
        mebibytes(found.before),
        found.flows,
        mebibytes(after),
        mebibytes(found.settled),
        change * 100.0,
        RETURN_GOAL * 100.0,
        verdict(change <= RETURN_GOAL)
    )
}
