//! The proof itself, on the running demo.
use super::crowd::{self, PARTIES, Reader};
use super::dictionary;
use super::join::{self, Records};
use super::leakscan::{Haystack, Hit, Needle, Scanner};
use super::marks;
use super::scanner_tests::Dice;
use super::spell::hex;
use crate::support::World;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Instant;

const VENDORS: [&str; 3] = ["atlas", "press", "research"];
/// Patrons who read.
const PATRONS: usize = 1_000;
/// Those who go first, before the first look at the metrics.
const FIRST: usize = 10;
/// Those who walk from vendor to vendor at their own pace.
const STROLLERS: usize = 200;
/// Those who move together.
const WAVE: usize = 200;
/// How many waves also go to the vendors that sign readers in.
const CALLING: usize = 2;

#[tokio::test]
async fn nothing_about_a_thousand_patrons_leaves_the_hall() {
    let start = Instant::now();
    let mut world = World::start_prepared(&[("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full")], fixed_key);
    // It takes a while, and the crowd leaves it time.
    let strings = needles(&world);
    let scanner = std::thread::spawn(move || Scanner::new(&strings));
    let mut dice = Dice(20_261_122);
    let mut readers = crowd::readers(&world, PATRONS, &mut dice);
    assert_eq!(readers.len(), PATRONS, "patrons in good standing");
    let mut rest = readers.split_off(FIRST);
    let mut readers = crowd::stroll(&world, readers, 0).await;
    let mut seen = crowd::turned_away(&world).await;
    let early = admin(&world, "/metrics");
    let mut marchers = rest.split_off(STROLLERS);
    readers.extend(crowd::stroll(&world, rest, 0).await);
    for wave in 1.. {
        let next = marchers.split_off(marchers.len().saturating_sub(WAVE));
        if next.is_empty() {
            break;
        }
        let mut marched = crowd::march(&world, next, (wave, &mut dice)).await;
        if wave <= CALLING {
            marched = crowd::call_on_parties(&world, marched, &mut dice).await;
        }
        readers.extend(marched);
    }
    let late = admin(&world, "/metrics");
    assert_eq!(series(&early), series(&late), "the series do not depend on how many patrons came");
    readers.iter().for_each(|reader| seen.push_str(&reader.seen));
    println!("{} patrons read at {} vendors in {:?}", readers.len(), VENDORS.len(), start.elapsed());
    println!("{} of them also at {}", CALLING * WAVE, PARTIES.join(" and "));

    let haystacks = haystacks(&mut world, [early, late], seen);
    search(&world, &scanner.join().unwrap(), &haystacks);
    let records = VENDORS.map(|vendor| join::records(&world.received(vendor)));
    look_for_links(&readers, &records, &mut dice);
    let told = PARTIES.map(|vendor| records_of_party(&world, &readers, vendor));
    look_for_links_of_parties(&readers, (&records, &told), &mut dice);
    try_the_dictionary(&world, (&records, &told));
    println!("the canary took {:?}", start.elapsed());
}

/// The same key at each run: so the pseudonyms are the same, and whatever is measured of them does not vary.
fn fixed_key(demo: &Path) {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(demo.join("secrets")).unwrap();
    std::fs::write(demo.join("secrets/pseudonym.key"), URL_SAFE_NO_PAD.encode(digest(&SHA256, b"canary"))).unwrap();
    let only_owner = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(demo.join("secrets/pseudonym.key"), only_owner).unwrap();
}

/// A page of the admin listener, with its head.
fn admin(world: &World, path: &str) -> String {
    let address = world.text("admin").strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    page
}

/// The series of a page of metrics, without their values.
fn series(page: &str) -> BTreeSet<&str> {
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    let lines = body.lines().filter(|line| !line.starts_with('#'));
    let series: BTreeSet<&str> = lines.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    assert!(series.len() > 10);
    series
}

