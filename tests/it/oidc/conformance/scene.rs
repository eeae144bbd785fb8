//! What the conformance tests stand on: the provider beside the demo, with a vendor for every way of being a client, and
//! the checks that every flow goes through.
use super::jose::{self, Key, b64, peek, sha256, unb64};
use super::rp::{Answer, Asked, Auth, Call, Rp, User, Wire, secret};
use crate::support::World;
use crate::support::served::Served;
use aws_lc_rs::digest;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// A vendor of the tests: its id, lines for its own table, and lines for `[vendor.oidc]`.
#[derive(Clone)]
pub(in crate::oidc) struct Made {
    id: &'static str,
    name: String,
    auth: Auth,
    top: String,
    oidc: String,
    redirect: String,
    key: Arc<Key>,
    fapi: bool,
    algorithm: Algorithm,
}

impl Made {
    /// A vendor whose one redirect address is `https://ID.example/cb`.
    pub(in crate::oidc) fn new(id: &'static str, auth: Auth) -> Self {
        Self {
            id,
            name: format!("The {id} archive"),
            auth,
            top: String::new(),
            oidc: String::new(),
            redirect: format!("https://{id}.example/cb"),
            key: Arc::new(Key::new("ES256")),
            fapi: false,
            algorithm: Algorithm::RS256,
        }
    }

    /// With more lines for `[vendor.oidc]`.
    pub(in crate::oidc) fn with(mut self, lines: &str) -> Self {
        writeln!(self.oidc, "{lines}").unwrap();
        self
    }

    /// With another name, as it stands in TOML.
    pub(in crate::oidc) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With more lines for `[[vendor]]`.
    pub(in crate::oidc) fn top(mut self, lines: &str) -> Self {
        writeln!(self.top, "{lines}").unwrap();
        self
    }

    /// With other redirect addresses, of which the first is used.
    pub(in crate::oidc) fn back_to(mut self, addresses: &[&str]) -> Self {
        addresses[0].clone_into(&mut self.redirect);
        self.with(&format!("redirect_uris = {addresses:?}"))
    }

    /// With ID tokens under another algorithm.
    pub(in crate::oidc) fn signed_with(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self.with(&format!("id_token_algorithm = \"{algorithm:?}\""))
    }

    /// Under the FAPI 2.0 security profile.
    pub(in crate::oidc) fn fapi(mut self) -> Self {
        self.fapi = true;
        self.algorithm = Algorithm::ES256;
        self.with("profile = \"fapi2\"")
    }

    /// With assertions signed by another kind of key.
    pub(in crate::oidc) fn key(mut self, algorithm: &'static str) -> Self {
        self.key = Arc::new(Key::new(algorithm));
        self
    }

    fn text(&self, folder: &std::path::Path) -> String {
        let Self { id, name, top, oidc, redirect, .. } = self;
        let mut text = format!(
            "[[vendor]]\nid = \"{id}\"\nname = \"{name}\"\nprotocol = \"oidc\"\norigin = \"https://{id}.example\"\n\
             {top}[vendor.oidc]\n{oidc}"
        );
        if !oidc.lines().any(|line| line.starts_with("redirect_uris")) {
            writeln!(text, "redirect_uris = [\"{redirect}\"]").unwrap();
        }
        let hash = || b64(digest::digest(&digest::SHA256, secret(id).as_bytes()));
        match self.auth {
            Auth::Basic => writeln!(text, "client_secret_sha256 = \"{}\"", hash()).unwrap(),
            Auth::Post => {
                writeln!(text, "authentication = \"client_secret_post\"\nclient_secret_sha256 = \"{}\"", hash())
                    .unwrap();
            }
            Auth::Public => text.push_str("authentication = \"none\"\n"),
            Auth::Key => {
                let file = format!("{id}.jwks.json");
                std::fs::write(folder.join(&file), json!({ "keys": [self.key.public] }).to_string()).unwrap();
                std::fs::set_permissions(folder.join(&file), Permissions::from_mode(0o600)).unwrap();
                let algorithm = self.key.algorithm;
                let lines = "authentication = \"private_key_jwt\"\njwks_file";
                writeln!(text, "{lines} = \"{file}\"\nassertion_algorithm = \"{algorithm}\"").unwrap();
            }
        }
        for library in ["elmwood", "harbour"] {
            write!(text, "\n[[licence]]\nlibrary = \"{library}\"\nvendor = \"{id}\"\n").unwrap();
        }
        text
    }

