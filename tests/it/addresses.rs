//! Where a link, a name or a redirect may lead: to configured vendors and their public addresses, and nowhere else.
use super::support::served::{Served, printed, vestibule};
use super::support::{Browser, Page, World, figure};
use hyper::StatusCode;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The same addresses as in the tests beside the rule itself.
const HOSTILE: &[&str] = include!("../../src/web/deeplink/hostile.in");

/// Hosts of origins that lead, or may lead, into a network that is not the vendor's.
const INNER: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0",
    "0.0.0.0",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.01",
    "10.0.0.1",
    "10.1",
    "100.64.0.1",
    "100.127.255.254",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::7f00:1]",
    "[::127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:0:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[100::1]",
    "[2001::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fec0::1]",
    "[ff02::1]",
];

#[test]
fn no_origin_is_an_inner_address() {
    let world = World::start();
    let mut text = std::fs::read_to_string(world.path("config")).unwrap();
    let mut lines = Vec::new();
    for (n, host) in INNER.iter().enumerate() {
        for (m, origin) in [format!("http://{host}:8080"), format!("https://{host}")].iter().enumerate() {
            write!(text, "\n[[vendor]]\nid = \"inner-{n}-{m}\"\nname = \"x\"\n").unwrap();
            lines.push((text.lines().count() + 1, host));
            writeln!(text, "origin = \"{origin}\"").unwrap();
        }
    }
    let path = world.path("config").with_file_name("inner.toml");
    std::fs::write(&path, text).unwrap();
    let done = vestibule(&["check", "--config", path.to_str().unwrap()], "");
    let told = printed(&done);
    assert_eq!(done.status.code(), Some(78), "{told}");
    for (line, host) in &lines {
        assert!(told.contains(&format!("inner.toml:{line}: `")), "{host} is taken for an origin: {told}");
    }
    let reached = format!("{} of {} refused (goal: all)", lines.len(), lines.len());
    figure("addresses::no_origin_is_an_inner_address", "origins with inner addresses in a configuration", &reached);
}

