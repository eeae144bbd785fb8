//! The peers: `SimpleSAMLphp` under php-fpm with opcache behind nginx, and pysaml2 as the example that comes with it does.
//! Each has a folder of its own with all that it needs; nothing of the machine's own settings is read.
use crate::exchange::Signatures;
use crate::providers::{Provider, SignIn, base};
use crate::stage::Outcome;
use crate::stage::process::{MEASURED, Server, free_port};
use crate::stage::site::{PORTAL, Site};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Metadata of a vendor.
const VENDOR: &str = include_str!("peer/vendor.xml");

const SIMPLESAMLPHP: [(&str, &str); 7] = [
    ("config.php", include_str!("peer/simplesamlphp/config.php")),
    ("authsources.php", include_str!("peer/simplesamlphp/authsources.php")),
    ("saml20-idp-hosted.php", include_str!("peer/simplesamlphp/saml20-idp-hosted.php")),
    ("saml20-sp-remote.php", include_str!("peer/simplesamlphp/saml20-sp-remote.php")),
    ("php.ini", include_str!("peer/simplesamlphp/php.ini")),
    ("php-fpm.conf", include_str!("peer/simplesamlphp/php-fpm.conf")),
    ("nginx.conf", include_str!("peer/simplesamlphp/nginx.conf")),
];
const PYSAML2: &str = include_str!("peer/pysaml2/idp.py");

/// Where `benches/install.sh` puts pysaml2.
fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-peers/pysaml2/bin/python")
}

/// Debian has the version in the name.
fn fpm() -> Outcome<String> {
    let entries = fs::read_dir("/usr/sbin")?.flatten().map(|entry| entry.path().display().to_string());
    let newest = entries.filter(|path| path.starts_with("/usr/sbin/php-fpm")).max();
    newest.ok_or_else(|| missing("php-fpm"))
}

fn missing(what: &str) -> Box<dyn std::error::Error + Send + Sync> {
    format!("missing: {what}; run `benches/install.sh` as root (it starts no service)").into()
}

/// Looks whether they are installed.
pub(crate) fn check() -> Outcome<()> {
    fpm()?;
    if !Path::new("/usr/share/simplesamlphp/www/saml2/idp/SSOService.php").exists() {
        return Err(missing("simplesamlphp"));
    }
    if python().exists() { Ok(()) } else { Err(missing("pysaml2")) }
}

/// Their versions, as lines for the head of the results.
pub(crate) fn versions() -> Outcome<String> {
    let said = |program: &mut Command| -> Outcome<String> {
        Ok(String::from_utf8_lossy(&program.output()?.stdout).lines().next().unwrap_or("?").to_owned())
    };
    let debian = said(Command::new("dpkg-query").args(["-W", "-f=${Version}", "simplesamlphp"]))?;
    let php = said(Command::new(fpm()?).arg("--version"))?;
    let pysaml2 =
        said(Command::new(python()).args(["-c", "import importlib.metadata as m; print(m.version('pysaml2'))"]))?;
    let python = said(Command::new(python()).arg("--version"))?;
    Ok(format!("- SimpleSAMLphp {debian}, {php}\n- pysaml2 {pysaml2}, {python}\n"))
}

/// A folder with a signing key of 2,048 bits.
fn folder(site: &Site, name: &str) -> Outcome<PathBuf> {
    let folder = site.at(name);
    fs::create_dir_all(&folder)?;
    let (key, certificate) = (folder.join("signing.key"), folder.join("signing.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=bench", "-keyout"])
        .args([key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
        .output()?;
    if made.status.success() { Ok(folder) } else { Err("expected openssl to make a key".into()) }
}

/// Starts `SimpleSAMLphp`.
pub(crate) fn simplesamlphp(site: &Site) -> Outcome<Provider> {
    let folder = folder(site, "simplesamlphp")?;
    for below in ["temp", "sessions", "templates"] {
        fs::create_dir_all(folder.join(below))?;
    }
    let (port, fpm_port) = (free_port()?, free_port()?);
    let values = [
        ("@FOLDER@", folder.display().to_string()),
        ("@BASE@", base(port)),
        ("@HOST@", PORTAL.to_owned()),
        ("@PORT@", port.to_string()),
        ("@FPM@", fpm_port.to_string()),
        ("@VENDOR@", Signatures::Two.vendor().to_owned()),
        ("@CONSUMER@", Signatures::Two.consumer().to_owned()),
        ("@CERTIFICATE@", site.at("certificate.pem").display().to_string()),
        ("@KEY@", site.at("key.pem").display().to_string()),
    ];
    for (name, text) in SIMPLESAMLPHP {
        let text = values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        fs::write(folder.join(name), text)?;
    }
    let [php, ini, nginx] =
        ["php-fpm.conf", "php.ini", "nginx.conf"].map(|name| folder.join(name).display().to_string());
    // As whoever runs the benchmark: `-R` lets that be root.
    let command = [&fpm()?, "-R", "-F", "-y", &php, "-c", &ini];
    let fpm = Server::start("php-fpm", MEASURED, &command, fpm_port, &folder.join("php-fpm.out"))?;
    let nginx = Server::start("nginx", MEASURED, &["nginx", "-c", &nginx], port, &folder.join("nginx.out"))?;
    Ok(Provider {
        name: "SimpleSAMLphp",
        what: "php-fpm with 8 workers and opcache (JIT compiling made it slower) behind nginx with TLS 1.3; sessions in \
               files, no filters, no statistics, errors logged alone",
        port,
        path: "/simplesaml/saml2/idp/SSOService.php",
        sign_in: SignIn::AtOnce,
        goal: Some(6.0),
        servers: vec![fpm, nginx],
    })
}

/// Starts pysaml2.
pub(crate) fn pysaml2(site: &Site) -> Outcome<Provider> {
    let folder = folder(site, "pysaml2")?;
    fs::write(folder.join("vendor.xml"), vendor(Signatures::Two))?;
    let script = folder.join("idp.py");
    fs::write(&script, PYSAML2)?;
    let port = free_port()?;
    let paths = [python(), script, folder.clone(), site.at("certificate.pem"), site.at("key.pem")];
    let [python, script, files, certificate, key] = paths.map(|path| path.display().to_string());
    let (number, base) = (port.to_string(), base(port));
    let command = [&python, &script, &number, &base, &files, &certificate, &key].map(String::as_str);
    let server = Server::start("pysaml2", MEASURED, &command, port, &folder.join("idp.out"))?;
    Ok(Provider {
        name: "pysaml2",
        what: "the calls of its example on Python's own HTTP server with TLS 1.3; signs by running xmlsec1, as it does by \
               itself, whose processor time counts as its own",
        port,
        path: "/sso/redirect",
        sign_in: SignIn::AtOnce,
        goal: Some(90.0),
        servers: vec![server],
    })
}

/// Metadata of the vendor for which so much is signed.
pub(crate) fn vendor(signatures: Signatures) -> String {
    VENDOR.replace("@VENDOR@", signatures.vendor()).replace("@CONSUMER@", signatures.consumer())
}