    fn rp(self) -> Rp {
        let dpop = self.fapi.then(|| Arc::new(Key::new("ES256")));
        Rp {
            id: self.id.to_owned(),
            auth: self.auth,
            secret: secret(self.id),
            key: self.key,
            dpop,
            redirect: self.redirect,
            algorithm: self.algorithm,
            pushes: self.fapi,
        }
    }
}

/// The provider with the vendors of a plan.
pub(in crate::oidc) struct Scene {
    pub(in crate::oidc) served: Served,
    pub(in crate::oidc) world: World,
    pub(in crate::oidc) issuer: String,
    pub(in crate::oidc) metadata: Value,
    pub(in crate::oidc) wire: Wire,
    /// The response mode that relying parties ask for.
    pub(in crate::oidc) response_mode: Option<&'static str>,
    parties: HashMap<String, Arc<Rp>>,
}

impl Scene {
    /// Starts a demo and, beside it, a provider that knows these vendors.
    pub(in crate::oidc) async fn open(vendors: Vec<Made>, response_mode: Option<&'static str>) -> Arc<Self> {
        Self::open_with(vendors, response_mode, |text| text).await
    }

    /// As [`Scene::open`], with another change to the configuration.
    pub(in crate::oidc) async fn open_with(
        vendors: Vec<Made>,
        response_mode: Option<&'static str>,
        edit: impl FnOnce(String) -> String,
    ) -> Arc<Self> {
        let world = World::start();
        let folder = world.path("config").parent().unwrap().to_owned();
        let more: Vec<_> = vendors.iter().map(|v| v.text(&folder)).collect();
        let served = Served::beside(&world, |text| edit(format!("{text}\n{}", more.join("\n")))).await;
        let wire = Wire::new(&world.path("ca"));
        let parties = vendors.into_iter().map(|v| (v.id.to_owned(), Arc::new(v.rp()))).collect();
        let (issuer, metadata) = (served.portal.clone(), Value::Null);
        let mut scene = Self { served, world, issuer, metadata, wire, response_mode, parties };
        let found = Call::get(&format!("{}/.well-known/openid-configuration", scene.issuer)).send(&scene).await;
        assert_eq!(found.status(), 200, "{}", found.told());
        scene.metadata = found.json;
        assert_eq!(scene.metadata["issuer"], scene.issuer.as_str());
        Arc::new(scene)
    }

    pub(in crate::oidc) fn rp(&self, id: &str) -> Arc<Rp> {
        Arc::clone(self.parties.get(id).unwrap_or_else(|| panic!("no vendor {id} in this scene")))
    }

    /// The address of an endpoint, from the metadata.
    pub(in crate::oidc) fn endpoint(&self, name: &str) -> String {
        self.metadata[name].as_str().unwrap_or_else(|| panic!("no `{name}` in the metadata")).to_owned()
    }

    /// The keys that are published.
    pub(in crate::oidc) async fn keys(&self) -> Value {
        let reply = Call::get(&self.endpoint("jwks_uri")).send(self).await;
        assert_eq!(reply.status(), 200, "{}", reply.told());
        reply.json
    }

    /// An ID token's claims, after every check that each flow's token must pass.
    pub(in crate::oidc) async fn verified(&self, rp: &Rp, token: &str, nonce: Option<&str>) -> Value {
        let keys = self.keys().await;
        let claims = jose::verified(&keys, token, rp.algorithm, (&self.issuer, &rp.id));
        let (now, number) = (jose::now(), |name: &str| claims[name].as_i64().unwrap_or_else(|| panic!("`{name}`")));
        let alone = claims["aud"] == rp.id.as_str() || claims["aud"] == json!([rp.id]);
        assert!(alone, "one audience: {}", claims["aud"]);
        assert!(number("exp") > now && number("exp") - number("iat") <= 300, "five minutes at most");
        assert!((now - 30..=now + 1).contains(&number("iat")), "issued now");
        assert!((now - 86_400..=now + 1).contains(&number("auth_time")), "signed in today");
        assert_eq!(claims["nonce"].as_str(), nonce, "the nonce of the request");
        let sub = claims["sub"].as_str().expect("a `sub`");
        assert!((16..=255).contains(&sub.len()) && sub.is_ascii(), "{sub}");
        assert!(claims["acr"].as_str().is_none_or(|acr| !acr.is_empty()), "an empty `acr`");
        told_only(&claims);
        claims
    }

