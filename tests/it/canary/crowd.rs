//! The crowd: patrons with a browser each, many at a time, who sign in and read at vendors.
use super::scanner_tests::Dice;
use crate::support::{Browser, World};
use futures_util::StreamExt;
use futures_util::stream;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How many browsers work at once.
pub(super) const AT_ONCE: usize = 40;

/// Somebody with a browser. Each vendor's pages that they ask for carry a number of their own, by which the test, and
/// nobody else, knows whose requests a vendor recorded.
pub(super) struct Reader {
    /// The place in `demo.json`, which is the order of enrolment.
    pub(super) index: usize,
    pub(super) library: String,
    pub(super) card: String,
    /// Which of the groups that moved together.
    pub(super) wave: usize,
    pub(super) marks: BTreeMap<&'static str, u32>,
    /// What each vendor that signs readers in was told, as it says itself.
    pub(super) told: BTreeMap<&'static str, Value>,
    /// Cookies, addresses and header fields that the browser saw.
    pub(super) seen: String,
    browser: Option<Browser>,
}

impl Reader {
    /// Signs in on the way to a vendor, or goes there when signed in already, and reads.
    async fn read(&mut self, world: &World, vendor: &'static str) {
        let mut browser = self.browser.take().unwrap_or_else(|| world.browser());
        let mark = self.marks[vendor];
        let origin = world.vendor(vendor)["origin"].as_str().unwrap();
        let link = format!("{}/login?url={origin}/article/{mark}", world.portal());
        let patron = world.patron(self.index);
        let page = if self.seen.is_empty() {
            world.sign_in(&mut browser, patron, Some(&link)).await
        } else {
            browser.visit(&link).await
        };
        assert_eq!(page.status, StatusCode::OK, "patron {} at {vendor}: {}", self.index, page.text());
        assert_eq!(page.url.path(), format!("/article/{mark}"));
        let mut pages = vec![page];
        for path in ["/set-cookie", "/me"] {
            pages.push(browser.get(&world.vendor_url(vendor, &format!("{path}?n={mark}"))).await);
        }
        let upload = Request::post(world.vendor_url(vendor, &format!("/upload?n={mark}")));
        pages.push(browser.send(upload.body(Bytes::from(essay())).unwrap()).await);
        pages.push(browser.get(&world.vendor_url(vendor, &format!("/article/{mark}"))).await);
        for page in pages {
            assert_eq!(page.status, StatusCode::OK, "{}: {}", page.url, page.text());
            writeln!(self.seen, "{}\n{:?}", page.url, page.headers).unwrap();
        }
        self.browser = Some(browser);
    }

    /// Goes to a vendor that signs readers in, does so by way of the portal, and reads.
    async fn call_on(&mut self, world: &World, vendor: &'static str) {
        let mut browser = self.browser.take().unwrap_or_else(|| world.browser());
        let mark = self.marks[vendor];
        let origin = world.vendor(vendor)["origin"].as_str().unwrap();
        let mut page = browser.visit(&format!("{origin}/login?target=/article/{mark}")).await;
        let patron = world.patron(self.index);
        for _ in 0..4 {
            writeln!(self.seen, "{}\n{:?}", page.url, page.headers).unwrap();
            page = if page.text().contains("name=\"pin\"") {
                let page = world.submit(&mut browser, &page, &self.card, patron).await;
                browser.follow(page).await
            } else if let Some(form) = page.outward_form() {
                browser.post_outward(&form).await
            } else {
                break;
            };
        }
        assert_eq!(page.status, StatusCode::OK, "patron {} at {vendor}: {}", self.index, page.text());
        assert_eq!(page.url.path(), format!("/article/{mark}"));
        let told = browser.get(&format!("{origin}/claims?n={mark}")).await;
        writeln!(self.seen, "{}\n{:?}\n{}", page.url, page.headers, told.text()).unwrap();
        if vendor == "lyceum" {
            // What came encrypted; everything else is in what the vendor received.
            let page = browser.get(&format!("{origin}/?n={mark}")).await.text();
            writeln!(self.seen, "{}", page.rsplit_once("<pre>").unwrap().1).unwrap();
        }
        let told = serde_json::from_slice(&told.body).unwrap();
        let saml = world.vendor(vendor)["protocol"] == "saml";
        self.told.insert(vendor, if saml { in_common_words(&told) } else { told });
        self.browser = Some(browser);
    }

