//! Reads `[vendor.oidc]`: what a vendor is as a client.
use super::client::{
    AssertionAlgorithm, Authentication, Backchannel, Client, ClientKeys, Dpop, RedirectUri, SecretDigest, Sector,
};
use crate::domain::settings::Reader;
use crate::domain::{LibraryId, Vendor};
use crate::protocol::Algorithm;
use crate::protocol::location::web_address;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const MINUTE: Duration = Duration::from_secs(60);
const A_REDIRECT: &str =
    "an address such as `https://www.example.com/callback`, without fragment and user; `http` only for this machine";
const AN_ADDRESS: &str = "an address that begins with `https://`, without fragment and user";
const A_CLIENT_ID: &str = "1 to 128 printable ASCII characters without spaces and colons";
const A_DIGEST: &str = "the SHA-256 of the secret, 43 characters of base64url; `vestibule vendors add-oidc` makes both";

/// Reads the table; `None` after at least one problem was noted.
pub(in crate::protocol) fn read(settings: &Reader<'_>, vendor: &Arc<Vendor>) -> Option<Client> {
    let id = settings.parsed("client_id", A_CLIENT_ID, client_id);
    let issuer = settings.parsed("issuer", "the id of a library", |text| LibraryId::parse(text).ok());
    let fapi = settings.word("profile", &[("standard", false), ("fapi2", true)]).unwrap_or(false);
    let authentication = authentication(settings, fapi);
    let redirects = redirects(settings);
    let sector = redirects.as_ref().and_then(|redirects| sector(settings, redirects));
    let words = [("RS256", Algorithm::Rs256), ("ES256", Algorithm::Es256), ("EdDSA", Algorithm::EdDsa)];
    let id_token_algorithm = settings.word("id_token_algorithm", &words);
    let pkce = settings.word("pkce", &[("required", true), ("optional", false)]).unwrap_or(true);
    let par = settings.flag("require_par");
    let dpop = settings.word("dpop", &[("off", Dpop::Off), ("optional", Dpop::Optional), ("required", Dpop::Required)]);
    let lifetime = settings.duration("access_token_lifetime", Duration::from_secs(10)..=10 * MINUTE);
    let refresh_tokens = settings.flag("refresh_tokens").unwrap_or_default();
    let post_logout =
        settings.list("post_logout_redirect_uris", A_REDIRECT, |text| RedirectUri::parse(text).map(|uri| uri.text));
    let (backchannel, frontchannel) = (backchannel(settings), address(settings, "frontchannel_logout_uri"));
    let initiate = address(settings, "initiate_login_uri");
    let told = |key| settings.flag(key).unwrap_or(true);
    let (entitlements, affiliation) = (told("entitlements"), told("affiliation"));
    if fapi {
        fapi_allows(settings, (pkce, par, dpop));
    }
    if matches!(authentication, Some(Authentication::None)) && !pkce {
        settings.problem("pkce", "expected `required` for a client without authentication, found `optional`");
    }
    Some(Client {
        vendor: Arc::clone(vendor),
        id: id.unwrap_or_else(|| vendor.id.as_str().to_owned()),
        issuer,
        authentication: authentication?,
        redirect_uris: redirects?,
        post_logout_redirect_uris: post_logout.unwrap_or_default(),
        sector: sector?,
        id_token_algorithm: id_token_algorithm.unwrap_or(if fapi { Algorithm::Es256 } else { Algorithm::Rs256 }),
        pkce_required: pkce,
        par_required: fapi || par.unwrap_or_default(),
        dpop: dpop.unwrap_or(if fapi { Dpop::Required } else { Dpop::Off }),
        fapi,
        access_token_lifetime: lifetime.unwrap_or(5 * MINUTE),
        refresh_tokens,
        backchannel,
        frontchannel,
        initiate,
        entitlements,
        affiliation,
    })
}

/// FAPI 2.0 Security Profile §5.3.2: none of these is a matter of taste.
fn fapi_allows(settings: &Reader<'_>, (pkce, par, dpop): (bool, Option<bool>, Option<Dpop>)) {
    if !pkce {
        settings.problem("pkce", "expected `required` with `profile = \"fapi2\"`, found `optional`");
    }
    if par == Some(false) {
        settings.problem("require_par", "expected `true` with `profile = \"fapi2\"`, found `false`");
    }
    if dpop.is_some_and(|dpop| dpop != Dpop::Required) {
        settings.problem("dpop", "expected `required` with `profile = \"fapi2\"`, found another word");
    }
}

fn client_id(text: &str) -> Option<String> {
    let fine = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b':');
    fine.then(|| text.to_owned())
}

#[derive(Clone, Copy)]
enum Kind {
    Basic,
    Post,
    Key,
    None,
}

