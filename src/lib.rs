//! Vestibule, the entrance hall between a library and the vendors it licenses.
pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod domain;
pub mod egress;
pub mod net;
pub mod patron;
pub mod protocol;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod web;
