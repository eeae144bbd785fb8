//! What a browser brings from a service provider: a query, a form, or the XML that either holds.
#![no_main]
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use url::form_urlencoded;
use vestibule::protocol::saml::fuzzing::{Outcome, Sender};

/// Every word of a refusal.
const WORDS: &[&str] = &[
    "size", "encoding", "markup", "depth", "attributes", "elements", "prefixes", "syntax", "namespace", "id",
    "parameters", "coding", "relay_state", "signed_otherwise", "unknown", "version", "schema", "unsigned", "form",
    "algorithm", "reference", "key", "signature",
];

/// A service provider, and all that it ever signed: whether in a form, what it says, and what travels along.
struct Known {
    sender: Sender,
    signed: Vec<(bool, String, Option<String>)>,
}

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/vectors/saml/", $name)).as_slice()
    };
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    vec![
        known(
            recorded!("shibboleth.metadata.xml"),
            &[(false, recorded!("shibboleth.authnrequest.redirect")), (false, recorded!("shibboleth.logoutrequest.redirect"))],
        ),
        known(
            recorded!("mellon.metadata.xml"),
            &[(false, recorded!("mellon.authnrequest.redirect")), (false, recorded!("mellon.logoutrequest.redirect"))],
        ),
        // One program in two places, with one key.
        known(
            recorded!("python3-saml-redirect.metadata.xml"),
            &[
                (false, recorded!("python3-saml-redirect.authnrequest.redirect")),
                (false, recorded!("python3-saml-redirect.logoutrequest.redirect")),
                (true, recorded!("python3-saml-post.authnrequest.post")),
                (false, recorded!("python3-saml-post.logoutrequest.redirect")),
            ],
        ),
    ]
});

fn known(metadata: &[u8], messages: &[(bool, &[u8])]) -> Known {
    let sender = Sender::read(metadata).expect("metadata");
    let said = |(by_form, text): &(bool, &[u8])| {
        let outcome = sender.hear(*by_form, text, true).expect("a message");
        (*by_form, outcome.message, outcome.relay_state)
    };
    let signed = messages.iter().map(said).collect();
    Known { sender, signed }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, given)) = data.split_first() else { return };
    let known = &KNOWN[usize::from(choice >> 2) % KNOWN.len()];
    let by_form = choice & 1 == 1;
    let is_xml = choice & 2 == 2;
    let text = match (is_xml, by_form) {
        (false, _) => given.to_vec(),
        (true, true) => parameter(given),
        (true, false) => parameter(&stored(given)),
    };
    let outcome = known.sender.hear(by_form, &text, false);
    match (&outcome, known.sender.hear(by_form, &text, true)) {
        (Ok(loose), Ok(strict)) => {
            assert!(loose.signed && strict.signed && loose.message == strict.message);
            signed(known, by_form, loose);
        }
        (Ok(loose), Err(word)) => assert!(!loose.signed && word == "unsigned", "{word}"),
        (Err(loose), Err(strict)) => assert!(WORDS.contains(loose) && (*loose == strict || strict == "unsigned")),
        (Err(word), Ok(_)) => panic!("refused as {word}, but heard when it must be signed"),
    }
    let Ok(outcome) = outcome else { return };
    parameters(&text, &outcome);
    if is_xml {
        plain(given, &outcome);
    }
});

/// Whoever signed it said exactly that: nothing else was ever signed with these keys.
fn signed(known: &Known, by_form: bool, outcome: &Outcome) {
    let said = known.signed.iter().any(|(form, message, relay_state)| {
        *form == by_form && *message == outcome.message && (by_form || *relay_state == outcome.relay_state)
    });
    assert!(said, "nobody signed {}", outcome.message);
}

/// The plain reading of the parameters: each once, and what travels along to the byte.
fn parameters(text: &[u8], outcome: &Outcome) {
    let pairs: Vec<_> = form_urlencoded::parse(text).collect();
    let of = |name: &str| pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| &**value).collect::<Vec<_>>();
    assert_eq!(of("SAMLRequest").len() + of("SAMLResponse").len(), 1);
    assert_eq!(of("RelayState"), outcome.relay_state.as_deref().into_iter().collect::<Vec<_>>());
    assert!(of("Signature").len() <= 1 && of("SigAlg").len() == of("Signature").len());
    assert!(outcome.relay_state.as_ref().is_none_or(|state| state.len() <= 1024));
}

/// The plain reading of XML: one text without hidden parts, in which the sender's name stands in one piece.
fn plain(xml: &[u8], outcome: &Outcome) {
    let text = std::str::from_utf8(xml).expect("UTF-8");
    assert!(!text.contains("<!") && !text.contains('\0') && text.matches("<?").count() <= 1);
    assert!(text.len() <= 64 * 1024);
    assert!(!outcome.issuer.is_empty() && outcome.issuer.len() <= 1024);
    if !text.contains(['&', '\r']) {
        assert!(text.contains(&outcome.issuer), "a name that nobody wrote");
    }
}

fn parameter(message: &[u8]) -> Vec<u8> {
    let coded: String = form_urlencoded::byte_serialize(STANDARD.encode(message).as_bytes()).collect();
    format!("SAMLRequest={coded}").into_bytes()
}

/// Deflated without being made smaller (RFC 1951 §3.2.4).
fn stored(text: &[u8]) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(text.len() + 16);
    let mut rest = text;
    loop {
        let (block, after) = rest.split_at(rest.len().min(0xffff));
        let length = u16::try_from(block.len()).expect("a block");
        deflated.push(u8::from(after.is_empty()));
        deflated.extend_from_slice(&length.to_le_bytes());
        deflated.extend_from_slice(&(!length).to_le_bytes());
        deflated.extend_from_slice(block);
        rest = after;
        if rest.is_empty() {
            return deflated;
        }
    }
}