    fn leave(&mut self, world: &World) {
        let Some(browser) = self.browser.take() else { return };
        self.seen.push_str(&jar(&browser, world));
    }
}

/// What a vendor over SAML was told, in the words of the others where they have some.
fn in_common_words(told: &Value) -> Value {
    let mut claims = told.as_object().unwrap().clone();
    let mut attributes = claims.remove("attributes").unwrap();
    claims.append(attributes.as_object_mut().unwrap());
    let name = claims["NameID"]["value"].clone();
    let pairwise = claims.get("urn:oasis:names:tc:SAML:attribute:pairwise-id");
    let pairwise = pairwise.map(|values| values[0].as_str().unwrap().split('@').next().unwrap().into());
    let issued = OffsetDateTime::parse(claims["IssueInstant"].as_str().unwrap(), &Rfc3339).unwrap();
    claims.insert("sub".to_owned(), pairwise.unwrap_or_else(|| name.clone()));
    claims.insert("name_id".to_owned(), name);
    claims.insert("iat".to_owned(), issued.unix_timestamp().into());
    json!({ "assertion": claims })
}

/// What a patron sends to a vendor of their own will: nothing that names them.
fn essay() -> Vec<u8> {
    b"an upload of a few lines that tell nothing of whoever wrote them\n".repeat(16)
}

/// Hosts of the portal, and of vendors that browsers go to by themselves.
const HOSTS: [&str; 5] =
    ["login.vestibule.localhost", "127.0.0.1", "localhost", "lyceum.localhost", "gazette.localhost"];

/// All cookies of a browser.
fn jar(browser: &Browser, world: &World) -> String {
    let vendors = world.told["vendors"].as_array().unwrap().iter().filter_map(|v| v["host"].as_str());
    let hosts = vendors.chain(HOSTS);
    hosts.flat_map(|host| browser.cookies(host)).map(|cookie| cookie + "\n").collect()
}

/// Readers who may sign in, at most `count`.
pub(super) fn readers(world: &World, count: usize, dice: &mut Dice) -> Vec<Reader> {
    let good = |patron: &Value| {
        let note = patron["note"].as_str().unwrap();
        note.contains("good")
    };
    let mut taken = HashSet::new();
    let mut mark = || loop {
        // Ten digits that fit 32 bits: no string of a patron looks so.
        let mark = u32::try_from(1_000_000_000 + dice.below(3_000_000_000)).unwrap();
        if taken.insert(mark) {
            return mark;
        }
    };
    let patrons = world.told["patrons"].as_array().unwrap().iter().enumerate().filter(|(_, p)| good(p)).take(count);
    let reader = |(index, patron): (usize, &Value)| {
        let text = |key: &str| patron[key].as_str().unwrap().to_owned();
        let mut marks: BTreeMap<_, _> = ["atlas", "press"].into_iter().chain(PARTIES).map(|v| (v, mark())).collect();
        if text("library") == "elmwood" && text("note").contains("adult") {
            marks.insert("research", mark());
        }
        let (told, seen, browser) = (BTreeMap::new(), String::new(), None);
        Reader { index, library: text("library"), card: text("card"), wave: 0, marks, told, seen, browser }
    };
    patrons.map(reader).collect()
}

/// Lets a wave of readers read at all vendors, each one at its own pace.
pub(super) async fn stroll(world: &World, readers: Vec<Reader>, wave: usize) -> Vec<Reader> {
    let one = |mut reader: Reader| async move {
        reader.wave = wave;
        for vendor in ["atlas", "press", "research"] {
            if reader.marks.contains_key(vendor) {
                reader.read(world, vendor).await;
            }
        }
        reader.leave(world);
        reader
    };
    stream::iter(readers).map(one).buffer_unordered(AT_ONCE).collect().await
}

