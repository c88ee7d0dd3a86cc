//! Reaching an installation: through the server that runs on its data, or by opening it.

use std::time::Duration;

use tokio::time::sleep;

use super::Place;
use crate::control::{self, Unanswered};
use crate::management::{Command, Report, execute};
use crate::opening::{self, Founding, NotOpened, Opened, Opening};
use crate::refusal::Refusal;

/// How long a command waits for one that has the data, or for a server that is starting or ending.
const PATIENCE: Duration = Duration::from_secs(5);

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
    founding: Founding,
    opened: Option<Opened>,
}

impl<'a> Reach<'a> {
    pub(super) const fn new(place: Place<'a>, founding: Founding) -> Self {
        Self { place, founding, opened: None }
    }

    /// Does a command, by way of the running server if there is one.
    pub(super) async fn perform(&mut self, command: Command) -> Result<Report, Refusal> {
        let data = &self.place.installation.data;
        let opening = Opening {
            installation: self.place.installation,
            root_key: self.place.root_key,
            serving: None,
            founding: self.founding,
        };
        let mut waited = Duration::ZERO;
        loop {
            if let Some(opened) = &self.opened {
                return Ok(execute(opened, command).await?);
            }
            match control::ask(data, &command).await {
                Ok(outcome) => return Ok(outcome?),
                Err(Unanswered::NoServer) => {}
                Err(Unanswered::Broken(error)) => {
                    return Err(Refusal::failure(format!(
                        "the server that runs on {} does not answer ({error}): look at its log, and use \
                         the same user and version",
                        data.display()
                    )));
                }
            }
            match opening.open(|_| ()).await {
                Ok(opened) => self.opened = Some(opened),
                Err(NotOpened::Refused(refusal)) => return Err(refusal),
                Err(NotOpened::InUse) if waited >= PATIENCE => return Err(opening::in_use(data)),
                Err(NotOpened::InUse) => {
                    sleep(PAUSE).await;
                    waited += PAUSE;
                }
            }
        }
    }
}

/// A report of another kind than the command's own: a server of another version.
pub(super) fn unexpected() -> Refusal {
    Refusal::failure(
        "the running server's answer is not understood: it is another version of Patron, so restart \
         it with this one",
    )
}
