//! A federation's aggregate as large federations publish them: very many entities with their certificates, names in several
//! languages, categories and contacts, half of them identity providers, and one signature over all.
use crate::stage::Outcome;
use crate::stage::site::Site;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// As many as the goal speaks of.
pub(crate) const ENTITIES: usize = 10_000;
/// Keys that entities have; they are shared, as making one takes long.
const KEYS: usize = 16;

/// The files of a federation.
pub(crate) struct Aggregate {
    /// The signed metadata.
    pub(crate) file: PathBuf,
    /// The certificate of who signed it.
    pub(crate) certificate: PathBuf,
    /// Its size in bytes.
    pub(crate) size: u64,
}

/// Makes one with so many entities, and these besides.
pub(crate) fn make(site: &Site, entities: usize, besides: &str) -> Outcome<Aggregate> {
    let (key, certificate) = (site.at("federation.key"), site.at("federation.pem"));
    let owner = rsa("federation.example")?;
    fs::write(&key, &owner.key)?;
    fs::write(&certificate, &owner.pem)?;
    let members = (0..KEYS).map(|_| Ok(rsa("member.example")?.lines)).collect::<Outcome<Vec<String>>>()?;
    let (plain, file) = (site.at("aggregate-unsigned.xml"), site.at("aggregate.xml"));
    fs::write(&plain, text(entities, besides, &members)?)?;
    let signed = Command::new("xmlsec1")
        .arg("--sign")
        .arg("--privkey-pem")
        .arg(format!("{},{}", key.display(), certificate.display()))
        .args(["--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:metadata:EntitiesDescriptor", "--output"])
        .args([&file, &plain])
        .output()?;
    if !signed.status.success() {
        return Err(format!("xmlsec1 could not sign: {}", String::from_utf8_lossy(&signed.stderr)).into());
    }
    fs::remove_file(&plain)?;
    Ok(Aggregate { size: fs::metadata(&file)?.len(), file, certificate })
}

/// A key with a certificate.
struct Rsa {
    key: String,
    pem: String,
    /// The certificate as lines of base64.
    lines: String,
}

fn rsa(name: &str) -> Outcome<Rsa> {
    let pair = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
    let pem = CertificateParams::new(vec![name.to_owned()])?.self_signed(&pair)?.pem();
    let lines =
        pem.lines().filter(|line| !line.starts_with('-')).fold(String::new(), |all, line| all + line.trim() + "\n");
    Ok(Rsa { key: pair.serialize_pem(), pem, lines })
}

fn text(entities: usize, besides: &str, keys: &[String]) -> Outcome<String> {
    let until = (OffsetDateTime::now_utc().replace_nanosecond(0)? + time::Duration::days(7)).format(&Rfc3339)?;
    let mut text = format!(
        r##"<?xml version="1.0" encoding="UTF-8"?>
<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:mdattr="urn:oasis:names:tc:SAML:metadata:attribute" xmlns:mdrpi="urn:oasis:names:tc:SAML:metadata:rpi" xmlns:mdui="urn:oasis:names:tc:SAML:metadata:ui" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:shibmd="urn:mace:shibboleth:metadata:1.0" ID="_federation" Name="https://federation.example" validUntil="{until}">
<ds:Signature><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#_federation"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data/></ds:KeyInfo></ds:Signature>
"##
    );
    for (number, key) in (0..entities).zip(keys.iter().cycle()) {
        entity(&mut text, number, key)?;
    }
    text.push_str(besides);
    text.push_str("</md:EntitiesDescriptor>\n");
    Ok(text)
}