/// A listener that counts who connects, and answers with a redirect if it has one.
async fn listen(location: Option<String>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, SeqCst);
            let location = location.clone();
            tokio::spawn(async move {
                let mut piece = [0; 8192];
                while let (Ok(1..), Some(to)) = (stream.read(&mut piece).await, &location) {
                    let status = ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"];
                    let turn = piece.iter().position(|b| *b == b'/').map_or(0, |at| usize::from(piece[at + 1] % 5));
                    let head = format!("HTTP/1.1 {}\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n", status[turn]);
                    if stream.write_all(head.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, count)
}

/// A portal whose vendor `atlas` has this origin and no private address.
async fn with_atlas(world: &World, origin: &str, private: bool) -> Served {
    let old = format!(
        "origin = \"{}\"\nprivate_addresses = [\"127.0.0.1\"]",
        world.vendor("atlas")["origin"].as_str().unwrap()
    );
    let private = if private { "\nprivate_addresses = [\"127.0.0.1\"]" } else { "" };
    Served::beside(world, |text| {
        assert!(text.contains(&old));
        text.replace(&old, &format!("origin = \"{origin}\"{private}"))
    })
    .await
}

async fn sign_in(world: &World, served: &Served, wanted: &str) -> (Browser, Page) {
    let text = |key: &str| world.patron(0)[key].as_str().unwrap();
    let mut browser = Browser::new(&world.path("ca"));
    let page = served.sign_in(&mut browser, (text("library"), text("card"), text("pin")), Some(wanted)).await;
    (browser, page)
}

#[tokio::test]
async fn a_name_that_means_an_inner_address_leads_nowhere() {
    let (world, (port, trapped)) = (World::start(), listen(None).await);
    let origin = format!("http://localhost:{port}");
    let served = with_atlas(&world, &origin, false).await;
    let (mut browser, page) = sign_in(&world, &served, &format!("{origin}/x")).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY, "{}", page.text());
    assert!(!page.text().contains("127.0.0.1") && !page.text().contains(&port.to_string()));
    for path in ["/", "/x?y=1"] {
        assert_eq!(browser.get(&served.vendor_url("atlas", path)).await.status, StatusCode::BAD_GATEWAY);
    }
    assert!(served.log().contains("address_forbidden"), "{}", served.log());
    assert_eq!(trapped.load(SeqCst), 0, "connections to the trap");
}

#[tokio::test]
async fn a_vendor_s_redirect_is_the_browser_s_to_follow() {
    let (world, (trap, trapped)) = (World::start(), listen(None).await);
    let mut followed = 0;
    for to in [format!("http://127.0.0.1:{trap}/"), format!("//127.0.0.1:{trap}/x"), "http://169.254.169.254/".into()] {
        let (port, asked) = listen(Some(to.clone())).await;
        let origin = format!("http://127.0.0.1:{port}");
        let served = with_atlas(&world, &origin, true).await;
        let text = |key: &str| world.patron(0)[key].as_str().unwrap();
        let mut browser = Browser::new(&world.path("ca"));
        // The demo's press takes the patron in; at atlas there are only redirects.
        let wanted = format!("{}/echo", world.vendor("press")["origin"].as_str().unwrap());
        let given = (text("library"), text("card"), text("pin"));
        served.sign_in(&mut browser, given, Some(&wanted)).await;
        let entry = browser.get(&format!("{}/go/atlas", served.portal)).await;
        let entry = browser.get(entry.location().unwrap().as_str()).await;
        assert!(entry.location().unwrap().as_str().starts_with(&served.vendor_url("atlas", "")));
        for path in ["/a", "/b", "/c", "/d", "/e"] {
            let page = browser.get(&served.vendor_url("atlas", path)).await;
            assert!(page.status.is_redirection(), "{}", page.text());
            assert_eq!(page.headers["location"].to_str().unwrap(), to);
            followed += 1;
        }
        assert!(asked.load(SeqCst) > 0);
    }
    assert_eq!((trapped.load(SeqCst), followed), (0, 15));
}

/// The demo's configuration with the vendors that the corpus is about.
fn corpus_vendors(world: &World, text: &str) -> String {
    let origin = |id: &str| format!("origin = \"{}\"", world.vendor(id)["origin"].as_str().unwrap());
    let aliases = "aliases = [\"http://db.atlas.example:8080\", \"https://old.atlas.example\"]";
    let text = text.replace(&origin("atlas"), &format!("origin = \"https://www.atlas.example\"\n{aliases}"));
    let press = "origin = \"http://127.0.0.1:9001\"\naliases = [\"https://press.example:444\"]";
    let text = text.replace(&origin("press"), press);
    let six = "[[vendor]]\nid = \"six\"\nname = \"Six\"\norigin = \"http://[::1]:9002\"\nprivate_addresses = [\"::1\"]";
    format!("{text}\n{six}\n")
}

/// Whether every address on a page stays in the house.
fn leads_astray(page: &Page, portal: &str) -> Option<String> {
    if let Some(to) = page.headers.get("location") {
        return Some(to.to_str().unwrap_or("?").to_owned());
    }
    let text = page.text();
    let attributes = ["href=\"", "src=\"", "action=\"", "content=\"0;"];
    let mut targets =
        attributes.iter().flat_map(|name| text.split(name).skip(1).filter_map(|rest| rest.split('"').next()));
    let home = |to: &str| {
        let to = to.replace("&#x2f;", "/");
        to.is_empty()
            || to.starts_with('#')
            || to.starts_with('?')
            || to.starts_with(portal)
            || (to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/\\"))
    };
    targets.find(|to| !home(to)).map(str::to_owned)
}

#[tokio::test]
async fn no_hostile_link_leads_anywhere() {
    let world = World::start();
    let served = Served::beside(&world, |text| corpus_vendors(&world, &text)).await;
    let mut stranger = Browser::new(&world.path("ca"));
    let text = |key: &str| world.patron(0)[key].as_str().unwrap();
    let mut reader = Browser::new(&world.path("ca"));
    served.sign_in(&mut reader, (text("library"), text("card"), text("pin")), None).await;
    // Hostile as it stands and good once decoded, which is how `url=` may be read.
    let hostile: Vec<_> = HOSTILE.iter().filter(|a| **a != "https%3a//www.atlas.example").collect();
    let mut sent = 0;
    for address in &hostile {
        let mut coded = String::new();
        address.bytes().for_each(|byte| write!(coded, "%{byte:02X}").unwrap());
        for query in [format!("url={address}"), format!("url={coded}"), format!("qurl={coded}")] {
            let url = format!("{}/login?{query}", served.portal);
            // What a client would change on its way is left out; coded, it comes as it stands.
            if url::Url::parse(&url).ok().is_none_or(|parsed| parsed.as_str() != url) {
                continue;
            }
            for browser in [&mut stranger, &mut reader] {
                let page = browser.get(&url).await;
                assert_eq!(page.status, StatusCode::NOT_FOUND, "{query:?}: {}", page.text());
                assert_eq!(leads_astray(&page, &served.portal), None, "{query:?}");
                sent += 1;
            }
        }
        let login = format!("{}/login", served.portal);
        let mut browser = Browser::new(&world.path("ca"));
        let form = browser.get(&login).await;
        let token = form.hidden("token").unwrap();
        let given = [("library", text("library")), ("card", text("card")), ("pin", text("pin"))];
        let fields = [&[("token", &*token), ("qurl", address)], &given[..]].concat();
        let page = browser.post(&login, &fields).await;
        if address.is_empty() {
            // A form without a deep link.
            assert_eq!(page.location().unwrap().as_str(), format!("{}/resources", served.portal));
        } else {
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{address:?}");
            assert_eq!(leads_astray(&page, &served.portal), None, "{address:?}");
        }
        sent += 1;
    }
    assert!(hostile.len() >= 150 && sent > hostile.len() * 5);
    let reached = format!("{} links in {sent} requests, 0 led anywhere (goal: 150 links, 0)", hostile.len());
    figure("addresses::no_hostile_link_leads_anywhere", "hostile deep links", &reached);
}
