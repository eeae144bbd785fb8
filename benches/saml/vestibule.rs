//! The product with two SAML vendors: for one the response is signed, for the other the assertion as well.
use crate::aggregate::Aggregate;
use crate::exchange::Signatures;
use crate::peers;
use crate::providers::{Provider, SignIn};
use crate::stage::process::pause;
use crate::stage::site::Site;
use crate::stage::{self, Outcome};
use crate::verified::verify;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Starts the product in a folder of its own.
pub(crate) fn start(site: &Site, program: &Path) -> Outcome<Provider> {
    let mut vendors = String::new();
    for signatures in Signatures::ALL {
        let (id, sign) = match signatures {
            Signatures::One => ("one", "response"),
            Signatures::Two => ("two", "both"),
        };
        let metadata = site.at(&format!("{id}.xml"));
        fs::write(&metadata, peers::vendor(signatures))?;
        vendors += &table(id, sign, &format!("metadata_file = \"{}\"", metadata.display()));
    }
    started(site, program, ("vestibule", "Vestibule"), &vendors)
}

/// Starts one that knows the vendor with two signatures from a federation's aggregate alone.
pub(crate) fn start_federated(site: &Site, program: &Path, aggregate: &Aggregate) -> Outcome<Provider> {
    let source = format!("entity_id = \"{}\"\nfederation = \"bench\"", Signatures::Two.vendor());
    let federation = format!(
        "\n[[saml.federation]]\nid = \"bench\"\naggregate_file = \"{}\"\nkey_file = \"{}\"\n",
        aggregate.file.display(),
        aggregate.certificate.display()
    );
    let vendors = table("two", "both", &source) + &federation;
    let provider = started(site, program, ("vestibule-federated", "Vestibule, federated"), &vendors)?;
    // The aggregate is read beside what is asked.
    let until = Instant::now() + Duration::from_secs(60);
    while let Err(error) = verify(site, &provider) {
        if Instant::now() > until {
            return Err(error);
        }
        pause(Duration::from_millis(500));
    }
    Ok(provider)
}

fn started(site: &Site, program: &Path, (label, name): (&str, &'static str), vendors: &str) -> Outcome<Provider> {
    let (server, port, _) = stage::vestibule::start(site, program, label, vendors)?;
    Ok(Provider {
        name,
        what: "TLS 1.3, one worker; session, licence, pairwise name",
        port,
        path: "/saml/sso",
        sign_in: SignIn::Form,
        goal: None,
        servers: vec![server],
    })
}

/// A vendor's table.
fn table(id: &str, sign: &str, source: &str) -> String {
    format!(
        r#"
[[vendor]]
id = "{id}"
name = "Vendor {id}"
protocol = "saml"
origin = "https://{id}.vendor.example"
[vendor.saml]
{source}
sign = "{sign}"
encryption = "never"

[[licence]]
library = "bench"
vendor = "{id}"
"#
    )
}
