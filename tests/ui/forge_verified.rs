//! Only the gate makes a `Verified`.
use vestibule::patron::{Subject, Verified};

fn forge(subject: Subject, library: vestibule::domain::LibraryId) -> Verified {
    Verified { library, subject, standing: vestibule::domain::Standing::good(), device: None }
}

fn main() {}
