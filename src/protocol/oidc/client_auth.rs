//! Which client asks at our endpoints, by the one method that is configured for it (RFC 6749 §2.3, OpenID Connect Core §9).
use super::assertion::{Assertion, TYPE};
use super::client::{Authentication, Client, SecretDigest};
use super::key_set::KeySource;
use super::parameters::Parameters;
use crate::domain::Timestamp;
use crate::protocol::replays::Replays;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// What a secret is compared with where no client has that name: the digest of nothing that anybody knows.
static NOBODY: SecretDigest = SecretDigest([0; 32]);

/// The parameters that have to do with who asks.
const PARAMETERS: [&str; 4] = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// Finds a client by its id, among those that the asked issuer knows.
pub(super) type Find<'f, 'c> = &'f (dyn Fn(&str) -> Option<&'c Client> + Sync);

/// What a request says about who sends it.
pub(super) struct Attempt<'a> {
    /// The field `Authorization`.
    pub(super) authorization: Option<&'a HeaderValue>,
    /// Whether there were more of that field.
    pub(super) several: bool,
    /// The form.
    pub(super) form: &'a Parameters,
}

/// What an attempt is checked with.
pub(super) struct Checks<'a> {
    /// The issuer that was asked: the only audience of an assertion.
    pub(super) issuer: &'a str,
    /// The keys of clients that publish them.
    pub(super) keys: &'a dyn KeySource,
    /// What was shown before.
    pub(super) replays: &'a Replays,
    /// The time.
    pub(super) now: Timestamp,
}

/// Why a request is of no client. The words are for events; none of them says what stood in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nothing in the request says who sends it.
    Missing,
    /// The request uses several methods, or has a parameter or field twice, or parts that contradict each other.
    Several,
    /// No client has this id here.
    Unknown,
    /// Another method is configured for the client, or nobody knows the method.
    Method,
    /// Credentials or an assertion that cannot be read.
    Malformed,
    /// The wrong secret.
    Secret,
    /// Issuer and subject of an assertion are not the client.
    Subject,
    /// An assertion for somebody else.
    Audience,
    /// An assertion without end of life, or with one too far away.
    Lifetime,
    /// An assertion whose life has ended.
    Expired,
    /// An assertion from the future.
    NotYet,
    /// An assertion without a name of its own, or with one too long.
    Jti,
    /// An assertion that was shown before.
    Replayed,
    /// Another algorithm than the client's.
    Algorithm,
    /// No key of the client fits, or more than one does.
    Key,
    /// The client's keys cannot be had.
    NoKeys,
    /// The signature is not of the client's key.
    Signature,
    /// The store does not answer, so nobody knows whether an assertion is new.
    Store,
}

impl Cause {
    /// The word for events.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Several => "several",
            Self::Unknown => "unknown_client",
            Self::Method => "method",
            Self::Malformed => "malformed",
            Self::Secret => "secret",
            Self::Subject => "subject",
            Self::Audience => "audience",
            Self::Lifetime => "lifetime",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Jti => "jti",
            Self::Replayed => "replayed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::NoKeys => "no_keys",
            Self::Signature => "signature",
            Self::Store => "store",
        }
    }
}

/// No client was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAuthenticated {
    /// Why, for events.
    pub(super) cause: Cause,
    /// Whether `Authorization` was tried, so that the answer has `WWW-Authenticate` (RFC 6749 §5.2).
    pub(super) by_header: bool,
}

impl NotAuthenticated {
    /// The `error` of the answer; `None` where we cannot tell (status 503).
    pub(super) const fn code(self) -> Option<&'static str> {
        match self.cause {
            Cause::Several => Some("invalid_request"),
            Cause::Store => None,
            _ => Some("invalid_client"),
        }
    }
}

/// The credentials of a request.
enum Shown<'a> {
    Basic { id: String, secret: String },
    Post { id: &'a str, secret: &'a str },
    Assertion(Box<Assertion<'a>>),
    Name(&'a str),
}

/// The client that sends a request.
///
/// # Errors
/// [`NotAuthenticated`].
pub(super) async fn authenticate<'c>(
    find: Find<'_, 'c>,
    attempt: &Attempt<'_>,
    checks: &Checks<'_>,
) -> Result<&'c Client, NotAuthenticated> {
    let by_header = attempt.authorization.is_some();
    let recognised = match shown(attempt) {
        Ok(Shown::Basic { id, secret }) => by_secret(find(&id), &secret, |method| match method {
            Authentication::Basic(digest) => Some(digest),
            _ => None,
        }),
        Ok(Shown::Post { id, secret }) => by_secret(find(id), secret, |method| match method {
            Authentication::Post(digest) => Some(digest),
            _ => None,
        }),
        Ok(Shown::Assertion(assertion)) => by_assertion(find, &assertion, checks).await,
        Ok(Shown::Name(id)) => by_name(find(id)),
        Err(cause) => Err(cause),
    };
    recognised.map_err(|cause| NotAuthenticated { cause, by_header })
}

