//! A portal whose vendors run on what others wrote, and readers on their way through it.
use super::program::{self, Apache, Kind, Site, Surroundings};
use super::vendors::Vendor;
pub(super) use crate::support::forms::{Form, attribute};
use crate::support::observe::PATIENCE;
use crate::support::program::Program;
use crate::support::served::{Served, free_port, printed, vestibule};
use crate::support::{Browser, Page, World};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::body::Bytes;
use hyper::header::ACCEPT;
use hyper::{Request, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use url::Url;
use vestibule::cli::dev_certs;
use vestibule::domain::{Clock, SystemClock};

/// The portal and the vendors.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) served: Served,
    folder: TempDir,
    ports: BTreeMap<&'static str, u16>,
    programs: BTreeMap<Kind, Program>,
    pub(super) apache: Option<Apache>,
}

impl Scene {
    /// Starts the sites of these vendors, and a portal that knows them.
    pub(super) async fn start(vendors: &[Vendor]) -> Self {
        let (world, folder) = (World::start(), TempDir::new().unwrap());
        let names = ["localhost", "127.0.0.1", "*.partners.localhost"];
        let made = dev_certs::make(folder.path(), &names, SystemClock.now()).unwrap();
        // Vendors do not share the portal's authority; a browser trusts both.
        let both = [&made.ca, &world.path("ca")].map(|file| fs::read_to_string(file).unwrap());
        fs::write(folder.path().join("both.pem"), both.join("\n")).unwrap();
        let ca = world.path("ca");
        let (certificate, key) = (made.certificate.as_path(), made.key.as_path());
        let around = Surroundings { folder: folder.path(), ca: &ca, certificate, key };
        let (mut programs, mut ports) = (BTreeMap::new(), BTreeMap::new());
        for vendor in vendors {
            let port = match vendor.kind {
                Kind::Apache => free_port(),
                kind => programs.entry(kind).or_insert_with(|| program::start(kind, &around)).port,
            };
            ports.insert(vendor.id, port);
        }
        let tables: String = vendors.iter().map(|v| table(v, ports[v.id], &made.ca)).collect();
        let library = "[[library]]\nid = \"elmwood\"\n";
        let served = Served::beside(&world, |text| {
            assert!(text.contains(library));
            // Only the vendors that say so are at the library's own issuer.
            format!("{}\n{tables}", text.replace(library, &format!("{library}own_issuer = true\n")))
        })
        .await;
        for (kind, program) in &mut programs {
            let theirs = vendors.iter().filter(|v| v.kind == *kind);
            let clients: Map<_, _> = theirs.map(|v| (v.id.to_owned(), client(v, ports[v.id]))).collect();
            program::configure(program, &served.portal, &Value::Object(clients));
        }
        let mut apache = None;
        if let Some(vendor) = vendors.iter().find(|v| v.kind == Kind::Apache) {
            let port = ports[vendor.id];
            let (origin, secret) = (origin(vendor.id, port), vendor.secret.unwrap());
            let issuer = &served.portal;
            let site = Site { port, issuer, origin: &origin, client: vendor.id, secret, algorithm: "ES256" };
            apache = Some(Apache::start(&site, &around).await);
        }
        Self { world, served, folder, ports, programs, apache }
    }

    pub(super) fn browser(&self) -> Browser {
        Browser::new(&self.folder.path().join("both.pem"))
    }

    /// A page of a vendor's site.
    pub(super) fn at(&self, vendor: Vendor, path: &str) -> String {
        format!("{}{path}", origin(vendor.id, self.ports[vendor.id]))
    }

    /// The certificate of the vendors' sites.
    pub(super) fn certificate(&self) -> PathBuf {
        dev_certs::CertFiles::in_folder(self.folder.path()).certificate
    }

    pub(super) fn program(&self, vendor: Vendor) -> &Program {
        &self.programs[&vendor.kind]
    }

