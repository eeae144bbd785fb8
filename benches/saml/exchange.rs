//! One exchange: a browser with a session brings a vendor's request by the Redirect binding, and gets the form that takes
//! the response to the vendor. ID and RelayState are new for each; every response is looked at.
use crate::line::Line;
use crate::providers::{Provider, odd};
use crate::stage::Outcome;
use crate::stage::site::Site;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::ValueEnum;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use http::header::{COOKIE, HeaderValue};
use http::{HeaderMap, Request};
use std::fmt::Write as _;
use std::io::Write as _;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How much of a response is signed. There is a vendor for each.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Signatures {
    /// The response.
    One,
    /// The response and the assertion.
    Two,
}

impl Signatures {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::One, Self::Two];

    /// What is signed, in words.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::One => "response",
            Self::Two => "response and assertion",
        }
    }

    /// How many there are.
    pub(crate) const fn count(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The vendor's entityID.
    pub(crate) const fn vendor(self) -> &'static str {
        match self {
            Self::One => "https://one.vendor.example/saml",
            Self::Two => "https://two.vendor.example/saml",
        }
    }

    /// Where the vendor takes responses.
    pub(crate) const fn consumer(self) -> &'static str {
        match self {
            Self::One => "https://one.vendor.example/saml/acs",
            Self::Two => "https://two.vendor.example/saml/acs",
        }
    }
}

/// A request on its way, and what the answer must repeat.
struct Asked {
    path: String,
    id: String,
    relay_state: String,
}

impl Asked {
    fn new(provider: &Door, signatures: Signatures) -> Outcome<Self> {
        let (id, relay_state) = (format!("_{}", random::<16>()?), format!("ss:mem:{}", random::<32>()?));
        let now = OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?;
        let request = format!(
            "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
             AssertionConsumerServiceURL=\"{consumer}\" Destination=\"{base}{path}\" ID=\"{id}\" IssueInstant=\"{now}\" \
             ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Version=\"2.0\">\
             <saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{vendor}</saml:Issuer>\
             <samlp:NameIDPolicy AllowCreate=\"true\"/></samlp:AuthnRequest>",
            consumer = signatures.consumer(),
            base = provider.base,
            path = provider.path,
            vendor = signatures.vendor()
        );
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflated.write_all(request.as_bytes())?;
        let request = STANDARD.encode(deflated.finish()?);
        let request = request.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        let path = format!("{}?SAMLRequest={request}&RelayState={}", provider.path, relay_state.replace(':', "%3A"));
        Ok(Self { path, id, relay_state })
    }
}

fn random<const BYTES: usize>() -> Outcome<String> {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).map_err(|_| "expected random bytes")?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

/// Where a provider is asked.
struct Door {
    base: String,
    path: &'static str,
}

/// A patron whose browser has a session.
pub(crate) struct Patron {
    cookie: Option<HeaderValue>,
    door: Door,
    line: Line,
}

impl Patron {
    /// A patron with this session, or one who is yet to come to one.
    pub(crate) async fn open(site: &Site, provider: &Provider, session: Option<&str>) -> Outcome<Self> {
        Ok(Self {
            cookie: session.map(HeaderValue::from_str).transpose()?,
            door: Door { base: provider.base(), path: provider.path },
            line: Line::open(site, provider.port, true).await?,
        })
    }

    /// The whole exchange; gives the response as the vendor would read it.
    pub(crate) async fn exchange(&mut self, signatures: Signatures) -> Outcome<String> {
        Ok(self.ask(signatures).await?.1)
    }

    /// The same, with the head of the answer.
    pub(crate) async fn ask(&mut self, signatures: Signatures) -> Outcome<(HeaderMap, String)> {
        let asked = Asked::new(&self.door, signatures)?;
        let mut request = Request::get(&asked.path);
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let (head, body) = self.line.send(request, Bytes::new()).await?;
        let page = String::from_utf8_lossy(&body);
        if head.status != 200 {
            return Err(odd("a form", &head, &page).into());
        }
        let response = field(&page, "SAMLResponse").ok_or_else(|| odd("a form with a response", &head, &page))?;
        let response = String::from_utf8(STANDARD.decode(response)?)?;
        let fits = field(&page, "RelayState").as_deref() == Some(&asked.relay_state)
            && response.contains(&format!("InResponseTo=\"{}\"", asked.id))
            && response.contains(&format!("Destination=\"{}\"", signatures.consumer()))
            && response.contains("urn:oasis:names:tc:SAML:2.0:status:Success")
            // Each has a tag before and a tag after.
            && response.matches("SignatureValue>").count() == 2 * usize::try_from(signatures.count())?;
        if fits { Ok((head.headers, response)) } else { Err(odd("a response to this request", &head, &page).into()) }
    }
}

/// The value of a field of a form.
fn field(page: &str, name: &str) -> Option<String> {
    let (before, after) = page.split_once(&format!("name=\"{name}\""))?;
    let (start, end) = (before.rfind('<')?, after.find('>')?);
    let tag = [before.get(start..)?, after.get(..end)?].concat();
    let (_, value) = tag.split_once("value=\"")?;
    Some(plain(value.split('"').next()?))
}

/// Text of HTML without its references to characters, of which only numbers occur in what we read.
fn plain(text: &str) -> String {
    let mut parts = text.split("&#");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(';').unwrap_or((part, ""));
        let hexadecimal = number.strip_prefix(['x', 'X']).map(|digits| u32::from_str_radix(digits, 16));
        let number = hexadecimal.unwrap_or_else(|| number.parse());
        plain.extend(number.ok().and_then(char::from_u32));
        plain.push_str(rest);
    }
    plain
}