/// Compares the secret with a digest in any case, so that the time tells nobody which ids there are.
fn by_secret<'c>(
    client: Option<&'c Client>,
    secret: &str,
    digest: impl Fn(&'c Authentication) -> Option<&'c SecretDigest>,
) -> Result<&'c Client, Cause> {
    let registered = client.and_then(|client| digest(&client.authentication));
    let fits = registered.unwrap_or(&NOBODY).fits(secret);
    match (client, registered) {
        (Some(client), Some(_)) if fits => Ok(client),
        (Some(_), Some(_)) => Err(Cause::Secret),
        (Some(_), None) => Err(Cause::Method),
        (None, _) => Err(Cause::Unknown),
    }
}

async fn by_assertion<'c>(
    find: Find<'_, 'c>,
    assertion: &Assertion<'_>,
    checks: &Checks<'_>,
) -> Result<&'c Client, Cause> {
    let client = find(assertion.client_id()?).ok_or(Cause::Unknown)?;
    assertion.verify(client, checks).await?;
    Ok(client)
}

fn by_name(client: Option<&Client>) -> Result<&Client, Cause> {
    let client = client.ok_or(Cause::Unknown)?;
    if matches!(client.authentication, Authentication::None) { Ok(client) } else { Err(Cause::Method) }
}

/// The one method that a request uses.
fn shown<'a>(attempt: &Attempt<'a>) -> Result<Shown<'a>, Cause> {
    let form = attempt.form;
    let asserts = form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some();
    let methods = [attempt.authorization.is_some(), form.get("client_secret").is_some(), asserts];
    let many = methods.into_iter().filter(|used| *used).count() > 1;
    if attempt.several || many || PARAMETERS.iter().any(|name| form.is_twice(name)) {
        return Err(Cause::Several);
    }
    let id = form.get("client_id");
    if let Some(authorization) = attempt.authorization {
        return basic(authorization, id);
    }
    if asserts {
        return asserted(form, id).map(|assertion| Shown::Assertion(Box::new(assertion)));
    }
    match (id, form.get("client_secret")) {
        (Some(id), Some(secret)) => Ok(Shown::Post { id, secret }),
        (Some(id), None) => Ok(Shown::Name(id)),
        (None, _) => Err(Cause::Missing),
    }
}

fn asserted<'a>(form: &'a Parameters, id: Option<&str>) -> Result<Assertion<'a>, Cause> {
    let (Some(text), Some(kind)) = (form.get("client_assertion"), form.get("client_assertion_type")) else {
        return Err(Cause::Malformed);
    };
    if kind != TYPE {
        return Err(Cause::Method);
    }
    let assertion = Assertion::parse(text)?;
    if id.is_some_and(|id| assertion.client_id() != Ok(id)) {
        return Err(Cause::Subject);
    }
    Ok(assertion)
}

/// Reads `Authorization: Basic …`; both halves were encoded like a form before they were joined (RFC 6749 §2.3.1).
fn basic(authorization: &HeaderValue, in_form: Option<&str>) -> Result<Shown<'static>, Cause> {
    let (scheme, rest) = authorization.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Cause::Malformed)?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(Cause::Method);
    }
    let decoded = STANDARD.decode(rest).map_err(|_| Cause::Malformed)?;
    let decoded = std::str::from_utf8(&decoded).map_err(|_| Cause::Malformed)?;
    let (id, secret) = decoded.split_once(':').ok_or(Cause::Malformed)?;
    let (id, secret) = (form_decoded(id).ok_or(Cause::Malformed)?, form_decoded(secret).ok_or(Cause::Malformed)?);
    if id.is_empty() || secret.is_empty() {
        return Err(Cause::Malformed);
    }
    if in_form.is_some_and(|other| other != id) {
        return Err(Cause::Several);
    }
    Ok(Shown::Basic { id, secret })
}

/// Undoes `application/x-www-form-urlencoded`; `None` for what that never writes.
fn form_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            _ if byte.is_ascii_graphic() => byte,
            _ => return None,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests;
