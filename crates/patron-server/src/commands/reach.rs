//! Reaching an installation: through the server that runs on its data, or by opening it.

use std::sync::Arc;
use std::time::Duration;

use patron::jobs::{JobPolicy, Jobs};
use patron::store::Job;
use tokio::time::sleep;

use super::Place;
use crate::backoff::Backoff;
use crate::control::{self, Unanswered};
use crate::management::{Command, Failure, Report, execute};
use crate::opening::{self, Founding, NotOpened, Opened, Opening};
use crate::refusal::Refusal;
use crate::stores::{Location, OpenError};
use crate::system::{PassingTime, Stopwatch, SystemClock};

/// How long a command waits for one that has the data, for a server that is starting or ending, or for a
/// database that is away.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a command that has ended still keeps servers with the same database from purging.
const PURGE_LEASE: Duration = Duration::from_secs(2);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Does a command, by way of the running server if there is one.
pub(super) async fn perform(
    place: Place<'_>,
    command: Command,
    founding: Founding,
) -> Result<Report, Refusal> {
    Reach::new(place, founding).perform(command).await
}

/// A way to an installation for several commands. Once it is opened, it stays open.
pub(super) struct Reach<'a> {
    place: Place<'a>,
    location: Location,
    founding: Founding,
    opened: Option<Opened>,
    /// What this process does in the background of what it has opened.
    jobs: Option<Jobs>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(place: Place<'a>, founding: Founding) -> Self {
        let location = Location::of(place.installation, None);
        Self { place, location, founding, opened: None, jobs: None }
    }

    /// Does a command, by way of the running server if there is one.
    pub(super) async fn perform(&mut self, command: Command) -> Result<Report, Refusal> {
        let opening = Opening {
            installation: self.place.installation,
            root_key: self.place.root_key,
            location: &self.location,
            serving: None,
            founding: self.founding,
        };
        let mut waited = Duration::ZERO;
        let mut patience = Patience::new();
        loop {
            if let Some(opened) = &self.opened {
                return Ok(execute(opened, command).await?);
            }
            if let Some(report) = ask_server(&self.location, &command).await? {
                return Ok(report);
            }
            match opening.open(|_| ()).await {
                Ok(opened) => self.opened = Some(opened),
                Err(NotOpened::Refused(refusal)) => return Err(refusal),
                Err(NotOpened::InUse) if waited >= PATIENCE => {
                    return Err(opening::in_use(&self.location));
                }
                Err(NotOpened::InUse) => {
                    sleep(PAUSE).await;
                    waited += PAUSE;
                }
                Err(NotOpened::Away(refusal)) => patience.bear(refusal).await?,
            }
        }
    }
}

impl Reach<'_> {
    /// Does what a server does in the background for those who were erased, unless one does it. Nobody else does
    /// where the data is in a directory that was opened here.
    pub(super) async fn purge_erased(&mut self) -> Result<(), Refusal> {
        let Some(opened) = &self.opened else {
            return Ok(());
        };
        // It is asked for again and again, so that it is the same holder all the while.
        let jobs = self.jobs.get_or_insert_with(|| {
            let policy = JobPolicy { lease: PURGE_LEASE, retain_every: Duration::MAX };
            Jobs::new(Arc::clone(&opened.patron), policy, Arc::new(PassingTime::start()))
        });
        match jobs.do_round(Job::PurgeErased, &SystemClock).await.error {
            Some(error) => Err(Failure::from(error).into()),
            None => Ok(()),
        }
    }
}

/// The answer of the server that runs on the data, if one does that commands have to ask.
async fn ask_server(location: &Location, command: &Command) -> Result<Option<Report>, Refusal> {
    // A server with a database learns there what a command has done.
    let Some(data) = location.directory() else {
        return Ok(None);
    };
    match control::ask(data, command).await {
        Ok(outcome) => Ok(Some(outcome?)),
        Err(Unanswered::NoServer) => Ok(None),
        Err(Unanswered::Broken(error)) => Err(Refusal::failure(format!(
            "the server that runs on {} does not answer ({error}): look at its log, and use the same \
             user and version",
            data.display()
        ))),
    }
}

/// Does something with a store that is not opened for it, for as long as a command is patient.
pub(super) async fn patiently<T>(
    location: &Location,
    act: impl AsyncFn() -> Result<T, OpenError>,
) -> Result<T, Refusal> {
    let mut patience = Patience::new();
    loop {
        let error = match act().await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        match opening::not_opened(location, &error) {
            NotOpened::Refused(refusal) => return Err(refusal),
            NotOpened::Away(refusal) => patience.bear(refusal).await?,
            NotOpened::InUse => patience.bear(opening::in_use(location)).await?,
        }
    }
}

/// How long a command goes on trying to reach a database that is away.
struct Patience {
    begun: Stopwatch,
    backoff: Backoff,
}

impl Patience {
    fn new() -> Self {
        Self { begun: Stopwatch::start(), backoff: Backoff::new() }
    }

    /// Waits before the next try, or gives up with what came of the last.
    async fn bear(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        if self.begun.elapsed() >= PATIENCE {
            return Err(refusal);
        }
        self.backoff.pause().await;
        Ok(())
    }
}

/// A report of another kind than the command's own: a server of another version.
pub(super) fn unexpected() -> Refusal {
    Refusal::failure(
        "the running server's answer is not understood: it is another version of Patron, so restart \
         it with this one",
    )
}
