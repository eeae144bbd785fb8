//! The product under measurement: `vestibule serve` as an operator runs it, with one worker, and patrons who sign in
//! over its own pages.
use super::browser::{Answer, Browser};
use super::process::{MEASURED, Server, free_port};
use super::site::{PORTAL, Site, secret};
use super::{Outcome, ils};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Starts the product in a folder of its own, with these vendors; gives its port and that of its administration as well.
pub(crate) fn start(site: &Site, program: &Path, label: &str, vendors: &str) -> Outcome<(Server, u16, u16)> {
    let (port, admin, ils) = (free_port()?, free_port()?, ils::start()?);
    let folder = site.at(label);
    fs::create_dir_all(folder.join("state"))?;
    secret(&folder.join("pseudonym.key"), "3f1c9a7e5b2d8064c1e7f3a95d2b8c604e7f1a3b9c5d2e8f")?;
    secret(&folder.join("sip2.password"), "bench")?;
    let file = folder.join("vestibule.toml");
    fs::write(&file, configuration(site, (port, admin, ils)) + vendors)?;
    let program = program.display().to_string();
    let file = file.display().to_string();
    make_keys(&program, &file)?;
    let command = [program.as_str(), "serve", "--config", &file];
    let server = Server::start("vestibule", MEASURED, &command, port, &site.at(&format!("{label}.log")))?;
    Ok((server, port, admin))
}

/// Signing keys are made before the first start.
fn make_keys(program: &str, file: &str) -> Outcome<()> {
    let output = Command::new(program).args(["keys", "new", "--config", file]).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`keys new` failed: {}", String::from_utf8_lossy(&output.stderr)).into())
}

fn configuration(site: &Site, (port, admin, ils): (u16, u16, u16)) -> String {
    format!(
        r#"
public_url = "https://{PORTAL}:{port}"
proxy_domain = "proxy.localhost"
listen = ["127.0.0.1:{port}"]
admin_listen = "127.0.0.1:{admin}"
workers = 1
state_dir = "state"
pseudonym_key_file = "pseudonym.key"

[log]
format = "human"
requests = false

[[certificate]]
certificate = "{certificate}"
key = "{key}"

[[ils]]
id = "standin"
kind = "sip2"
address = "127.0.0.1:{ils}"
connections = 16
login = {{ user = "bench", password_file = "sip2.password" }}

[[library]]
id = "bench"
name = "Bench"
scope = "bench.example.org"
ils = "standin"
"#,
        certificate = site.at("certificate.pem").display(),
        key = site.at("key.pem").display(),
    )
}

/// Signs a patron in: the form, then the form filled in. Gives the portal's cookie.
pub(crate) fn sign_in(browser: &mut Browser, port: u16, card: u64) -> Outcome<String> {
    let host = format!("{PORTAL}:{port}");
    let form = browser.send(&format!("GET /login HTTP/1.1\r\nHost: {host}\r\n\r\n"))?;
    let page = form.text();
    let token = hidden(&page, "token").ok_or_else(|| odd("a form with a token", &form))?;
    let cookie = form.cookie("__Host-vestibule-form").ok_or_else(|| odd("a cookie for the form", &form))?;
    let body = format!("token={token}&qurl=&library=bench&card={card:014}&pin=1234");
    let answer = browser.send(&format!(
        "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\nSec-Fetch-Site: same-origin\r\n\
         Cookie: __Host-vestibule-form={cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))?;
    let session = answer.cookie("__Host-vestibule").filter(|_| answer.status == 303);
    session.map(str::to_owned).ok_or_else(|| odd("a session", &answer).into())
}

/// The value of a hidden field.
pub(crate) fn hidden<'p>(page: &'p str, name: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\""))?;
    let (_, rest) = rest.split_once("value=\"")?;
    rest.split('"').next()
}

/// An answer that is not as expected.
pub(crate) fn odd(expected: &str, answer: &Answer) -> String {
    format!("expected {expected}, found an answer {}: {}", answer.status, answer.text())
}
