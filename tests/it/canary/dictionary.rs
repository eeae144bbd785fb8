//! Whoever steals the state must not be able to tell whose pseudonym is whose by trying all cards. The operator's key
//! for pseudonyms is not part of the state: it is a secret that the configuration names, kept elsewhere.
use super::leakscan::Haystack;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::collections::{BTreeSet, HashSet};

/// Everything of 16 to 64 bytes in the files that could be a key: runs of letters as they are and decoded.
pub(super) fn tokens(files: &[Haystack]) -> BTreeSet<Vec<u8>> {
    let mut tokens = BTreeSet::new();
    for file in files {
        let letter = |b: &u8| b.is_ascii_alphanumeric() || b"+/-_".contains(b);
        for run in file.bytes.split(|b| !letter(b)).filter(|run| run.len() >= 16) {
            let run = &run[..run.len().min(128)];
            let decoded = [URL_SAFE_NO_PAD.decode(run).ok(), STANDARD_NO_PAD.decode(run).ok(), unhex(run)];
            tokens.extend(decoded.into_iter().flatten().chain([run.to_vec()]));
        }
    }
    tokens.retain(|token| (16..=64).contains(&token.len()));
    tokens
}

fn unhex(run: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16);
    run.chunks(2).map(|p| u8::try_from(digit(p[0])? * 16 + digit(*p.get(1)?)?).ok()).collect()
}

/// The tokens with which some pseudonym comes out of a person's string, a library and a vendor.
pub(super) fn keys_that_fit<'t>(
    tokens: &'t BTreeSet<Vec<u8>>,
    people: &[(String, String)],
    vendors: &[&str],
    pseudonyms: &HashSet<[u8; 8]>,
) -> Vec<&'t Vec<u8>> {
    let inputs: Vec<Vec<u8>> = people.iter().flat_map(|(id, library)| inputs(id, library, vendors)).collect();
    let fits = |token: &&Vec<u8>| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, token);
        inputs.iter().any(|input| pseudonyms.contains(&hmac::sign(&key, input).as_ref()[..8]))
    };
    // Half of them on each of two threads.
    let all: Vec<&Vec<u8>> = tokens.iter().collect();
    let (one, other) = all.split_at(all.len() / 2);
    std::thread::scope(|scope| {
        let one = scope.spawn(|| one.iter().copied().filter(fits).collect::<Vec<_>>());
        let other: Vec<_> = other.iter().copied().filter(fits).collect();
        [one.join().unwrap(), other].concat()
    })
}

fn inputs(id: &str, library: &str, vendors: &[&str]) -> Vec<Vec<u8>> {
    let prefixed = |parts: &[&str]| -> Vec<u8> {
        parts.iter().flat_map(|p| [&(p.len() as u64).to_be_bytes(), p.as_bytes()].concat()).collect()
    };
    let mut inputs = vec![id.as_bytes().to_vec(), prefixed(&[library, id])];
    for vendor in vendors {
        inputs.extend([[id, vendor].concat().into_bytes(), [vendor, id].concat().into_bytes()]);
        inputs.extend([prefixed(&[library, vendor, id]), prefixed(&[library, vendor, "1", id])]);
    }
    inputs
}

/// The first bytes of a pseudonym, from its base32.
pub(super) fn first_bytes(pseudonym: &str) -> [u8; 8] {
    let mut bits = 0_u128;
    for letter in pseudonym.bytes().take(20) {
        let value = if letter.is_ascii_digit() { letter - b'2' + 26 } else { letter.to_ascii_lowercase() - b'a' };
        bits = bits << 5 | u128::from(value);
    }
    u64::try_from(bits >> 36).unwrap().to_be_bytes()
}

#[test]
fn a_key_that_lies_about_is_found() {
    let key = URL_SAFE_NO_PAD.encode([7; 32]);
    let files = [Haystack::new("state", format!("salt = \"{key}\"\n"))];
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), b"21431300001179atlas");
    let pseudonym = super::spell::base32(&tag.as_ref()[..20]);
    let people = [("21431300001179".to_owned(), "elmwood".to_owned())];
    let found = |vendors: &[&str]| {
        let tokens = tokens(&files);
        keys_that_fit(&tokens, &people, vendors, &HashSet::from([first_bytes(&pseudonym)])).len()
    };
    assert_eq!((found(&["atlas"]), found(&["press"])), (1, 0));
}
