//! A client that floods: another's codes and pushed requests stay where they are.
use super::super::conformance::rp::{Landed, User};
use super::{code, opens, scene};
use crate::support::figure;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Requests of one kind.
const FLOOD: usize = 8_000;

const AT_ONCE: usize = 16;

/// Sends requests of a kind from many connections, until all were sent or `lasts` is over; how often each status came.
async fn flood<F, R>(lasts: Duration, one: F) -> Vec<(u16, usize)>
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = u16> + Send,
{
    let (begun_so_far, make) = (Arc::new(AtomicUsize::new(0)), Arc::new(one));
    let begun = Instant::now();
    let all: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (begun_so_far, make) = (Arc::clone(&begun_so_far), Arc::clone(&make));
            tokio::spawn(async move {
                let mut seen = std::collections::BTreeMap::new();
                while begun_so_far.fetch_add(1, SeqCst) < FLOOD && begun.elapsed() < lasts {
                    *seen.entry(make().await).or_insert(0) += 1;
                }
                seen
            })
        })
        .collect();
    let mut seen = std::collections::BTreeMap::new();
    for one in all {
        for (status, count) in one.await.unwrap() {
            *seen.entry(status).or_insert(0) += count;
        }
    }
    seen.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_client_takes_nothing_from_another() {
    let scene = scene().await;
    let (basic, other) = (scene.rp("basic"), scene.rp("other"));
    let mut user = User::new(&scene);
    user.authorize(&other.ask(&scene)).await;
    // What another client has, from before the flood.
    let (earlier, redeemed) = code(&scene, &basic).await;
    let tokens = basic.redeem(&scene, &redeemed, &earlier).await.fine();
    let pushed = basic.ask(&scene);
    let short = basic.push(&scene, &pushed).await;
    let (request, waiting) = code(&scene, &basic).await;
    // A code lives for a minute, and so does the pushed request.
    let lasts = Duration::from_secs(18);
    let (s, rp) = (Arc::clone(&scene), Arc::clone(&other));
    let flooded = flood(lasts, move || {
        let (scene, rp) = (Arc::clone(&s), Arc::clone(&rp));
        async move {
            let asked = rp.ask(&scene);
            rp.pushing(&scene, &asked).send(&scene).await.status()
        }
    })
    .await;
    assert!(flooded.iter().all(|(status, _)| [201, 429].contains(status)), "{flooded:?}");
    let cookie = user.browser.cookies("login.vestibule.localhost").join("; ");
    let (s, rp) = (Arc::clone(&scene), Arc::clone(&other));
    let requests = flood(lasts, move || {
        let (scene, rp, cookie) = (Arc::clone(&s), Arc::clone(&rp), cookie.clone());
        async move {
            let url = rp.ask(&scene).url();
            let request = hyper::Request::get(url).header("cookie", cookie).body(hyper::body::Bytes::new());
            scene.wire.browse(request.unwrap()).await.status.as_u16()
        }
    })
    .await;
    // All of it is still there.
    basic.redeem(&scene, &waiting, &request).await.fine();
    match User::new(&scene).go(&short).await {
        Landed::Form(_) => {}
        _ => panic!("the pushed request is gone"),
    }
    assert!(opens(&scene, &basic, &tokens).await, "the token is gone");
    let text = |all: &[(u16, usize)]| all.iter().map(|(s, n)| format!("{n} times {s}")).collect::<Vec<_>>().join(", ");
    figure(
        "oidc::hostile::crowds::a_flood_of_one_client_takes_nothing_from_another",
        "a flood of one client at /oidc/par and at /oidc/authorize (goal: another's code, request and token live)",
        &format!("{}; {}: all live", text(&flooded), text(&requests)),
    );
}
