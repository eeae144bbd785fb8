//! Processes of the benchmark: started on one processor, measured from `/proc`, stopped whatever happens.
use super::Outcome;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The processor of whatever is measured.
pub(crate) const MEASURED: &str = "0";
/// The processor of the load, the backend and this program.
pub(crate) const DRIVING: &str = "1";

/// Ticks in a second in `/proc/PID/stat` (`USER_HZ`): 100 on every Linux.
const TICKS: f64 = 100.0;

/// A server that is running.
pub(crate) struct Server {
    child: Child,
    name: &'static str,
}

impl Server {
    /// Starts a program on one processor and waits until it listens on `port`.
    pub(crate) fn start(name: &'static str, processor: &str, command: &[&str], port: u16, log: &Path) -> Outcome<Self> {
        let log = File::create(log)?;
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", processor]).args(command);
        pinned.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut server = Self { child: pinned.spawn()?, name };
        server.wait_for(port)?;
        Ok(server)
    }

    fn wait_for(&mut self, port: u16) -> Outcome<()> {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            if TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("{} ended at once: {status}; see its log", self.name).into());
            }
            pause(Duration::from_millis(20));
        }
        Err(format!("{} does not listen", self.name).into())
    }

    /// The process and those that it started.
    fn family(&self) -> BTreeSet<u32> {
        let mut family = BTreeSet::from([self.child.id()]);
        let Ok(entries) = fs::read_dir("/proc") else { return family };
        for entry in entries.flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // Field 4 is the parent; servers have at most one generation of children.
            if stat(id).and_then(|fields| fields.get(1)?.parse().ok()) == Some(self.child.id()) {
                family.insert(id);
            }
        }
        family
    }

    /// Seconds of processor time that it has used, in user and kernel mode, with what programs used that it ran meanwhile.
    pub(crate) fn cpu(&self) -> f64 {
        let ticks = |id| {
            let fields = stat(id)?;
            // Fields 14 to 17: utime and stime, and those of children that have ended.
            fields.get(11..15)?.iter().map(|field| field.parse::<f64>().ok()).sum::<Option<f64>>()
        };
        self.family().into_iter().filter_map(ticks).sum::<f64>() / TICKS
    }

    /// The most memory that it ever had, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        self.family().into_iter().filter_map(|id| memory(id, "VmHWM:")).sum()
    }

    /// The memory that it has now, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        self.family().into_iter().filter_map(|id| memory(id, "VmRSS:")).sum()
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // By signal, so that a master stops its workers.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// The fields of `/proc/PID/stat` after the name, from field 3 on.
fn stat(id: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in parentheses and may hold any character.
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn memory(id: u32, key: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Seconds for which a processor was not idle since the machine started, whoever used it.
pub(crate) fn busy(processor: &str) -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let label = format!("cpu{processor} ");
    let fields: Vec<f64> = text
        .lines()
        .find_map(|line| line.strip_prefix(&label))
        .map(|rest| rest.split_whitespace().filter_map(|field| field.parse().ok()).collect())
        .unwrap_or_default();
    // Fields 4 and 5: idle, and waiting for a disk.
    let all: f64 = fields.iter().take(8).sum();
    let idle: f64 = fields.iter().skip(3).take(2).sum();
    (all - idle) / TICKS
}

/// Waits for a fixed time.
pub(crate) fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures over time, and polls programs of others")]
    std::thread::sleep(time);
}

/// A port of loopback that was free a moment ago.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Puts this process, and all that it starts, on one processor.
pub(crate) fn settle() -> Outcome<()> {
    let id = std::process::id().to_string();
    let status = Command::new("taskset").args(["-pc", DRIVING, &id]).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err("expected two processors: taskset refuses the second".into()) }
}
