//! A running product: worker threads that serve browsers, and the office thread that watches signals, files and IT.
use super::hall::{Hall, Worker};
use super::reload::{Fixed, Reloader, watch};
use super::site::{self, Built, Foundations};
use crate::config::{self, Config, PublicUrl};
use crate::domain::settings::Problem;
use crate::domain::{Clock, SystemClock, random};
use crate::egress::Visits;
use crate::net::{self, Certificates, Doorkeeper, Front, Stop};
use crate::session::Sessions;
use crate::store::{Memory, Store};
use crate::telemetry::admin::{IlsState, Phase, Readiness};
use crate::telemetry::log::{LogFormat, LogGuard};
use crate::telemetry::{Event, Telemetry, admin, log};
use crate::web;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// Values that the store holds at most; a session is about half a kilobyte.
const STORED: u64 = 4_000_000;

/// Why the product did not start.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// The configuration has problems.
    #[error("the configuration has {} problem(s)", .0.len())]
    Configuration(Vec<String>),
    /// The operating system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was being done.
        what: String,
        /// The operating system's word.
        error: io::Error,
    },
}

impl NotStarted {
    fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |error| Self::System { what, error }
    }
}

/// A running product.
pub struct Running {
    office: Runtime,
    stop: Stop,
    closing: CancellationToken,
    workers: Vec<std::thread::JoinHandle<()>>,
    telemetry: Arc<Telemetry>,
    readiness: Arc<Readiness>,
    drain: Duration,
    _log: LogGuard,
    /// The portal's address for browsers.
    pub public: PublicUrl,
    /// Where IT's listener is.
    pub admin: SocketAddr,
}

/// Starts the product: reads everything, then opens sockets.
///
/// # Errors
/// [`NotStarted`].
pub fn start(path: &Path) -> Result<Running, NotStarted> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let config = config::load(path, clock.now()).map_err(|all| NotStarted::Configuration(texts(&all)))?;
    let telemetry = Arc::new(Telemetry::new());
    let format = if config.log.json { LogFormat::Json } else { LogFormat::Human };
    let guard = log::start(format, config.log.requests, &telemetry).map_err(NotStarted::system("cannot log"))?;
    telemetry.emit(&Event::Life { phase: "starting", detail: env!("CARGO_PKG_VERSION") });
    for warning in &config.warnings {
        telemetry.emit(&Event::Life { phase: "warning", detail: &warning.to_string() });
    }
    let office = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("office")
        .enable_all()
        .build()
        .map_err(NotStarted::system("cannot start a thread"))?;
    let store: Arc<dyn Store> = Arc::new(Memory::new(STORED));
    let foundations = Foundations { clock, telemetry: Arc::clone(&telemetry), store, generation: 1 };
    let built = {
        let _inside = office.enter();
        site::build(&config, &foundations, None).map_err(NotStarted::Configuration)?
    };
    let parts = Parts::assemble(&config, built, &foundations);
    let listeners = bind_all(&config)?;
    let admin =
        net::bind(config.admin, true).map_err(NotStarted::system(format!("cannot listen on {}", config.admin)))?;
    let stop = Stop::default();
    let workers = parts.spawn_workers(&config, &listeners, &stop)?;
    let closing = CancellationToken::new();
    let admin = parts.open_office(&office, admin, (path, Fixed::of(&config), watched(&config)), &closing)?;
    for listener in &listeners {
        let address = listener.local_addr().map_or_else(|_| String::new(), |a| a.to_string());
        telemetry.emit(&Event::Life { phase: "listening", detail: &address });
    }
    parts.readiness.enter(Phase::Ready);
    telemetry.emit(&Event::Life { phase: "ready", detail: &config.public.origin() });
    let (readiness, drain, public) = (parts.readiness, config.drain, config.public);
    Ok(Running { office, stop, closing, workers, telemetry, readiness, drain, _log: guard, public, admin })
}

/// The files whose change is a new configuration: the operator's, and the list of signing keys.
pub(super) fn watched(config: &Config) -> Vec<std::path::PathBuf> {
    let mut files = config.files.clone();
    files.push(config.state_dir.join("keys/ring.json"));
    files
}

