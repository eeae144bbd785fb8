//! Addresses that must lead nowhere, and those that must lead home.
use super::*;
use crate::domain::{Vendor, VendorId};
use crate::web::Learns;
use proptest::prelude::*;
use std::sync::Arc;

const PORT: u16 = 8443;

fn origin(text: &str) -> VendorOrigin {
    let url = Url::parse(text).unwrap();
    let host = url.host_str().unwrap().to_owned();
    VendorOrigin { tls: url.scheme() == "https", host, port: url.port_or_known_default().unwrap() }
}

pub(in crate::web) fn vendor(id: &str, at: &str, aliases: &[&str]) -> HouseVendor {
    let vendor = Vendor {
        id: VendorId::parse(id).unwrap(),
        name: format!("The {id}"),
        description: String::new(),
        origin: origin(at),
        aliases: aliases.iter().map(|a| origin(a)).collect(),
        private_addresses: Vec::new(),
        anonymous: id == "press",
        epoch: "1".to_owned(),
        full_user_agent: false,
        pass_headers: Vec::new(),
    };
    let host = format!("{id}.proxy.example.net");
    HouseVendor { vendor: Arc::new(vendor), host, learns: Learns { affiliation: true, entitlements: true } }
}

pub(in crate::web) fn vendors() -> Vec<HouseVendor> {
    vec![
        vendor("atlas", "https://www.atlas.example", &["http://db.atlas.example:8080", "https://old.atlas.example"]),
        vendor("press", "http://127.0.0.1:9001", &["https://press.example:444"]),
        vendor("six", "http://[::1]:9002", &[]),
    ]
}