/// Everything that left the hall or stayed in it, the last of it read after the process has ended. Left out are the
/// library system's own traffic and `demo.json`, which hold the patrons themselves, and standard output, where the demo
/// prints five cards to try.
fn haystacks(world: &mut World, [early, late]: [String; 2], seen: String) -> Vec<Haystack> {
    let mut all = vec![Haystack::new("metrics", early + &late)];
    for path in ["/ready", "/live", "/"] {
        all.push(Haystack::new(path, admin(world, path)));
    }
    for name in ["environ", "cmdline", "status", "limits", "maps"] {
        // A process that may not be dumped is closed to all but root.
        let file = std::fs::read(format!("/proc/{}/{name}", world.pid()));
        all.extend(file.ok().map(|bytes| Haystack::new(name, bytes)));
    }
    assert!(world.end().success());
    let log = world.log();
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert!(lines("sign-in ended") > PATRONS && lines("request answered") > PATRONS * 10, "the log is not all there");
    assert!(seen.contains("__Host-vestibule=") && seen.contains("__Host-vestibule-visit="));
    all.push(Haystack::new("log", log));
    all.push(Haystack::new("browsers", seen));
    for vendor in VENDORS.into_iter().chain(PARTIES) {
        let received = world.received(vendor);
        assert!(received.len() > 100_000, "the traffic of {vendor} is not all there");
        all.push(Haystack::new(vendor, received));
    }
    all.extend(files(&world.folder.path().join("demo")));
    all
}

fn files(folder: &Path) -> Vec<Haystack> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if ["ils_traffic", "vendor_traffic", "demo.json"].contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(Haystack::new(path.to_str().unwrap(), std::fs::read(&path).unwrap()));
        }
    }
    all
}

fn search(world: &World, scanner: &Scanner, haystacks: &[Haystack]) {
    let start = Instant::now();
    let hits = scanner.scan(haystacks);
    let size: usize = haystacks.iter().map(|h| h.bytes.len()).sum();
    println!(
        "{} hits of {} strings in {} spellings in {} haystacks with {size} bytes ({:?})",
        hits.len(),
        scanner.needles(),
        scanner.patterns(),
        haystacks.len(),
        start.elapsed()
    );
    let shown: Vec<String> = hits.iter().take(20).map(Hit::told).collect();
    assert!(hits.is_empty(), "{} hits: {shown:#?}", hits.len());
    let start = Instant::now();
    find_planted(world, scanner, haystacks);
    println!("all planted leaks found ({:?})", start.elapsed());
}

fn needles(world: &World) -> Vec<Needle> {
    let mut needles = Vec::new();
    for patron in world.told["patrons"].as_array().unwrap() {
        let text = |key: &str| patron[key].as_str().unwrap().to_owned();
        let (card, pin, library) = (text("card"), text("pin"), text("library"));
        let vendors = || VENDORS.into_iter().chain(PARTIES).map(str::to_owned);
        let beside = || vendors().chain([pin.clone(), library.clone()]).collect();
        for text in patron["pii"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_owned()) {
            assert!(text.chars().all(marks::is_known), "a letter that may have another spelling: {text}");
            if text == pin {
                continue;
            }
            let number = text.len() >= 9 && text.bytes().all(|b| b.is_ascii_digit());
            needles.push(if number { Needle::Card { number: text, beside: beside() } } else { Needle::Text(text) });
        }
        // A card without its check digit still names one patron.
        needles.push(Needle::Text(card[..card.len() - 1].to_owned()));
        needles.push(Needle::Pin(pin));
    }
    needles
}

