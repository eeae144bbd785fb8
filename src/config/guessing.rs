//! `[guessing]`: how many sign-ins may fail before they are no longer passed on to the library's system.
use crate::domain::GuessLimits;
use crate::domain::settings::Reader;
use std::time::Duration;

/// The fewest failures in a row at which a lock leaves room for a patron who mistypes.
const FEWEST: usize = 3;

/// Reads the table; everything in it may be left out.
pub(super) fn read(root: &Reader<'_>) -> GuessLimits {
    let default = GuessLimits::default();
    let Some(table) = root.table("guessing") else { return default };
    let number = |key, range| table.integer(key, range).and_then(|n| usize::try_from(n).ok());
    let locks = number("ils_locks_after", 0..=1000);
    if locks.is_some_and(|locks| (1..FEWEST).contains(&locks)) {
        table.problem("ils_locks_after", format!("expected 0 (never) or at least {FEWEST}, found fewer"));
    }
    let settings = GuessLimits {
        ils_locks_after: locks.map_or(default.ils_locks_after, |locks| Some(locks).filter(|locks| *locks > 0)),
        per_day: number("per_day", 15..=100).unwrap_or(default.per_day),
        cards_per_network: number("cards_per_network", 5..=10_000).unwrap_or(default.cards_per_network),
        answer_after: table
            .duration("answer_after", Duration::from_millis(500)..=Duration::from_secs(10))
            .unwrap_or(default.answer_after),
    };
    table.finish();
    settings
}
