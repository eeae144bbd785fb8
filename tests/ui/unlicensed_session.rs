//! A session opens only with proof from the gate.
use vestibule::patron::Credentials;
use vestibule::session::{Lifetimes, Sessions};

async fn open(sessions: &Sessions, given: Credentials, lifetimes: Lifetimes) {
    let _ = sessions.open(&given, lifetimes).await;
}

fn main() {}