/// Plants a leak in a copy of each of twelve haystacks, each of another patron and in another way, and looks for them.
fn find_planted(world: &World, scanner: &Scanner, haystacks: &[Haystack]) {
    let pii = |patron: usize, at: usize| world.patron(patron)["pii"][at].as_str().unwrap().to_owned();
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let escaped = |text: &str| text.bytes().map(|b| format!("%25{b:02X}")).collect::<String>();
    let token = |claims: &str| format!("eyJhbGciOiJFUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
    let form = |text: &str| {
        let xml = STANDARD.encode(format!("<saml:NameID>{text}</saml:NameID>"));
        url::form_urlencoded::Serializer::new(String::new()).append_pair("SAMLResponse", &xml).finish()
    };
    let query = |text: &str| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(format!("<saml:NameID>{text}</saml:NameID>").as_bytes()).unwrap();
        let xml = STANDARD.encode(encoder.finish().unwrap());
        url::form_urlencoded::Serializer::new(String::new()).append_pair("SAMLRequest", &xml).finish()
    };
    let plants: [(&str, String, Vec<u8>); 12] = [
        ("atlas", pii(100, 0), format!("x-patron: {}\r\n", pii(100, 0)).into()),
        ("press", pii(200, 14), token(&format!("{{\"born\":\"{}\"}}", pii(200, 14))).into()),
        ("research", pii(300, 0), hex(digest(&SHA256, pii(300, 0).as_bytes()).as_ref()).into()),
        ("chronicle", pii(350, 6), token(&format!("{{\"sub\":\"{}\"}}", pii(350, 6))).into()),
        ("lexicon", pii(360, 2), format!("code=x&state={}", escaped(&pii(360, 2))).into()),
        ("gazette", pii(370, 6), form(&pii(370, 6)).into()),
        ("lyceum", pii(380, 6), query(&pii(380, 6)).into()),
        ("log", pii(400, 1), format!(" path=/login?pin={} ", pii(400, 1)).into()),
        ("metrics", pii(500, 5), format!("x{{who=\"{}\"}} 1\n", pii(500, 5)).into()),
        ("browsers", pii(600, 6), escaped(&pii(600, 6)).into()),
        ("environ", pii(700, 9), STANDARD.encode(gzip(&pii(700, 9))).into()),
        ("vestibule.toml", pii(800, 2), wide(&pii(800, 2))),
    ];
    let mut copies = Vec::new();
    for (name, _, leak) in &plants {
        let original = haystacks.iter().find(|h| h.name.ends_with(name));
        let mut bytes = original.map(|h| h.bytes.clone()).unwrap_or_default();
        let middle = bytes.len() / 2;
        let line = bytes[middle..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| middle + at + 1);
        bytes.splice(line..line, leak.iter().copied());
        copies.push(Haystack::new(*name, bytes));
    }
    let hits = scanner.scan(&copies);
    for (name, needle, _) in &plants {
        let found = hits.iter().any(|hit| hit.needle == *needle && hit.place.starts_with(name));
        assert!(found, "the leak that was planted in {name} was not found");
    }
}

fn look_for_links(readers: &[Reader], records: &[Records; 3], dice: &mut Dice) {
    let side = |at: usize| (&records[at], VENDORS[at]);
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let strolled = compare(readers, (side(one), side(other)), dice);
        let (found, chance) = (join::found_by_time(&strolled), 1.0 / 20.0);
        println!("{} strollers, {} at once: {found:.4} found by time of issue", strolled.len(), crowd::AT_ONCE);
        assert!(found <= 2.0 * chance, "{found} of the readers are found by their time");
    }
    look_at_names(readers, records);
}

/// Compares the records of two vendors on those who marched; gives back those who strolled.
fn compare(readers: &[Reader], (one, other): (join::Side<'_>, join::Side<'_>), dice: &mut Dice) -> Vec<join::Pair> {
    let (strolled, marched): (Vec<join::Pair>, Vec<join::Pair>) =
        join::pairs(readers, one, other).into_iter().partition(|pair| pair.group.0 == 0);
    let likeness = join::likeness(&marched, dice);
    println!("{} and {}: {likeness:?}", one.1, other.1);
    assert!(marched.len() > 300 && likeness.is_chance(), "the records of two vendors can be joined");
    for (what, planted) in [
        ("an id for all", with_shared_id(&marched, 1)),
        ("an id for every twentieth", with_shared_id(&marched, 20)),
        ("the time of sign-in", with_time_of_sign_in(&marched)),
    ] {
        let likeness = join::likeness(&planted, dice);
        assert!(!likeness.is_chance(), "{what} that both vendors know is not noticed: {likeness:?}");
    }
    strolled
}

