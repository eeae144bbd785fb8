//! `vestibule ils probe`: a conversation with a library's system, step by step, in the words of its settings.
use super::{Exit, Failure, Out, check, live, load, wait_for};
use crate::patron::{Credentials, Ilses};
use clap::{Args, Subcommand};
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// What `ils` can do.
#[derive(Subcommand)]
pub(super) enum Ils {
    /// Connect, sign in to the ILS, and ask for one patron; show each step and the names of the fields that came
    Probe(Probe),
}

/// What `ils probe` takes.
#[derive(Args)]
#[command(after_help = "The PIN is asked for without echo, or read as one line where the input is not a terminal:
  vestibule ils probe --config vestibule.toml --library westport --card 123 < pin
No value of the patron is printed. The card number stays in the shell's history: use a test card.")]
pub(super) struct Probe {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The id of the library
    #[arg(long, value_name = "ID")]
    library: String,
    /// The card number
    #[arg(long)]
    card: String,
}

/// Does what is asked.
pub(super) fn run(ils: &Ils, out: &mut Out) -> Result<(), Failure> {
    let Ils::Probe(probe) = ils;
    let config = load(&probe.config, out)?;
    let library = config.libraries.iter().find(|known| known.library.id.as_str() == probe.library);
    let library = library.ok_or_else(|| {
        Failure::new(Exit::Usage, "expected `--library` to be the id of a `[[library]]` table, found no such table")
    })?;
    let mut ilses = Ilses::default();
    let settings: Vec<_> = config.ilses.iter().filter(|ils| ils.id == library.ils).cloned().collect();
    let problems = check::read_ilses(&settings, &config.secrets(), &mut ilses);
    if !problems.is_empty() {
        for problem in &problems {
            out.trouble(&problem.to_string());
        }
        return Err(Failure::new(Exit::Configuration, "the settings of the ILS are wrong"));
    }
    let credentials = Credentials::new(Zeroizing::new(probe.card.clone()), pin()?);
    out.line(&format!("ils {}", library.ils));
    let mut tell = live::teller(out);
    wait_for(ilses.probe(&library.ils, Some(credentials), &mut |step| tell.tell(&step)))?;
    if tell.all_good() { Ok(()) } else { Err(Failure::new(Exit::Unavailable, "the ILS does not answer as it should")) }
}

/// The longest line that may be a PIN, in bytes.
const MOST_BYTES: u64 = 1024;

fn pin() -> Result<Zeroizing<String>, Failure> {
    let failed = |_| Failure::new(Exit::Usage, "expected a PIN on one line, found none");
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return rpassword::prompt_password("PIN: ").map(Zeroizing::new).map_err(failed);
    }
    read_pin(stdin.lock()).map_err(failed)
}

fn read_pin(input: impl BufRead) -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::with_capacity(usize::try_from(MOST_BYTES).unwrap_or_default()));
    if input.take(MOST_BYTES).read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    if line.ends_with('\n') {
        line.pop();
    }
    if line.ends_with('\r') {
        line.pop();
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_one_line() {
        assert_eq!(read_pin(&b"1234\r\nx"[..]).unwrap().as_str(), "1234");
        assert_eq!(read_pin(&b" 12 "[..]).unwrap().as_str(), " 12 ");
        assert_eq!(read_pin(&b"\n"[..]).unwrap().as_str(), "");
        assert!(read_pin(&b""[..]).is_err());
    }
}
