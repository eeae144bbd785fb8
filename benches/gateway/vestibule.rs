//! The product with the vendor of this benchmark, and patrons who go on to that vendor.
use crate::Outcome;
use crate::ground::{Ground, HOST};
use crate::peers::Proxy;
use crate::stage::browser::Browser;
use crate::stage::site::PORTAL;
use crate::stage::vestibule::odd;
use std::path::Path;

pub(crate) use crate::stage::vestibule::sign_in;

/// Starts the product in a folder of its own.
pub(crate) fn start(ground: &Ground, program: &Path, label: &'static str) -> Outcome<Proxy> {
    let (server, port, _) = crate::stage::vestibule::start(&ground.site, program, label, &vendor(ground.origin))?;
    let about = ("Vestibule", "session, licence, allow-lists, signed assertion");
    Ok(Proxy::new(about, port, vec![server]))
}

fn vendor(origin: u16) -> String {
    format!(
        r#"
[[vendor]]
id = "bench"
name = "Bench"
origin = "http://127.0.0.1:{origin}"
private_addresses = ["127.0.0.0/8"]
protocol = "gateway"

[[licence]]
library = "bench"
vendor = "bench"
"#
    )
}

/// A connection to the portal.
pub(crate) fn portal(ground: &Ground, proxy: &Proxy) -> Outcome<Browser> {
    Browser::connect(proxy.port, Some((&ground.site.trust, PORTAL)))
}

/// Goes on to the vendor's host with a session, and gives the cookie for that host as `name=value`.
pub(crate) fn enter(ground: &Ground, proxy: &Proxy, session: &str) -> Outcome<String> {
    let wanted = format!("http%3A%2F%2F127.0.0.1%3A{}%2F1k", ground.origin);
    let request = format!(
        "GET /login?qurl={wanted} HTTP/1.1\r\nHost: {PORTAL}:{}\r\nCookie: __Host-vestibule={session}\r\n\r\n",
        proxy.port
    );
    let answer = portal(ground, proxy)?.send(&request)?;
    let start = format!("https://{}", proxy.authority());
    let onward = answer.field("location").and_then(|to| to.strip_prefix(&start));
    let onward = onward.ok_or_else(|| odd("a ticket", &answer))?;
    let mut browser = Browser::connect(proxy.port, Some((&ground.site.trust, HOST)))?;
    let entered = browser.send(&format!("GET {onward} HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.authority()))?;
    let name = "__Host-vestibule-visit";
    let cookie = entered.cookie(name).ok_or_else(|| odd("a cookie for the vendor's host", &entered))?;
    Ok(format!("{name}={cookie}"))
}
