//! A federation's aggregate: how long reading it takes, beside xmlsec1, which verifies it only, and whether a vendor from
//! within one is answered as fast as one with a file of its own.
use crate::aggregate::{Aggregate, ENTITIES, make};
use crate::exchange::Signatures;
use crate::exchanges::in_turns;
use crate::peers::vendor;
use crate::providers::Provider;
use crate::rehearsed::{Reading, children, reading};
use crate::stage::Outcome;
use crate::stage::figures::Run;
use crate::stage::plan::Effort;
use crate::stage::process::MEASURED;
use crate::stage::site::Site;
use crate::vestibule;
use std::path::Path;
use std::process::Command;

/// What came of it.
pub(crate) struct Federation {
    /// Bytes of the aggregate.
    pub(crate) size: u64,
    /// What reading it took, in each round.
    pub(crate) readings: Vec<Reading>,
    /// Seconds of processor time that xmlsec1 took to verify it, in each round.
    pub(crate) xmlsec1: Vec<f64>,
    /// Exchanges with a vendor whose metadata stand in a file, and with one in the aggregate.
    pub(crate) exchanges: Vec<Vec<Run>>,
    /// Memory of the two afterwards, in KiB.
    pub(crate) resident: [u64; 2],
}

/// Measures all of it.
pub(crate) fn measure(site: &Site, program: &Path, effort: Effort, entities: usize) -> Outcome<Federation> {
    let ours = Signatures::Two;
    let aggregate = make(site, entities, &vendor(ours))?;
    let (mut readings, mut xmlsec1) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        readings.push(reading(&aggregate.file, &aggregate.certificate, ours.vendor())?);
        xmlsec1.push(by_xmlsec1(&aggregate)?);
    }
    let providers = [vestibule::start(site, program)?, vestibule::start_federated(site, program, &aggregate)?];
    let exchanges = in_turns(site, &providers, effort)?;
    let resident = providers.each_ref().map(Provider::resident);
    Ok(Federation { size: aggregate.size, readings, xmlsec1, exchanges, resident })
}

/// As many entities as the goal speaks of, or few for a short run.
pub(crate) const fn entities(quick: bool) -> usize {
    if quick { ENTITIES / 20 } else { ENTITIES }
}

fn by_xmlsec1(aggregate: &Aggregate) -> Outcome<f64> {
    let before = children()?;
    let output = Command::new("taskset")
        .args(["-c", MEASURED, "xmlsec1", "--verify", "--pubkey-cert-pem"])
        .arg(&aggregate.certificate)
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntitiesDescriptor"])
        .arg(&aggregate.file)
        .output()?;
    if output.status.success() { Ok(children()? - before) } else { Err("expected xmlsec1 to verify".into()) }
}
