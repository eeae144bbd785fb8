//! A service provider seen from outside, with a make-believe identity provider that says what each test wants it to say.
use super::super::tests::Files;
use super::super::visitor::{Page, Visitor};
use super::super::{Options, Role, VendorStandIn, acceptor};
use super::names::{AES256_GCM, BEARER, DS, ENTITLEMENT, MD, OAEP_MGF1P, POST, REDIRECT, SAML, SAMLP, SUCCESS, XENC};
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bergshamra::keys::loader::{load_rsa_private_pem, load_x509_cert_der};
use bergshamra::{DsigContext, EncContext, KeysManager};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use url::Url;

type Change = Box<dyn Fn(String) -> String + Send>;

/// What the provider does.
struct Script {
    key: OwnKey,
    /// What is wrong with an assertion, before it is signed.
    assertion: Change,
    /// What is wrong with a response, before it is signed.
    response: Change,
    /// What is wrong with a response, afterwards.
    sent: Change,
    metadata: Change,
    asked: usize,
}

/// An identity provider that publishes its metadata.
struct Provider {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
}

impl Provider {
    async fn start(files: &Files) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let same = || -> Change { Box::new(|text| text) };
        let script = Arc::new(Mutex::new(Script {
            key: OwnKey::generate("provider").unwrap(),
            assertion: same(),
            response: same(),
            sent: same(),
            metadata: same(),
            asked: 0,
        }));
        let (tls, served) = (acceptor(&files.certificate()).unwrap(), Arc::clone(&script));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(stream) = tls.accept(stream).await else { continue };
                let script = Arc::clone(&served);
                let service = service_fn(move |request: Request<Incoming>| {
                    assert_eq!(request.uri().path(), "/saml/metadata");
                    let body = script.lock().metadata(&base(address));
                    async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body)))) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, script }
    }
}

fn base(address: SocketAddr) -> String {
    format!("https://localhost:{}", address.port())
}