    /// Where a reader begins at a vendor's site.
    pub(super) fn beginning(&self, vendor: Vendor) -> String {
        self.at(
            vendor,
            match vendor.kind {
                Kind::OpenidClient | Kind::Authlib => "/start",
                Kind::Express => "/login",
                Kind::Apache => "/index.html",
            },
        )
    }

    /// Goes to a vendor's site to sign in there, and comes back with what its client was told. Whoever has no session yet
    /// shows a card on the way.
    pub(super) async fn enter(&self, browser: &mut Browser, vendor: Vendor) -> Value {
        let page = self.knock(browser, &self.beginning(vendor)).await;
        assert_eq!(page.status, StatusCode::OK, "{} {}", page.url, page.text());
        if vendor.kind == Kind::Apache {
            assert_eq!(page.text(), "the reading room");
            let info = browser.get(&self.at(vendor, "/callback?info=json")).await;
            let mut told = json(&info);
            let kept = serde_json::from_str::<Value>(told["session"]["state"]["idc"].as_str().unwrap()).unwrap();
            assert_eq!(told["id_token"], kept);
            let header = told["session"]["state"]["idt"].as_str().unwrap().split('.').next().unwrap();
            let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
            let claims = told["id_token"].take();
            assert_eq!(page.headers["x-remote-user"], claims["sub"].as_str().unwrap());
            return json!({ "claims": claims, "userinfo": told["userinfo"], "header": header, "signed_in": true });
        }
        json(&page)
    }

    /// Opens an address and follows it through the portal, with the card of the first patron where one is asked for.
    pub(super) async fn knock(&self, browser: &mut Browser, address: &str) -> Page {
        let page = navigate(browser, address).await;
        let page = self.pass(browser, page).await;
        if !page.text().contains("name=\"pin\"") {
            return page;
        }
        let page = self.show_card(browser, &page, &self.world.patron(0).clone()).await;
        self.pass(browser, page).await
    }

    /// Sends the sign-in form on a page.
    pub(super) async fn show_card(&self, browser: &mut Browser, form: &Page, patron: &Value) -> Page {
        let hidden = |name: &str| form.hidden(name).unwrap_or_else(|| panic!("no `{name}`: {}", form.text()));
        let (token, request) = (hidden("token"), hidden("request"));
        let card = ["library", "card", "pin"].map(|key| (key, patron[key].as_str().unwrap()));
        let fields = [("token", &*token), ("request", &*request)].into_iter().chain(card).collect::<Vec<_>>();
        browser.post(&format!("{}/login", self.served.portal), &fields).await
    }

    /// Follows redirects, and sends on the forms that send themselves.
    pub(super) async fn pass(&self, browser: &mut Browser, page: Page) -> Page {
        let mut page = browser.follow(page).await;
        while self.is_of_the_portal(&page)
            && let Some(form) = Form::of(&page).filter(|form| !self.is_at_the_portal(&form.action))
        {
            page = form.send(browser).await;
            page = browser.follow(page).await;
        }
        page
    }

    pub(super) fn is_of_the_portal(&self, page: &Page) -> bool {
        self.is_at_the_portal(&page.url)
    }

    fn is_at_the_portal(&self, url: &Url) -> bool {
        url.origin().ascii_serialization() == self.served.portal
    }

    /// What a client's page tells.
    pub(super) async fn ask(&self, browser: &mut Browser, vendor: Vendor, path: &str) -> Value {
        let page = browser.get(&self.at(vendor, path)).await;
        json(&page)
    }

