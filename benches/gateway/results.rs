//! The file with the last results: the comparison at its head, and one section for each thing that is measured alone.
use crate::Outcome;
use std::fs;

/// Where the last results stand.
const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/RESULTS.md");

/// Headings of the sections that stay when the comparison is measured anew.
pub(crate) const APART: [&str; 3] = ["Idle connections", "A million sessions", "Half load over time"];

/// Writes a new comparison; what was measured alone stays.
pub(crate) fn write(text: &str) -> Outcome<()> {
    let before = fs::read_to_string(RESULTS).unwrap_or_default();
    let kept = APART.iter().filter_map(|heading| section(&before, heading));
    let text = kept.fold(text.trim_end().to_owned() + "\n", |text, kept| format!("{text}\n{}\n", kept.trim_end()));
    Ok(fs::write(RESULTS, text)?)
}

/// Puts a section in the place of the one with the same heading.
pub(crate) fn put(heading: &str, new: &str) -> Outcome<()> {
    let before = fs::read_to_string(RESULTS)?;
    let rest = section(&before, heading).map_or_else(|| before.clone(), |old| before.replace(old, ""));
    Ok(fs::write(RESULTS, format!("{}\n\n{}\n", rest.trim_end(), new.trim()))?)
}

/// A section, from its heading to the next one.
fn section<'t>(text: &'t str, heading: &str) -> Option<&'t str> {
    let from = text.find(&format!("## {heading}\n"))?;
    let rest = text.get(from..)?;
    let end = rest.get(3..)?.find("\n## ").map_or(rest.len(), |end| end + 4);
    rest.get(..end)
}