pub(super) fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn bind_all(config: &Config) -> Result<Vec<TcpListener>, NotStarted> {
    // `[::]` also takes IPv4, unless that port has an IPv4 listener of its own.
    let apart = |address: &SocketAddr| config.listen.iter().any(|a| a.is_ipv4() && a.port() == address.port());
    let bind = |address: &SocketAddr| {
        net::bind(*address, apart(address)).map_err(NotStarted::system(format!("cannot listen on {address}")))
    };
    config.listen.iter().map(bind).collect()
}

/// What the threads share.
struct Parts {
    hall: Arc<Hall>,
    house: Arc<ArcSwap<web::House>>,
    front: Arc<web::Front>,
    certificates: Arc<Certificates>,
    doorkeeper: Arc<Doorkeeper>,
    readiness: Arc<Readiness>,
    ilses: Arc<ArcSwap<crate::patron::Ilses>>,
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    store: Arc<dyn Store>,
}

impl Parts {
    fn assemble(config: &Config, built: Built, foundations: &Foundations) -> Self {
        let (clock, telemetry) = (Arc::clone(&foundations.clock), Arc::clone(&foundations.telemetry));
        know(&telemetry, config, &built);
        let store = Arc::clone(&foundations.store);
        let key = config.session_key.as_ref().map_or_else(random::<32>, |key| **key);
        let sessions = Arc::new(Sessions::new(Arc::clone(&store), &key, Arc::clone(&clock)));
        let counted = Arc::clone(&sessions);
        telemetry.before_scrape(move |telemetry| {
            // A store that would have to be waited for keeps its last figure.
            if let Some(Ok(open)) = counted.count().now_or_never() {
                telemetry.sessions(open);
            }
        });
        let visits = Visits::new(Arc::clone(&sessions), Arc::clone(&telemetry));
        let house = Arc::new(ArcSwap::from_pointee(built.house));
        let front = Arc::new(web::Front {
            house: Arc::clone(&house),
            sessions,
            clock: Arc::clone(&clock),
            telemetry: Arc::clone(&telemetry),
            form_key: Zeroizing::new(random()),
        });
        let site = ArcSwap::from_pointee(built.site);
        let hall = Arc::new(Hall { site, visits, clock: Arc::clone(&clock), telemetry: Arc::clone(&telemetry) });
        let ilses = Arc::new(ArcSwap::from_pointee(built.ilses));
        let asked = Arc::clone(&ilses);
        let readiness = Arc::new(Readiness::new(move || ils_states(&asked.load())));
        let loaded = built.certificates.into_iter().map(|dated| dated.certificate).collect();
        let doorkeeper = Doorkeeper::new(config.all_limits(), Arc::clone(&telemetry));
        let certificates = Certificates::new(loaded);
        Self { hall, house, front, certificates, doorkeeper, readiness, ilses, clock, telemetry, store }
    }

