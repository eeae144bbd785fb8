//! The box cannot be printed or copied.
use vestibule::patron::Credentials;

fn main() {
    let given = Credentials::new(String::new().into(), String::new().into());
    println!("{given:?}");
    let _ = given.clone();
}