/// Every shape of security's redirect corpus, each of which some product once followed.
pub(in crate::web) const HOSTILE: &[&str] = &[
    // no address at all
    "",
    " ",
    "/",
    "//",
    "///",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/evil.example",
    "evil.example",
    "www.atlas.example",
    "www.atlas.example/x",
    "//www.atlas.example",
    "//www.atlas.example@evil.example",
    "/%2fevil.example",
    "%2f%2fevil.example",
    "%2F%2Fevil.example",
    "/%5cevil.example",
    "/.evil.example",
    "./https://www.atlas.example",
    "?https://www.atlas.example",
    "#https://www.atlas.example",
    "@www.atlas.example",
    // schemes
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:www.atlas.example",
    "https:/www.atlas.example",
    "https:///www.atlas.example",
    "https:////www.atlas.example",
    "http:www.atlas.example",
    "http:///www.atlas.example/",
    "https:\\\\www.atlas.example",
    "https:/\\www.atlas.example",
    "https//www.atlas.example",
    "https;//www.atlas.example",
    "https%3a//www.atlas.example",
    "ftp://www.atlas.example/",
    "ws://www.atlas.example/",
    "wss://www.atlas.example/",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "javascript://www.atlas.example/%0aalert(1)",
    "javascript:https://www.atlas.example",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "data://www.atlas.example/x",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "file://www.atlas.example/etc/passwd",
    "gopher://www.atlas.example:70/_x",
    "dict://127.0.0.1:9001/x",
    "ldap://127.0.0.1:9001/x",
    "blob:https://www.atlas.example/x",
    "about:blank",
    "mailto:x@www.atlas.example",
    "view-source:https://www.atlas.example/",
    "jar:https://www.atlas.example!/x",
    "filesystem:https://www.atlas.example/x",
    "httpss://www.atlas.example/",
    "xhttps://www.atlas.example/",
    // user information
    "https://www.atlas.example@evil.example",
    "https://www.atlas.example@evil.example/",
    "https://www.atlas.example:443@evil.example/",
    "https://www.atlas.example:x@evil.example/",
    "https://evil.example@www.atlas.example/",
    "https://user@www.atlas.example/",
    "https://user:pass@www.atlas.example/",
    "https://@www.atlas.example/",
    "https://:@www.atlas.example/",
    "https://:x@www.atlas.example/",
    "https://a@b@www.atlas.example/",
    "https://www.atlas.example@www.atlas.example@evil.example/",
    "https://evil.example%40www.atlas.example/",
    "https://www.atlas.example%40evil.example/",
    "https://www.atlas.example%2f@evil.example/",
    "https://www.atlas.example%00@evil.example/",
    "https://www.atlas.example\\@evil.example/",
    "https://evil.example\\@www.atlas.example/",
    "https://evil.example\\.www.atlas.example/",
    // the right name in the wrong place
    "https://www.atlas.example.evil.example/",
    "https://www.atlas.example-evil.example/",
    "https://evil-www.atlas.example/",
    "https://evilwww.atlas.example/",
    "https://evil.www.atlas.example/",
    "https://atlas.example/",
    "https://example/",
    "https://evil.example/www.atlas.example",
    "https://evil.example?www.atlas.example",
    "https://evil.example?https://www.atlas.example",
    "https://evil.example#www.atlas.example",
    "https://evil.example#@www.atlas.example",
    "https://evil.example?@www.atlas.example",
    "https://evil.example;www.atlas.example",
    "https://evil.example,www.atlas.example",
    "https://evil.example&www.atlas.example",
    "https://evil.example%23www.atlas.example",
    "https://evil.example%3fwww.atlas.example",
    "https://evil.example%2fwww.atlas.example",
    "https://evil.example%252fwww.atlas.example",
    "https://evil.example%09www.atlas.example",
    "https://evil.example/..;/www.atlas.example",
    "https://wwwXatlas.example/",
    "https://www.atlas.exampl/",
    "https://www.atlas.examplee/",
    // dots, case, spelling
    "https://www.atlas.example./",
    "https://www.atlas.example../",
    "https://.www.atlas.example/",
    "https://www..atlas.example/",
    "https://www.atlas.example%2e/",
    "https://www%2eatlas%2eexample/",
    "https://%77ww.atlas.example/",
    "https://www.atlas.e\u{ad}xample/",
    "https://www.atlas\u{3002}example/",
    "https://www\u{ff0e}atlas.example/",
    "https://www.atlas\u{ff61}example/",
    "https://\u{ff57}ww.atlas.example/",
    "https://www.\u{430}tlas.example/",
    "https://www.atla\u{17f}.example/",
    "https://\u{24e6}ww.atlas.example/",
    "https://www.atlas.ex\u{200b}ample/",
    "https://www.atlas.ex\u{200d}ample/",
    "https://www.atlas.example\u{2044}evil.example/",
    "https://www.atlas.example\u{ff0f}evil.example/",
    "https://www.atlas.example\u{ff1f}evil.example/",
    "https://www.atlas.example\u{ff03}evil.example/",
    "https://www.atlas.example\u{ff20}evil.example/",
    "https://xn--www-.atlas.example/",
    "https://www.xn--atlas.example/",
    "https://www.xn--atlas-.example/",
    "https://xn--a.example/",
    "https://xn--80ak6aa92e.com/",
    // ports
    "https://www.atlas.example:444/",
    "https://www.atlas.example:80/",
    "https://www.atlas.example:8443/",
    "http://www.atlas.example:443/",
    "https://www.atlas.example:/",
    "https://www.atlas.example:0/",
    "https://www.atlas.example:65536/",
    "https://www.atlas.example:-1/",
    "https://www.atlas.example:443:443/",
    "https://www.atlas.example:443x/",
    "https://www.atlas.example: 443/",
    "https://www.atlas.example:000443/",
    "http://db.atlas.example/",
    "https://db.atlas.example:8080/",
    "http://db.atlas.example:8081/",
    "http://press.example:444/",
    "https://press.example/",
    "https://127.0.0.1:9001/",
    "http://127.0.0.1/",
    "http://127.0.0.1:9000/",
    // control characters and spaces
    "\thttps://www.atlas.example/",
    " https://www.atlas.example/",
    "https://www.atlas.example/ ",
    "https://www.atlas.example/\t",
    "https://www.atlas.example/x\ny",
    "https://www.atlas.example/\r\nLocation: https://evil.example",
    "https://www.atlas.example/\0",
    "https://www.atlas.example\0.evil.example/",
    "https://www.atlas.example\t.evil.example/",
    "ht\ntps://www.atlas.example/",
    "h\tttps://evil.example/",
    "https:/\t/evil.example/",
    "https://www.atlas.example/\u{7f}",
    "https://www.atlas.example/\u{85}",
    "https://www.atlas.example/\u{a0}x",
    "https://www.atlas.example/\u{2028}x",
    "https://www.atlas.example/\u{3000}x",
    "\u{feff}https://www.atlas.example/",
    "https://www.atlas.example/\\evil.example",
    "https://www.atlas.example\\evil.example",
    "https://www.atlas.example/?x=\\",
    "https://www.atlas.example /",
    "https://www.atlas .example/",
    // addresses
    "http://127.1:9001/",
    "http://127.0.1:9001/",
    "http://2130706433:9001/",
    "http://0x7f000001:9001/",
    "http://0x7f.0.0.1:9001/",
    "http://0x7f.1:9001/",
    "http://017700000001:9001/",
    "http://0177.0.0.1:9001/",
    "http://127.0.0.01:9001/",
    "http://127.0.0.1.:9001/",
    "http://127.000.000.001:9001/",
    "http://[::ffff:7f00:1]:9001/",
    "http://[::ffff:127.0.0.1]:9001/",
    "http://[::127.0.0.1]:9001/",
    "http://[0:0:0:0:0:0:0:1]:9002/",
    "http://[::1%25lo]:9002/",
    "http://[::1]/",
    "http://::1:9002/",
    "http://0/",
    "http://0:9001/",
    "http://0.0.0.0:9001/",
    "http://[::]:9001/",
    "http://localhost:9001/",
    "http://127.0.0.1.nip.io:9001/",
    "http://\u{2460}27.0.0.1:9001/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://100.64.0.1/",
    "http://10.0.0.1/",
    "http://192.168.0.1/",
    "http://metadata.google.internal/",
    "http://[",
    "http://[]",
    "http://]",
    "http://",
    "https://?",
    "https://#",
    "https://:443/",
    // our own hosts and paths
    "https://login.example.org/",
    "https://login.example.org:8443/logout",
    "https://proxy.example.net:8443/",
    "https://evil.proxy.example.net:8443/",
    "https://atlas.proxy.example.net/",
    "http://atlas.proxy.example.net:8443/",
    "https://atlas.proxy.example.net:8443/.vestibule/enter?ticket=x&to=%2F",
    "https://atlas.proxy.example.net:8443//.vestibule/enter",
    "https://atlas.proxy.example.net:8443/x/../.vestibule/enter",
    "https://atlas.proxy.example.net:8443/%2e/.vestibule/enter",
    "https://x.atlas.proxy.example.net:8443/",
    "https://atlas.proxy.example.net.evil.example:8443/",
    // markup and templates
    "https://evil.example/\"><script>alert(1)</script>",
    "https://evil.example/{{7*7}}",
    "https://<script>.example/",
    "https://evil.example%3Cscript%3E/",
];

