//! What a request that is no use costs: processor time, and memory.
use super::asker::{PLAIN, SIGNER, Scene, deflated, escaped, posted, query, signed};
use super::malformed::documents;
use crate::support::{Browser, figure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;

/// How often each is sent.
const TIMES: u32 = 8;
/// What one may cost, in milliseconds of a processor.
const GOAL: f64 = 50.0;

/// The processor time that a process has used, in milliseconds.
fn used(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    // Linux counts in hundredths of a second (`USER_HZ`).
    (ticks(11) + ticks(12)) * 10.0
}

/// The most memory that a process ever had, in MiB.
fn most_memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/status"))).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Hostile requests: a query, or a form.
fn hostile(scene: &Scene) -> Vec<(&'static str, Result<String, String>)> {
    let plain = scene.draft(PLAIN);
    let mut all = Vec::new();
    for (what, document) in documents(&plain) {
        let query = format!("SAMLRequest={}", escaped(&deflated(document.as_bytes())));
        // No longer address is read at all.
        if query.len() < 8000 {
            all.push((what, Ok(query)));
        }
        all.push((what, Err(STANDARD.encode(document))));
    }
    let good = signed(SIGNER, &scene.draft(SIGNER));
    let (_, once) = good.split_once("<ds:Reference").unwrap();
    let once = format!("<ds:Reference{}</ds:Reference>", once.split("</ds:Reference>").next().unwrap());
    let transform = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>";
    for (what, document) in [
        ("two thousand references", good.replace(&once, &once.repeat(2000))),
        ("a hundred references", good.replace(&once, &once.repeat(100))),
        (
            "five thousand transforms",
            good.replace("</ds:Transforms>", &format!("{}</ds:Transforms>", transform.repeat(5000))),
        ),
        (
            "six hundred transforms",
            good.replace("</ds:Transforms>", &format!("{}</ds:Transforms>", transform.repeat(600))),
        ),
        ("changed after signing", good.replace("example/acs\"", "example/acs2\"")),
    ] {
        all.push((what, Err(posted(&document))));
    }
    let depth = format!("{}{}", "<b>".repeat(100_000), "</b>".repeat(100_000));
    let attributes: String = (0..100_000).fold(String::new(), |text, n| text + &format!(" a{n}=\"\""));
    let names: String = (0..20_000).fold(String::new(), |text, n| text + &format!(" xmlns:n{n}=\"n\""));
    for (what, document) in [
        ("depth 100 000", depth),
        ("100 000 attributes", format!("<b{attributes}/>")),
        ("20 000 namespaces", format!("<b{names}/>")),
        ("ten megabytes of spaces", " ".repeat(10 << 20)),
        ("four megabytes of spaces", " ".repeat(4 << 20)),
    ] {
        let query = format!("SAMLRequest={}", escaped(&deflated(document.as_bytes())));
        all.push((what, if query.len() < 60_000 { Ok(query) } else { Err(STANDARD.encode(document)) }));
    }
    all
}

async fn send(scene: &Scene, browser: &mut Browser, request: &Result<String, String>, what: &str) {
    let outcome = match request {
        Ok(query) => scene.ask(browser, query).await,
        Err(form) => scene.post(browser, &[("SAMLRequest", form)]).await,
    };
    assert!(outcome.response.is_none(), "{what}");
    assert!(outcome.page.status.is_client_error(), "{what}: {}", outcome.page.status);
}

#[tokio::test]
async fn malformed_requests_cost_little() {
    let scene = Scene::open().await;
    let (pid, mut browser) = (scene.served.pid(), scene.signed_in().await);
    let all = hostile(&scene);
    // Whatever is set up once is set up.
    for _ in 0..TIMES {
        scene.ask(&mut browser, &query(&scene.draft(PLAIN))).await.granted();
    }
    for (what, request) in &all {
        send(&scene, &mut browser, request, what).await;
    }
    let before = most_memory(pid);
    let mut worst = (0.0, "");
    for (what, request) in &all {
        let begun = used(pid);
        for _ in 0..TIMES {
            send(&scene, &mut browser, request, what).await;
        }
        let each = (used(pid) - begun) / f64::from(TIMES);
        if each > worst.0 {
            worst = (each, what);
        }
        assert!(each < GOAL, "{what}: {each:.1} ms");
    }
    let grown = most_memory(pid) - before;
    assert!(grown < 16.0, "memory grew by {grown:.1} MiB over {} requests", all.len() * 8);
    let name = "saml::hostile::costs::malformed_requests_cost_little";
    let what = "processor time of the worst of all malformed requests, in a build without optimization (goal: < 50 ms)";
    figure(name, what, &format!("{:.1} ms ({}), of {} kinds", worst.0, worst.1, all.len()));
    let what = "growth of the most memory over all malformed requests (goal: flat)";
    figure(name, what, &format!("{grown:.1} MiB over {} requests", all.len() * 8));
}