impl Script {
    fn metadata(&mut self, base: &str) -> String {
        self.asked += 1;
        let services = |kind: &str, path: &str| {
            let one = |binding| format!(r#"<md:{kind} Binding="{binding}" Location="{base}/saml/{path}"/>"#);
            one(REDIRECT) + &one(POST)
        };
        let text = format!(
            r#"<md:EntityDescriptor xmlns:md="{MD}" entityID="{base}/saml/metadata">
            <md:IDPSSODescriptor protocolSupportEnumeration="{SAMLP}"><md:KeyDescriptor use="signing">
            <ds:KeyInfo xmlns:ds="{DS}"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>
            </ds:KeyInfo></md:KeyDescriptor>{}{}</md:IDPSSODescriptor></md:EntityDescriptor>"#,
            self.key.certificate(),
            services("SingleLogoutService", "slo"),
            services("SingleSignOnService", "sso"),
        );
        (self.metadata)(text)
    }

    /// A text with a signature where it has the word `SIGNATURE`, over the element with this ID.
    fn sign(&self, text: &str, id: &str) -> String {
        let transform = |name: &str| format!(r#"<ds:Transform Algorithm="{name}"/>"#);
        let (c14n, enveloped) =
            ("http://www.w3.org/2001/10/xml-exc-c14n#", "http://www.w3.org/2000/09/xmldsig#enveloped-signature");
        let template = format!(
            r##"<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{c14n}"/>
            <ds:SignatureMethod Algorithm="{}"/><ds:Reference URI="#{id}"><ds:Transforms>{}{}</ds:Transforms>
            <ds:DigestMethod Algorithm="{}"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo>
            <ds:SignatureValue></ds:SignatureValue></ds:Signature>"##,
            names::RSA_SHA256,
            transform(enveloped),
            transform(c14n),
            names::SHA256,
        );
        let mut keys = KeysManager::new();
        keys.add_key(load_rsa_private_pem(self.key.pem().as_bytes()).unwrap());
        bergshamra::sign(&DsigContext::new(keys), &text.replacen("SIGNATURE", &template, 1)).unwrap()
    }

    /// The answer to a request, as the field of a form; encrypted to the certificate, if there is one.
    fn answer(&self, request: &Asked, base: &str, certificate: Option<&str>) -> String {
        let assertion = (self.assertion)(request.assertion(base));
        let mut assertion = self.sign(&assertion, &format!("_assertion-{}", request.id));
        if let Some(certificate) = certificate {
            assertion = encrypt(&assertion, certificate);
        }
        let response = format!(
            r#"<samlp:Response xmlns:samlp="{SAMLP}" ID="_response-{id}" Version="2.0" IssueInstant="{now}"
            Destination="{to}" InResponseTo="{id}"><saml:Issuer xmlns:saml="{SAML}">{base}/saml/metadata</saml:Issuer>
            SIGNATURE<samlp:Status><samlp:StatusCode Value="{SUCCESS}"/></samlp:Status>ASSERTION</samlp:Response>"#,
            id = request.id,
            now = time_text(now()),
            to = request.consumer,
        );
        let response = (self.response)(response).replace("ASSERTION", &assertion);
        (self.sent)(self.sign(&response, &format!("_response-{}", request.id)))
    }
}

fn encrypt(assertion: &str, certificate: &str) -> String {
    let cipher = "<xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData>";
    let template = format!(
        r#"<saml:EncryptedAssertion xmlns:saml="{SAML}"><xenc:EncryptedData xmlns:xenc="{XENC}" Type="{XENC}Element">
        <xenc:EncryptionMethod Algorithm="{AES256_GCM}"/><ds:KeyInfo xmlns:ds="{DS}"><xenc:EncryptedKey>
        <xenc:EncryptionMethod Algorithm="{OAEP_MGF1P}"/>{cipher}</xenc:EncryptedKey></ds:KeyInfo>{cipher}
        </xenc:EncryptedData></saml:EncryptedAssertion>"#
    );
    let mut keys = KeysManager::new();
    keys.add_key(load_x509_cert_der(&STANDARD.decode(certificate).unwrap()).unwrap());
    bergshamra::encrypt(&EncContext::new(keys), &template, assertion.as_bytes()).unwrap()
}

/// A request of the vendor's, as the provider reads it.
struct Asked {
    id: String,
    issuer: String,
    consumer: String,
    relay_state: String,
    force: bool,
}

impl Asked {
    fn read(message: &str, relay_state: &str) -> Self {
        let tree = tree::Tree::parse(message).unwrap();
        let root = tree.root(SAMLP, "AuthnRequest").unwrap();
        let attribute = |key: &str| tree.attribute(root, key).map(str::to_owned);
        Self {
            id: attribute("ID").unwrap(),
            issuer: tree.text_of(root, SAML, "Issuer").unwrap(),
            consumer: attribute("AssertionConsumerServiceURL").unwrap(),
            relay_state: relay_state.to_owned(),
            force: attribute("ForceAuthn").is_some(),
        }
    }

    fn assertion(&self, base: &str) -> String {
        let (issued, end) = (time_text(now()), time_text(now() + ::time::Duration::minutes(5)));
        let Self { id, consumer, issuer, .. } = self;
        format!(
            r#"<saml:Assertion xmlns:saml="{SAML}" ID="_assertion-{id}" Version="2.0" IssueInstant="{issued}">
            <saml:Issuer>{base}/saml/metadata</saml:Issuer>SIGNATURE<saml:Subject>
            <saml:NameID Format="urn:x" NameQualifier="{base}">mz4k2tq7</saml:NameID>
            <saml:SubjectConfirmation Method="{BEARER}"><saml:SubjectConfirmationData Recipient="{consumer}"
            NotOnOrAfter="{end}" InResponseTo="{id}"/></saml:SubjectConfirmation></saml:Subject>
            <saml:Conditions NotBefore="{issued}" NotOnOrAfter="{end}"><saml:AudienceRestriction>
            <saml:Audience>{issuer}</saml:Audience></saml:AudienceRestriction></saml:Conditions>
            <saml:AuthnStatement AuthnInstant="{issued}" SessionIndex="s-1"><saml:AuthnContext>
            <saml:AuthnContextClassRef>urn:password</saml:AuthnContextClassRef></saml:AuthnContext>
            </saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="{ENTITLEMENT}">
            <saml:AttributeValue>urn:one</saml:AttributeValue><saml:AttributeValue>urn:two</saml:AttributeValue>
            </saml:Attribute></saml:AttributeStatement></saml:Assertion>"#
        )
    }
}

/// A vendor, its provider, and the cookies of one browser.
struct World {
    files: Files,
    provider: Provider,
    vendor: VendorStandIn,
    /// The certificate for encryption, in the vendor's metadata.
    encryption: Option<String>,
    visitor: Visitor,
}

impl World {
    async fn start(keys: Option<Keys>, form_post: bool, logout: bool) -> Self {
        let files = Files::make();
        let provider = Provider::start(&files).await;
        let address = provider.address;
        let encryption = keys.as_ref().map(|keys| keys.encryption.certificate().to_owned());
        let portal = Portal { issuer: base(address), address, ca: files.path("ca.pem") };
        let agreement = Agreement { portal, keys, form_post, logout, pause: Duration::ZERO };
        let options = Options::new("lyceum", "The <Lyceum>", &files.path("traffic"), Role::Saml(Box::new(agreement)));
        let vendor = VendorStandIn::start(options).await.unwrap();
        let visitor = Visitor::of(vendor.address());
        Self { files, provider, vendor, encryption, visitor }
    }

    /// As `lyceum` is.
    async fn with_keys() -> Self {
        Self::start(Some(Keys::generate("lyceum").unwrap()), false, true).await
    }

    /// As `gazette` is.
    async fn without_keys() -> Self {
        Self::start(None, true, false).await
    }

    fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.provider.script.lock());
    }

