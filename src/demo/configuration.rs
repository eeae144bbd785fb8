//! The `vestibule.toml` of the demo. It is the only place of this room that knows the product's configuration, and it
//! knows it as an operator does: as text.
use std::net::SocketAddr;
use std::path::Path;

/// The domain under which the vendors have their hosts.
pub(super) const PROXY_DOMAIN: &str = "proxy.localhost";
/// The portal's host.
pub(super) const PORTAL_HOST: &str = "login.vestibule.localhost";
/// The account with which the portal signs in to the library system.
pub(super) const ILS_USER: &str = "vestibule-demo";
/// Where the operator's key for pseudonyms is kept, inside the demo's folder.
pub(super) const PSEUDONYM_KEY: &str = "secrets/pseudonym.key";
/// Where the operator's key for stored sessions is kept, inside the demo's folder.
pub(super) const SESSION_KEY: &str = "secrets/session.key";
/// Where the library system's password is kept, inside the demo's folder.
pub(super) const ILS_PASSWORD: &str = "secrets/ils.password";

/// Where the secret of `chronicle` is kept, inside the demo's folder. The portal knows only its hash.
pub(super) const CHRONICLE_SECRET: &str = "chronicle/client.secret";
/// Where the key of `lexicon` is kept, inside the demo's folder. The portal does not read it.
pub(super) const LEXICON_KEY: &str = "lexicon/client.key";
/// Where the public half of it is kept, as `lexicon` gave it to the portal's operator.
pub(super) const LEXICON_JWKS: &str = "lexicon/jwks.json";

/// Where the metadata of `lyceum` is kept, as it gave it to the portal's operator.
pub(super) const LYCEUM_METADATA: &str = "lyceum/metadata.xml";
/// Where the key is kept to which assertions for `lyceum` are encrypted. The portal does not read it.
pub(super) const LYCEUM_ENCRYPTION_KEY: &str = "lyceum/encryption.key";
/// Where the key is kept with which `lyceum` signs. The portal does not read it.
pub(super) const LYCEUM_SIGNING_KEY: &str = "lyceum/signing.key";
/// Where the metadata of `gazette` is kept.
pub(super) const GAZETTE_METADATA: &str = "gazette/metadata.xml";