fn lead(address: &str) -> Option<(String, String)> {
    resolve(&vendors(), PORT, address).ok().map(|l| (l.vendor.vendor.id.to_string(), l.path))
}

#[test]
fn no_hostile_address_leads_anywhere() {
    assert!(HOSTILE.len() >= 150, "{}", HOSTILE.len());
    for address in HOSTILE {
        assert!(lead(address).is_none(), "{address:?} leads to {:?}", lead(address));
    }
    let long = format!("https://www.atlas.example/{}", "x".repeat(LONGEST));
    assert!(lead(&long).is_none());
}

#[test]
fn a_link_leads_to_its_vendor() {
    for (address, vendor, path) in [
        ("https://www.atlas.example", "atlas", "/"),
        ("https://www.atlas.example/a/b?c=d&e=f", "atlas", "/a/b?c=d&e=f"),
        ("HTTPS://WWW.Atlas.EXAMPLE/X", "atlas", "/X"),
        ("http://www.atlas.example/x", "atlas", "/x"),
        ("http://www.atlas.example:80/x", "atlas", "/x"),
        ("https://www.atlas.example:443/x", "atlas", "/x"),
        ("https://www.atlas.example?q=1", "atlas", "/?q=1"),
        ("https://old.atlas.example/", "atlas", "/"),
        ("http://db.atlas.example:8080/x", "atlas", "/x"),
        ("https://atlas.proxy.example.net:8443/x", "atlas", "/x"),
        ("http://127.0.0.1:9001/x", "press", "/x"),
        ("https://press.example:444/", "press", "/"),
        ("http://[::1]:9002/", "six", "/"),
        ("https://www.atlas.example//evil.example/x", "atlas", "/evil.example/x"),
        ("https://www.atlas.example/../../x", "atlas", "/x"),
        ("https://www.atlas.example/%2e%2e//evil.example", "atlas", "/evil.example"),
        ("https://www.atlas.example/caf\u{e9}?q=\u{e9}", "atlas", "/caf%C3%A9?q=%C3%A9"),
        ("https://www.atlas.example/?u=https://evil.example/", "atlas", "/?u=https://evil.example/"),
        ("https://www.atlas.example/@evil.example", "atlas", "/@evil.example"),
        ("https://www.atlas.example/%0d%0ax", "atlas", "/%0d%0ax"),
    ] {
        assert_eq!(lead(address), Some((vendor.to_owned(), path.to_owned())), "{address}");
    }
}

