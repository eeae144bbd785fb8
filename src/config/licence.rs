//! `[[licence]]` tables.
use super::library::{codes, states};
use super::parse::{Context, Ids, never_empty};
use crate::domain::settings::{Reader, Value};
use crate::domain::{AgeClass, Date, LibraryId, Licence, State, Terms, VendorId};
use time::macros::format_description;

pub(super) fn read(root: &Reader<'_>, context: &Context<'_>, ids: (&Ids, &Ids)) -> Vec<Licence> {
    let mut licences = Vec::new();
    for table in root.tables("licence") {
        licences.extend(one(&table, context, ids));
        table.finish();
    }
    licences
}

/// One table is a licence for each library and vendor that it names.
fn one(table: &Reader<'_>, context: &Context<'_>, (library_ids, vendor_ids): (&Ids, &Ids)) -> Vec<Licence> {
    let libraries = names(table, "library", "the id of a `[[library]]` table of this configuration", |text| {
        LibraryId::parse(text).ok().filter(|id| library_ids.has(id.as_str()))
    });
    let vendors = names(table, "vendor", "the id of a `[[vendor]]` table of this configuration", |text| {
        VendorId::parse(text).ok().filter(|id| vendor_ids.has(id.as_str()))
    });
    let terms = terms(table, context);
    let pairs = libraries.iter().flat_map(|library| vendors.iter().map(move |vendor| (library, vendor)));
    pairs.map(|(l, v)| Licence { library: l.clone(), vendor: v.clone(), terms: terms.clone() }).collect()
}

/// One name or a list of names; required.
fn names<T>(table: &Reader<'_>, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
    never_empty(table, key, "expected at least one id, found none");
    match table.table_read().entries.get(key).map(|node| &node.value) {
        Some(Value::List(_)) => table.list(key, expected, parse).unwrap_or_default(),
        _ => table.required(key, expected, parse).into_iter().collect(),
    }
}

fn terms(table: &Reader<'_>, context: &Context<'_>) -> Terms {
    never_empty(table, "ages", "expected at least one age class, found none; leave the key out for any");
    let ages = table.list("ages", "one of `adult`, `teen`, `juvenile`, `unknown`", AgeClass::parse);
    let terms = Terms {
        borrower_classes: codes(table, "borrower_classes"),
        except_borrower_classes: codes(table, "except_borrower_classes"),
        branches: codes(table, "branches"),
        ages: ages.unwrap_or_default(),
        states: states(table, "states").unwrap_or_else(|| vec![State::Good]),
        from: table.parsed("from", A_DAY, day),
        until: table.parsed("until", A_DAY, day),
    };
    if let (Some(from), Some(until)) = (terms.from, terms.until)
        && until < from
    {
        table.problem("until", "expected a day not before `from`, found an earlier one");
    } else if terms.until.is_some_and(|until| until < context.now.date()) {
        context.warn(table, "until", "the licence has ended");
    }
    terms
}

const A_DAY: &str = "a day such as `2026-12-31`";

fn day(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}
