//! A vendor: who is licensed and where it is reached.
use super::{AddressRule, VendorId, is_public};
use std::net::IpAddr;

/// A vendor's origin: where its requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorOrigin {
    /// Whether the origin is reached by TLS.
    pub tls: bool,
    /// Lower-case host name or address, without port.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl VendorOrigin {
    /// The value of the `Host` field (RFC 9110 §7.2): the port only where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        if self.port == default { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// The origin as RFC 6454 serialises it.
    #[must_use]
    pub fn serialise(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// What the product knows of a vendor, whatever protocol it speaks.
#[derive(Clone, Debug)]
pub struct Vendor {
    /// The id in the configuration.
    pub id: VendorId,
    /// The name on pages.
    pub name: String,
    /// One sentence for the resources page.
    pub description: String,
    /// Where requests go.
    pub origin: VendorOrigin,
    /// Other origins whose deep links lead to this vendor.
    pub aliases: Vec<VendorOrigin>,
    /// Private addresses to which the origin may resolve; public ones always may.
    pub private_addresses: Vec<AddressRule>,
    /// Whether the vendor gets no pseudonym at all.
    pub anonymous: bool,
    /// The epoch of the vendor's pseudonyms: a new one unlinks every patron's past there.
    pub epoch: String,
    /// Whether the vendor receives the browser's own `User-Agent` instead of a reduced one.
    pub full_user_agent: bool,
    /// Further request header names that may pass to this vendor, lower case.
    pub pass_headers: Vec<String>,
}

impl Vendor {
    /// Whether a connection to `address` may be made for this vendor: a public one, or one listed for it.
    #[must_use]
    pub fn may_be_asked_at(&self, address: IpAddr) -> bool {
        is_public(address) || self.private_addresses.iter().any(|rule| rule.contains(address))
    }
}

#[cfg(test)]
impl Vendor {
    /// A vendor for tests, with nothing out of the ordinary.
    pub(crate) fn plain(id: &str, origin: VendorOrigin) -> Self {
        Self {
            id: VendorId::parse(id).unwrap(),
            name: String::new(),
            description: String::new(),
            origin,
            aliases: Vec::new(),
            private_addresses: Vec::new(),
            anonymous: false,
            epoch: "1".to_owned(),
            full_user_agent: false,
            pass_headers: Vec::new(),
        }
    }

    /// The same, which may also be reached at these addresses.
    pub(crate) fn at_private(self, rules: &[&str]) -> Self {
        let private_addresses = rules.iter().map(|rule| AddressRule::parse(rule).unwrap()).collect();
        Self { private_addresses, ..self }
    }
}
