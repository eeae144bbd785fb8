//! A portal whose vendors run on what others wrote, and readers on their way through it.
use super::program::{self, Apache, Kind, Surroundings, key_pair};
use super::vendors::Vendor;
use crate::saml::emitted::elements;
use crate::saml::page::{Form, Way, go_on, navigate};
use crate::support::observe::{PATIENCE, reloads, until};
use crate::support::program::Program;
use crate::support::served::{Served, free_port, printed, vestibule};
use crate::support::{Browser, Page, World};
use hyper::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use vestibule::cli::dev_certs;
use vestibule::domain::{Clock, SystemClock};

/// What Shibboleth has in place of its identity provider's metadata while it tells its own.
const NOBODY: &str = "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
                      entityID=\"https://nobody.invalid/\"><md:IDPSSODescriptor protocolSupportEnumeration=\"\
                      urn:oasis:names:tc:SAML:2.0:protocol\"><md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:\
                      2.0:bindings:HTTP-Redirect\" Location=\"https://nobody.invalid/\"/></md:IDPSSODescriptor>\
                      </md:EntityDescriptor>";

/// The portal and the vendors.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) served: Served,
    folder: TempDir,
    ports: BTreeMap<&'static str, u16>,
    programs: BTreeMap<Kind, Program>,
    apaches: BTreeMap<&'static str, Apache>,
    learnt: u64,
}

impl Scene {
    /// Starts the sites of these vendors, and a portal that knows them.
    pub(super) async fn start(vendors: &[Vendor]) -> Self {
        Self::start_with(vendors, |text| text).await
    }

    /// As [`Scene::start`], with another change to the configuration.
    pub(super) async fn start_with(vendors: &[Vendor], edit: impl FnOnce(String) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        let names = ["localhost", "127.0.0.1", "*.partners.localhost"];
        let made = dev_certs::make(folder.path(), &names, SystemClock.now()).unwrap();
        let around = Surroundings { folder: folder.path(), certificate: &made.certificate, key: &made.key };
        let mut programs = BTreeMap::new();
        for kind in vendors.iter().map(|v| v.kind).filter(|kind| matches!(kind, Kind::Pysaml2 | Kind::Python3Saml)) {
            programs.entry(kind).or_insert_with(|| program::start(kind, &around));
        }
        let (mut apaches, mut ports) = (BTreeMap::new(), BTreeMap::new());
        for vendor in vendors.iter().filter(|v| matches!(v.kind, Kind::Shibboleth | Kind::Mellon)) {
            let port = free_port();
            ports.insert(vendor.id, port);
            apaches.insert(vendor.id, Apache::prepare(vendor.kind, &origin(vendor.id, port), &around));
        }
        let world = World::start();
        // Vendors do not share the portal's authority; a browser trusts both.
        let both = [&made.ca, &world.path("ca")].map(|file| fs::read_to_string(file).unwrap());
        fs::write(folder.path().join("both.pem"), both.join("\n")).unwrap();
        for (kind, program) in &mut programs {
            program.wait();
            let theirs: Vec<_> = vendors.iter().filter(|v| v.kind == *kind).collect();
            ports.extend(theirs.iter().map(|v| (v.id, program.port)));
            program::describe(program, &theirs.iter().map(|v| (v.id.to_owned(), site(v, program.port))).collect());
        }
        for vendor in vendors {
            if let Some(apache) = apaches.get_mut(vendor.id) {
                describe(vendor, apache, folder.path()).await;
            }
        }
        let tables: String = vendors.iter().map(|v| table(v, ports[v.id], folder.path())).collect();
        let served = Served::beside(&world, |text| edit(format!("{text}\n{tables}"))).await;
        let mut scene = Self { world, served, folder, ports, programs, apaches, learnt: 0 };
        scene.learn().await;
        let idp = scene.idp();
        for apache in scene.apaches.values_mut() {
            apache.start(&idp).await;
        }
        scene
    }

