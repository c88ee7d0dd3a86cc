//! What `doctor` finds out about a database that any number of servers share.

use super::{Diagnosis, check_root_key, ledger, note_findings, open};
use crate::commands::Place;
use crate::config::ServeSettings;
use crate::management::{Command, Report, execute};
use crate::opening::{Opened, cannot_be_opened};
use crate::root_key;
use crate::stores::{self, Location, Schema};

/// Checks the database, the root key, and what is kept there.
pub(super) async fn check(
    diagnosis: &mut Diagnosis,
    place: Place<'_>,
    location: &Location,
    settings: &ServeSettings,
) {
    let Some(schema) = check_schema(diagnosis, location).await else {
        // Whether there should be a root key where none is given, only the database knows.
        diagnosis.note(root_key::find_given(place.installation, place.root_key));
        return;
    };
    let is_founded = schema != Schema::None;
    let has_root_key = check_root_key(diagnosis, place, location, is_founded);
    if schema != Schema::Current || !has_root_key {
        return;
    }
    let Some(opened) = open(diagnosis, place, location).await else {
        return;
    };
    diagnosis.ok("the root key fits the database");
    check_contents(diagnosis, &opened, !settings.behind_proxy.is_empty()).await;
    let found = execute(&opened, Command::CheckLedger).await;
    ledger::note(diagnosis, place.installation, found);
}

/// Checks that the database answers, and how far its schema is.
async fn check_schema(diagnosis: &mut Diagnosis, location: &Location) -> Option<Schema> {
    let found = match stores::describe(location).await {
        Ok(lines) => {
            lines.into_iter().for_each(|line| diagnosis.ok(line));
            stores::inspect(location).await
        }
        Err(error) => Err(error),
    };
    match &found {
        Ok(Schema::Current) => diagnosis.ok("the schema of the database is current"),
        Ok(Schema::Behind) => diagnosis.warning(
            "the schema of the database is an older version's: `patron migrate` or the next `patron \
             serve` updates it",
        ),
        Ok(Schema::None) => diagnosis.ok(format!(
            "there is no Patron data in {location} yet: `patron serve` makes it"
        )),
        Err(error) => diagnosis.problem(cannot_be_opened(location, error).sentence()),
    }
    found.ok()
}

async fn check_contents(diagnosis: &mut Diagnosis, opened: &Opened, is_behind_proxy: bool) {
    match execute(opened, Command::CheckIntegrity).await {
        Ok(Report::Broken(broken)) if broken.is_empty() => {
            diagnosis.ok("nothing is wrong with the tables of the database");
        }
        Ok(Report::Broken(broken)) => {
            for one in broken {
                diagnosis.problem(format!("the database is not as it should be: {one}"));
            }
        }
        Ok(_) => diagnosis.problem("the database could not be checked"),
        Err(failure) => diagnosis.problem(failure.message),
    }
    match execute(opened, Command::CheckKeys).await {
        Ok(Report::Findings(findings)) => note_findings(diagnosis, findings, is_behind_proxy),
        Ok(_) => diagnosis.problem("the keys could not be checked"),
        Err(failure) => diagnosis.problem(failure.message),
    }
}
