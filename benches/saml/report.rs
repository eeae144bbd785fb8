//! The report: figures as tables of Markdown, with the goals beside them.
use crate::exchanges::{PATRONS, Signed};
use crate::federation::Federation;
use crate::providers::Provider;
use crate::rehearsed::Reading;
use crate::stage::figures::{Run, columns, mebibytes, median, ratio, reaches, verdict};
use std::fmt::Write as _;

/// Signed responses for each bare signature that they need.
const SIGNED_GOAL: f64 = 0.85;
/// Seconds of processor time for an aggregate.
const READING_GOAL: f64 = 1.0;

const COLUMNS: &str = "/s | lowest–highest | per CPU-second | its CPU | others' CPU |\n";

/// Whole exchanges of every provider, and the ratios.
pub(crate) fn exchanges(providers: &[Provider], all: &[Vec<Run>]) -> String {
    let mut text = String::from("\n## Whole exchanges\n\n");
    let _ = writeln!(
        text,
        "An exchange is a vendor's request for authentication, brought by a browser with a session by the Redirect binding, \
         answered with the form that takes the response to the vendor; response and assertion are both signed (RSA with \
         2,048 bits, SHA-256) and not encrypted, and say the same three attributes. ID and RelayState are new for each; every \
         response is decoded and looked at, and one of each provider is verified by xmlsec1. All speak TLS 1.3 with ECDSA on \
         P-256 and keep connections (HTTP/1.1); {PATRONS} patrons at once, each with one connection. Each provider has \
         processor 0; the load has processor 1. The providers take turns; figures are medians of the rounds. Where the \
         provider did not use all of its processor, the load or other work on the machine was the limit: exchanges for a \
         second of the provider's own processor time are what the goals speak of.\n"
    );
    for provider in providers {
        let _ = writeln!(text, "- **{}**: {}", provider.name, provider.what);
    }
    let _ = writeln!(text, "\n| provider | exchanges{COLUMNS}|---|--:|--:|--:|--:|--:|");
    for (provider, runs) in providers.iter().zip(all) {
        let _ = writeln!(text, "| {} | {} |", provider.name, columns(runs));
    }
    text + &ratios(providers, all) + &peaks(providers)
}

/// The most memory that each provider had so far.
fn peaks(providers: &[Provider]) -> String {
    let mut text = String::from(
        "\n### Peak memory meanwhile\n\nWhat processes share is counted for each of them.\n\n| provider | MiB |\n|---|--:|\n",
    );
    for provider in providers {
        let _ = writeln!(text, "| {} | {:.1} |", provider.name, mebibytes(provider.peak()));
    }
    text
}

fn ratios(providers: &[Provider], all: &[Vec<Run>]) -> String {
    let mut text = String::from(
        "\n### Vestibule against its peers\n\nThe median of the rounds' ratios; 1.00 is as fast as the peer.\n\n\
         | against | exchanges/s | exchanges per CPU-second | goal |\n|---|--:|--:|--:|\n",
    );
    let Some((ours, theirs)) = all.split_last() else { return text };
    for (provider, runs) in providers.iter().zip(theirs) {
        let (rate, per_cpu) = (ratio(ours, runs, |run| run.rate), ratio(ours, runs, |run| run.per_cpu));
        let judged = |goal| format!("≥ {goal:.0} {}", verdict(reaches(per_cpu, goal)));
        let goal = provider.goal.map_or_else(|| "–".to_owned(), judged);
        let _ = writeln!(text, "| {} | {rate:.2} | {per_cpu:.2} | {goal} |", provider.name);
    }
    text
}

