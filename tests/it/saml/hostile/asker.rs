//! Vendors of the tests' own making, whose requests are written by hand, and the portal that they are sent to.
use crate::saml::page::{Form, navigate, post_from};
use crate::saml::partners::key_pair;
use crate::support::served::{PORTAL_HOST, Served};
use crate::support::{Browser, Page, World};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;
use vestibule::domain::{Clock, SystemClock};

pub(super) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// A vendor: its entityID is `https://ID.example/saml`, and it takes responses at `https://ID.example/acs` and `/acs2`.
#[derive(Clone, Copy)]
pub(super) struct Asker {
    pub(super) id: &'static str,
    /// Whether its metadata says that it signs what it asks, and with which of the pairs of keys.
    signs: Option<usize>,
    /// More lines of `[vendor.saml]`.
    lines: &'static str,
}

/// One that signs nothing.
pub(super) const PLAIN: Asker = Asker { id: "plain", signs: None, lines: "unsolicited = true\n" };
/// One that signs.
pub(super) const SIGNER: Asker = Asker { id: "signer", signs: Some(0), lines: "" };
/// Another that signs, with another key.
pub(super) const OTHER: Asker = Asker { id: "other", signs: Some(1), lines: "" };
/// One that asks a library's own identity provider alone.
pub(super) const TENANT: Asker = Asker { id: "tenant", signs: None, lines: "issuers = [\"elmwood\"]\n" };

impl Asker {
    pub(super) fn entity(self) -> String {
        format!("https://{}.example/saml", self.id)
    }

    pub(super) fn at(self, path: &str) -> String {
        format!("https://{}.example{path}", self.id)
    }

    /// The key with which it signs.
    pub(super) fn key(self) -> PathBuf {
        keys(self.signs.unwrap()).1
    }

    fn certificate(self) -> PathBuf {
        keys(self.signs.unwrap()).0
    }

    fn metadata(self) -> String {
        let entity = self.entity();
        let key = self.signs.map_or_else(String::new, |_| {
            let pem = std::fs::read_to_string(self.certificate()).unwrap();
            let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
            format!(
                "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">\
                 <ds:X509Data><ds:X509Certificate>{text}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
                 </md:KeyDescriptor>"
            )
        });
        let signs = self.signs.is_some();
        let (slo, acs, acs2) = (self.at("/slo"), self.at("/acs"), self.at("/acs2"));
        let bindings = "urn:oasis:names:tc:SAML:2.0:bindings";
        format!(
            "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity}\">\
             <md:SPSSODescriptor AuthnRequestsSigned=\"{signs}\" \
             protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
             <md:Extensions><mdui:UIInfo xmlns:mdui=\"urn:oasis:names:tc:SAML:metadata:ui\">\
             <mdui:DisplayName xml:lang=\"en\">&lt;script&gt;alert(1)&lt;/script&gt;</mdui:DisplayName>\
             <mdui:Logo width=\"80\" height=\"60\">javascript:alert(1)</mdui:Logo>\
             <mdui:InformationURL xml:lang=\"en\">javascript:alert(1)</mdui:InformationURL>\
             </mdui:UIInfo></md:Extensions>{key}\
             <md:SingleLogoutService Binding=\"{bindings}:HTTP-Redirect\" Location=\"{slo}\"/>\
             <md:SingleLogoutService Binding=\"{bindings}:HTTP-POST\" Location=\"{slo}\"/>\
             <md:AssertionConsumerService Binding=\"{bindings}:HTTP-POST\" Location=\"{acs}\" index=\"0\" \
             isDefault=\"true\"/>\
             <md:AssertionConsumerService Binding=\"{bindings}:HTTP-POST\" Location=\"{acs2}\" index=\"1\"/>\
             </md:SPSSODescriptor></md:EntityDescriptor>"
        )
    }
}

/// A pair of a certificate and its key.
fn keys(which: usize) -> (PathBuf, PathBuf) {
    static SECOND: OnceLock<(TempDir, PathBuf, PathBuf)> = OnceLock::new();
    if which == 0 {
        let (certificate, key) = key_pair();
        return (certificate.to_owned(), key.to_owned());
    }
    let (_, certificate, key) = SECOND.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let (certificate, key) = (folder.path().join("saml.pem"), folder.path().join("saml.key"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650", "-subj", "/CN=other", "-out"])
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .output()
            .unwrap();
        assert!(made.status.success());
        (folder, certificate, key)
    });
    (certificate.clone(), key.clone())
}

/// The portal with these vendors.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) served: Served,
}

