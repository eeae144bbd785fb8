//! Reload: on SIGHUP, and when one of the files changes. The new configuration is read and built whole; when anything
//! is wrong the old one stays and every problem is told. Connections and requests notice nothing.
use super::hall::Hall;
use super::running::{know, texts, watched};
use super::site::{self, Built, Foundations};
use crate::config::{self, Config};
use crate::domain::Clock;
use crate::net::{Certificates, Doorkeeper};
use crate::patron::Ilses;
use crate::store::Store;
use crate::telemetry::{Event, Telemetry};
use crate::web::House;
use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What a reload replaces.
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    pub(super) hall: Arc<Hall>,
    pub(super) house: Arc<ArcSwap<House>>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) doorkeeper: Arc<Doorkeeper>,
    pub(super) ilses: Arc<ArcSwap<Ilses>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) store: Arc<dyn Store>,
    pub(super) fixed: Fixed,
    /// The files of the configuration in use.
    pub(super) files: Vec<PathBuf>,
}

/// What only a restart can change.
#[derive(PartialEq, Eq)]
pub(super) struct Fixed {
    listen: Vec<std::net::SocketAddr>,
    admin: std::net::SocketAddr,
    workers: usize,
    state_dir: PathBuf,
    /// A keyed check of the keys, not the keys.
    keys: [u8; 32],
}

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &config.pseudonym_key);
        let session = config.session_key.as_ref().map_or(&[] as &[u8], |key| key.as_slice());
        let mut keys = [0; 32];
        keys.copy_from_slice(aws_lc_rs::hmac::sign(&key, session).as_ref());
        Self {
            listen: config.listen.clone(),
            admin: config.admin,
            workers: config.workers,
            state_dir: config.state_dir.clone(),
            keys,
        }
    }

    fn differences(&self, other: &Self) -> Vec<String> {
        let same = [
            ("listen", self.listen == other.listen),
            ("admin_listen", self.admin == other.admin),
            ("workers", self.workers == other.workers),
            ("state_dir", self.state_dir == other.state_dir),
            ("pseudonym_key` and `session_key", self.keys == other.keys),
        ];
        let changed = same.iter().filter(|(_, same)| !same);
        changed
            .map(|(key, _)| format!("`{key}`: expected what the process started with; restart to change it"))
            .collect()
    }
}

/// Reloads on SIGHUP and on changed files until the product closes.
pub(super) async fn watch(reloader: Reloader, closing: CancellationToken) {
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    let mut files = reloader.files.clone();
    let mut seen = marks(&files);
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = hangup.recv() => {}
            _ = look.tick() => if marks(&files) == seen { continue },
        }
        // Marked before reading: a change during the reading is seen at the next look.
        seen = marks(&files);
        let now = reloader.reload();
        if now != files {
            files = now;
            // A file that was marked before the reading keeps that mark, for the same reason.
            let new = marks(&files);
            seen = new
                .into_iter()
                .map(|(file, mark)| {
                    let mark = seen.get(&file).copied().unwrap_or(mark);
                    (file, mark)
                })
                .collect();
        }
    }
}

/// Length and time of change of each file.
fn marks(files: &[PathBuf]) -> BTreeMap<PathBuf, Option<(u64, std::time::SystemTime)>> {
    let mark = |path: &PathBuf| {
        let about = std::fs::metadata(Path::new(path)).ok()?;
        Some((about.len(), about.modified().ok()?))
    };
    files.iter().map(|path| (path.clone(), mark(path))).collect()
}

impl Reloader {
    /// Gives the files that are to be watched from now on; those of a bad configuration, too, since mending one of them
    /// is what comes next.
    fn reload(&self) -> Vec<PathBuf> {
        match self.build() {
            Ok((config, built)) => {
                self.take_over(&config, built);
                watched(&config)
            }
            Err(problems) => {
                for problem in &problems {
                    self.telemetry.emit(&Event::ReloadRefused { problem });
                }
                self.telemetry.emit(&Event::ReloadFailed { problems: problems.len() });
                let mut files = config::files_of(&self.path);
                files.extend(self.files.iter().filter(|file| !files.contains(file)).cloned().collect::<Vec<_>>());
                files
            }
        }
    }

    fn build(&self) -> Result<(Config, Built), Vec<String>> {
        let config = config::load(&self.path, self.clock.now()).map_err(|all| texts(&all))?;
        let differences = self.fixed.differences(&Fixed::of(&config));
        if !differences.is_empty() {
            return Err(differences);
        }
        let generation = self.hall.site.load().rules.generation.wrapping_add(1);
        let (clock, telemetry) = (Arc::clone(&self.clock), Arc::clone(&self.telemetry));
        let (site, ilses) = (self.hall.site.load(), self.ilses.load());
        let older = Some((&site.bases, &**ilses));
        let foundations = Foundations { clock, telemetry, store: Arc::clone(&self.store), generation };
        let built = site::build(&config, &foundations, older)?;
        Ok((config, built))
    }

    fn take_over(&self, config: &Config, built: Built) {
        know(&self.telemetry, config, &built);
        self.telemetry.log_requests(config.log.requests);
        self.doorkeeper.heed(config.all_limits());
        self.ilses.store(Arc::new(built.ilses));
        built.house.providers.inherit(&self.house.load().providers);
        built.house.providers.begin();
        self.house.store(Arc::new(built.house));
        self.hall.site.store(Arc::new(built.site));
        self.certificates.replace(built.certificates.into_iter().map(|dated| dated.certificate).collect());
        let (libraries, vendors) = (config.libraries.len(), config.vendors.len());
        self.telemetry.emit(&Event::Reloaded { libraries, vendors });
    }
}
