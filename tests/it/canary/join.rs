//! What two vendors could do who put their records together: look for equal values in the records of two names, for
//! names that sort alike, and for visits at the same time. Each is compared with what chance gives.
use super::crowd::Reader;
use super::scanner_tests::Dice;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a vendor holds of one visitor: every value that came, but for the address of the page, which the browser chose.
#[derive(Clone, Default)]
pub(super) struct Record {
    pub(super) values: BTreeSet<Vec<u8>>,
    pub(super) claims: BTreeMap<String, Value>,
}

impl Record {
    pub(super) fn name(&self) -> Option<&str> {
        self.claims.get("sub").and_then(Value::as_str)
    }

    pub(super) fn issued(&self) -> i64 {
        self.claims["iat"].as_i64().unwrap()
    }

    fn take(&mut self, head: &str) {
        let mut names = String::new();
        for line in head.lines().skip(1) {
            // HTTP/2's own fields begin with a colon.
            let Some(colon) = line.get(1..).and_then(|rest| rest.find(':')) else { continue };
            let (name, value) = (&line[..=colon], line[colon + 2..].trim());
            names.push_str(name);
            names.push(' ');
            let parts = value.split([';', ',', ' ']).map(str::trim);
            self.values.extend(parts.chain([value]).map(|v| v.as_bytes().to_vec()));
            if name.eq_ignore_ascii_case("library-assertion") {
                self.take_assertion(value);
            }
        }
        // The order of the fields can be a mark as well.
        self.values.insert(names.into_bytes());
    }

    fn take_assertion(&mut self, token: &str) {
        for part in token.split('.') {
            self.values.insert(part.as_bytes().to_vec());
            self.values.insert(URL_SAFE_NO_PAD.decode(part).unwrap());
        }
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        self.take_claims(serde_json::from_slice(&claims).unwrap());
    }

    /// Adds what the vendor was told apart from its visitor's requests.
    pub(super) fn was_told(&mut self, told: &Value) {
        for part in told.as_object().unwrap().values() {
            self.take_claims(part.as_object().unwrap().clone().into_iter().collect());
        }
    }

    fn take_claims(&mut self, claims: BTreeMap<String, Value>) {
        self.values.extend(claims.values().map(|v| v.to_string().into_bytes()));
        self.claims.extend(claims);
    }

    /// Every whole value and every eight bytes of one, in order.
    fn features(&self) -> Vec<u64> {
        let mut features: Vec<u64> = self.values.iter().flat_map(|v| features_of(v)).collect();
        features.sort_unstable();
        features.dedup();
        features
    }
}

fn features_of(value: &[u8]) -> impl Iterator<Item = u64> {
    let windows = value.windows(8).map(|w| u64::from_be_bytes(w.try_into().unwrap()));
    windows.chain([hash_of(value)])
}

fn hash_of(value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A vendor's records, by the number in the address of the page.
pub(super) type Records = HashMap<u32, Record>;

/// The records in a vendor's traffic, by the number in the address of the page.
pub(super) fn records(traffic: &[u8]) -> Records {
    let text = String::from_utf8_lossy(traffic);
    let mut records = Records::new();
    for version in [" HTTP/1.1\r\n", " HTTP/2\r\n"] {
        for (at, _) in text.match_indices(version) {
            let target = text[..at].rsplit(' ').next().unwrap_or_default();
            let digits = target.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            let (Ok(mark), Some(end)) = (digits.parse(), text[at..].find("\r\n\r\n")) else { continue };
            records.entry(mark).or_default().take(&text[at..at + end]);
        }
    }
    records
}

/// One reader's records at two vendors, and the group within which readers may be confused: those who moved together
/// and belong to the same library, which vendors are told.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) group: (usize, String),
    /// When the assertions were issued.
    pub(super) issued: [i64; 2],
    /// What the records hold, in order; but for what no record of the other vendor holds.
    one: Vec<u64>,
    other: Vec<u64>,
}

impl Pair {
    /// As if both vendors had been told this as well.
    pub(super) fn tell(&mut self, value: &str) {
        for side in [&mut self.one, &mut self.other] {
            side.extend(features_of(value.as_bytes()));
            side.sort_unstable();
            side.dedup();
        }
    }
}

pub(super) fn pairs(readers: &[Reader], (one, one_name): Side<'_>, (other, other_name): Side<'_>) -> Vec<Pair> {
    let both = |reader: &Reader| {
        let one = one.get(reader.marks.get(one_name)?)?;
        let other = other.get(reader.marks.get(other_name)?)?;
        let (group, issued) = ((reader.wave, reader.library.clone()), [one.issued(), other.issued()]);
        Some(Pair { group, issued, one: one.features(), other: other.features() })
    };
    let mut pairs: Vec<Pair> = readers.iter().filter_map(both).collect();
    let in_one: HashSet<u64> = pairs.iter().flat_map(|pair| pair.one.iter().copied()).collect();
    pairs.iter_mut().for_each(|pair| pair.other.retain(|f| in_one.contains(f)));
    let in_both: HashSet<u64> = pairs.iter().flat_map(|pair| pair.other.iter().copied()).collect();
    pairs.iter_mut().for_each(|pair| pair.one.retain(|f| in_both.contains(f)));
    pairs
}

