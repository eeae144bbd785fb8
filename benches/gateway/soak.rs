//! A long time at half load: does memory stay flat, and does every open file come back? The load is a mixture of what
//! browsers do; first each kind goes as fast as it can, then at half of that rate.
use crate::Outcome;
use crate::ground::Ground;
use crate::line::Door;
use crate::peers::Proxy;
use crate::stage::figures::as_float;
use crate::visitors::{self, KINDS, Kind, Scene};
use crate::{sign_ins, vestibule};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How long each kind goes as fast as it can.
const FULL: Duration = Duration::from_secs(20);
/// Memory may differ so much between the first and the last third.
pub(crate) const MOST_GROWTH: f64 = 0.05;
/// Open files may differ so much from what they were.
pub(crate) const MOST_FILES: usize = 10;
/// How long pooled connections may take to close afterwards.
const PATIENCE: Duration = Duration::from_secs(120);

/// One look at the process.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// Seconds since the load began.
    pub(crate) at: f64,
    /// Memory in KiB.
    pub(crate) resident: u64,
    /// Open files.
    pub(crate) files: usize,
}

/// What one kind did.
pub(crate) struct Did {
    pub(crate) kind: Kind,
    /// A second at full load, and at half.
    pub(crate) full: f64,
    pub(crate) half: f64,
    /// What failed, of how many.
    pub(crate) failed: u64,
    pub(crate) done: u64,
}

/// What came of it.
pub(crate) struct Soak {
    pub(crate) minutes: u32,
    /// Looks at the process, one each second.
    pub(crate) looks: Vec<Look>,
    pub(crate) did: Vec<Did>,
    /// Open files before and after.
    pub(crate) files: (usize, usize),
    /// Which part of its processor the product had, at full load and at half.
    pub(crate) share: (f64, f64),
    /// The first failure of each kind.
    pub(crate) failures: Vec<String>,
}

impl Soak {
    /// The looks after a sixth of the time, when pools and caches have their size.
    pub(crate) fn warm(&self) -> &[Look] {
        self.looks.get(self.looks.len() / 6..).unwrap_or_default()
    }

    /// Mean memory in the first and in the last third of the warm time, in KiB.
    pub(crate) fn thirds(&self) -> (f64, f64) {
        let warm = self.warm();
        let third = warm.len() / 3;
        let mean = |looks: &[Look]| {
            let sum: u64 = looks.iter().map(|look| look.resident).sum();
            as_float(sum) / as_float(looks.len().max(1) as u64)
        };
        let last = warm.len() - third;
        (mean(warm.get(..third).unwrap_or_default()), mean(warm.get(last..).unwrap_or_default()))
    }

    /// How much more memory the last third had, as a part of the first.
    pub(crate) fn growth(&self) -> f64 {
        let (first, last) = self.thirds();
        last / first - 1.0
    }
}

/// Puts the load on a product of its own for so many minutes.
pub(crate) fn measure(ground: &Ground, program: &Path, minutes: u32) -> Outcome<Soak> {
    let proxy = vestibule::start(ground, program, "vestibule-soak")?;
    // The library system's connections stay in their pool, so they belong to the base.
    sign_ins::many(ground, &proxy, 0..1_000)?;
    let base = proxy.files_settled(0, Duration::from_secs(3));
    let session = vestibule::sign_in(&mut vestibule::portal(ground, &proxy)?, proxy.port, 1_000)?;
    let cookie = vestibule::enter(ground, &proxy, &session)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let socket = runtime.block_on(visitors::echo(ground.socket))?;
    let scene = Arc::new(Scene::new(Door::new(ground, proxy.port), cookie));
    let (full, full_share) = runtime.block_on(phase(&proxy, &scene, None, FULL));
    let full_counts = scene.take();
    let rates: Vec<f64> = full_counts.iter().map(|(done, _)| as_float(*done) / FULL.as_secs_f64()).collect();
    drop(full);
    let half: Vec<f64> = rates.iter().map(|rate| rate / 2.0).collect();
    let time = Duration::from_secs(u64::from(minutes) * 60);
    let (looks, share) = runtime.block_on(phase(&proxy, &scene, Some(&half), time));
    let did = KINDS
        .into_iter()
        .zip(rates)
        .zip(scene.take())
        .map(|((kind, full), (done, failed))| Did {
            kind,
            full,
            half: as_float(done) / time.as_secs_f64(),
            failed,
            done,
        })
        .collect();
    socket.abort();
    drop(runtime);
    let files = (base, proxy.files_settled(base, PATIENCE));
    Ok(Soak { minutes, looks, did, files, share: (full_share, share), failures: scene.failures() })
}

/// Lets the visitors come for a time, at these rates or as fast as they can; looks at the process each second.
async fn phase(proxy: &Proxy, scene: &Arc<Scene>, rates: Option<&[f64]>, time: Duration) -> (Vec<Look>, f64) {
    scene.over.store(false, Ordering::Relaxed);
    let visitors = visitors::come(scene, rates);
    let (started, used) = (Instant::now(), proxy.cpu());
    let mut looks = Vec::new();
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while started.elapsed() < time {
        tick.tick().await;
        let at = started.elapsed().as_secs_f64();
        looks.push(Look { at, resident: proxy.resident(), files: proxy.files() });
    }
    let share = (proxy.cpu() - used) / started.elapsed().as_secs_f64();
    scene.over.store(true, Ordering::Relaxed);
    for visitor in visitors {
        // Whoever is in the middle of something may finish it.
        tokio::select! {
            _ = visitor => {}
            () = sleep(Duration::from_secs(15)) => {}
        }
    }
    (looks, share)
}
