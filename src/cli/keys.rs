//! `vestibule keys`: the key for pseudonyms, and the three rings of signing keys: one for assertions at the gateway, one for
//! the OpenID Provider, and one for the SAML Identity Provider, whose keys have certificates.
use super::{Exit, Failure, Out, load};
use crate::config::Kept;
use crate::domain::settings::parse_duration;
use crate::domain::{Clock, SystemClock, random};
use crate::protocol::saml::{CertifiedInfo, CertifiedRing};
use crate::protocol::{Algorithm, Change, KeyInfo, KeyState, RingError, Rotation, SigningRing};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(86_400);

/// What `keys` can do.
#[derive(Subcommand)]
pub(super) enum Keys {
    /// Make a key for pseudonyms, or signing keys where there are none
    New(New),
    /// Take the signing keys one step on: publish a new one, or let a published one sign
    Rotate(Rotate),
    /// Show which signing keys there are and what they are doing
    Show(Show),
    /// Take over the signing key of another SAML identity provider, with its certificate
    Import(Import),
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
    /// `--oidc` all three; with `--saml` always RS256 and ES256]
    #[arg(long, value_name = "NAME", value_parser = algorithm, conflicts_with = "pseudonym")]
    algorithm: Vec<Algorithm>,
    #[command(flatten)]
    ring: Ring,
}

/// Which ring.
#[derive(Args)]
struct Ring {
    /// The keys of the OpenID Provider instead of those for assertions
    #[arg(long, conflicts_with = "saml")]
    oidc: bool,
    /// The keys of the SAML Identity Provider instead of those for assertions
    #[arg(long)]
    saml: bool,
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
    /// How long a key is published before it signs and after it has stopped [default: 24h; with `--saml` 28d]
    #[arg(long, value_name = "TIME", value_parser = overlap)]
    overlap: Option<Duration>,
    /// Let new keys sign at once, as after a theft; vendors may refuse readers until they look for keys again
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    ring: Ring,
}

/// What `keys show` takes.
#[derive(Args)]
pub(super) struct Show {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    ring: Ring,
}

/// What `keys import` takes.
#[derive(Args)]
#[command(
    after_help = "For a library that moves from another identity provider and keeps its entityID (`[saml] entity_id`): \
vendors go on trusting the certificate that they have. The key signs at once; `keys rotate --saml` exchanges it later."
)]
pub(super) struct Import {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Into the keys of the SAML Identity Provider; the only ones that have certificates
    #[arg(long, required = true)]
    saml: bool,
    /// The private key, PEM without a passphrase
    key: PathBuf,
    /// Its certificate, PEM
    certificate: PathBuf,
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
        Keys::New(new) => make(new, out),
        Keys::Rotate(rotate) => turn(rotate, out),
        Keys::Show(Show { config, ring }) => {
            let folder = folder(config, ring, out)?;
            if ring.saml {
                show_certified(&CertifiedRing::load(&folder).map_err(failure)?, &folder, out);
            } else {
                show(&SigningRing::load(&folder).map_err(failure)?, out);
            }
            Ok(())
        }
        Keys::Import(import) => take_over(import, out),
    }
}

/// The folder of a ring.
fn folder(config: &Path, ring: &Ring, out: &mut Out) -> Result<PathBuf, Failure> {
    let kept = match ring {
        Ring { saml: true, .. } => Kept::SamlKeys,
        Ring { oidc: true, .. } => Kept::OidcKeys,
        Ring { .. } => Kept::AssertionKeys,
    };
    Ok(load(config, out)?.state(kept))
}

fn failure(error: RingError) -> Failure {
    Failure::new(Exit::Configuration, error.to_string())
}

fn make(New { config, algorithm, ring, .. }: &New, out: &mut Out) -> Result<(), Failure> {
    if ring.saml && !algorithm.is_empty() {
        let text = "expected `--algorithm` or `--saml`, found both: keys for SAML are RS256 and ES256";
        return Err(Failure::new(Exit::Usage, text));
    }
    let folder = folder(config.as_deref().unwrap_or(Path::new("")), ring, out)?;
    if ring.saml {
        let made = CertifiedRing::load_or_create(&folder, SystemClock.now()).map_err(failure)?;
        show_certified(&made, &folder, out);
        return Ok(());
    }
    let algorithms = match algorithm.as_slice() {
        [] if ring.oidc => &Algorithm::ALL[..],
        [] => &[Algorithm::Es256],
        named => named,
    };
    show(&SigningRing::create(&folder, algorithms, SystemClock.now()).map_err(failure)?, out);
    Ok(())
}

