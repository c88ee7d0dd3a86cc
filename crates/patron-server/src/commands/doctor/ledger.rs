//! What `doctor` finds out about the ledger of erasures.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use patron::installation::Mode;

use super::{Diagnosis, mode_of};
use crate::config::InstallationSettings;
use crate::management::{Failure, LedgerBody, Report};

/// Notes what whoever has the data open says of the ledger, and what can be seen of its file.
pub(super) fn note(
    diagnosis: &mut Diagnosis,
    installation: &InstallationSettings,
    found: Result<Report, Failure>,
) {
    match found {
        Ok(Report::Ledger(body)) => {
            note_file(diagnosis, installation, Path::new(&body.file));
            note_contents(diagnosis, body);
        }
        Ok(_) => {
            diagnosis.problem("the ledger of erasures could not be checked: restart the server")
        }
        Err(failure) => diagnosis.problem(failure.message),
    }
}

fn note_file(diagnosis: &mut Diagnosis, installation: &InstallationSettings, file: &Path) {
    let shown = file.display();
    if mode_of(file).is_some_and(|mode| mode & 0o077 != 0) {
        diagnosis.warning(format!(
            "the ledger of erasures {shown} is open to other users: chmod 600 it"
        ));
    }
    // Opened to be appended to, and nothing is: that changes nothing.
    match OpenOptions::new().append(true).open(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => diagnosis.problem(format!(
            "the ledger of erasures {shown} cannot be written ({error}), and nobody can be erased: \
             correct --erasure-ledger or the file's owner and mode"
        )),
        _ => {}
    }
    if installation.mode == Mode::Production && file.starts_with(&installation.data) {
        diagnosis.warning(format!(
            "the ledger of erasures {shown} is in the data directory: a copy of the directory that is \
             brought back brings an older one back with it, so keep it on another disk, with \
             --erasure-ledger"
        ));
    }
}

fn note_contents(diagnosis: &mut Diagnosis, body: LedgerBody) {
    let LedgerBody { file, is_there, entries, without_merchant, is_torn, due, unusable } = body;
    if let Some(unusable) = unusable {
        diagnosis.problem(unusable);
        return;
    }
    if !is_there {
        diagnosis.warning(format!(
            "there is no ledger of erasures {file}: the next `patron serve` makes it; if the data was \
             brought back from a backup, put the ledger there before that"
        ));
        return;
    }
    diagnosis.ok(format!("the ledger of erasures {file} fits the data; entries: {entries}"));
    if is_torn {
        diagnosis.warning(format!(
            "the last line of the ledger of erasures {file} is torn: nobody was erased for it, and the \
             next erasure cuts it off"
        ));
    }
    if without_merchant > 0 {
        diagnosis.warning(format!(
            "{without_merchant} entries of the ledger of erasures {file} are of merchants that are not \
             here: the data is older than they are, or the ledger is another installation's"
        ));
    }
    if due > 0 {
        diagnosis.warning(format!(
            "{due} entries of the ledger of erasures {file} name customers that are here: the next \
             `patron serve` erases them before it answers anybody"
        ));
    }
}
