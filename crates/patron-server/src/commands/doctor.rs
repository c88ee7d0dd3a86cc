//! `patron doctor`: what is wrong with an installation, in words. It changes nothing.

mod database;
mod ledger;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use patron::clock::Clock as _;

use super::Place;
use crate::config::{ServeSettings, check_serve};
use crate::control::{self, Unanswered};
use crate::management::{Command, Failure, Findings, Report, execute};
use crate::opening::{self, Founding, NotOpened, Opened, Opening};
use crate::refusal::Refusal;
use crate::root_key::Found;
use crate::stores::{Location, Schema};
use crate::system::SystemClock;
use crate::{logs, output, root_key, stores, tls};

/// How far ahead a certificate's end is announced.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// How well one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    Warning,
    Problem,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What was found.
#[derive(Default)]
struct Diagnosis(Vec<(Level, String)>);

impl Diagnosis {
    fn ok(&mut self, text: impl Into<String>) {
        self.0.push((Level::Ok, text.into()));
    }

    fn warning(&mut self, text: impl Into<String>) {
        self.0.push((Level::Warning, text.into()));
    }

    fn problem(&mut self, text: impl Into<String>) {
        self.0.push((Level::Problem, text.into()));
    }

    /// Notes a refusal as a problem, and nothing when there is none.
    fn note<T>(&mut self, outcome: Result<T, Refusal>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.problem(refusal.sentence());
                None
            }
        }
    }

    fn has_problem(&self) -> bool {
        self.0.iter().any(|(level, _)| *level == Level::Problem)
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for (level, finding) in &self.0 {
            // Writing to a string cannot go wrong.
            let _ = writeln!(text, "{:7}  {finding}", level.name());
        }
        text
    }
}

/// Who answers questions about the data.
enum Informant {
    Server,
    Store(Box<Opened>),
}