    /// The entityID of the portal.
    pub(super) fn idp(&self) -> String {
        format!("{}/saml/metadata", self.served.portal)
    }

    /// The portal's metadata as it is now.
    pub(super) async fn metadata(&self) -> String {
        let page = self.browser().get(&self.idp()).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        assert_eq!(page.headers["content-type"], "application/samlmetadata+xml");
        page.text()
    }

    /// Has all vendors read the portal's metadata as it is now, but for `mod_auth_mellon`, which reads it when it starts.
    pub(super) async fn learn(&mut self) {
        let metadata = self.metadata().await;
        let file = self.folder.path().join("idp.xml");
        fs::write(&file, &metadata).unwrap();
        for program in self.programs.values_mut() {
            program::learn(program, &file);
        }
        self.learnt += 1;
        for apache in self.apaches.values() {
            let (fresh, file) = (apache.at("fresh.xml"), apache.at("idp.xml"));
            fs::write(&fresh, &metadata).unwrap();
            // Shibboleth looks at the second at which the file was written.
            let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 + self.learnt * 10);
            fs::File::options().write(true).open(&fresh).unwrap().set_modified(later).unwrap();
            fs::rename(fresh, file).unwrap();
        }
    }

    /// The certificates in the portal's metadata, as files.
    pub(super) async fn certificates(&self) -> Vec<PathBuf> {
        let metadata = self.metadata().await;
        let named = elements(&metadata, "X509Certificate").into_iter().enumerate();
        let write = |(number, (_, text)): (usize, (&str, &str))| {
            let file = self.folder.path().join(format!("idp-{number}.pem"));
            let text: String = text.split_whitespace().collect();
            let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
            fs::write(&file, pem).unwrap();
            file
        };
        named.map(write).collect()
    }

    pub(super) fn browser(&self) -> Browser {
        Browser::new(&self.folder.path().join("both.pem"))
    }

    /// A page of a vendor's site.
    pub(super) fn at(&self, vendor: Vendor, path: &str) -> String {
        format!("{}{path}", origin(vendor.id, self.ports[vendor.id]))
    }

    /// The entityID of a vendor.
    pub(super) fn entity(&self, vendor: Vendor) -> String {
        self.at(
            vendor,
            match vendor.kind {
                Kind::Shibboleth => "/shibboleth",
                Kind::Mellon => "/mellon/metadata",
                Kind::Pysaml2 | Kind::Python3Saml => "/metadata",
            },
        )
    }

    /// Where a vendor takes responses.
    pub(super) fn consumer(&self, vendor: Vendor) -> String {
        self.at(
            vendor,
            match vendor.kind {
                Kind::Shibboleth => "/Shibboleth.sso/SAML2/POST",
                Kind::Mellon => "/mellon/postResponse",
                Kind::Pysaml2 | Kind::Python3Saml => "/acs",
            },
        )
    }

    /// The certificate of the vendors' sites.
    pub(super) fn certificate(&self) -> PathBuf {
        dev_certs::CertFiles::in_folder(self.folder.path()).certificate
    }

    /// The key with which a vendor decrypts, if it does.
    pub(super) fn decrypts(vendor: Vendor) -> Option<&'static Path> {
        vendor.encrypted.then(|| key_pair().1)
    }

    /// What a vendor's program or server wrote down.
    pub(super) fn log(&self, vendor: Vendor) -> String {
        self.apaches.get(vendor.id).map_or_else(|| self.programs[&vendor.kind].log(), Apache::log)
    }

    /// Where a reader begins at a vendor's site.
    pub(super) fn beginning(&self, vendor: Vendor) -> String {
        self.at(vendor, if self.apaches.contains_key(vendor.id) { "/index.html" } else { "/start" })
    }

    /// Opens an address and goes on from it, with the card of the first patron where one is asked for.
    pub(super) async fn knock(&self, browser: &mut Browser, address: &str) -> Way {
        let page = navigate(browser, address).await;
        let mut way = self.go_on(browser, page).await;
        if !is_form(&way.page) {
            return way;
        }
        let page = self.show_card(browser, &way.page, &self.world.patron(0).clone()).await;
        let rest = self.go_on(browser, page).await;
        way.sent.extend(rest.sent);
        Way { page: rest.page, sent: way.sent }
    }

    pub(super) async fn go_on(&self, browser: &mut Browser, page: Page) -> Way {
        go_on(browser, &self.served.portal, page).await
    }

    /// Sends the sign-in form on a page.
    pub(super) async fn show_card(&self, browser: &mut Browser, form: &Page, patron: &Value) -> Page {
        let all = Form::all(form);
        let sent = all.iter().find(|each| each.field("token").is_some());
        let sent = sent.unwrap_or_else(|| panic!("no form: {} {}", form.status, form.text()));
        let mut fields: Vec<_> = sent.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend(["library", "card", "pin"].map(|key| (key, patron[key].as_str().unwrap())));
        browser.post(&format!("{}/login", self.served.portal), &fields).await
    }

    pub(super) fn is_of_the_portal(&self, page: &Page) -> bool {
        page.url.origin().ascii_serialization() == self.served.portal
    }

    /// Signs out by the portal's own button, and goes on to where that leads.
    pub(super) async fn sign_out(&self, browser: &mut Browser) -> Way {
        let logout = format!("{}/logout", self.served.portal);
        let page = browser.get(&logout).await;
        let page = browser.post(&logout, &[("token", &page.hidden("token").unwrap())]).await;
        self.go_on(browser, page).await
    }

    /// Whether somebody who opens a vendor's site has to show a card.
    pub(super) async fn asks_for_a_card(&self, browser: &mut Browser, vendor: Vendor) -> bool {
        let page = navigate(browser, &self.beginning(vendor)).await;
        is_form(&self.go_on(browser, page).await.page)
    }

    /// What a client's page tells.
    pub(super) async fn ask(&self, browser: &mut Browser, vendor: Vendor, path: &str) -> Value {
        json(&browser.get(&self.at(vendor, path)).await)
    }

    /// Runs a command of `vestibule keys` on the portal's configuration.
    pub(super) fn keys(&self, arguments: &[&str]) -> String {
        let config = self.served.config();
        let all = [&["keys"], arguments, &["--config", config.to_str().unwrap()]].concat();
        let done = vestibule(&all, "");
        assert_eq!(done.status.code(), Some(0), "{}", printed(&done));
        printed(&done)
    }

    /// Has the portal read its configuration and keys again.
    pub(super) async fn reload(&self) {
        let accepted = reloads(&self.served.admin, "accepted");
        self.served.signal("HUP");
        until("the keys took over", PATIENCE, || reloads(&self.served.admin, "accepted") > accepted).await;
    }

    /// Nothing that the library holds on its patron, nor the cookie of the portal, came to any vendor.
    pub(super) fn nothing_personal_got_out(&self) {
        let patron = self.world.patron(0);
        let held = patron["pii"].as_array().unwrap().iter().chain([&patron["card"], &patron["pin"]]);
        let held: Vec<_> = held.map(|value| value.as_str().unwrap()).chain(["__Host-vestibule"]).collect();
        for (kind, program) in &self.programs {
            let heard = program.heard();
            assert!(heard.contains("SAMLResponse="), "what {kind:?} heard is kept");
            for value in &held {
                assert!(!heard.contains(value), "{kind:?} heard what the library holds");
            }
        }
    }
}