impl Scene {
    pub(super) async fn open() -> Self {
        let world = World::start();
        let folder = world.path("config").parent().unwrap().to_owned();
        let mut more = String::new();
        for asker in [PLAIN, SIGNER, OTHER, TENANT] {
            let Asker { id, lines, .. } = asker;
            std::fs::write(folder.join(format!("{id}.xml")), asker.metadata()).unwrap();
            write!(
                more,
                "\n[[vendor]]\nid = \"{id}\"\nname = \"The {id}\"\nprotocol = \"saml\"\norigin = \"https://{id}.example\"\n\
                 [vendor.saml]\nmetadata_file = \"{id}.xml\"\n{lines}\
                 \n[[licence]]\nlibrary = \"elmwood\"\nvendor = \"{id}\"\n"
            )
            .unwrap();
        }
        let library = "[[library]]\nid = \"elmwood\"\n";
        let served = Served::beside(&world, |text| {
            assert!(text.contains(library));
            format!("{}{more}", text.replace(library, &format!("{library}own_issuer = true\n")))
        })
        .await;
        Self { world, served }
    }

    pub(super) fn portal(&self) -> &str {
        &self.served.portal
    }

    pub(super) fn sso(&self) -> String {
        format!("{}/saml/sso", self.portal())
    }

    pub(super) fn slo(&self) -> String {
        format!("{}/saml/slo", self.portal())
    }

    /// A browser whose reader is signed in at the portal.
    pub(super) async fn signed_in(&self) -> Browser {
        let mut browser = self.world.browser();
        let patron = self.world.patron(0);
        let card = ["library", "card", "pin"].map(|key| patron[key].as_str().unwrap());
        let page = self.served.sign_in(&mut browser, (card[0], card[1], card[2]), None).await;
        assert!(page.status.is_success(), "{}", page.text());
        browser
    }

    /// A request with which nothing is wrong.
    pub(super) fn draft(&self, asker: Asker) -> String {
        draft_for(asker, &self.sso())
    }

    /// Opens the address of the identity provider with a query.
    pub(super) async fn ask(&self, browser: &mut Browser, query: &str) -> Outcome {
        self.ask_at(browser, &self.sso(), query).await
    }

    pub(super) async fn ask_at(&self, browser: &mut Browser, address: &str, query: &str) -> Outcome {
        let page = navigate(browser, &format!("{address}?{query}")).await;
        self.end(browser, page).await
    }

    /// Sends a form there from a page of another site, which does not bring the portal's cookies.
    pub(super) async fn post(&self, browser: &mut Browser, fields: &[(&str, &str)]) -> Outcome {
        self.post_at(browser, &self.sso(), fields).await
    }

    pub(super) async fn post_at(&self, browser: &mut Browser, address: &str, fields: &[(&str, &str)]) -> Outcome {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.post_body(browser, address, body.into_bytes()).await
    }

    pub(super) async fn post_body(&self, browser: &mut Browser, address: &str, body: Vec<u8>) -> Outcome {
        let request = Request::post(address)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ORIGIN, "https://signer.example")
            .header("sec-fetch-site", "cross-site")
            .header(COOKIE, "other=1")
            .body(Bytes::from(body));
        let page = browser.send(request.unwrap()).await;
        self.end(browser, page).await
    }

    /// Follows for as long as the portal leads to itself.
    async fn end(&self, browser: &mut Browser, mut page: Page) -> Outcome {
        for _ in 0..10 {
            let is_ours = |url: &url::Url| url.origin().ascii_serialization() == self.portal();
            let carried = |form: &Form| form.field("SAMLRequest").or(form.field("SAMLResponse")).is_some();
            if let Some(to) = page.location().filter(|to| page.status.is_redirection() && is_ours(to)) {
                page = navigate(browser, to.as_str()).await;
            } else if let Some(form) = Form::of(&page).filter(|form| carried(form) && is_ours(&form.action)) {
                page = post_from(browser, self.portal(), &page.url, &form).await;
            } else {
                break;
            }
        }
        Outcome::of(page)
    }
}

/// A request with which nothing is wrong, for an address.
pub(super) fn draft_for(asker: Asker, destination: &str) -> String {
    let (id, issued, acs, entity) = (id(), stamp(0), asker.at("/acs"), asker.entity());
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{issued}\" \
         Destination=\"{destination}\" AssertionConsumerServiceURL=\"{acs}\" \
         ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\">\
         <saml:Issuer>{entity}</saml:Issuer></samlp:AuthnRequest>"
    )
}

/// What came of a request.
pub(super) struct Outcome {
    pub(super) page: Page,
    /// The form that carries a response, and the response.
    pub(super) response: Option<(Form, String)>,
}

impl Outcome {
    fn of(page: Page) -> Self {
        let form = Form::all(&page).into_iter().find(|form| form.field("SAMLResponse").is_some());
        let response = form.map(|form| {
            let xml = STANDARD.decode(form.field("SAMLResponse").unwrap()).unwrap();
            let xml = String::from_utf8(xml).unwrap();
            (form, xml)
        });
        Self { page, response }
    }

    /// A response was written; the form that carries it, and the response.
    #[track_caller]
    pub(super) fn granted(self) -> (Form, String) {
        let (status, text) = (self.page.status, self.page.text());
        let (form, xml) = self.response.unwrap_or_else(|| panic!("no response: {status} {text}"));
        assert_eq!(crate::saml::emitted::statuses(&xml), ["Success"], "{xml}");
        (form, xml)
    }

