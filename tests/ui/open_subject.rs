//! A subject cannot be looked into or printed.
use vestibule::patron::Subject;

fn look(subject: &Subject) -> [u8; 32] {
    println!("{subject:?}");
    *subject.0
}

fn main() {}
