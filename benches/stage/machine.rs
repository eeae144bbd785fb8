//! The programs that are run beside the product, and the machine, as they describe themselves.
use super::Outcome;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

/// A program, the argument that tells its version, and the Debian package that has it.
pub(crate) type Program = (&'static str, &'static str, &'static str);

/// Looks for every program; tells how to install what is missing.
pub(crate) fn check(programs: &[Program]) -> Outcome<()> {
    let missing: Vec<_> = programs.iter().filter(|(program, ..)| !has(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|(program, ..)| *program).collect();
    let packages: Vec<_> = missing.iter().map(|(.., package)| *package).collect();
    let text = "run `benches/install.sh` as root (it starts no service), or";
    Err(format!("missing: {}; {text} `apt-get install -y {}`", names.join(", "), packages.join(" ")).into())
}

fn has(program: &str) -> bool {
    Command::new("sh").args(["-c", &format!("command -v {program} >/dev/null")]).status().is_ok_and(|s| s.success())
}

/// What programs say of their version, one line each.
pub(crate) fn versions(programs: &[Program]) -> Vec<String> {
    let line = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().find(|line| !line.is_empty()).map(str::to_owned)
    };
    programs.iter().filter_map(|(program, argument, _)| line(program, argument)).collect()
}

/// The machine in one sentence.
pub(crate) fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    };
    let model = field(&cpuinfo, "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = field(&meminfo, "MemTotal").unwrap_or_default();
    let memory: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let debian = fs::read_to_string("/etc/debian_version").unwrap_or_default();
    format!("{cores} × {model}, {} MiB of memory, Linux {}, Debian {}", memory / 1024, kernel.trim(), debian.trim())
}

/// The load that the machine had over the last minute, which includes the benchmark's own.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

/// Date and time in UTC.
pub(crate) fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default()
}

/// The head of a file with results: where, when and with what it was measured.
pub(crate) fn head(title: &str, command: &str, load_before: &str, programs: &[Program]) -> String {
    let mut text = format!("# {title}\n\n");
    let _ = writeln!(text, "- Command: `{command}`, {}", date());
    let _ = writeln!(text, "- Machine: {}", machine());
    let _ = writeln!(text, "- Load average before the run: {load_before}");
    for version in versions(programs) {
        let _ = writeln!(text, "- {version}");
    }
    text
}

/// The command of this run, without paths of this machine.
pub(crate) fn command(bench: &str) -> String {
    let mut given: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let Some(place) = given.iter().position(|argument| argument == "--vestibule") {
        given.splice(place..(place + 2).min(given.len()), ["--vestibule".to_owned(), "PROGRAM".to_owned()]);
    }
    let all = format!("cargo bench --bench {bench}");
    if given.is_empty() { all } else { format!("{all} -- {}", given.join(" ")) }
}
