//! What a process does to itself before it holds a secret.
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::io::{self, Write};

/// No core file, and no other process of the same user may read this one's memory. Raises the limit of open files to what
/// the operating system allows.
///
/// # Errors
/// A sentence for the operator.
pub fn harden() -> Result<(), String> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|e| format!("cannot forbid core files: {e}"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|e| format!("cannot become non-dumpable: {e}"))?;
    let files = rustix::process::getrlimit(Resource::Nofile);
    let most = Rlimit { current: files.maximum, maximum: files.maximum };
    // Fewer connections, then; not a reason to stay down.
    let _ = setrlimit(Resource::Nofile, most);
    Ok(())
}

/// From now on a panic tells its place and nothing else.
pub fn withhold_panics() {
    std::panic::set_hook(Box::new(tell_where));
}

/// A panic's place, without its words: they may quote the text that some function stumbled over, such as a card.
fn tell_where(panic: &std::panic::PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    // Nobody is left to be told when this cannot be written.
    let _ = writeln!(io::stderr(), "vestibule: thread `{thread}` panicked at {place}; its words are withheld");
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    const CARD: &str = "21430000001179";

    /// Not a test of its own: it is run by the one below, in a process that may end badly.
    #[test]
    #[ignore = "panics, as it should"]
    fn panics_over_a_card() {
        super::withhold_panics();
        let quoted = std::panic::catch_unwind(|| format!("é{CARD}")[1..].len());
        assert!(quoted.is_err());
        panic!("no such card: {CARD}");
    }

    #[test]
    fn a_panic_tells_where_and_not_what() {
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "app::process::tests::panics_over_a_card", "--ignored", "--nocapture"])
            .env("RUST_BACKTRACE", "full")
            .output()
            .unwrap();
        let said = [run.stdout, run.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!run.status.success() && said.matches("process.rs:").count() == 2, "{said}");
        assert!(!said.contains("2143") && !said.contains("1179"), "{said}");
    }
}
