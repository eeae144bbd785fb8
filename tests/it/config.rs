//! Configurations as an operator writes them: mistakes are all told, with their place and without any value; the
//! samples are good.
use proptest::prelude::*;
use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use vestibule::cli::{self, Out, dev_certs};
use vestibule::config::{self, Config};
use vestibule::domain::{Clock, SystemClock, Timestamp};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const DAY: i64 = 86_400;

const GOOD: &str = r#"public_url = "https://login.library.example"
proxy_domain = "proxy.example"
state_dir = "state"
pseudonym_key_file = "pseudonym.key"
[[certificate]]
certificate = "certs/server.pem"
key = "certs/server-key.pem"
[[ils]]
id = "main"
kind = "sip2"
[[library]]
id = "west"
name = "West"
scope = "west.example.org"
ils = "main"
[[vendor]]
id = "atlas"
name = "Atlas"
origin = "https://www.atlas.example"
[[licence]]
library = "west"
vendor = "atlas"
"#;

/// A folder with all that configurations name.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.secret("pseudonym.key", b"q8Zc1n0Yb7Xv5Tt3Rr1Pp9Nn7Ll5Jj3Hh1Ff9Dd7=\n");
        folder.secret("short.key", b"too short\n");
        folder.secret("dull.key", &[b'a'; 40]);
        folder.secret("empty.key", b"");
        folder.secret("open.key", b"q8Zc1n0Yb7Xv5Tt3Rr1Pp9Nn7Ll5Jj3Hh1Ff9Dd7=\n");
        fs::set_permissions(folder.path("open.key"), Permissions::from_mode(0o644)).unwrap();
        folder.certificates("certs", &["login.library.example", "*.proxy.example"]);
        folder
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn secret(&self, name: &str, text: &[u8]) {
        self.write(name, text);
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    fn certificates(&self, name: &str, names: &[&str]) {
        dev_certs::make(&self.path(name), names, NOW).unwrap();
    }

    fn load(&self, text: &str, now: Timestamp) -> Result<Config, Vec<String>> {
        self.write("vestibule.toml", text.as_bytes());
        self.load_file("vestibule.toml", now)
    }

    /// Problems as `file:line: path: text`, without the folder.
    fn load_file(&self, name: &str, now: Timestamp) -> Result<Config, Vec<String>> {
        let folder = format!("{}/", self.0.path().display());
        config::load(&self.path(name), now)
            .map_err(|problems| problems.iter().map(|p| p.to_string().replace(&folder, "")).collect())
    }

    fn problems(&self, text: &str) -> Vec<String> {
        self.load(text, NOW).err().unwrap_or_default()
    }

    fn warnings(&self, text: &str, now: Timestamp) -> Vec<String> {
        let warnings = self.load(text, now).unwrap_or_else(|problems| panic!("{problems:#?}")).warnings;
        warnings.iter().map(|w| format!("{}: {}", w.path, w.text)).collect()
    }
}

