//! Idle connections: how much memory each takes once it has had one answer and nothing more is asked.
use crate::Outcome;
use crate::ground::Ground;
use crate::line::{Door, Line, Version};
use crate::stage::process::pause;
use crate::stage::site::PORTAL;
use crate::{sign_ins, vestibule};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Builder;

/// Connections from one network.
const FROM_ONE_NETWORK: u64 = 100;
/// Handshakes at once.
const AT_ONCE: usize = 64;
/// Of so many connections one is asked again at the end.
const ASKED_AGAIN: usize = 50;

/// What came of it.
pub(crate) struct Idle {
    pub(crate) version: Version,
    /// How many connections there were.
    pub(crate) connections: u64,
    /// Memory before and with them, in KiB.
    pub(crate) resident: (u64, u64),
    /// How many were asked again, and how many of those answered.
    pub(crate) again: (usize, usize),
    /// Open files before, with them and after.
    pub(crate) files: (usize, usize, usize),
}

/// Opens so many connections to a product of its own.
pub(crate) fn measure(ground: &Ground, program: &Path, connections: u64, version: Version) -> Outcome<Idle> {
    let proxy = vestibule::start(ground, program, "vestibule-idle")?;
    // Pools and caches have their size before it is measured.
    sign_ins::many(ground, &proxy, 0..500)?;
    pause(Duration::from_secs(2));
    let (before, files_before) = (proxy.resident(), proxy.files());
    let door = Door::new(ground, proxy.port);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut lines = runtime.block_on(open(&door, connections, version))?;
    pause(Duration::from_secs(3));
    let (with, files_with) = (proxy.resident(), proxy.files());
    let again = runtime.block_on(ask_again(&mut lines));
    runtime.block_on(async { lines.clear() });
    drop(runtime);
    let files_after = proxy.files_settled(files_before, Duration::from_secs(90));
    let files = (files_before, files_with, files_after);
    Ok(Idle { version, connections, resident: (before, with), again, files })
}

async fn open(door: &Door, connections: u64, version: Version) -> Outcome<Vec<Line>> {
    let one = |number: u64| async move {
        let mut line = Line::open(door, PORTAL, number / FROM_ONE_NETWORK, version).await?;
        let (parts, _) = line.get("/login", "").await?;
        if parts.status == 200 { Ok(line) } else { Err(format!("expected a page, found {}", parts.status).into()) }
    };
    stream::iter(0..connections).map(one).buffer_unordered(AT_ONCE).try_collect().await
}

async fn ask_again(lines: &mut [Line]) -> (usize, usize) {
    let (mut asked, mut answered) = (0, 0);
    for line in lines.iter_mut().step_by(ASKED_AGAIN) {
        asked += 1;
        answered += usize::from(line.get("/login", "").await.is_ok_and(|(parts, _)| parts.status == 200));
    }
    (asked, answered)
}
