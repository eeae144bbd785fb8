//! From files to one [`Table`]: TOML with a line number at every value, and `include`, which adds the tables of other
//! files. Tables in lists add up; a value stands once.
use crate::domain::settings::{Node, Place, Problem, Table, Value, join};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest configuration file, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Everything that the files say.
pub(super) struct Tree {
    pub(super) table: Table,
    pub(super) files: Vec<PathBuf>,
    pub(super) problems: Vec<Problem>,
}

/// Reads `path` and what it includes, and `more` as if it stood in a file of that name.
pub(super) fn tree(path: &Path, more: Option<(&str, &str)>) -> Tree {
    let mut loader = Loader::default();
    let asked = Place { file: Arc::from(path.to_string_lossy()), line: 0 };
    let mut table = loader.file(path, (&asked, "")).unwrap_or_else(|| empty(asked.clone()));
    if let Some((name, text)) = more
        && let Some(other) = loader.parse(&Source::new(Path::new(name), text))
    {
        loader.merge(&mut table, other, "");
    }
    name_paths(&mut table, "");
    Tree { table, files: loader.files, problems: loader.problems }
}

const fn empty(place: Place) -> Table {
    Table { path: String::new(), place, entries: BTreeMap::new() }
}

/// Where a file was asked for: the place and the key path.
type Asked<'a> = (&'a Place, &'a str);

#[derive(Default)]
struct Loader {
    problems: Vec<Problem>,
    files: Vec<PathBuf>,
    open: Vec<PathBuf>,
}

impl Loader {
    fn note(&mut self, (place, path): Asked<'_>, text: impl Into<String>) {
        self.problems.push(Problem { place: place.clone(), path: path.to_owned(), text: text.into() });
    }

    fn file(&mut self, path: &Path, asked: Asked<'_>) -> Option<Table> {
        let text = match read(path) {
            Ok(text) => text,
            Err(why) => {
                self.note(asked, why);
                return None;
            }
        };
        let name = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        if self.open.contains(&name) {
            self.note(asked, "expected files that do not include each other, found a circle");
            return None;
        }
        if self.files.contains(&name) {
            self.note(asked, "expected each file to be included once, found one that is included already");
            return None;
        }
        self.files.push(name.clone());
        let source = Source::new(path, &text);
        let mut table = self.parse(&source)?;
        self.open.push(name);
        if let Some(include) = table.entries.remove("include") {
            self.include(&mut table, &include, path);
        }
        self.open.pop();
        Some(table)
    }

    fn parse(&mut self, source: &Source<'_>) -> Option<Table> {
        let (parsed, errors) = DeTable::parse_recoverable(source.text);
        for error in &errors {
            let place = source.place(&error.span().unwrap_or_default());
            // The parser's messages name what it expected; they quote nothing of the file.
            self.note((&place, ""), format!("expected TOML, found something else: {}", error.message()));
        }
        if !errors.is_empty() {
            return None;
        }
        Some(source.table(parsed.get_ref(), source.place(&(0..0)), &mut self.problems))
    }

    fn include(&mut self, table: &mut Table, include: &Node, including: &Path) {
        const EXPECTED: &str = "expected a list of file names, such as `[\"vendors/*.toml\"]`";
        let Value::List(items) = &include.value else {
            return self.note((&include.place, "include"), EXPECTED);
        };
        let folder = including.parent().unwrap_or(Path::new(""));
        for (i, item) in items.iter().enumerate() {
            let path = format!("include[{i}]");
            let asked = (&item.place, path.as_str());
            let Value::Text(pattern) = &item.value else {
                self.note(asked, EXPECTED);
                continue;
            };
            match matches(&folder.join(pattern)) {
                Ok(files) => {
                    for file in files {
                        let other = self.file(&file, asked);
                        if let Some(other) = other {
                            self.merge(table, other, "");
                        }
                    }
                }
                Err(why) => self.note(asked, why),
            }
        }
    }

    /// Adds what `other` says to `table`.
    fn merge(&mut self, table: &mut Table, other: Table, path: &str) {
        for (key, node) in other.entries {
            let path = join(path, &key);
            let Some(first) = table.entries.get_mut(&key) else {
                table.entries.insert(key, node);
                continue;
            };
            match (&mut first.value, node.value) {
                (Value::List(all), Value::List(more)) if tables_only(all) && tables_only(&more) => all.extend(more),
                (Value::Table(inner), Value::Table(more)) => self.merge(inner, more, &path),
                _ => {
                    let Place { file, line } = &first.place;
                    let text = format!("expected once, found again; the first is at {file}:{line}");
                    self.note((&node.place, &path), text);
                }
            }
        }
    }
}

fn tables_only(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node.value, Value::Table(_)))
}

/// Gives every table its key path, now that lists are complete.
fn name_paths(table: &mut Table, path: &str) {
    path.clone_into(&mut table.path);
    for (key, node) in &mut table.entries {
        name_node(node, &join(path, key));
    }
}

