//! What service providers and federations publish about themselves.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use vestibule::protocol::saml::fuzzing::{Found, published, vouched};
use vestibule_fuzz::NOON;

const SIGNED: &[u8] = include_bytes!("../../tests/vectors/saml/signed.metadata.xml");
const SIGNER: &[u8] = include_bytes!("../../tests/vectors/saml/signed.certificate.der");
const NAME: &str = "https://mellon.partners.localhost:17012/mellon/metadata";

/// All that was ever signed with that key.
static SAID: LazyLock<String> =
    LazyLock::new(|| published(SIGNED, Some(SIGNER), NOON, NAME).ok().expect("signed metadata").whole);

fuzz_target!(|text: &[u8]| {
    let signed = published(text, Some(SIGNER), NOON, NAME);
    let unsigned = published(text, None, NOON, NAME);
    let by_operator = vouched(text);
    for found in [&signed, &unsigned, &by_operator].into_iter().flatten() {
        plain(text, found);
    }
    for found in [&signed, &unsigned].into_iter().flatten() {
        assert_eq!(found.entity_id, NAME);
        let until = found.until.expect("an end");
        assert!(until > NOON.seconds() && until <= NOON.seconds() + 28 * 86_400);
    }
    if let Ok(found) = signed {
        assert_eq!(found.whole, *SAID, "nobody signed that");
        assert!(unsigned.is_ok(), "good only if signed");
    }
    if let (Ok(found), Ok(vouched)) = (&unsigned, &by_operator)
        && found.entity_id == vouched.entity_id
    {
        assert_eq!(found.whole, vouched.whole);
    }
    for sentence in [unsigned.err(), by_operator.err()].into_iter().flatten() {
        assert!(!sentence.is_empty() && sentence.len() < 200 && !sentence.contains('\n'), "{sentence}");
    }
});

/// The plain reading: a name and addresses that somebody wrote.
fn plain(text: &[u8], found: &Found) {
    let text = std::str::from_utf8(text).expect("UTF-8");
    assert!(!text.contains("<!DOCTYPE") || text.contains("<!--"));
    assert!(!found.consumers.is_empty());
    if !text.contains(['&', '\r', '\n', '\t']) {
        assert!(text.contains(&found.entity_id), "a name that nobody wrote");
        assert!(found.consumers.iter().all(|address| text.contains(address)), "an address that nobody wrote");
    }
}
