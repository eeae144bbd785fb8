//! Settings: a table of the operator's configuration while it is being read. A [`Reader`] takes values out of a
//! [`Table`], notes every [`Problem`] with its key path and line instead of stopping at the first, and at the end names
//! the keys that nobody asked for. It never repeats a value in a message: it may be a secret.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// Where something stands in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name as the operator gave it.
    pub file: Arc<str>,
    /// The line, from 1; 0 when unknown.
    pub line: usize,
}

/// One thing that is wrong in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The key path, such as `library[0].ils`.
    pub path: String,
    /// What was expected, then what was found.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.place.file)?;
        if self.place.line > 0 {
            write!(f, "{}:", self.place.line)?;
        }
        if !self.path.is_empty() {
            write!(f, " `{}`:", self.path)?;
        }
        write!(f, " {}", self.text)
    }
}

/// A value in the configuration.
#[derive(Clone, Debug)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Flag(bool),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
    /// A kind of value that no key takes; its name.
    Other(&'static str),
}

impl Value {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Integer(_) => "a whole number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
}

/// A table of settings.
#[derive(Clone, Debug)]
pub struct Table {
    /// Key path of the table; empty for the root.
    pub path: String,
    /// Where the table begins.
    pub place: Place,
    /// Its keys.
    pub entries: BTreeMap<String, Node>,
}

/// Gives the bytes of a secret that the configuration names.
pub trait Secrets {
    /// Reads a secret from a file, given as the configuration names it.
    ///
    /// # Errors
    /// A sentence that says why not, without any of the content.
    fn file(&self, path: &str) -> Result<Zeroizing<Vec<u8>>, String>;

    /// Reads a secret from an environment variable.
    ///
    /// # Errors
    /// A sentence that says why not, without any of the content.
    fn environment(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, String>;

    /// Reads a file that is no secret, given as the configuration names it.
    ///
    /// # Errors
    /// A sentence that says why not, without any of the content.
    fn public_file(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("expected a file that can be read, found none".to_owned())
    }

    /// Where a file is that is read later, given as the configuration names it.
    fn place_of(&self, path: &str) -> PathBuf {
        PathBuf::from(path)
    }
}

/// What all readers of one configuration share.
pub struct Reading<'a> {
    problems: RefCell<Vec<Problem>>,
    secrets: &'a dyn Secrets,
}

impl<'a> Reading<'a> {
    /// Starts a reading.
    #[must_use]
    pub const fn new(secrets: &'a dyn Secrets) -> Self {
        Self { problems: RefCell::new(Vec::new()), secrets }
    }

    /// A reader of `table`.
    #[must_use]
    pub fn of<'r>(&'r self, table: &'r Table) -> Reader<'r> {
        Reader { table, reading: self, asked: RefCell::new(Vec::new()) }
    }

    /// Notes a problem that belongs to no single key.
    pub fn note(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// Whether anything is wrong so far.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// Every problem, in the order of the files.
    #[must_use]
    pub fn into_problems(self) -> Vec<Problem> {
        let mut all = self.problems.into_inner();
        all.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
        all.dedup();
        all
    }
}

/// Takes values out of one table.
pub struct Reader<'r> {
    table: &'r Table,
    reading: &'r (dyn Noted + 'r),
    asked: RefCell<Vec<String>>,
}

/// The part of a [`Reading`] that readers use, free of its lifetime.
trait Noted {
    fn note(&self, problem: Problem);
    fn secrets(&self) -> &dyn Secrets;
}

impl Noted for Reading<'_> {
    fn note(&self, problem: Problem) {
        Reading::note(self, problem);
    }

    fn secrets(&self) -> &dyn Secrets {
        self.secrets
    }
}

