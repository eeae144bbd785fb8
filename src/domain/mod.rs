//! Pure rules and nouns: what a library, a vendor, a licence and a standing are, and who may use what.
//! Nothing here does I/O, and nothing here is a person: these values may appear in logs and on pages.
mod address;
mod chance;
mod clock;
mod entitlement;
mod fault;
mod host;
mod id;
mod library;
mod licence;
mod limits;
pub mod settings;
mod standing;
mod vendor;

pub use address::{AddressRule, is_public};
pub use chance::random;
pub use clock::{Clock, Date, ManualClock, SystemClock, Timestamp};
pub use entitlement::{Denial, Entitlement, decide};
pub use fault::Fault;
pub use host::covers_host;
pub use id::{BadId, LibraryId, VendorId};
pub use library::Library;
pub use licence::{Licence, Terms};
pub use limits::{GuessLimits, Limits};
pub use standing::{AgeClass, Code, Standing, State};
pub use vendor::{Vendor, VendorOrigin};