fn name_node(node: &mut Node, path: &str) {
    match &mut node.value {
        Value::Table(inner) => name_paths(inner, path),
        Value::List(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                name_node(item, &format!("{path}[{i}]"));
            }
        }
        _ => {}
    }
}

fn read(path: &Path) -> Result<String, &'static str> {
    let meta = std::fs::metadata(path).map_err(|_| "expected a file that can be read, found none")?;
    if !meta.is_file() {
        return Err("expected a file, found something else");
    }
    if meta.len() > MOST_BYTES {
        return Err("expected a file of at most 1 MiB, found a larger one");
    }
    let bytes = std::fs::read(path).map_err(|_| "expected a file that can be read, found one that may not be")?;
    String::from_utf8(bytes).map_err(|_| "expected UTF-8, found other bytes")
}

/// The files that a name means: one file, or with `*` in the last component all that match, in the order of their
/// names.
fn matches(pattern: &Path) -> Result<Vec<PathBuf>, &'static str> {
    let name = pattern.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = pattern.parent().unwrap_or(Path::new(""));
    if folder.to_string_lossy().contains('*') {
        return Err("expected `*` in the last part of the name only");
    }
    if !name.contains('*') {
        return Ok(vec![pattern.to_path_buf()]);
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(folder).map_err(|_| "expected a folder that can be read, found none")?;
    let mut files: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|file| is_like(file, name)))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    Ok(files)
}

/// Whether `name` is like `pattern`, where `*` stands for any text. As in a shell, `*` does not begin a hidden name.
fn is_like(name: &str, pattern: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.is_empty()
}

/// One file's text, and where its lines begin.
struct Source<'a> {
    file: Arc<str>,
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(path: &Path, text: &'a str) -> Self {
        let lines = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { file: Arc::from(path.to_string_lossy()), text, lines }
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let line = 1 + self.lines.partition_point(|end| *end < span.start);
        Place { file: Arc::clone(&self.file), line }
    }

    fn table(&self, table: &DeTable<'_>, place: Place, problems: &mut Vec<Problem>) -> Table {
        let mut read = empty(place);
        for (key, value) in table {
            let place = self.place(&key.span());
            if key.get_ref().is_empty() || key.get_ref().chars().any(char::is_control) {
                problems.push(Problem {
                    place,
                    path: String::new(),
                    text: "expected a key of printable characters".to_owned(),
                });
                continue;
            }
            let node = Node { value: self.value(value, &place, problems), place };
            read.entries.insert(key.get_ref().clone().into_owned(), node);
        }
        read
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, place: &Place, problems: &mut Vec<Problem>) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
                .map_or(Value::Other("a number that is too large"), Value::Integer),
            DeValue::Boolean(flag) => Value::Flag(*flag),
            DeValue::Float(_) => Value::Other("a number with a fraction"),
            // A day may stand bare, as TOML has it.
            DeValue::Datetime(day) if day.time.is_none() => Value::Text(day.to_string()),
            DeValue::Datetime(_) => Value::Other("a time"),
            DeValue::Table(inner) => Value::Table(self.table(inner, place.clone(), problems)),
            DeValue::Array(items) => Value::List(items.iter().map(|item| self.item(item, problems)).collect()),
        }
    }

    fn item(&self, item: &Spanned<DeValue<'_>>, problems: &mut Vec<Problem>) -> Node {
        let place = self.place(&item.span());
        Node { value: self.value(item, &place, problems), place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (name, pattern, like) in [
            ("a.toml", "*.toml", true),
            ("a.toml", "*", true),
            ("a.toml", "a*l", true),
            ("a.toml", "*.*", true),
            ("a.toml~", "*.toml", false),
            (".a.toml", "*.toml", false),
            ("ab", "ab*b", false),
            ("abcbd", "a*b*d", true),
            ("abc", "a*b*d", false),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} {pattern}");
        }
    }

    #[test]
    fn every_value_knows_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "one = 1\n\n[[vendor]]\nid = \"a\"\n[[vendor]]\nlist = [\n  1,\n  {x = 2},\n]\n")
            .unwrap();
        let tree = tree(&path, None);
        assert!(tree.problems.is_empty());
        assert_eq!(tree.table.entries["one"].place.line, 1);
        let Value::List(vendors) = &tree.table.entries["vendor"].value else { panic!("no list") };
        assert_eq!((vendors[0].place.line, vendors[1].place.line), (3, 5));
        let Value::Table(second) = &vendors[1].value else { panic!("no table") };
        assert_eq!(second.path, "vendor[1]");
        let Value::List(items) = &second.entries["list"].value else { panic!("no list") };
        assert_eq!((items[0].place.line, items[1].place.line), (7, 8));
        let Value::Table(inner) = &items[1].value else { panic!("no table") };
        assert_eq!(inner.path, "vendor[1].list[1]");
    }
}
