//! The customers to be read: created over HTTP, as all others are, or found from an earlier run.

use indicatif::{ProgressBar, ProgressStyle};

use crate::load::send_all;
use crate::place::Place;
use crate::program::Program;
use crate::traffic::Requests;
use crate::{Outcome, tell};

/// Sees to it that there are so many customers; how many there are, which are more after an earlier run.
pub(crate) fn seed(
    program: &Program,
    place: &Place,
    wanted: u32,
    connections: u16,
) -> Outcome<u32> {
    let present = place.present()?;
    if present >= wanted {
        tell(&format!("{present} customers are there from an earlier run"));
        return Ok(present);
    }
    if present > 0 {
        place.note(None)?;
    }
    let server = program.start(&place.kept())?;
    let bar = bar(wanted)?;
    let progress = |created| bar.set_position(u64::from(present) + u64::from(created));
    let mut creates = Requests::creates(present);
    send_all(server.address, connections, wanted - present, &mut creates, &progress)?;
    bar.finish();
    server.stop()?;
    place.note(Some(wanted))?;
    Ok(wanted)
}

fn bar(length: u32) -> Outcome<ProgressBar> {
    let template =
        "creating customers {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template)?;
    Ok(ProgressBar::new(length.into()).with_style(style))
}
