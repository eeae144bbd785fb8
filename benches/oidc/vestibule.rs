//! The product with two OpenID Connect vendors, one for each algorithm, and one behind the gateway: all protocols are on.
use crate::Outcome;
use crate::flow::{Algorithm, SECRET};
use crate::providers::Provider;
use crate::stage;
use crate::stage::browser::Browser;
use crate::stage::site::Site;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::path::Path;

/// How long access tokens live, as in the table of memory.
pub(crate) const LIFETIME: &str = "1m";

/// Starts the product in a folder of its own; gives the port of its administration as well.
pub(crate) fn start(site: &Site, program: &Path, label: &str) -> Outcome<(Provider, u16)> {
    let vendors = Algorithm::ALL.map(vendor).concat() + GATEWAY;
    let (server, port, admin) = stage::vestibule::start(site, program, label, &vendors)?;
    let what = "TLS 1.3, one worker; session, licence, pairwise subject";
    let paths = ("/oidc/authorize", "/oidc/token");
    Ok((Provider { name: "Vestibule", what, port, tls: true, paths, sign_in, server }, admin))
}

fn sign_in(provider: &Provider, browser: &mut Browser, number: u64) -> Outcome<String> {
    let session = stage::vestibule::sign_in(browser, provider.port, number)?;
    Ok(format!("__Host-vestibule={session}"))
}

const GATEWAY: &str = r#"
[[vendor]]
id = "gateway"
name = "Behind the gateway"
origin = "https://gateway.example"
protocol = "gateway"

[[licence]]
library = "bench"
vendor = "gateway"
"#;

fn vendor(algorithm: Algorithm) -> String {
    let secret = URL_SAFE_NO_PAD.encode(digest(&SHA256, SECRET.as_bytes()));
    format!(
        r#"
[[vendor]]
id = "{id}"
name = "Signed with {name}"
protocol = "oidc"
origin = "{origin}"
[vendor.oidc]
client_id = "{id}"
authentication = "client_secret_basic"
client_secret_sha256 = "{secret}"
redirect_uris = ["{callback}"]
id_token_algorithm = "{name}"
access_token_lifetime = "{LIFETIME}"

[[licence]]
library = "bench"
vendor = "{id}"
"#,
        id = algorithm.client(),
        name = algorithm.name(),
        origin = algorithm.origin(),
        callback = algorithm.callback(),
    )
}
