//! The commands: each file says what one of them takes and what it prints.

pub(crate) mod doctor;
pub(crate) mod erase;
pub(crate) mod key;
pub(crate) mod merchant;
pub(crate) mod migrate;
pub(crate) mod operator;
mod reach;
mod serve;
pub(crate) mod verify;

use std::process::ExitCode;

use tokio::runtime::Builder;

use crate::config::{Command, InstallationSettings, Invocation, Secret};
use crate::refusal::Refusal;

/// Which installation a command is about, and its root key if the environment has it.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) installation: &'a InstallationSettings,
    pub(crate) root_key: Option<&'a Secret>,
}

/// Does what the program was asked to do.
pub(crate) fn run(invocation: Invocation) -> Result<ExitCode, Refusal> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| {
        Refusal::failure(format!(
            "the program cannot start ({error}): check the limits of the system"
        ))
    })?;
    let Invocation { installation, root_key, command } = invocation;
    let place = Place { installation: &installation, root_key: root_key.as_ref() };
    runtime.block_on(async {
        match command {
            Command::Serve(settings) => serve::run(place, &settings).await,
            Command::Merchant(arguments) => merchant::run(place, arguments).await,
            Command::Key(arguments) => key::run(place, arguments).await,
            Command::Operator(arguments) => operator::run(place, arguments).await,
            Command::Erase(arguments) => erase::run(place, arguments).await,
            Command::Migrate(arguments) => migrate::run(place, arguments).await,
            Command::Doctor(settings) => doctor::run(place, &settings).await,
            Command::Verify(arguments) => verify::run(place, arguments).await,
        }
    })
}
