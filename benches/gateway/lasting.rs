//! What is measured alone: idle connections, sessions, half load over time; and how it is told.
use crate::Outcome;
use crate::ground::Ground;
use crate::idle::{self, Idle};
use crate::line::Version;
use crate::sessions::{self, Sessions};
use crate::soak::{self, Look, MOST_FILES, MOST_GROWTH, Soak};
use crate::stage::figures::{as_float, mebibytes, verdict};
use crate::stage::machine;
use crate::{Lasting, results};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// How many connections, sessions and minutes the goals speak of.
pub(crate) const CONNECTIONS: u64 = 10_000;
pub(crate) const SESSIONS: u64 = 1_000_000;
pub(crate) const MINUTES: u32 = 30;

/// The most memory, in MiB.
const CONNECTIONS_GOAL: f64 = 200.0;
const SESSIONS_GOAL: f64 = 512.0;

/// Measures one of them, prints it, and writes it down where it is as large as its goal says.
pub(crate) fn measure(ground: &Ground, program: &Path, lasting: Lasting, command: &str) -> Outcome<()> {
    let files = u64::from(u16::MAX).min(raise_files());
    let [first, second, third] = results::APART;
    let (heading, text, whole) = match lasting {
        Lasting::Idle { connections } => {
            if files < connections + 500 {
                return Err(format!("expected {} open files, found a limit of {files}", connections + 500).into());
            }
            let one = idle::measure(ground, program, connections, Version::One)?;
            let two = idle::measure(ground, program, connections, Version::Two)?;
            (first, idle_table(&[one, two]), connections >= CONNECTIONS)
        }
        Lasting::Sessions { sessions } => {
            let found = sessions::measure(ground, program, sessions)?;
            (second, sessions_table(&found), sessions >= SESSIONS)
        }
        Lasting::Soak { minutes } => {
            let found = soak::measure(ground, program, minutes)?;
            let picture = draw(&found)?;
            println!("{}", picture.display());
            (third, soak_table(&found), minutes >= MINUTES)
        }
    };
    let head = format!("## {heading}\n\n`{command}`, {}; {}.\n", machine::date(), machine::machine());
    let text = format!("{head}\n{text}");
    println!("{text}");
    if whole { results::put(heading, &text) } else { Ok(()) }
}

/// As many open files as the machine allows; gives how many.
fn raise_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, the limit is found out below.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn idle_table(all: &[Idle]) -> String {
    let mut text = String::from(
        "Each connection has had one answer (the sign-in page) and then asks nothing. Memory is the process's resident \
         set, without what the kernel keeps for sockets. Each hundred connections come from a network of their own.\n\n\
         | connections | resident before | with them | goal | KiB each | asked again, answered | open files before, with, after |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for idle in all {
        let (before, with) = idle.resident;
        let each = as_float(with.saturating_sub(before)) / as_float(idle.connections);
        let _ = writeln!(
            text,
            "| {} × {} | {:.1} MiB | {:.1} MiB | ≤ {CONNECTIONS_GOAL:.0} MiB {} | {each:.1} | {}, {} | {}, {}, {} |",
            idle.connections,
            idle.version.words(),
            mebibytes(before),
            mebibytes(with),
            verdict(mebibytes(with) <= CONNECTIONS_GOAL),
            idle.again.0,
            idle.again.1,
            idle.files.0,
            idle.files.1,
            idle.files.2
        );
    }
    text
}

fn sessions_table(found: &Sessions) -> String {
    let (before, after) = found.resident;
    format!(
        "Each session comes of a patron's sign-in over the product's own pages. Memory is the whole process's resident \
         set.\n\n\
         | figure | found | goal |\n|---|--:|--:|\n\
         | sessions at the portal | {} | – |\n\
         | resident before | {:.1} MiB | – |\n\
         | resident with them | {:.1} MiB | ≤ {SESSIONS_GOAL:.0} MiB {} |\n\
         | bytes for each | {:.0} | – |\n\
         | looked at again, still there | {}, {} | all {} |\n\
         | bytes more for each at one vendor's host (of {}) | {:.0} | – |\n\
         | sign-ins/s meanwhile | {:.0} | – |\n",
        found.patrons,
        mebibytes(before),
        mebibytes(after),
        verdict(mebibytes(after) <= SESSIONS_GOAL),
        found.bytes,
        found.again.0,
        found.again.1,
        verdict(found.again.0 == found.again.1),
        found.onward,
        found.bytes_onward,
        found.rate
    )
}

