//! Library systems across reloads: one whose settings and secrets have not changed keeps its connections and what is
//! known of its health. Else a reload in an outage would let readers wait for a system that is known to be down.
use super::site::Foundations;
use crate::config::{self, Config, FileSecrets, IlsSettings};
use crate::domain::settings::{Reading, Secrets, Table, Value};
use crate::patron::Ilses;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use std::cell::RefCell;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What each library system was built from, by its id.
#[derive(Default)]
pub(super) struct Bases(BTreeMap<String, Basis>);

struct Basis {
    table: Table,
    /// A keyed check of the secrets, not the secrets.
    secrets: [u8; 32],
}

impl Basis {
    fn is_like(&self, other: &Self) -> bool {
        self.secrets == other.secrets && says_the_same(&self.table, &other.table)
    }
}

/// Whether two tables have the same keys and values, wherever they stand.
fn says_the_same(one: &Table, other: &Table) -> bool {
    let pairs = one.entries.iter().zip(&other.entries);
    one.entries.len() == other.entries.len()
        && pairs.into_iter().all(|((key, a), (other, b))| key == other && is_the_same(&a.value, &b.value))
}

fn is_the_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Integer(a), Value::Integer(b)) => a == b,
        (Value::Flag(a), Value::Flag(b)) => a == b,
        (Value::Table(a), Value::Table(b)) => says_the_same(a, b),
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_the_same(&a.value, &b.value))
        }
        _ => false,
    }
}

/// Secrets as they are read, with a check over all that were.
struct Witness<'s> {
    secrets: &'s FileSecrets,
    check: RefCell<Context>,
}

impl<'s> Witness<'s> {
    fn new(secrets: &'s FileSecrets, key: &[u8]) -> Self {
        Self { secrets, check: RefCell::new(Context::with_key(&Key::new(HMAC_SHA256, key))) }
    }

    fn note(&self, secret: &[u8]) {
        let mut check = self.check.borrow_mut();
        check.update(&(secret.len() as u64).to_be_bytes());
        check.update(secret);
    }

    fn sum(&self) -> [u8; 32] {
        let mut sum = [0; 32];
        sum.copy_from_slice(self.check.borrow().clone().sign().as_ref());
        sum
    }
}

impl Secrets for Witness<'_> {
    fn file(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        self.secrets.file(path).inspect(|secret| self.note(secret))
    }

    fn environment(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        self.secrets.environment(name).inspect(|secret| self.note(secret))
    }
}

/// Builds the library systems of a configuration; those of `older` that are the same are kept.
pub(super) fn build(
    config: &Config,
    foundations: &Foundations,
    older: Option<(&Bases, &Ilses)>,
    problems: &mut Vec<String>,
) -> (Bases, Ilses) {
    let (mut bases, mut ilses) = (Bases::default(), Ilses::default());
    for ils in &config.ilses {
        let new = build_one(config, foundations, ils, (&mut ilses, problems));
        if let Some((known, older)) = older
            && known.0.get(&ils.id).is_some_and(|known| known.is_like(&new))
        {
            ilses.keep(&ils.id, older);
        }
        bases.0.insert(ils.id.clone(), new);
    }
    (bases, ilses)
}

fn build_one(
    config: &Config,
    foundations: &Foundations,
    ils: &IlsSettings,
    (ilses, problems): (&mut Ilses, &mut Vec<String>),
) -> Basis {
    let secrets = config.secrets();
    let witness = Witness::new(&secrets, &config.pseudonym_key);
    let reading = Reading::new(&witness);
    let reader = config::ils_reader(&reading, ils);
    ilses.add(&ils.id, &reader, &foundations.clock, &foundations.telemetry);
    reader.finish();
    problems.extend(reading.into_problems().iter().map(ToString::to_string));
    Basis { table: ils.table.clone(), secrets: witness.sum() }
}