    fn base(&self) -> String {
        base(self.provider.address)
    }

    /// Begins a sign-in, and reads the request as a provider does: with its signature, if the vendor has keys.
    async fn begin(&self, path: &str) -> Asked {
        let page = self.visitor.get(path).await;
        if self.encryption.is_none() {
            assert_eq!(page.status, StatusCode::OK, "{}", page.text);
            assert_eq!(page.after("action=\""), format!("{}/saml/sso", self.base()));
            let message = STANDARD.decode(page.after("name=\"SAMLRequest\" value=\"")).unwrap();
            let relay_state = page.after("name=\"RelayState\" value=\"");
            return Asked::read(std::str::from_utf8(&message).unwrap(), &relay_state);
        }
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        let to = Url::parse(page.location()).unwrap();
        assert_eq!(to.path(), "/saml/sso");
        let signing = self.vendor.metadata().unwrap().split_once("<ds:X509Certificate>").unwrap().1;
        let certificate = STANDARD.decode(signing.split('<').next().unwrap()).unwrap();
        let message = query::read(to.query().unwrap(), "SAMLRequest", &[certificate]).unwrap();
        let (_, relay_state) = to.query_pairs().find(|(name, _)| name == "RelayState").unwrap();
        Asked::read(&message, &relay_state)
    }

    /// The form that carries the answer to a request.
    fn answer(&self, asked: &Asked) -> String {
        let text = self.provider.script.lock().answer(asked, &self.base(), self.encryption.as_deref());
        form(&text, &asked.relay_state)
    }

    async fn post(&self, form: &str) -> Page {
        self.visitor.send("POST", "/saml/acs", form).await
    }

    async fn sign_in(&self) -> Page {
        let asked = self.begin("/login").await;
        self.post(&self.answer(&asked)).await
    }

    /// A signed message of the provider's, in the query of the address for signing out.
    fn word(&self, kind: &str, message: &str) -> String {
        let script = self.provider.script.lock();
        let place = format!("{}/saml/slo", self.vendor.origin());
        let address = query::address(&place, (kind, message), Some("went along"), Some(&script.key)).unwrap();
        address.strip_prefix(self.vendor.origin()).unwrap().to_owned()
    }

    fn message(&self, name: &str, attributes: &str, content: &str) -> String {
        format!(
            r#"<samlp:{name} xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="{}" Version="2.0" IssueInstant="{}"
            Destination="{}/saml/slo" {attributes}><saml:Issuer>{}/saml/metadata</saml:Issuer>{content}</samlp:{name}>"#,
            fresh_id().unwrap(),
            time_text(now()),
            self.vendor.origin(),
            self.base(),
        )
    }
}

