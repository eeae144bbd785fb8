//! What a process does to itself before it holds a secret.
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core file, and no other process of the same user may read this one's memory. Raises the limit of open files to
/// what the operating system allows.
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
