//! `patron migrate`: brings the schema of the data up to date, as the next server would when it starts.

use std::process::ExitCode;

use clap::Args;
use patron::clock::Clock as _;

use super::{Place, reach};
use crate::opening::no_data;
use crate::output;
use crate::refusal::Refusal;
use crate::stores::{self, Location, Migrated};
use crate::system::SystemClock;

/// What `patron migrate` takes.
#[derive(Args)]
pub(crate) struct MigrateArgs {
    /// Spread the tables over the servers of a Citus cluster too. --database-url names its coordinator.
    #[arg(long)]
    citus: bool,
}

pub(super) async fn run(place: Place<'_>, arguments: MigrateArgs) -> Result<ExitCode, Refusal> {
    let MigrateArgs { citus } = arguments;
    let location = Location::of(place.installation, None);
    let cluster = match &location {
        Location::Directory(_) if citus => {
            return Err(Refusal::configuration(
                "--citus is given without --database-url: only a database can be spread over a \
                 cluster, so give the URL of its coordinator",
            ));
        }
        Location::Database(settings) if citus => Some(settings),
        Location::Directory(_) | Location::Database(_) => None,
    };
    let now = SystemClock.now();
    let migrated = reach::patiently(&location, async || stores::migrate(&location, now).await);
    output::print(&match migrated.await? {
        Migrated::Nothing => return Err(no_data(&location)),
        Migrated::Already => format!("The schema of {location} is already current\n"),
        Migrated::Now(steps) => listed(&format!("The schema of {location} is current now"), &steps),
    })?;
    if let Some(settings) = cluster {
        let spread = reach::patiently(&location, async || stores::distribute(settings).await);
        output::print(&match spread.await? {
            steps if steps.is_empty() => "The tables are already spread\n".to_owned(),
            steps => listed("The tables are spread now", &steps),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What was done, and each of its steps in a line of its own.
fn listed(done: &str, steps: &[String]) -> String {
    let steps: String = steps.iter().map(|step| format!("\n  {step}")).collect();
    format!("{done}{steps}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_line() {
        assert_eq!(listed("It is done", &[]), "It is done\n");
        let steps = ["one".to_owned(), "two".to_owned()];
        assert_eq!(listed("It is done", &steps), "It is done\n  one\n  two\n");
    }
}
