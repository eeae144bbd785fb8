//! Anyone fills the box; only `patron` opens it.
use vestibule::patron::Credentials;

fn main() {
    let given = Credentials::new(String::new().into(), String::new().into());
    let _ = given.pin();
}