/// What a vendor that signs readers in holds of each visitor: their requests, and what it was told.
fn records_of_party(world: &World, readers: &[Reader], vendor: &'static str) -> Records {
    let mut records = join::records(&world.received(vendor));
    records.retain(|mark, _| readers.iter().any(|r| r.told.contains_key(vendor) && r.marks[vendor] == *mark));
    for reader in readers {
        let Some(told) = reader.told.get(vendor) else { continue };
        records.get_mut(&reader.marks[vendor]).unwrap().was_told(told);
    }
    assert_eq!(records.len(), CALLING * WAVE);
    records
}

/// Vendors that sign readers in among themselves, and beside one of the gateway's; and their names for readers.
fn look_for_links_of_parties(readers: &[Reader], (records, told): (&[Records; 3], &[Records; 4]), dice: &mut Dice) {
    let parties @ [chronicle, lexicon, lyceum, gazette] = std::array::from_fn(|at| (&told[at], PARTIES[at]));
    let [atlas, press] = [(&records[0], VENDORS[0]), (&records[1], VENDORS[1])];
    let others = [(lyceum, gazette), (chronicle, lyceum), (lexicon, gazette), (atlas, lyceum)];
    for sides in [(chronicle, lexicon), (atlas, chronicle), (press, lexicon)].into_iter().chain(others) {
        compare(readers, sides, dice);
    }
    let mut all: HashSet<String> =
        records.iter().flat_map(HashMap::values).filter_map(|r| r.name().map(str::to_owned)).collect();
    for (records, vendor) in parties {
        let own = |reader: &'_ Reader| records.get(reader.marks.get(vendor)?).map(|record| record.claims.clone());
        let visitors: Vec<_> = readers.iter().filter_map(|reader| Some((reader, own(reader)?))).collect();
        let own: &[&str] = match vendor {
            "lyceum" => &["sub", "name_id", "SessionIndex", "ID"],
            "gazette" => &["sub", "SessionIndex", "ID"],
            _ => &["sub", "sid", "nonce", "at_hash"],
        };
        for claim in own {
            let mut values = visitors.iter().map(|(_, claims)| claims[*claim].as_str().unwrap().to_owned());
            assert!(values.all(|value| all.insert(value)), "a `{claim}` of {vendor} is there twice");
        }
        let by = |key: fn(&Reader) -> String| visitors.iter().map(move |(r, c)| (key(r), c["sub"].to_string()));
        let card: Vec<_> = by(|reader| reader.card.clone()).collect();
        let enrolment: Vec<_> = by(|reader| format!("{:06}", reader.index)).collect();
        let [card, enrolment] = [join::rank_correlation(&card), join::rank_correlation(&enrolment)];
        println!("{vendor}: {} names; rank correlation with cards {card:.3}, enrolment {enrolment:.3}", visitors.len());
        // Four and a half deviations: the names of one vendor are others at each run.
        let most = 4.5 / f64::from(u32::try_from(visitors.len()).unwrap()).sqrt();
        assert!(card.abs() < most && enrolment.abs() < most);
    }
}

/// As if both vendors were told one random number.
fn with_shared_id(pairs: &[join::Pair], every: usize) -> Vec<join::Pair> {
    let mut pairs = pairs.to_vec();
    let marked = pairs.iter_mut().enumerate().step_by(every);
    marked.for_each(|(at, pair)| pair.tell(&format!("{:016x}", Dice(at as u64).roll())));
    pairs
}