    fn spawn_workers(
        &self,
        config: &Config,
        listeners: &[TcpListener],
        stop: &Stop,
    ) -> Result<Vec<std::thread::JoinHandle<()>>, NotStarted> {
        let tls = net::server_config(Arc::clone(&self.certificates));
        let mut threads = Vec::new();
        for number in 0..config.workers {
            let sockets = listeners.iter().map(TcpListener::try_clone).collect::<Result<Vec<_>, _>>();
            let sockets = sockets.map_err(NotStarted::system("cannot share a socket"))?;
            let portal = web::router(Arc::clone(&self.front));
            let worker = Arc::new(Worker { hall: Arc::clone(&self.hall), number, portal });
            let (tls, telemetry, stop) = (Arc::clone(&tls), Arc::clone(&self.telemetry), stop.clone());
            let doorkeeper = Arc::clone(&self.doorkeeper);
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(NotStarted::system("cannot start a worker"))?;
            let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                let front = || Front {
                    handler: Arc::clone(&worker),
                    tls: Arc::clone(&tls),
                    telemetry: Arc::clone(&telemetry),
                    stop: stop.clone(),
                    doorkeeper: Arc::clone(&doorkeeper),
                };
                runtime.block_on(work(sockets, front, &stop));
            });
            threads.push(thread.map_err(NotStarted::system("cannot start a worker"))?);
        }
        Ok(threads)
    }

    fn open_office(
        &self,
        office: &Runtime,
        admin: TcpListener,
        (path, fixed, files): (&Path, Fixed, Vec<std::path::PathBuf>),
        closing: &CancellationToken,
    ) -> Result<SocketAddr, NotStarted> {
        let _inside = office.enter();
        let address = admin.local_addr().map_err(NotStarted::system("cannot listen for IT"))?;
        let listener = tokio::net::TcpListener::from_std(admin).map_err(NotStarted::system("cannot listen for IT"))?;
        let closed = closing.clone();
        let shutdown = async move { closed.cancelled().await };
        office.spawn(admin::serve(listener, Arc::clone(&self.telemetry), Arc::clone(&self.readiness), shutdown));
        let reloader = Reloader {
            path: path.to_owned(),
            hall: Arc::clone(&self.hall),
            house: Arc::clone(&self.house),
            certificates: Arc::clone(&self.certificates),
            doorkeeper: Arc::clone(&self.doorkeeper),
            ilses: Arc::clone(&self.ilses),
            clock: Arc::clone(&self.clock),
            telemetry: Arc::clone(&self.telemetry),
            store: Arc::clone(&self.store),
            fixed,
            files,
        };
        office.spawn(watch(reloader, closing.clone()));
        Ok(address)
    }
}

/// One worker's life: its sockets are served until the stop, and its connections to their end.
async fn work(sockets: Vec<TcpListener>, front: impl Fn() -> Front<Arc<Worker>>, stop: &Stop) {
    for socket in sockets {
        // A socket that the kernel gave us once can be registered again; else this worker has one less.
        if let Ok(listener) = tokio::net::TcpListener::from_std(socket) {
            tokio::spawn(front().run(listener));
        }
    }
    stop.ended().await;
}

/// Tells telemetry which names there are, so that no series comes later.
pub(super) fn know(telemetry: &Telemetry, config: &Config, built: &Built) {
    let libraries: Vec<_> = config.libraries.iter().map(|l| l.library.id.clone()).collect();
    let vendors: Vec<_> = config.vendors.iter().map(|v| v.vendor.id.clone()).collect();
    let ilses: Vec<_> = config.ilses.iter().map(|i| i.id.as_str()).collect();
    telemetry.know(&libraries, &vendors, &ilses);
    let first = |dated: &super::certificates::Dated| dated.certificate.names.first().cloned().unwrap_or_default();
    let named: Vec<(String, i64)> = built.certificates.iter().map(|d| (first(d), d.not_after)).collect();
    let served: Vec<(&str, i64)> = named.iter().map(|(name, end)| (name.as_str(), *end)).collect();
    telemetry.certificates(&served);
}

fn ils_states(ilses: &crate::patron::Ilses) -> Vec<IlsState> {
    use crate::patron::IlsHealth;
    ilses
        .health()
        .map(|(id, health)| IlsState { ils: id.to_owned(), answering: health == IlsHealth::Answering })
        .collect()
}

impl Running {
    /// Waits for SIGTERM or SIGINT, then stops: readiness off, no new connections, what is under way ends.
    #[must_use]
    pub fn wait_and_stop(self) -> bool {
        self.office.block_on(stop_signal());
        self.stop()
    }

    /// Stops now; tells whether everything under way ended in time.
    #[must_use]
    pub fn stop(self) -> bool {
        self.readiness.enter(Phase::Draining);
        self.telemetry.emit(&Event::Life { phase: "draining", detail: "" });
        let ended = self.office.block_on(self.stop.stop(self.drain));
        self.closing.cancel();
        for worker in self.workers {
            // A worker that panicked has said so already.
            let _ = worker.join();
        }
        self.telemetry
            .emit(&Event::Life { phase: "stopped", detail: if ended { "" } else { "some requests were cut" } });
        ended
    }

    /// Runs something beside the product on the office thread until it ends.
    pub fn block_on<F: Future>(&self, task: F) -> F::Output {
        self.office.block_on(task)
    }
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
