//! The composition root: the only place that names every concrete type. It makes a running product of a configuration
//! and replaces the configuration without closing a connection.
mod certificates;
mod hall;
mod process;
mod reload;
mod reply;
mod running;
mod site;
mod state;
mod systems;
mod upgrade;

pub use process::{harden, withhold_panics};
pub use running::{NotStarted, Running, start, take_over};
pub use site::{errands, trust};
pub use upgrade::Program;
