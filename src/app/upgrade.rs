//! The upgrade of the program without a dropped connection: on SIGUSR2 the program is started anew, gets the listening
//! sockets, and says when it serves; only then does the old process stop. If the new one fails, the old one stays.
//!
//! The two speak over a pair of sockets, of which the new process has one end as its standard input: nothing lies in a
//! folder where another program could find it. The end of that conversation tells the new process that the old one has
//! ended.
use crate::net::{Inherited, receive_descriptors, send_descriptors};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

/// How long a new program may take until it serves.
const PATIENCE: Duration = Duration::from_secs(20);
/// What it then says.
const SERVES: u8 = b'S';

/// How this program was started, so that a newer one can be: a name that is looked up anew each time, and its
/// configuration.
#[derive(Clone, Debug)]
pub struct Program {
    /// The command's name or path, as it was given.
    pub word: OsString,
    /// The configuration.
    pub config: PathBuf,
}

/// The new process, once it serves.
pub(super) struct Successor {
    pub(super) pid: u32,
    /// Open for as long as this process lives.
    pub(super) _conversation: tokio::net::UnixStream,
}

/// A new process that does not serve yet: if it never does, it is ended.
struct Candidate(Option<Child>);

impl Drop for Candidate {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Program {
    /// Starts the program anew, hands it what is `held`, and waits until it serves.
    ///
    /// # Errors
    /// Why it does not, in words of ours; the process is gone then.
    pub(super) async fn start(&self, held: &[BorrowedFd<'_>]) -> Result<Successor, &'static str> {
        let (ours, theirs) = UnixStream::pair().map_err(|_| "no conversation could be opened")?;
        let child = self.spawn(theirs).map_err(|_| "it could not be started")?;
        let pid = child.id();
        let mut candidate = Candidate(Some(child));
        send_descriptors(&ours, held).map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => "it ended before it served",
            _ => "the sockets could not be handed over",
        })?;
        let conversation = ours.set_nonblocking(true).and_then(|()| tokio::net::UnixStream::from_std(ours));
        let mut conversation = conversation.map_err(|_| "no conversation could be opened")?;
        match timeout(PATIENCE, conversation.read_u8()).await {
            Ok(Ok(SERVES)) => {
                candidate.0 = None;
                Ok(Successor { pid, _conversation: conversation })
            }
            Ok(_) => Err("it ended before it served"),
            Err(_) => Err("it did not serve in time"),
        }
    }

    fn spawn(&self, input: UnixStream) -> io::Result<Child> {
        let mut command = Command::new(&self.word);
        command.args(["serve", "--take-over", "--config"]).arg(&self.config);
        // These were for us; the sockets come another way now.
        for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::from(OwnedFd::from(input))).spawn()
    }
}

/// The process that is being taken over from.
pub(super) struct Predecessor {
    conversation: UnixStream,
    lock: File,
    sockets: Inherited,
}

impl Predecessor {
    /// Meets the old process on standard input.
    pub(super) fn meet() -> io::Result<Self> {
        let conversation = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        conversation.set_read_timeout(Some(PATIENCE))?;
        let mut held = receive_descriptors(&conversation)?.into_iter();
        let lock = File::from(held.next().ok_or(io::ErrorKind::InvalidData)?);
        let sockets = Inherited::of(held.map(TcpListener::from))?;
        Ok(Self { conversation, lock, sockets })
    }

    /// The lock and the sockets, and the conversation with their old owner.
    pub(super) fn divide(self) -> (File, Inherited, Retiring) {
        (self.lock, self.sockets, Retiring(self.conversation))
    }
}

/// What is left of the old process once its sockets are ours.
pub(super) struct Retiring(UnixStream);

impl Retiring {
    /// Says that this process serves.
    pub(super) fn dismiss(&mut self) -> io::Result<()> {
        self.0.write_all(&[SERVES])
    }

    /// Waits, on this thread, until the old process has ended.
    pub(super) fn wait(mut self) {
        // It says nothing more; its end ends the reading, and so does any error.
        let _ = self.0.set_read_timeout(None).and_then(|()| self.0.read(&mut [0]));
    }
}