/// A vendor's records and its id.
pub(super) type Side<'r> = (&'r Records, &'static str);

/// How much two records of the same reader have in common, and how much those of different readers do.
#[derive(Debug)]
pub(super) struct Likeness {
    /// Bits that the values shared by records of the same reader would take to be shared by chance.
    pub(super) same: f64,
    /// As `same`, when the records are shuffled.
    pub(super) mean: f64,
    pub(super) deviation: f64,
    /// How often a reader's own record is more alike than another's; a half by chance.
    pub(super) own_first: f64,
    /// Readers whose two records share something that no other record has.
    pub(super) own_only: f64,
    /// As `own_only`, if whoever shares such a thing were anybody of the group.
    pub(super) own_only_by_chance: f64,
    pub(super) pairs: usize,
}

impl Likeness {
    /// Six deviations: what chance alone does not pass once in a hundred million times.
    pub(super) fn is_chance(&self) -> bool {
        let rank_deviation = (1.0 / (12.0 * self.pairs as f64)).sqrt();
        self.same <= self.mean + 6.0 * self.deviation.max(1.0)
            && self.own_first <= 0.5 + 6.0 * rank_deviation
            && self.own_only <= self.own_only_by_chance + 6.0 * self.own_only_by_chance.sqrt() + 3.0
    }
}

/// Compares all records of each group. Features that all readers of a library have tell nothing and are left out.
pub(super) fn likeness(pairs: &[Pair], dice: &mut Dice) -> Likeness {
    const SHUFFLES: usize = 40;
    let (one, other) = distinctive(pairs);
    let mut groups: BTreeMap<&(usize, String), Vec<usize>> = BTreeMap::new();
    pairs.iter().enumerate().for_each(|(at, pair)| groups.entry(&pair.group).or_default().push(at));
    let (mut same, mut sums, mut first) = (0.0, [0.0; SHUFFLES], 0.0);
    for members in groups.values() {
        let row = |at: &usize| members.iter().map(|with| common(&one[*at], &other[*with])).collect::<Vec<f64>>();
        let table: Vec<Vec<f64>> = members.iter().map(row).collect();
        same += table.iter().enumerate().map(|(at, row)| row[at]).sum::<f64>();
        for sum in &mut sums {
            let mut partners: Vec<usize> = (0..members.len()).collect();
            dice.shuffle(&mut partners);
            *sum += table.iter().zip(partners).map(|(row, partner)| row[partner]).sum::<f64>();
        }
        first += table.iter().enumerate().map(|(at, row)| rank_of(row[at], row)).sum::<f64>();
    }
    let mean = sums.iter().sum::<f64>() / SHUFFLES as f64;
    let deviation = (sums.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / SHUFFLES as f64).sqrt();
    let own_first = first / pairs.len() as f64;
    let (own_only, own_only_by_chance) = unique(pairs, &groups);
    Likeness { same, mean, deviation, own_first, own_only, own_only_by_chance, pairs: pairs.len() }
}

/// Looks at features that are in one record of each vendor only: how many readers have both, and how many would by
/// chance.
fn unique(pairs: &[Pair], groups: &BTreeMap<&(usize, String), Vec<usize>>) -> (f64, f64) {
    let lonely = |side: fn(&Pair) -> &Vec<u64>| {
        let mut holders: HashMap<u64, Option<usize>> = HashMap::new();
        for (at, pair) in pairs.iter().enumerate() {
            for feature in side(pair) {
                holders.entry(*feature).and_modify(|holder| *holder = None).or_insert(Some(at));
            }
        }
        holders
    };
    let (one, other) = (lonely(|pair| &pair.one), lonely(|pair| &pair.other));
    let both = |(feature, at): (&u64, &Option<usize>)| Some(((*at)?, (*other.get(feature)?)?));
    let linked: HashSet<(usize, usize)> = one.iter().filter_map(both).collect();
    let own = linked.iter().filter(|(at, with)| at == with).count();
    let chance = |(at, with): &(usize, usize)| {
        let group = &pairs[*at].group;
        if *group == pairs[*with].group { 1.0 / groups[group].len() as f64 } else { 0.0 }
    };
    (own as f64, linked.iter().map(chance).sum())
}

