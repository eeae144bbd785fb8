//! What is known of vendors while their metadata changes, ends, cannot be had, or is not what it should be.
use super::*;
use crate::domain::{AddressRule, ManualClock, Vendor, VendorOrigin};
use crate::egress::TlsTrust;
use crate::protocol::Algorithm;
use crate::protocol::saml::metadata::given::{Entity, aggregate, consumer, entity};
use crate::protocol::saml::metadata::of_operator;
use crate::protocol::saml::peer::{Agreement, Encryption, Signed};
use crate::protocol::saml::verified::testing::{OTHER, RSA};
use std::net::SocketAddr;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NOW: Timestamp = Timestamp::from_seconds(1_795_348_800);
const DAY: i64 = 86_400;
const SP: &str = "https://sp.example/shibboleth";
const QUERY: &str = "/entities/https%3A%2F%2Fsp.example%2Fshibboleth";

/// What a server answers: status, fields, body; `None` is silence.
type Answer = Option<(u16, String, String)>;

/// A server on loopback that gives one answer to everything until told otherwise.
struct Site {
    at: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn open(body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answer = Arc::new(Mutex::new(Some((200, String::new(), body.to_owned()))));
        let site = Self { at: listener.local_addr().unwrap(), answer, requests: Arc::default() };
        let (answer, requests) = (Arc::clone(&site.answer), Arc::clone(&site.requests));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&requests)));
            }
        });
        site
    }

    fn says(&self, status: u16, fields: &str, body: &str) {
        *self.answer.lock() = Some((status, fields.to_owned(), body.to_owned()));
    }

    fn uri(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.at)).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().clone()
    }
}

async fn serve(mut stream: TcpStream, answer: Arc<Mutex<Answer>>, requests: Arc<Mutex<Vec<String>>>) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
            return;
        }
    }
    requests.lock().push(String::from_utf8(text).unwrap());
    let answer = answer.lock().clone();
    let Some((status, fields, body)) = answer else { return std::future::pending().await };
    let head = format!("HTTP/1.1 {status} So\r\ncontent-length: {}\r\n{fields}\r\n", body.len());
    drop(stream.write_all((head + &body).as_bytes()).await);
}

/// Everything that a registry stands on.
struct Ground {
    clock: Arc<ManualClock>,
    telemetry: Arc<Telemetry>,
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let telemetry = Telemetry::new();
        telemetry.know(&[], &["lyceum", "museion"].map(|id| VendorId::parse(id).unwrap()), &[]);
        let folder = tempfile::tempdir().unwrap();
        Self { clock: Arc::new(ManualClock::at(NOW)), telemetry: Arc::new(telemetry), folder }
    }

    fn registry(&self, peers: &[Peer], federations: &[FederationSettings]) -> Registry {
        let errands = peers.iter().map(|peer| {
            let errands = Errands::new(Arc::clone(&peer.vendor), &TlsTrust::Roots(vec![])).unwrap();
            (peer.vendor.id.clone(), Arc::new(errands))
        });
        let means = Means {
            errands: errands.collect(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            telemetry: Arc::clone(&self.telemetry),
            folder: Some(self.folder.path().join("saml-metadata")),
        };
        Registry::new(peers, federations, &means).unwrap()
    }

    fn current(&self, registry: &Registry, vendor: &str) -> Option<Arc<ServiceProvider>> {
        registry.current(&VendorId::parse(vendor).unwrap(), self.clock.now())
    }

    /// Where the vendor `lyceum` takes assertions.
    fn consumer(&self, registry: &Registry) -> Option<String> {
        Some(self.current(registry, "lyceum")?.consumers.first()?.location.clone())
    }

    fn trouble(&self, vendor: &str) -> u64 {
        let series = format!("vestibule_document_trouble_total{{document=\"metadata\",vendor=\"{vendor}\"}}");
        let text = self.telemetry.text();
        text.lines().find_map(|line| line.strip_prefix(&series)?.trim().parse().ok()).expect("a series")
    }

    fn after(&self, seconds: i64) -> String {
        format!("validUntil=\"{}\"", self.clock.now().plus(seconds))
    }
}

