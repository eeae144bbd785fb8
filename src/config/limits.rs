//! `[limits]`: what one browser, one network and all together may take of the front.
use crate::domain::settings::Reader;
use crate::domain::{AddressRule, Limits};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A limit that is watched a few times a second cannot be finer.
const TIME: RangeInclusive<Duration> = Duration::from_millis(250)..=Duration::from_secs(3600);
const COUNT: RangeInclusive<i64> = 1..=10_000_000;

/// Reads the table, if it is there.
pub(super) fn read(root: &Reader<'_>) -> Limits {
    let default = Limits::default();
    let Some(table) = root.table("limits") else { return default };
    let time = |key: &str, default: Duration| table.duration(key, TIME).unwrap_or(default);
    let count = |key: &str, default: u32| {
        table.integer(key, COUNT).and_then(|number| u32::try_from(number).ok()).unwrap_or(default)
    };
    let limits = Limits {
        handshake: time("handshake", default.handshake),
        head: time("request_head", default.head),
        idle: time("idle", default.idle),
        body: time("request_body", default.body),
        answer: time("answer", default.answer),
        form: time("form", default.form),
        switched: time("websocket_idle", default.switched),
        bytes_per_second: count("bytes_per_second", default.bytes_per_second),
        connections: table.integer("connections", COUNT).and_then(|number| usize::try_from(number).ok()),
        per_network: count("connections_per_network", default.per_network),
        per_shared_network: count("connections_per_shared_network", default.per_shared_network),
        shared: table
            .list("shared_networks", "an address range such as `192.0.2.0/24`", AddressRule::parse)
            .unwrap_or_default(),
    };
    table.finish();
    limits
}
