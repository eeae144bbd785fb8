//! A running product: worker threads that serve browsers, and the office thread that watches signals, files and IT.
use super::hall::{Hall, Worker};
use super::reload::{Fixed, Reloader, watch};
use super::site::{self, Built, Foundations};
use super::state::{State, session_keys};
use super::upgrade::{Predecessor, Program, Retiring, Successor};
use crate::config::{self, Config, Kept, PublicUrl};
use crate::domain::settings::Problem;
use crate::domain::{Clock, SystemClock};
use crate::egress::Visits;
use crate::net::{self, Certificates, Doorkeeper, Front, Inherited, Stop};
use crate::session::Sessions;
use crate::store::Store;
use crate::telemetry::admin::{IlsState, Phase, Readiness};
use crate::telemetry::log::{LogFormat, LogGuard};
use crate::telemetry::{Event, Telemetry, admin, log};
use crate::web;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use sd_notify::NotifyState;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long whoever connected before the new process took over may take to ask, before idle connections are let go.
const SETTLE: Duration = Duration::from_secs(1);

/// How long the store may take to write what waits when the process ends.
const LAST_CHANGES: Duration = Duration::from_secs(2);

/// Why the product did not start.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// The configuration has problems.
    #[error("the configuration has {} problem(s)", .0.len())]
    Configuration(Vec<String>),
    /// What is kept on the disk cannot be used.
    #[error("{0}")]
    State(String),
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
    signals: Signals,
    stop: Stop,
    accepting: CancellationToken,
    closing: CancellationToken,
    workers: Vec<std::thread::JoinHandle<()>>,
    sockets: Sockets,
    state: State,
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
    begin(path, None)
}

/// Starts the product with the sockets of an older process, which it meets on standard input.
///
/// # Errors
/// [`NotStarted`]; the older process then goes on.
pub fn take_over(path: &Path) -> Result<Running, NotStarted> {
    let predecessor = Predecessor::meet();
    begin(path, Some(predecessor.map_err(NotStarted::system("cannot take over what is on standard input"))?))
}

fn begin(path: &Path, predecessor: Option<Predecessor>) -> Result<Running, NotStarted> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let config = config::load(path, clock.now()).map_err(|all| NotStarted::Configuration(texts(&all)))?;
    let telemetry = Arc::new(Telemetry::new());
    let format = if config.log.json { LogFormat::Json } else { LogFormat::Human };
    let guard = log::start(format, config.log.requests, &telemetry).map_err(NotStarted::system("cannot log"))?;
    announce(&telemetry, &config);
    let office = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("office")
        .enable_all()
        .build()
        .map_err(NotStarted::system("cannot start a thread"))?;
    let signals = Signals::listen(&office).map_err(NotStarted::system("cannot wait for signals"))?;
    let (lock, inherited, retiring) = match predecessor.map(Predecessor::divide) {
        Some((lock, sockets, retiring)) => (Some(lock), Ok(sockets), Some(retiring)),
        None => (None, Inherited::of_service_manager(), None),
    };
    let inherited = inherited.map_err(NotStarted::system("cannot use the service manager's sockets"))?;
    let state = State::open(&config, (&clock, &telemetry), lock).map_err(NotStarted::State)?;
    let store: Arc<dyn Store> = Arc::clone(&state.store) as Arc<dyn Store>;
    let foundations = Foundations { clock, telemetry: Arc::clone(&telemetry), store, generation: 1 };
    let built = {
        let _inside = office.enter();
        site::build(&config, &foundations, None).map_err(NotStarted::Configuration)?
    };
    let parts = Parts::assemble(&config, built, &foundations);
    let sockets = Sockets::open(&config, inherited, &telemetry)?;
    let (stop, accepting) = (Stop::default(), CancellationToken::new());
    let workers = parts.spawn_workers(&config, &sockets.public, (&stop, &accepting))?;
    let closing = CancellationToken::new();
    let admin = parts.open_office(&office, &sockets.admin, (path, Fixed::of(&config), watched(&config)), &closing)?;
    sockets.tell(&telemetry);
    parts.readiness.enter(Phase::Ready);
    telemetry.emit(&Event::Life { phase: "ready", detail: &config.public.origin() });
    begin_to_serve(retiring, &state).map_err(NotStarted::system("cannot take over"))?;
    let (readiness, drain, public) = (parts.readiness, config.drain, config.public);
    Ok(Running {
        office,
        signals,
        stop,
        accepting,
        closing,
        workers,
        sockets,
        state,
        telemetry,
        readiness,
        drain,
        _log: guard,
        public,
        admin,
    })
}

