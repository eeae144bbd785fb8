//! Guessing PINs: what of it reaches the library's system, whom it keeps out, and what can be learnt from the answers.
mod door;
mod ils;
pub mod oracle;

use super::support::figure;
use door::{Door, Visitor};
use hyper::StatusCode;
use ils::{Pace, card, pin, user};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::mpsc;

const DEVICE: &str = "__Host-vestibule-device";
const QUICK: Pace = Pace { unknown: Duration::from_millis(5), known: Duration::from_millis(5) };

const AS_IT_COMES: &str = "";
const NEVER_LOCKS: &str = "[guessing]\nils_locks_after = 0";
const PREMISES: &str = "[session]\npremises = [\"127.0.50.0/24\"]";

/// One card in many spellings: some the library system takes for it, some only we do.
fn spellings(n: usize) -> Vec<String> {
    let card = card(n);
    let wide = card.chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
    let name = user(n);
    vec![
        card.clone(),
        format!("{card} "),
        format!("{} {}", &card[..5], &card[5..]),
        format!("{}-{}", &card[..1], &card[1..]),
        format!("00{card}"),
        wide,
        format!("{card}\u{200b}"),
        name.clone(),
        name.to_uppercase(),
        name.replace('e', "é"),
        name.replacen('a', "A", 1),
    ]
}

/// The owner signs in whenever five more addresses have begun, each time on a connection of its own; how often that came
/// to nothing.
async fn owner(door: Arc<Door>, n: usize, device: String, mut begun: mpsc::UnboundedReceiver<()>) -> (usize, usize) {
    let (mut addresses, mut tries, mut failed) = (0, 0, 0);
    while begun.recv().await.is_some() {
        addresses += 1;
        if addresses % 5 > 0 {
            continue;
        }
        let visitor = door.visitor([127, 0, 0, 1]).await.holding(&device);
        failed += usize::from(!visitor.sign_in(&card(n), &pin(n)).await.is_signed_in());
        tries += 1;
    }
    (tries, failed)
}

/// Ten thousand guesses at one card from five hundred addresses; how many were answered otherwise than by a rejection.
async fn ten_thousand(door: &Arc<Door>, n: usize, begun: &mpsc::UnboundedSender<()>) -> usize {
    let (next, odd) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gangs = (0..10).map(|_| {
        let (door, next, odd, begun) = (Arc::clone(door), Arc::clone(&next), Arc::clone(&odd), begun.clone());
        tokio::spawn(async move {
            loop {
                let address = next.fetch_add(1, SeqCst);
                if address >= 500 {
                    return;
                }
                let (high, low) = (u8::try_from(1 + address / 10).unwrap(), u8::try_from(address % 10 + 1).unwrap());
                let visitor = door.visitor([127, 0, high, low]).await;
                begun.send(()).unwrap();
                odd.fetch_add(twenty(&visitor, n, address).await, SeqCst);
            }
        })
    });
    for gang in gangs.collect::<Vec<_>>() {
        gang.await.unwrap();
    }
    odd.load(SeqCst)
}

