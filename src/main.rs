//! The command `vestibule`: arguments in, exit code out. Everything else is in the library.
use std::process::ExitCode;
use vestibule::cli::{self, Exit, Out};
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is given back: a card and a PIN pass through buffers of the TLS and HTTP libraries, which do
/// not wipe them.
#[global_allocator]
static MEMORY: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    let mut out = Out::standard();
    vestibule::app::withhold_panics();
    // One TLS provider for the whole process; a second installation would be a mistake in this file.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        out.trouble("vestibule: cryptography could not be set up");
        return ExitCode::from(Exit::Unavailable.code());
    }
    ExitCode::from(cli::run(std::env::args_os(), &mut out).code())
}