    /// Checks the answer of the token endpoint, and gives the ID token's claims.
    pub(in crate::oidc) async fn check_tokens(&self, rp: &Rp, tokens: &Value, nonce: Option<&str>) -> Value {
        let text = |name: &str| tokens[name].as_str().unwrap_or_else(|| panic!("no `{name}`: {tokens}"));
        let (token, kind) = (text("access_token"), text("token_type"));
        assert!(token.len() >= 43, "256 bits");
        assert!(token.split('.').count() != 3, "an access token is opaque");
        assert!(kind.eq_ignore_ascii_case(if rp.dpop.is_some() { "DPoP" } else { "Bearer" }), "{kind}");
        assert!(tokens["expires_in"].as_i64().is_some_and(|s| (1..=600).contains(&s)), "ten minutes at most");
        let claims = self.verified(rp, text("id_token"), nonce).await;
        // Ed25519 has SHA-512 inside.
        let hash = if rp.algorithm == Algorithm::EdDSA { &digest::SHA512 } else { &digest::SHA256 };
        let whole = digest::digest(hash, token.as_bytes());
        let half = &whole.as_ref()[..hash.output_len() / 2];
        assert_eq!(claims["at_hash"].as_str().map(unb64).as_deref(), Some(half), "at_hash");
        claims
    }

    /// Goes through a whole flow and checks everything that each flow must pass.
    pub(in crate::oidc) async fn whole(&self, rp: &Rp, user: &mut User, asked: &Asked) -> Done {
        let answer = user.authorize(&rp.sent(self, asked).await).await;
        self.finish(rp, &answer, asked).await
    }

    /// Goes on from the answer to the end of the flow.
    pub(in crate::oidc) async fn finish(&self, rp: &Rp, answer: &Answer, asked: &Asked) -> Done {
        answer.granted(asked, self);
        let tokens = rp.redeem(self, answer.code(), asked).await.fine();
        assert_eq!(tokens.status(), 200, "{}", tokens.told());
        let tokens = tokens.json;
        let claims = self.check_tokens(rp, &tokens, asked.get("nonce")).await;
        let token = tokens["access_token"].as_str().unwrap();
        let info = rp.userinfo(self, token).send(self).await;
        assert_eq!(info.status(), 200, "{}", info.told());
        assert!(info.header("content-type").starts_with("application/json"));
        assert_eq!(info.json["sub"], claims["sub"], "one reader, one name");
        told_only(&info.json);
        Done { code: answer.code().to_owned(), tokens, claims, info: info.json }
    }
}

/// What a flow gave.
pub(in crate::oidc) struct Done {
    pub(in crate::oidc) code: String,
    pub(in crate::oidc) tokens: Value,
    pub(in crate::oidc) claims: Value,
    pub(in crate::oidc) info: Value,
}

impl Done {
    pub(in crate::oidc) fn access_token(&self) -> &str {
        self.tokens["access_token"].as_str().unwrap()
    }

    pub(in crate::oidc) fn id_token(&self) -> &str {
        self.tokens["id_token"].as_str().unwrap()
    }

    pub(in crate::oidc) fn auth_time(&self) -> i64 {
        self.claims["auth_time"].as_i64().unwrap()
    }
}

/// Nothing but what a vendor may be told.
#[track_caller]
pub(in crate::oidc) fn told_only(claims: &Value) {
    let known = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "sid",
        "at_hash",
        "eduperson_entitlement",
        "eduperson_scoped_affiliation",
    ];
    for name in claims.as_object().unwrap().keys() {
        assert!(known.contains(&name.as_str()), "`{name}` is not among what a vendor may be told");
    }
}

/// Whether a code was made to be guessed: no two share much, and each part of the alphabet turns up.
pub(in crate::oidc) fn look_random(values: &[String]) {
    let letters: std::collections::HashSet<char> = values.iter().flat_map(|v| v.chars()).collect();
    assert!(letters.len() > 40, "{} characters in use", letters.len());
    for (index, one) in values.iter().enumerate() {
        for other in &values[..index] {
            let same = one.chars().zip(other.chars()).filter(|(a, b)| a == b).count();
            assert!(same < one.len() / 3, "{one} and {other} are alike");
        }
    }
}

/// The `kid`, `alg` and hash of nothing in particular: a header's fields.
pub(in crate::oidc) fn header(token: &str) -> Value {
    peek(token, 0)
}

/// The S256 challenge of a verifier.
pub(in crate::oidc) fn challenge(verifier: &str) -> String {
    sha256(verifier)
}
