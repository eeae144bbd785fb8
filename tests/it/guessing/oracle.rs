//! Whether the answers tell unknown cards, wrong PINs and throttled cards apart: what they are, and how long they take,
//! with a library system that answers at once about cards that it does not know.
use super::door::{Door, Visitor};
use super::ils::{Pace, card, pin};
use crate::support::figure;
use hyper::StatusCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

const TRIPLES: usize = 1_600;

/// Kinds of rejection.
const KINDS: [&str; 3] = ["unknown", "wrong PIN", "throttled"];

fn without_networks(text: String) -> String {
    format!("{text}\n[guessing]\ncards_per_network = 10000\n")
}

/// The card of a kind for the `n`th try: each is new, but for the throttled one.
fn of(kind: usize, n: usize) -> String {
    match kind {
        0 => format!("999{n:05}"),
        1 => card(100 + n),
        _ => card(1),
    }
}

type Told = (StatusCode, Vec<(String, String)>, String);

async fn one(visitor: Visitor, kind: usize, n: usize) -> (usize, Duration, Told) {
    let begun = Instant::now();
    let answer = visitor.sign_in(&of(kind, n), "0000").await;
    let took = begun.elapsed();
    (kind, took, answer.seen(&visitor))
}

/// The chance that one of the first takes longer than one of the second; ties count half.
fn auc(first: &[Duration], second: &[Duration]) -> f64 {
    let mut second = second.to_vec();
    second.sort();
    let wins = first.iter().map(|one| {
        let below = second.partition_point(|other| other < one);
        let equal = second.partition_point(|other| other <= one) - below;
        2 * below + equal
    });
    let pairs = f64::from(u32::try_from(first.len() * second.len()).unwrap());
    f64::from(u32::try_from(wins.sum::<usize>()).unwrap()) / 2.0 / pairs
}

#[test]
fn the_measure_tells_what_differs() {
    let all: Vec<_> = (0..100).map(Duration::from_millis).collect();
    let later: Vec<_> = (50..150).map(Duration::from_millis).collect();
    assert!((auc(&all, &all) - 0.5).abs() < 1e-9);
    assert!(auc(&later, &all) > 0.8 && auc(&all, &later) < 0.2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejections_cannot_be_told_apart() {
    let pace = Pace { unknown: Duration::from_millis(5), known: Duration::from_millis(60) };
    let door = Door::open(pace, without_networks).await;
    let visitor = door.visitor([127, 0, 40, 1]).await;
    for _ in 0..3 {
        visitor.sign_in(&card(1), "0000").await;
    }
    let room = Arc::new(Semaphore::new(60));
    let mut tries = Vec::new();
    for n in 0..TRIPLES {
        // The order turns, so that whoever comes first in a triple has no advantage.
        for place in 0..3 {
            let kind = (place + n) % 3;
            let kind = if n % 2 == 0 { kind } else { 2 - kind };
            let permit = Arc::clone(&room).acquire_owned().await.unwrap();
            let visitor = visitor.clone();
            tries.push(tokio::spawn(async move {
                let told = one(visitor, kind, n).await;
                drop(permit);
                told
            }));
        }
    }
    let (mut times, mut answers) = ([const { Vec::new() }; 3], BTreeSet::new());
    for tried in tries {
        let (kind, took, (status, headers, body)) = tried.await.unwrap();
        times[kind].push(took);
        answers.insert((status.as_u16(), headers, body));
    }
    assert_eq!(answers.len(), 1, "one answer to the byte: {answers:#?}");
    assert_eq!(door.ils.seen(1).wrong, 2, "the third kind was throttled");
    assert_eq!(door.ils.asked(), 2 + 2 * TRIPLES, "the others were asked");
    let mut worst = 0.0_f64;
    let mut told = Vec::new();
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let area = auc(&times[one], &times[other]);
        worst = worst.max((area - 0.5).abs());
        told.push(format!("{} against {}: {area:.3}", KINDS[one], KINDS[other]));
    }
    let what = format!("area under the curve of {} answer times (goal: 0.5 ± 0.03)", TRIPLES * 3);
    figure("guessing::oracle::rejections_cannot_be_told_apart", &what, &told.join("; "));
    assert!(worst <= 0.03, "{told:?}");
    // A right PIN is not held back.
    let begun = Instant::now();
    assert!(visitor.sign_in(&card(2), &pin(2)).await.is_signed_in());
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
}