impl<'r> Reader<'r> {
    /// The table being read.
    #[must_use]
    pub const fn table_read(&self) -> &'r Table {
        self.table
    }

    /// Notes a problem with `key`: what was expected, then what was found, never the value.
    pub fn problem(&self, key: &str, text: impl Into<String>) {
        let place = self.table.entries.get(key).map_or(&self.table.place, |node| &node.place);
        self.reading.note(Problem { place: place.clone(), path: self.path_of(key), text: text.into() });
    }

    fn path_of(&self, key: &str) -> String {
        join(&self.table.path, key)
    }

    fn node(&self, key: &str) -> Option<&'r Node> {
        self.asked.borrow_mut().push(key.to_owned());
        self.table.entries.get(key)
    }

    /// Whether `key` is there, without reading it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.table.entries.contains_key(key)
    }

    /// Notes that `key` is missing and what it is for.
    pub fn missing(&self, key: &str, what: &str) {
        self.problem(key, format!("expected {what}, found nothing; the key is required"));
    }

    /// A string.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        match &self.node(key)?.value {
            Value::Text(text) => Some(text.clone()),
            other => {
                self.problem(key, format!("expected a string, found {}", other.kind()));
                None
            }
        }
    }

    /// A string that `parse` understands; `expected` completes the sentence "expected …".
    #[must_use]
    pub fn parsed<T>(&self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(key)?;
        let value = parse(&text);
        if value.is_none() {
            self.problem(key, format!("expected {expected}"));
        }
        value
    }

    /// As [`Reader::parsed`], and the key is required.
    #[must_use]
    pub fn required<T>(&self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        if !self.has(key) {
            self.asked.borrow_mut().push(key.to_owned());
            self.missing(key, expected);
            return None;
        }
        self.parsed(key, expected, parse)
    }

    /// One of a fixed set of words.
    #[must_use]
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<_> = words.iter().map(|(name, _)| format!("`{name}`")).collect();
        self.parsed(key, &format!("one of {}", names.join(", ")), |text| {
            words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
        })
    }

    /// A whole number inside `range`.
    #[must_use]
    pub fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let expected = format!("expected a whole number from {} to {}", range.start(), range.end());
        match &self.node(key)?.value {
            Value::Integer(n) if range.contains(n) => Some(*n),
            Value::Integer(_) => {
                self.problem(key, format!("{expected}, found one outside"));
                None
            }
            other => {
                self.problem(key, format!("{expected}, found {}", other.kind()));
                None
            }
        }
    }

    /// `true` or `false`.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        match &self.node(key)?.value {
            Value::Flag(flag) => Some(*flag),
            other => {
                self.problem(key, format!("expected true or false, found {}", other.kind()));
                None
            }
        }
    }

    /// A length of time such as `250ms`, `30s`, `5m` or `8h`, inside `range`.
    #[must_use]
    pub fn duration(&self, key: &str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let expected =
            format!("a length of time such as `30s`, `5m` or `8h`, from {:?} to {:?}", range.start(), range.end());
        self.parsed(key, &expected, |text| parse_duration(text).filter(|d| range.contains(d)))
    }

    /// A list of strings, each understood by `parse`.
    #[must_use]
    pub fn list<T>(&self, key: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        let nodes = match &self.node(key)?.value {
            Value::List(nodes) => nodes,
            other => {
                self.problem(key, format!("expected a list, each item {expected}, found {}", other.kind()));
                return None;
            }
        };
        let mut values = Vec::with_capacity(nodes.len());
        for (i, node) in nodes.iter().enumerate() {
            let value = if let Value::Text(text) = &node.value { parse(text) } else { None };
            match value {
                Some(value) => values.push(value),
                None => self.reading.note(Problem {
                    place: node.place.clone(),
                    path: format!("{}[{i}]", self.path_of(key)),
                    text: format!("expected {expected}"),
                }),
            }
        }
        Some(values)
    }

    /// A table inside this one.
    #[must_use]
    pub fn table(&self, key: &str) -> Option<Reader<'r>> {
        match &self.node(key)?.value {
            Value::Table(table) => Some(self.sub(table)),
            other => {
                self.problem(key, format!("expected a table, found {}", other.kind()));
                None
            }
        }
    }

    /// A list of tables, such as `[[vendor]]`.
    #[must_use]
    pub fn tables(&self, key: &str) -> Vec<Reader<'r>> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let Value::List(nodes) = &node.value else {
            self.problem(key, format!("expected `[[{key}]]` tables, found {}", node.value.kind()));
            return Vec::new();
        };
        let mut readers = Vec::new();
        for node in nodes {
            match &node.value {
                Value::Table(table) => readers.push(self.sub(table)),
                other => self.problem(key, format!("expected `[[{key}]]` tables, found {}", other.kind())),
            }
        }
        readers
    }

    const fn sub(&self, table: &'r Table) -> Reader<'r> {
        Reader { table, reading: self.reading, asked: RefCell::new(Vec::new()) }
    }

    /// A secret: from the file that `KEY_file` names or the environment variable that `KEY_env` names, never from the
    /// configuration itself. One line end is taken off.
    #[must_use]
    pub fn secret(&self, key: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (file, env) = (format!("{key}_file"), format!("{key}_env"));
        self.asked.borrow_mut().push(key.to_owned());
        if self.has(key) {
            self.problem(key, format!("expected `{file}` or `{env}`: a secret does not stand in the configuration"));
        }
        let secret = match (self.text(&file), self.text(&env)) {
            (Some(_), Some(_)) => {
                self.problem(&env, format!("expected one of `{file}` and `{env}`, found both"));
                return None;
            }
            (Some(path), None) => (file, self.reading.secrets().file(&path)),
            (None, Some(name)) => (env, self.reading.secrets().environment(&name)),
            (None, None) => return None,
        };
        match secret {
            (_, Ok(mut bytes)) => {
                trim_line_end(&mut bytes);
                Some(bytes)
            }
            (key, Err(why)) => {
                self.problem(&key, why);
                None
            }
        }
    }

    /// The content of a file that is no secret, and that `key` names. A key whose name ends in `_file` makes a change of the
    /// file load the configuration again.
    #[must_use]
    pub fn file(&self, key: &str) -> Option<Vec<u8>> {
        let content = self.reading.secrets().public_file(&self.text(key)?);
        content.map_err(|why| self.problem(key, why)).ok()
    }

    /// Where the file is that `key` names, without a look at it.
    #[must_use]
    pub fn place(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(|path| self.reading.secrets().place_of(&path))
    }

    /// As [`Reader::secret`], and it is required.
    #[must_use]
    pub fn required_secret(&self, key: &str, what: &str) -> Option<Zeroizing<Vec<u8>>> {
        let given = [key.to_owned(), format!("{key}_file"), format!("{key}_env")].iter().any(|k| self.has(k));
        let secret = self.secret(key);
        if !given {
            self.missing(&format!("{key}_file"), what);
        }
        secret
    }

    /// Ends the reading: every key that nobody asked for is a problem.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (key, node) in &self.table.entries {
            if asked.contains(key) {
                continue;
            }
            let hint = nearest(key, &asked).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            self.reading.note(Problem {
                place: node.place.clone(),
                path: self.path_of(key),
                text: format!("unknown key{hint}"),
            });
        }
    }
}

/// Joins a key path and a key.
#[must_use]
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn trim_line_end(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
}

/// Reads `250ms`, `30s`, `5m`, `8h` or `7d`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = text.get(digits.len()..)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// The known key most like `key`, when it is like enough to be what was meant.
fn nearest<'k>(key: &str, known: &'k [String]) -> Option<&'k str> {
    let close = |k: &&String| distance(key, k) <= 1 + key.len().max(k.len()) / 4;
    known.iter().filter(close).min_by_key(|k| distance(key, k)).map(String::as_str)
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let change = diagonal + usize::from(x != y);
            diagonal = *slot;
            left = change.min(left + 1).min(*slot + 1);
            *slot = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("8h"), Some(Duration::from_secs(28_800)));
        for bad in ["", "5", "h", "-1s", "1w", "1 s", "99999999999999999999s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_nearest_key_is_suggested() {
        let known = ["public_url", "proxy_domain", "listen"].map(str::to_owned);
        assert_eq!(nearest("pubic_url", &known), Some("public_url"));
        assert_eq!(nearest("proxydomain", &known), Some("proxy_domain"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
