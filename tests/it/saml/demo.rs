//! The demo's own vendors over SAML: a reader's way through both from where `demo.json` says that it starts.
use crate::support::forms::unescaped;
use crate::support::{Browser, Page, World};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const AFFILIATION: &str = "urn:oid:1.3.6.1.4.1.5923.1.1.1.9";
const HOME: &str = "urn:oid:1.3.6.1.4.1.25178.1.2.9";
const ENTITLEMENT: &str = "urn:oid:1.3.6.1.4.1.5923.1.1.1.7";
const PAIRWISE: &str = "urn:oasis:names:tc:SAML:attribute:pairwise-id";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";

/// The elements of an assertion; those of its signature begin with `ds:`.
const ELEMENTS: [&str; 15] = [
    "saml:Assertion",
    "saml:Attribute",
    "saml:AttributeStatement",
    "saml:AttributeValue",
    "saml:Audience",
    "saml:AudienceRestriction",
    "saml:AuthnContext",
    "saml:AuthnContextClassRef",
    "saml:AuthnStatement",
    "saml:Conditions",
    "saml:Issuer",
    "saml:NameID",
    "saml:Subject",
    "saml:SubjectConfirmation",
    "saml:SubjectConfirmationData",
];

fn start<'w>(world: &'w World, vendor: &str) -> &'w str {
    let told = world.vendor(vendor);
    assert_eq!((&told["protocol"], told.get("host")), (&json!("saml"), None));
    told["start"].as_str().unwrap()
}

fn at(world: &World, vendor: &str, path: &str) -> String {
    format!("{}{path}", world.vendor(vendor)["origin"].as_str().unwrap())
}

/// Signs in on the way to a vendor; gives the last page before the vendor's.
async fn signed_in(world: &World, browser: &mut Browser, patron: usize, start: &str) -> Page {
    let form = browser.visit_by_forms(start).await;
    let patron = world.patron(patron).clone();
    let page = world.submit(browser, &form, patron["card"].as_str().unwrap(), &patron).await;
    browser.follow(page).await
}

/// Signs in on the way to a vendor, and gets to its page.
async fn sign_in(world: &World, browser: &mut Browser, patron: usize, start: &str) -> Page {
    let page = signed_in(world, browser, patron, start).await;
    browser.go_on(page).await
}

async fn claims(world: &World, browser: &mut Browser, vendor: &str) -> (StatusCode, Value) {
    let page = browser.get(&at(world, vendor, "/claims")).await;
    (page.status, serde_json::from_slice(&page.body).unwrap())
}

async fn sign_out(world: &World, browser: &mut Browser) -> Page {
    let logout = format!("{}/logout", world.portal());
    let token = browser.get(&logout).await.hidden("token").unwrap();
    let page = browser.post(&logout, &[("token", &token)]).await;
    browser.follow(page).await
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The names of elements and attributes of the assertion that a vendor's page shows.
fn vocabulary(page: &Page) -> BTreeSet<String> {
    let text = unescaped(page.text().rsplit_once("<pre>").unwrap().1.split("</pre>").next().unwrap());
    assert!(text.starts_with("<saml:Assertion "), "{text}");
    let tags = text.split('<').skip(1).filter(|tag| !tag.starts_with('/'));
    let words = tags.flat_map(|tag| {
        let tag = tag.split('>').next().unwrap();
        let (name, rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let attributes = rest.split("=\"").map(|part| part.rsplit([' ', '"']).next().unwrap());
        let count = rest.matches("=\"").count();
        let attributes: Vec<_> = attributes.take(count).map(|attribute| format!("{name}/{attribute}")).collect();
        attributes.into_iter().chain([name.to_owned()])
    });
    words.filter(|word| !word.starts_with("ds:")).collect()
}

/// All texts of what a vendor was told.
fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) => BTreeSet::from([text.clone()]),
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(values) => values.values().flat_map(texts).collect(),
        _ => BTreeSet::new(),
    }
}

