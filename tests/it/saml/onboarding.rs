//! Connecting a vendor over SAML as an operator does: by the lines that a command prints out of its metadata; what vendors
//! read of us; and the steps in which keys are exchanged.
use crate::support::World;
use crate::support::observe::{PATIENCE, reloads, until};
use crate::support::served::{printed, vestibule};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;
use toml::{Table, Value};

/// What Shibboleth's own handler says of a service provider.
const SHIBBOLETH: &str = include_str!("../../vectors/saml/shibboleth.metadata.xml");
const SHIBBOLETH_ID: &str = "https://shibboleth.partners.localhost:17011/shibboleth";

/// A file beside the configuration.
fn beside(world: &World, name: &str, text: &str) -> String {
    let path = world.path("config").with_file_name(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn add(world: &World, metadata: &str, more: &[&str]) -> Output {
    vestibule(&[&["vendors", "add-saml", "--config", world.text("config"), metadata], more].concat(), "")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", printed(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn reload(world: &World) {
    let before = reloads(world.text("admin"), "accepted");
    world.signal("HUP");
    until("the change is taken over", PATIENCE, || reloads(world.text("admin"), "accepted") > before).await;
}

async fn metadata(world: &World, query: &str) -> String {
    let page = world.browser().get(&format!("{}/saml/metadata{query}", world.portal())).await;
    assert_eq!(page.status.as_u16(), 200);
    assert_eq!(page.headers["content-type"], "application/samlmetadata+xml");
    page.text()
}

#[tokio::test]
async fn the_lines_that_are_printed_connect_the_vendor() {
    let world = World::start();
    let file = beside(&world, "sp.xml", SHIBBOLETH);
    let output = add(&world, &file, &["--release", "library", "--library", "harbour"]);
    let (lines, told) = (stdout(&output), String::from_utf8_lossy(&output.stderr).into_owned());
    let table: Table = lines.parse().unwrap();
    let (vendor, saml) = (&table["vendor"][0], &table["vendor"][0]["saml"]);
    assert_eq!(vendor["id"].as_str(), Some("partners"));
    assert_eq!(vendor["origin"].as_str(), Some("https://shibboleth.partners.localhost:17011"));
    assert_eq!(saml["entity_id"].as_str(), Some(SHIBBOLETH_ID));
    assert_eq!(saml["metadata_file"].as_str(), Some("sp.xml"), "as the configuration finds it");
    assert_eq!(saml["release"].as_str(), Some("library"));
    assert!(
        saml["start_url"]
            .as_str()
            .unwrap()
            .starts_with("https://shibboleth.partners.localhost:17011/Shibboleth.sso/Login?entityID=https%3A%2F%2F")
    );
    assert_eq!(table["licence"][0]["library"].as_array().unwrap().len(), 1);
    let ours = format!("entityID     {}/saml/metadata", world.portal());
    for part in [
        &*ours,
        "/saml/metadata?signed",
        "SHA-256 ",
        "eduPersonEntitlement",
        "vendor partners (SAML)",
        "receives a name of its own",
        "assertions are encrypted",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    // What is told of the certificate is what is published.
    let published = metadata(&world, "").await;
    let shown = vestibule(&["keys", "show", "--saml", "--config", world.text("config")], "");
    let print = told.split("SHA-256 ").nth(1).unwrap().split_whitespace().next().unwrap();
    assert!(stdout(&shown).contains(print) && certificates(&published).iter().any(|one| fingerprint(one) == print));
    // Added to the configuration, they are good.
    let config = world.path("config");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + &lines).unwrap();
    let checked = vestibule(&["check", "--config", world.text("config")], "");
    assert!(checked.status.success(), "{}", printed(&checked));
    reload(&world).await;
    let again = add(&world, &file, &[]);
    assert_eq!(again.status.code(), Some(64), "the service provider is another vendor's already: {}", printed(&again));
}

#[tokio::test]
async fn what_cannot_be_connected_is_refused_and_nothing_is_printed() {
    let world = World::start();
    let file = beside(&world, "sp.xml", SHIBBOLETH);
    let bad = beside(&world, "bad.xml", &SHIBBOLETH.replace("SPSSODescriptor", "PDPDescriptor"));
    for (metadata, more, code, said) in [
        (&*file, &["--issuer", "elmwood"][..], 64, "own_issuer"),
        (&file, &["--library", "nowhere"], 64, "library"),
        (&file, &["--federation", "nobody"], 64, "federation"),
        (&file, &["--entity-id", "https://another.example/sp"], 64, "entity_id"),
        (&file, &["--id", "Not An Id"], 64, "id"),
        (&file, &["--metadata-key-file", "sp.xml"], 64, "--metadata-key-file"),
        (&bad, &[], 64, "SPSSODescriptor"),
        ("/nonexistent.xml", &[], 64, "could not read"),
        ("http://sp.example/metadata", &[], 64, "https://"),
    ] {
        let output = add(&world, metadata, more);
        let printed = printed(&output);
        assert_eq!(output.status.code(), Some(code), "{metadata} {more:?}: {printed}");
        assert!(output.stdout.is_empty() && printed.contains(said), "{metadata} {more:?}: {printed}");
    }
}

#[tokio::test]
async fn metadata_at_an_address_is_fetched_by_the_rules_for_addresses() {
    let world = World::start();
    // The configuration without one of its vendors, which is there to be connected.
    let text = std::fs::read_to_string(world.path("config")).unwrap();
    let mut table: Table = text.parse().unwrap();
    let vendors = table["vendor"].as_array_mut().unwrap();
    let lyceum = vendors.iter().position(|vendor| vendor["id"].as_str() == Some("lyceum")).unwrap();
    let lyceum = vendors.remove(lyceum);
    let ca = lyceum["ca_file"].as_str().unwrap();
    for licence in table["licence"].as_array_mut().unwrap() {
        if let Value::Array(named) = &mut licence["vendor"] {
            named.retain(|vendor| vendor.as_str() != Some("lyceum"));
        }
    }
    let other = beside(&world, "other.toml", &toml::to_string(&table).unwrap());
    // By a name that every resolver knows.
    let origin = lyceum["origin"].as_str().unwrap().replace("lyceum.localhost", "localhost");
    let address = format!("{origin}/saml/metadata");
    let line = |more: &[&str]| {
        let line = ["vendors", "add-saml", "--config", &other, &address, "--id", "lyceum", "--ca-file", ca];
        vestibule(&[&line, more].concat(), "")
    };
    let forbidden = line(&[]);
    assert_eq!(forbidden.status.code(), Some(69), "{}", printed(&forbidden));
    assert!(printed(&forbidden).contains("could not fetch") && forbidden.stdout.is_empty());
    let lines: Table = stdout(&line(&["--private-address", "127.0.0.0/8"])).parse().unwrap();
    assert_eq!(lines["vendor"][0]["saml"]["metadata_url"].as_str(), Some(&*address));
    assert_eq!(lines["vendor"][0]["private_addresses"][0].as_str(), Some("127.0.0.0/8"));
    let taken = add(&world, &address, &["--ca-file", ca, "--private-address", "127.0.0.0/8"]);
    assert_eq!(taken.status.code(), Some(64));
    assert!(printed(&taken).contains("found that of the vendor `lyceum`"), "{}", printed(&taken));
}

/// The certificates of RSA keys in a description, in its order. One of the demo's vendors reads ECDSA, so there are others.
fn certificates(metadata: &str) -> Vec<String> {
    const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    let role = metadata.split_once("<md:IDPSSODescriptor").unwrap().1;
    let after = role.split("<ds:X509Certificate>").skip(1);
    let all = after.map(|rest| rest.split_once('<').unwrap().0.to_owned());
    let is_rsa = |one: &String| STANDARD.decode(one).unwrap().windows(RSA.len()).any(|window| window == RSA);
    all.filter(is_rsa).collect()
}

fn fingerprint(certificate: &str) -> String {
    let der = STANDARD.decode(certificate).unwrap();
    digest(&SHA256, &der).as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// Runs `keys` for the identity provider, and gives what it said on both streams.
fn keys(world: &World, words: &[&str]) -> String {
    let output = vestibule(&[&["keys"], words, &["--saml", "--config", world.text("config")]].concat(), "");
    assert!(output.status.success(), "{}", printed(&output));
    printed(&output)
}

#[tokio::test]
async fn a_certificate_is_published_switched_and_retired_step_by_step() {
    let world = World::start();
    let before = certificates(&metadata(&world, "").await);
    assert_eq!(before.len(), 1);
    let told = keys(&world, &["rotate"]);
    assert!(told.matches("published: ").count() == 2 && told.contains("Send this to each vendor"), "{told}");
    assert_eq!(certificates(&metadata(&world, "").await), before, "not before the server takes it over");
    reload(&world).await;
    let both = certificates(&metadata(&world, "").await);
    assert!(both.len() == 2 && both[0] == before[0], "the one that signs stays first");
    let told = keys(&world, &["rotate"]);
    assert!(told.contains("waiting: ") && !told.contains("switched: "), "28 days have not passed: {told}");
    let told = keys(&world, &["rotate", "--overlap", "0s"]);
    assert!(told.matches("switched: ").count() == 2 && told.matches("retired: ").count() == 2, "{told}");
    reload(&world).await;
    assert_eq!(certificates(&metadata(&world, "").await), both[1..], "the old one is published no more");
    let shown = keys(&world, &["show"]);
    assert!(shown.contains("retired") && [&before[0], &both[1]].iter().all(|one| shown.contains(&fingerprint(one))));
    assert!(keys(&world, &["rotate", "--overlap", "0s"]).matches("dropped: ").count() == 2);
}

#[tokio::test]
async fn a_key_of_another_identity_provider_is_taken_over() {
    let world = World::start();
    let folder = TempDir::new().unwrap();
    let [key, certificate] = ["idp.key", "idp.crt"].map(|name| folder.path().join(name));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=idp.example", "-keyout"])
        .args([&key, Path::new("-out"), &certificate])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let own = certificates(&metadata(&world, "").await);
    let told = keys(&world, &["import", key.to_str().unwrap(), certificate.to_str().unwrap()]);
    assert!(told.contains("taken over"), "{told}");
    reload(&world).await;
    let after = certificates(&metadata(&world, "").await);
    let der: String =
        std::fs::read_to_string(&certificate).unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    assert_eq!(after, [der, own[0].clone()], "it signs, and our own is the next");
    let again = vestibule(
        &["keys", "import", "--saml", "--config", world.text("config"), key.to_str().unwrap(), key.to_str().unwrap()],
        "",
    );
    assert!(!again.status.success() && printed(&again).contains("expected the certificate of that key"));
}

/// The file of the certificate of the RSA key that signs.
fn signing_certificate(world: &World) -> PathBuf {
    let shown = keys(world, &["show"]);
    let mut lines = shown.lines().skip_while(|line| !(line.starts_with("current") && line.contains("RS256")));
    PathBuf::from(lines.nth(1).unwrap().trim().strip_prefix("certificate ").unwrap())
}

/// Whether Shibboleth's `mdquery` loads a description: validated against the schemas, with an end that is near enough, and
/// signed by this certificate. `None` if so, or what it said.
fn refused_by_shibboleth(document: &str, certificate: &Path, entity_id: &str) -> Option<String> {
    let folder = TempDir::new().unwrap();
    let (file, config) = (folder.path().join("idp.xml"), folder.path().join("shibboleth2.xml"));
    std::fs::write(&file, document).unwrap();
    let text = format!(
        r#"<SPConfig xmlns="urn:mace:shibboleth:3.0:native:sp:config" clockSkew="180">
        <ApplicationDefaults entityID="https://sp.example/shibboleth">
        <Sessions lifetime="28800" timeout="3600" relayState="ss:mem" redirectLimit="exact"/>
        <MetadataProvider type="XML" path="{}" validate="true">
        <MetadataFilter type="RequireValidUntil" maxValidityInterval="2419200"/>
        <MetadataFilter type="Signature" certificate="{}" verifyBackup="false"/>
        </MetadataProvider><CredentialResolver type="Chaining"/></ApplicationDefaults>
        <SecurityPolicyProvider type="XML" path="/etc/shibboleth/security-policy.xml"/>
        <ProtocolProvider type="XML" path="/etc/shibboleth/protocols.xml"/></SPConfig>"#,
        file.display(),
        certificate.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new("mdquery");
    command.args(["-e", entity_id, "-saml2", "-idp"]).env("SHIBSP_CONFIG", &config);
    let output = command.output().expect("mdquery is there: run tests/install.sh");
    let loaded = output.status.success() && String::from_utf8_lossy(&output.stdout).contains("SingleSignOnService");
    (!loaded).then(|| printed(&output))
}

#[tokio::test]
async fn shibboleth_loads_our_signed_metadata_and_no_other() {
    let world = World::start_prepared(&[], |_| ());
    let config = world.path("config");
    let text = std::fs::read_to_string(&config).unwrap();
    let saml = "\n[saml]\norganization = { name = \"A & <B>\", url = \"https://www.example.org\" }\n\
        logo_url = \"https://www.example.org/l.png\"\nlogo_width = 80\nlogo_height = 60\n\
        information_url = \"https://www.example.org/i?a=1&b=2\"\nassurance = [\"https://refeds.org/sirtfi\"]\n\
        technical_contact = \"mailto:it@example.org\"\nsecurity_contact = \"mailto:cert@example.org\"\n";
    std::fs::write(&config, text + saml).unwrap();
    reload(&world).await;
    let (plain, signed) = (metadata(&world, "").await, metadata(&world, "?signed").await);
    assert!(!plain.contains("validUntil") && !plain.contains("ds:Signature"));
    assert!(plain.contains("A &amp; &lt;B>") || plain.contains("A &amp; &lt;B&gt;"), "{plain}");
    let entity_id = format!("{}/saml/metadata", world.portal());
    let certificate = signing_certificate(&world);
    assert_eq!(refused_by_shibboleth(&signed, &certificate, &entity_id), None);
    assert_eq!(super::emitted::is_signed_metadata(&signed, &certificate), Ok(()), "by xmlsec1");
    assert!(refused_by_shibboleth(&plain, &certificate, &entity_id).is_some(), "without signature and end");
    let changed = signed.replace("mailto:it@", "mailto:me@");
    assert!(refused_by_shibboleth(&changed, &certificate, &entity_id).is_some(), "changed on the way");
    assert_eq!(metadata(&world, "").await, plain, "it does not change by surprise");
}
