//! `patron serve`.

use std::process::ExitCode;

use super::Place;
use crate::app::App;
use crate::config::{ServeSettings, check_serve};
use crate::logs;
use crate::refusal::Refusal;

pub(super) async fn run(place: Place<'_>, settings: &ServeSettings) -> Result<ExitCode, Refusal> {
    let Place { installation, root_key } = place;
    check_serve(installation, settings)?;
    logs::start(settings, installation.mode)?;
    match App::build(installation, root_key, settings).await? {
        Some(app) => app.serve().await,
        None => Ok(ExitCode::SUCCESS),
    }
}
