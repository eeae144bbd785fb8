//! The headline proof: a thousand patrons sign in and read at vendors, and nothing that the library system holds on
//! them is found, however spelled, in anything that left the hall or stayed in it. See `leakscan` for what is searched
//! for and `join` for what vendors could learn by putting their records together.
#![expect(
    clippy::cast_precision_loss,
    clippy::format_collect,
    clippy::needless_for_each,
    clippy::print_stdout,
    reason = "counts are small, strings short, calls at the end of a chain read well, and figures are the point"
)]
mod crowd;
mod dictionary;
mod inside;
mod join;
mod leakscan;
mod marks;
mod md5;
mod planted;
mod proof;
mod scanner_tests;
mod spell;
