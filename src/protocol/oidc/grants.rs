//! What the provider gave out and still stands by: codes, access tokens and refresh tokens. A code is good once; whoever
//! shows it again takes away what it gave. Everything ends with the session for which it was given.
use super::bearer::{Bearer, Found, Ledger, digest};
use super::client::Client;
use super::signer::Told;
use crate::domain::Timestamp;
use crate::store::{Family, StoreError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a code is good (RFC 6749 §4.1.2; FAPI 2.0 §5.3.2.1 wants a minute at most).
const CODE_LIFE: i64 = 60;
/// How long the store keeps a code that nobody uses: no longer than it is good, so that a flood of requests of one client
/// takes little room for a short time. The clocks of the two may be a moment apart.
const UNSPENT_LIFE: Duration = Duration::from_secs(65);
/// How long a code that gave a refresh token is remembered at most.
const CHAIN_REMEMBERED: Duration = Duration::from_secs(11 * 60);

/// What stands behind everything that was given for one sign-in at one vendor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Basis {
    pub(super) client: String,
    pub(super) told: Told,
    pub(super) sid: String,
    pub(super) authenticated: i64,
    /// When the session ends in any case.
    pub(super) ends: i64,
    /// Whether `offline_access` was granted.
    pub(super) offline: bool,
    /// The thumbprint of the key to which tokens are bound.
    pub(super) jkt: Option<String>,
}

impl Basis {
    pub(super) fn scope(&self) -> &'static str {
        if self.offline { "openid offline_access" } else { "openid" }
    }

    fn left(&self, now: Timestamp) -> u64 {
        u64::try_from(self.ends.saturating_sub(now.seconds())).unwrap_or(0)
    }
}

/// A code.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) basis: Basis,
    pub(super) redirect_uri: String,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<String>,
    issued: i64,
}

/// A code as it is kept: what it stands for, until it has given that.
#[derive(Serialize, Deserialize)]
enum Kept {
    Good(Box<Code>),
    Spent { client: String, gave: Gave },
}

/// The names of what a code gave, so that it can be taken away.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Gave {
    access: [u8; 32],
    chain: Option<[u8; 32]>,
}

/// A token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Token {
    pub(super) basis: Basis,
    pub(super) kind: Kind,
    pub(super) issued: i64,
    pub(super) expires: i64,
    /// The mark of the chain of refresh tokens to which it belongs.
    chain: Option<[u8; 32]>,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// To ask who is there.
    Access,
    /// To get another access token.
    Refresh,
    /// A refresh token that was used.
    Spent,
}

/// Tokens that go to a client together.
pub(super) struct Issued {
    pub(super) access: Bearer,
    pub(super) refresh: Option<Bearer>,
    pub(super) lives: Duration,
    chain: Option<[u8; 32]>,
}

/// Why a code or a refresh token gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotGranted {
    /// It is not good, any more, or not here; or it was used before, and what it gave is taken away.
    Invalid,
    /// The store does not answer.
    Store,
}

impl From<StoreError> for NotGranted {
    fn from(_: StoreError) -> Self {
        Self::Store
    }
}

/// The mark that a session is known at a client: without it, nothing that was given for it is good.
pub(super) fn standing_mark(client: &str, sid: &str) -> [u8; 32] {
    digest(&[b"standing", &(client.len() as u64).to_be_bytes(), client.as_bytes(), sid.as_bytes()])
}

/// All grants.
#[derive(Clone)]
pub(super) struct Grants(pub(super) Ledger);

impl Grants {
    /// Gives a code.
    pub(super) async fn give_code(
        &self,
        basis: Basis,
        (redirect_uri, nonce, challenge): (String, Option<String>, Option<String>),
        (fresh, now): (bool, Timestamp),
    ) -> Result<Bearer, StoreError> {
        let standing = standing_mark(&basis.client, &basis.sid);
        // A new session has a new end; else the mark is there.
        if fresh || !self.0.has(Family::Grant, standing).await? {
            self.0.mark(Family::Grant, standing, Duration::from_secs(basis.left(now))).await?;
        }
        let code = Code { basis, redirect_uri, nonce, challenge, issued: now.seconds() };
        let bearer = Bearer::new();
        self.0.put(Family::Code, &bearer, &Kept::Good(Box::new(code)), UNSPENT_LIFE).await?;
        Ok(bearer)
    }

    /// What a code stands for, once `fits` has found nothing against it, with the tokens that it gives. Of many that show
    /// it at once, one gets them.
    pub(super) async fn redeem(
        &self,
        code: &str,
        client: &Client,
        fits: impl FnOnce(&mut Code) -> bool,
        now: Timestamp,
    ) -> Result<(Code, Issued), NotGranted> {
        let bearer = Bearer::parse(code).ok_or(NotGranted::Invalid)?;
        let found = self.0.get::<Kept>(Family::Code, &bearer).await?.ok_or(NotGranted::Invalid)?;
        let (kept, before) = found.apart();
        let mut code = match kept {
            Kept::Good(code) if code.basis.client == client.id => code,
            Kept::Spent { client: id, gave } if id == client.id => {
                self.withdraw(&gave).await?;
                return Err(NotGranted::Invalid);
            }
            Kept::Good(_) | Kept::Spent { .. } => return Err(NotGranted::Invalid),
        };
        let stale = now.seconds().saturating_sub(code.issued) >= CODE_LIFE;
        if stale || !fits(&mut code) || !self.stands(&code.basis, None).await? {
            return Err(NotGranted::Invalid);
        }
        // The tokens are there before the code is spent: whoever comes second finds what to take away.
        let issued = self.issue(&code.basis, client, None, now).await?;
        let gave = Gave { access: issued.access.name(), chain: issued.chain };
        let spent = Kept::Spent { client: client.id.clone(), gave: gave.clone() };
        // A code is remembered as long as what it gave can live, so that it can be taken away.
        let remembered = if issued.chain.is_some() { CHAIN_REMEMBERED } else { issued.lives };
        if self.0.change(Family::Code, &bearer, (before, &spent), remembered).await? {
            return Ok((*code, issued));
        }
        self.withdraw(&gave).await?;
        // Somebody was quicker, so the code was shown twice.
        let again = self.0.get::<Kept>(Family::Code, &bearer).await?;
        if let Some((Kept::Spent { gave, .. }, _)) = again.map(Found::apart) {
            self.withdraw(&gave).await?;
        }
        Err(NotGranted::Invalid)
    }

