//! Nobody is taken for somebody else: many patrons at once over a few connections to the library's system, and nothing
//! that was typed can speak SIP2.
use super::support::World;
use super::support::browser::Browser;
use super::support::observe::metric;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SIGN_INS: usize = 10_000;
const AT_ONCE: usize = 32;
const PORTAL: &str = "login.vestibule.localhost";

/// What came of a sign-in: the name at the vendor, or the status of the refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Named(String),
    Refused(StatusCode),
}

/// The name in the assertion that the vendor echoed.
fn named(echo: &str) -> String {
    let field =
        echo.lines().find_map(|l| l.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case("library-assertion")));
    let (_, assertion) = field.unwrap_or_else(|| panic!("no assertion: {echo}"));
    let claims = URL_SAFE_NO_PAD.decode(assertion.trim().split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

/// Signs in on a browser that others used before, and asks a vendor who that is.
async fn who(world: &World, browser: &mut Browser, form: &[(&str, &str)]) -> Outcome {
    let host = world.vendor("atlas")["host"].as_str().unwrap();
    browser.forget(host);
    let page = browser.post(&format!("{}/login", world.portal()), form).await;
    if page.status != StatusCode::SEE_OTHER {
        return Outcome::Refused(page.status);
    }
    let page = browser.follow(page).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    assert_eq!(page.url.path(), "/echo");
    Outcome::Named(named(&page.text()))
}

/// As [`who`], and comes again while the library's system is too slow to answer: on a busy machine its deadline may pass.
async fn patiently(world: &World, browser: &mut Browser, form: &[(&str, &str)]) -> Outcome {
    for _ in 0..100 {
        let outcome = who(world, browser, form).await;
        if outcome != Outcome::Refused(StatusCode::SERVICE_UNAVAILABLE) {
            return outcome;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("no answer: {}", world.log());
}

/// A browser with a form open, as it stays in a second tab: its token and cookie serve for every patron.
async fn with_form(world: &World) -> (Browser, String, String) {
    let mut browser = world.browser();
    let wanted = format!("{}/login?url={}/echo", world.portal(), world.vendor("atlas")["origin"].as_str().unwrap());
    let page = browser.visit(&wanted).await;
    (browser, page.hidden("token").unwrap(), page.hidden("qurl").unwrap())
}

/// The patron of the `n`th sign-in: every patron comes equally often, in another order each time.
fn place(n: usize, patrons: usize) -> usize {
    let (round, at) = (n / patrons, n % patrons);
    // A step that is prime to the number of patrons visits every place once a round.
    let step = [7, 11, 13, 17, 19, 23, 29, 31][round % 8];
    let step = if patrons.is_multiple_of(step) { 1 } else { step };
    (at * step + round * 13) % patrons
}

async fn visitor(world: Arc<World>, next: Arc<AtomicUsize>, first: Arc<Mutex<HashMap<usize, Outcome>>>) -> usize {
    let (mut browser, token, qurl) = with_form(&world).await;
    let kept = browser.cookies(PORTAL);
    let patrons = world.told["patrons"].as_array().unwrap();
    let mut wrong = 0;
    loop {
        let n = next.fetch_add(1, SeqCst);
        if n >= SIGN_INS {
            return wrong;
        }
        browser.forget(PORTAL);
        for cookie in &kept {
            let (name, value) = cookie.split_once('=').unwrap();
            browser.set_cookie(PORTAL, name, value);
        }
        let index = place(n, patrons.len());
        let text = |key: &str| patrons[index][key].as_str().unwrap();
        // Now and then somebody mistypes the PIN, between all the others who do not. Nobody does so twice in a row, which
        // would end in a pause.
        let mistyped = n % 16 == 7 && (n / patrons.len()).is_multiple_of(2);
        let pin = if mistyped { "000" } else { text("pin") };
        let form =
            [("token", &*token), ("qurl", &*qurl), ("library", text("library")), ("card", text("card")), ("pin", pin)];
        let outcome = patiently(&world, &mut browser, &form).await;
        let right = if mistyped {
            outcome == Outcome::Refused(StatusCode::UNAUTHORIZED)
        } else {
            first.lock().unwrap().entry(index).or_insert_with(|| outcome.clone()) == &outcome
        };
        wrong += usize::from(!right);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_interleaved_sign_ins_give_nobody_another_s_answer() {
    let world = Arc::new(World::start());
    let (next, first) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(HashMap::new())));
    let begun = Instant::now();
    let visitors: Vec<_> = (0..AT_ONCE)
        .map(|_| tokio::spawn(visitor(Arc::clone(&world), Arc::clone(&next), Arc::clone(&first))))
        .collect();
    let mut wrong = 0;
    for visitor in visitors {
        wrong += visitor.await.unwrap();
    }
    let took = begun.elapsed();
    let first = first.lock().unwrap();
    let patrons = world.told["patrons"].as_array().unwrap();
    assert_eq!(first.len(), patrons.len(), "every patron came");
    let mut names = Vec::new();
    for (index, outcome) in first.iter() {
        let note = patrons[*index]["note"].as_str().unwrap();
        let good = note.contains("good");
        match outcome {
            Outcome::Named(name) => names.push(name.clone()),
            Outcome::Refused(status) => assert_eq!(*status, StatusCode::FORBIDDEN, "{note}"),
        }
        assert_eq!(matches!(outcome, Outcome::Named(_)), good, "{note}");
    }
    let admitted = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), admitted, "everybody has a name of their own");
    let count = |outcome: &str| {
        let of = |library: &str| format!("vestibule_sign_ins_total{{library=\"{library}\",outcome=\"{outcome}\"}}");
        metric(world.text("admin"), &of("elmwood")) + metric(world.text("admin"), &of("harbour"))
    };
    // Too late is the only trouble that there may be: anything else would be an answer to another question.
    for line in world.log().lines().filter(|l| l.contains("gave no usable answer")) {
        assert!(line.contains("in time") || line.contains("left alone"), "{line}");
    }
    println!(
        "{SIGN_INS} sign-ins by {} patrons, {AT_ONCE} at once, in {took:.1?}: {wrong} wrong answers; {} accepted, \
         {} rejected, {} too late and repeated, {admitted} different names",
        patrons.len(),
        count("accepted"),
        count("rejected"),
        count("unavailable"),
    );
    assert_eq!(wrong, 0);
}

/// Every byte that the library's system received.
fn heard(world: &World) -> Vec<u8> {
    let files = std::fs::read_dir(world.path("ils_traffic")).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = files.filter(|p| p.to_string_lossy().ends_with(".in.raw")).collect();
    files.sort();
    files.iter().flat_map(|p| std::fs::read(p).unwrap()).collect()
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|w| *w == needle).count()
}

