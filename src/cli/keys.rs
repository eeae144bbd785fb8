//! `vestibule keys`: the key for pseudonyms, and the two rings of signing keys: one for assertions at the gateway, one for
//! the OpenID Provider.
use super::{Exit, Failure, Out, load};
use crate::domain::settings::parse_duration;
use crate::domain::{Clock, SystemClock, random};
use crate::protocol::{Algorithm, Change, KeyInfo, RingError, Rotation, SigningRing};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// What `keys` can do.
#[derive(Subcommand)]
pub(super) enum Keys {
    /// Make a key for pseudonyms, or signing keys where there are none
    New(New),
    /// Take the signing keys one step on: publish a new one, or let a published one sign
    Rotate(Rotate),
    /// Show which signing keys there are and what they are doing
    Show(Show),
}

/// What `keys new` takes.
#[derive(Args)]
#[command(
    after_help = "The key for pseudonyms gives every reader their names at the vendors. Whoever has it can find a \
reader behind a name; without it, every reader is a stranger to every vendor. Keep a copy in a safe place."
)]
pub(super) struct New {
    /// Make a key for pseudonyms in this new file
    #[arg(long, value_name = "FILE", conflicts_with = "config", required_unless_present = "config")]
    pseudonym: Option<PathBuf>,
    /// Make signing keys in the state folder of this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the signing keys are for: `ES256`, `RS256` or `EdDSA`; may be given several times [default: ES256; with
    /// `--oidc` all three]
    #[arg(long, value_name = "NAME", value_parser = algorithm, conflicts_with = "pseudonym")]
    algorithm: Vec<Algorithm>,
    /// Make keys of the OpenID Provider
    #[arg(long, conflicts_with = "pseudonym")]
    oidc: bool,
}

/// What `keys rotate` takes.
#[derive(Args)]
#[command(
    after_help = "Run it once to publish new keys, and again after the overlap to let them sign. A running server \
takes the change over when it loads its configuration again (SIGHUP)."
)]
pub(super) struct Rotate {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How long a key is published before it signs and after it has stopped
    #[arg(long, value_name = "TIME", value_parser = overlap, default_value = "24h")]
    overlap: Duration,
    /// Let new keys sign at once, as after a theft; vendors may refuse readers until they look for keys again
    #[arg(long)]
    now: bool,
    /// Rotate the keys of the OpenID Provider instead of those for assertions
    #[arg(long)]
    oidc: bool,
}

/// What `keys show` takes.
#[derive(Args)]
pub(super) struct Show {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Show the keys of the OpenID Provider instead of those for assertions
    #[arg(long)]
    oidc: bool,
}

fn algorithm(text: &str) -> Result<Algorithm, &'static str> {
    Algorithm::parse(text).ok_or("expected ES256, RS256 or EdDSA")
}

fn overlap(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("expected a length of time such as `24h`")
}

/// Does what is asked.
pub(super) fn run(keys: &Keys, out: &mut Out) -> Result<(), Failure> {
    match keys {
        Keys::New(New { pseudonym: Some(file), .. }) => new_pseudonym_key(file, out),
        Keys::New(New { config, algorithm, oidc, .. }) => {
            let folder = folder(config.as_deref().unwrap_or(Path::new("")), *oidc, out)?;
            let algorithms = match algorithm.as_slice() {
                [] if *oidc => &Algorithm::ALL[..],
                [] => &[Algorithm::Es256],
                named => named,
            };
            let ring = SigningRing::create(&folder, algorithms, SystemClock.now()).map_err(failure)?;
            show(&ring, out);
            Ok(())
        }
        Keys::Rotate(Rotate { config, overlap, now, oidc }) => {
            let how = Rotation { overlap: *overlap, at_once: *now };
            let folder = folder(config, *oidc, out)?;
            let (ring, changes) = SigningRing::rotate(&folder, SystemClock.now(), how).map_err(failure)?;
            for change in &changes {
                out.line(&told(change));
            }
            show(&ring, out);
            Ok(())
        }
        Keys::Show(Show { config, oidc }) => {
            show(&SigningRing::load(&folder(config, *oidc, out)?).map_err(failure)?, out);
            Ok(())
        }
    }
}

/// The folder of a ring: that of the OpenID Provider, or that for assertions.
fn folder(config: &Path, oidc: bool, out: &mut Out) -> Result<PathBuf, Failure> {
    Ok(load(config, out)?.state_dir.join(if oidc { "oidc-keys" } else { "keys" }))
}

fn failure(error: RingError) -> Failure {
    Failure::new(Exit::Configuration, error.to_string())
}

fn show(ring: &SigningRing, out: &mut Out) {
    for key in ring.show() {
        let KeyInfo { kid, algorithm, state, created, since } = key;
        out.line(&format!("{:<7} {:<6} {kid}  since {since}  made {created}", state.as_str(), algorithm.as_str()));
    }
}

fn told(change: &Change) -> String {
    let name = |key: &KeyInfo| format!("{} key {}", key.algorithm.as_str(), key.kid);
    match change {
        Change::Published(key) => format!("published: {}; it does not sign yet", name(key)),
        Change::Promoted(key) => format!("promoted: {} signs from now on", name(key)),
        Change::Retired(key) => format!("retired: {} signs no more and stays published", name(key)),
        Change::Dropped(key) => format!("dropped: {} is gone", name(key)),
        Change::Waiting { key, until } => format!("waiting: {} may sign from {until}", name(key)),
    }
}

/// Writes 32 random bytes in base64 to a file that does not exist yet.
fn new_pseudonym_key(file: &Path, out: &mut Out) -> Result<(), Failure> {
    let bytes = Zeroizing::new(random::<32>());
    let mut text = Zeroizing::new(STANDARD.encode(bytes.as_slice()));
    text.push('\n');
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(file);
    let written = made.and_then(|mut made| made.write_all(text.as_bytes()).and_then(|()| made.sync_all()));
    match written {
        Ok(()) => {
            out.line("made a key for pseudonyms; name it as `pseudonym_key_file` and keep a copy in a safe place");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = "expected a new file, found one that exists; a new key would make every reader a stranger";
            Err(Failure::new(Exit::Usage, text))
        }
        Err(error) => Err(Failure::new(Exit::Usage, format!("could not write the file: {}", error.kind()))),
    }
}