async fn twenty(visitor: &Visitor, n: usize, address: usize) -> usize {
    let spellings = spellings(n);
    let guesses = (0..20).map(|guess| {
        let (visitor, spelling) = (visitor.clone(), spellings[(address + guess) % spellings.len()].clone());
        tokio::spawn(async move {
            let guessed = format!("{:04}", address * 20 + guess);
            // The one right PIN of ten thousand would be luck, not a guess that failed.
            let guessed = if guessed == pin(n) { "0000".to_owned() } else { guessed };
            usize::from(visitor.sign_in(&spelling, &guessed).await.status != StatusCode::UNAUTHORIZED)
        })
    });
    let mut odd = 0;
    for guess in guesses.collect::<Vec<_>>() {
        odd += guess.await.unwrap();
    }
    odd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_guesses_come_to_nothing_and_the_owner_comes_in() {
    let door = Door::open(QUICK, AS_IT_COMES).await;
    let first = door.visitor([127, 0, 0, 1]).await.sign_in(&card(7), &pin(7)).await;
    assert!(first.is_signed_in(), "{}", first.status);
    let device = first.cookie(DEVICE).expect("a device cookie");
    let (begun, seen) = mpsc::unbounded_channel();
    let owner = tokio::spawn(owner(Arc::clone(&door), 7, device.clone(), seen));
    let odd = ten_thousand(&door, 7, &begun).await;
    drop(begun);
    let (tries, failed) = owner.await.unwrap();
    let seen = door.ils.seen(7);
    let all = door.ils.asked() - seen.right;
    let test = "guessing::ten_thousand_guesses_come_to_nothing_and_the_owner_comes_in";
    figure(
        test,
        "10,000 guesses at one card from 500 addresses in 11 spellings (goal: at most 30 asked)",
        &format!("{} asked, at most {} in a row, {all} under any spelling", seen.wrong, seen.most_in_a_row),
    );
    figure(
        test,
        "the owner's device meanwhile (goal: 100 of 100 at the first try)",
        &format!("{} of {tries}", tries - failed),
    );
    assert_eq!((odd, failed), (0, 0));
    assert!((2..=30).contains(&seen.wrong) && all <= 30, "{seen:?}, {all}");
    assert!(!seen.locked && seen.most_in_a_row < 5, "{seen:?}");
    assert_eq!((tries, seen.right), (100, 101));
    // Also right after the attack, and with the user name in place of the number.
    let visitor = door.visitor([127, 0, 0, 1]).await.holding(&device);
    assert!(visitor.sign_in(&user(7), &pin(7)).await.is_signed_in());
}

/// So many attempts, a hundred at once, each by its number.
async fn crowd<F, Fut>(tries: usize, attempt: F) -> usize
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send,
{
    let (next, good, attempt) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(attempt));
    let hands = (0..200.min(tries)).map(|_| {
        let (next, good, attempt) = (Arc::clone(&next), Arc::clone(&good), Arc::clone(&attempt));
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, SeqCst);
                if n >= tries {
                    return;
                }
                good.fetch_add(usize::from(attempt(n).await), SeqCst);
            }
        })
    });
    for hand in hands.collect::<Vec<_>>() {
        hand.await.unwrap();
    }
    good.load(SeqCst)
}