fn peer(id: &str, entity_id: &str, source: Source) -> Peer {
    let origin = VendorOrigin { tls: true, host: "sp.example".to_owned(), port: 443 };
    Peer {
        vendor: Arc::new(Vendor::plain(id, origin).at_private(&["127.0.0.1"])),
        entity_id: entity_id.to_owned(),
        source,
        issuers: None,
        agreement: Agreement { known_again: true, entitlements: false, targeted_id: false, persistent: false },
        signed: Signed { response: true, assertion: true },
        algorithm: Algorithm::Rs256,
        encryption: Encryption::WhenPossible,
        cbc: false,
        unsolicited: false,
        start: None,
        targets: Vec::new(),
    }
}

fn published(site: &Site, signers: &[Vec<u8>]) -> Peer {
    peer("lyceum", SP, Source::Address { uri: site.uri("/metadata"), signers: signers.to_vec() })
}

fn member(id: &str, entity_id: &str) -> Peer {
    peer(id, entity_id, Source::Federation("incommon".to_owned()))
}

fn federation(place: Place) -> FederationSettings {
    FederationSettings {
        id: VendorId::parse("incommon").unwrap(),
        place,
        signers: vec![RSA.expired_certificate()],
        max_validity: Duration::from_secs(28 * 86_400),
        refresh: Duration::from_secs(6 * 3600),
        max_bytes: 1 << 20,
        authorities: Some(Arc::default()),
        private_addresses: vec![AddressRule::parse("127.0.0.1").unwrap()],
    }
}

fn with(attributes: &str, location: &str) -> Entity {
    let mut one = entity(SP);
    one.attributes = attributes.to_owned();
    one.inside = consumer(location);
    one
}

/// Why each vendor's metadata could not be used.
async fn causes(registry: &Registry) -> Vec<&'static str> {
    registry.refresh_all().await.into_iter().map(|(_, cause)| cause).collect()
}

#[tokio::test]
async fn a_file_holds_until_its_end_and_not_a_second_longer() {
    let ground = Ground::new();
    let described = |attributes: &str| {
        let text = with(attributes, "https://sp.example/acs").document();
        Source::File(of_operator(text.as_bytes(), None).unwrap())
    };
    let registry =
        ground.registry(&[peer("lyceum", SP, described(&ground.after(100))), peer("museion", SP, described(""))], &[]);
    ground.clock.advance(99);
    assert!(ground.current(&registry, "lyceum").is_some());
    ground.clock.advance(1);
    assert!(ground.current(&registry, "lyceum").is_none());
    ground.clock.advance(1000 * DAY);
    assert!(ground.current(&registry, "museion").is_some());
    assert!(ground.current(&registry, "unknown").is_none());
}

