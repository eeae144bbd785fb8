//! A vendor is served only while its document lists every redirect address; a document that cannot be had changes nothing.
use super::super::stand_in::{Site, client, client_of_sector, counted, means};
use super::*;
use std::sync::Arc;

const BOTH: &str = r#"["https://b.example/cb", "https://elsewhere.example/cb", "https://a.example/cb"]"#;
const TROUBLE: &str = "vestibule_document_trouble_total{document=\"sector\",vendor=\"chronicle\"}";

#[test]
fn only_a_list_of_strings_with_every_address_to_the_letter_will_do() {
    let wanted = ["https://a.example/cb", "https://b.example/cb"].map(str::to_owned);
    assert_eq!(read(BOTH.as_bytes(), &wanted).ok(), Some(true));
    for (wrong, why) in [
        (r#"["https://a.example/cb"]"#, "not_listed"),
        ("[]", "not_listed"),
        (r#"["https://a.example/cb", "https://b.example/cb/"]"#, "not_listed"),
        (r#"["https://a.example/cb", "https://B.example/cb"]"#, "not_listed"),
        (r#"["https://a.example/cb", "https://b.example/cb", 1]"#, "malformed"),
        (r#"["https://a.example/cb", "https://b.example/cb", null]"#, "malformed"),
        (r#"["https://a.example/cb", ["https://b.example/cb"]]"#, "malformed"),
        (r#"{"redirect_uris": ["https://a.example/cb", "https://b.example/cb"]}"#, "malformed"),
        (r#"["https://a.example/cb", "https://b.example/cb"] x"#, "malformed"),
        (r#""https://a.example/cb https://b.example/cb""#, "malformed"),
        ("<html>", "malformed"),
        ("", "malformed"),
    ] {
        let unusable = read(wrong.as_bytes(), &wanted).err().unwrap();
        assert_eq!((unusable.cause, unusable.instead), (why, Some(false)), "{wrong}");
    }
}

#[tokio::test]
async fn a_client_without_a_document_needs_none() {
    assert_eq!(SectorDocuments::new([]).verified(&client("chronicle")).await, Ok(()));
    let unknown = client_of_sector("chronicle", "https://a.example/list".parse().unwrap());
    assert_eq!(SectorDocuments::new([]).verified(&unknown).await, Err(SectorWrong::Unknown));
}

#[tokio::test]
async fn a_good_document_is_fetched_once_a_day_and_nobody_waits_for_the_second_time() {
    let site = Site::open(Some((200, BOTH.to_owned()))).await;
    let client = client_of_sector("chronicle", site.uri("/list"));
    let (means, clock, telemetry) = means("chronicle");
    let documents = SectorDocuments::new([(&client, means)]);
    for _ in 0..10 {
        assert_eq!(documents.verified(&client).await, Ok(()));
    }
    assert_eq!(site.requests().len(), 1);
    site.fall_silent();
    clock.advance(24 * 60 * 60);
    // The site is silent, so this would wait for the deadline if it waited.
    assert_eq!(documents.verified(&client).await, Ok(()));
    site.asked(2).await;
    assert_eq!(counted(&telemetry, TROUBLE), 0);
}

#[tokio::test]
async fn a_document_that_fails_later_ends_service_and_one_that_is_gone_does_not() {
    let site = Site::open(Some((200, BOTH.to_owned()))).await;
    let client = client_of_sector("chronicle", site.uri("/list"));
    let (means, clock, telemetry) = means("chronicle");
    let documents = SectorDocuments::new([(&client, means)]);
    assert_eq!(documents.verified(&client).await, Ok(()));

    site.answer(503, BOTH);
    clock.advance(24 * 60 * 60);
    assert_eq!(documents.verified(&client).await, Ok(()));
    super::super::stand_in::until(|| counted(&telemetry, TROUBLE) == 1).await;
    assert_eq!(documents.verified(&client).await, Ok(()), "a fetch that failed keeps the last answer");

    site.answer(200, "[]");
    clock.advance(60);
    assert_eq!(documents.verified(&client).await, Ok(()));
    super::super::stand_in::until(|| counted(&telemetry, TROUBLE) == 2).await;
    assert_eq!(documents.verified(&client).await, Err(SectorWrong::NotListed));

    site.answer(200, BOTH);
    assert_eq!(documents.verified(&client).await, Err(SectorWrong::NotListed), "once a minute at most");
    clock.advance(60);
    assert_eq!(documents.verified(&client).await, Ok(()), "a document that was mended is seen");
}

#[tokio::test]
async fn a_document_that_was_never_had_ends_service_until_it_is() {
    let site = Site::open(Some((404, String::new()))).await;
    let client = client_of_sector("chronicle", site.uri("/list"));
    let (means, clock, _) = means("chronicle");
    let documents = SectorDocuments::new([(&client, means)]);
    for _ in 0..5 {
        assert_eq!(documents.verified(&client).await, Err(SectorWrong::Unknown));
    }
    assert_eq!(site.requests().len(), 1);
    site.answer(200, BOTH);
    clock.advance(60);
    assert_eq!(documents.verified(&client).await, Ok(()));
}

#[tokio::test]
async fn a_reload_forgets_a_verdict_only_when_the_addresses_changed() {
    let site = Site::open(Some((200, BOTH.to_owned()))).await;
    let client = client_of_sector("chronicle", site.uri("/list"));
    let (means, ..) = means("chronicle");
    let documents = SectorDocuments::new([(&client, means.clone())]);
    assert_eq!(documents.verified(&client).await, Ok(()));
    site.answer(503, "");

    let same = SectorDocuments::new([(&client, means.clone())]);
    same.inherit(&documents);
    assert_eq!(same.verified(&client).await, Ok(()));

    let mut other = client_of_sector("chronicle", site.uri("/list"));
    other.redirect_uris.pop();
    let changed = SectorDocuments::new([(&other, Means { errands: Arc::clone(&means.errands), ..means })]);
    changed.inherit(&documents);
    assert_eq!(changed.verified(&other).await, Err(SectorWrong::Unknown));
}