async fn visitors(door: &Arc<Door>, network: u8, how_many: u8) -> Vec<Visitor> {
    let mut all = Vec::new();
    for low in 1..=how_many {
        all.push(door.visitor([127, 0, network, low]).await);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_pin_on_many_cards_is_stopped_and_a_busy_branch_is_not() {
    let door = Door::open(QUICK, AS_IT_COMES).await;
    let sprayers = visitors(&door, 90, 10).await;
    let rejected = crowd(5_000, move |n| {
        let visitor = sprayers[n % sprayers.len()].clone();
        async move { visitor.sign_in(&card(10_000 + n), "0000").await.status == StatusCode::UNAUTHORIZED }
    });
    assert_eq!(rejected.await, 5_000);
    let (failing, asked) = (door.ils.failing(), door.ils.asked());
    // Three hundred patrons behind one address, of whom one in ten mistypes once.
    let branch = Arc::new(door.visitor([127, 0, 91, 1]).await);
    let came_in = crowd(300, move |n| {
        let visitor = Arc::clone(&branch);
        async move {
            let mistyped = n % 10 == 3;
            if mistyped && visitor.sign_in(&card(n), "0000").await.status != StatusCode::UNAUTHORIZED {
                return false;
            }
            visitor.sign_in(&card(n), &pin(n)).await.is_signed_in()
        }
    });
    let came_in = came_in.await;
    let mistyped: usize = (0..300).map(|n| door.ils.seen(n).wrong).sum();
    let test = "guessing::one_pin_on_many_cards_is_stopped_and_a_busy_branch_is_not";
    figure(
        test,
        "one PIN on 5,000 cards from one /24 (goal: at most 20 cards asked)",
        &format!("{failing} cards, {asked} questions"),
    );
    figure(
        test,
        "a branch of 300 patrons behind one address, 10 % mistype (goal: all come in)",
        &format!("{came_in} of 300"),
    );
    assert!((10..=20).contains(&failing) && asked <= 20, "{failing} {asked}");
    assert_eq!((came_in, mistyped), (300, 30));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_answer_says_nothing() {
    let door = Door::open(QUICK, AS_IT_COMES).await;
    let visitor = door.visitor([127, 0, 80, 1]).await;
    let unknown = "999000";
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(visitor.sign_in(&card(1), "0000").await);
        answers.push(visitor.sign_in(unknown, "0000").await);
    }
    let before = door.ils.asked();
    assert_eq!(before, 4, "two for each card");
    // Now with the right PIN, which is not asked either, from anywhere.
    answers.push(visitor.sign_in(&card(1), &pin(1)).await);
    let other = door.visitor([127, 0, 81, 1]).await;
    let elsewhere = other.sign_in(&card(1), &pin(1)).await;
    assert_eq!(elsewhere.seen(&other), answers[0].seen(&visitor));
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.seen(&visitor), answers[0].seen(&visitor));
        assert!(answer.cookie("__Host-vestibule").is_none() && answer.cookie(DEVICE).is_none());
    }
    assert_eq!((door.ils.asked(), door.ils.seen(1).right), (before, 0));
    let text = String::from_utf8(answers[0].body.to_vec()).unwrap();
    assert!(text.contains("paused") && text.contains("in the library"), "{text}");
    assert!(!text.contains(&card(1)) && !text.contains("0000"));
    let count = |outcome: &str| {
        let series = format!("vestibule_sign_ins_total{{library=\"elmwood\",outcome=\"{outcome}\"}}");
        super::support::observe::metric(&door.served.admin, &series)
    };
    assert_eq!((count("rejected"), count("throttled"), count("accepted")), (4.0, 6.0, 0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_survive_the_end_of_the_process() {
    let door = Door::open(QUICK, AS_IT_COMES).await;
    let visitor = door.visitor([127, 0, 70, 1]).await;
    let welcome = visitor.sign_in(&card(1), &pin(1)).await;
    let device = welcome.cookie(DEVICE).expect("a device cookie");
    for _ in 0..3 {
        assert_eq!(visitor.sign_in(&card(1), "0000").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(door.ils.seen(1).wrong, 2);
    drop(visitor);
    let door = door.restarted().await;
    let visitor = door.visitor([127, 0, 70, 2]).await;
    assert_eq!(visitor.sign_in(&card(1), "0000").await.status, StatusCode::UNAUTHORIZED);
    let wrong = door.ils.seen(1).wrong;
    figure(
        "guessing::counters_survive_the_end_of_the_process",
        "guesses asked before and after a kill (goal: 2)",
        &wrong.to_string(),
    );
    assert_eq!(wrong, 2);
    assert!(visitor.holding(&device).sign_in(&card(1), &pin(1)).await.is_signed_in(), "the device is known");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_at_once_stay_within_the_budget() {
    for (more, most) in [(AS_IT_COMES, 2), (NEVER_LOCKS, 20)] {
        let door = Door::open(QUICK, more).await;
        let all = visitors(&door, 60, 4).await;
        let rejected = crowd(200, move |n| {
            let visitor = all[n % all.len()].clone();
            async move { visitor.sign_in(&card(5), "0000").await.status == StatusCode::UNAUTHORIZED }
        });
        assert_eq!(rejected.await, 200);
        let asked = door.ils.asked();
        let what = format!("200 guesses at once (goal: at most {most})");
        figure("guessing::two_hundred_at_once_stay_within_the_budget", &what, &asked.to_string());
        assert_eq!(asked, most);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_the_library_there_is_a_way_in_and_no_trace() {
    let door = Door::open(QUICK, PREMISES).await;
    let stranger = door.visitor([127, 0, 51, 1]).await;
    for _ in 0..5 {
        assert_eq!(stranger.sign_in(&card(3), "0000").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(stranger.sign_in(&card(3), &pin(3)).await.status, StatusCode::UNAUTHORIZED);
    let inside = door.visitor([127, 0, 50, 1]).await.sign_in(&card(3), &pin(3)).await;
    assert!(inside.is_signed_in(), "{}", inside.status);
    assert!(inside.cookie(DEVICE).is_none(), "a shared machine keeps nothing");
    let outside = stranger.sign_in(&card(3), &pin(3)).await;
    assert!(outside.is_signed_in(), "a success ends the row");
    let device =
        outside.headers.get_all("set-cookie").iter().find(|c| c.to_str().unwrap().starts_with(DEVICE)).unwrap();
    let device = device.to_str().unwrap();
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax", "; Max-Age=15552000"] {
        assert!(device.contains(part), "{device}");
    }
    assert!(!device.contains(&card(3)) && !device.contains(&pin(3)));
}