#[tokio::test]
async fn the_last_good_copy_holds_until_its_end_whatever_comes_after_it() {
    let ground = Ground::new();
    let good = aggregate(&RSA, &ground.after(10 * DAY), &[with("", "https://sp.example/acs")]);
    let site = Site::open(&good).await;
    let peers = [member("lyceum", SP)];
    let registry = ground.registry(&peers, &[federation(Place::Aggregate(site.uri("/all")))]);
    assert!(ground.consumer(&registry).is_none());
    assert_eq!(causes(&registry).await, [""; 0]);
    let evil = || vec![with("", "https://evil.example/acs")];
    let long = ground.after(20 * DAY);
    for (answer, cause) in [
        (Some((200, String::new(), aggregate(&OTHER, &long, &evil()))), "signature"),
        (Some((200, String::new(), aggregate(&RSA, "", &evil()))), "no_valid_until"),
        (Some((200, String::new(), aggregate(&RSA, &ground.after(29 * DAY), &evil()))), "valid_too_long"),
        (Some((200, String::new(), aggregate(&RSA, &ground.after(-1), &evil()))), "expired"),
        (Some((200, String::new(), aggregate(&RSA, &ground.after(9 * DAY), &evil()))), "rolled_back"),
        (Some((200, String::new(), good.replace("https://sp.example/acs", "https://ev.example/acs"))), "signature"),
        (Some((200, String::new(), with(&long, "https://evil.example/acs").document())), "unsigned"),
        (Some((200, String::new(), "<html/>".to_owned())), "unsigned"),
        (Some((200, String::new(), "x".repeat(2 << 20))), "too_large"),
        (Some((200, "content-encoding: gzip\r\n".to_owned(), good.clone())), "broken"),
        (Some((404, String::new(), good.clone())), "status"),
        (Some((500, String::new(), String::new())), "status"),
        (Some((302, "location: https://169.254.169.254/latest\r\n".to_owned(), String::new())), "address_forbidden"),
        (Some((302, "location: http://127.0.0.1/\r\n".to_owned(), String::new())), "redirect"),
        (Some((302, "location: file:///etc/passwd\r\n".to_owned(), String::new())), "redirect"),
    ] {
        *site.answer.lock() = answer;
        let before = ground.trouble("lyceum");
        assert_eq!(causes(&registry).await, [cause]);
        assert_eq!(ground.trouble("lyceum"), before + 1);
        assert_eq!(ground.consumer(&registry).as_deref(), Some("https://sp.example/acs"), "{cause}");
    }
    ground.clock.advance(10 * DAY - 1);
    assert!(ground.consumer(&registry).is_some());
    ground.clock.advance(1);
    assert!(ground.consumer(&registry).is_none(), "its own end is the end");
    site.says(200, "", &aggregate(&RSA, &ground.after(DAY), &[with("", "https://sp.example/new")]));
    assert_eq!(causes(&registry).await, [""; 0]);
    assert_eq!(ground.consumer(&registry).as_deref(), Some("https://sp.example/new"));
}

#[tokio::test]
async fn a_federation_is_asked_for_one_and_must_answer_with_that_one() {
    let ground = Ground::new();
    let site = Site::open(&with(&ground.after(DAY), "https://sp.example/acs").signed(&RSA)).await;
    let registry = ground.registry(&[member("lyceum", SP)], &[federation(Place::Query(site.uri("/")))]);
    assert_eq!(causes(&registry).await, [""; 0]);
    let requests = site.requests();
    assert!(requests.concat().starts_with(&format!("GET {QUERY} HTTP/1.1\r\n")), "{requests:?}");
    assert!(requests.concat().contains("\r\naccept: application/samlmetadata+xml\r\n"), "{requests:?}");
    let mut other = entity("https://other.example/sp");
    other.attributes = ground.after(2 * DAY);
    for (text, cause) in [
        (other.signed(&RSA), "entity_differs"),
        (with(&ground.after(2 * DAY), "https://evil.example/acs").document(), "unsigned"),
        (with(&ground.after(2 * DAY), "https://evil.example/acs").signed(&OTHER), "signature"),
        (with("", "https://evil.example/acs").signed(&RSA), "no_valid_until"),
    ] {
        site.says(200, "", &text);
        assert_eq!(causes(&registry).await, [cause]);
        assert_eq!(ground.consumer(&registry).as_deref(), Some("https://sp.example/acs"), "{cause}");
    }
}

#[tokio::test]
async fn only_members_are_kept_and_one_that_left_is_gone() {
    let ground = Ground::new();
    let entities = |ids: &[&str]| ids.iter().map(|id| entity(id)).collect::<Vec<_>>();
    let all = [SP, "https://museion.example/", "https://third.example/"];
    let site = Site::open(&aggregate(&RSA, &ground.after(DAY), &entities(&all))).await;
    let peers = [member("lyceum", SP), member("museion", "https://museion.example/")];
    let registry = ground.registry(&peers, &[federation(Place::Aggregate(site.uri("/all")))]);
    assert_eq!(causes(&registry).await, [""; 0]);
    assert!(ground.current(&registry, "lyceum").is_some() && ground.current(&registry, "museion").is_some());
    assert_eq!(site.requests().len(), 1, "one document for all");
    site.says(200, "", &aggregate(&RSA, &ground.after(2 * DAY), &entities(&all[1..])));
    assert_eq!(causes(&registry).await, ["entity_missing"]);
    assert!(ground.current(&registry, "lyceum").is_none(), "the federation says that it is no member");
    assert!(ground.current(&registry, "museion").is_some());
    assert_eq!((ground.trouble("lyceum"), ground.trouble("museion")), (1, 0));
}

