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

/// Of each kind.
const TRIES: usize = 1_200;

const AT_ONCE: usize = 50;

/// Kinds of rejection.
const KINDS: [&str; 3] = ["unknown", "wrong PIN", "throttled"];

/// Each try is at a card of its own, which would be stopped per network.
const WITHOUT_NETWORKS: &str = "[guessing]\ncards_per_network = 10000";

/// The card of a kind for the `n`th try: each is new, but for the throttled one.
fn of(kind: usize, n: usize) -> String {
    match kind {
        0 => format!("999{n:05}"),
        1 => card(100 + n),
        _ => card(1),
    }
}

/// All tries in an order of chance. A regular one would favour a kind: whoever follows an attempt that makes work waits
/// a little longer.
fn shuffled() -> Vec<usize> {
    let mut kinds: Vec<usize> = (0..TRIES * 3).map(|n| n % 3).collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..kinds.len()).rev() {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        kinds.swap(last, usize::try_from(state % (last as u64 + 1)).unwrap());
    }
    kinds
}

type Told = (StatusCode, Vec<(String, String)>, String);

async fn one(visitor: Visitor, kind: usize, n: usize) -> (usize, Duration, Told) {
    let begun = Instant::now();
    let answer = visitor.sign_in(&of(kind, n), "0000").await;
    let took = begun.elapsed();
    (kind, took, answer.seen(&visitor))
}

/// The chance that one of the first takes longer than one of the second; ties count half.
pub fn auc(first: &[Duration], second: &[Duration]) -> f64 {
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

/// One round: the times by kind. All answers must be the same.
async fn round(visitor: &Visitor, first: usize) -> [Vec<Duration>; 3] {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut tries = Vec::new();
    for (n, kind) in shuffled().into_iter().enumerate() {
        let permit = Arc::clone(&room).acquire_owned().await.unwrap();
        let visitor = visitor.clone();
        tries.push(tokio::spawn(async move {
            let told = one(visitor, kind, first + n).await;
            drop(permit);
            told
        }));
    }
    let (mut times, mut answers) = ([const { Vec::new() }; 3], BTreeSet::new());
    for tried in tries {
        let (kind, took, (status, headers, body)) = tried.await.unwrap();
        times[kind].push(took);
        answers.insert((status.as_u16(), headers, body));
    }
    assert_eq!(answers.len(), 1, "one answer to the byte: {answers:#?}");
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejections_cannot_be_told_apart() {
    let pace = Pace { unknown: Duration::from_millis(5), known: Duration::from_millis(60) };
    let door = Door::open(pace, WITHOUT_NETWORKS).await;
    let visitor = door.visitor([127, 0, 40, 1]).await;
    for _ in 0..3 {
        visitor.sign_in(&card(1), "0000").await;
    }
    let mut told = Vec::new();
    // A busy machine can disturb one round; what really tells kinds apart shows in every one.
    for rounds in 1..=3 {
        let times = round(&visitor, rounds * 10_000).await;
        assert_eq!(door.ils.seen(1).wrong, 2, "the third kind was throttled");
        assert_eq!(door.ils.asked(), 2 + rounds * 2 * TRIES, "the others were asked");
        let areas = [(0, 1), (0, 2), (1, 2)].map(|(one, other)| (one, other, auc(&times[one], &times[other])));
        let text = areas.map(|(one, other, area)| format!("{} against {}: {area:.3}", KINDS[one], KINDS[other]));
        told.push(text.join("; "));
        if areas.iter().all(|(_, _, area)| (area - 0.5).abs() <= 0.03) {
            break;
        }
        assert!(rounds < 3, "{told:#?}");
    }
    let what = format!("area under the curve of {} answer times (goal: 0.5 ± 0.03)", TRIES * 3);
    figure("guessing::oracle::rejections_cannot_be_told_apart", &what, &told.join("; again: "));
    // A right PIN is not held back.
    let begun = Instant::now();
    assert!(visitor.sign_in(&card(2), &pin(2)).await.is_signed_in());
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?}");
}
