//! One flow: a browser with a session asks for a code, and the vendor's server exchanges it for an ID token. State, nonce
//! and PKCE are new for each; every ID token's algorithm and nonce are looked at.
use crate::Outcome;
use crate::line::Line;
use crate::providers::{Provider, basic};
use crate::stage::site::Site;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use clap::ValueEnum;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderValue, LOCATION};
use serde::Deserialize;

/// The secret of all clients: as long as one of 256 random bits.
pub(crate) const SECRET: &str = "mL3xQ8vT0aYk5ZrWc2BnHd7JpFs9GuE1oKiXy4NqRtA";

/// An algorithm of ID tokens. There is a vendor for each.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
}

impl Algorithm {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Rs256, Self::Es256];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// The client that has it.
    pub(crate) const fn client(self) -> &'static str {
        match self {
            Self::Rs256 => "rs256",
            Self::Es256 => "es256",
        }
    }

    /// The vendor's site.
    pub(crate) const fn origin(self) -> &'static str {
        match self {
            Self::Rs256 => "https://rs256.vendor.example",
            Self::Es256 => "https://es256.vendor.example",
        }
    }

    /// Where codes are sent to.
    pub(crate) const fn callback(self) -> &'static str {
        match self {
            Self::Rs256 => "https://rs256.vendor.example/callback",
            Self::Es256 => "https://es256.vendor.example/callback",
        }
    }

    const fn callback_encoded(self) -> &'static str {
        match self {
            Self::Rs256 => "https%3A%2F%2Frs256.vendor.example%2Fcallback",
            Self::Es256 => "https%3A%2F%2Fes256.vendor.example%2Fcallback",
        }
    }
}

/// What one request is bound to.
pub(crate) struct Proof {
    verifier: String,
    nonce: String,
    state: String,
}

impl Proof {
    pub(crate) fn new() -> Outcome<Self> {
        let mut random = [0; 64];
        rand::fill(&mut random).map_err(|_| "expected random bytes")?;
        let (verifier, rest) = random.split_at(32);
        let (nonce, state) = rest.split_at(16);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Ok(Self { verifier: text(verifier), nonce: text(nonce), state: text(state) })
    }

    /// The path and query of the authorization request.
    pub(crate) fn request(&self, path: &str, algorithm: Algorithm) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()));
        format!(
            "{path}?client_id={}&response_type=code&scope=openid&redirect_uri={}&state={}&nonce={}\
             &code_challenge={challenge}&code_challenge_method=S256",
            algorithm.client(),
            algorithm.callback_encoded(),
            self.state,
            self.nonce
        )
    }
}

/// A code that nobody has exchanged yet.
pub(crate) struct Code {
    code: String,
    proof: Proof,
}

/// A patron whose browser has a session, and the server of the vendor to which the patron goes.
pub(crate) struct Patron {
    cookie: HeaderValue,
    basic: HeaderValue,
    algorithm: Algorithm,
    paths: (&'static str, &'static str),
    browser: Line,
    vendor: Line,
}

/// Patrons with these sessions.
pub(crate) async fn patrons(
    site: &Site,
    provider: &Provider,
    sessions: &[String],
    algorithm: Algorithm,
) -> Outcome<Vec<Patron>> {
    let mut patrons = Vec::with_capacity(sessions.len());
    for session in sessions {
        patrons.push(Patron {
            cookie: HeaderValue::from_str(session)?,
            basic: HeaderValue::from_str(&basic(algorithm.client()))?,
            algorithm,
            paths: provider.paths,
            browser: Line::open(site, provider.port, provider.tls).await?,
            vendor: Line::open(site, provider.port, provider.tls).await?,
        });
    }
    Ok(patrons)
}

#[derive(Deserialize)]
struct Tokens<'t> {
    access_token: &'t str,
    id_token: &'t str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    nonce: String,
}

impl Patron {
    /// The whole flow.
    pub(crate) async fn flow(&mut self) -> Outcome<()> {
        let code = self.authorize().await?;
        self.exchange(code).await
    }

    /// The browser's part.
    pub(crate) async fn authorize(&mut self) -> Outcome<Code> {
        let proof = Proof::new()?;
        let request = Request::get(proof.request(self.paths.0, self.algorithm)).header(COOKIE, &self.cookie);
        let (head, body) = self.browser.send(request, Bytes::new()).await?;
        let to = head.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
        let odd = || format!("expected a code, found {} to {to}: {}", head.status, String::from_utf8_lossy(&body));
        let query =
            to.strip_prefix(self.algorithm.callback()).and_then(|rest| rest.strip_prefix('?')).ok_or_else(odd)?;
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        if value("state") != Some(&proof.state) || value("iss").is_none() {
            return Err(odd().into());
        }
        let code = value("code").ok_or_else(odd)?.to_owned();
        Ok(Code { code, proof })
    }

    /// The vendor's part.
    pub(crate) async fn exchange(&mut self, code: Code) -> Outcome<()> {
        let request = Request::post(self.paths.1)
            .header(AUTHORIZATION, &self.basic)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let Code { code, proof } = code;
        let (callback, verifier) = (self.algorithm.callback_encoded(), &proof.verifier);
        let body =
            format!("grant_type=authorization_code&code={code}&redirect_uri={callback}&code_verifier={verifier}");
        let (head, body) = self.vendor.send(request, body.into()).await?;
        if head.status != 200 {
            let body = String::from_utf8_lossy(&body);
            return Err(format!("expected tokens, found {}: {body}", head.status).into());
        }
        let tokens: Tokens<'_> = serde_json::from_slice(&body)?;
        let mut parts = tokens.id_token.split('.');
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next().unwrap_or_default())?)?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next().unwrap_or_default())?)?;
        let signature = URL_SAFE_NO_PAD.decode(parts.next().unwrap_or_default())?;
        let fits = header.alg == self.algorithm.name() && claims.nonce == proof.nonce;
        if fits && signature.len() >= 64 && !tokens.access_token.is_empty() {
            return Ok(());
        }
        Err(format!("expected an ID token for this request, found {}", tokens.id_token).into())
    }
}
