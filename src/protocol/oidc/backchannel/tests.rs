//! What becomes of words to vendors: taken, refused, tried again, given up, dropped; and none waits for another vendor.
use super::super::stand_in::{Site, client, client_told_at, counted, errands, telemetry, until};
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

const LONG: Duration = Duration::from_secs(30);
const QUICK: Bounds = Bounds {
    at_once: 4,
    waiting: 100,
    in_all: 1_000,
    pauses: &[Duration::from_millis(1), Duration::from_millis(2), Duration::from_millis(3)],
};

fn count(telemetry: &Telemetry, vendor: &str, outcome: &str) -> u64 {
    counted(telemetry, &format!("vestibule_logout_deliveries_total{{outcome=\"{outcome}\",vendor=\"{vendor}\"}}"))
}

fn deliveries(telemetry: &Arc<Telemetry>, bounds: Bounds) -> LogoutDeliveries {
    LogoutDeliveries::new([errands("chronicle"), errands("lexicon")], telemetry, bounds)
}

#[expect(clippy::unnecessary_wraps, reason = "a token may be missing, and this one is not")]
fn fixed() -> Option<String> {
    Some("head.payload.signature".to_owned())
}

fn bodies(site: &Site) -> Vec<String> {
    site.requests().iter().map(|request| request.split_once("\r\n\r\n").unwrap().1.to_owned()).collect()
}

#[tokio::test]
async fn a_word_is_posted_as_a_form_and_taken_with_200_or_204() {
    for status in [200, 204] {
        let (site, telemetry) = (Site::open(Some((status, String::new()))).await, telemetry());
        deliveries(&telemetry, QUICK).deliver(&client_told_at("chronicle", site.uri("/out?app=1"), LONG), fixed);
        until(|| count(&telemetry, "chronicle", "delivered") == 1).await;
        let requests = site.requests();
        assert_eq!(requests.len(), 1);
        assert!(requests[0].starts_with("POST /out?app=1 HTTP/1.1\r\n"), "{}", requests[0]);
        assert_eq!(bodies(&site), ["logout_token=head.payload.signature"]);
    }
}

#[tokio::test]
async fn a_client_that_wants_no_word_gets_none() {
    let telemetry = telemetry();
    let deliveries = deliveries(&telemetry, QUICK);
    deliveries.deliver(&client("chronicle"), || panic!("a token was made"));
    assert!(deliveries.lanes.values().all(|lane| lane.len() == 0));
}

#[tokio::test]
async fn a_refusal_is_final() {
    let (site, telemetry) = (Site::open(Some((400, "{\"error\":\"invalid_request\"}".to_owned()))).await, telemetry());
    let deliveries = deliveries(&telemetry, QUICK);
    deliveries.deliver(&client_told_at("chronicle", site.uri("/out"), LONG), fixed);
    until(|| count(&telemetry, "chronicle", "refused") == 1).await;
    until(|| deliveries.lanes.values().all(|lane| lane.len() == 0)).await;
    assert_eq!(site.requests().len(), 1);
}

#[tokio::test]
async fn anything_else_is_tried_again_with_a_fresh_token_until_it_is_taken() {
    const LATE: &[Duration] = &[Duration::from_millis(1), Duration::from_millis(300)];
    for status in [302, 401, 404, 429, 500, 503] {
        let (site, telemetry) = (Site::open(Some((status, String::new()))).await, telemetry());
        let made = AtomicUsize::new(0);
        let bounds = Bounds { pauses: LATE, ..QUICK };
        let deliveries = deliveries(&telemetry, bounds);
        deliveries.deliver(&client_told_at("chronicle", site.uri("/out"), LONG), move || {
            Some(format!("token{}", made.fetch_add(1, Ordering::SeqCst)))
        });
        site.asked(2).await;
        site.answer(200, "");
        until(|| count(&telemetry, "chronicle", "delivered") == 1).await;
        assert_eq!(bodies(&site), ["logout_token=token0", "logout_token=token1", "logout_token=token2"], "{status}");
    }
}

#[tokio::test]
async fn a_vendor_that_takes_nothing_is_given_up() {
    let (site, telemetry) = (Site::open(Some((500, String::new()))).await, telemetry());
    let deliveries = deliveries(&telemetry, QUICK);
    deliveries.deliver(&client_told_at("chronicle", site.uri("/out"), LONG), fixed);
    // Nobody listens at the port of a server that is gone.
    let gone = client_told_at("lexicon", "http://127.0.0.1:1/out".parse().unwrap(), LONG);
    deliveries.deliver(&gone, fixed);
    until(|| count(&telemetry, "chronicle", "given_up") == 1 && count(&telemetry, "lexicon", "given_up") == 1).await;
    assert_eq!(site.requests().len(), 1 + QUICK.pauses.len());
    assert!(deliveries.lanes.values().all(|lane| lane.len() == 0));
}

