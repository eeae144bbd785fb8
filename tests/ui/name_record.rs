//! What the ILS said has no name outside `patron`.
use vestibule::patron::record::Record;

fn main() {}
