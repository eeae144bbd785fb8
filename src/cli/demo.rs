//! `vestibule demo`: a make-believe library and vendors on this machine, and the product between them.
use super::dev_certs::{self, NAMES};
use super::serve::{addresses, failure};
use super::{Exit, Failure, Out};
use crate::app;
use crate::demo::vendors::Certificate;
use crate::demo::world::{CertFiles, World};
use crate::domain::{Clock, SystemClock};
use clap::Args;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// What `demo` takes.
#[derive(Args)]
#[command(after_help = "Listens on this machine only. Ctrl-C or SIGTERM stops everything.")]
pub(super) struct Demo {
    /// The port of the portal and of the vendors' hosts; 0 takes a free one
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// The folder for everything that the demo keeps [default: a new temporary one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The hosts of those vendors that browsers go to by themselves.
const VENDOR_NAMES: [&str; 4] = ["localhost", "127.0.0.1", "lyceum.localhost", "gazette.localhost"];

/// Runs the demo until told to stop.
pub(super) fn run(demo: &Demo, out: &mut Out) -> Result<(), Failure> {
    app::harden().map_err(|why| Failure::new(Exit::Unavailable, why))?;
    let folder = folder(demo.dir.as_deref()).map_err(about("cannot make the demo's folder"))?;
    let port = free_port(demo.port).map_err(about("the port is taken; `--port` takes another"))?;
    let certificates = certificates(&folder.join("certs"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(about("cannot start a thread"))?;
    let world = runtime.block_on(World::lay(&folder, port, certificates)).map_err(about("cannot lay the demo"))?;
    let running = app::start(&world.config()).map_err(|why| failure(&why, out))?;
    let (portal, admin) = addresses(&running);
    world.announce(&portal, &admin).map_err(about("cannot write demo.json"))?;
    out.line(&world.summary());
    let _all_ended = running.wait_and_stop(None);
    runtime.block_on(world.stop());
    Ok(())
}

/// One authority for the portal and for those vendors that browsers go to by themselves, so that it is enough to trust one.
fn certificates(folder: &Path) -> Result<CertFiles, Failure> {
    let servers = [("server", &NAMES[..]), ("vendors", &VENDOR_NAMES[..])];
    let made = dev_certs::make_each(folder, servers, SystemClock.now());
    let [portal, vendors] = made.map_err(|why| Failure::new(Exit::Unavailable, why.to_string()))?;
    let vendors = Certificate { chain: vendors.certificate, key: vendors.key };
    Ok(CertFiles { ca: portal.ca, certificate: portal.certificate, key: portal.key, vendors })
}

fn about(what: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::new(Exit::Unavailable, format!("{what}: {error}"))
}

/// The folder asked for, or a new one that only this user can read.
fn folder(asked: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(asked) = asked {
        std::fs::create_dir_all(asked)?;
        return asked.canonicalize();
    }
    let name = format!("vestibule-demo-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    // A folder of that name that is there already may be somebody else's trap.
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&folder)?;
    folder.canonicalize()
}

/// The port asked for, if nobody has it; or a free one.
fn free_port(asked: u16) -> io::Result<u16> {
    TcpListener::bind(("127.0.0.1", asked))?.local_addr().map(|address| address.port())
}