#[tokio::test]
async fn an_address_that_may_not_be_asked_is_given_up_at_once() {
    const FAR: &[Duration] = &[Duration::from_secs(600)];
    let telemetry = telemetry();
    let bounds = Bounds { pauses: FAR, ..QUICK };
    for uri in ["https://127.0.0.2/out", "https://[::1]/out", "https://10.0.0.1/out", "http://169.254.169.254/out"] {
        let client = client_told_at("chronicle", uri.parse().unwrap(), LONG);
        deliveries(&telemetry, bounds).deliver(&client, fixed);
    }
    until(|| count(&telemetry, "chronicle", "given_up") == 4).await;
}

#[tokio::test]
async fn a_word_without_a_token_ends() {
    let (site, telemetry) = (Site::open(Some((200, String::new()))).await, telemetry());
    deliveries(&telemetry, QUICK).deliver(&client_told_at("chronicle", site.uri("/out"), LONG), || None);
    until(|| count(&telemetry, "chronicle", "given_up") == 1).await;
    assert!(site.requests().is_empty());
}

#[tokio::test]
async fn a_silent_vendor_gets_its_time_and_is_asked_again() {
    let (site, telemetry) = (Site::open(None).await, telemetry());
    let client = client_told_at("chronicle", site.uri("/out"), Duration::from_millis(20));
    deliveries(&telemetry, QUICK).deliver(&client, fixed);
    until(|| count(&telemetry, "chronicle", "given_up") == 1).await;
    assert_eq!(site.requests().len(), 1 + QUICK.pauses.len());
}

#[tokio::test]
async fn a_silent_vendor_with_a_full_queue_delays_no_other() {
    let telemetry = telemetry();
    let (silent, lively) = (Site::open(None).await, Site::open(Some((200, String::new()))).await);
    let deliveries = deliveries(&telemetry, QUICK);
    let slow = client_told_at("chronicle", silent.uri("/out"), LONG);
    let quick = client_told_at("lexicon", lively.uri("/out"), LONG);
    for _ in 0..QUICK.waiting {
        deliveries.deliver(&slow, fixed);
    }
    for _ in 0..50 {
        deliveries.deliver(&quick, fixed);
    }
    until(|| count(&telemetry, "lexicon", "delivered") == 50).await;
    silent.asked(QUICK.at_once).await;
    assert_eq!(silent.requests().len(), QUICK.at_once, "so many are on their way to one vendor, and no more");
    assert_eq!(deliveries.lanes[&slow.vendor.id].len(), QUICK.waiting);
}

#[tokio::test]
async fn the_oldest_makes_room_and_is_told_as_dropped() {
    let (site, telemetry) = (Site::open(None).await, telemetry());
    let deliveries = deliveries(&telemetry, Bounds { at_once: 1, waiting: 3, ..QUICK });
    let client = client_told_at("chronicle", site.uri("/out"), LONG);
    for n in 0..10 {
        deliveries.deliver(&client, move || Some(format!("token{n}")));
    }
    assert_eq!(count(&telemetry, "chronicle", "dropped"), 7);
    assert_eq!(deliveries.lanes[&client.vendor.id].len(), 3);
    site.answer(200, "");
    until(|| count(&telemetry, "chronicle", "delivered") == 3).await;
    assert_eq!(bodies(&site), ["logout_token=token7", "logout_token=token8", "logout_token=token9"]);
    assert_eq!(count(&telemetry, "chronicle", "given_up") + count(&telemetry, "chronicle", "refused"), 0);
}

#[tokio::test]
async fn what_is_too_much_for_all_is_taken_from_whoever_has_most() {
    let (site, telemetry) = (Site::open(None).await, telemetry());
    let deliveries = deliveries(&telemetry, Bounds { in_all: 10, ..QUICK });
    let many = client_told_at("chronicle", site.uri("/out"), LONG);
    let few = client_told_at("lexicon", site.uri("/out"), LONG);
    for _ in 0..9 {
        deliveries.deliver(&many, fixed);
    }
    for _ in 0..4 {
        deliveries.deliver(&few, fixed);
    }
    assert_eq!((count(&telemetry, "chronicle", "dropped"), count(&telemetry, "lexicon", "dropped")), (3, 0));
    assert_eq!(deliveries.lanes.values().map(|lane| lane.len()).sum::<usize>(), 10);
}

#[test]
fn the_pauses_grow() {
    let Bounds { pauses, .. } = Bounds::default();
    assert!(pauses.len() >= 4 && pauses.is_sorted_by(|a, b| a < b));
}