#[tokio::test]
async fn a_document_that_did_not_change_is_not_sent_again() {
    let ground = Ground::new();
    let site = Site::open("").await;
    let registry = ground.registry(&[published(&site, &[])], &[]);
    site.says(200, "etag: \"seven\"\r\n", &with("", "https://sp.example/acs").document());
    assert_eq!(causes(&registry).await, [""; 0]);
    site.says(304, "", "");
    ground.clock.advance(20 * DAY);
    assert_eq!(causes(&registry).await, [""; 0]);
    assert!(site.requests().last().unwrap().contains("\r\nif-none-match: \"seven\"\r\n"));
    ground.clock.advance(28 * DAY - 1);
    assert!(ground.consumer(&registry).is_some(), "without an end of its own it holds from when it was last seen");
    ground.clock.advance(1);
    assert!(ground.consumer(&registry).is_none());
    site.says(500, "", "");
    assert_eq!(causes(&registry).await, ["status"]);
}

#[tokio::test]
async fn a_restart_needs_nobody_and_believes_nothing_that_was_changed() {
    let ground = Ground::new();
    let site = Site::open(&aggregate(&RSA, &ground.after(10 * DAY), &[with("", "https://sp.example/acs")])).await;
    let federations = [federation(Place::Aggregate(site.uri("/all")))];
    let peers = [member("lyceum", SP)];
    assert_eq!(causes(&ground.registry(&peers, &federations)).await, [""; 0]);
    *site.answer.lock() = None;
    let restarted = |federations: &[FederationSettings]| {
        let registry = ground.registry(&peers, federations);
        registry.restore();
        ground.consumer(&registry)
    };
    assert_eq!(restarted(&federations).as_deref(), Some("https://sp.example/acs"));
    // Another key, another place.
    let mut other = federation(Place::Aggregate(site.uri("/all")));
    other.signers = vec![OTHER.expired_certificate()];
    assert_eq!(restarted(&[other]), None);
    assert_eq!(restarted(&[federation(Place::Aggregate(site.uri("/other")))]), None);
    // An older edition than the one that was kept.
    let registry = ground.registry(&peers, &federations);
    registry.restore();
    site.says(200, "", &aggregate(&RSA, &ground.after(9 * DAY), &[with("", "https://old.example/acs")]));
    assert_eq!(causes(&registry).await, ["rolled_back"]);
    // A copy that somebody changed.
    let path = ground.folder.path().join("saml-metadata/federation-incommon.kept");
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, whole.replace("https://sp.example/acs", "https://ev.example/acs")).unwrap();
    assert_eq!(restarted(&federations), None);
    std::fs::write(&path, whole).unwrap();
    ground.clock.advance(10 * DAY);
    assert_eq!(restarted(&federations), None, "an end is an end after a restart too");
}

#[tokio::test]
async fn who_only_looks_keeps_nothing() {
    let ground = Ground::new();
    let site = Site::open(&with("", "https://sp.example/acs").document()).await;
    let registry = ground.registry(&[published(&site, &[])], &[]).looking_only();
    assert_eq!(causes(&registry).await, [""; 0]);
    assert!(!ground.folder.path().join("saml-metadata").exists());
}