/// The good configuration with changes, and the problems that they make: `line: path: text`.
struct Case(&'static [(&'static str, &'static str)], &'static [&'static str]);

const ORIGIN: &str =
    "`vendor[0].origin`: expected an origin such as `https://www.example.com`, without user, path or query";
const PORTAL: &str = "`public_url`: expected an address such as `https://login.example.org`";

#[rustfmt::skip]
const CASES: &[Case] = &[
    Case(&[], &[]),
    // Names of keys.
    Case(&[("public_url", "pubic_url")], &[
        "1: `public_url`: expected an address such as `https://login.example.org`, found nothing; the key is required",
        "1: `pubic_url`: unknown key; did you mean `public_url`?",
    ]),
    Case(&[("scope =", "scop ="), ("name = \"Atlas\"", "nmae = \"Atlas\"")], &[
        "11: `library[0].scope`: expected a domain name such as `westport.example.org`, found nothing; the key is required",
        "14: `library[0].scop`: unknown key; did you mean `scope`?",
        "16: `vendor[0].name`: expected a name of 1 to 200 printable characters, found nothing; the key is required",
        "18: `vendor[0].nmae`: unknown key; did you mean `name`?",
    ]),
    Case(&[("[[licence]]", "[[license]]")], &["20: `license`: unknown key; did you mean `licence`?"]),
    Case(&[("state_dir = \"state\"", "session.idel = \"5m\"")], &["3: `session.idel`: unknown key; did you mean `idle`?"]),
    Case(&[("state_dir = \"state\"", "limits.idel = \"5m\"")], &["3: `limits.idel`: unknown key; did you mean `idle`?"]),
    Case(&[("state_dir = \"state\"", "limits.connections = 0")], &["3: `limits.connections`: expected a whole number from 1 to 10000000, found one outside"]),
    Case(&[("state_dir = \"state\"", "xyzzy = 1")], &["3: `xyzzy`: unknown key"]),
    // Kinds of values.
    Case(&[("\"state\"", "7")], &["3: `state_dir`: expected a string, found a whole number"]),
    Case(&[("state_dir = \"state\"", "workers = 0")], &["3: `workers`: expected a whole number from 1 to 1024, found one outside"]),
    Case(&[("state_dir = \"state\"", "workers = 1.5")], &["3: `workers`: expected a whole number from 1 to 1024, found a number with a fraction"]),
    Case(&[("state_dir = \"state\"", "workers = 99999999999999999999")], &["3: `workers`: expected a whole number from 1 to 1024, found a number that is too large"]),
    Case(&[("state_dir = \"state\"", "session = 3")], &["3: `session`: expected a table, found a whole number"]),
    Case(&[("state_dir = \"state\"", "drain = \"2 hours\"")], &["3: `drain`: expected a length of time such as `30s`, `5m` or `8h`, from 0ns to 3600s"]),
    Case(&[("state_dir = \"state\"", "listen = [\"443\", 7]")], &[
        "3: `listen[0]`: expected an address and port such as `0.0.0.0:443`",
        "3: `listen[1]`: expected an address and port such as `0.0.0.0:443`",
    ]),
    Case(&[("state_dir = \"state\"", "listen = []")], &["3: `listen`: expected at least one address, found none"]),
    Case(&[("state_dir = \"state\"", "log = {format = \"xml\", requests = 1}")], &[
        "3: `log.format`: expected one of `json`, `human`",
        "3: `log.requests`: expected true or false, found a whole number",
    ]),
    Case(&[("state_dir = \"state\"", "pages = \"nowhere\"")], &["3: `pages`: expected a folder that can be read, found none"]),
    Case(&[("state_dir = \"state\"", "session = {idle = \"9h\", premises_idle = \"3h\", premises = [\"10.0.0.0/40\"]}")], &[
        "3: `session.premises[0]`: expected an address range such as `192.0.2.0/24`",
        "3: `session.idle`: expected a time not longer than `absolute`, found a longer one",
        "3: `session.premises_idle`: expected a time not longer than `premises_absolute`, found a longer one",
    ]),
    Case(&[("state_dir = \"state\"", "guessing = {ils_locks_after = 2, per_day = 1000, cards_per_network = 1, answer_after = \"5ms\"}")], &[
        "3: `guessing.ils_locks_after`: expected 0 (never) or at least 3, found fewer",
        "3: `guessing.per_day`: expected a whole number from 15 to 100, found one outside",
        "3: `guessing.cards_per_network`: expected a whole number from 5 to 10000, found one outside",
        "3: `guessing.answer_after`: expected a length of time such as `30s`, `5m` or `8h`, from 500ms to 10s",
    ]),
    // The portal and the domains.
    Case(&[("https://login.library.example", "http://login.library.example")], &[PORTAL_AT]),
    Case(&[("https://login.library.example", "https://login.library.example/path")], &[PORTAL_AT]),
    Case(&[("https://login.library.example", "https://127.0.0.1")], &[PORTAL_AT]),
    Case(&[("https://login.library.example", "https://me@login.library.example")], &[PORTAL_AT]),
    Case(&[("\"proxy.example\"", "\"proxy.library.example\"")], &[
        "2: `proxy_domain`: expected another registrable domain than the one of `public_url` (as `example.org` and `example.net` are two), found the same or a bare public suffix",
        "2: `proxy_domain`: expected certificates that name every vendor's host, best `*.` and this domain; found none for 1 of 1",
    ]),
    Case(&[("login.library.example", "login.proxy.example")], &["1: `public_url`: expected a host that is not under `proxy_domain`, found one that is"]),
    Case(&[("\"proxy.example\"", "\"library.example\"")], &[
        "1: `public_url`: expected a host that is not under `proxy_domain`, found one that is",
        "2: `proxy_domain`: expected certificates that name every vendor's host, best `*.` and this domain; found none for 1 of 1",
    ]),
    // Secrets.
    Case(&[("pseudonym_key_file = \"pseudonym.key\"", "")], &[
        "1: `pseudonym_key_file`: expected a file with the key for pseudonyms (`vestibule keys new --pseudonym FILE` makes one), found nothing; the key is required",
    ]),
    Case(&[("pseudonym.key", "nowhere.key")], &["4: `pseudonym_key_file`: expected a file that can be read, found none"]),
    Case(&[("pseudonym.key", "certs")], &["4: `pseudonym_key_file`: expected a file, found something else"]),
    Case(&[("pseudonym.key", "open.key")], &["4: `pseudonym_key_file`: expected a file that only its owner can read, found one that others can; run `chmod 600` on it"]),
    Case(&[("pseudonym.key", "empty.key")], &["4: `pseudonym_key_file`: expected a secret, found an empty file"]),
    Case(&[("pseudonym.key", "short.key")], &["4: `pseudonym_key_file`: expected a key of at least 32 bytes, found a shorter one"]),
    Case(&[("pseudonym.key", "dull.key")], &["4: `pseudonym_key_file`: expected a random key, found one of few different bytes"]),
    Case(&[("pseudonym_key_file = \"pseudonym.key\"", "pseudonym_key = \"abc\"")], &["4: `pseudonym_key`: expected `pseudonym_key_file` or `pseudonym_key_env`: a secret does not stand in the configuration"]),
    Case(&[("pseudonym_key_file = \"pseudonym.key\"", "pseudonym_key_env = \"VESTIBULE_UNSET_9\"")], &["4: `pseudonym_key_env`: expected an environment variable that is set, found none"]),
    Case(&[("state_dir = \"state\"", "session_key_file = \"short.key\"")], &["3: `session_key_file`: expected a key of at least 32 bytes, found a shorter one"]),
    // Certificates.
    Case(&[("certs/server.pem", "pseudonym.key")], &["6: `certificate[0].certificate`: expected PEM certificates, leaf first, found none"]),
    Case(&[("certs/server-key.pem", "pseudonym.key")], &["7: `certificate[0].key`: expected a PEM private key, found none"]),
    Case(&[("certs/server-key.pem", "other/server-key.pem")], &["7: `certificate[0].key`: expected the key of `certificate`, found another one"]),
    Case(&[("certs/server", "other/server")], &[
        "1: `public_url`: expected a certificate that names this host, found none",
        "2: `proxy_domain`: expected certificates that name every vendor's host, best `*.` and this domain; found none for 1 of 1",
    ]),
    Case(&[("certs/server", "nowhere/server")], &["6: `certificate[0].certificate`: expected a file that can be read, found none"]),
    Case(&[("[[certificate]]\ncertificate = \"certs/server.pem\"\nkey = \"certs/server-key.pem\"\n", "")], &["1: `certificate`: expected a `[[certificate]]` table with `certificate` and `key`, found nothing; the key is required"]),
    // Libraries and their systems.
    Case(&[("ils = \"main\"", "ils = \"mian\"")], &["15: `library[0].ils`: expected the id of an `[[ils]]` table of this configuration"]),
    Case(&[("[[ils]]\nid = \"main\"", "[[ils]]\nid = \"main\"\n[[ils]]\nid = \"main\"")], &["11: `ils[1].id`: expected an id of its own, found one that is taken at vestibule.toml:9"]),
    Case(&[("id = \"west\"", "id = \"West\"")], &[
        "12: `library[0].id`: expected 1 to 40 lower-case ASCII letters, digits and inner hyphens",
        "21: `licence[0].library`: expected the id of a `[[library]]` table of this configuration",
    ]),
    Case(&[("scope = \"west.example.org\"", "scope = \"west.example.org\"\naffiliation = \"patron\"\nadmit = []\nbranches = []\nentitlements = [\"no uri\"]\nhelp_url = \"javascript:1\"")], &[
        "15: `library[0].affiliation`: expected one of `member`, `affiliate`, `library-walk-in`, `student`, `faculty`, `staff`, `employee`, `alum`",
        "16: `library[0].admit`: expected at least one state, found none; nobody could use it",
        "17: `library[0].branches`: expected at least one code, found none; leave the key out for any",
        "18: `library[0].entitlements[0]`: expected a URI without spaces",
        "19: `library[0].help_url`: expected an `https:`, `http:`, `mailto:` or `tel:` address",
    ]),
    // Vendors.
    Case(&[("https://www.atlas.example", "https://www.atlas.example/app")], &[ORIGIN_AT]),
    Case(&[("https://www.atlas.example", "www.atlas.example")], &[ORIGIN_AT]),
    Case(&[("https://www.atlas.example", "https://x:y@www.atlas.example")], &[ORIGIN_AT]),
    Case(&[("https://www.atlas.example", "https://10.0.0.1")], &["19: `vendor[0].origin`: expected a public address or one in `private_addresses`, found another"]),
    Case(&[("https://www.atlas.example", "https://[::1]:8443")], &["19: `vendor[0].origin`: expected a public address or one in `private_addresses`, found another"]),
    Case(&[("https://www.atlas.example", "https://press.proxy.example")], &["19: `vendor[0].origin`: expected the vendor's own host, found one of `public_url` or `proxy_domain`"]),
    Case(&[("name = \"Atlas\"", "name = \"Atlas\"\naliases = [\"x\"]\nepoch = \"a b\"\nuser_agent = \"none\"\npass_headers = [\"cookie\"]\nca_file = \"pseudonym.key\"\nprotocol = \"Gateway\"")], &[
        "19: `vendor[0].aliases[0]`: expected an origin such as `https://www.example.com`, without user, path or query",
        "20: `vendor[0].epoch`: expected 1 to 64 printable ASCII characters without spaces",
        "21: `vendor[0].user_agent`: expected one of `reduced`, `full`",
        "22: `vendor[0].pass_headers[0]`: expected the name of a request header that tells nothing of the reader or the connection",
        "23: `vendor[0].ca_file`: expected PEM certificates of authorities, found none",
        "24: `vendor[0].protocol`: expected the name of a protocol, such as `gateway`",
    ]),
    Case(&[("[[licence]]", "[vendor.gatway]\nheader = \"x\"\n[[licence]]")], &["20: `vendor[0].gatway`: unknown key; did you mean `gateway`?"]),
    // Licences.
    Case(&[("library = \"west\"", "library = []"), ("vendor = \"atlas\"", "vendor = [\"atlas\", \"press\"]")], &[
        "21: `licence[0].library`: expected at least one id, found none",
        "22: `licence[0].vendor[1]`: expected the id of a `[[vendor]]` table of this configuration",
    ]),
    Case(&[("vendor = \"atlas\"", "vendor = \"atlas\"\nages = [\"old\"]\nstates = []\nborrower_classes = []\nfrom = 2026-02-01\nuntil = \"2026-01-31\"")], &[
        "23: `licence[0].ages[0]`: expected one of `adult`, `teen`, `juvenile`, `unknown`",
        "24: `licence[0].states`: expected at least one state, found none; nobody could use it",
        "25: `licence[0].borrower_classes`: expected at least one code, found none; leave the key out for any",
        "27: `licence[0].until`: expected a day not before `from`, found an earlier one",
    ]),
    Case(&[("vendor = \"atlas\"", "vendor = \"atlas\"\nfrom = 2026-02-30")], &["23: TOML: "]),
    Case(&[("vendor = \"atlas\"", "vendor = \"atlas\"\nfrom = \"2026-02-30\"\nuntil = 2026-01-01T00:00:00Z")], &[
        "23: `licence[0].from`: expected a day such as `2026-12-31`",
        "24: `licence[0].until`: expected a string, found a time",
    ]),
    // What is not TOML.
    Case(&[("\"state\"", "\"state")], &["3: TOML: "]),
    Case(&[("state_dir = \"state\"", "proxy_domain = \"x\"")], &["3: TOML: "]),
    Case(&[("state_dir = \"state\"", "= 1\n]")], &["3: TOML: ", "4: TOML: "]),
    Case(&[("state_dir = \"state\"", "\"a\\u001bb\" = 1")], &["3: expected a key of printable characters"]),
    // Includes.
    Case(&[("state_dir = \"state\"", "include = \"x.toml\"")], &["3: `include`: expected a list of file names, such as `[\"vendors/*.toml\"]`"]),
    Case(&[("state_dir = \"state\"", "include = [\"nowhere.toml\"]")], &["3: `include[0]`: expected a file that can be read, found none"]),
    Case(&[("state_dir = \"state\"", "include = [\"*/x.toml\", 4]")], &[
        "3: `include[0]`: expected `*` in the last part of the name only",
        "3: `include[1]`: expected a list of file names, such as `[\"vendors/*.toml\"]`",
    ]),
    Case(&[("state_dir = \"state\"", "include = [\"vestibule.toml\"]")], &["3: `include[0]`: expected files that do not include each other, found a circle"]),
];

const PORTAL_AT: &str = "1: PORTAL";
const ORIGIN_AT: &str = "19: ORIGIN";

fn meets(found: &str, expected: &str) -> bool {
    let expected =
        expected.replace("1: PORTAL", &format!("1: {PORTAL}")).replace("19: ORIGIN", &format!("19: {ORIGIN}"));
    match expected.strip_suffix("TOML: ") {
        Some(line) => found.starts_with(&format!("vestibule.toml:{line}expected TOML, found something else: ")),
        None => found == format!("vestibule.toml:{expected}"),
    }
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let folder = Folder::new();
    folder.certificates("other", &["elsewhere.example"]);
    let mut wrong = Vec::new();
    for Case(changes, expected) in CASES {
        let mut text = GOOD.to_owned();
        for (from, to) in *changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        let found = folder.problems(&text);
        let same = found.len() == expected.len() && found.iter().zip(*expected).all(|(f, e)| meets(f, e));
        if !same {
            wrong.push(format!("{changes:?}\n  expected {expected:#?}\n  found {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn certificates_have_their_time() {
    let folder = Folder::new();
    let at = |days: i64| folder.load(GOOD, NOW.plus(days * DAY)).err().unwrap_or_default().join("\n");
    assert!(at(-3).contains(
        "`certificate[0].certificate`: expected a certificate that is valid now, found one that is not valid yet"
    ));
    assert_eq!(at(380), "");
    assert!(at(400).contains("found one that has expired"));
    assert!(folder.warnings(GOOD, NOW).is_empty());
    assert_eq!(folder.warnings(GOOD, NOW.plus(390 * DAY)), ["certificate[0].certificate: ends within 14 days"]);
    fs::set_permissions(folder.path("certs/server-key.pem"), Permissions::from_mode(0o640)).unwrap();
    assert_eq!(at(0), "");
    fs::set_permissions(folder.path("certs/server-key.pem"), Permissions::from_mode(0o644)).unwrap();
    assert!(at(0).contains("`certificate[0].key`: expected a key that not everybody can read"));
}

#[test]
fn what_works_but_is_odd_is_a_warning() {
    let folder = Folder::new();
    folder.certificates("certs", &["login.library.example", "*.proxy.library.example"]);
    let text = GOOD
        .replace("\"proxy.example\"", "\"proxy.library.example\"\ndevelopment_single_domain = true\nadmin_listen = \"0.0.0.0:1\"")
        .replace("https://www.atlas", "http://www.atlas")
        .replace("vendor = \"atlas\"", "vendor = \"atlas\"\nuntil = \"2020-01-01\"")
        .replace("[[licence]]", "[[vendor]]\nid = \"press\"\nname = \"P\"\norigin = \"http://www.atlas.example\"\nprivate_addresses = [\"10.0.0.0/8\"]\n[[licence]]")
        .replace("[[library]]", "[[ils]]\nid = \"spare\"\n[[library]]");
    let warnings = folder.warnings(&text, NOW).join("\n");
    for part in [
        "development_single_domain: the portal and the vendors' hosts share a registrable domain",
        "admin_listen: reachable from other machines",
        "vendor[0].origin: requests and assertions travel in the clear",
        "vendor[1].origin: has an origin of the vendor at",
        "vendor[1].id: no licence names this vendor",
        "licence[0].until: the licence has ended",
        "ils[1].id: no library uses this system",
    ] {
        assert!(warnings.contains(part), "{part} is missing in\n{warnings}");
    }
    assert!(!warnings.contains("vendor[1].origin: requests"));
}

#[test]
fn includes_add_tables_and_keep_their_places() {
    let folder = Folder::new();
    let press = "[[vendor]]\nid = \"press\"\nname = \"Press\"\norigin = \"https://press.example\"\n";
    folder.write("vendors/b.toml", press.as_bytes());
    folder.write("vendors/a.toml", b"[log]\nformat = \"human\"\n[[licence]]\nlibrary = \"west\"\nvendor = \"press\"\n");
    folder.write("vendors/notes.txt", b"not read");
    let text = format!("include = [\"vendors/*.toml\"]\n{GOOD}");
    let config = folder.load(&text, NOW).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(config.vendors.len(), 2);
    assert_eq!(config.vendors[1].host, "press.proxy.example");
    assert_eq!(config.licences.len(), 2);
    assert!(!config.log.json);
    let files: Vec<_> = config.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    for file in ["vestibule.toml", "a.toml", "b.toml", "server.pem", "server-key.pem", "pseudonym.key"] {
        assert!(files.contains(&file), "{file} is missing in {files:?}");
    }
    assert_eq!(config::files_of(&folder.path("vestibule.toml")), config.files);
    folder.write("vendors/b.toml", format!("workers = 2\nstate_dir = \"x\"\n{press}colour = 1\n").as_bytes());
    folder.write("vendors/c.toml", b"include = [\"../vestibule.toml\", \"b.toml\"]\nbroken");
    let problems = folder.problems(&text);
    assert!(problems.iter().any(|p| p.starts_with("vendors/c.toml:2: expected TOML")), "{problems:?}");
    folder.write("vendors/c.toml", b"include = [\"../vestibule.toml\", \"b.toml\"]\n");
    assert_eq!(
        folder.problems(&text),
        [
            "vendors/b.toml:2: `state_dir`: expected once, found again; the first is at vestibule.toml:4",
            "vendors/c.toml:1: `include[0]`: expected files that do not include each other, found a circle",
            "vendors/c.toml:1: `include[1]`: expected each file to be included once, found one that is included already",
        ]
    );
    fs::remove_file(folder.path("vendors/c.toml")).unwrap();
    folder.write("vendors/b.toml", format!("{press}colour = 1\n").as_bytes());
    assert_eq!(folder.problems(&text), ["vendors/b.toml:5: `vendor[1].colour`: unknown key"]);
}

/// Every place in the good configuration where a value stands, with the value that is there.
fn values() -> Vec<&'static str> {
    GOOD.lines().filter_map(|line| line.split_once(" = ").map(|(_, value)| value)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_is_ever_told(secret in "[A-Z][A-Za-z0-9+/_!$.:@-]{14,30}[A-Z]", place in 0_usize..14, form in 0_usize..8) {
        let folder = Folder::new();
        let all = values();
        let value = all[place % all.len()];
        let put = match form {
            0 => format!("\"{secret}\""),
            1 => format!("\"https://user:{secret}@www.example.com\""),
            2 => format!("[\"{secret}\", 7]"),
            3 => format!("\"{secret}"),
            4 => format!("'{secret}' '{secret}'"),
            5 => format!("{{ x = \"{secret}\" }}"),
            6 => format!("\"{secret}*\"\ninclude = [\"{secret}\"]"),
            _ => format!("\"{secret}\"\nlisten = [\"{secret}\"]\nfrom = '{secret}'\nuser_agent = '{secret}'\nstates = ['{secret}']"),
        };
        let text = GOOD.replacen(value, &put, 1);
        folder.write("vestibule.toml", text.as_bytes());
        let draft = config::read(&folder.path("vestibule.toml"), NOW);
        for problem in draft.problems.iter().chain(&draft.warnings) {
            prop_assert!(!problem.to_string().contains(&secret), "{problem}");
        }
    }
}

/// A sample in a folder with all that it names.
fn sample(name: &str, names: &[&str]) -> Folder {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/samples");
    let folder = Folder::new();
    folder.certificates("certs", names);
    for secret in ["pseudonym", "session"] {
        folder.secret(&format!("secrets/{secret}.key"), &fs::read(folder.path("pseudonym.key")).unwrap());
    }
    folder.secret("secrets/sip2-password", b"a password\n");
    fs::create_dir_all(folder.path("pages")).unwrap();
    folder.write(name, &fs::read(samples.join(name)).unwrap());
    for vendor in fs::read_dir(samples.join("vendors")).unwrap() {
        let vendor = vendor.unwrap();
        let name = format!("vendors/{}", vendor.file_name().to_str().unwrap());
        folder.write(&name, &fs::read(vendor.path()).unwrap());
    }
    folder
}

const SINGLE: &[&str] = &["login.westport.example", "*.westport-reads.example"];

#[test]
fn the_sample_of_one_library_is_good() {
    let folder = sample("single-library.toml", SINGLE);
    let config = folder.load_file("single-library.toml", NOW).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!((config.libraries.len(), config.vendors.len(), config.licences.len()), (1, 3, 3));
}

/// A line of `#key = value`, in force.
fn uncommented(line: &str) -> &str {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase())).unwrap_or(line)
}

/// Lines of `#key = value` are defaults: with all of them in force, everything is as before.
#[test]
fn the_sample_tells_every_key_and_its_default() {
    let folder = sample("single-library.toml", SINGLE);
    let plain = folder.load_file("single-library.toml", NOW).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let text = fs::read_to_string(folder.path("single-library.toml")).unwrap();
    let said: Vec<_> = text.lines().map(uncommented).collect();
    folder.write("single-library.toml", said.join("\n").as_bytes());
    let told = folder.load_file("single-library.toml", NOW).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!((told.listen, told.admin, told.drain), (plain.listen, plain.admin, plain.drain));
    assert_eq!((told.state_dir, told.log), (plain.state_dir, plain.log));
    assert_eq!(format!("{:?}", told.session), format!("{:?}", plain.session));
    let about = |config: &Config| {
        let mut library = (*config.libraries[0].library).clone();
        library.branches.clear();
        let vendors: Vec<_> = config.vendors.iter().map(|v| format!("{:?} {}", v.vendor, v.protocol)).collect();
        (format!("{library:?}"), vendors)
    };
    let plain = folder.load(&text, NOW).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let told = folder.load_file("single-library.toml", NOW).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(about(&told), about(&plain));
}

#[test]
fn the_sample_of_a_consortium_is_good() {
    let folder = sample("consortium.toml", &["login.threerivers.example", "*.threerivers-reads.example"]);
    let config = folder.load_file("consortium.toml", NOW).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!((config.libraries.len(), config.vendors.len(), config.licences.len()), (3, 5, 12));
    assert!(config.session_key.is_some());
}

/// A stream that a test can read.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The command: exit code, answers, trouble.
fn vestibule(words: &[&str]) -> (u8, String, String) {
    let (answers, trouble) = (Pipe::default(), Pipe::default());
    let mut out = Out::to(answers.clone(), trouble.clone());
    let exit = cli::run(std::iter::once(&"vestibule").chain(words).map(Into::into), &mut out);
    let text = |pipe: Pipe| String::from_utf8(pipe.0.lock().unwrap().clone()).unwrap();
    (exit.code(), text(answers), text(trouble))
}

#[test]
fn check_finds_the_samples_good_with_their_systems_and_protocols() {
    for (name, names) in [
        ("single-library.toml", SINGLE),
        ("consortium.toml", &["login.threerivers.example", "*.threerivers-reads.example"][..]),
    ] {
        let folder = sample(name, names);
        dev_certs::make(&folder.path("certs"), names, SystemClock.now()).unwrap();
        // Any certificate will do as that of the federation.
        fs::copy(folder.path("certs/ca.pem"), folder.path("certs/federation.pem")).unwrap();
        let config = folder.path(name);
        let (exit, answers, trouble) = vestibule(&["check", "--config", config.to_str().unwrap()]);
        assert_eq!((exit, trouble.as_str()), (0, ""), "{name}");
        assert!(answers.starts_with("the configuration is good: "), "{answers}");
        // Every default that the sample tells is a key of the system and the protocol.
        let said = fs::read_to_string(&config).unwrap().replace("\n#state_dir", "\n# state_dir");
        let said: Vec<_> = said.lines().map(uncommented).collect();
        fs::write(&config, said.join("\n")).unwrap();
        let (exit, _, trouble) = vestibule(&["check", "--config", config.to_str().unwrap()]);
        assert_eq!((exit, trouble.as_str()), (0, ""), "{name}");
    }
}

fn current() -> Folder {
    let folder = Folder::new();
    let names = ["login.library.example", "*.proxy.example"];
    dev_certs::make(&folder.path("certs"), &names, SystemClock.now()).unwrap();
    folder
}

#[test]
fn check_tells_the_problems_of_all_rooms_at_once() {
    let folder = current();
    let text = GOOD.replace("state_dir", "state_dri").replace("kind = \"sip2\"", "kind = \"sip2\"\nadress = \"x\"");
    let text = text.replace("[[licence]]", "[vendor.gateway]\nalgorithm = \"HS256\"\nheadr = \"x\"\n[[licence]]");
    folder.write("vestibule.toml", text.as_bytes());
    let (exit, answers, trouble) = vestibule(&["check", "--config", folder.path("vestibule.toml").to_str().unwrap()]);
    assert_eq!((exit, answers.as_str()), (78, ""));
    let lines: Vec<_> =
        trouble.lines().map(|line| line.rsplit_once("vestibule.toml").map_or(line, |(_, l)| l)).collect();
    for (part, at) in [
        (":3: `state_dri`: unknown key; did you mean `state_dir`?", 0),
        (":11: `ils[0].adress`: unknown key; did you mean `address`?", 2),
        (":22: `vendor[0].gateway.algorithm`: expected one of `ES256`, `RS256`, `EdDSA`", 3),
        (":23: `vendor[0].gateway.headr`: unknown key; did you mean `header`?", 4),
        ("vestibule: 5 problems", 5),
    ] {
        assert_eq!(lines.get(at), Some(&part), "{lines:#?}");
    }
    let text = GOOD
        .replace("kind = \"sip2\"", "kind = \"sip3\"\nx = 1")
        .replace("name = \"Atlas\"", "name = \"Atlas\"\nprotocol = \"oidx\"");
    folder.write("vestibule.toml", text.as_bytes());
    let (_, _, trouble) = vestibule(&["check", "--config", folder.path("vestibule.toml").to_str().unwrap()]);
    assert!(
        trouble.contains(":10: `ils[0].kind`: expected one of `sip2`") && !trouble.contains("ils[0].x"),
        "{trouble}"
    );
    assert!(trouble.contains(":20: `vendor[0].protocol`: expected one of `gateway`"), "{trouble}");
}

#[test]
fn check_live_asks_the_systems_and_the_vendors() {
    let folder = current();
    let vendor = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = GOOD
        .replace("kind = \"sip2\"", &format!("kind = \"sip2\"\naddress = \"{nobody}\""))
        .replace("https://www.atlas.example", &format!("http://{}", vendor.local_addr().unwrap()))
        .replace("name = \"Atlas\"", "name = \"Atlas\"\nprivate_addresses = [\"127.0.0.1\"]");
    folder.write("vestibule.toml", text.as_bytes());
    let config = folder.path("vestibule.toml");
    let (exit, answers, trouble) = vestibule(&["check", "--live", "--config", config.to_str().unwrap()]);
    assert_eq!(exit, 69, "{answers}{trouble}");
    let (ils, vendor) = answers.split_once("vendor atlas").unwrap();
    assert!(ils.contains("ils main") && ils.contains("BAD"), "{answers}");
    assert!(vendor.contains("connect") && vendor.contains("good") && !vendor.contains("BAD"), "{answers}");
}

#[test]
fn signing_keys_are_made_shown_and_rotated() {
    let folder = current();
    folder.write("vestibule.toml", GOOD.replace("kind = \"sip2\"", "kind = \"sip2\"\naddress = \"x\"").as_bytes());
    let config = folder.path("vestibule.toml");
    let keys = |words: &[&str]| vestibule(&[&["keys"], words, &["--config", config.to_str().unwrap()]].concat());
    let (exit, _, trouble) = keys(&["show"]);
    assert!(exit == 78 && trouble.contains("`vestibule keys new` makes them"), "{trouble}");
    let (exit, answers, _) = keys(&["new", "--algorithm", "ES256", "--algorithm", "EdDSA"]);
    assert_eq!((exit, answers.lines().count()), (0, 2), "{answers}");
    assert_eq!(keys(&["show"]).1, answers);
    let (exit, answers, _) = keys(&["rotate"]);
    assert!(exit == 0 && answers.matches("published: ").count() == 2, "{answers}");
    assert!(keys(&["rotate"]).1.contains("waiting: ES256 key"));
    let (exit, answers, _) = keys(&["rotate", "--now"]);
    assert!(
        exit == 0 && answers.matches("promoted: ").count() == 2 && answers.matches("retired: ").count() == 2,
        "{answers}"
    );
}