fn soak_table(found: &Soak) -> String {
    let mut text = String::from(
        "First every kind of visitor does what it does as fast as it can, then at half that rate for the time given. Memory \
         is looked at each second; the first sixth of the time is warm-up, and the rest is cut into thirds.\n\n\
         | visitors | a second at full load | at half | done | failed |\n|---|--:|--:|--:|--:|\n",
    );
    for did in &found.did {
        let (kind, full, half) = (did.kind.words(), did.full, did.half);
        let _ = writeln!(text, "| {kind} | {full:.0} | {half:.0} | {} | {} |", did.done, did.failed);
    }
    let (first, last) = found.thirds();
    let (growth, (base, end)) = (found.growth(), found.files);
    let _ = write!(
        text,
        "\n| figure | found | goal |\n|---|--:|--:|\n\
         | minutes | {} | – |\n\
         | its processor at full load, at half | {:.0} %, {:.0} % | – |\n\
         | resident in the first third | {:.1} MiB | – |\n\
         | resident in the last third | {:.1} MiB | {:+.1} %, within {:.0} % {} |\n\
         | open files before, after | {base}, {end} | within {MOST_FILES} {} |\n\
         | failed | {} | 0 {} |\n\n",
        found.minutes,
        found.share.0 * 100.0,
        found.share.1 * 100.0,
        first / 1024.0,
        last / 1024.0,
        growth * 100.0,
        MOST_GROWTH * 100.0,
        verdict(growth.abs() <= MOST_GROWTH),
        verdict(end <= base + MOST_FILES),
        found.did.iter().map(|did| did.failed).sum::<u64>(),
        verdict(found.did.iter().all(|did| did.failed == 0)),
    );
    for failure in &found.failures {
        let _ = writeln!(text, "- {failure}");
    }
    text + &over_time(&found.looks)
}

/// Some twenty looks, evenly over the time.
fn over_time(looks: &[Look]) -> String {
    let mut text = String::from("\n| minute | resident MiB | open files |\n|--:|--:|--:|\n");
    for look in looks.iter().step_by((looks.len() / 20).max(1)) {
        let _ = writeln!(text, "| {:.1} | {:.1} | {} |", look.at / 60.0, mebibytes(look.resident), look.files);
    }
    text
}

/// Draws memory and open files over time; gives the picture's place.
fn draw(found: &Soak) -> Outcome<PathBuf> {
    const WIDE: f64 = 900.0;
    const HIGH: f64 = 300.0;
    let end = found.looks.last().map_or(1.0, |look| look.at.max(1.0));
    let most = |of: fn(&Look) -> f64| found.looks.iter().map(of).fold(1.0, f64::max);
    let line = |of: fn(&Look) -> f64, colour: &str| {
        let points = found.looks.iter().fold(String::new(), |mut points, look| {
            let _ = write!(points, "{:.1},{:.1} ", look.at / end * WIDE, HIGH - of(look) / most(of) * (HIGH - 20.0));
            points
        });
        format!("<polyline fill=\"none\" stroke=\"{colour}\" points=\"{points}\"/>")
    };
    let resident: fn(&Look) -> f64 = |look| mebibytes(look.resident);
    let files: fn(&Look) -> f64 = |look| as_float(look.files as u64);
    let text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDE} {HIGH}\" font-family=\"sans-serif\" font-size=\"12\">\
         <rect width=\"{WIDE}\" height=\"{HIGH}\" fill=\"white\"/>{}{}\
         <text x=\"4\" y=\"14\" fill=\"#1a5fb4\">resident, at most {:.1} MiB</text>\
         <text x=\"300\" y=\"14\" fill=\"#c64600\">open files, at most {:.0}</text>\
         <text x=\"700\" y=\"14\">0 to {:.1} minutes</text></svg>\n",
        line(resident, "#1a5fb4"),
        line(files, "#c64600"),
        most(resident),
        most(files),
        end / 60.0
    );
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("soak.svg");
    std::fs::write(&place, text)?;
    Ok(place)
}