#[tokio::test]
async fn a_reload_forgets_nothing_of_the_same_place_and_key() {
    let ground = Ground::new();
    let site = Site::open("").await;
    site.says(200, "etag: \"1\"\r\n", &aggregate(&RSA, &ground.after(DAY), &[entity(SP), entity("urn:museion")]));
    let federations = [federation(Place::Aggregate(site.uri("/all")))];
    let older = ground.registry(&[member("lyceum", SP)], &federations);
    assert_eq!(causes(&older).await, [""; 0]);
    let same = ground.registry(&[member("lyceum", SP)], &federations);
    same.inherit(&older);
    assert!(ground.consumer(&same).is_some());
    site.says(304, "", "");
    assert_eq!(causes(&same).await, [""; 0], "its edition is known");
    // One more member: the rest of the document is wanted, too.
    let more = ground.registry(&[member("lyceum", SP), member("museion", "urn:museion")], &federations);
    more.inherit(&same);
    more.restore();
    assert!(
        ground.consumer(&more).is_some() && ground.current(&more, "museion").is_some(),
        "out of the copy that was kept"
    );
    let mut other = federation(Place::Aggregate(site.uri("/all")));
    other.signers = vec![OTHER.expired_certificate()];
    let rekeyed = ground.registry(&[member("lyceum", SP)], &[other]);
    rekeyed.inherit(&older);
    assert!(ground.consumer(&rekeyed).is_none());
    let renamed = ground.registry(&[member("lyceum", "urn:museion")], &federations);
    renamed.inherit(&older);
    assert!(ground.consumer(&renamed).is_none());
}

#[tokio::test]
async fn an_aggregate_may_be_a_file_that_others_fetch() {
    let ground = Ground::new();
    let path = ground.folder.path().join("all.xml");
    let registry = ground.registry(&[member("lyceum", SP)], &[federation(Place::File(path.clone()))]);
    assert_eq!(causes(&registry).await, ["file_missing"]);
    let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
    write(&path, &aggregate(&RSA, &ground.after(DAY), &[with("", "https://sp.example/acs")]));
    assert_eq!(causes(&registry).await, [""; 0]);
    write(&path, &aggregate(&OTHER, &ground.after(DAY), &[with("", "https://evil.example/acs")]));
    assert_eq!(causes(&registry).await, ["signature"]);
    write(&path, &"x".repeat((1 << 20) + 1));
    assert_eq!(causes(&registry).await, ["too_large"]);
    assert_eq!(ground.consumer(&registry).as_deref(), Some("https://sp.example/acs"));
    write(&path, &aggregate(&RSA, &ground.after(DAY), &[with("", "https://sp.example/acs")]));
    let restarted = ground.registry(&[member("lyceum", SP)], &[federation(Place::File(path))]);
    restarted.restore();
    assert!(ground.consumer(&restarted).is_some(), "a file is there at once");
}

/// Waits until `done`; gives up after a minute.
async fn until(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("it never came");
}

#[tokio::test]
async fn it_refreshes_by_itself_when_it_is_time_and_until_it_is_dropped() {
    let ground = Ground::new();
    let site = Site::open(&with("", "https://sp.example/acs").document()).await;
    let silent = Site::open("").await;
    *silent.answer.lock() = None;
    let uri = silent.uri("/metadata");
    let slow = peer("museion", "urn:museion", Source::Address { uri, signers: Vec::new() });
    let registry = ground.registry(&[published(&site, &[]), slow], &[]);
    registry.begin();
    until(|| ground.consumer(&registry).is_some()).await;
    let ends = format!("{{vendor=\"lyceum\"}} {}", NOW.plus(28 * DAY).seconds());
    until(|| ground.telemetry.text().contains(&ends)).await;
    until(|| !silent.requests().is_empty()).await;
    assert!(ground.current(&registry, "museion").is_none(), "nobody waits for a silent vendor");
    assert_eq!(site.requests().len(), 1, "it is not time yet");
    let origins: Vec<_> = registry.origins.iter().map(Arc::downgrade).collect();
    drop(registry);
    until(|| origins.iter().all(|origin| origin.upgrade().is_none())).await;
    let next = ground.registry(&[published(&site, &[])], &[]);
    next.begin();
    assert!(ground.consumer(&next).is_some(), "the copy that was kept is there at once");
    until(|| site.requests().len() == 2).await;
}