/// Whether a page asks for a card.
pub(super) fn is_form(page: &Page) -> bool {
    page.text().contains("name=\"pin\"")
}

fn origin(vendor: &str, port: u16) -> String {
    format!("https://{vendor}.partners.localhost:{port}")
}

/// Writes the metadata of a vendor on Apache: Shibboleth tells it itself, for the other Debian's own command writes it.
async fn describe(vendor: &Vendor, apache: &mut Apache, folder: &Path) {
    let origin = apache.origin().to_owned();
    let text = if vendor.kind == Kind::Mellon {
        mellon_metadata(&origin, apache)
    } else {
        fs::write(apache.at("idp.xml"), NOBODY).unwrap();
        apache.start("https://nobody.invalid/").await;
        let page = Browser::new(&folder.join("both.pem")).get(&format!("{origin}/Shibboleth.sso/Metadata")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", apache.log());
        apache.stop();
        page.text()
    };
    // A key that has no `use` is for both.
    let text = if vendor.encrypted { text } else { without_encryption(&text) };
    fs::write(folder.join(format!("{}.xml", vendor.id)), text).unwrap();
}

fn mellon_metadata(origin: &str, apache: &Apache) -> String {
    let made = std::process::Command::new("/usr/sbin/mellon_create_metadata")
        .args([&format!("{origin}/mellon/metadata"), &format!("{origin}/mellon")])
        .current_dir(apache.at(""))
        .output()
        .expect("it is there: run tests/install.sh");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let files = fs::read_dir(apache.at("")).unwrap().map(|file| file.unwrap().path());
    let file = files.into_iter().find(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with("https") && file.extension().is_some_and(|kind| kind == "xml")
    });
    let text = fs::read_to_string(file.unwrap()).unwrap();
    // The command makes a key of its own; here the vendors share one.
    let own = elements(&text, "X509Certificate")[0].1.to_owned();
    let shared = fs::read_to_string(key_pair().0).unwrap();
    let shared: Vec<_> = shared.lines().filter(|line| !line.starts_with("-----")).collect();
    let text = text.replace(&own, &shared.join("\n"));
    fs::write(apache.at("sp.xml"), &text).unwrap();
    text
}