/// As if both vendors were told when the patron signed in.
fn with_time_of_sign_in(pairs: &[join::Pair]) -> Vec<join::Pair> {
    let mut pairs = pairs.to_vec();
    pairs.iter_mut().for_each(|pair| pair.tell(&pair.issued[0].to_string()));
    pairs
}

/// Names are each vendor's own, never shared by two readers, and sort neither by card nor by enrolment.
fn look_at_names(readers: &[Reader], records: &[Records; 3]) {
    let mut all = HashSet::new();
    for (vendor, records) in VENDORS.into_iter().zip(records) {
        let visitors: Vec<_> = readers.iter().filter_map(|r| Some((r, r.marks.get(vendor)?))).collect();
        let recorded: Vec<_> = visitors.iter().map(|(reader, mark)| (*reader, &records[*mark])).collect();
        assert!(recorded.iter().all(|(_, record)| record.claims.contains_key("jti")));
        let jtis: HashSet<String> = recorded.iter().map(|(_, record)| record.claims["jti"].to_string()).collect();
        assert_eq!(jtis.len(), recorded.len());
        let named: Vec<_> = recorded.iter().filter_map(|(reader, record)| Some((*reader, record.name()?))).collect();
        assert_eq!(named.len(), if vendor == "press" { 0 } else { recorded.len() }, "{vendor}");
        assert!(named.iter().all(|(_, name)| all.insert((*name).to_owned())), "a name is there twice");
        if named.is_empty() {
            continue;
        }
        let by_card: Vec<_> = named.iter().map(|(reader, name)| (&reader.card, name)).collect();
        let by_enrolment: Vec<_> = named.iter().map(|(reader, name)| (reader.index, name)).collect();
        let [card, enrolment] = [join::rank_correlation(&by_card), join::rank_correlation(&by_enrolment)];
        println!("{vendor}: {} names; rank correlation with cards {card:.3}, enrolment {enrolment:.3}", named.len());
        assert!(card.abs() < 0.1 && enrolment.abs() < 0.1);
    }
}

fn try_the_dictionary(world: &World, (records, told): (&[Records; 3], &[Records; 4])) {
    let start = Instant::now();
    let records = records.iter().chain(told).flat_map(HashMap::values);
    let pseudonyms: HashSet<[u8; 8]> = records.filter_map(|r| Some(dictionary::first_bytes(r.name()?))).collect();
    assert!(pseudonyms.len() > PATRONS);
    let mut people = Vec::new();
    for patron in world.told["patrons"].as_array().unwrap() {
        let library = patron["library"].as_str().unwrap();
        let pii = patron["pii"].as_array().unwrap();
        // The card, and the library system's own number.
        let ids =
            pii.iter().filter_map(Value::as_str).filter(|t| t.len() >= 9 && t.bytes().all(|b| b.is_ascii_digit()));
        people.extend(ids.map(|id| (id.to_owned(), library.to_owned())));
    }
    assert_eq!(people.len(), world.told["patrons"].as_array().unwrap().len() * 2);
    let tokens = dictionary::tokens(&files(&world.folder.path().join("demo/state")));
    // Names over OpenID Connect go by host, those over SAML by entity.
    let entities = ["lyceum", "gazette"]
        .map(|vendor| format!("saml:{}/saml/metadata", world.vendor(vendor)["origin"].as_str().unwrap()));
    let vendors: Vec<_> = VENDORS.into_iter().chain(PARTIES).chain(["127.0.0.1", "localhost"]).collect();
    let vendors: Vec<_> = vendors.into_iter().chain(entities.iter().map(String::as_str)).collect();
    let fitting = dictionary::keys_that_fit(&tokens, &people, &vendors, &pseudonyms);
    let count = pseudonyms.len();
    println!(
        "{} tokens of the state against {count} pseudonyms: {} fit ({:?})",
        tokens.len(),
        fitting.len(),
        start.elapsed()
    );
    assert!(!tokens.is_empty() && fitting.is_empty());
}