#[tokio::test]
async fn a_reader_gets_to_both_vendors_and_sees_what_they_were_told() {
    let world = World::start();
    let mut browser = world.browser();
    let page = sign_in(&world, &mut browser, 0, start(&world, "lyceum")).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, &*at(&world, "lyceum", "/")), "{}", page.text());
    let (_, told) = claims(&world, &mut browser, "lyceum").await;
    for shown in
        ["whom I know only as", "member of elmwood.example.org", "POST /saml/acs HTTP/1.1", "&lt;saml:Assertion "]
    {
        assert!(page.text().contains(shown), "{shown} is missing in {}", page.text());
    }
    // Signed in already, the next vendor is one link away.
    let other_page = browser.visit_by_forms(start(&world, "gazette")).await;
    let there = (other_page.status, other_page.url.as_str());
    assert_eq!(there, (StatusCode::OK, &*at(&world, "gazette", "/")), "{}", other_page.text());
    assert!(other_page.text().contains("I know nothing else of you."));
    let (_, other) = claims(&world, &mut browser, "gazette").await;
    for (told, attributes) in [(&told, [PAIRWISE, HOME, AFFILIATION]), (&other, [HOME, ENTITLEMENT, AFFILIATION])] {
        let words = ["AuthnContextClassRef", "AuthnInstant", "ID", "IssueInstant", "Issuer", "NameID"];
        let words: Vec<_> = words.into_iter().chain(["SessionIndex", "SessionNotOnOrAfter", "attributes"]).collect();
        assert_eq!(keys(told), words);
        assert_eq!(keys(&told["attributes"]), attributes);
        assert_eq!(told["attributes"][AFFILIATION], json!(["member@elmwood.example.org"]));
        assert_eq!(told["attributes"][HOME], json!(["elmwood.example.org"]));
        assert_eq!(told["NameID"]["Format"], TRANSIENT);
        assert_eq!(told["Issuer"], json!(format!("{}/saml/metadata", world.portal())));
    }
    // The time of sign-in, of which the second vendor's request was not the cause.
    let coarse = other["AuthnInstant"].as_str().unwrap();
    assert!(["00", "15", "30", "45"].iter().any(|quarter| coarse.ends_with(&format!(":{quarter}:00Z"))), "{coarse}");
    let pairwise = told["attributes"][PAIRWISE][0].as_str().unwrap();
    assert!(pairwise.len() == 32 + "@elmwood.example.org".len() && pairwise.ends_with("@elmwood.example.org"));
    // Nothing else is in the assertion's text.
    for page in [&page, &other_page] {
        let words = vocabulary(page);
        let elements: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.contains('/')).collect();
        assert_eq!(elements, ELEMENTS);
        let of = |element: &str| {
            let words = words.iter().filter_map(|word| word.strip_prefix(element)?.strip_prefix('/'));
            words.filter(|word| !word.starts_with("xmlns")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(of("saml:Assertion"), ["ID", "IssueInstant", "Version"]);
        assert_eq!(of("saml:NameID"), ["Format"]);
        assert_eq!(of("saml:SubjectConfirmationData"), ["InResponseTo", "NotOnOrAfter", "Recipient"]);
        assert_eq!(of("saml:AuthnStatement"), ["AuthnInstant", "SessionIndex", "SessionNotOnOrAfter"]);
        assert_eq!(of("saml:Attribute"), ["FriendlyName", "Name", "NameFormat"]);
    }
    let article = browser.get(&at(&world, "lyceum", "/article/7")).await;
    assert!(article.status.is_success() && article.text().contains("Article 7"));
    assert!(world.stop().success());
}

