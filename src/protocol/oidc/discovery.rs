//! What the provider says of itself (OpenID Connect Discovery §3, RFC 8414): only what works.
use super::signer::ACR;
use crate::protocol::Unspoken;
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, AuthenticationContextClass, IssuerUrl, JsonWebKeySetUrl, LanguageTag,
    ProviderMetadata, ResponseTypes, Scope, TokenUrl, UserInfoUrl,
};
use serde::{Deserialize, Serialize};

/// What the crate's type has no field for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the names and types are those of the specifications")]
struct Additional {
    end_session_endpoint: String,
    pushed_authorization_request_endpoint: String,
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: Vec<String>,
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: Vec<String>,
    code_challenge_methods_supported: Vec<String>,
    authorization_response_iss_parameter_supported: bool,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    frontchannel_logout_supported: bool,
    frontchannel_logout_session_supported: bool,
    prompt_values_supported: Vec<String>,
    dpop_signing_alg_values_supported: Vec<String>,
    token_endpoint_auth_signing_alg_values_supported: Vec<String>,
}

impl AdditionalProviderMetadata for Additional {}

type Metadata = ProviderMetadata<
    Additional,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What may be asked of a provider, beside what every provider does.
pub(super) struct Extras<'a> {
    /// Languages of its pages.
    pub(super) languages: &'a [String],
    /// Whether any client has refresh tokens.
    pub(super) refresh: bool,
}

const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "private_key_jwt"];

/// The metadata of the issuer, as JSON.
///
/// # Errors
/// [`Unspoken`] when the issuer is no address, which the configuration has ruled out.
pub(super) fn document(issuer: &str, extras: &Extras<'_>) -> Result<String, Unspoken> {
    let metadata = metadata(issuer, extras).ok_or(Unspoken)?;
    serde_json::to_string(&metadata).map_err(|_| Unspoken)
}

fn metadata(issuer: &str, extras: &Extras<'_>) -> Option<Metadata> {
    let at = |path: &str| format!("{issuer}/oidc/{path}");
    let (scopes, grants) = if extras.refresh {
        (vec!["openid", "offline_access"], vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken])
    } else {
        (vec!["openid"], vec![CoreGrantType::AuthorizationCode])
    };
    let claims = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "sid",
        "at_hash",
        "eduperson_entitlement",
        "eduperson_scoped_affiliation",
    ];
    let metadata = Metadata::new(
        IssuerUrl::new(issuer.to_owned()).ok()?,
        AuthUrl::new(at("authorize")).ok()?,
        JsonWebKeySetUrl::new(at("jwks")).ok()?,
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Pairwise],
        crate::protocol::Algorithm::ALL.iter().rev().map(|algorithm| algorithm.in_core()).collect(),
        additional(issuer),
    )
    .set_token_endpoint(Some(TokenUrl::new(at("token")).ok()?))
    .set_userinfo_endpoint(Some(UserInfoUrl::new(at("userinfo")).ok()?))
    .set_scopes_supported(Some(scopes.into_iter().map(|scope| Scope::new(scope.to_owned())).collect()))
    .set_response_modes_supported(Some(vec![CoreResponseMode::Query, CoreResponseMode::FormPost]))
    .set_grant_types_supported(Some(grants))
    .set_acr_values_supported(Some(vec![AuthenticationContextClass::new(ACR.to_owned())]))
    .set_token_endpoint_auth_methods_supported(Some(vec![
        CoreClientAuthMethod::ClientSecretBasic,
        CoreClientAuthMethod::ClientSecretPost,
        CoreClientAuthMethod::PrivateKeyJwt,
        CoreClientAuthMethod::None,
    ]))
    .set_claim_types_supported(Some(vec![CoreClaimType::Normal]))
    .set_claims_supported(Some(claims.into_iter().map(|claim| CoreClaimName::new(claim.to_owned())).collect()))
    .set_ui_locales_supported(Some(extras.languages.iter().cloned().map(LanguageTag::new).collect()))
    .set_claims_parameter_supported(Some(false))
    .set_request_parameter_supported(Some(false))
    .set_request_uri_parameter_supported(Some(false))
    .set_require_request_uri_registration(Some(false));
    Some(metadata)
}

fn additional(issuer: &str) -> Additional {
    let at = |path: &str| format!("{issuer}/oidc/{path}");
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Additional {
        end_session_endpoint: at("logout"),
        pushed_authorization_request_endpoint: at("par"),
        introspection_endpoint: at("introspect"),
        introspection_endpoint_auth_methods_supported: words(&METHODS),
        revocation_endpoint: at("revoke"),
        revocation_endpoint_auth_methods_supported: words(&[&METHODS[..], &["none"]].concat()),
        code_challenge_methods_supported: words(&["S256"]),
        authorization_response_iss_parameter_supported: true,
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
        frontchannel_logout_supported: true,
        frontchannel_logout_session_supported: true,
        prompt_values_supported: words(&["none", "login", "consent", "select_account"]),
        dpop_signing_alg_values_supported: words(&["ES256", "PS256", "EdDSA"]),
        token_endpoint_auth_signing_alg_values_supported: words(&["ES256", "RS256", "PS256", "EdDSA"]),
    }
}