fn entity(text: &mut String, number: usize, key: &str) -> Outcome<()> {
    let host = format!("host-{number}.member-{}.example", number % 997);
    writeln!(
        text,
        r#"<md:EntityDescriptor entityID="https://{host}/saml">
  <md:Extensions>
    <mdrpi:RegistrationInfo registrationAuthority="https://federation.example" registrationInstant="2020-01-02T03:04:05Z"><mdrpi:RegistrationPolicy xml:lang="en">https://federation.example/policy</mdrpi:RegistrationPolicy></mdrpi:RegistrationInfo>
    <mdattr:EntityAttributes>
      <saml:Attribute Name="http://macedir.org/entity-category" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri"><saml:AttributeValue>https://refeds.org/category/pseudonymous</saml:AttributeValue></saml:Attribute>
    </mdattr:EntityAttributes>
  </md:Extensions>"#
    )?;
    if number.is_multiple_of(2) {
        provider_of_services(text, &host, key)?;
    } else {
        provider_of_names(text, &host, key)?;
    }
    writeln!(
        text,
        r#"  <md:Organization>
    <md:OrganizationName xml:lang="en">Member {number} of the federation</md:OrganizationName>
    <md:OrganizationDisplayName xml:lang="en">Member {number}</md:OrganizationDisplayName>
    <md:OrganizationURL xml:lang="en">https://{host}/</md:OrganizationURL>
  </md:Organization>
  <md:ContactPerson contactType="technical"><md:GivenName>Service desk</md:GivenName><md:EmailAddress>mailto:desk@{host}</md:EmailAddress></md:ContactPerson>
</md:EntityDescriptor>"#
    )?;
    Ok(())
}

fn keys(text: &mut String, key: &str) -> Outcome<()> {
    for used in ["signing", "encryption"] {
        writeln!(
            text,
            r#"    <md:KeyDescriptor use="{used}"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>
{key}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"#
        )?;
    }
    Ok(())
}

fn names(text: &mut String, host: &str) -> Outcome<()> {
    text.push_str("      <mdui:UIInfo>\n");
    for language in ["en", "de"] {
        writeln!(
            text,
            r#"        <mdui:DisplayName xml:lang="{language}">The service at {host}</mdui:DisplayName>
        <mdui:Description xml:lang="{language}">What readers find at {host} &amp; how.</mdui:Description>
        <mdui:PrivacyStatementURL xml:lang="{language}">https://{host}/{language}/privacy</mdui:PrivacyStatementURL>"#
        )?;
    }
    writeln!(text, r#"        <mdui:Logo height="60" width="80">https://{host}/logo.png</mdui:Logo>"#)?;
    text.push_str("      </mdui:UIInfo>\n");
    Ok(())
}

fn provider_of_services(text: &mut String, host: &str, key: &str) -> Outcome<()> {
    text.push_str("  <md:SPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\n    <md:Extensions>\n");
    names(text, host)?;
    text.push_str("    </md:Extensions>\n");
    keys(text, key)?;
    for binding in ["Redirect", "POST"] {
        writeln!(
            text,
            r#"    <md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-{binding}" Location="https://{host}/saml/slo"/>"#
        )?;
    }
    writeln!(
        text,
        r#"    <md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:transient</md:NameIDFormat>
    <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://{host}/saml/acs" index="0" isDefault="true"/>
    <md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact" Location="https://{host}/saml/artifact" index="1"/>
    <md:AttributeConsumingService index="0"><md:ServiceName xml:lang="en">The service at {host}</md:ServiceName><md:RequestedAttribute FriendlyName="eduPersonScopedAffiliation" Name="urn:oid:1.3.6.1.4.1.5923.1.1.1.9" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri" isRequired="true"/></md:AttributeConsumingService>
  </md:SPSSODescriptor>"#
    )?;
    Ok(())
}

fn provider_of_names(text: &mut String, host: &str, key: &str) -> Outcome<()> {
    writeln!(
        text,
        r#"  <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" errorURL="https://{host}/error">
    <md:Extensions>
      <shibmd:Scope regexp="false">{host}</shibmd:Scope>"#
    )?;
    names(text, host)?;
    text.push_str("    </md:Extensions>\n");
    keys(text, key)?;
    for (service, at) in [("SingleLogoutService", "slo"), ("SingleSignOnService", "sso")] {
        for binding in ["Redirect", "POST"] {
            writeln!(
                text,
                r#"    <md:{service} Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-{binding}" Location="https://{host}/saml/{at}"/>"#
            )?;
        }
        if service == "SingleLogoutService" {
            text.push_str(
                "    <md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:transient</md:NameIDFormat>\n",
            );
        }
    }
    text.push_str("  </md:IDPSSODescriptor>\n");
    Ok(())
}
