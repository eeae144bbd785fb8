//! When keys are fetched, and what they are worth when they cannot be.
use super::super::stand_in::{Site, client, client_with_keys_at, counted, means, until};
use super::*;
use futures_util::future::join_all;

const TROUBLE: &str = "vestibule_document_trouble_total{document=\"keys\",vendor=\"chronicle\"}";

/// A set with one key a name.
fn set(names: &[&str]) -> String {
    let key = |name: &&str| serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": name, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    serde_json::json!({"keys": names.iter().map(key).collect::<Vec<_>>()}).to_string()
}

fn names(set: &JwkSet) -> Vec<&str> {
    set.keys.iter().filter_map(|key| key.common.key_id.as_deref()).collect()
}

#[test]
fn keys_that_cannot_be_read_are_passed_over_and_symmetric_ones_too() {
    let text = r#"{"keys": [
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "future"},
        {"kty": "oct", "k": "AAAA", "kid": "shared"},
        {"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "curve"},
        7, null, {"kid": "nothing"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "good"}], "more": 1}"#;
    assert_eq!(names(&read(text.as_bytes()).ok().unwrap()), ["good"]);
    assert!(read(br#"{"keys": []}"#).ok().unwrap().keys.is_empty(), "a vendor that has no key any more says so");
    for wrong in ["", "[]", "{}", r#"{"keys": {}}"#, r#"{"keys": "x"}"#, "<html>"] {
        let unusable = read(wrong.as_bytes()).err().unwrap();
        assert!(unusable.cause == "malformed" && unusable.instead.is_none(), "{wrong}");
    }
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_needed_and_not_before_ten_minutes_again() {
    let site = Site::open(Some((200, set(&["one"])))).await;
    let client = client_with_keys_at("chronicle", site.uri("/keys"));
    let (means, clock, _) = means("chronicle");
    let keys = PublishedKeys::new([(&client, means)]);
    assert!(site.requests().is_empty());
    for _ in 0..10 {
        assert_eq!(names(&keys.keys_of(&client, Some("one")).await.unwrap()), ["one"]);
        assert_eq!(names(&keys.keys_of(&client, None).await.unwrap()), ["one"]);
    }
    clock.advance(599);
    keys.keys_of(&client, Some("one")).await.unwrap();
    assert_eq!(site.requests().len(), 1);
    site.answer(200, &set(&["two"]));
    clock.advance(1);
    assert_eq!(names(&keys.keys_of(&client, None).await.unwrap()), ["two"], "a key that was withdrawn is gone");
    assert_eq!(site.requests().len(), 2);
}

#[tokio::test]
async fn an_unknown_name_is_looked_for_at_once_but_once_a_minute_at_most() {
    let site = Site::open(Some((200, set(&["one"])))).await;
    let client = client_with_keys_at("chronicle", site.uri("/keys"));
    let (means, clock, _) = means("chronicle");
    let keys = PublishedKeys::new([(&client, means)]);
    keys.keys_of(&client, None).await.unwrap();
    clock.advance(60);
    site.answer(200, &set(&["one", "two"]));
    assert_eq!(names(&keys.keys_of(&client, Some("two")).await.unwrap()), ["one", "two"]);
    for guess in 0..50 {
        assert_eq!(names(&keys.keys_of(&client, Some(&guess.to_string())).await.unwrap()), ["one", "two"]);
    }
    assert_eq!(site.requests().len(), 2);
    clock.advance(60);
    keys.keys_of(&client, Some("x")).await.unwrap();
    assert_eq!(site.requests().len(), 3);
}

#[tokio::test]
async fn many_that_ask_at_once_make_one_fetch() {
    let site = Site::open(Some((200, set(&["one"])))).await;
    let client = client_with_keys_at("chronicle", site.uri("/keys"));
    let (means, ..) = means("chronicle");
    let keys = PublishedKeys::new([(&client, means)]);
    let all = join_all((0..50).map(|_| keys.keys_of(&client, Some("one")))).await;
    assert!(all.iter().all(|got| got.as_ref().is_ok_and(|set| names(set) == ["one"])));
    assert_eq!(site.requests().len(), 1);
}

#[tokio::test]
async fn the_last_good_keys_hold_for_a_day() {
    let site = Site::open(Some((200, set(&["one"])))).await;
    let client = client_with_keys_at("chronicle", site.uri("/keys"));
    let (means, clock, telemetry) = means("chronicle");
    let keys = PublishedKeys::new([(&client, means)]);
    keys.keys_of(&client, None).await.unwrap();
    for (status, body) in [(500, ""), (200, "<html>down for maintenance"), (302, "")] {
        site.answer(status, body);
        clock.advance(600);
        assert_eq!(names(&keys.keys_of(&client, Some("one")).await.unwrap()), ["one"]);
    }
    assert_eq!(counted(&telemetry, TROUBLE), 3);
    clock.advance(24 * 60 * 60 - 1_801);
    keys.keys_of(&client, Some("one")).await.unwrap();
    clock.advance(1);
    assert_eq!(keys.keys_of(&client, Some("one")).await.err(), Some(NoKeys));
    site.answer(200, &set(&["new"]));
    clock.advance(60);
    assert_eq!(names(&keys.keys_of(&client, None).await.unwrap()), ["new"]);
}

#[tokio::test]
async fn whoever_asks_and_goes_away_does_not_spoil_the_fetch() {
    let site = Site::open(None).await;
    let client = client_with_keys_at("chronicle", site.uri("/keys"));
    let (means, ..) = means("chronicle");
    let keys = PublishedKeys::new([(&client, means)]);
    {
        let mut impatient = Box::pin(keys.keys_of(&client, None));
        tokio::select! {
            _ = &mut impatient => panic!("a silent site answered"),
            () = site.asked(1) => {}
        }
    }
    // The fetch is still under way, so this one waits for it instead of failing at once.
    let mut second = Box::pin(keys.keys_of(&client, None));
    assert!(futures_util::poll!(&mut second).is_pending());
    assert_eq!(site.requests().len(), 1);
}

#[tokio::test]
async fn a_silent_vendor_delays_no_other() {
    let (silent, lively) = (Site::open(None).await, Site::open(Some((200, set(&["one"])))).await);
    let (slow, quick) =
        (client_with_keys_at("chronicle", silent.uri("/keys")), client_with_keys_at("lexicon", lively.uri("/keys")));
    let keys = PublishedKeys::new([(&slow, means("chronicle").0), (&quick, means("lexicon").0)]);
    let mut waiting = Box::pin(keys.keys_of(&slow, None));
    tokio::select! {
        _ = &mut waiting => panic!("the silent vendor came first"),
        got = keys.keys_of(&quick, None) => assert!(got.is_ok()),
    }
    silent.asked(1).await;
}

#[tokio::test]
async fn a_reload_forgets_no_keys_of_the_same_address() {
    let site = Site::open(Some((200, set(&["one"])))).await;
    let client = client_with_keys_at("chronicle", site.uri("/keys"));
    let (means, ..) = means("chronicle");
    let keys = PublishedKeys::new([(&client, means.clone())]);
    keys.keys_of(&client, None).await.unwrap();
    site.answer(503, "");
    let same = PublishedKeys::new([(&client, means.clone())]);
    same.inherit(&keys);
    assert!(same.keys_of(&client, Some("one")).await.is_ok());
    let moved = client_with_keys_at("chronicle", site.uri("/other"));
    let elsewhere = PublishedKeys::new([(&moved, means)]);
    elsewhere.inherit(&keys);
    assert_eq!(elsewhere.keys_of(&moved, Some("one")).await.err(), Some(NoKeys));
    until(|| site.requests().len() == 2).await;
}

#[tokio::test]
async fn a_client_that_publishes_none_has_none() {
    let client = client("chronicle");
    let keys = PublishedKeys::new([(&client, means("chronicle").0)]);
    assert_eq!(keys.keys_of(&client, None).await.err(), Some(NoKeys));
}
