//! Why the program stops: one sentence for people, and the exit code that goes with it.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

/// Why the program stops.
#[derive(Debug)]
pub(crate) struct Refusal {
    exit: u8,
    sentence: String,
}

impl Refusal {
    /// The configuration (or the command line) is wrong: exit code 2. Nothing was begun.
    pub(crate) fn configuration(sentence: impl Into<String>) -> Self {
        Self { exit: 2, sentence: sentence.into() }
    }

    /// Something went wrong at run time: exit code 1.
    pub(crate) fn failure(sentence: impl Into<String>) -> Self {
        Self { exit: 1, sentence: sentence.into() }
    }

    /// What happened and what to do about it.
    pub(crate) fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Says it on stderr. If nobody reads there, the exit code still tells.
    pub(crate) fn report(&self) -> ExitCode {
        let line = format!("patron: {}\n", self.sentence);
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
        ExitCode::from(self.exit)
    }
}

/// An error and everything that caused it, as one line.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        // Writing to a string cannot go wrong.
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text
}