    /// New tokens for a refresh token, which is spent by it.
    pub(super) async fn refresh(
        &self,
        token: &str,
        client: &Client,
        fits: impl FnOnce(&Basis) -> bool,
        now: Timestamp,
    ) -> Result<(Basis, Issued), NotGranted> {
        let bearer = Bearer::parse(token).ok_or(NotGranted::Invalid)?;
        let found = self.0.get::<Token>(Family::Token, &bearer).await?.ok_or(NotGranted::Invalid)?;
        let (old, before) = found.apart();
        if old.basis.client != client.id || old.kind == Kind::Access {
            return Err(NotGranted::Invalid);
        }
        if old.kind == Kind::Spent {
            return Err(self.break_chain(&old).await);
        }
        if now.seconds() >= old.expires || !fits(&old.basis) || !self.stands(&old.basis, old.chain).await? {
            return Err(NotGranted::Invalid);
        }
        let life = Duration::from_secs(old.basis.left(now));
        let spent = Token { kind: Kind::Spent, ..old.clone() };
        if !self.0.change(Family::Token, &bearer, (before, &spent), life).await? {
            return Err(self.break_chain(&old).await);
        }
        let issued = self.issue(&old.basis, client, old.chain, now).await?;
        Ok((old.basis, issued))
    }

    /// A refresh token was shown twice: one of the two who have it is a thief (RFC 9700 §4.14.2).
    async fn break_chain(&self, token: &Token) -> NotGranted {
        let broken = match token.chain {
            Some(chain) => self.0.drop_name(Family::Grant, chain).await,
            None => Ok(()),
        };
        broken.map_or(NotGranted::Store, |()| NotGranted::Invalid)
    }

    async fn issue(
        &self,
        basis: &Basis,
        client: &Client,
        chain: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Result<Issued, StoreError> {
        let lives = client.access_token_lifetime.min(Duration::from_secs(basis.left(now)));
        let expires = now.plus(i64::try_from(lives.as_secs()).unwrap_or(0)).seconds();
        let chain = match chain {
            None if basis.offline => {
                let chain = Bearer::new().name();
                self.0.mark(Family::Grant, chain, Duration::from_secs(basis.left(now))).await?;
                Some(chain)
            }
            chain => chain,
        };
        let access = Bearer::new();
        let token = Token { basis: basis.clone(), kind: Kind::Access, issued: now.seconds(), expires, chain };
        self.0.put(Family::Token, &access, &token, lives).await?;
        let refresh = if basis.offline {
            let bearer = Bearer::new();
            let token = Token { kind: Kind::Refresh, expires: basis.ends, ..token };
            self.0.put(Family::Token, &bearer, &token, Duration::from_secs(basis.left(now))).await?;
            Some(bearer)
        } else {
            None
        };
        Ok(Issued { access, refresh, lives, chain })
    }

    /// A living token, whatever it is for.
    pub(super) async fn find(&self, token: &str, now: Timestamp) -> Result<Option<Token>, StoreError> {
        let Some(bearer) = Bearer::parse(token) else { return Ok(None) };
        let Some(found) = self.0.get::<Token>(Family::Token, &bearer).await? else { return Ok(None) };
        let token = found.record;
        let lives = token.kind != Kind::Spent && now.seconds() < token.expires;
        Ok(if lives && self.stands(&token.basis, token.chain).await? { Some(token) } else { None })
    }

    /// Takes a token of `client` away; with a refresh token goes all that came of it (RFC 7009 §2.1).
    pub(super) async fn revoke(&self, token: &str, client: &Client) -> Result<(), StoreError> {
        let Some(bearer) = Bearer::parse(token) else { return Ok(()) };
        let Some(found) = self.0.get::<Token>(Family::Token, &bearer).await? else { return Ok(()) };
        if found.record.basis.client != client.id {
            return Ok(());
        }
        if found.record.kind != Kind::Access
            && let Some(chain) = found.record.chain
        {
            self.0.drop_name(Family::Grant, chain).await?;
        }
        self.0.drop_name(Family::Token, bearer.name()).await
    }

    /// Takes away everything that was given to a client for a session.
    pub(super) async fn end(&self, client: &Client, sid: &str) -> Result<(), StoreError> {
        self.0.drop_name(Family::Grant, standing_mark(&client.id, sid)).await
    }

    async fn stands(&self, basis: &Basis, chain: Option<[u8; 32]>) -> Result<bool, StoreError> {
        let standing = self.0.has(Family::Grant, standing_mark(&basis.client, &basis.sid)).await?;
        Ok(standing
            && match chain {
                Some(chain) => self.0.has(Family::Grant, chain).await?,
                None => true,
            })
    }

    async fn withdraw(&self, gave: &Gave) -> Result<(), StoreError> {
        self.0.drop_name(Family::Token, gave.access).await?;
        match gave.chain {
            Some(chain) => self.0.drop_name(Family::Grant, chain).await,
            None => Ok(()),
        }
    }
}