/// What the text depends on.
pub(super) struct Facts<'a> {
    pub(super) port: u16,
    pub(super) certificate: &'a Path,
    pub(super) key: &'a Path,
    pub(super) ils: SocketAddr,
    /// Origins of `atlas`, `press` and `research`.
    pub(super) origins: [&'a str; 3],
    /// The authority of `research`.
    pub(super) research_ca: &'a Path,
    /// Origins of `chronicle` and `lexicon`.
    pub(super) parties: [&'a str; 2],
    /// Origins of `lyceum` and `gazette`.
    pub(super) providers: [&'a str; 2],
    /// The authority of all four.
    pub(super) parties_ca: &'a Path,
    /// SHA-256 of the secret of `chronicle`, in base64url.
    pub(super) chronicle_secret: &'a str,
}

/// The configuration's text.
pub(super) fn text(facts: &Facts<'_>) -> String {
    [&portal(facts), &library_system(facts), LIBRARIES, &vendors(facts), &parties(facts), &providers(facts), LICENCES]
        .join("\n")
}

fn portal(facts: &Facts<'_>) -> String {
    let (port, certificate, key) = (facts.port, quoted(facts.certificate), quoted(facts.key));
    format!(
        r#"# The configuration of `vestibule demo`, written anew at each start. Try it with:
#   vestibule check --config THIS_FILE
public_url = "https://{PORTAL_HOST}:{port}"
proxy_domain = "{PROXY_DOMAIN}"
listen = ["127.0.0.1:{port}"]
admin_listen = "127.0.0.1:0"
state_dir = "state"
pseudonym_key_file = "{PSEUDONYM_KEY}"
session_key_file = "{SESSION_KEY}"

# Everybody comes from this machine.
[limits]
shared_networks = ["127.0.0.0/8"]

[log]
format = "human"

[[certificate]]
certificate = {certificate}
key = {key}
"#
    )
}

fn library_system(facts: &Facts<'_>) -> String {
    let ils = facts.ils;
    format!(
        r#"# One library system for both libraries, as in a consortium.
[[ils]]
id = "consortium"
kind = "sip2"
preset = "evergreen"
address = "{ils}"
institution = "EXAMPLE"

[ils.login]
user = "{ILS_USER}"
password_file = "{ILS_PASSWORD}"
location = "vestibule"
"#
    )
}

const LIBRARIES: &str = r#"[[library]]
id = "elmwood"
name = "Elmwood Public Library"
scope = "elmwood.example.org"
ils = "consortium"
affiliation = "member"
branches = ["ELM-MAIN", "ELM-EAST", "ELM-HILL"]

[[library]]
id = "harbour"
name = "Harbour Town Library"
scope = "harbour.example.org"
ils = "consortium"
affiliation = "member"
branches = ["HBR-MAIN", "HBR-PIER"]
"#;

fn vendors(facts: &Facts<'_>) -> String {
    let [atlas, press, research] = facts.origins;
    let research_ca = quoted(facts.research_ca);
    format!(
        r#"[[vendor]]
id = "atlas"
name = "Atlas of Everything"
description = "Maps and reference works. Knows you by a pseudonym of its own, so that it can keep a shelf for you."
protocol = "gateway"
origin = "{atlas}"
private_addresses = ["127.0.0.1"]
anonymous = false

[[vendor]]
id = "press"
name = "Press Reader"
description = "Newspapers. Learns only that you may read, and nothing that would know you again."
protocol = "gateway"
origin = "{press}"
private_addresses = ["127.0.0.1"]
anonymous = true

[[vendor]]
id = "research"
name = "Research Index"
description = "Journals, for adults of Elmwood only. Speaks HTTP/2 over TLS."
protocol = "gateway"
origin = "{research}"
ca_file = {research_ca}
private_addresses = ["127.0.0.1"]
anonymous = false
"#
    )
}

/// The vendors that sign readers in over OpenID Connect.
fn parties(facts: &Facts<'_>) -> String {
    let [chronicle, lexicon] = facts.parties;
    let (ca, secret) = (quoted(facts.parties_ca), facts.chronicle_secret);
    format!(
        r#"[[vendor]]
id = "chronicle"
name = "Daily Chronicle Archive"
description = "Old newspapers. Signs you in over OpenID Connect and knows you by a pseudonym of its own."
protocol = "oidc"
origin = "{chronicle}"
ca_file = {ca}
private_addresses = ["127.0.0.1"]
anonymous = false

[vendor.oidc]
authentication = "client_secret_basic"
client_secret_sha256 = "{secret}"
redirect_uris = ["{chronicle}/callback"]
post_logout_redirect_uris = ["{chronicle}/goodbye"]
backchannel_logout_uri = "{chronicle}/backchannel"
initiate_login_uri = "{chronicle}/initiate"
id_token_algorithm = "RS256"

[[vendor]]
id = "lexicon"
name = "Lexicon of Words"
description = "A dictionary. Signs you in over OpenID Connect and knows you by a new name each time."
protocol = "oidc"
origin = "{lexicon}"
ca_file = {ca}
private_addresses = ["127.0.0.1"]
anonymous = true

[vendor.oidc]
authentication = "private_key_jwt"
jwks_file = "{LEXICON_JWKS}"
assertion_algorithm = "ES256"
redirect_uris = ["{lexicon}/callback"]
post_logout_redirect_uris = ["{lexicon}/goodbye"]
backchannel_logout_uri = "{lexicon}/backchannel"
initiate_login_uri = "{lexicon}/initiate"
id_token_algorithm = "ES256"
"#
    )
}

/// The vendors that sign readers in over SAML.
fn providers(facts: &Facts<'_>) -> String {
    let [lyceum, gazette] = facts.providers;
    let ca = quoted(facts.parties_ca);
    format!(
        r#"[[vendor]]
id = "lyceum"
name = "Lyceum Lectures"
description = "Recorded lectures. Signs you in over SAML, encrypted, and knows you by a pseudonym of its own."
protocol = "saml"
origin = "{lyceum}"
ca_file = {ca}
private_addresses = ["127.0.0.1"]
anonymous = false

[vendor.saml]
metadata_file = "{LYCEUM_METADATA}"
release = "pseudonymous"
start_url = "{lyceum}/login"

[[vendor]]
id = "gazette"
name = "Village Gazette"
description = "A local paper. Signs you in over SAML and knows you by a new name each time."
protocol = "saml"
origin = "{gazette}"
ca_file = {ca}
private_addresses = ["127.0.0.1"]
anonymous = true

[vendor.saml]
metadata_file = "{GAZETTE_METADATA}"
release = "anonymous"
entitlements = true
algorithm = "ES256"
start_url = "{gazette}/login"
"#
    )
}

const LICENCES: &str = r#"[[licence]]
library = "elmwood"
vendor = "atlas"

[[licence]]
library = "harbour"
vendor = "atlas"

[[licence]]
library = "elmwood"
vendor = "press"

[[licence]]
library = "harbour"
vendor = "press"

[[licence]]
library = "elmwood"
vendor = "research"
ages = ["adult"]

[[licence]]
library = ["elmwood", "harbour"]
vendor = ["chronicle", "lexicon", "lyceum", "gazette"]
"#;

/// A path as a TOML string.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.to_string_lossy().into_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::Table;

    fn sample() -> Table {
        let facts = Facts {
            port: 8443,
            certificate: Path::new("/a \"b\"\\c/leaf.pem"),
            key: Path::new("/k.pem"),
            ils: "127.0.0.1:6001".parse().unwrap(),
            origins: ["http://127.0.0.1:1", "http://127.0.0.1:2", "https://127.0.0.1:3"],
            research_ca: Path::new("/ca.pem"),
            parties: ["https://127.0.0.1:4", "https://127.0.0.1:5"],
            providers: ["https://lyceum.localhost:6", "https://gazette.localhost:7"],
            parties_ca: Path::new("/ca.pem"),
            chronicle_secret: "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        };
        text(&facts).parse().unwrap()
    }

    #[test]
    fn it_is_toml_whatever_the_paths_are() {
        let table = sample();
        assert_eq!(table["public_url"].as_str(), Some("https://login.vestibule.localhost:8443"));
        assert_eq!(table["certificate"][0]["certificate"].as_str(), Some("/a \"b\"\\c/leaf.pem"));
        assert_eq!(table["ils"][0]["login"]["password_file"].as_str(), Some(ILS_PASSWORD));
    }

    #[test]
    fn every_licence_names_a_library_and_a_vendor_of_it() {
        let table = sample();
        let has =
            |list: &str, id: &toml::Value| table[list].as_array().unwrap().iter().any(|t| t.get("id") == Some(id));
        let all_known = |list: &str, ids: &toml::Value| match ids {
            toml::Value::Array(ids) => ids.iter().all(|id| has(list, id)),
            id => has(list, id),
        };
        for licence in table["licence"].as_array().unwrap() {
            assert!(all_known("library", &licence["library"]) && all_known("vendor", &licence["vendor"]));
        }
    }

    #[test]
    fn every_branch_of_a_patron_belongs_to_the_patron_s_library() {
        let table = sample();
        for patron in crate::demo::patrons::generate(1, 2_000) {
            let libraries = table["library"].as_array().unwrap();
            let home = libraries.iter().find(|l| l["id"].as_str() == Some(&patron.library)).unwrap();
            let branches = home["branches"].as_array().unwrap();
            assert!(branches.iter().any(|b| b.as_str() == Some(patron.held.branch)));
        }
    }
}
