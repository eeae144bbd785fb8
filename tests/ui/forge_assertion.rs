//! An assertion comes only from a session and an entitlement.
use vestibule::domain::{Entitlement, LibraryId, VendorId};
use vestibule::egress::Assertion;

fn entitle(library: LibraryId, vendor: VendorId) -> Entitlement {
    Entitlement { library, vendor }
}

fn assert() -> Assertion {
    Assertion { pseudonym: None, library: "x".into(), entitlements: vec![], scoped_affiliation: String::new() }
}

fn main() {}
