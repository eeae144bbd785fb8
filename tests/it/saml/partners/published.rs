//! Our own metadata, read by others: xmlsec1 verifies it, and Shibboleth's `mdquery` loads it with every filter that a
//! federation's members switch on.
use super::scene::Scene;
use super::vendors::FOLIO;
use crate::saml::emitted::{attribute_of, elements, is_signed_metadata};
use std::process::Command;
use tempfile::TempDir;

/// Asks `mdquery` for the portal in a file of metadata, as signed by whoever has a certificate; whether it was found, and
/// what it said.
fn mdquery(scene: &Scene, metadata: &str, certificate: &std::path::Path) -> (bool, String) {
    let folder = TempDir::new().unwrap();
    let (file, configuration) = (folder.path().join("idp.xml"), folder.path().join("shibboleth2.xml"));
    std::fs::write(&file, metadata).unwrap();
    let text = format!(
        "<SPConfig xmlns=\"urn:mace:shibboleth:3.0:native:sp:config\" logger=\"/etc/shibboleth/console.logger\" \
         clockSkew=\"180\"><ApplicationDefaults entityID=\"https://sp.example/shibboleth\"><Sessions lifetime=\"28800\" \
         timeout=\"3600\" relayState=\"ss:mem\" checkAddress=\"false\" handlerSSL=\"true\" cookieProps=\"https\">\
         <SSO>SAML2</SSO></Sessions><MetadataProvider type=\"XML\" validate=\"true\" path=\"{}\">\
         <MetadataFilter type=\"RequireValidUntil\" maxValidityInterval=\"2419200\"/>\
         <MetadataFilter type=\"Signature\" certificate=\"{}\"/></MetadataProvider></ApplicationDefaults>\
         <SecurityPolicyProvider type=\"XML\" validate=\"true\" path=\"/etc/shibboleth/security-policy.xml\"/>\
         <ProtocolProvider type=\"XML\" validate=\"true\" path=\"/etc/shibboleth/protocols.xml\"/></SPConfig>",
        file.display(),
        certificate.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let done = Command::new("mdquery")
        .args(["-e", &scene.idp(), "-saml2", "-idp"])
        .env("SHIBSP_CONFIG", &configuration)
        .output()
        .expect("it is there: run tests/install.sh");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let found = done.status.success() && said.contains("<md:IDPSSODescriptor");
    (found, format!("{said}{}", String::from_utf8_lossy(&done.stderr)))
}

#[tokio::test]
async fn others_verify_and_load_our_metadata() {
    let scene = Scene::start(&[FOLIO]).await;
    let mut browser = scene.browser();
    let page = browser.get(&format!("{}?signed", scene.idp())).await;
    assert_eq!(page.headers["content-type"], "application/samlmetadata+xml");
    let metadata = page.text();
    let certificates = scene.certificates().await;
    let signer = certificates.iter().find(|file| is_signed_metadata(&metadata, file).is_ok());
    let signer = signer.unwrap_or_else(|| panic!("no published key signed: {metadata}"));
    assert!(attribute_of(&metadata, "EntityDescriptor", "validUntil").is_some());
    let (found, said) = mdquery(&scene, &metadata, signer);
    assert!(found, "{said}");
    // A changed one is refused by both, and one that is not signed by Shibboleth.
    let changed = metadata.replacen("elmwood.example.org", "elmwood.example.com", 1);
    assert_ne!(changed, metadata);
    assert!(is_signed_metadata(&changed, signer).is_err());
    assert!(!mdquery(&scene, &changed, signer).0);
    let unsigned = scene.metadata().await;
    assert!(elements(&unsigned, "Signature").is_empty());
    assert_eq!(attribute_of(&unsigned, "EntityDescriptor", "validUntil"), None, "it never ends by surprise");
    assert!(!mdquery(&scene, &unsigned, signer).0);
    let places = ["SingleSignOnService", "SingleLogoutService"];
    for place in places {
        let bindings: Vec<_> = elements(&unsigned, place).into_iter().map(|(tag, _)| tag.to_owned()).collect();
        assert_eq!(bindings.len(), 2, "{bindings:?}");
    }
    let scopes: Vec<_> = elements(&unsigned, "Scope").into_iter().map(|(_, scope)| scope).collect();
    assert!(scopes.contains(&"elmwood.example.org"), "{scopes:?}");
}