/// Responses and exchanges beside bare signatures.
pub(crate) fn signatures(cases: &[Signed]) -> String {
    let mut text = String::from(
        "\n## Beside bare signatures\n\nSigned responses, as they stand in the form, and whole exchanges of Vestibule, with \
         TLS and all, beside signatures of `openssl speed rsa2048` on the same processor, each for a second of its own \
         processor time: second by second in turns for the responses, round by round for the exchanges. Where two elements \
         are signed, a response needs two signatures.\n\n\
         | signed | responses | exchanges | openssl, bare signatures | exchanges/s | its CPU | others' CPU |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for case in cases {
        let all = |of: fn(&Run) -> f64| median(case.runs.iter().map(of).collect());
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} % | {:.0} % |",
            case.signatures.name(),
            median(case.written.iter().map(|(written, _)| *written).collect()),
            all(|run| run.per_cpu),
            median(case.bare.clone()),
            all(|run| run.rate),
            all(|run| run.share) * 100.0,
            all(|run| run.others) * 100.0
        );
    }
    text.push_str(
        "\n| signed | signatures in responses for each bare one | goal | signatures in exchanges for each bare one |\n\
         |---|--:|--:|--:|\n",
    );
    for case in cases {
        let count = f64::from(case.signatures.count());
        let written = median(case.written.iter().map(|(written, bare)| written * count / bare).collect());
        let exchanged = case.runs.iter().zip(&case.bare).map(|(run, bare)| run.per_cpu * count / bare);
        let exchanged = median(exchanged.collect());
        let met = verdict(reaches(written, SIGNED_GOAL));
        let name = case.signatures.name();
        let _ = writeln!(text, "| {name} | {written:.2} | ≥ {SIGNED_GOAL} {met} | {exchanged:.2} |");
    }
    text
}

/// A federation's aggregate.
pub(crate) fn federation(found: &Federation) -> String {
    let all = |of: fn(&Reading) -> f64| median(found.readings.iter().map(of).collect());
    let (entities, cpu) = (all(|reading| reading.entities), all(|reading| reading.cpu));
    let longest = found.readings.iter().map(|reading| reading.cpu).fold(0.0, f64::max);
    let bare = median(found.xmlsec1.clone());
    let mut text = String::from(
        "\n## A federation\n\nAn aggregate as federations publish them, half of it identity providers, signed by xmlsec1 \
         with RSA of 2,048 bits. Vestibule parses it, checks its form, verifies it and indexes it; xmlsec1 parses and \
         verifies it. Each is a process of its own; what starting it takes is not counted for Vestibule.\n\n\
         | figure | found | goal |\n|---|--:|--:|\n",
    );
    let _ = writeln!(text, "| entities | {entities:.0} | – |");
    let _ = writeln!(text, "| size | {:.1} MiB | – |", mebibytes(found.size / 1024));
    let met = verdict(cpu < READING_GOAL);
    let _ = writeln!(text, "| processor time of Vestibule | {cpu:.2} s | < {READING_GOAL:.0} s {met} |");
    let _ = writeln!(text, "| the longest | {longest:.2} s | – |");
    let _ = writeln!(text, "| processor time of xmlsec1 | {bare:.2} s | – |");
    let _ =
        writeln!(text, "| memory meanwhile, beside the text | {:.0} MiB | – |", all(|reading| reading.memory) / 1024.0);
    text.push_str(
        "\nThe look-up does not depend on the number of entities: exchanges with a vendor in that aggregate are as fast as \
         with one whose metadata stand in a file.\n",
    );
    let _ = writeln!(text, "\n| metadata | memory afterwards | exchanges{COLUMNS}|---|--:|--:|--:|--:|--:|--:|");
    for ((name, memory), runs) in ["a file", "the aggregate"].into_iter().zip(found.resident).zip(&found.exchanges) {
        let _ = writeln!(text, "| {name} | {:.1} MiB | {} |", mebibytes(memory), columns(runs));
    }
    if let [file, aggregate] = &*found.exchanges {
        let part = ratio(aggregate, file, |run| run.per_cpu);
        let _ = writeln!(
            text,
            "\nFor a second of processor time, {part:.2} exchanges with the latter for each with the former."
        );
    }
    text
}