/// Metadata of a vendor to whom nothing can be encrypted.
fn without_encryption(text: &str) -> String {
    if let Some((before, rest)) = text.split_once("<KeyDescriptor use=\"encryption\">") {
        return format!("{before}{}", rest.split_once("</KeyDescriptor>").unwrap().1);
    }
    assert!(text.contains("<md:KeyDescriptor>"), "{text}");
    text.replace("<md:KeyDescriptor>", "<md:KeyDescriptor use=\"signing\">")
}

/// The lines of the configuration for a vendor, which the first patron's library has licensed.
fn table(vendor: &Vendor, port: u16, folder: &Path) -> String {
    let (id, origin) = (vendor.id, origin(vendor.id, port));
    let (top, lines) = (vendor.top, vendor.lines.replace("@ORIGIN@", &origin));
    let metadata = folder.join(format!("{id}.xml"));
    format!(
        r#"
[[vendor]]
id = "{id}"
name = "The {id}"
protocol = "saml"
origin = "{origin}"
{top}
[vendor.saml]
metadata_file = "{metadata}"
{lines}
[[licence]]
library = "elmwood"
vendor = "{id}"
"#,
        metadata = metadata.display(),
    )
}

/// What a program is told of a site.
fn site(vendor: &Vendor, port: u16) -> Value {
    let mut told: Map<String, Value> = serde_json::from_str(vendor.told).unwrap();
    told.insert("origin".to_owned(), json!(origin(vendor.id, port)));
    Value::Object(told)
}

/// A page that is JSON.
pub(super) fn json(page: &Page) -> Value {
    let text = page.text();
    let shown = text.split_once("<pre>").map(|(_, rest)| rest.split("</pre>").next().unwrap());
    let text = shown.map_or_else(|| text.clone(), crate::saml::page::unescaped);
    let read = serde_json::from_str(&text);
    read.unwrap_or_else(|error| panic!("{error}: {} {} {text}", page.status, page.url))
}
