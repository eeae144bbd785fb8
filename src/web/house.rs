//! One configuration as the portal sees it: an immutable value that is replaced whole.
use super::pages::Pages;
use crate::domain::{AddressRule, Library, LibraryId, Licence, Timestamp, Vendor, VendorId, VendorOrigin};
use crate::patron::{Gate, Keyring};
use crate::protocol::{Learns, Providers};
use crate::session::Lifetimes;
use std::net::IpAddr;
use std::sync::Arc;

/// One configuration, as the portal sees it.
pub struct House {
    /// Libraries, in the order of the chooser.
    pub libraries: Vec<HouseLibrary>,
    /// Vendors, in the order of the list of resources.
    pub vendors: Vec<HouseVendor>,
    /// Licences.
    pub licences: Vec<Licence>,
    /// Lifetimes of sessions.
    pub lifetimes: Lifetimes,
    /// Lifetimes of sessions inside the library.
    pub premises_lifetimes: Lifetimes,
    /// Address ranges that count as inside every library.
    pub premises: Vec<AddressRule>,
    /// The portal's origin, `https://HOST[:PORT]`.
    pub origin: String,
    /// The port that browsers use, for the portal and for vendors' hosts.
    pub port: u16,
    /// The domain under which each vendor has its host.
    pub proxy_domain: String,
    /// Names patrons on their receipts.
    pub keys: Arc<Keyring>,
    /// Templates and messages.
    pub pages: Arc<Pages>,
    /// The providers that vendors ask.
    pub providers: Arc<Providers>,
}

/// A library and its door.
pub struct HouseLibrary {
    /// What the product knows of it.
    pub library: Arc<Library>,
    /// Its door; without one nobody can sign in there now.
    pub gate: Option<Gate>,
}

/// A vendor and its public host.
pub struct HouseVendor {
    /// What the product knows of it.
    pub vendor: Arc<Vendor>,
    /// Its public host, `ID.PROXY_DOMAIN`; `None` for a vendor that asks for its readers itself.
    pub host: Option<String>,
    /// The sector by which it knows readers, where its protocol has sectors.
    pub sector: Option<String>,
}

impl HouseVendor {
    /// The origin where browsers reach it: its public host, or its own.
    #[must_use]
    pub fn public(&self, port: u16) -> VendorOrigin {
        let public = self.host.clone().map(|host| VendorOrigin { tls: true, host, port });
        public.unwrap_or_else(|| self.vendor.origin.clone())
    }
}

impl House {
    pub(super) fn library(&self, id: &LibraryId) -> Option<&HouseLibrary> {
        self.libraries.iter().find(|l| l.library.id == *id)
    }

    pub(super) fn vendor(&self, id: &VendorId) -> Option<&HouseVendor> {
        self.vendors.iter().find(|v| v.vendor.id == *id)
    }

    /// What a vendor is told of each reader.
    pub(super) fn learns(&self, vendor: &Vendor, now: Timestamp) -> Learns {
        let carried = Learns { name: !vendor.anonymous, affiliation: true, entitlements: true };
        self.providers.learns(&vendor.id, now).unwrap_or(carried)
    }

    /// The only library, when there is one only.
    pub(super) fn sole_library(&self) -> Option<&HouseLibrary> {
        self.libraries.first().filter(|_| self.libraries.len() == 1)
    }

    /// The lifetimes of a session that begins at `address`; an unknown address counts as inside.
    pub(super) fn lifetimes_at(&self, library: &Library, address: Option<IpAddr>) -> Lifetimes {
        let inside = address.is_none_or(|address| self.is_inside(library, address));
        if inside { self.premises_lifetimes } else { self.lifetimes }
    }

    /// Whether an address is inside the library.
    pub(super) fn is_inside(&self, library: &Library, address: IpAddr) -> bool {
        self.premises.iter().chain(&library.premises).any(|range| range.contains(address))
    }
}