/// Lets a wave of readers go to one vendor after the other, all of them to the first before anybody goes to the next,
/// each time in another order. So the order and the time of visits tell nothing, and whatever still joins two vendors'
/// records is in the records.
pub(super) async fn march(world: &World, readers: Vec<Reader>, (wave, dice): (usize, &mut Dice)) -> Vec<Reader> {
    let mut vendors = ["atlas", "press", "research"];
    dice.shuffle(&mut vendors);
    // Everybody can sign in on the way to these.
    let first = vendors.iter().position(|v| *v != "research").unwrap();
    vendors.swap(0, first);
    let mut readers = readers;
    for vendor in vendors {
        dice.shuffle(&mut readers);
        let one = |mut reader: Reader| async move {
            reader.wave = wave;
            if reader.marks.contains_key(vendor) {
                reader.read(world, vendor).await;
            }
            reader
        };
        readers = stream::iter(readers).map(one).buffer_unordered(AT_ONCE).collect().await;
    }
    readers.iter_mut().for_each(|reader| reader.leave(world));
    readers
}

/// The vendors that sign readers in: over OpenID Connect, and over SAML.
pub(super) const PARTIES: [&str; 4] = ["chronicle", "lexicon", "lyceum", "gazette"];

/// Lets a wave of readers go to the vendors that sign readers in, as [`march`] does to the others. They come with a new
/// browser, so whichever is first has them sign in.
pub(super) async fn call_on_parties(world: &World, mut readers: Vec<Reader>, dice: &mut Dice) -> Vec<Reader> {
    let mut vendors = PARTIES;
    dice.shuffle(&mut vendors);
    for vendor in vendors {
        dice.shuffle(&mut readers);
        let one = |mut reader: Reader| async move {
            reader.call_on(world, vendor).await;
            reader
        };
        readers = stream::iter(readers).map(one).buffer_unordered(AT_ONCE).collect().await;
    }
    readers.iter_mut().for_each(|reader| reader.leave(world));
    readers
}

/// Sign-ins that fail, of every kind that there is; what the browsers saw.
pub(super) async fn turned_away(world: &World) -> String {
    let patrons = world.told["patrons"].as_array().unwrap();
    let refused = patrons.iter().filter(|p| !p["note"].as_str().unwrap().contains("good"));
    let right = |p: &Value| (p.clone(), p["card"].as_str().unwrap().to_owned(), p["pin"].as_str().unwrap().to_owned());
    let mut attempts: Vec<_> = refused.map(right).collect();
    for patron in patrons.iter().skip(5).step_by(40) {
        let (patron, card, pin) = right(patron);
        let unknown = card.chars().rev().collect();
        attempts.push((patron.clone(), card.clone(), pin.chars().rev().collect()));
        attempts.push((patron.clone(), unknown, pin.clone()));
        let elsewhere = if patron["library"] == "elmwood" { "harbour" } else { "elmwood" };
        let mut stranger = patron;
        stranger["library"] = elsewhere.into();
        attempts.push((stranger, card, pin));
    }
    let one = |(patron, card, pin): (Value, String, String)| async move {
        let mut browser = world.browser();
        let start = world.vendor("atlas")["start"].as_str().unwrap();
        let form = browser.visit(start).await;
        let page = world.post_login(&mut browser, &form, (&card, &pin), patron["library"].as_str().unwrap()).await;
        let page = browser.follow(page).await;
        assert_ne!(page.url.host_str(), world.vendor("atlas")["host"].as_str(), "nobody came through");
        format!("{}\n{:?}\n{}\n{}", page.url, page.headers, page.text(), jar(&browser, world))
    };
    stream::iter(attempts).map(one).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await.concat()
}