fn authentication(settings: &Reader<'_>, fapi: bool) -> Option<Authentication> {
    let kinds = [
        ("client_secret_basic", Kind::Basic),
        ("client_secret_post", Kind::Post),
        ("private_key_jwt", Kind::Key),
        ("none", Kind::None),
    ];
    let given = settings.word("authentication", &kinds);
    if given.is_none() && settings.has("authentication") {
        return None;
    }
    let kind = given.unwrap_or(if fapi { Kind::Key } else { Kind::Basic });
    if fapi && !matches!(kind, Kind::Key) {
        settings.problem("authentication", "expected `private_key_jwt` with `profile = \"fapi2\"`, found another word");
    }
    match kind {
        Kind::Basic => secret(settings).map(Authentication::Basic),
        Kind::Post => secret(settings).map(Authentication::Post),
        Kind::Key => private_key(settings, fapi),
        Kind::None => Some(Authentication::None),
    }
}

fn secret(settings: &Reader<'_>) -> Option<SecretDigest> {
    settings.required("client_secret_sha256", A_DIGEST, |text| {
        let digest = SecretDigest(URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?);
        // What comes out of a script whose variable is not set.
        (!digest.fits("")).then_some(digest)
    })
}

fn private_key(settings: &Reader<'_>, fapi: bool) -> Option<Authentication> {
    let words = [
        ("ES256", AssertionAlgorithm::Es256),
        ("RS256", AssertionAlgorithm::Rs256),
        ("PS256", AssertionAlgorithm::Ps256),
        ("EdDSA", AssertionAlgorithm::EdDsa),
    ];
    let algorithm = settings.word("assertion_algorithm", &words);
    if fapi && algorithm == Some(AssertionAlgorithm::Rs256) {
        settings.problem("assertion_algorithm", "expected `ES256`, `PS256` or `EdDSA` with `profile = \"fapi2\"`");
    }
    let uri = address(settings, "jwks_uri");
    // Public keys, but read like a secret: from a file that a change of makes the configuration load again.
    let file = settings.secret("jwks");
    let keys = match (uri, file) {
        (Some(_), Some(_)) => {
            settings.problem("jwks_uri", "expected one of `jwks_uri` and `jwks_file`, found both");
            return None;
        }
        (Some(uri), None) => ClientKeys::Uri(uri),
        (None, Some(file)) => match serde_json::from_slice::<JwkSet>(&file) {
            Ok(set) if !set.keys.is_empty() => ClientKeys::Set(set),
            _ => {
                settings.problem("jwks_file", "expected a JSON Web Key Set with at least one public key");
                return None;
            }
        },
        (None, None) => {
            if !settings.has("jwks_uri") && !settings.has("jwks_file") {
                settings.missing("jwks_uri", "the address of the vendor's keys, or `jwks_file`");
            }
            return None;
        }
    };
    Some(Authentication::PrivateKey(algorithm.unwrap_or(AssertionAlgorithm::Es256), keys))
}

fn redirects(settings: &Reader<'_>) -> Option<Vec<RedirectUri>> {
    if !settings.has("redirect_uris") {
        settings.missing("redirect_uris", "a list of addresses to which readers may be sent back");
    }
    let all = settings.list("redirect_uris", A_REDIRECT, RedirectUri::parse)?;
    if all.is_empty() {
        settings.problem("redirect_uris", "expected at least one address, found none");
    }
    (!all.is_empty()).then_some(all)
}

fn sector(settings: &Reader<'_>, redirects: &[RedirectUri]) -> Option<Sector> {
    let document = address(settings, "sector_identifier_uri");
    if settings.has("sector_identifier_uri") && document.is_none() {
        return None;
    }
    let hosts: BTreeSet<_> = redirects.iter().map(|uri| uri.host.as_str()).collect();
    if let Some(document) = document {
        return Some(Sector { host: document.host_str()?.to_owned(), document: Some(document) });
    }
    if hosts.len() > 1 {
        let text = "expected the address of a document that lists every redirect address, found nothing; it is required \
                    where `redirect_uris` have several hosts";
        settings.problem("sector_identifier_uri", text);
        return None;
    }
    hosts.first().map(|host| Sector { host: (*host).to_owned(), document: None })
}

fn backchannel(settings: &Reader<'_>) -> Option<Backchannel> {
    let timeout = settings.duration("backchannel_logout_timeout", Duration::from_secs(1)..=Duration::from_secs(30));
    let uri = address(settings, "backchannel_logout_uri")?;
    Some(Backchannel { uri, timeout: timeout.unwrap_or(Duration::from_secs(5)) })
}

/// An address of the vendor's own; in the clear only on this machine.
fn address(settings: &Reader<'_>, key: &str) -> Option<Url> {
    settings.parsed(key, AN_ADDRESS, |text| {
        let uri = RedirectUri::parse(text)?;
        web_address(&uri.text)
    })
}
