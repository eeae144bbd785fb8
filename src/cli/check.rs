//! `vestibule check`: every problem at once, and with `--live` whether the ILS and the vendors answer.
use super::{Exit, Failure, Out, counted, live, wait_for};
use crate::app;
use crate::config::{self, Config, Draft, FileSecrets, IlsSettings, Kept};
use crate::domain::settings::{Problem, Reading, Table, Value};
use crate::domain::{Clock, SystemClock};
use crate::patron::{Ilses, ils_kinds};
use crate::protocol::oidc::{Client, Explained};
use crate::protocol::saml::{self, Look, Peer};
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
    let Opaque { ilses, clients, peers, identity, problems } = opaque(&draft);
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
    let look = look(&config, &peers, &identity).map_err(|why| Failure::new(Exit::Configuration, why))?;
    if !check.live {
        peers.iter().flat_map(|peer| explained_peer(&look, peer)).for_each(|line| out.line(&line));
        return Ok(());
    }
    wait_for(async {
        let fetched = fetch(&look, &peers, out).await;
        all_live(&config, &ilses, out).await.and(fetched)
    })?
}

/// Fetches vendors' metadata, and explains them by it.
async fn fetch(look: &Look, peers: &[Peer], out: &mut Out) -> Result<(), Failure> {
    let trouble = look.fetch().await;
    for peer in peers {
        for line in explained_peer(look, peer) {
            out.line(&line);
        }
        for (_, cause) in trouble.iter().filter(|(vendor, _)| *vendor == peer.vendor().id) {
            out.line(&format!("  BAD: its metadata cannot be used now: {cause}"));
        }
    }
    if trouble.is_empty() { Ok(()) } else { Err(Failure::new(Exit::Unavailable, "not all metadata can be used")) }
}

/// A look at what is known of vendors over SAML. What `serve` keeps may not be readable for who checks; it is passed over
/// then.
fn look(config: &Config, peers: &[Peer], settings: &saml::Settings) -> Result<Look, String> {
    let errands = app::errands(config, |vendor| peers.iter().any(|peer| peer.vendor().id == *vendor))?;
    Look::new(peers, settings, errands, (config.state(Kept::SamlMetadata), Arc::new(SystemClock)))
}

fn explained_peer(look: &Look, peer: &Peer) -> Vec<String> {
    told_of(peer, &look.explain(peer, SystemClock.now()))
}

/// What a vendor over SAML asks for and will receive, and what is odd about it, in lines.
pub(super) fn told_of(peer: &Peer, saml::Explained { facts, odd }: &saml::Explained) -> Vec<String> {
    let mut lines = vec![format!("vendor {} (SAML)", peer.vendor().id)];
    lines.extend(facts.iter().map(|fact| format!("  {fact}")));
    lines.extend(odd.iter().map(|odd| format!("  odd: {odd}")));
    lines
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
    pub(super) peers: Vec<Peer>,
    identity: saml::Settings,
    pub(super) problems: Vec<Problem>,
}

/// Every problem, those of the tables that other rooms read among them, with what they make of the tables.
pub(super) fn opaque(draft: &Draft) -> Opaque {
    let mut ilses = Ilses::default();
    let mut problems = draft.problems.clone();
    problems.extend(read_ilses(&draft.ilses, &draft.secrets, &mut ilses));
    let Spoken { clients, peers, identity, problems: more } = read_protocols(draft);
    problems.extend(more);
    problems.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
    problems.dedup();
    Opaque { ilses, clients, peers, identity, problems }
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

/// What the tables of protocols say.
#[derive(Default)]
struct Spoken {
    clients: Vec<Client>,
    peers: Vec<Peer>,
    identity: saml::Settings,
    problems: Vec<Problem>,
}

/// Reads the tables of the vendors' protocols.
fn read_protocols(draft: &Draft) -> Spoken {
    let reading = Reading::new(&draft.secrets);
    let keys = match ring(draft) {
        Ok(keys) => Arc::new(keys),
        Err(why) => {
            reading.note(Problem { place: draft.place.clone(), path: "state_dir".to_owned(), text: why.to_string() });
            return Spoken { problems: reading.into_problems(), ..Spoken::default() };
        }
    };
    let (mut clients, mut peers) = (Vec::new(), Vec::new());
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
        match way {
            Some(Way::Oidc(client)) => clients.push((*client, &settings.settings)),
            Some(Way::Saml(peer)) => peers.push((*peer, &settings.settings)),
            _ => {}
        }
    }
    let identity = note_clashes(draft, &reading, (&clients, &peers));
    Spoken {
        clients: clients.into_iter().map(|(client, _)| client).collect(),
        peers: peers.into_iter().map(|(peer, _)| peer).collect(),
        identity,
        problems: reading.into_problems(),
    }
}

/// A vendor and the table that tells of it.
type Told<'d, T> = (T, &'d Table);

/// Notes what is wrong with vendors together. Gives what `[saml]` says.
fn note_clashes(
    draft: &Draft,
    reading: &Reading<'_>,
    (clients, peers): (&[Told<'_, Client>], &[Told<'_, Peer>]),
) -> saml::Settings {
    // Which libraries are issuers is known of a whole configuration only.
    let Some(config) = &draft.config else { return saml::Settings::default() };
    let issuers = config.issuers();
    let all: Vec<_> = clients.iter().map(|(client, table)| (client, *table)).collect();
    protocol::oidc::note_clashes(&all, &issuers, reading);
    let identity = draft.saml.as_ref().map(|table| saml::Settings::read(reading.of(table), &issuers));
    let identity = identity.unwrap_or_default();
    let all: Vec<_> = peers.iter().map(|(peer, table)| (peer, *table)).collect();
    saml::note_clashes(&all, identity.federations(), &issuers, reading);
    identity
}

/// The signing keys, or others in their place where there are none yet: `serve` makes them at its first start. Who
/// checks need not be who serves, and may lack the right to read keys.
fn ring(draft: &Draft) -> Result<SigningRing, RingError> {
    let saved = draft.config.as_ref().map(|config| SigningRing::load(&config.state(Kept::AssertionKeys)));
    match saved {
        None | Some(Err(RingError::Missing | RingError::File(_, ErrorKind::PermissionDenied))) => {
            SigningRing::unsaved(&Algorithm::ALL, SystemClock.now())
        }
        Some(saved) => saved,
    }
}
