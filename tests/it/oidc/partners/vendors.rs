//! The vendors whose sites run on what others wrote: what the portal's configuration says of each, and what its program is
//! told. `@ORIGIN@` is the vendor's own site, `@LOCAL@` the same site by a name that every resolver knows.
use super::program::Kind;

/// A client secret, with every character that a careless coder of Basic credentials gets wrong.
pub(super) const ODD_SECRET: &str = "p+q:r%s=t&u v/w?ä#47e1d09b-3c52-4f6e-8a60";
/// A client secret.
pub(super) const SECRET: &str = "rN3vX2hTq0m5y8cJ1kLw7uZ4bEoPsDfGiAaQxRtYnVM";

/// A vendor.
#[derive(Clone, Copy)]
pub(super) struct Vendor {
    /// Its id, which is its client id and the first label of its host as well.
    pub(super) id: &'static str,
    pub(super) kind: Kind,
    /// The client's secret, where it has one.
    pub(super) secret: Option<&'static str>,
    /// More lines of `[vendor.oidc]`.
    pub(super) lines: &'static str,
    /// What the program is told as well, in JSON.
    pub(super) told: &'static str,
}

/// openid-client, RS256, `client_secret_basic`.
pub(super) const LEDGER: Vendor = Vendor {
    id: "ledger",
    kind: Kind::OpenidClient,
    secret: Some(ODD_SECRET),
    lines: r#"authentication = "client_secret_basic"
post_logout_redirect_uris = ["@ORIGIN@/left"]
backchannel_logout_uri = "@LOCAL@/backchannel"
initiate_login_uri = "@ORIGIN@/initiate"
"#,
    told: r#"{ "algorithm": "RS256", "authentication": "client_secret_basic" }"#,
};

/// openid-client, ES256, `client_secret_post`, answers by `form_post`, front-channel logout.
pub(super) const HERALD: Vendor = Vendor {
    id: "herald",
    kind: Kind::OpenidClient,
    secret: Some(SECRET),
    lines: r#"authentication = "client_secret_post"
id_token_algorithm = "ES256"
post_logout_redirect_uris = ["@ORIGIN@/left"]
frontchannel_logout_uri = "@ORIGIN@/frontchannel"
"#,
    told: r#"{ "algorithm": "ES256", "authentication": "client_secret_post", "parameters": { "response_mode": "form_post" } }"#,
};

/// openid-client, EdDSA, `private_key_jwt` with keys that the portal fetches, PAR, refresh tokens.
pub(super) const ALMANAC: Vendor = Vendor {
    id: "almanac",
    kind: Kind::OpenidClient,
    secret: None,
    lines: r#"authentication = "private_key_jwt"
assertion_algorithm = "PS256"
jwks_uri = "@LOCAL@/jwks"
id_token_algorithm = "EdDSA"
require_par = true
refresh_tokens = true
post_logout_redirect_uris = ["@ORIGIN@/left"]
backchannel_logout_uri = "@LOCAL@/backchannel"
"#,
    told: r#"{ "algorithm": "EdDSA", "authentication": "private_key_jwt", "assertion": "PS256", "par": true,
               "scope": "openid offline_access" }"#,
};

/// openid-client as FAPI 2.0 asks: PAR, `private_key_jwt`, DPoP.
pub(super) const REGISTER: Vendor = Vendor {
    id: "register",
    kind: Kind::OpenidClient,
    secret: None,
    lines: r#"profile = "fapi2"
jwks_uri = "@LOCAL@/jwks"
refresh_tokens = true
post_logout_redirect_uris = ["@ORIGIN@/left"]
"#,
    told: r#"{ "algorithm": "ES256", "authentication": "private_key_jwt", "par": true, "dpop": "ES256",
               "scope": "openid offline_access" }"#,
};

/// openid-client at the issuer that a library has to itself.
pub(super) const BUGLE: Vendor = Vendor {
    id: "bugle",
    kind: Kind::OpenidClient,
    secret: Some(SECRET),
    lines: r#"issuer = "elmwood"
id_token_algorithm = "ES256"
post_logout_redirect_uris = ["@ORIGIN@/left"]
backchannel_logout_uri = "@LOCAL@/backchannel"
initiate_login_uri = "@ORIGIN@/initiate"
"#,
    told: r#"{ "algorithm": "ES256", "authentication": "client_secret_basic", "issuer_path": "/at/elmwood" }"#,
};

/// express-openid-connect, answers in the query.
pub(super) const REVIEW: Vendor = Vendor {
    id: "review",
    kind: Kind::Express,
    secret: Some(SECRET),
    lines: r#"post_logout_redirect_uris = ["@ORIGIN@"]
backchannel_logout_uri = "@LOCAL@/backchannel-logout"
"#,
    told: r#"{ "algorithm": "RS256", "mode": "query" }"#,
};

/// express-openid-connect, answers by `form_post`.
pub(super) const COURIER: Vendor = Vendor {
    id: "courier",
    kind: Kind::Express,
    secret: Some(SECRET),
    lines: r#"post_logout_redirect_uris = ["@ORIGIN@"]
"#,
    told: r#"{ "algorithm": "RS256", "mode": "form_post" }"#,
};

/// Authlib, ES256.
pub(super) const LEXIS: Vendor = Vendor {
    id: "lexis",
    kind: Kind::Authlib,
    secret: Some(SECRET),
    lines: r#"id_token_algorithm = "ES256"
post_logout_redirect_uris = ["@ORIGIN@/left"]
"#,
    told: "{}",
};

/// Apache with `mod_auth_openidc`, ES256.
pub(super) const MUSEUM: Vendor = Vendor {
    id: "museum",
    kind: Kind::Apache,
    secret: Some(SECRET),
    lines: r#"id_token_algorithm = "ES256"
post_logout_redirect_uris = ["@ORIGIN@/open/left"]
backchannel_logout_uri = "https://localhost:@PORT@/callback?logout=backchannel"
"#,
    told: "{}",
};

/// All that know the portal's own issuer.
pub(super) const ALL: [Vendor; 8] = [LEDGER, HERALD, ALMANAC, REGISTER, REVIEW, COURIER, LEXIS, MUSEUM];
