//! The folder `state_dir`, as far as a serving process needs it: the store, and a lock that keeps a second process from
//! serving out of the same folder by mistake. A program that takes over inherits the lock.
use crate::config::Config;
use crate::domain::Clock;
use crate::store::{Family, Kept, KeptParts, Memory};
use crate::telemetry::Telemetry;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Values that the store holds in memory at most; a session is about half a kilobyte.
const STORED: u64 = 4_000_000;

/// The folder in use.
pub(super) struct State {
    pub(super) store: Arc<Kept>,
    /// Held for as long as this process, or the one that took over from it, serves.
    pub(super) lock: File,
}

impl State {
    /// Takes the folder into use; with the lock of a process that is being taken over from, beside that process.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn open(
        config: &Config,
        (clock, telemetry): (&Arc<dyn Clock>, &Arc<Telemetry>),
        inherited: Option<File>,
    ) -> Result<Self, String> {
        let shared = inherited.is_some();
        let lock = inherited.map_or_else(|| lock(&config.state_dir), Ok)?;
        let parts = KeptParts {
            memory: Memory::new(STORED),
            families: families(config),
            clock: Arc::clone(clock),
            telemetry: Arc::clone(telemetry),
        };
        let store = Arc::new(Kept::open(&config.state_dir.join("store.redb"), parts, shared)?);
        Ok(Self { store, lock })
    }
}

/// Sessions are kept when the operator gave a key that opens them after a restart; counters always.
const fn families(config: &Config) -> &'static [Family] {
    if config.session_key.is_some() { &Family::LASTING } else { &[Family::Attempt] }
}

fn lock(folder: &Path) -> Result<File, String> {
    let told = |error: std::io::Error| format!("cannot use `state_dir` {}: {error}", folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(told)?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(folder.join("serve.lock"));
    let file = file.map_err(told)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(format!("cannot use `state_dir` {}: another process serves from it", folder.display()))
        }
        Err(TryLockError::Error(error)) => Err(told(error)),
    }
}

/// The key of sessions and the key of tokens in forms: both last as long as the operator's, or as this process.
pub(super) fn session_keys(config: &Config) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
    let session = config.session_key.clone().unwrap_or_else(|| Zeroizing::new(crate::domain::random()));
    let mut form = Zeroizing::new([0; 32]);
    form.copy_from_slice(sign(&Key::new(HMAC_SHA256, session.as_slice()), b"form tokens").as_ref());
    (session, form)
}