    /// Waits until a client's page says that nobody is signed in: word of a sign-out goes from the portal to the vendor.
    pub(super) async fn is_signed_out(&self, browser: &mut Browser, vendor: Vendor, path: &str) {
        let begun = Instant::now();
        loop {
            let told = self.ask(browser, vendor, path).await;
            if told["signed_in"] == false {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{} did not hear: {told} {}", vendor.id, self.program(vendor).log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The identifiers of the keys that the portal publishes.
    pub(super) async fn published(&self) -> BTreeMap<String, String> {
        let page = self.browser().get(&format!("{}/oidc/jwks", self.served.portal)).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        json(&page)["keys"].as_array().unwrap().iter().map(|key| (text(&key["kid"]), text(&key["alg"]))).collect()
    }

    /// Runs a command of `vestibule keys` on the portal's configuration.
    pub(super) fn keys(&self, arguments: &[&str]) -> String {
        let config = self.served.config();
        let all = [&["keys"], arguments, &["--config", config.to_str().unwrap()]].concat();
        let done = vestibule(&all, "");
        assert_eq!(done.status.code(), Some(0), "{}", printed(&done));
        printed(&done)
    }

    /// Nothing that the library holds on its patron, nor the cookie of the portal, came to any vendor.
    pub(super) fn nothing_personal_got_out(&self) {
        let patron = self.world.patron(0);
        let held = patron["pii"].as_array().unwrap().iter().chain([&patron["card"], &patron["pin"]]);
        let held: Vec<_> = held.map(|value| value.as_str().unwrap()).chain(["__Host-vestibule"]).collect();
        for (kind, program) in &self.programs {
            let heard = program.heard();
            assert!(heard.contains("/.well-known/openid-configuration"), "what {kind:?} heard is kept");
            for value in &held {
                assert!(!heard.contains(value), "{kind:?} heard what the library holds");
                assert!(!heard.contains(&URL_SAFE_NO_PAD.encode(value)), "{kind:?} heard it in disguise");
            }
        }
    }
}

/// Opens an address as a browser does for its reader: Apache sends whoever does not ask for a page a bare 401.
pub(super) async fn navigate(browser: &mut Browser, address: &str) -> Page {
    browser.send(Request::get(address).header(ACCEPT, "text/html,*/*;q=0.8").body(Bytes::new()).unwrap()).await
}

fn origin(vendor: &str, port: u16) -> String {
    format!("https://{vendor}.partners.localhost:{port}")
}

/// Fills in a text of a [`Vendor`].
fn filled(text: &str, vendor: &Vendor, port: u16) -> String {
    let local = format!("https://localhost:{port}/{}", vendor.id);
    text.replace("@ORIGIN@", &origin(vendor.id, port)).replace("@LOCAL@", &local).replace("@PORT@", &port.to_string())
}

/// The lines of the configuration for a vendor, which the first patron's library has licensed.
fn table(vendor: &Vendor, port: u16, ca: &std::path::Path) -> String {
    let (id, origin, lines) = (vendor.id, origin(vendor.id, port), filled(vendor.lines, vendor, port));
    let secret = vendor.secret.map_or_else(String::new, |secret| {
        let digest = URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()));
        format!("client_secret_sha256 = \"{digest}\"\n")
    });
    format!(
        r#"
[[vendor]]
id = "{id}"
name = "The {id}"
protocol = "oidc"
origin = "{origin}"
ca_file = "{ca}"
private_addresses = ["127.0.0.1"]

[vendor.oidc]
redirect_uris = ["{origin}/callback"]
{secret}{lines}
[[licence]]
library = "elmwood"
vendor = "{id}"
"#,
        ca = ca.display(),
    )
}

/// What a program is told of a client.
fn client(vendor: &Vendor, port: u16) -> Value {
    let mut told: Value = serde_json::from_str(vendor.told).unwrap();
    told["client_id"] = json!(vendor.id);
    told["origin"] = json!(origin(vendor.id, port));
    told["secret"] = json!(vendor.secret);
    told
}

/// A page that is JSON.
pub(super) fn json(page: &Page) -> Value {
    let read = serde_json::from_slice(&page.body);
    read.unwrap_or_else(|error| panic!("{error}: {} {} {}", page.status, page.url, page.text()))
}
