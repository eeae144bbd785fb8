//! Proofs of a key (RFC 9449).
use super::super::jose::{Key, now, random, thumbprint, unsigned};
use super::super::rp::{Asked, Call, Proof, Reply, Rp, User};
use super::super::scene::{Done, Scene};
use super::one;
use hyper::header::AUTHORIZATION;
use serde_json::{Value, json};
use std::sync::Arc;

async fn code(scene: &Arc<Scene>, rp: &Rp, short: &Asked, asked: &Asked) -> String {
    let answer = User::new(scene).authorize(short).await;
    answer.granted(asked, scene);
    assert_eq!(rp.id, asked.get("client_id").unwrap());
    answer.code().to_owned()
}

/// Exchanges a code with a proof that was changed.
async fn redeemed(scene: &Arc<Scene>, change: impl FnOnce(Proof) -> Proof) -> Reply {
    let (rp, asked) = one(scene);
    let short = rp.push(scene, &asked).await;
    let code = code(scene, &rp, &short, &asked).await;
    let proof = change(Proof::post(&scene.endpoint("token_endpoint"))).by(rp.dpop.as_ref().unwrap());
    rp.bare_redemption(scene, &code, &asked).proof(&proof).send(scene).await
}

pub(super) async fn proof_with_nbf_and_exp(scene: Arc<Scene>) {
    let both = |proof: Proof| proof.claim("nbf", json!(now() - 5)).claim("exp", json!(now() + 60));
    redeemed(&scene, both).await.fine();
}

pub(super) async fn proof_10_seconds_old(scene: Arc<Scene>) {
    redeemed(&scene, |proof| proof.claim("iat", json!(now() - 10))).await.fine();
}

pub(super) async fn proof_10_seconds_ahead(scene: Arc<Scene>) {
    redeemed(&scene, |proof| proof.claim("iat", json!(now() + 10))).await.fine();
}

pub(super) async fn mismatched_at_par(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let asked = asked.with("dpop_jkt", &thumbprint(&Key::new("ES256").bare()));
    let proof = Proof::post(&scene.endpoint("pushed_authorization_request_endpoint")).by(rp.dpop.as_ref().unwrap());
    let reply = rp.pushing(&scene, &asked).proof(&proof).send(&scene).await;
    reply.refused(&["invalid_dpop_proof", "invalid_request"]);
}

/// How a pushed request is bound to the key of the relying party.
#[derive(Clone, Copy)]
enum Bound {
    ByProof,
    ByThumbprint,
}

/// Pushes a request that is bound to the key, and redeems the code with the key or with another.
async fn bound(scene: &Arc<Scene>, how: Bound, other: bool) -> Reply {
    let (rp, asked) = one(scene);
    let key = rp.dpop.as_ref().unwrap();
    let proof = Proof::post(&scene.endpoint("pushed_authorization_request_endpoint")).by(key);
    let call = match how {
        Bound::ByProof => rp.pushing(scene, &asked).proof(&proof),
        Bound::ByThumbprint => rp.pushing(scene, &asked.clone().with("dpop_jkt", &thumbprint(&key.bare()))),
    };
    let reply = call.send(scene).await.fine();
    let short = rp.pushed(scene, &reply, &asked);
    let code = code(scene, &rp, &short, &asked).await;
    let stranger = Key::new("ES256");
    let proof = Proof::post(&scene.endpoint("token_endpoint")).by(if other { &stranger } else { key });
    rp.bare_redemption(scene, &code, &asked).proof(&proof).send(scene).await
}

pub(super) async fn other_key_than_proof(scene: Arc<Scene>) {
    bound(&scene, Bound::ByProof, true).await.refused(&["invalid_grant", "invalid_dpop_proof"]);
}

pub(super) async fn other_key_than_jkt(scene: Arc<Scene>) {
    bound(&scene, Bound::ByThumbprint, true).await.refused(&["invalid_grant", "invalid_dpop_proof"]);
}

pub(super) async fn key_of_proof(scene: Arc<Scene>) {
    bound(&scene, Bound::ByProof, false).await.fine();
}

pub(super) async fn key_of_jkt(scene: Arc<Scene>) {
    bound(&scene, Bound::ByThumbprint, false).await.fine();
}