    /// A page says that it is no use, and nothing goes anywhere.
    #[track_caller]
    pub(super) fn refused(&self, what: &str) {
        assert!(self.response.is_none(), "{what}: a response was written: {}", self.response.as_ref().unwrap().1);
        // An address that is longer than any that is read is refused before it is.
        let refused = if self.page.url.as_str().len() > 8000 { &[400, 414][..] } else { &[400] };
        let status = self.page.status.as_u16();
        assert!(refused.contains(&status), "{what}: {status} {} {}", self.page.url, self.page.text());
        assert!(!self.page.text().contains("name=\"pin\""), "{what}: a card is asked for");
        let at = self.page.url.host_str().unwrap();
        assert_eq!(at, PORTAL_HOST, "{what}");
        for form in Form::all(&self.page) {
            assert_eq!(form.action.host_str(), Some(at), "{what}: a form leads elsewhere");
        }
    }

    /// A signed response says no, with these statuses.
    #[track_caller]
    pub(super) fn declined(self, what: &str, statuses: &[&str]) -> (Form, String) {
        let (status, text) = (self.page.status, self.page.text());
        let (form, xml) = self.response.unwrap_or_else(|| panic!("{what}: no response: {status} {text}"));
        assert_eq!(crate::saml::emitted::statuses(&xml), statuses, "{what}: {xml}");
        assert!(!xml.contains("Assertion>"), "{what}: {xml}");
        (form, xml)
    }
}

/// A new identifier.
pub(super) fn id() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    format!("_{}", bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// The time so many seconds from now.
pub(super) fn stamp(seconds: i64) -> String {
    SystemClock.now().plus(seconds).to_string()
}

pub(super) fn escaped(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Deflated, in base64, and escaped.
pub(super) fn packed(xml: &[u8]) -> String {
    escaped(&deflated(xml))
}

/// Deflated and in base64.
pub(super) fn deflated(xml: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(xml).unwrap();
    STANDARD.encode(encoder.finish().unwrap())
}

/// A query that carries a request.
pub(super) fn query(xml: &str) -> String {
    format!("SAMLRequest={}", packed(xml.as_bytes()))
}

/// A query that carries a request and is signed.
pub(super) fn signed_query(asker: Asker, xml: &str, relay_state: Option<&str>) -> String {
    let relay = relay_state.map_or_else(String::new, |state| format!("&RelayState={}", escaped(state)));
    let text = format!("{}{relay}&SigAlg={}", query(xml), escaped(RSA_SHA256));
    let signature = signature(asker, &text);
    format!("{text}&Signature={signature}")
}

/// The signature over a text, in base64 and escaped.
pub(super) fn signature(asker: Asker, text: &str) -> String {
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::pki_types::pem::PemObject;
    let key = PrivatePkcs8KeyDer::from_pem_file(asker.key()).unwrap();
    let key = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    key.sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap();
    escaped(&STANDARD.encode(signature))
}

/// A template of a signature over the element with an ID.
pub(super) fn template(id: &str) -> String {
    format!(
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
         <ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>\
         <ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"/><ds:Reference URI=\"#{id}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>\
         <ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/><ds:DigestValue></ds:DigestValue>\
         </ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue></ds:Signature>"
    )
}

/// A message, signed by a signature after its issuer.
pub(super) fn signed(asker: Asker, xml: &str) -> String {
    let id = crate::saml::page::attribute(xml.split('>').next().unwrap(), "ID").unwrap();
    let (before, after) = xml.split_once("</saml:Issuer>").unwrap();
    completed(asker, &format!("{before}</saml:Issuer>{}{after}", template(&id)))
}

/// Fills in the template of a signature.
pub(super) fn completed(asker: Asker, xml: &str) -> String {
    let folder = TempDir::new().unwrap();
    let (file, output) = (folder.path().join("in.xml"), folder.path().join("out.xml"));
    std::fs::write(&file, xml).unwrap();
    let protocol = "urn:oasis:names:tc:SAML:2.0:protocol";
    let done = Command::new("xmlsec1")
        .args(["--sign", "--privkey-pem", asker.key().to_str().unwrap()])
        .args(["--id-attr:ID", &format!("{protocol}:AuthnRequest")])
        .args(["--id-attr:ID", &format!("{protocol}:LogoutRequest"), "--output"])
        .args([&output, &file])
        .output()
        .expect("xmlsec1 is there: run tests/install.sh");
    assert!(done.status.success(), "{} {xml}", String::from_utf8_lossy(&done.stderr));
    let text = std::fs::read_to_string(output).unwrap();
    text.trim_start_matches("<?xml version=\"1.0\"?>").trim().to_owned()
}

/// In base64, as a form carries it.
pub(super) fn posted(xml: &str) -> String {
    STANDARD.encode(xml)
}
