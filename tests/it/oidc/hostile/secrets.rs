//! Whether answers tell unknown clients and wrong secrets apart: what they are, and how long they take.
use super::super::conformance::jose::random;
use super::super::conformance::rp::Call;
use super::super::conformance::scene::Scene;
use super::scene;
use crate::guessing::oracle::auc;
use crate::support::figure;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Of each kind.
const TRIES: usize = 600;

/// A kind of request: its name, and how one is made.
type Kind = (&'static str, Box<dyn Fn() -> Call + Sync>);

/// One round: each kind in turn, beginning with another one each time. All answers must be the same.
async fn round(scene: &Scene, calls: &[Kind]) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::new(); calls.len()];
    let mut answers = BTreeSet::new();
    for n in 0..TRIES {
        for k in 0..calls.len() {
            // Each kind follows each other kind equally often.
            let kind = if n % 2 == 0 { (k + n / 2) % calls.len() } else { (calls.len() - 1 - k + n / 2) % calls.len() };
            let call = calls[kind].1();
            let begun = Instant::now();
            let reply = call.send(scene).await;
            times[kind].push(begun.elapsed());
            let mut fields: Vec<_> = reply
                .page
                .headers
                .iter()
                .filter(|(n, _)| *n != "date")
                .map(|(n, v)| (n.to_string(), v.as_bytes().to_vec()))
                .collect();
            fields.sort();
            answers.insert((reply.status(), fields, reply.page.text()));
        }
    }
    assert_eq!(answers.len(), 1, "one answer to the byte: {answers:#?}");
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_clients_and_wrong_secrets_cannot_be_told_apart() {
    let scene = scene().await;
    let url = scene.endpoint("token_endpoint");
    let plain = move || Call::post(&url).with("grant_type", "authorization_code").with("code", "x");
    let other = plain.clone();
    let third = plain.clone();
    let calls: Vec<Kind> = vec![
        ("unknown", Box::new(move || plain().basic("b4sic", &random()))),
        ("wrong secret", Box::new(move || other().basic("basic", &random()))),
        ("another method", Box::new(move || third().basic("post", &random()))),
    ];
    round(&scene, &calls).await;
    let mut told = Vec::new();
    // A busy machine can disturb one round; what really tells kinds apart shows in every one.
    for rounds in 1..=3 {
        let times = round(&scene, &calls).await;
        let areas = [(0, 1), (0, 2), (1, 2)].map(|(one, other)| (one, other, auc(&times[one], &times[other])));
        let text = areas.map(|(one, other, area)| format!("{} against {}: {area:.3}", calls[one].0, calls[other].0));
        told.push(text.join("; "));
        if areas.iter().all(|(_, _, area)| (area - 0.5).abs() <= 0.05) {
            break;
        }
        assert!(rounds < 3, "{told:#?}");
    }
    let what = format!("area under the curve of {} answer times (goal: 0.5 ± 0.05)", TRIES * 3);
    figure(
        "oidc::hostile::secrets::unknown_clients_and_wrong_secrets_cannot_be_told_apart",
        &what,
        &told.join("; again: "),
    );
}
