//! Values of XML Schema in metadata.
use super::Unfit;
use crate::domain::Timestamp;
use crate::protocol::saml::parsed::trimmed;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longer times are none that anybody means.
const LONGEST: f64 = 1e9;

/// A point in time (`xs:dateTime`). Without a zone it is in UTC, as Core 1.3.3 wants.
pub(super) fn moment(text: &str) -> Result<Timestamp, Unfit> {
    let text = trimmed(text);
    let (_, time) = text.split_once('T').ok_or(Unfit::Schema)?;
    let zoned = time.contains(['Z', '+', '-']);
    let whole = if zoned { text.to_owned() } else { format!("{text}Z") };
    let moment = OffsetDateTime::parse(&whole, &Rfc3339).map_err(|_| Unfit::Schema)?;
    Ok(Timestamp::from_seconds(moment.unix_timestamp()))
}

/// A length of time (`xs:duration`). A month has thirty days and a year 365: nobody caches for that long to the day.
pub(super) fn duration(text: &str) -> Result<Duration, Unfit> {
    seconds(trimmed(text)).filter(|s| *s <= LONGEST).map(Duration::from_secs_f64).ok_or(Unfit::Schema)
}

fn seconds(text: &str) -> Option<f64> {
    const DAY: f64 = 86_400.0;
    let rest = text.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) => (date, Some(time).filter(|time| !time.is_empty())?),
        None => (rest, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date = sum(date, &[('Y', 365.0 * DAY), ('M', 30.0 * DAY), ('D', DAY)])?;
    Some(date + sum(time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])?)
}

/// Adds numbers, each with its unit, in this order.
fn sum(text: &str, units: &[(char, f64)]) -> Option<f64> {
    let (mut rest, mut sum) = (text, 0.0);
    for (unit, worth) in units {
        let Some((number, after)) = rest.split_once(*unit) else { continue };
        let whole = number.bytes().all(|b| b.is_ascii_digit() || *unit == 'S' && b == b'.');
        let number: f64 = Some(number).filter(|number| whole && number.len() <= 12)?.parse().ok()?;
        (rest, sum) = (after, number.mul_add(*worth, sum));
    }
    rest.is_empty().then_some(sum)
}

/// `xs:boolean`; what is none counts as unsaid.
pub(super) fn flag(text: &str) -> Option<bool> {
    match trimmed(text) {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_any_zone_and_any_fraction() {
        let noon = Timestamp::from_seconds(1_795_348_800);
        for text in [
            "2026-11-22T12:00:00Z",
            " 2026-11-22T12:00:00Z\n",
            "2026-11-22T12:00:00.999999Z",
            "2026-11-22T12:00:00",
            "2026-11-22T13:00:00+01:00",
            "2026-11-22T07:00:00-05:00",
        ] {
            assert_eq!(moment(text), Ok(noon), "{text}");
        }
        for bad in ["", "2026-11-22", "T", "2026-13-22T12:00:00Z", "2026-11-22T12:00:00ZZ", "tomorrow"] {
            assert_eq!(moment(bad), Err(Unfit::Schema), "{bad}");
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, seconds) in
            [("PT6H", 21_600), ("P1D", 86_400), ("P1DT1H1M1S", 90_061), ("PT0S", 0), ("P1M", 2_592_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("PT0.5S"), Ok(Duration::from_millis(500)));
        for bad in ["", "P", "PT", "6H", "PT6", "P1H", "-PT6H", "PT6H6D", "PTNaNS", "PT1e9S", "P99999999999D", "PinfD"]
        {
            assert_eq!(duration(bad), Err(Unfit::Schema), "{bad}");
        }
    }
}