fn announce(telemetry: &Telemetry, config: &Config) {
    telemetry.emit(&Event::Life { phase: "starting", detail: env!("CARGO_PKG_VERSION") });
    for warning in &config.warnings {
        telemetry.emit(&Event::Life { phase: "warning", detail: &warning.to_string() });
    }
}

/// Says that this process serves: to the process before it, or to the service manager, where there is one.
fn begin_to_serve(retiring: Option<Retiring>, state: &State) -> io::Result<()> {
    let Some(mut retiring) = retiring else {
        // A service manager that cannot be told will say so itself.
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        return Ok(());
    };
    retiring.dismiss()?;
    let store = Arc::clone(&state.store);
    let waiting = std::thread::Builder::new().name("handover".to_owned());
    waiting.spawn(move || {
        retiring.wait();
        store.set_shared(false);
    })?;
    Ok(())
}

/// The files whose change is a new configuration: the operator's, and the lists of signing keys.
pub(super) fn watched(config: &Config) -> Vec<std::path::PathBuf> {
    let mut files = config.files.clone();
    files.extend(Kept::RINGS.map(|ring| config.state(ring).join("ring.json")));
    files
}

pub(super) fn texts(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// The listening sockets.
struct Sockets {
    public: Vec<TcpListener>,
    admin: TcpListener,
}

impl Sockets {
    /// Those that were inherited, and new ones where none was.
    fn open(config: &Config, mut inherited: Inherited, telemetry: &Telemetry) -> Result<Self, NotStarted> {
        // `[::]` also takes IPv4, unless that port has an IPv4 listener of its own.
        let apart = |address: &SocketAddr| config.listen.iter().any(|a| a.is_ipv4() && a.port() == address.port());
        let mut open = |address: &SocketAddr, apart: bool| {
            let socket = inherited.take_or_bind(*address, apart);
            socket.map_err(NotStarted::system(format!("cannot listen on {address}")))
        };
        let public = config.listen.iter().map(|address| open(address, apart(address))).collect::<Result<_, _>>()?;
        let admin = open(&config.admin, true)?;
        for address in inherited.left() {
            let detail = format!("a socket on {address} was inherited, and is closed: `listen` does not name it");
            telemetry.emit(&Event::Life { phase: "warning", detail: &detail });
        }
        Ok(Self { public, admin })
    }

    fn tell(&self, telemetry: &Telemetry) {
        for listener in &self.public {
            let address = listener.local_addr().map_or_else(|_| String::new(), |a| a.to_string());
            telemetry.emit(&Event::Life { phase: "listening", detail: &address });
        }
    }
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
        let (key, form_key) = session_keys(config);
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
            form_key,
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
        (stop, accepting): (&Stop, &CancellationToken),
    ) -> Result<Vec<std::thread::JoinHandle<()>>, NotStarted> {
        let tls = net::server_config(Arc::clone(&self.certificates));
        let mut threads = Vec::new();
        for number in 0..config.workers {
            let sockets = listeners.iter().map(TcpListener::try_clone).collect::<Result<Vec<_>, _>>();
            let sockets = sockets.map_err(NotStarted::system("cannot share a socket"))?;
            let portal = web::router(Arc::clone(&self.front));
            let worker = Arc::new(Worker { hall: Arc::clone(&self.hall), number, portal });
            let (tls, telemetry, stop) = (Arc::clone(&tls), Arc::clone(&self.telemetry), stop.clone());
            let accepting = accepting.clone();
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
                runtime.block_on(work(sockets, front, (&stop, &accepting)));
            });
            threads.push(thread.map_err(NotStarted::system("cannot start a worker"))?);
        }
        Ok(threads)
    }

    fn open_office(
        &self,
        office: &Runtime,
        admin: &TcpListener,
        (path, fixed, files): (&Path, Fixed, Vec<std::path::PathBuf>),
        closing: &CancellationToken,
    ) -> Result<SocketAddr, NotStarted> {
        let _inside = office.enter();
        self.house.load().providers.begin();
        let address = admin.local_addr().map_err(NotStarted::system("cannot listen for IT"))?;
        let listener = admin.try_clone().and_then(tokio::net::TcpListener::from_std);
        let listener = listener.map_err(NotStarted::system("cannot listen for IT"))?;
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

/// One worker's life: its sockets are served until the stop, or until somebody else accepts on them, and its connections
/// to their end.
async fn work(
    sockets: Vec<TcpListener>,
    front: impl Fn() -> Front<Arc<Worker>>,
    (stop, accepting): (&Stop, &CancellationToken),
) {
    for socket in sockets {
        // A socket that the kernel gave us once can be registered again; else this worker has one less.
        if let Ok(listener) = tokio::net::TcpListener::from_std(socket) {
            let (serving, given_away) = (front().run(listener), accepting.clone());
            tokio::spawn(async move { given_away.run_until_cancelled_owned(serving).await });
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
    /// Waits for SIGTERM or SIGINT, then stops: readiness off, no new connections, what is under way ends. On SIGUSR2
    /// `program` is started anew, and when it serves this process stops as well.
    #[must_use]
    pub fn wait_and_stop(mut self, program: Option<&Program>) -> bool {
        match self.wait(program) {
            None => self.stop(),
            Some(successor) => self.give_way(&successor),
        }
    }

    /// Waits for the end; the process that takes over, if there is one.
    fn wait(&mut self, program: Option<&Program>) -> Option<Successor> {
        let Self { office, signals, sockets, state, telemetry, .. } = self;
        let Signals { stop, upgrade } = signals;
        let mut held = vec![state.lock.as_fd()];
        held.extend(sockets.public.iter().chain([&sockets.admin]).map(AsFd::as_fd));
        let upgraded = async {
            loop {
                upgrade.recv().await;
                let Some(program) = program else { continue };
                // From here on the other process may write as well.
                state.store.set_shared(true);
                match program.start(&held).await {
                    Ok(successor) => return successor,
                    Err(why) => telemetry.emit(&Event::Upgraded { taken: false, detail: why }),
                }
                state.store.set_shared(false);
            }
        };
        office.block_on(async {
            tokio::select! {
                () = stop.told() => None,
                successor = upgraded => Some(successor),
            }
        })
    }

    /// Leaves what is new to a process that serves already. Whoever connected here a moment ago is served here.
    fn give_way(self, successor: &Successor) -> bool {
        let pid = successor.pid.to_string();
        self.telemetry.emit(&Event::Upgraded { taken: true, detail: &pid });
        // A service manager that cannot be told will say so itself.
        let _ = sd_notify::notify(&[NotifyState::MainPid(successor.pid)]);
        self.accepting.cancel();
        self.closing.cancel();
        self.office.block_on(async { tokio::time::sleep(SETTLE).await });
        self.end()
    }

    /// Stops now; tells whether everything under way ended in time.
    #[must_use]
    pub fn stop(self) -> bool {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        self.end()
    }

    fn end(self) -> bool {
        drop(self.sockets);
        self.readiness.enter(Phase::Draining);
        self.telemetry.emit(&Event::Life { phase: "draining", detail: "" });
        let ended = self.office.block_on(self.stop.stop(self.drain));
        // Counters may not be on the disk yet.
        let settled = async { tokio::time::timeout(LAST_CHANGES, self.state.store.settle()).await };
        let (Ok(()) | Err(_)) = self.office.block_on(settled);
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

/// The signals that a serving process waits for, from its start on.
struct Signals {
    stop: StopSignals,
    upgrade: Signal,
}

struct StopSignals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn listen(office: &Runtime) -> io::Result<Self> {
        let _inside = office.enter();
        let stop = StopSignals { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? };
        Ok(Self { stop, upgrade: signal(SignalKind::user_defined2())? })
    }
}

impl StopSignals {
    async fn told(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}