pub(super) async fn proofs(scene: Arc<Scene>) {
    let (rp, asked) = one(&scene);
    let done = scene.whole(&rp, &mut User::new(&scene), &asked).await;
    let place = Place { scene: &scene, rp: &rp, done: &done };
    place.wrong_proofs().await;
    place.wrong_headers().await;
    place.right_spellings().await;
    at_the_token_endpoint(&scene).await;
}

/// Userinfo, asked with proofs of all kinds.
struct Place<'a> {
    scene: &'a Arc<Scene>,
    rp: &'a Rp,
    done: &'a Done,
}

impl Place<'_> {
    fn url(&self) -> String {
        self.scene.endpoint("userinfo_endpoint")
    }

    fn proof(&self) -> Proof {
        Proof::get(&self.url()).for_token(self.done.access_token())
    }

    fn key(&self) -> &Key {
        self.rp.dpop.as_ref().unwrap()
    }

    fn call(&self) -> Call {
        Call::get(&self.url()).header(AUTHORIZATION.as_str(), &format!("DPoP {}", self.done.access_token()))
    }

    async fn refuses(&self, what: &str, call: Call) {
        let reply = call.send(self.scene).await;
        assert!([400, 401].contains(&reply.status()), "{what}: {}", reply.told());
        assert!(reply.header("www-authenticate").contains("DPoP"), "{what}: {}", reply.header("www-authenticate"));
        assert!(reply.json.get("sub").is_none(), "{what}");
    }

    async fn wrong_proofs(&self) {
        let url = self.url();
        let rsa = Key::new("RS256");
        let mut private = self.key().bare();
        private["d"] = json!("AAAA");
        let mut oct = json!({ "kty": "oct", "k": "AAAA" });
        oct["alg"] = json!("HS256");
        let changes: Vec<(&str, Proof)> = vec![
            ("no typ", self.proof().header("typ", Value::Null)),
            ("no alg", self.proof().header("alg", Value::Null)),
            ("no jwk", self.proof().header("jwk", Value::Null)),
            ("no jti", self.proof().claim("jti", Value::Null)),
            ("no htm", self.proof().claim("htm", Value::Null)),
            ("no htu", self.proof().claim("htu", Value::Null)),
            ("no iat", self.proof().claim("iat", Value::Null)),
            ("no ath", self.proof().claim("ath", Value::Null)),
            ("wrong typ", self.proof().header("typ", json!("JWT"))),
            ("HS256", self.proof().header("alg", json!("HS256")).header("jwk", oct)),
            ("private key", self.proof().header("jwk", private)),
            ("another's jwk", self.proof().header("jwk", Key::new("ES256").bare())),
            ("an algorithm of another key", self.proof().header("alg", json!("EdDSA"))),
            ("crit", self.proof().header("crit", json!(["exp"]))),
            ("b64", self.proof().header("crit", json!(["b64"])).header("b64", json!(false))),
            ("wrong htm", self.proof().claim("htm", json!("POST"))),
            ("htm in small letters", self.proof().claim("htm", json!("get"))),
            ("wrong htu", self.proof().claim("htu", json!("https://other.example/oidc/userinfo"))),
            ("htu of another endpoint", self.proof().claim("htu", json!(self.scene.endpoint("token_endpoint")))),
            ("htu with a user", self.proof().claim("htu", json!(url.replacen("https://", "https://x@", 1)))),
            ("htu that is no text", self.proof().claim("htu", json!(7))),
            ("htu with a longer path", self.proof().claim("htu", json!(format!("{url}/x")))),
            ("an hour old", self.proof().claim("iat", json!(now() - 3600))),
            ("an hour ahead", self.proof().claim("iat", json!(now() + 3600))),
            ("iat that is no number", self.proof().claim("iat", json!("now"))),
            ("ended", self.proof().claim("exp", json!(now() - 300))),
            ("not begun", self.proof().claim("nbf", json!(now() + 300))),
            ("wrong ath", self.proof().for_token("another")),
            ("jti that is no text", self.proof().claim("jti", json!(["x"]))),
            ("jti without end", self.proof().claim("jti", json!("x".repeat(4000)))),
        ];
        for (what, proof) in changes {
            self.refuses(what, self.call().proof(&proof.by(self.key()))).await;
        }
        let by_rsa = self.proof().header("alg", json!("RS256")).by(&rsa);
        self.refuses("RS256", self.call().proof(&by_rsa)).await;
        self.refuses("another key", self.call().proof(&self.proof().by(&Key::new("ES256")))).await;
        let none = json!({ "typ": "dpop+jwt", "alg": "none", "jwk": self.key().bare() });
        self.refuses("none", self.call().proof(&unsigned(&none, &self.proof().claims))).await;
        let good = self.proof().by(self.key());
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let flipped = if let Some(rest) = signature.strip_prefix('A') {
            format!("B{rest}")
        } else {
            format!("A{}", &signature[1..])
        };
        self.refuses("bad signature", self.call().proof(&format!("{signed}.{flipped}"))).await;
        self.refuses("no signature", self.call().proof(&format!("{signed}."))).await;
    }

    async fn wrong_headers(&self) {
        let good = || self.proof().by(self.key());
        for what in ["x", "a.b.c", "..", "eyJ.eyJ.", "é"] {
            if what.is_ascii() {
                self.refuses(what, self.call().proof(what)).await;
            }
        }
        self.refuses("two proofs", self.call().proof(&good()).proof(&good())).await;
        self.refuses("two proofs in one field", self.call().proof(&format!("{}, {}", good(), good()))).await;
        self.refuses("no proof", self.call()).await;
        self.refuses("an empty proof", self.call().proof("")).await;
        let bearer = Call::get(&self.url()).bearer(self.done.access_token());
        self.refuses("Bearer", bearer.clone()).await;
        self.refuses("Bearer with a proof", bearer.proof(&good())).await;
        let once = good();
        assert_eq!(self.call().proof(&once).send(self.scene).await.status(), 200);
        self.refuses("a proof again", self.call().proof(&once)).await;
        let token = self.done.access_token();
        let form = Call::post(&self.url()).with("access_token", token);
        self.refuses("in a form", form.proof(&Proof::post(&self.url()).for_token(token).by(self.key()))).await;
    }

    async fn right_spellings(&self) {
        let url = self.url();
        let (host, path) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
        let spellings =
            [format!("{url}?query=1"), format!("{url}#fragment"), format!("HTTPS://{}/{path}", host.to_uppercase())];
        for spelling in spellings {
            let call = self.call().proof(&self.proof().claim("htu", json!(spelling)).by(self.key()));
            let reply = call.send(self.scene).await;
            assert_eq!(reply.status(), 200, "{spelling}: {}", reply.told());
        }
        let reply = self.call().proof(&self.proof().claim("more", json!("x")).by(self.key())).send(self.scene).await;
        assert_eq!(reply.status(), 200, "unknown claims are ignored: {}", reply.told());
    }
}

