//! Asking what a configuration names whether it is there, step by step.
use super::Out;
use crate::config::VendorSettings;
use crate::patron::{Step, Verdict};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints steps as they come.
pub(super) struct Teller<'o> {
    out: &'o mut Out,
    good: bool,
    told: bool,
}

/// A teller of steps.
pub(super) const fn teller(out: &mut Out) -> Teller<'_> {
    Teller { out, good: true, told: false }
}

impl Teller<'_> {
    /// Prints a step.
    pub(super) fn tell(&mut self, step: &Step) {
        let verdict = match step.verdict {
            Verdict::Good => "good",
            Verdict::Odd => "odd",
            Verdict::Bad => "BAD",
        };
        let millis = step.took.as_secs_f64() * 1000.0;
        let line = format!("  {:<16} {millis:>9.1} ms  {verdict:<4}  {}", step.name, step.note);
        self.out.line(line.trim_end());
        self.good &= step.verdict != Verdict::Bad;
        self.told = true;
    }

    /// Whether there were steps, and none was bad.
    pub(super) const fn all_good(&self) -> bool {
        self.good && self.told
    }
}

/// One step's end: what came of it, or a sentence.
type Ended<T> = Result<T, String>;

/// Connects to a vendor's origin: the name, TCP, TLS. Sends no request.
pub(super) async fn vendor(settings: &VendorSettings, tell: &mut (dyn FnMut(Step) + Send)) {
    let origin = &settings.vendor.origin;
    let Some(addresses) = step(tell, "name", resolve(settings)).await else { return };
    let Some(stream) = step(tell, "connect", connect(&addresses)).await else { return };
    if origin.tls {
        step(tell, "tls", handshake(settings, stream)).await;
    }
}

async fn step<T>(
    tell: &mut (dyn FnMut(Step) + Send),
    name: &'static str,
    work: impl Future<Output = Ended<(T, String)>>,
) -> Option<T> {
    let started = Instant::now();
    let ended = timeout(PATIENCE, work).await.unwrap_or_else(|_| Err("no answer within 10 s".to_owned()));
    let took = started.elapsed();
    match ended {
        Ok((value, note)) => {
            tell(Step { name, took, verdict: Verdict::Good, note });
            Some(value)
        }
        Err(note) => {
            tell(Step { name, took, verdict: Verdict::Bad, note });
            None
        }
    }
}

async fn resolve(settings: &VendorSettings) -> Ended<(Vec<SocketAddr>, String)> {
    let origin = &settings.vendor.origin;
    let host = origin.host.trim_start_matches('[').trim_end_matches(']');
    let found = lookup_host((host, origin.port)).await.map_err(|_| "the name of `origin` has no address".to_owned())?;
    let found: Vec<_> = found.collect();
    let allowed = |address: &SocketAddr| settings.vendor.may_be_asked_at(address.ip());
    let asked: Vec<_> = found.iter().copied().filter(allowed).collect();
    if asked.is_empty() {
        return Err("every address is a private one outside `private_addresses`".to_owned());
    }
    let note = format!("{} of {} addresses may be asked", asked.len(), found.len());
    Ok((asked, note))
}

async fn connect(addresses: &[SocketAddr]) -> Ended<(TcpStream, String)> {
    let mut why = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok((stream, String::new())),
            Err(error) => why = Some(error.kind()),
        }
    }
    Err(why.map_or_else(|| "no address".to_owned(), |kind| kind.to_string()))
}

async fn handshake(settings: &VendorSettings, stream: TcpStream) -> Ended<((), String)> {
    let origin = &settings.vendor.origin;
    let host = origin.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|_| "the host of `origin` is no name for TLS".to_owned())?;
    let connector = TlsConnector::from(Arc::new(client(settings.authorities.as_deref())?));
    let tls = connector.connect(name, stream).await.map_err(|error| tls_trouble(&error))?;
    let version = tls.get_ref().1.protocol_version().and_then(|version| version.as_str());
    Ok(((), version.unwrap_or_default().to_owned()))
}

/// The words of the TLS library, which name certificates and alerts, not persons.
fn tls_trouble(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    inner.map_or_else(|| error.kind().to_string(), ToString::to_string)
}

/// Trusts the given authorities, or those of the machine.
fn client(authorities: Option<&[u8]>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|_| "TLS cannot be used here".to_owned())?;
    let Some(pem) = authorities else {
        let builder = builder.with_platform_verifier();
        let builder = builder.map_err(|_| "this machine has no certificate authorities".to_owned())?;
        return Ok(builder.with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
