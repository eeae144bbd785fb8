//! Vestibule, the entrance hall between a library and the vendors it licenses.
pub mod cli;
pub mod config;
pub mod domain;
pub mod patron;
pub mod protocol;
pub mod session;
pub mod store;
pub mod telemetry;
