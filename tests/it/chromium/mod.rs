//! What only a real browser can show: the whole journey in Chromium, with scripts and without, by keyboard, on wide and
//! narrow screens, and held against the accessibility rules of axe-core.
mod axe;
pub mod driver;
mod hostile;
mod isolation;
mod journey;
mod pages;
pub mod visitor;