#[tokio::test]
async fn what_comes_is_recorded_and_holds_nothing_personal() {
    let world = World::start();
    let mut browser = world.browser();
    let mut pages = vec![sign_in(&world, &mut browser, 0, start(&world, "lyceum")).await];
    pages.push(browser.visit_by_forms(start(&world, "gazette")).await);
    let [lyceum, gazette] = ["lyceum", "gazette"].map(|vendor| world.received(vendor));
    let mut known = Vec::new();
    for kept in [&lyceum, &gazette] {
        let kept = String::from_utf8_lossy(kept).into_owned();
        for part in ["GET /login HTTP/1.1", "POST /saml/acs HTTP/1.1", "SAMLResponse=", "<md:IDPSSODescriptor"] {
            assert!(kept.contains(part), "{part} is missing in {kept}");
        }
        let form = kept.split("SAMLResponse=").nth(1).unwrap();
        let form: String = form.chars().take_while(|c| c.is_ascii_alphanumeric() || "%-_.+*".contains(*c)).collect();
        let field = url::form_urlencoded::parse(form.as_bytes()).next().unwrap().0.into_owned();
        known.push(kept);
        known.push(String::from_utf8(STANDARD.decode(field).unwrap()).unwrap());
    }
    assert!(known[1].contains("<saml:EncryptedAssertion") && !known[1].contains("<saml:Assertion"));
    assert!(!known[3].contains("<saml:EncryptedAssertion") && known[3].contains("<saml:Assertion"));
    known.extend(pages.iter().map(|page| unescaped(&page.text())));
    let personal = world.patron(0)["pii"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    // Short words may stand in base64 by chance; the thousand readers of the canary are searched for in every spelling.
    let personal: Vec<&str> = personal.filter(|text| text.len() >= 6).collect();
    assert!(personal.len() > 5);
    for text in personal {
        assert!(!known.iter().any(|known| known.contains(text)), "{text} was told");
    }
}

#[tokio::test]
async fn a_name_lasts_at_one_vendor_and_two_vendors_share_none() {
    let world = World::start();
    let (mut pairwise, mut names) = (Vec::new(), Vec::new());
    for (patron, vendor) in [(0, "lyceum"), (0, "lyceum"), (4, "lyceum"), (0, "gazette"), (0, "gazette")] {
        let mut browser = world.browser();
        let page = sign_in(&world, &mut browser, patron, start(&world, vendor)).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        let (_, told) = claims(&world, &mut browser, vendor).await;
        names.extend([told["NameID"]["value"].to_string(), told["SessionIndex"].to_string(), told["ID"].to_string()]);
        pairwise.extend(told["attributes"].get(PAIRWISE).cloned());
    }
    assert_eq!(pairwise.len(), 3);
    assert!(pairwise[0] == pairwise[1] && pairwise[0] != pairwise[2]);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "whatever names a visit is new each time");
    // One browser, one sign-in: what both were told says nothing of who it was.
    let mut browser = world.browser();
    sign_in(&world, &mut browser, 0, start(&world, "lyceum")).await;
    browser.visit_by_forms(start(&world, "gazette")).await;
    let (_, one) = claims(&world, &mut browser, "lyceum").await;
    let (_, other) = claims(&world, &mut browser, "gazette").await;
    let mut common: BTreeSet<_> = texts(&one).intersection(&texts(&other)).cloned().collect();
    let told = |key: &str| one[key].as_str().unwrap();
    for allowed in ["Issuer", "AuthnContextClassRef", "AuthnInstant", "SessionNotOnOrAfter", "IssueInstant"] {
        common.remove(told(allowed));
    }
    for allowed in [TRANSIENT, "member@elmwood.example.org", "elmwood.example.org"] {
        assert!(common.remove(allowed), "{allowed}");
    }
    assert_eq!(common, BTreeSet::new());
    // A sign-in that must be fresh is another one.
    let page = sign_in(&world, &mut browser, 0, &at(&world, "gazette", "/login?force=true")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let (_, fresh) = claims(&world, &mut browser, "gazette").await;
    assert_ne!(fresh["NameID"]["value"], other["NameID"]["value"]);
    assert_eq!(fresh["SessionIndex"], other["SessionIndex"], "of the same session");
}

#[tokio::test]
async fn a_response_is_good_once() {
    let world = World::start();
    for vendor in ["lyceum", "gazette"] {
        let mut browser = world.browser();
        let page = signed_in(&world, &mut browser, 0, start(&world, vendor)).await;
        let form = page.outward_form().unwrap_or_else(|| panic!("no form: {} {}", page.url, page.text()));
        assert_eq!(form.action.as_str(), at(&world, vendor, "/saml/acs"));
        let page = browser.post_outward(&form).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text());
        let page = browser.post_outward(&form).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(page.text().contains("the response came before"), "{}", page.text());
        // Nor is it good in another browser, where nobody asked.
        let mut other = world.browser();
        assert_eq!(other.post_outward(&form).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(claims(&world, &mut other, vendor).await.0, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn signing_out_at_a_vendor_ends_the_session_here_and_comes_back() {
    let world = World::start();
    let mut browser = world.browser();
    sign_in(&world, &mut browser, 0, start(&world, "lyceum")).await;
    let page = browser.visit(&at(&world, "lyceum", "/logout")).await;
    let page = browser.go_on(page).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/saml/slo"), "{}", page.text());
    assert!(page.text().contains("ended your session everywhere"), "{}", page.text());
    let page = browser.visit(&format!("{}/resources", world.portal())).await;
    assert!(page.text().contains("name=\"pin\""), "the session has ended here as well");
    // The other vendor takes no part in signing out, and the first one hears so.
    sign_in(&world, &mut browser, 0, start(&world, "lyceum")).await;
    browser.visit_by_forms(start(&world, "gazette")).await;
    let page = browser.visit(&at(&world, "lyceum", "/logout")).await;
    let page = browser.go_on(page).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert!(page.text().contains("could not end your session everywhere"), "{}", page.text());
}

#[tokio::test]
async fn signing_out_at_the_portal_reaches_the_vendor() {
    let world = World::start();
    let (mut mine, mut other) = (world.browser(), world.browser());
    sign_in(&world, &mut mine, 0, start(&world, "lyceum")).await;
    sign_in(&world, &mut other, 4, start(&world, "lyceum")).await;
    let page = sign_out(&world, &mut mine).await;
    let page = mine.go_on(page).await;
    assert_eq!(
        (page.status, page.url.host_str()),
        (StatusCode::OK, Some("login.vestibule.localhost")),
        "{}",
        page.text()
    );
    let kept = String::from_utf8_lossy(&world.received("lyceum")).into_owned();
    assert!(kept.contains("GET /saml/slo?SAMLRequest="), "{}", page.text());
    assert_eq!(claims(&world, &mut mine, "lyceum").await.0, StatusCode::FORBIDDEN);
    assert_eq!(claims(&world, &mut other, "lyceum").await.0, StatusCode::OK, "another reader stays");
    // And the portal asks again.
    let page = mine.visit_by_forms(start(&world, "lyceum")).await;
    assert!(page.text().contains("name=\"pin\""), "{}", page.text());
}

#[tokio::test]
async fn a_tile_of_the_portal_begins_the_vendor_s_sign_in() {
    let world = World::start();
    let mut browser = world.browser();
    let page = world.sign_in(&mut browser, &world.patron(0).clone(), None).await;
    assert!(page.text().contains("Lyceum Lectures") && page.text().contains("Village Gazette"), "{}", page.text());
    for vendor in ["lyceum", "gazette"] {
        let tile = format!("{}/go/{vendor}", world.portal());
        let page = browser.get(&tile).await;
        assert_eq!(page.location().unwrap().as_str(), at(&world, vendor, "/login"));
        let page = browser.visit_by_forms(&tile).await;
        assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, &*at(&world, vendor, "/")), "{}", page.text());
    }
}

#[tokio::test]
async fn a_reader_without_a_card_that_is_good_gets_nowhere_and_no_vendor_hears_of_it() {
    let world = World::start();
    for (vendor, name) in [("lyceum", "Lyceum Lectures"), ("gazette", "Village Gazette")] {
        let mut browser = world.browser();
        let form = browser.visit_by_forms(start(&world, vendor)).await;
        assert!(form.text().contains(name), "the form says who asks: {}", form.text());
        let page = sign_in(&world, &mut browser, 2, start(&world, vendor)).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
        assert_eq!(claims(&world, &mut browser, vendor).await.0, StatusCode::FORBIDDEN);
        assert!(!String::from_utf8_lossy(&world.received(vendor)).contains("SAMLResponse="));
        // Whoever goes back is told, and so is the vendor.
        let form = browser.visit_by_forms(start(&world, vendor)).await;
        let request = form.hidden("request").unwrap();
        let page = browser.visit(&format!("{}/login/cancel?request={request}", world.portal())).await;
        let page = browser.go_on(page).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text());
        assert!(page.text().contains("<code>Responder/"), "{}", page.text());
    }
}
