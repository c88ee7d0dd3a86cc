//! The load harness: how fast `patron` is, against ceilings that are measured in the same run.

mod bare;
mod ceiling;
mod connection;
mod database;
mod figures;
mod load;
mod machine;
mod options;
mod pgbench;
mod place;
mod program;
mod report;
mod run;
mod scripts;
mod seed;
mod starts;
mod traffic;
mod work;

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use crate::options::Task;

/// Why there are no figures, in words for whoever asked for them.
struct Fault(String);

impl Fault {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// With what was being done in front of what went wrong.
    fn at<E: Display>(doing: impl Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{doing}: {error}"))
    }
}

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

type Outcome<T> = Result<T, Fault>;

fn main() -> ExitCode {
    let done = match options::read() {
        Task::Ceiling => ceiling::serve(),
        Task::Measure(options) => run::measure(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Fault(text)) => {
            tell(&format!("patron-bench: {text}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to stdout, which holds results only.
fn say(line: &str) -> Outcome<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(Fault::at("stdout"))
}

/// Writes a line to stderr, where one can see how far it is. Nobody has to look.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
