//! Deep links: from an address in a catalogue record to a configured vendor, or to nothing. One pure function; what it
//! gives is built from the configuration, never from the address, so that no address can lead anywhere else.
use super::house::HouseVendor;
use crate::domain::VendorOrigin;
use url::Url;

/// The longest address that is looked at, in bytes.
const LONGEST: usize = 4096;

/// Where our own paths on a vendor's host begin.
const OWN_PATHS: &str = "/.vestibule";

/// A deep link that leads to a configured vendor.
pub struct DeepLink<'h> {
    /// Whose it is.
    pub vendor: &'h HouseVendor,
    /// Path and query, ASCII, beginning with exactly one slash.
    pub path: String,
    /// The fragment, percent-encoded, without `#`.
    pub fragment: Option<String>,
}

impl DeepLink<'_> {
    /// The address at the vendor's public host, from which [`resolve`] gives this link again.
    #[must_use]
    pub fn address(&self, port: u16) -> String {
        let fragment = self.fragment.as_ref().map_or_else(String::new, |f| format!("#{f}"));
        format!("{}{}{fragment}", self.vendor.public(port).serialise(), self.path)
    }
}

/// An address that leads to no configured vendor.
#[derive(Debug, PartialEq, Eq)]
pub struct NotOurs {
    /// The host, when it is a plain DNS name that a page may show.
    pub host: Option<String>,
}

/// Finds the vendor to which an address leads.
///
/// # Errors
/// [`NotOurs`] for everything that is not exactly the origin, an alias or the public host of a configured vendor.
pub fn resolve<'h>(vendors: &'h [HouseVendor], port: u16, address: &str) -> Result<DeepLink<'h>, NotOurs> {
    let nobody = NotOurs { host: None };
    let Some(url) = parse(address) else { return Err(nobody) };
    let (Some(host), Some(url_port)) = (url.host_str(), url.port_or_known_default()) else { return Err(nobody) };
    let asked = VendorOrigin { tls: url.scheme() == "https", host: bare(host).to_owned(), port: url_port };
    let Some(vendor) = vendors.iter().find(|v| leads_to(v, port, &asked)) else {
        return Err(NotOurs { host: is_plain_name(host).then(|| host.to_owned()) });
    };
    let path = path_of(&url);
    if path.starts_with(OWN_PATHS) {
        return Err(nobody);
    }
    let fragment = url.fragment().filter(|f| !f.is_empty()).map(str::to_owned);
    Ok(DeepLink { vendor, path, fragment })
}

/// Whether a text is meant to be an address, so that it must not be decoded once more.
#[must_use]
pub(super) fn looks_like_address(text: &str) -> bool {
    after_scheme(text).is_some()
}

/// Reads an address whose host is spelt as the parser understands it. Parsers forgive a great deal (`https:evil`,
/// `127.1`, `%77ww`, full-width dots, `///`); what was forgiven here could be understood otherwise elsewhere.
fn parse(address: &str) -> Option<Url> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\' || c == '\u{feff}';
    if address.len() > LONGEST || address.chars().any(odd) {
        return None;
    }
    let written = after_scheme(address)?.split(['/', '?', '#']).next()?;
    let url = Url::parse(address).ok()?;
    let (head, port) = written.split_at_checked(url.host_str()?.len())?;
    let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    let same = head.eq_ignore_ascii_case(url.host_str()?) && port_fits;
    let plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    (same && plain).then_some(url)
}

fn after_scheme(text: &str) -> Option<&str> {
    ["https://", "http://"].into_iter().find_map(|scheme| {
        let (head, rest) = text.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
}

/// A host without the brackets of an IPv6 address, as configurations may write either.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn leads_to(vendor: &HouseVendor, port: u16, asked: &VendorOrigin) -> bool {
    let public = vendor.public(port);
    let facts = &vendor.vendor;
    std::iter::once(&facts.origin).chain(&facts.aliases).chain([&public]).any(|known| same_origin(known, asked))
}

fn same_origin(known: &VendorOrigin, asked: &VendorOrigin) -> bool {
    let default = |o: &VendorOrigin| o.port == if o.tls { 443 } else { 80 };
    // Old catalogue records say `http` where vendors moved to `https` long ago.
    let reached = (default(known) && default(asked)) || (known.tls == asked.tls && known.port == asked.port);
    bare(&known.host) == asked.host && reached
}

/// Path and query with one slash at the front: `//host/x` would name another host wherever it is used as a reference.
fn path_of(url: &Url) -> String {
    let path = url.path().trim_start_matches('/');
    url.query().map_or_else(|| format!("/{path}"), |query| format!("/{path}?{query}"))
}

/// Letters, digits, hyphens and dots with a letter in the last label (RFC 1123 §2.1): not an address, and short.
fn is_plain_name(host: &str) -> bool {
    let label = |l: &str| {
        let inner = l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&l.len()) && inner && !l.starts_with('-') && !l.ends_with('-') && !l.starts_with("xn--")
    };
    let last_has_letter = host.rsplit('.').next().is_some_and(|l| l.bytes().any(|b| b.is_ascii_alphabetic()));
    host.len() <= 100 && host.contains('.') && host.split('.').all(label) && last_has_letter
}

#[cfg(test)]
pub(super) mod tests;
