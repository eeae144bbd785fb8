//! What a relying party asks of the portal: its metadata, its keys, tokens and claims. Every byte of the answers is kept
//! with the rest of what the vendor receives.
use super::super::portal::{Answer, Portal};
use super::super::record::Traffic;
use super::Trouble;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long metadata is believed without looking again.
const METADATA_LIFE: Duration = Duration::from_secs(300);

/// The metadata that is used, of OpenID Connect Discovery 1.0 §3, RFC 8414 and RFC 9207.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: String,
    pub(super) jwks_uri: String,
    pub(super) end_session_endpoint: String,
    pub(super) response_types_supported: Vec<String>,
    pub(super) response_modes_supported: Vec<String>,
    pub(super) code_challenge_methods_supported: Vec<String>,
    pub(super) token_endpoint_auth_methods_supported: Vec<String>,
    pub(super) id_token_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// What a vendor needs the portal to support.
pub(super) struct Needs {
    pub(super) response_mode: &'static str,
    pub(super) authentication: &'static str,
    pub(super) algorithm: String,
}

impl Answer {
    /// The JSON object of a good answer; of another one the error that it names.
    pub(super) fn object(&self) -> Result<Map<String, Value>, Trouble> {
        let value = serde_json::from_slice(&self.body);
        let Ok(Value::Object(object)) = value else {
            return Err(Trouble::Unanswered("the portal's answer is not a JSON object"));
        };
        if self.status == StatusCode::OK {
            return Ok(object);
        }
        match object.get("error").and_then(Value::as_str) {
            Some(error) => Err(Trouble::Refused(error.to_owned())),
            None => Err(Trouble::Unanswered("the portal refused without a reason")),
        }
    }
}

/// The portal, as a provider.
pub(super) struct Provider {
    portal: Portal,
    traffic: Arc<Traffic>,
    needs: Needs,
    pause: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Instant, Arc<Metadata>)>,
    keys: Option<JwkSet>,
    fetched: Option<Instant>,
}

impl Provider {
    pub(super) fn new(portal: Portal, traffic: Arc<Traffic>, needs: Needs, pause: Duration) -> Self {
        Self { portal, traffic, needs, pause, known: Mutex::default() }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.portal.issuer
    }

    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, Trouble> {
        let mut known = self.known.lock().await;
        if let Some((since, metadata)) = &known.metadata
            && since.elapsed() < METADATA_LIFE
        {
            return Ok(Arc::clone(metadata));
        }
        let answer = self.get(&format!("{}/.well-known/openid-configuration", self.issuer()), None).await?;
        let metadata: Metadata = serde_json::from_value(Value::Object(answer.object()?))
            .map_err(|_| Trouble::Unanswered("the portal's metadata lacks what is needed"))?;
        self.check(&metadata).map_err(Trouble::Unbelievable)?;
        let metadata = Arc::new(metadata);
        known.metadata = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    fn check(&self, metadata: &Metadata) -> Result<(), &'static str> {
        if metadata.issuer != self.issuer() {
            return Err("the metadata is somebody else's");
        }
        let inside = format!("{}/", self.issuer());
        for endpoint in [
            &metadata.authorization_endpoint,
            &metadata.token_endpoint,
            &metadata.userinfo_endpoint,
            &metadata.jwks_uri,
            &metadata.end_session_endpoint,
        ] {
            if !endpoint.starts_with(&inside) {
                return Err("the metadata leads elsewhere");
            }
        }
        let has = |list: &[String], wanted: &str| list.iter().any(|known| known == wanted);
        let fine = has(&metadata.response_types_supported, "code")
            && has(&metadata.response_modes_supported, self.needs.response_mode)
            && has(&metadata.code_challenge_methods_supported, "S256")
            && has(&metadata.token_endpoint_auth_methods_supported, self.needs.authentication)
            && has(&metadata.id_token_signing_alg_values_supported, &self.needs.algorithm)
            && metadata.authorization_response_iss_parameter_supported;
        if fine { Ok(()) } else { Err("the portal does not support what was agreed") }
    }

    /// The key with this id: from memory, or fetched when it is new.
    pub(super) async fn key(&self, kid: &str) -> Result<Jwk, Trouble> {
        let address = self.metadata().await?.jwks_uri.clone();
        let mut known = self.known.lock().await;
        if let Some(key) = known.keys.as_ref().and_then(|set| set.find(kid)) {
            return Ok(key.clone());
        }
        if known.fetched.is_none_or(|at| at.elapsed() >= self.pause) {
            known.fetched = Some(Instant::now());
            let keys = self.get(&address, None).await?.object()?;
            let keys = serde_json::from_value(Value::Object(keys));
            known.keys = Some(keys.map_err(|_| Trouble::Unanswered("the portal's keys cannot be read"))?);
        }
        let key = known.keys.as_ref().and_then(|set| set.find(kid)).cloned();
        key.ok_or(Trouble::Unbelievable("the portal has no key with that id"))
    }

    pub(super) async fn get(&self, address: &str, bearer: Option<&str>) -> Result<Answer, Trouble> {
        let mut request = Request::builder().method(Method::GET).header(ACCEPT, "application/json");
        if let Some(token) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        self.portal.ask(&self.traffic, address, request, Bytes::new()).await
    }

    pub(super) async fn post(
        &self,
        address: &str,
        fields: &[(&str, &str)],
        authorization: Option<String>,
    ) -> Result<Answer, Trouble> {
        let mut request = Request::builder().method(Method::POST).header(ACCEPT, "application/json");
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.portal.ask(&self.traffic, address, request, Bytes::from(body)).await
    }
}
