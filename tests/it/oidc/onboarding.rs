//! Connecting a vendor over OpenID Connect as an operator does: by the lines that a command prints, and the keys that sign.
use crate::support::World;
use crate::support::observe::{PATIENCE, reloads, until};
use crate::support::served::{printed, vestibule};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;
use std::process::Output;
use toml::Table;

fn add(world: &World, more: &[&str]) -> Output {
    let config = world.text("config");
    let origin = ["--origin", "https://archive.example", "--redirect-uri", "https://archive.example/callback"];
    let mut line =
        vec!["vendors", "add-oidc", "--config", config, "--id", "archive", "--name", "An \"Archive\" \\ here"];
    line.extend(origin);
    line.extend(more);
    vestibule(&line, "")
}

fn lines(output: &Output) -> Table {
    assert!(output.status.success(), "{}", printed(output));
    String::from_utf8(output.stdout.clone()).unwrap().parse().unwrap()
}

/// The secret that was shown: the only line of 43 characters.
fn secret(output: &Output) -> Option<String> {
    let told = String::from_utf8(output.stderr.clone()).unwrap();
    told.lines().map(str::trim).find(|line| line.len() == 43 && !line.contains(' ')).map(str::to_owned)
}

#[tokio::test]
async fn the_lines_that_are_printed_connect_the_vendor_and_the_secret_is_not_among_them() {
    let world = World::start();
    let output = add(&world, &["--post-logout-redirect-uri", "https://archive.example/"]);
    let table = lines(&output);
    let secret = secret(&output).unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!stdout.contains(&secret));
    let vendor = &table["vendor"][0];
    assert_eq!(vendor["name"].as_str(), Some("An \"Archive\" \\ here"));
    let sum = URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()));
    assert_eq!(vendor["oidc"]["client_secret_sha256"].as_str(), Some(&*sum));
    assert_eq!(table["licence"][0]["library"].as_array().unwrap().len(), 2, "all libraries, where none is named");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for part in [world.portal(), "/.well-known/openid-configuration", "client id       archive", "client_secret_basic"]
    {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    // Added to the configuration, they are good, and the provider knows the vendor by its secret.
    let config = world.path("config");
    let text = std::fs::read_to_string(&config).unwrap();
    let before = reloads(world.text("admin"), "accepted");
    std::fs::write(&config, text + &stdout).unwrap();
    let checked = vestibule(&["check", "--config", world.text("config")], "");
    assert!(checked.status.success(), "{}", printed(&checked));
    world.signal("HUP");
    until("the vendor is known", PATIENCE, || reloads(world.text("admin"), "accepted") > before).await;
    for (secret, error) in [(&*secret, "invalid_grant"), ("another", "invalid_client")] {
        let body =
            "grant_type=authorization_code&code=none&redirect_uri=https://archive.example/callback&code_verifier=x";
        let request = Request::post(format!("{}/oidc/token", world.portal()))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("archive:{secret}"))));
        let page = world.browser().send(request.body(Bytes::from(body)).unwrap()).await;
        let said: Value = serde_json::from_slice(&page.body).unwrap();
        assert_eq!(said["error"], error);
    }
}