pub(super) async fn run(place: Place<'_>, settings: &ServeSettings) -> Result<ExitCode, Refusal> {
    let mut diagnosis = Diagnosis::default();
    check_settings(&mut diagnosis, place, settings);
    check_tls(&mut diagnosis, settings);
    match Location::of(place.installation, Some(settings)) {
        location @ Location::Directory(_) => {
            if check_directory(&mut diagnosis, place) {
                check_data(&mut diagnosis, place, &location, settings).await;
            }
        }
        location @ Location::Database(_) => {
            database::check(&mut diagnosis, place, &location, settings).await;
        }
    }
    output::print(&diagnosis.to_text())?;
    Ok(if diagnosis.has_problem() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn check_settings(diagnosis: &mut Diagnosis, place: Place<'_>, settings: &ServeSettings) {
    let mode = place.installation.mode;
    let checked = check_serve(place.installation, settings)
        .and_then(|()| logs::filter(settings.log.as_deref(), mode));
    if diagnosis.note(checked).is_some() {
        let source = match &place.installation.config {
            Some(file) => format!("{} is read", file.display()),
            None => "no configuration file is given".to_owned(),
        };
        diagnosis.ok(format!("configuration: {} mode, {source}", mode.name()));
    }
}

fn check_tls(diagnosis: &mut Diagnosis, settings: &ServeSettings) {
    let Some((certificate, key)) = settings.tls_files() else {
        return;
    };
    if diagnosis.note(tls::load(certificate, key)).is_none() {
        return;
    }
    diagnosis.ok("TLS: certificate and key are readable and belong together");
    if mode_of(key).is_some_and(root_key::is_open_to_others) {
        diagnosis.warning(format!(
            "the TLS key {} is open to every user of this machine: chmod 600 it",
            key.display()
        ));
    }
    let now = SystemClock.now();
    match tls::expiry(certificate) {
        Some(end) if end <= now => diagnosis.problem(format!(
            "the TLS certificate expired at {}: get a new one",
            end.to_rfc3339_seconds()
        )),
        Some(end) if end <= now.after(SOON) => diagnosis.warning(format!(
            "the TLS certificate expires at {}: get a new one",
            end.to_rfc3339_seconds()
        )),
        Some(_) | None => {}
    }
}

/// Checks the data directory; whether there is one.
fn check_directory(diagnosis: &mut Diagnosis, place: Place<'_>) -> bool {
    let data = &place.installation.data;
    let shown = data.display();
    let Ok(found) = fs::metadata(data) else {
        diagnosis.warning(format!(
            "there is no data directory {shown} yet: `patron serve` makes it, or correct --data"
        ));
        diagnosis.note(root_key::find_given(place.installation, place.root_key));
        return false;
    };
    if !found.is_dir() {
        diagnosis.problem(format!("{shown} is not a directory: correct --data"));
        return false;
    }
    // A process' own entry there belongs to the user that runs it; other systems have none.
    let me = fs::metadata("/proc/self").map(|entry| entry.uid());
    if me.is_ok_and(|me| me != found.uid() && me != 0) {
        diagnosis.problem(format!(
            "the data directory {shown} belongs to another user: run Patron as that user"
        ));
    } else if found.permissions().mode() & 0o077 != 0 {
        diagnosis
            .warning(format!("the data directory {shown} is open to other users: chmod 700 it"));
    } else {
        diagnosis.ok(format!("the data directory {shown} is its owner's alone"));
    }
    true
}

async fn check_data(
    diagnosis: &mut Diagnosis,
    place: Place<'_>,
    location: &Location,
    settings: &ServeSettings,
) {
    let data = &place.installation.data;
    let database = stores::database_file(data);
    let schema = stores::inspect(location).await;
    let is_founded = !matches!(schema, Ok(Schema::None));
    let has_root_key = check_root_key(diagnosis, place, location, is_founded);
    if !is_founded {
        diagnosis.ok("there is no database yet: `patron serve` makes it");
        return;
    }
    if matches!(schema, Ok(Schema::Behind)) {
        diagnosis.warning("the database is an older version's: the next `patron serve` updates it");
        return;
    }
    if mode_of(&database).is_some_and(|mode| mode & 0o077 != 0) {
        let file = database.display();
        diagnosis.warning(format!("{file} is open to other users: chmod 600 it"));
    } else {
        diagnosis.ok("the database file is its owner's alone");
    }
    let mut is_behind_proxy = !settings.behind_proxy.is_empty();
    let informant = match control::ask(data, &Command::Greet).await {
        Ok(Ok(Report::Greeting { behind_proxy })) => {
            diagnosis.ok("a server runs on this data and answers");
            is_behind_proxy = behind_proxy;
            Informant::Server
        }
        Ok(_) => {
            diagnosis.problem(
                "the server that runs on this data is another version of Patron: restart it with \
                 this one",
            );
            return;
        }
        Err(Unanswered::Broken(error)) => {
            diagnosis.problem(format!(
                "the server that runs on this data does not answer ({error}): look at its log, and \
                 run doctor as its user"
            ));
            return;
        }
        // Without its root key it does not open, which was said.
        Err(Unanswered::NoServer) if !has_root_key => return,
        Err(Unanswered::NoServer) => match open(diagnosis, place, location).await {
            Some(opened) => {
                diagnosis.ok("no server runs on this data");
                diagnosis.ok("the database opens, its schema is current, and the root key fits it");
                Informant::Store(Box::new(opened))
            }
            None => return,
        },
    };
    check_contents(diagnosis, place, &informant, is_behind_proxy).await;
}

/// Checks what is kept, by asking whoever has it open.
async fn check_contents(
    diagnosis: &mut Diagnosis,
    place: Place<'_>,
    informant: &Informant,
    is_behind_proxy: bool,
) {
    let data = &place.installation.data;
    match inform(informant, data, Command::CheckIntegrity).await {
        Ok(Report::Broken(broken)) if broken.is_empty() => {
            diagnosis.ok("the database file is whole and its indexes fit its tables");
        }
        Ok(Report::Broken(broken)) => {
            for one in broken {
                diagnosis.problem(format!("the database is damaged ({one}): restore a backup"));
            }
        }
        Ok(_) => diagnosis.problem("the database could not be checked: restart the server"),
        Err(failure) => diagnosis.problem(failure.message),
    }
    match inform(informant, data, Command::CheckKeys).await {
        Ok(Report::Findings(findings)) => note_findings(diagnosis, findings, is_behind_proxy),
        Ok(_) => diagnosis.problem("the keys could not be checked: restart the server"),
        Err(failure) => diagnosis.problem(failure.message),
    }
    let found = inform(informant, data, Command::CheckLedger).await;
    ledger::note(diagnosis, place.installation, found);
}

/// Checks the root key; whether the data can be opened with what is there.
fn check_root_key(
    diagnosis: &mut Diagnosis,
    place: Place<'_>,
    location: &Location,
    is_founded: bool,
) -> bool {
    let data = &place.installation.data;
    let found = root_key::find_given(place.installation, place.root_key).and_then(|given| {
        given.map_or_else(|| root_key::find_in_data(data), |found| Ok(Some(found)))
    });
    match diagnosis.note(found) {
        None => return false,
        Some(Some(Found { warning: Some(warning), .. })) => diagnosis.warning(warning),
        Some(Some(_)) => diagnosis.ok("the root key is there and no other user can read it"),
        Some(None) if is_founded => {
            diagnosis.problem(opening::root_key_missing(location, data).sentence());
            return false;
        }
        Some(None) => diagnosis.ok("there is no root key yet: `patron serve` makes it"),
    }
    true
}

/// Opens the data, where no server has it for itself.
async fn open(diagnosis: &mut Diagnosis, place: Place<'_>, location: &Location) -> Option<Opened> {
    let opening = Opening {
        installation: place.installation,
        root_key: place.root_key,
        location,
        serving: None,
        founding: Founding::Refused,
    };
    match opening.open(|_| ()).await {
        Ok(opened) => Some(opened),
        Err(NotOpened::InUse) => {
            diagnosis.problem(opening::in_use(location).sentence());
            None
        }
        Err(NotOpened::Away(refusal) | NotOpened::Refused(refusal)) => {
            diagnosis.problem(refusal.sentence());
            None
        }
    }
}

async fn inform(informant: &Informant, data: &Path, command: Command) -> Result<Report, Failure> {
    match informant {
        Informant::Store(opened) => execute(opened, command).await,
        Informant::Server => control::ask(data, &command).await.unwrap_or_else(|_| {
            Err(Failure {
                is_invalid: false,
                message: "the server stopped answering: look at its log".to_owned(),
            })
        }),
    }
}

fn note_findings(diagnosis: &mut Diagnosis, findings: Findings, is_behind_proxy: bool) {
    let Findings { merchants, without_key, expiring, with_allow_list } = findings;
    if merchants == 0 {
        diagnosis.warning("there is no merchant yet: patron merchant create ID");
    } else if without_key.is_empty() {
        diagnosis.ok("every merchant has a key in force");
    }
    for id in without_key {
        diagnosis.warning(format!("merchant {id} has no key in force: patron key create {id}"));
    }
    for (id, number, expires) in expiring {
        diagnosis.warning(format!(
            "key {number} of merchant {id} expires at {expires}: patron key roll {id} {number}, unless \
             another has taken its place"
        ));
    }
    if !is_behind_proxy && !with_allow_list.is_empty() {
        diagnosis.ok(format!(
            "note: the allow-list of {} is checked against whoever connects; if that is a proxy, \
             give its addresses with --behind-proxy",
            with_allow_list.join(", ")
        ));
    }
}

fn mode_of(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode())
}
