//! Figures that a test reached, for the table that a test run leaves behind (`tests/figures`).
use std::path::PathBuf;

/// Notes what a test reached: `test` is its name, `what` the property in a few words, `reached` the figure with its unit
/// and, where there is one, the goal. Each call replaces what an earlier run noted under the same two names.
pub fn figure(test: &str, what: &str, reached: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("figures");
    std::fs::create_dir_all(&folder).unwrap();
    let name: String =
        format!("{test} {what}").chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    std::fs::write(folder.join(name), format!("| `{test}` | {what} | {reached} |\n")).unwrap();
    println!("{test}: {what}: {reached}");
}