#[test]
fn a_fragment_stays_with_the_link() {
    let vendors = vendors();
    let link = resolve(&vendors, PORT, "https://www.atlas.example/a#/b\"c").ok().unwrap();
    assert_eq!(link.fragment.as_deref(), Some("/b%22c"));
    assert_eq!(link.address(PORT), "https://atlas.proxy.example.net:8443/a#/b%22c");
    assert_eq!(link.address(443), "https://atlas.proxy.example.net/a#/b%22c");
}

#[test]
fn only_a_plain_name_is_shown() {
    let shown = |address| resolve(&vendors(), PORT, address).err().unwrap().host;
    assert_eq!(shown("https://Evil.example/x").as_deref(), Some("evil.example"));
    for hidden in [
        "http://127.0.0.2/",
        "http://[::2]/",
        "https://xn--80ak6aa92e.com/",
        "https://localhost/",
        "https://a_b.c/",
        "//x",
    ] {
        assert_eq!(shown(hidden), None, "{hidden}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever leads somewhere leads to the public host of a configured vendor, and to itself again from there.
    #[test]
    fn a_link_is_made_of_the_configuration(
        head in "(https?:/{0,3}|)",
        host in "(www\\.atlas\\.example|127\\.0\\.0\\.1|atlas\\.proxy\\.example\\.net|[@:.a-z\\[\\]%\\\\/?#-]{0,8}){1,3}",
        port in "(:(443|80|8443|9001|[0-9]{0,6}))?",
        rest in "[/\\\\?#@:%a-f0-9.;&=é <>\"\\t]{0,12}",
    ) {
        let address = format!("{head}{host}{port}{rest}");
        let vendors = vendors();
        if let Ok(link) = resolve(&vendors, PORT, &address) {
            prop_assert!(link.path.starts_with('/') && !link.path.starts_with("//"));
            prop_assert!(link.path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'));
            let authority = address.split("://").nth(1).unwrap().split(['/', '?', '#']).next().unwrap().to_ascii_lowercase();
            let known = ["www.atlas.example", "127.0.0.1", "atlas.proxy.example.net"];
            prop_assert!(known.iter().any(|k| authority == *k || authority.starts_with(&format!("{k}:"))), "{}", address);
            let again = resolve(&vendors, PORT, &link.address(PORT)).ok();
            prop_assert!(again.is_some_and(|a| a.path == link.path && a.vendor.host == link.vendor.host));
        }
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = resolve(&vendors(), PORT, &text);
    }
}
