//! Readers who are signed in do not feel what the library's system does: their slowest answers are no slower, measured in
//! short rounds that alternate between a system that is well and one that is not.
use super::STATES;
use super::proxy::Way;
use super::scene::Scene;
use crate::support::{World, figure};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Requests in one round.
const ROUND: usize = 150;
/// Pairs of rounds for each state.
const PAIRS: usize = 6;

/// What may be added to the 99th percentile.
const GOAL: f64 = 1.10;

fn percentile(times: &mut [Duration], share: usize) -> f64 {
    times.sort();
    times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1000.0
}

/// Reads while somebody tries to sign in now and then, as they do whether or not the system is well.
async fn round(scene: &mut Scene, times: &mut Vec<Duration>) {
    let done = AtomicBool::new(false);
    let (reader, served, ca, other) = (&mut scene.reader, &scene.served, &scene.ca, &scene.other);
    let reading = async {
        for _ in 0..ROUND {
            let begun = Instant::now();
            let (status, _) = reader.get("/bytes/1000").await.unwrap();
            times.push(begun.elapsed());
            assert!(status.is_success());
        }
        done.store(true, SeqCst);
    };
    let coming = async {
        let given = (&*other.0, &*other.1, &*other.2);
        while !done.load(SeqCst) {
            let _ = tokio::time::timeout(
                Duration::from_millis(300),
                served.sign_in(&mut crate::support::Browser::new(ca), given, None),
            )
            .await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::join!(reading, coming);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_are_signed_in_feel_nothing() {
    let world = World::start();
    let mut scene = Scene::lay(&world).await;
    let (mut well, mut ill) = (Vec::new(), Vec::new());
    let mut reached = f64::MAX;
    let mut tries = 0;
    // The machine has other work: what it does to single rounds evens out over all of them, or over all of them again.
    while reached > GOAL && tries < 3 {
        tries += 1;
        for way in STATES {
            for _ in 0..PAIRS {
                scene.proxy.set(Way::Open);
                round(&mut scene, &mut well).await;
                scene.proxy.set(way);
                round(&mut scene, &mut ill).await;
            }
        }
        reached = percentile(&mut ill, 99) / percentile(&mut well, 99);
    }
    let (middle, slow) = (percentile(&mut ill, 50) / percentile(&mut well, 50), percentile(&mut well, 99));
    figure(
        "faults::unfelt::readers_who_are_signed_in_feel_nothing",
        "answers to readers while the library's system fails, against those while it is well",
        &format!(
            "p99 × {reached:.2} of {slow:.1} ms (goal × {GOAL:.2}), median × {middle:.2}, {} requests each, none failed",
            ill.len()
        ),
    );
    assert!(reached <= GOAL, "{reached}");
}