#[tokio::test]
async fn what_the_configuration_would_refuse_is_refused_before_there_is_a_secret() {
    let world = World::start();
    let secret_of = |output: &Output| secret(output);
    let two = add(&world, &[]);
    assert_ne!(secret_of(&two), secret_of(&add(&world, &[])), "each run makes a secret of its own");
    for (more, key) in [
        (&["--redirect-uri", "http://archive.example/callback"][..], "redirect_uris[1]"),
        (&["--redirect-uri", "https://archive.example/callback#x"], "redirect_uris[1]"),
        (&["--redirect-uri", "https://m.archive.example/callback"], "sector_identifier_uri"),
        (&["--client-id", "chronicle"], "client_id"),
        (&["--client-id", "a b"], "client_id"),
        (&["--issuer", "elmwood"], "issuer"),
        (&["--library", "nowhere"], "library"),
        (&["--id-token-algorithm", "HS256"], "id_token_algorithm"),
        (&["--authentication", "private_key_jwt"], "jwks_uri"),
        (&["--backchannel-logout-uri", "ftp://archive.example"], "backchannel_logout_uri"),
    ] {
        let output = add(&world, more);
        let said = printed(&output);
        assert_eq!(output.status.code(), Some(64), "{more:?}: {said}");
        assert!(said.contains(key) && said.contains("the new lines:"), "{more:?}: {said}");
        assert!(output.stdout.is_empty() && secret_of(&output).is_none(), "{said}");
        assert!(more.iter().all(|value| !value.contains("://") || !said.contains(value)), "a value is told: {said}");
    }
    let config = world.text("config");
    let taken = ["--origin", "https://x.example", "--redirect-uri", "https://x.example/"];
    let line = [&["vendors", "add-oidc", "--config", config, "--id", "atlas", "--name", "A"][..], &taken].concat();
    let output = vestibule(&line, "");
    assert_eq!(output.status.code(), Some(64));
    assert!(printed(&output).contains("found one that is taken at"), "{}", printed(&output));
    for method in ["none", "private_key_jwt"] {
        let output = add(&world, &["--authentication", method, "--jwks-uri", "https://archive.example/keys"]);
        let output = if method == "none" { add(&world, &["--authentication", method]) } else { output };
        assert_eq!(lines(&output)["vendor"][0]["oidc"]["authentication"].as_str(), Some(method));
        assert_eq!(secret_of(&output), None, "{method} has no secret");
    }
    let line = ["vendors", "add-oidc", "--config", "/nonexistent.toml", "--id", "a", "--name", "A", "--origin", "o"];
    assert_eq!(vestibule(&[&line[..], &["--redirect-uri", "u"]].concat(), "").status.code(), Some(78));
    assert_eq!(vestibule(&line, "").status.code(), Some(64));
}

/// The published keys' ids.
async fn published(world: &World) -> Vec<String> {
    let page = world.browser().get(&format!("{}/oidc/jwks", world.portal())).await;
    let set: Value = serde_json::from_slice(&page.body).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn keys_of_the_provider_rotate_apart_from_those_for_assertions() {
    let world = World::start();
    let config = world.text("config");
    let keys = |words: &[&str]| {
        let output = vestibule(&[&["keys"], words, &["--config", config]].concat(), "");
        assert!(output.status.success(), "{}", printed(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let (assertions, before) = (keys(&["show"]), published(&world).await);
    assert_eq!(before.len(), 3, "RS256, ES256 and EdDSA");
    assert!(before.iter().all(|kid| keys(&["show", "--oidc"]).contains(kid) && !assertions.contains(kid)));
    let told = keys(&["rotate", "--oidc"]);
    assert_eq!(told.matches("published: ").count(), 3, "{told}");
    let accepted = reloads(world.text("admin"), "accepted");
    world.signal("HUP");
    until("the new keys are published", PATIENCE, || reloads(world.text("admin"), "accepted") > accepted).await;
    let after = published(&world).await;
    assert!(after.len() == 6 && before.iter().all(|kid| after.contains(kid)));
    assert_eq!(keys(&["show"]), assertions, "the other ring is as it was");
    // Where there are none yet, all three are made.
    let other = world.path("config").with_file_name("other.toml");
    let text = std::fs::read_to_string(world.path("config")).unwrap();
    std::fs::write(&other, text.replace("state_dir = \"state\"", "state_dir = \"elsewhere\"")).unwrap();
    let make = |more: &[&str]| {
        let output = vestibule(&[&["keys", "new", "--oidc", "--config", other.to_str().unwrap()], more].concat(), "");
        assert!(output.status.success(), "{}", printed(&output));
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    assert_eq!((make(&["--algorithm", "ES256"]), make(&[])), (1, 3));
}
