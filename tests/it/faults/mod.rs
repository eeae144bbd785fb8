//! A library's system in every state in which one was seen to fail, through a fault proxy: whoever is signed in reads on
//! and feels nothing, whoever is not gets a clear page, nobody is let in or blamed, and all is well again soon after.
mod proxy;
mod scene;
mod unfelt;

use super::support::observe::{self, PATIENCE, until};
use super::support::{World, figure};
use proxy::Way;
use scene::{CONNECTIONS, Scene, must_be_clear};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// The ten states that must be survived, and beside them a SYN that nobody answers, an answer that comes twice and one byte by byte.
const STATES: [Way; 13] = [
    Way::Refuse,
    Way::Silent,
    Way::Hang,
    Way::Slow(Duration::from_secs(30)),
    Way::HalfLine,
    Way::Garbage,
    Way::WrongNumber,
    Way::Reset,
    Way::Flap(Duration::from_secs(1)),
    Way::Stranger,
    Way::Deaf,
    Way::Twice,
    Way::Drip(Duration::from_millis(30)),
];

/// From the first failure until all is well again; gives the figures.
async fn outage(world: &World, way: Way) -> String {
    let mut scene = Scene::lay(world).await;
    let before = scene.blamed();
    scene.proxy.set(way);
    let (attempts, first) = until_the_breaker_opens(&mut scene, way).await;
    assert!(first < Duration::from_secs(5), "{way:?}: the first callers waited {first:?}");
    let (asked, down) = (Instant::now(), Duration::from_secs(11));
    // From now on everyone is told soon, also the one who probes; right and wrong PINs look alike.
    let mut slowest = Duration::ZERO;
    let mut turn = 0;
    while asked.elapsed() < down {
        turn += 1;
        let pin = if turn % 2 == 0 { scene.other.2.clone() } else { "000000".to_owned() };
        let (page, took) = scene.sign_in(&pin).await;
        must_be_clear(&page, &scene.other);
        slowest = slowest.max(took);
        scene.read_on().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(slowest < Duration::from_secs(2), "{way:?}: {slowest:?}");
    let probes = scene.questions_and_connections_since(asked);
    // A probe takes one connection, or two where the first was garbled: 5 s apart, so at most three in eleven seconds.
    assert!(probes <= 6, "{way:?}: {probes} connections while the breaker was open");
    let (status, ready) = observe::admin(&scene.served.admin, "/ready").unwrap();
    assert_eq!(status, 200, "patrons who are signed in go on");
    assert!(ready.contains("library system down: consortium"), "{ready}");
    assert_eq!(scene.blamed(), before, "{way:?}: nothing is counted against a patron");
    assert!(scene.faults_of_the_library() > 0.0, "{way:?}");
    // A reload does not forget that the system is down, nor lets readers find out once more.
    scene.served.signal("HUP");
    until("the reload", PATIENCE, || observe::reloads(&scene.served.admin, "accepted") > 0.0).await;
    assert!(scene.breaker_is_open());
    let (back, most) = must_recover(&mut scene, way).await;
    format!(
        "{way:?}: open after at most {attempts} callers, slowest of them {first:.1?}, then {slowest:.1?}, {probes} connections in 11 s, back after {back:.1?}, at most {most} connections"
    )
}

/// All is well again soon after the system is: how soon, and the most connections that there ever were.
async fn must_recover(scene: &mut Scene, way: Way) -> (Duration, usize) {
    scene.proxy.set(Way::Open);
    let back = scene.until_back(way).await;
    let most = scene.proxy.seen.most.load(SeqCst);
    assert!(most <= CONNECTIONS, "{way:?}: {most} connections");
    scene.must_keep_secrets();
    (back, most)
}

/// Sends crowds until the breaker is open: how many came and how long the slowest of them waited.
async fn until_the_breaker_opens(scene: &mut Scene, way: Way) -> (usize, Duration) {
    let (mut callers, mut slowest) = (0, Duration::ZERO);
    while !scene.breaker_is_open() {
        callers += CONNECTIONS * 2;
        assert!(callers <= CONNECTIONS * 6, "the breaker stays closed while the system does {way:?}");
        slowest = slowest.max(scene.crowd().await);
        scene.read_on().await;
    }
    (callers, slowest)
}

/// The system comes and goes: whoever signs in is let in or told so, and never waits long for it.
async fn flapping(world: &World, way: Way) -> String {
    let mut scene = Scene::lay(world).await;
    let before = scene.rejected();
    scene.proxy.set(way);
    let (begun, mut slowest, mut accepted, mut refused) = (Instant::now(), Duration::ZERO, 0, 0);
    while begun.elapsed() < Duration::from_secs(12) {
        let (page, took) = scene.sign_in(&scene.other.2).await;
        if page.status.is_success() {
            accepted += 1;
        } else {
            must_be_clear(&page, &scene.other);
            refused += 1;
        }
        slowest = slowest.max(took);
        scene.read_on().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    assert!(refused > 0, "it was down half of the time");
    assert_eq!(scene.rejected(), before, "nothing is counted against a patron");
    let (back, most) = must_recover(&mut scene, way).await;
    format!(
        "{way:?}: {accepted} let in and {refused} told so, slowest {slowest:.1?}, back after {back:.1?}, at most {most} connections"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_system_does_sign_ins_end_soon_and_nobody_is_blamed() {
    let world = Arc::new(World::start());
    for states in STATES.chunks(4) {
        let played = states.iter().map(|way| {
            let (world, way) = (Arc::clone(&world), *way);
            tokio::spawn(async move {
                match way {
                    Way::Flap(_) => (way, flapping(&world, way).await),
                    _ => (way, outage(&world, way).await),
                }
            })
        });
        for played in played.collect::<Vec<_>>() {
            let (way, reached) = played.await.unwrap();
            let test = "faults::whatever_the_system_does_sign_ins_end_soon_and_nobody_is_blamed";
            figure(test, &format!("a library's system does {way:?} (goals: 5 s, 2 s, back in 10 s)"), &reached);
        }
    }
}
