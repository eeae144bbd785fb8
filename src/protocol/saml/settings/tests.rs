//! What `[vendor.saml]` and `[[saml.federation]]` may say, read out of configurations as they are.
use super::*;
use crate::config;
use crate::domain::Timestamp;
use crate::protocol::saml::federation::{self, Place};
use crate::protocol::saml::metadata::given::{entity, inner, together};
use crate::protocol::saml::verified::testing::{EC, RSA};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

const SP: &str = "https://sp.example/shibboleth";

/// A folder with metadata, keys, and a configuration that consists of these vendors, each `[vendor.saml]` with its lines.
struct Given(tempfile::TempDir);

impl Given {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pem = |der: Vec<u8>| {
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
        };
        let two = together("", &inner(&[entity(SP), entity("https://other.example/sp")])).replace("{signature}", "");
        for (name, text) in [
            ("sp.xml", entity(SP).document()),
            ("two.xml", two),
            ("fed.pem", pem(RSA.expired_certificate()) + &pem(EC.expired_certificate())),
            ("no.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn draft(&self, text: &str) -> config::Draft {
        let path = self.0.path().join("vestibule.toml");
        std::fs::write(&path, text).unwrap();
        config::read(&path, Timestamp::from_seconds(1_795_348_800))
    }

    /// What is made of vendors, and every problem.
    fn vendors(&self, vendors: &[&str], more: &str) -> (Vec<Peer>, Vec<String>) {
        let tables = vendors.iter().enumerate().map(|(n, lines)| {
            let (vendor, saml) = lines.split_once("---").unwrap_or(("", lines));
            format!(
                "[[vendor]]\nid = \"v{n}\"\nname = \"V\"\nprotocol = \"saml\"\norigin = \"https://sp.example\"\n{vendor}\n\
                 [vendor.saml]\n{saml}\n"
            )
        });
        let top = "public_url = \"https://login.example.org\"\nproxy_domain = \"proxy.example.net\"\n".to_owned();
        let draft = self.draft(&(top + &tables.collect::<String>() + more));
        let reading = Reading::new(&draft.secrets);
        let mut peers = Vec::new();
        for settings in &draft.protocols {
            let reader = reading.of(&settings.settings);
            let peer = read(&reader, settings.vendor.as_ref().unwrap());
            reader.finish();
            peers.extend(peer.map(|peer| (peer, &settings.settings)));
        }
        let saml = draft.saml.as_ref().map(|table| reading.of(table));
        let federations = saml.and_then(|saml| federation::read(&saml)).unwrap_or_default();
        let all: Vec<_> = peers.iter().map(|(peer, table)| (peer, *table)).collect();
        note_clashes(&all, &federations, &BTreeSet::from([LibraryId::parse("westport").unwrap()]), &reading);
        let problems =
            reading.into_problems().iter().map(|problem| format!("{}: {}", problem.path, problem.text)).collect();
        (peers.into_iter().map(|(peer, _)| peer).collect(), problems)
    }

    fn vendor(&self, lines: &str) -> Peer {
        let (mut peers, problems) = self.vendors(&[lines], "");
        assert_eq!(problems, [""; 0], "{lines}");
        peers.remove(0)
    }

    /// The one problem with a vendor.
    fn problem(&self, lines: &str) -> String {
        let (_, problems) = self.vendors(&[lines], "");
        let [problem] = problems.as_slice() else { panic!("expected one problem with {lines}, found {problems:?}") };
        problem.clone()
    }

    fn federations(&self, lines: &str) -> Result<Vec<FederationSettings>, Vec<String>> {
        let draft = self.draft(&format!("[[saml.federation]]\n{lines}\n"));
        let reading = Reading::new(&draft.secrets);
        let read = federation::read(&reading.of(draft.saml.as_ref().unwrap()));
        let problems: Vec<_> = reading.into_problems().iter().map(|p| format!("{}: {}", p.path, p.text)).collect();
        if problems.is_empty() { Ok(read.unwrap()) } else { Err(problems) }
    }
}

#[test]
fn a_vendor_with_a_file_needs_no_other_line() {
    let peer = Given::new().vendor("metadata_file = \"sp.xml\"");
    assert_eq!(peer.entity_id, SP);
    assert_eq!(peer.sector(), format!("saml:{SP}"));
    let Source::File(described) = &peer.source else { panic!("a file") };
    assert_eq!(described.provider.entity_id, SP);
    let expected = Agreement { known_again: true, entitlements: false, targeted_id: false, persistent: false };
    assert_eq!(peer.agreement, expected);
    assert_eq!(peer.signed, Signed { response: true, assertion: true });
    assert_eq!((peer.algorithm, peer.encryption), (Algorithm::Rs256, Encryption::WhenPossible));
    assert!(
        !peer.cbc && !peer.unsolicited && peer.start.is_none() && peer.targets.is_empty() && peer.issuers.is_none()
    );
}

#[test]
fn every_line_means_what_it_says() {
    let given = Given::new();
    let peer = given.vendor(
        "entity_id = \"https://other.example/sp\"\nmetadata_file = \"two.xml\"\nissuers = [\"westport\"]\n\
         release = \"library\"\ntargeted_id = true\npersistent_name_id = true\nsign = \"assertion\"\nalgorithm = \"ES256\"\n\
         encryption = \"required\"\nencryption_cbc = true\nstart_url = \"https://sp.example/Login?target=x\"\n\
         unsolicited = true\ntargets = [\"https://sp.example/books/\", \"https://sp.example/x\"]",
    );
    assert_eq!(peer.entity_id, "https://other.example/sp");
    assert_eq!(
        peer.agreement,
        Agreement { known_again: true, entitlements: true, targeted_id: true, persistent: true }
    );
    assert_eq!(peer.signed, Signed { response: false, assertion: true });
    assert_eq!((peer.algorithm, peer.encryption, peer.cbc), (Algorithm::Es256, Encryption::Required, true));
    assert_eq!(peer.start.as_ref().map(Url::as_str), Some("https://sp.example/Login?target=x"));
    assert_eq!(peer.targets, ["https://sp.example/books/", "https://sp.example/x"]);
    assert!(peer.unsolicited && peer.issuers.as_ref().is_some_and(|all| all.len() == 1));
    let signed = given.vendor(&format!(
        "entity_id = \"{SP}\"\nmetadata_url = \"https://sp.example/md\"\nmetadata_key_file = \"fed.pem\""
    ));
    let Source::Address { uri, signers } = &signed.source else { panic!("an address") };
    assert_eq!((uri.as_str(), signers.len()), ("https://sp.example/md", 2));
}

#[test]
fn a_vendor_that_is_never_to_know_a_reader_again_gets_no_name() {
    let given = Given::new();
    for lines in ["release = \"anonymous\"", "anonymous = true\n---"] {
        let lines = format!("{lines}\nmetadata_file = \"sp.xml\"");
        assert!(!given.vendor(&lines).agreement.known_again, "{lines}");
        for key in ["targeted_id", "persistent_name_id"] {
            let problem = given.problem(&format!("{lines}\n{key} = true"));
            assert!(problem.starts_with(&format!("vendor[0].saml.{key}: expected `false`")), "{problem}");
        }
    }
    let peer = given.vendor("release = \"anonymous\"\nentitlements = true\nmetadata_file = \"sp.xml\"");
    assert!(peer.agreement.entitlements);
    assert!(
        !given.vendor("release = \"library\"\nentitlements = false\nmetadata_file = \"sp.xml\"").agreement.entitlements
    );
}

#[test]
fn what_is_wrong_is_told_with_its_key_and_without_its_value() {
    let given = Given::new();
    let file = "metadata_file = \"sp.xml\"\n";
    for (lines, key, says) in [
        ("", "metadata_file", "the key is required"),
        ("metadata_file = \"none.xml\"", "metadata_file", "expected a file that can be read"),
        ("metadata_file = \"fed.pem\"", "metadata_file", "expected SAML metadata"),
        ("metadata_file = \"two.xml\"", "metadata_file", "name it with `entity_id`"),
        (
            "metadata_file = \"sp.xml\"\nentity_id = \"https://canary.example/\"",
            "metadata_file",
            "found none of that name",
        ),
        ("metadata_file = \"sp.xml\"\nmetadata_url = \"https://sp.example/\"", "metadata_url", "found several"),
        ("metadata_url = \"https://canary.example/\"", "entity_id", "the key is required"),
        ("federation = \"x\"", "entity_id", "the key is required"),
        ("entity_id = \"canary\"\nmetadata_url = \"https://sp.example/\"", "entity_id", "expected an absolute URI"),
        ("entity_id = \"urn:x\"\nmetadata_url = \"http://canary.example/\"", "metadata_url", "begins with `https://`"),
        ("metadata_file = \"sp.xml\"\nmetadata_key_file = \"fed.pem\"", "metadata_key_file", "expected `metadata_url`"),
        (&format!("{file}release = \"all\""), "release", "expected one of `anonymous`, `pseudonymous`, `library`"),
        (&format!("{file}sign = \"none\""), "sign", "expected one of `both`, `response`, `assertion`"),
        (&format!("{file}algorithm = \"EdDSA\""), "algorithm", "expected one of `RS256`, `ES256`"),
        (&format!("{file}encryption = \"never\"\nencryption_cbc = true"), "encryption_cbc", "expected `false`"),
        (&format!("{file}start_url = \"javascript:canary\""), "start_url", "begins with `https://`"),
        (&format!("{file}targets = [\"https://canary@sp.example/\"]"), "targets[0]", "begins with `https://`"),
        (&format!("{file}issuers = []"), "issuers", "found none"),
        (&format!("{file}issuers = [\"canary\"]"), "issuers", "`own_issuer = true`"),
        (&format!("{file}relaese = \"library\""), "relaese", "did you mean `release`?"),
        ("entity_id = \"urn:x\"\nfederation = \"canary\"", "federation", "the id of a `[[saml.federation]]` table"),
    ] {
        let problem = given.problem(lines);
        assert!(problem.starts_with(&format!("vendor[0].saml.{key}: ")), "{lines}: {problem}");
        assert!(problem.contains(says) && !problem.contains("canary"), "{lines}: {problem}");
    }
}

#[test]
fn two_vendors_are_not_one_service_provider() {
    let (_, problems) = Given::new().vendors(&["metadata_file = \"sp.xml\"", "metadata_file = \"sp.xml\""], "");
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert!(problem.starts_with("vendor[1].saml.entity_id: ") && problem.contains("`v0`"), "{problem}");
}

#[test]
fn a_federation_has_one_place_and_a_key() {
    let given = Given::new();
    let base = "id = \"incommon\"\nkey_file = \"fed.pem\"\n";
    let all = given.federations(&format!("{base}mdq_url = \"https://mdq.example/x/\"")).unwrap();
    let [federation] = all.as_slice() else { panic!("one federation") };
    assert_eq!(federation.place, Place::Query(Url::parse("https://mdq.example/x/").unwrap()));
    assert_eq!((federation.signers.len(), federation.max_bytes), (2, 128 << 20));
    let days = |n: u64| Duration::from_secs(n * 86_400);
    assert_eq!((federation.max_validity, federation.refresh), (days(28), days(1) / 4));
    let lines = "aggregate_file = \"all.xml\"\nmax_validity = \"14d\"\nrefresh = \"1h\"\nmax_bytes = 1000000";
    let all = given.federations(&format!("{base}{lines}")).unwrap();
    assert_eq!(all.first().unwrap().place, Place::File(given.0.path().join("all.xml")));
    assert_eq!((all.first().unwrap().max_validity, all.first().unwrap().max_bytes), (days(14), 1_000_000));
    let mdq = "mdq_url = \"https://mdq.example/\"\n";
    for (lines, key) in [
        (format!("id = \"x\"\n{mdq}"), "key_file"),
        (format!("id = \"x\"\n{mdq}key_file = \"no.pem\""), "key_file"),
        (format!("id = \"x\"\n{mdq}key_file = \"sp.xml\""), "key_file"),
        (format!("{mdq}key_file = \"fed.pem\""), "id"),
        (base.to_owned(), "mdq_url"),
        (format!("{base}{mdq}aggregate_url = \"https://x.example/\""), "aggregate_url"),
        (format!("{base}mdq_url = \"https://mdq.example\""), "mdq_url"),
        (format!("{base}mdq_url = \"https://mdq.example/?x/\""), "mdq_url"),
        (format!("{base}mdq_url = \"http://mdq.example/\""), "mdq_url"),
        (format!("{base}{mdq}refresh = \"1m\""), "refresh"),
        (format!("{base}{mdq}max_validity = \"900d\""), "max_validity"),
        (format!("{base}{mdq}max_bytes = 1"), "max_bytes"),
        (format!("{base}{mdq}more = 1"), "more"),
    ] {
        let problems = given.federations(&lines).err().unwrap_or_default();
        let [problem] = problems.as_slice() else { panic!("expected one problem with {lines}, found {problems:?}") };
        assert!(problem.starts_with(&format!("saml.federation[0].{key}: ")), "{lines}: {problem}");
    }
    let twice = format!("{base}{mdq}[[saml.federation]]\n{base}{mdq}");
    assert!(given.federations(&twice).unwrap_err().concat().contains("found that of another federation"));
}