fn form(response: &str, relay_state: &str) -> String {
    let fields = [("SAMLResponse", &*STANDARD.encode(response)), ("RelayState", relay_state)];
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[tokio::test]
async fn a_reader_signs_in_and_sees_what_the_vendor_was_told() {
    for world in [World::with_keys().await, World::without_keys().await] {
        assert_eq!(world.visitor.get("/").await.status, StatusCode::FORBIDDEN);
        let page = world.sign_in().await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/"), "{}", page.text);
        let page = world.visitor.get("/").await;
        assert_eq!(page.status, StatusCode::OK);
        for shown in
            ["mz4k2tq7", "s-1", "urn:one", "urn:two", "POST /saml/acs HTTP/1.1", "&lt;saml:Assertion ", "The &lt;L"]
        {
            assert!(page.text.contains(shown), "{shown} is missing in {}", page.text);
        }
        assert!(!page.text.contains("<b>") && !page.text.contains("<script"));
        let told: serde_json::Value = serde_json::from_str(&world.visitor.get("/claims").await.text).unwrap();
        assert_eq!(told["NameID"]["value"], "mz4k2tq7");
        assert_eq!(told["attributes"][ENTITLEMENT], serde_json::json!(["urn:one", "urn:two"]));
        let kept = std::fs::read(world.files.path("traffic").join("lyceum.raw")).unwrap();
        let kept = String::from_utf8_lossy(&kept).into_owned();
        assert!(kept.contains("SAMLResponse=") && kept.contains("<md:IDPSSODescriptor"));
        let asked = world.begin("/login?target=/article/9&force=true").await;
        assert!(asked.force);
        assert_eq!(world.post(&world.answer(&asked)).await.location(), "/article/9");
        assert!(!world.begin("/login?target=//evil.example").await.force);
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_response_signs_nobody_in() {
    type Cut = (&'static str, &'static str);
    let world = World::with_keys().await;
    let refused = async |why: &str| {
        let asked = world.begin("/login").await;
        let page = world.post(&world.answer(&asked)).await;
        assert!(page.status.as_u16() >= 400 && page.text.contains(why), "{why}: {} {}", page.status, page.text);
        assert_eq!(world.visitor.get("/").await.status, StatusCode::FORBIDDEN);
    };
    let in_assertion: [(Cut, &str); 9] = [
        (("Recipient=\"http", "Recipient=\"ftp"), "another address"),
        (("InResponseTo=\"_", "InResponseTo=\"x"), "answers another request"),
        (("<saml:Audience>http", "<saml:Audience>ftp"), "meant for somebody else"),
        (("/saml/metadata</saml:Issuer>", "/x</saml:Issuer>"), "comes from somebody else"),
        (("NotBefore=\"20", "NotBefore=\"21"), "not valid yet"),
        (("NotOnOrAfter=\"20", "NotOnOrAfter=\"19"), "has expired"),
        (("IssueInstant=\"20", "IssueInstant=\"19"), "too long ago"),
        (("SessionIndex=", "Session="), "names no session"),
        ((BEARER, "urn:x"), "not confirmed"),
    ];
    for ((from, to), why) in in_assertion {
        world.change(|script| script.assertion = Box::new(move |text| text.replace(from, to)));
        refused(why).await;
    }
    world.change(|script| script.assertion = Box::new(|text| text));
    let in_response: [(Cut, &str); 5] = [
        (("Destination=\"http", "Destination=\"ftp"), "another address"),
        (("InResponseTo=\"_", "InResponseTo=\"x"), "answers another request"),
        (("/saml/metadata<", "/x<"), "comes from somebody else"),
        (("IssueInstant=\"20", "IssueInstant=\"21"), "in the future"),
        (("status:Success", "status:Responder"), "<code>Responder</code>"),
    ];
    for ((from, to), why) in in_response {
        world.change(|script| script.response = Box::new(move |text| text.replace(from, to)));
        refused(why).await;
    }
    world.change(|script| script.response = Box::new(|text| text));
    let sent: [(Cut, &str); 4] = [
        (("status:Success", "status:Success\" x=\""), "signature is wrong"),
        (("<samlp:Status>", "<!-- --><samlp:Status>"), "has comments"),
        (("xmldsig-more#rsa-sha256", "xmldsig-more#rsa-sha512"), "unknown kind"),
        (("<samlp:Response", "<!DOCTYPE x><samlp:Response"), "not XML"),
    ];
    for ((from, to), why) in sent {
        world.change(|script| script.sent = Box::new(move |text| text.replacen(from, to, 1)));
        refused(why).await;
    }
    world.change(|script| script.sent = Box::new(|text| text));
    assert_eq!(world.sign_in().await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_assertion_must_be_signed_and_for_a_vendor_with_a_key_encrypted() {
    let mut world = World::with_keys().await;
    let encryption = world.encryption.clone();
    let asked = world.begin("/login").await;
    world.encryption = None;
    let page = world.post(&world.answer(&asked)).await;
    assert!(page.text.contains("in the clear"), "{}", page.text);
    // Encrypted for somebody else.
    world.encryption = Some(OwnKey::generate("other").unwrap().certificate().to_owned());
    let page = world.post(&world.answer(&asked)).await;
    assert!(page.text.contains("cannot be decrypted"), "{}", page.text);
    world.encryption = encryption;
    let bare = |text: String| text.replace("SIGNATURE", "");
    let answer = {
        let script = world.provider.script.lock();
        let assertion = encrypt(&bare(asked.assertion(&world.base())), world.encryption.as_ref().unwrap());
        let response = script.answer(&asked, &world.base(), world.encryption.as_deref());
        let (head, rest) = response.split_once("<saml:EncryptedAssertion").unwrap();
        let tail = rest.split_once("</saml:EncryptedAssertion>").unwrap().1;
        let (before, signature) = head.split_once("<ds:Signature").unwrap();
        let after = signature.split_once("</ds:Signature>").unwrap().1;
        script.sign(&format!("{before}SIGNATURE{after}{assertion}{tail}"), &format!("_response-{}", asked.id))
    };
    let page = world.post(&form(&answer, &asked.relay_state)).await;
    assert!(page.text.contains("the assertion&#39;s signature is wrong"), "{}", page.text);
    assert_eq!(world.visitor.get("/").await.status, StatusCode::FORBIDDEN);
    // Only the assertion is signed: it might stand anywhere.
    let world = World::without_keys().await;
    let asked = world.begin("/login").await;
    let answer = world.provider.script.lock().answer(&asked, &world.base(), None);
    let (before, rest) = answer.split_once("<ds:Signature").unwrap();
    let unsigned = format!("{before}{}", rest.split_once("</ds:Signature>").unwrap().1);
    let page = world.post(&form(&unsigned, &asked.relay_state)).await;
    assert!(page.text.contains("the response&#39;s signature is wrong"), "{}", page.text);
}

#[tokio::test]
async fn a_response_is_good_once_and_in_one_browser() {
    let world = World::with_keys().await;
    let asked = world.begin("/login").await;
    let answer = world.answer(&asked);
    let mine = std::mem::take(&mut *world.visitor.cookies.lock());
    let page = world.post(&answer).await;
    assert!(page.text.contains("begun in another browser"), "{}", page.text);
    *world.visitor.cookies.lock() = mine;
    assert!(world.post(&answer).await.text.contains("came before"));
    let asked = world.begin("/login").await;
    let answer = world.answer(&asked);
    assert_eq!(world.post(&answer).await.status, StatusCode::SEE_OTHER);
    let page = world.post(&answer).await;
    assert!(page.status == StatusCode::BAD_REQUEST && page.text.contains("came before"), "{}", page.text);
    let mut stray = world.begin("/login").await;
    stray.relay_state = "another".to_owned();
    assert!(world.post(&world.answer(&stray)).await.text.contains("did not come back"));
    stray.id = "_unknown".to_owned();
    assert!(world.post(&world.answer(&stray)).await.text.contains("no sign-in of that ID"));
    for odd in ["SAMLResponse=%3F", "", "SAMLResponse=YQ==&SAMLResponse=YQ=="] {
        assert_eq!(world.post(odd).await.status, StatusCode::BAD_REQUEST, "{odd}");
    }
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_fetched_when_it_turns_up() {
    let world = World::without_keys().await;
    assert_eq!(world.sign_in().await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.sign_in().await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.provider.script.lock().asked, 1, "metadata is fetched once");
    world.change(|script| script.key = OwnKey::generate("provider").unwrap());
    assert_eq!(world.sign_in().await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.provider.script.lock().asked, 2);
    // And what nobody has published is not believed.
    let asked = world.begin("/login").await;
    let other = OwnKey::generate("other").unwrap();
    let answer = {
        let mut script = world.provider.script.lock();
        let own = std::mem::replace(&mut script.key, other);
        let answer = script.answer(&asked, &world.base(), None);
        script.key = own;
        answer
    };
    let page = world.post(&form(&answer, &asked.relay_state)).await;
    assert!(page.text.contains("signature is wrong"), "{}", page.text);
}

#[tokio::test]
async fn metadata_of_somebody_else_or_without_what_is_needed_is_refused() {
    for (from, to) in [
        ("/saml/metadata\"", "/other\""),
        ("IDPSSODescriptor", "SPSSODescriptor"),
        ("protocol\"", "other\""),
        ("X509Certificate", "X509SKI"),
        ("Location=\"https", "Location=\"http"),
        ("<md:IDP", "<!-- --><md:IDP"),
    ] {
        let world = World::without_keys().await;
        world.change(|script| script.metadata = Box::new(move |text| text.replace(from, to)));
        let page = world.visitor.get("/login").await;
        assert!(page.status.as_u16() >= 400, "{from}: {}", page.status);
    }
}

#[tokio::test]
async fn the_portal_ends_a_session_here() {
    let world = World::with_keys().await;
    world.sign_in().await;
    let name = format!(r#"<saml:NameID Format="urn:x" NameQualifier="{}">mz4k2tq7</saml:NameID>"#, world.base());
    let index = |index: &str| format!("<samlp:SessionIndex>{index}</samlp:SessionIndex>");
    let good = world.message("LogoutRequest", "", &(name.clone() + &index("s-1")));
    let call = world.word("SAMLRequest", &good);
    let tampered = world.word("SAMLRequest", &good.replace("slo\"", "slo?\""));
    let unsigned = call.split("&SigAlg").next().unwrap().to_owned();
    let swapped = call.replace("went+along", "went");
    let expired = good.replace("Version", "NotOnOrAfter=\"2020-01-01T00:00:00Z\" Version");
    let stranger = world.word("SAMLRequest", &good.replace("/saml/metadata<", "/x<"));
    let doubled = format!("{call}&SAMLRequest=x");
    for bad in [tampered, unsigned, swapped, world.word("SAMLRequest", &expired), stranger, doubled] {
        let page = world.visitor.get(&bad).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{bad}: {}", page.text);
    }
    let other = world.message("LogoutRequest", "", &(name + &index("s-2")));
    assert_eq!(world.visitor.get(&world.word("SAMLRequest", &other)).await.status, StatusCode::SEE_OTHER);
    assert_eq!(world.visitor.get("/").await.status, StatusCode::OK, "another session was meant");
    let page = world.visitor.get(&call).await;
    let to = Url::parse(page.location()).unwrap();
    assert_eq!((to.path(), world.visitor.get("/").await.status), ("/saml/slo", StatusCode::FORBIDDEN));
    let fields: HashMap<_, _> = to.query_pairs().into_owned().collect();
    assert_eq!(fields["RelayState"], "went along");
    assert!(fields.contains_key("Signature") && query::inflated(&fields["SAMLResponse"]).unwrap().contains(SUCCESS));
    assert_eq!(world.visitor.get(&call).await.status, StatusCode::BAD_REQUEST, "a message is good once");
}

#[tokio::test]
async fn a_reader_signs_out_by_way_of_the_portal() {
    let world = World::with_keys().await;
    assert_eq!(world.visitor.get("/logout").await.location(), "/");
    world.sign_in().await;
    let page = world.visitor.get("/logout").await;
    assert_eq!(world.visitor.get("/").await.status, StatusCode::FORBIDDEN);
    let to = Url::parse(page.location()).unwrap();
    let fields: HashMap<_, _> = to.query_pairs().into_owned().collect();
    let request = query::inflated(&fields["SAMLRequest"]).unwrap();
    assert!(to.path() == "/saml/slo" && fields.contains_key("Signature"));
    assert!(request.contains(">mz4k2tq7<") && request.contains(">s-1<") && request.contains("Format=\"urn:x\""));
    let id = request.split_once(" ID=\"").unwrap().1.split('"').next().unwrap();
    let answer = |id: &str, status: &str| {
        let status = format!("<samlp:Status><samlp:StatusCode Value=\"{status}\"/></samlp:Status>");
        world.word("SAMLResponse", &world.message("LogoutResponse", &format!("InResponseTo=\"{id}\""), &status))
    };
    assert_eq!(world.visitor.get(&answer("_other", SUCCESS)).await.status, StatusCode::BAD_REQUEST);
    let back = answer(id, SUCCESS);
    let page = world.visitor.get(&back).await;
    assert!(page.status.is_success() && page.text.contains("ended your session everywhere"), "{}", page.text);
    assert_eq!(world.visitor.get(&back).await.status, StatusCode::BAD_REQUEST, "an answer is good once");
    // A vendor that takes no part forgets on its own.
    let world = World::without_keys().await;
    world.sign_in().await;
    assert_eq!(world.visitor.get("/logout").await.location(), "/");
    assert_eq!(world.visitor.get("/").await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.visitor.get("/saml/slo?SAMLRequest=x").await.status, StatusCode::BAD_REQUEST);
}
