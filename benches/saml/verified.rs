//! Whether what a provider signed verifies: `xmlsec1` looks at one response of each before anything is measured.
use crate::exchange::{Patron, Signatures};
use crate::exchanges::runtime;
use crate::providers::Provider;
use crate::stage::Outcome;
use crate::stage::site::Site;
use std::fs;
use std::process::Command;

/// Asks once with a session, and verifies both signatures with the certificate that came with them: that they are
/// signatures is what is asked here, not whose they are.
pub(crate) fn verify(site: &Site, provider: &Provider) -> Outcome<()> {
    let runtime = runtime()?;
    let mut patrons: Vec<Patron> = provider.patrons(site, &runtime, 1)?;
    let patron = patrons.first_mut().ok_or("expected a patron")?;
    let response = runtime.block_on(patron.exchange(Signatures::Two))?;
    let (file, certificate) = (site.at("response.xml"), site.at("response.pem"));
    fs::write(&file, &response)?;
    fs::write(&certificate, pem(&response).ok_or("expected a certificate in the response")?)?;
    for element in ["Response", "Assertion"] {
        let output = Command::new("xmlsec1")
            .args(["--verify", "--pubkey-cert-pem"])
            .arg(&certificate)
            .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:protocol:Response"])
            .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"])
            .args(["--node-xpath", &format!("//*[local-name()='{element}']/*[local-name()='Signature']")])
            .arg(&file)
            .output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{}: the signature of its {element} does not verify: {why}", provider.name).into());
        }
    }
    if response.matches("xmldsig-more#rsa-sha256").count() == 2 {
        return Ok(());
    }
    Err(format!("{}: expected RSA with SHA-256, found {response}", provider.name).into())
}

fn pem(response: &str) -> Option<String> {
    let (_, rest) = response.split_once("X509Certificate>")?;
    let lines: String = rest.split('<').next()?.split_whitespace().collect();
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in lines.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).ok()?);
        pem.push('\n');
    }
    Some(pem + "-----END CERTIFICATE-----\n")
}
