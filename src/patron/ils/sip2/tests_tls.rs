//! The connector over TLS, with and without a certificate of ours.
use super::given::{Files, connector, problems, settings_with};
use super::stand_in::{Act, StandIn};
use super::tests::{good, right, toml};
use super::{IlsError, Sip2};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key in PEM.
    fn leaf(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem().into_bytes(), key.serialize_pem().into_bytes())
    }

    fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    fn acceptor(&self, name: &str, wants_certificate: bool) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
        let (certificate, key) = self.leaf(name);
        let chain = vec![CertificateDer::from_pem_slice(&certificate).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(&key).unwrap();
        let builder = if wants_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(&self.pem()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }
}

fn over_tls(stand_in: &StandIn, files: &Files, tls: &str) -> Sip2 {
    connector(settings_with(&format!("{}\n[tls]\nca_file = \"ca\"\n{tls}", toml(stand_in, "")), files))
}

#[tokio::test]
async fn tls_and_a_client_certificate() {
    let authority = Authority::new();
    let (certificate, key) = authority.leaf("vestibule");
    let files = Files([("ca", authority.pem()), ("cert", certificate), ("key", key)].into());
    let plain = StandIn::start_with(Some(authority.acceptor("ils.test", false)), good).await;
    let ils = over_tls(&plain, &files, "server_name = \"ils.test\"");
    for _ in 0..3 {
        assert_eq!(right(&ils, "1").await, Ok("1".into()));
    }
    assert_eq!(plain.seen.connections(), 1, "tickets are no surplus");
    let mutual = StandIn::start_with(Some(authority.acceptor("ils.test", true)), good).await;
    let ours = "server_name = \"ils.test\"\ncertificate_file = \"cert\"\nkey_file = \"key\"";
    assert_eq!(right(&over_tls(&mutual, &files, ours), "1").await, Ok("1".into()));
    for _ in 0..10 {
        let answer = right(&over_tls(&mutual, &files, "server_name = \"ils.test\""), "1").await;
        assert!(matches!(answer, Err(IlsError::Misconfigured(_))), "{answer:?}");
    }
    assert_eq!(mutual.seen.count(b"|AD"), 1);
}

#[tokio::test]
async fn who_is_not_trusted_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let files = Files([("ca", other.pem())].into());
    let stand_in = StandIn::start_with(Some(authority.acceptor("ils.test", false)), good).await;
    let answer = right(&over_tls(&stand_in, &files, "server_name = \"ils.test\""), "1").await;
    assert!(matches!(answer, Err(IlsError::Misconfigured(_))));
    let files = Files([("ca", authority.pem())].into());
    let answer = right(&over_tls(&stand_in, &files, "server_name = \"other.test\""), "1").await;
    assert!(matches!(answer, Err(IlsError::Misconfigured(_))));
    let plain = StandIn::start(|_| vec![Act::Send(b"login: hello there, this is no TLS".to_vec())]).await;
    assert!(matches!(right(&over_tls(&plain, &files, ""), "1").await, Err(IlsError::Misconfigured(_))));
    assert_eq!(stand_in.seen.count(b"9"), 0);
}

#[test]
fn broken_files_are_problems() {
    let found = problems("address = \"ils\"\n[tls]\nca_file = \"secret\"");
    assert_eq!(found, ["test.toml:1: `ils.tls.ca_file`: expected PEM certificates"]);
}
