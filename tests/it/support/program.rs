//! Programs that others wrote, run by a script of ours: each in a process of its own, told what to be on its standard input,
//! and ended with the test.
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A path below the package.
pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What `tests/install.sh` has installed.
pub fn installed(path: &str) -> PathBuf {
    let path = here("target/test-partners").join(path);
    assert!(path.exists(), "`{}` is missing: run tests/install.sh, which installs it", path.display());
    path
}

/// A file with `@NAME@` replaced by values.
pub fn filled(file: &Path, values: &[(&str, String)]) -> String {
    let text = fs::read_to_string(file).unwrap();
    values.iter().fold(text, |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// A script, which ends when its standard input does.
pub struct Program {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
    pub port: u16,
    files: PathBuf,
}

impl Program {
    /// The file in which it writes down what it hears, if its other files begin with this.
    pub fn hearing(files: &Path) -> PathBuf {
        files.with_extension("heard")
    }

    /// Starts it with an environment of its own. It has no port yet.
    pub fn spawn(command: &mut Command, files: PathBuf) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(files.with_extension("log")).unwrap())
            .spawn()
            .unwrap();
        let said = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, said, port: 0, files }
    }

    /// Waits until it has a port.
    pub fn wait(&mut self) {
        self.port = self.line().parse().unwrap();
    }

    fn line(&mut self) -> String {
        let line = self.said.next().and_then(Result::ok);
        line.unwrap_or_else(|| panic!("it ended; does tests/install.sh run cleanly? {}", self.log()))
    }

    /// Tells it something, and waits for its answer.
    pub fn tell(&mut self, told: &Value, answer: &str) {
        writeln!(self.process.stdin.as_ref().unwrap(), "{told}").unwrap();
        assert_eq!(self.line(), answer);
    }

    /// Everything that came to it: requests, and answers to its own.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&fs::read(Self::hearing(&self.files)).unwrap_or_default()).into_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.files.with_extension("log")).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
