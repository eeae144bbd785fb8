//! Where commands print: answers to one stream, trouble to another.
use std::io::Write;

/// The two streams of a command.
pub struct Out {
    answers: Box<dyn Write + Send>,
    trouble: Box<dyn Write + Send>,
}

impl Out {
    /// The process's own streams.
    #[must_use]
    pub fn standard() -> Self {
        Self::to(std::io::stdout(), std::io::stderr())
    }

    /// Two streams.
    #[must_use]
    pub fn to(answers: impl Write + Send + 'static, trouble: impl Write + Send + 'static) -> Self {
        Self { answers: Box::new(answers), trouble: Box::new(trouble) }
    }

    /// Prints a line of the answer. A reader that has gone away, as `head` does, is no failure.
    pub fn line(&mut self, text: &str) {
        let written = writeln!(self.answers, "{text}").and_then(|()| self.answers.flush());
        drop(written);
    }

    /// Prints a line that is not part of the answer, for whoever sits at the terminal.
    pub fn aside(&mut self, text: &str) {
        self.trouble(text);
    }

    /// Prints a line about trouble.
    pub fn trouble(&mut self, text: &str) {
        let written = writeln!(self.trouble, "{text}").and_then(|()| self.trouble.flush());
        drop(written);
    }
}
