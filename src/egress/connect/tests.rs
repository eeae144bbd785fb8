//! Where a connection may lead, whatever the name server says. All addresses that are reached here are loopback ones: a
//! vendor that lists 127.0.0.2 stands for one with a public address, and 127.0.0.1 is the trap.
use super::*;
use crate::domain::VendorOrigin;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

/// A name server that gives one answer after the other, and the last one for ever.
#[derive(Clone)]
struct Fickle {
    answers: Arc<Mutex<VecDeque<Vec<SocketAddr>>>>,
    asked: Arc<AtomicUsize>,
}

impl Fickle {
    fn new(answers: &[&[SocketAddr]]) -> Self {
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Self { answers: Arc::new(Mutex::new(answers)), asked: Arc::default() }
    }
}

impl Resolve for Fickle {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { Ok(answer.unwrap_or_default()) })
    }
}

fn vendor(host: &str, tls: bool, private: &[&str]) -> Arc<Vendor> {
    Arc::new(Vendor::plain("atlas", VendorOrigin { tls, host: host.into(), port: 80 }).at_private(private))
}

fn connector(private: &[&str], names: &Fickle) -> Connector {
    let connector = Connector::new(vendor("vendor.example", false, private), &TlsTrust::Roots(vec![])).unwrap();
    connector.resolving_by(Box::new(names.clone()))
}

/// A listener that counts who connects.
async fn counting(address: &str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let (at, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (at, count)
}

fn outcome(connected: Result<Connection, NotConnected>) -> Option<NotConnected> {
    connected.err()
}

#[tokio::test]
async fn a_name_that_changes_its_mind_leads_nowhere_else() {
    let (good, reached) = counting("127.0.0.2:0").await;
    let (trap, trapped) = counting("127.0.0.1:0").await;
    for rounds in 1..20 {
        let answers: Vec<&[SocketAddr]> =
            (0..rounds).map(|_| std::slice::from_ref(&good)).chain([std::slice::from_ref(&trap)]).collect();
        let names = Fickle::new(&answers);
        let connector = connector(&["127.0.0.2"], &names);
        for n in 1..=rounds {
            assert!(connector.connect(false).await.is_ok());
            assert_eq!(names.asked.load(Ordering::SeqCst), n, "one question for one connection");
        }
        assert_eq!(outcome(connector.connect(false).await), Some(NotConnected::Forbidden));
        assert_eq!(names.asked.load(Ordering::SeqCst), rounds + 1);
    }
    while reached.load(Ordering::SeqCst) < (1..20).sum() {
        tokio::task::yield_now().await;
    }
    assert_eq!(trapped.load(Ordering::SeqCst), 0, "connections to the trap");
}

#[tokio::test]
async fn of_mixed_answers_only_what_may_be_asked_is_asked() {
    let (trap, trapped) = counting("127.0.0.1:0").await;
    // Nobody listens at the good address: whoever falls back falls into the trap.
    let dead = SocketAddr::new("127.0.0.2".parse().unwrap(), trap.port());
    for answer in [[dead, trap], [trap, dead]] {
        let names = Fickle::new(&[&answer]);
        let connector = connector(&["127.0.0.2"], &names);
        assert_eq!(outcome(connector.connect(false).await), Some(NotConnected::Refused));
        assert_eq!(connector.resolve().await.unwrap().counts(), (1, 2));
    }
    assert_eq!(trapped.load(Ordering::SeqCst), 0);
}

/// Every address of the corpus that no vendor's name may lead to.
const INNER: &[&str] = &[
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::a00:1",
    "::ffff:7f00:1",
    "::ffff:a9fe:a9fe",
    "::ffff:10.0.0.1",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2002:c0a8:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
];

#[tokio::test]
async fn no_name_leads_to_an_inner_address() {
    for inner in INNER {
        let names = Fickle::new(&[&[SocketAddr::new(inner.parse().unwrap(), 9)]]);
        assert_eq!(outcome(connector(&[], &names).connect(false).await), Some(NotConnected::Forbidden), "{inner}");
        // A vendor's own exception opens its own addresses and no others.
        let listed = connector(&["10.20.0.0/16"], &names);
        assert_eq!(outcome(listed.connect(false).await), Some(NotConnected::Forbidden), "{inner}");
    }
}

#[tokio::test]
async fn a_name_without_addresses_is_unknown() {
    let names = Fickle::new(&[&[]]);
    assert_eq!(outcome(connector(&[], &names).connect(false).await), Some(NotConnected::Name));
}

#[test]
fn an_address_in_brackets_is_a_name_for_tls() {
    for host in ["[::1]", "127.0.0.1", "vendor.example"] {
        assert!(Connector::new(vendor(host, true, &[]), &TlsTrust::Roots(vec![])).is_ok(), "{host}");
    }
}