#[tokio::test]
async fn what_could_speak_sip2_never_reaches_the_wire() {
    let world = World::start();
    let (adult, other) = (world.patron(0).clone(), world.patron(4).clone());
    let text = |patron: &Value, key: &str| patron[key].as_str().unwrap().to_owned();
    let (card, pin, library) = (text(&adult, "card"), text(&adult, "pin"), text(&adult, "library"));
    assert_eq!(world.sign_in(&mut world.browser(), &adult, None).await.status, StatusCode::OK);
    let before = heard(&world);
    assert_eq!(count(&before, card.as_bytes()), 1, "one question, one card");
    let injected =
        format!("{pin}\r6300020260101    000000          AO|AA{}|AC|AD{}|", text(&other, "card"), text(&other, "pin"));
    let mut forms = Vec::new();
    for bad in ["\r", "\n", "\r\n", "|", "\0", "\u{b}", "\u{1b}", "\u{7f}", "\u{85}", "\u{9f}"] {
        for odd in [format!("{pin}{bad}"), format!("{bad}{pin}"), format!("{}{bad}{}", &pin[..1], &pin[1..])] {
            forms.push((card.clone(), odd));
        }
        forms.push((format!("{card}{bad}1"), pin.clone()));
    }
    forms.push((card.clone(), injected.clone()));
    forms.push((format!("{card}|AD{pin}|"), "x".to_owned()));
    let mut browser = world.browser();
    for (card, pin) in &forms {
        let form = browser.get(&format!("{}/login", world.portal())).await;
        let page = world.post_login(&mut browser, &form, (card, pin), &library).await;
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::BAD_REQUEST].contains(&page.status);
        assert!(refused, "{} for {:?}", page.status, (card.escape_debug().to_string().len(), pin.escape_debug()));
        assert!(!browser.cookies(PORTAL).iter().any(|c| c.starts_with("__Host-vestibule=")));
    }
    assert_eq!(heard(&world).len(), before.len(), "not one byte was sent for {} forms", forms.len());
    // Odd, but harmless: sent as it is, or not at all; never as something else, and never accepted. Two for each card, which
    // is as many as may fail in a row.
    let child = world.patron(1).clone();
    let (second, second_pin) = (text(&child, "card"), text(&child, "pin"));
    let wide: String = pin.chars().filter_map(|c| char::from_u32(u32::from(c) - 0x30 + 0xff10)).collect();
    for (card, odd) in [
        (&card, wide.clone()),
        (&card, format!("\u{feff}{pin}")),
        (&second, format!("{second_pin}\u{301}")),
        (&second, format!("{second_pin}\u{2028}\u{ff5c}\u{202e}")),
    ] {
        let form = browser.get(&format!("{}/login", world.portal())).await;
        let page = world.post_login(&mut browser, &form, (card, &odd), &library).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{}", page.text());
    }
    let after = heard(&world)[before.len()..].to_vec();
    // A connection that waited too long meanwhile is opened anew, with messages that hold no PIN.
    let lines = count(&after, b"|AD");
    let plainly = [&pin, &second_pin].map(|pin| count(&after, format!("|AD{pin}|").as_bytes()));
    assert!((1..=4).contains(&lines) && plainly == [0, 0], "{lines} questions");
    println!("{} hostile forms: 0 bytes on the wire; 4 odd ones: {lines} questions, none accepted", forms.len());
    assert_eq!(world.sign_in(&mut world.browser(), &other, None).await.status, StatusCode::OK);
}
