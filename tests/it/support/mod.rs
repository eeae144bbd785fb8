//! What the black-box tests stand on: a running demo and a browser without scripts.
pub mod browser;
pub mod figure;
pub mod forms;
pub mod observe;
pub mod program;
pub mod served;
pub mod steady;
pub mod world;

pub use browser::{Browser, Page};
pub use figure::figure;
pub use world::World;
