//! `vestibule check`: every problem at once, and with `--live` whether the ILS and the vendors answer.
use super::{Exit, Failure, Out, counted, live, wait_for};
use crate::config::{self, Config, Draft, FileSecrets, IlsSettings};
use crate::domain::settings::{Problem, Reading, Value};
use crate::domain::{Clock, SystemClock};
use crate::patron::{Ilses, ils_kinds};
use crate::protocol::oidc::{Client, Explained};
use crate::protocol::{self, Algorithm, RingError, SigningRing, Surroundings, Way};
use crate::telemetry::Telemetry;
use clap::Args;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

/// What `check` takes.
#[derive(Args)]
#[command(
    after_help = "A problem is printed as `FILE:LINE: `KEY`: what was expected, what was found`, never with the value: \
                        it may be a secret."
)]
pub(super) struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Also connect to each ILS and to each vendor's origin
    #[arg(long)]
    live: bool,
}

/// Checks.
pub(super) fn run(check: &Check, out: &mut Out) -> Result<(), Failure> {
    let draft = config::read(&check.config, SystemClock.now());
    let Opaque { ilses, clients, problems } = opaque(&draft);
    for warning in &draft.warnings {
        out.trouble(&format!("warning: {warning}"));
    }
    for problem in &problems {
        out.trouble(&problem.to_string());
    }
    let Some(config) = draft.config.filter(|_| problems.is_empty()) else {
        return Err(Failure::new(Exit::Configuration, counted(problems.len(), "problem")));
    };
    out.line(&format!(
        "the configuration is good: {}, {}, {}, {}",
        counted(config.libraries.len(), "library").replace("librarys", "libraries"),
        counted(config.vendors.len(), "vendor"),
        counted(config.licences.len(), "licence"),
        counted(config.warnings.len(), "warning"),
    ));
    clients.iter().flat_map(explained).for_each(|line| out.line(&line));
    if check.live { wait_for(all_live(&config, &ilses, out))? } else { Ok(()) }
}

/// What a client of the OpenID Provider will receive, and what is weaker than it need be, in lines.
pub(super) fn explained(client: &Client) -> Vec<String> {
    let Explained { facts, weak } = client.explain();
    let mut lines = vec![format!("vendor {} (OpenID Connect)", client.vendor().id)];
    lines.extend(facts.iter().map(|fact| format!("  {fact}")));
    lines.extend(weak.iter().map(|weak| format!("  weak: {weak}")));
    lines
}

async fn all_live(config: &Config, ilses: &Ilses, out: &mut Out) -> Result<(), Failure> {
    let mut good = true;
    for ils in &config.ilses {
        out.line(&format!("ils {}", ils.id));
        let mut tell = live::teller(out);
        ilses.probe(&ils.id, None, &mut |step| tell.tell(&step)).await;
        good &= tell.all_good();
    }
    for vendor in &config.vendors {
        out.line(&format!("vendor {}", vendor.vendor.id));
        let mut tell = live::teller(out);
        live::vendor(vendor, &mut |step| tell.tell(&step)).await;
        good &= tell.all_good();
    }
    if good { Ok(()) } else { Err(Failure::new(Exit::Unavailable, "not everything answers as it should")) }
}

/// What other rooms read.
pub(super) struct Opaque {
    ilses: Ilses,
    pub(super) clients: Vec<Client>,
    pub(super) problems: Vec<Problem>,
}

/// Every problem, those of the tables that other rooms read among them, with what they make of the tables.
pub(super) fn opaque(draft: &Draft) -> Opaque {
    let mut ilses = Ilses::default();
    let mut problems = draft.problems.clone();
    problems.extend(read_ilses(&draft.ilses, &draft.secrets, &mut ilses));
    let (clients, more) = read_protocols(draft);
    problems.extend(more);
    problems.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
    problems.dedup();
    Opaque { ilses, clients, problems }
}

/// Builds the connectors; opens no connection.
pub(super) fn read_ilses(settings: &[IlsSettings], secrets: &FileSecrets, ilses: &mut Ilses) -> Vec<Problem> {
    let reading = Reading::new(secrets);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let telemetry = Arc::new(Telemetry::new());
    for ils in settings {
        let reader = config::ils_reader(&reading, ils);
        ilses.add(&ils.id, &reader, &clock, &telemetry);
        // Without a known kind nobody has asked for the other keys; calling them unknown would mislead.
        let kind = ils.table.entries.get("kind").map(|node| &node.value);
        if ils_kinds().any(|known| matches!(kind, Some(Value::Text(kind)) if kind == known)) {
            reader.finish();
        }
    }
    reading.into_problems()
}

/// Reads the tables of the vendors' protocols.
fn read_protocols(draft: &Draft) -> (Vec<Client>, Vec<Problem>) {
    let reading = Reading::new(&draft.secrets);
    let keys = match ring(draft) {
        Ok(keys) => Arc::new(keys),
        Err(why) => {
            reading.note(Problem { place: draft.place.clone(), path: "state_dir".to_owned(), text: why.to_string() });
            return (Vec::new(), reading.into_problems());
        }
    };
    let mut clients = Vec::new();
    for settings in &draft.protocols {
        if !protocol::kinds().any(|known| known == settings.protocol) {
            let known: Vec<_> = protocol::kinds().map(|kind| format!("`{kind}`")).collect();
            reading.of(&settings.table).problem("protocol", format!("expected one of {}", known.join(", ")));
            continue;
        }
        let Some(vendor) = &settings.vendor else { continue };
        let reader = reading.of(&settings.settings);
        let surroundings = Surroundings { issuer: Arc::from(""), keys: Arc::clone(&keys) };
        let way = protocol::build(&settings.protocol, &reader, vendor, surroundings);
        reader.finish();
        if let Some(Way::Oidc(client)) = way {
            clients.push((*client, &settings.settings));
        }
    }
    if let Some(config) = &draft.config {
        let all: Vec<_> = clients.iter().map(|(client, table)| (client, *table)).collect();
        protocol::oidc::note_clashes(&all, &config.issuers(), &reading);
    }
    (clients.into_iter().map(|(client, _)| client).collect(), reading.into_problems())
}

/// The signing keys, or others in their place where there are none yet: `serve` makes them at its first start. Who
/// checks need not be who serves, and may lack the right to read keys.
fn ring(draft: &Draft) -> Result<SigningRing, RingError> {
    let saved = draft.config.as_ref().map(|config| SigningRing::load(&config.state_dir.join("keys")));
    match saved {
        None | Some(Err(RingError::Missing | RingError::File(_, ErrorKind::PermissionDenied))) => {
            SigningRing::unsaved(&Algorithm::ALL, SystemClock.now())
        }
        Some(saved) => saved,
    }
}
