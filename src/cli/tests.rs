//! The command line as a shell sees it.
use super::*;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn call(line: &[&str]) -> (Exit, String, String) {
    let (answers, trouble) = (Pipe::default(), Pipe::default());
    let mut out = Out::to(answers.clone(), trouble.clone());
    let words = std::iter::once(&"vestibule").chain(line).map(OsString::from);
    let exit = run(words, &mut out);
    (exit, answers.text(), trouble.text())
}

#[test]
fn the_grammar_is_sound() {
    <Arguments as clap::CommandFactory>::command().debug_assert();
}

#[test]
fn help_is_an_answer_and_a_mistake_is_64() {
    for line in
        [&["--help"][..], &["--version"], &["check", "--help"], &["keys", "new", "--help"], &["ils", "probe", "-h"]]
    {
        let (exit, answers, trouble) = call(line);
        assert_eq!((exit, trouble.as_str()), (Exit::Good, ""), "{line:?}");
        assert!(!answers.is_empty());
    }
    for line in [
        &["--halp"][..],
        &["chekc"],
        &["check"],
        &["keys", "new"],
        &["keys", "rotate", "--config", "x", "--overlap", "1"],
    ] {
        let (exit, answers, trouble) = call(line);
        assert_eq!((exit.code(), answers.as_str()), (64, ""), "{line:?}");
        assert!(!trouble.is_empty());
    }
}

#[test]
fn a_missing_configuration_is_78() {
    for line in [&["check"][..], &["serve"], &["keys", "show"], &["ils", "probe", "--library", "x", "--card", "1"]] {
        let (exit, _, trouble) = call(&[line, &["--config", "/nonexistent/v.toml"]].concat());
        assert_eq!(exit.code(), 78, "{line:?}");
        assert!(trouble.contains("/nonexistent/v.toml: expected a file that can be read, found none"), "{trouble}");
    }
}

#[test]
fn a_key_for_pseudonyms_is_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.key");
    let file = file.to_str().unwrap();
    assert_eq!(call(&["keys", "new", "--pseudonym", file]).0, Exit::Good);
    let key = std::fs::read(file).unwrap();
    assert_eq!(key.len(), 45);
    assert_eq!(call(&["keys", "new", "--pseudonym", file]).0.code(), 64);
    assert_eq!(std::fs::read(file).unwrap(), key);
}

#[test]
fn development_certificates_are_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("certs");
    let dir = dir.to_str().unwrap();
    let (exit, answers, trouble) = call(&["dev-certs", "--dir", dir]);
    assert_eq!(exit, Exit::Good, "{trouble}");
    assert!(answers.contains("ca.pem"));
    let files = dev_certs::CertFiles::in_folder(Path::new(dir));
    let first = std::fs::read(&files.certificate).unwrap();
    assert_eq!(call(&["dev-certs", "--dir", dir]).0.code(), 64);
    assert_eq!(std::fs::read(&files.certificate).unwrap(), first);
    assert_eq!(call(&["dev-certs", "--dir", dir, "--force"]).0, Exit::Good);
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&files.key).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 3, "the authority's key is not kept");
}