async fn at_the_token_endpoint(scene: &Arc<Scene>) {
    let (rp, asked) = one(scene);
    let short = rp.push(scene, &asked).await;
    let code = code(scene, &rp, &short, &asked).await;
    let (url, key) = (scene.endpoint("token_endpoint"), rp.dpop.as_ref().unwrap());
    let wrong = [
        ("wrong htm", Proof::get(&url)),
        ("wrong htu", Proof::post(&scene.endpoint("userinfo_endpoint"))),
        ("an hour old", Proof::post(&url).claim("iat", json!(now() - 3600))),
        ("no typ", Proof::post(&url).header("typ", Value::Null)),
    ];
    for (what, proof) in wrong {
        let reply = rp.bare_redemption(scene, &code, &asked).proof(&proof.by(key)).send(scene).await;
        assert_eq!(reply.json["error"], "invalid_dpop_proof", "{what}: {}", reply.told());
    }
    let proof = Proof::post(&url).claim("jti", json!(random())).by(key);
    let wrong_code = rp.bare_redemption(scene, &random(), &asked).proof(&proof);
    wrong_code.send(scene).await.refused(&["invalid_grant"]);
    let again = rp.bare_redemption(scene, &code, &asked).proof(&proof);
    again.send(scene).await.refused(&["invalid_dpop_proof"]);
    // None of this spent the code.
    rp.redeem(scene, &code, &asked).await.fine();
}
