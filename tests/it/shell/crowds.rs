//! More connections than there is room for: of one network, and in all.
use super::raw::number;
use super::slow::{CROWDED, resident, visiting};
use crate::support::World;
use crate::support::browser::trusting;
use crate::support::figure;
use crate::support::observe::{metric, until};
use crate::support::served::{Served, limited};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection from one of the addresses of this machine.
async fn from(source: Ipv4Addr, port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(source), 0)).unwrap();
    socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.unwrap()
}

struct Guest<'s> {
    tls: Arc<ClientConfig>,
    served: &'s Served,
    cookie: String,
}

impl Guest<'_> {
    async fn enter(&self, source: Ipv4Addr) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("atlas.proxy.localhost").unwrap();
        TlsConnector::from(Arc::clone(&self.tls)).connect(name, from(source, self.served.port).await).await
    }

    /// Asks for a page and gives its status.
    async fn asks(&self, stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
        let (port, cookie) = (self.served.port, &self.cookie);
        let get = format!("GET /bytes/1 HTTP/1.1\r\nHost: atlas.proxy.localhost:{port}\r\nCookie: {cookie}\r\n\r\n");
        stream.write_all(get.as_bytes()).await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        Ok(String::from_utf8_lossy(&status).into_owned())
    }
}

async fn is_closed(stream: &mut TlsStream<TcpStream>) -> bool {
    let mut more = [0; 4096];
    loop {
        match timeout(Duration::from_millis(50), stream.read(&mut more)).await {
            Err(_) => return false,
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
        }
    }
}

#[tokio::test]
async fn one_network_has_its_share_and_no_more() {
    let world = World::start();
    let limits = "connections_per_network = 5\nshared_networks = [\"127.0.9.0/24\"]\n\
                  connections_per_shared_network = 12\n";
    let served = Served::beside(&world, |text| limited(&text, limits)).await;
    let cookie = visiting(&world, &served).await;
    let guest = Guest { tls: trusting(&world.path("ca"), &[b"http/1.1"]), served: &served, cookie };
    for (source, share) in [([127, 0, 7, 7], 5), ([127, 0, 9, 9], 12)] {
        let source = Ipv4Addr::from(source);
        let mut inside = Vec::new();
        for _ in 0..share {
            inside.push(guest.enter(source).await.unwrap());
        }
        let begun = Instant::now();
        let mut outside = from(source, served.port).await;
        let mut nothing = [0; 1];
        // Closed before a word of TLS.
        assert!(matches!(outside.read(&mut nothing).await, Ok(0) | Err(_)), "one more than {share} came in");
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(guest.asks(&mut inside[0]).await.unwrap(), "HTTP/1.1 200");
        // Whoever is next door has a share too.
        let mut other = guest.enter(Ipv4Addr::new(127, 0, 8, share)).await.unwrap();
        assert_eq!(guest.asks(&mut other).await.unwrap(), "HTTP/1.1 200");
        // And a place that is free again can be taken.
        drop(inside.pop());
        let series = "vestibule_connections";
        until("the place is free", Duration::from_secs(15), || metric(&served.admin, series) <= f64::from(share) + 1.0)
            .await;
        inside.push(guest.enter(source).await.unwrap());
        drop((inside, other));
        until("all have gone", Duration::from_secs(15), || metric(&served.admin, series) < 3.0).await;
    }
    let refused = metric(&served.admin, "vestibule_ended_connections_total{cause=\"network_full\"}");
    assert!(refused >= 2.0, "{refused}");
    figure(
        "shell::crowds::one_network_has_its_share_and_no_more",
        "connections of one address beyond its share that came in",
        "0; refused before TLS",
    );
}

/// As many as the machine's limit of open files allows, up to 19,000.
fn most() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = rustix::process::Rlimit { current: files.maximum, maximum: files.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, most).unwrap();
    let files = usize::try_from(files.maximum.unwrap_or(1_000_000)).unwrap();
    (files - files / 20).min(19_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_house_makes_room_for_whoever_comes() {
    const GREETED: usize = 1000;
    let _alone = CROWDED.lock().await;
    let world = World::start();
    let most = most();
    let limits = format!("handshake = \"10m\"\nidle = \"10m\"\nconnections = {most}\n");
    let served = Served::beside(&world, |text| limited(&text, &limits)).await;
    let cookie = visiting(&world, &served).await;
    let guest = Guest { tls: trusting(&world.path("ca"), &[b"http/1.1"]), served: &served, cookie };
    let before = resident(served.pid());
    let source = |number: usize| {
        let [.., high, low] = u32::try_from(number / 190).unwrap().to_be_bytes();
        Ipv4Addr::new(127, 1 + high, low, 1)
    };
    let mut greeted = Vec::new();
    for number in 0..GREETED {
        greeted.push(guest.enter(source(number)).await.unwrap());
        if number == GREETED / 2 {
            // The clock of the front goes in steps; the second half is younger by one.
            tokio::time::sleep(Duration::from_millis(1200)).await;
        }
    }
    let mut silent = Vec::new();
    for number in GREETED..most {
        silent.push(from(source(number), served.port).await);
    }
    let full = |served: &Served| metric(&served.admin, "vestibule_connections");
    until("the house is full", Duration::from_secs(60), || full(&served) >= number(most - 200)).await;
    let held = full(&served);
    let grown = resident(served.pid()).saturating_sub(before) / 1024;
    let (mut served_new, mut slowest) = (0, Duration::ZERO);
    let mut new = Vec::new();
    for number in 0..250 {
        let begun = Instant::now();
        let mut stream =
            guest.enter(Ipv4Addr::new(127, 200, 0, 1 + u8::try_from(number % 200).unwrap())).await.unwrap();
        served_new += usize::from(guest.asks(&mut stream).await.unwrap() == "HTTP/1.1 200");
        slowest = slowest.max(begun.elapsed());
        new.push(stream);
    }
    let shed = metric(&served.admin, "vestibule_ended_connections_total{cause=\"shed\"}");
    let (mut old, mut young) = (0, 0);
    for (number, stream) in greeted.iter_mut().enumerate() {
        if is_closed(stream).await {
            *(if number <= GREETED / 2 { &mut old } else { &mut young }) += 1;
        }
    }
    let told = format!(
        "{held} held, memory +{grown} MiB; {served_new} of 250 new ones served, slowest {slowest:.0?}; {shed} shed: {old} of the older half, {young} of the younger"
    );
    figure("shell::crowds::a_full_house_makes_room_for_whoever_comes", "idle connections survived", &told);
    assert_eq!(served_new, 250, "{told}");
    assert!(old > 0 && young == 0 && shed >= 1.0, "{told}");
    assert!(held >= number(most - 200), "{told}");
}