/// The share of values below `own`; equal ones count half.
#[expect(clippy::float_cmp, reason = "equal means the same sum of the same numbers")]
fn rank_of(own: f64, all: &[f64]) -> f64 {
    let below = all.iter().filter(|v| **v < own).count() as f64;
    let equal = all.iter().filter(|v| **v == own).count() as f64;
    (below + equal / 2.0) / all.len() as f64
}

/// Features in order, each with the bits that it tells.
type Features = Vec<(u64, f64)>;

/// The features of both sides, but for those that all records of a library have.
fn distinctive(pairs: &[Pair]) -> (Vec<Features>, Vec<Features>) {
    let (in_one, in_other) = (holders(pairs, |pair| &pair.one), holders(pairs, |pair| &pair.other));
    let mut members: HashMap<&str, usize> = HashMap::new();
    pairs.iter().for_each(|pair| *members.entry(&pair.group.1).or_default() += 1);
    let weigh = |library: &str, feature: u64| {
        let held = |holders: &HashMap<(&str, u64), usize>| holders.get(&(library, feature)).copied();
        let (all, most) = (members[library], held(&in_one)?.max(held(&in_other)?));
        (most < all).then(|| (feature, (all as f64 / most as f64).log2()))
    };
    let weighed = |pair: &Pair, features: &[u64]| features.iter().filter_map(|f| weigh(&pair.group.1, *f)).collect();
    let keep = |side: fn(&Pair) -> &Vec<u64>| pairs.iter().map(|pair| weighed(pair, side(pair))).collect();
    (keep(|pair| &pair.one), keep(|pair| &pair.other))
}

/// In how many records of each library a feature is.
fn holders(pairs: &[Pair], side: fn(&Pair) -> &Vec<u64>) -> HashMap<(&str, u64), usize> {
    let mut holders = HashMap::new();
    for pair in pairs {
        side(pair).iter().for_each(|f| *holders.entry((&*pair.group.1, *f)).or_default() += 1);
    }
    holders
}

/// The bits of the features that two records share.
fn common(one: &Features, other: &Features) -> f64 {
    let (mut a, mut b, mut bits) = (0, 0, 0.0);
    while a < one.len() && b < other.len() {
        match one[a].0.cmp(&other[b].0) {
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
            std::cmp::Ordering::Equal => (a, b, bits) = (a + 1, b + 1, bits + one[a].1),
        }
    }
    bits
}

/// The share of readers whom somebody finds at the other vendor who picks, among the records issued nearest in time,
/// any one.
pub(super) fn found_by_time(pairs: &[Pair]) -> f64 {
    let found = |pair: &Pair| {
        let distance = |p: &Pair| (p.issued[1] - pair.issued[0]).abs();
        let nearest = pairs.iter().map(distance).min().unwrap();
        let candidates = pairs.iter().filter(|p| distance(p) == nearest).count();
        if distance(pair) == nearest { 1.0 / candidates as f64 } else { 0.0 }
    };
    pairs.iter().map(found).sum::<f64>() / pairs.len() as f64
}

/// Spearman's coefficient for values without ties.
pub(super) fn rank_correlation<A: Ord, B: Ord>(pairs: &[(A, B)]) -> f64 {
    let mut by_first: Vec<usize> = (0..pairs.len()).collect();
    let mut by_second = by_first.clone();
    by_first.sort_by_key(|at| &pairs[*at].0);
    by_second.sort_by_key(|at| &pairs[*at].1);
    let mut rank = vec![0; pairs.len()];
    by_second.iter().enumerate().for_each(|(place, at)| rank[*at] = place);
    let n = pairs.len() as f64;
    let squares: f64 = by_first.iter().enumerate().map(|(place, at)| (place as f64 - rank[*at] as f64).powi(2)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

#[test]
fn ranks_are_compared_as_spearman_does() {
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(close(rank_correlation(&[(1, 10), (2, 20), (3, 30)]), 1.0));
    assert!(close(rank_correlation(&[(1, 3), (2, 2), (3, 1)]), -1.0));
    assert!(close(rank_correlation(&[(1, 2), (2, 1), (3, 4), (4, 3)]), 0.6));
}

#[test]
fn records_are_read_from_either_protocol() {
    let token = format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(r#"{"iat":5,"sub":"x"}"#));
    let traffic = format!(
        "\u{1}\u{2}GET /article/77 HTTP/2\r\n:authority: a\r\nlibrary-assertion: {token}\r\n\r\nessayPOST /upload?n=8 HTTP/1.1\r\nHost: b\r\n\r\n"
    );
    let records = records(traffic.as_bytes());
    assert_eq!((records.len(), records[&77].issued(), records[&77].name()), (2, 5, Some("x")));
    assert!(records[&77].values.contains(b"a".as_slice()) && records[&8].values.contains(b"b".as_slice()));
}
