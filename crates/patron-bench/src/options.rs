//! What may be asked for on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Measures how fast Patron is: reads and durable creates, each against a ceiling that is measured
/// in the same run, latency at half load, time to start, memory.
///
/// Needs no arguments: it builds and starts what it measures. One core serves, another one asks.
#[derive(Debug, Parser)]
#[command(name = "patron-bench", version)]
struct CommandLine {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: Options,
}

/// What this program starts itself as.
#[derive(Debug, Subcommand)]
enum Part {
    /// Serves the fixed document that reads are measured against
    #[command(hide = true)]
    Ceiling,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many customers there are to be read
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) customers: u32,

    /// How often everything is measured, one after the other
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,

    /// How long each measurement takes, in seconds, after a quarter as long of warming up
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// How many connections ask at the same time
    #[arg(long, value_name = "N", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) connections: u16,

    /// Core of the servers and of the bare SQLite loop [default: the first there is]
    #[arg(long, value_name = "CORE")]
    pub(crate) server_core: Option<usize>,

    /// Core of the load; better not the server core's other hyperthread [default: the second there is]
    #[arg(long, value_name = "CORE")]
    pub(crate) load_core: Option<usize>,

    /// Directory on the disk to be measured. Its customers are kept, and used again when there are
    /// as many as wanted [default: beside this program, and nothing is kept]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// PostgreSQL database to keep customers in, which must be empty or from an earlier run. Others
    /// are made beside it and removed: postgres://USER:PASSWORD@HOST:PORT/NAME
    /// [default: SQLite]
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,

    /// Keeps customers in a PostgreSQL server of our own, on the server's core, which is thrown away
    #[arg(long, conflicts_with = "database_url")]
    pub(crate) postgres: bool,

    /// The `pgbench` that PostgreSQL is measured with [default: that of the newest version there is]
    #[arg(long, value_name = "PATH")]
    pub(crate) pgbench: Option<PathBuf>,

    /// The `patron` to be measured [default: the one beside this program, built first]
    #[arg(long, value_name = "PATH")]
    pub(crate) program: Option<PathBuf>,

    /// Writes everything that was measured, round by round, to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// What is to be done.
pub(crate) enum Task {
    /// To be the ceiling.
    Ceiling,
    /// To measure.
    Measure(Options),
}

/// The command line. Help, and what cannot be understood, ends the process.
pub(crate) fn read() -> Task {
    let CommandLine { part, options } = CommandLine::parse();
    match part {
        Some(Part::Ceiling) => Task::Ceiling,
        None => Task::Measure(options),
    }
}

/// Shorter than this, the clock that counts processor time is too coarse; longer is a slip.
const SECONDS: std::ops::RangeInclusive<f64> = 0.1..=3_600.0;

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if SECONDS.contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("not from {} to {}", SECONDS.start(), SECONDS.end()))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn seconds_have_limits() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for wrong in ["0", "-1", "NaN", "1e9", "soon"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
