//! SIP2.
use super::{Ils, Surroundings};
use crate::domain::settings::Reader;
pub(super) fn build(_: &Reader<'_>, _: Surroundings) -> Option<Box<dyn Ils>> {
    None
}
