//! A federation's whole aggregate: verified, indexed and explained by `check`, and what that costs.
use crate::support::figure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bergshamra::keys::loader::load_rsa_private_pem;
use bergshamra::{DsigContext, KeysManager};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use vestibule::cli::{self, Out, dev_certs};
use vestibule::domain::{Clock, SystemClock};

const SPACES: &str = "xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" \
    xmlns:mdui=\"urn:oasis:names:tc:SAML:metadata:ui\"";

/// Where a signature goes, and what it says.
const TEMPLATE: &str = "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
    <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
    <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"/><ds:Reference URI=\"#_all\">\
    <ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
    <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>\
    <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue></ds:DigestValue>\
    </ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue></ds:Signature>";

/// A federation's key.
struct Federation {
    pair: KeyPair,
    certificate: Vec<u8>,
}

impl Federation {
    fn new() -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&pair).unwrap().der().to_vec();
        Self { pair, certificate }
    }

    /// A signed aggregate of so many service providers, each about as large as those of real federations.
    fn aggregate(&self, entities: usize) -> String {
        let mut text = format!(
            "<md:EntitiesDescriptor {SPACES} ID=\"_all\" validUntil=\"{}\">{TEMPLATE}",
            SystemClock.now().plus(7 * 86_400)
        );
        let certificate = STANDARD.encode(&self.certificate);
        for n in 0..entities {
            Self::entity(&mut text, n, &certificate);
        }
        text += "</md:EntitiesDescriptor>";
        let mut keys = KeysManager::new();
        keys.add_key(load_rsa_private_pem(self.pair.serialize_pem().as_bytes()).unwrap());
        bergshamra::sign(&DsigContext::new(keys), &text).unwrap()
    }

    fn entity(text: &mut String, n: usize, certificate: &str) {
        let _ = write!(
            text,
            "<md:EntityDescriptor entityID=\"https://sp{n}.example/shibboleth\"><md:SPSSODescriptor \
             protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\"><md:Extensions><mdui:UIInfo>\
             <mdui:DisplayName xml:lang=\"en\">Service number {n}</mdui:DisplayName><mdui:Description xml:lang=\"en\">{}\
             </mdui:Description></mdui:UIInfo></md:Extensions>",
            "Much is to be said of it. ".repeat(36)
        );
        for usage in ["signing", "encryption"] {
            let _ = write!(
                text,
                "<md:KeyDescriptor use=\"{usage}\"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}\
                 </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            );
        }
        for index in 0..8 {
            let _ = write!(
                text,
                "<md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" index=\"{index}\" \
                 Location=\"https://sp{n}.example/Shibboleth.sso/SAML2/POST/{index}\"/>"
            );
        }
        *text += "</md:SPSSODescriptor></md:EntityDescriptor>";
    }
}

const CONFIGURATION: &str = r#"public_url = "https://login.library.example"
proxy_domain = "proxy.example"
state_dir = "state"
pseudonym_key_file = "pseudonym.key"
[[certificate]]
certificate = "certs/server.pem"
key = "certs/server-key.pem"
[[ils]]
id = "main"
kind = "sip2"
address = "ils.library.example"
[[library]]
id = "west"
name = "West"
scope = "west.example.org"
ils = "main"
[[vendor]]
id = "seven"
name = "Seven"
protocol = "saml"
origin = "https://sp7.example"
[vendor.saml]
entity_id = "https://sp7.example/shibboleth"
federation = "everybody"
[[licence]]
library = "west"
vendor = "seven"
[[saml.federation]]
id = "everybody"
aggregate_file = "all.xml"
key_file = "federation.pem"
"#;

#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `check` says in the folder, and how many seconds of CPU this thread spent on it.
fn check(folder: &Path) -> (String, f64) {
    let spent = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split_ascii_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
    };
    let (answers, trouble) = (Pipe::default(), Pipe::default());
    let mut out = Out::to(answers.clone(), trouble.clone());
    let before = spent();
    let path = folder.join("vestibule.toml");
    cli::run(["vestibule", "check", "--config", path.to_str().unwrap()].map(Into::into), &mut out);
    let took = spent() - before;
    let text = |pipe: Pipe| String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
    (text(answers) + &text(trouble), took)
}

#[test]
fn ten_thousand_service_providers_are_verified_and_indexed_and_one_is_explained() {
    let (folder, federation) = (tempfile::tempdir().unwrap(), Federation::new());
    let folder = folder.path();
    let pem = STANDARD.encode(&federation.certificate);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n");
    fs::write(folder.join("federation.pem"), pem).unwrap();
    fs::write(folder.join("pseudonym.key"), "q8Zc1n0Yb7Xv5Tt3Rr1Pp9Nn7Ll5Jj3Hh1Ff9Dd7=\n").unwrap();
    fs::set_permissions(folder.join("pseudonym.key"), Permissions::from_mode(0o600)).unwrap();
    dev_certs::make(&folder.join("certs"), &["login.library.example", "*.proxy.example"], SystemClock.now()).unwrap();
    fs::write(folder.join("vestibule.toml"), CONFIGURATION).unwrap();

    let all = federation.aggregate(10_000);
    fs::write(folder.join("all.xml"), &all).unwrap();
    // Part of it is making keys that are thrown away again, by luck quicker or slower.
    let runs: Vec<_> = (0..3).map(|_| check(folder)).collect();
    for (said, _) in &runs {
        assert!(said.contains("service provider `https://sp7.example/shibboleth` (“Service number 7”)"), "{said}");
        assert!(said.contains("described by the federation `everybody`, holds until "), "{said}");
        assert!(said.contains("odd: does not sign its requests"), "{said}");
    }
    fs::write(folder.join("all.xml"), federation.aggregate(8)).unwrap();
    let empty = (0..3).map(|_| check(folder).1).fold(f64::MAX, f64::min);
    let took = runs.iter().map(|(_, took)| *took).fold(f64::MAX, f64::min) - empty;
    let build = if cfg!(debug_assertions) { "debug build" } else { "release build" };
    let megabytes = all.len() / 1_000_000;
    figure(
        "saml::aggregate",
        "10,000 service providers verified and indexed",
        &format!("{took:.2} s of CPU for {megabytes} MB ({build}; goal in a release build: < 1 s)"),
    );
    assert!(cfg!(debug_assertions) || took < 1.0, "{took} s");

    // One letter of it changed, and nobody is believed.
    fs::write(folder.join("all.xml"), all.replace("https://sp7.example/Shib", "https://sp7.example/Shob")).unwrap();
    let (said, _) = check(folder);
    assert!(said.contains("its metadata is not known yet"), "{said}");
}