fn turn(Rotate { config, overlap, now, ring }: &Rotate, out: &mut Out) -> Result<(), Failure> {
    let overlap = overlap.unwrap_or(if ring.saml { 28 * DAY } else { DAY });
    let how = Rotation { overlap, at_once: *now };
    let folder = folder(config, ring, out)?;
    if ring.saml {
        let (turned, changes) = CertifiedRing::rotate(&folder, SystemClock.now(), how).map_err(failure)?;
        for change in &changes {
            out.line(&told_certified(change));
        }
        show_certified(&turned, &folder, out);
        advise(&changes, &folder, out);
    } else {
        let (turned, changes) = SigningRing::rotate(&folder, SystemClock.now(), how).map_err(failure)?;
        for change in &changes {
            out.line(&told(change));
        }
        show(&turned, out);
    }
    Ok(())
}

fn take_over(import: &Import, out: &mut Out) -> Result<(), Failure> {
    let read = |path: &Path, what: &str| {
        let failed =
            |error: std::io::Error| Failure::new(Exit::Usage, format!("could not read {what}: {}", error.kind()));
        std::fs::read(path).map(Zeroizing::new).map_err(failed)
    };
    let (key, certificate) = (read(&import.key, "the key")?, read(&import.certificate, "the certificate")?);
    let folder = folder(&import.config, &Ring { oidc: false, saml: true }, out)?;
    let ring = CertifiedRing::import(&folder, &key, &certificate, SystemClock.now()).map_err(failure)?;
    out.line("taken over: the key signs from now on; its file elsewhere is not needed any more");
    show_certified(&ring, &folder, out);
    Ok(())
}

fn show(ring: &SigningRing, out: &mut Out) {
    for key in ring.show() {
        out.line(&shown(&key));
    }
}

fn shown(KeyInfo { kid, algorithm, state, created, since }: &KeyInfo) -> String {
    format!("{:<7} {:<6} {kid}  since {since}  made {created}", state.as_str(), algorithm.as_str())
}

fn show_certified(ring: &CertifiedRing, folder: &Path, out: &mut Out) {
    for CertifiedInfo { key, fingerprint, .. } in ring.show() {
        out.line(&shown(key));
        out.line(&format!("        certificate {}", certificate_file(folder, key).display()));
        out.line(&format!("        SHA-256 {fingerprint}"));
    }
}

fn certificate_file(folder: &Path, key: &KeyInfo) -> PathBuf {
    folder.join(format!("{}.crt", key.kid))
}

fn told(change: &Change) -> String {
    match change {
        Change::Published(key) => format!("published: {}; it does not sign yet", name(key)),
        Change::Promoted(key) => format!("promoted: {} signs from now on", name(key)),
        Change::Retired(key) => format!("retired: {} signs no more and stays published", name(key)),
        Change::Dropped(key) => format!("dropped: {} is gone", name(key)),
        Change::Waiting { key, until } => format!("waiting: {} may sign from {until}", name(key)),
    }
}

/// The same of keys with certificates.
fn told_certified(change: &Change) -> String {
    match change {
        Change::Published(key) => {
            format!("published: the certificate of {} stands in our metadata; it does not sign yet", name(key))
        }
        Change::Promoted(key) => format!("switched: {} signs from now on", name(key)),
        Change::Retired(key) => {
            format!("retired: {} signs no more, and its certificate is published no more", name(key))
        }
        Change::Dropped(_) | Change::Waiting { .. } => told(change),
    }
}

fn name(key: &KeyInfo) -> String {
    format!("{} key {}", key.algorithm.as_str(), key.kid)
}

/// What is to be done about vendors, who each keep a copy of a certificate.
fn advise(changes: &[Change], folder: &Path, out: &mut Out) {
    let published: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Published(key) if key.state == KeyState::Next => Some(certificate_file(folder, key)),
            _ => None,
        })
        .collect();
    let switched = changes.iter().any(|change| matches!(change, Change::Promoted(_)));
    let waiting = changes.iter().any(|change| matches!(change, Change::Waiting { .. }));
    out.aside("");
    let files = |out: &mut Out| published.iter().for_each(|file| out.aside(&format!("  {}", file.display())));
    if switched {
        out.aside("Next: SIGHUP to a running server, from which moment the new key signs. Try a sign-in at each vendor that keeps");
        out.aside("a certificate by hand; where it fails, the vendor has not taken up the new one. Vendors may drop the old one.");
        if !published.is_empty() {
            out.aside("No vendor has the new certificate yet. Send it to each that keeps it by hand, and to federations, now:");
            files(out);
        }
    } else if !published.is_empty() {
        out.aside(
            "Next: SIGHUP to a running server. Vendors that read our metadata by themselves find the new certificate",
        );
        out.aside(
            "there; a federation that keeps a copy of our metadata must be given the new one. Send this to each vendor",
        );
        out.aside("that keeps a certificate by hand, to be trusted beside the old one:");
        files(out);
        out.aside("A vendor that can keep only one must exchange it at the switch, by appointment.");
        out.aside("Then, after the overlap: vestibule keys rotate --saml once more.");
    }
    if waiting {
        out.aside("Next: once the time above is reached and vendors have the new certificate, run it again.");
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
