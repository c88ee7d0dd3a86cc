//! The customers to be read: created over HTTP, as all others are, or found from an earlier run.

use std::fs;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};

use crate::load::send_all;
use crate::program::Program;
use crate::traffic::Requests;
use crate::{Fault, Outcome, tell};

/// A directory with customers that were all created.
pub(crate) struct Seeded {
    /// The server's data.
    pub(crate) data: PathBuf,
    /// How many there are: those that were asked for, or more from an earlier run.
    pub(crate) customers: u32,
}

/// Sees to it that there are so many customers in `directory`.
pub(crate) fn seed(
    program: &Program,
    directory: &Path,
    wanted: u32,
    connections: u16,
) -> Outcome<Seeded> {
    let data = directory.join("customers");
    // Written when all were created: what a run that was ended left behind has gaps.
    let record = directory.join("customers.count");
    let present = match fs::read_to_string(&record) {
        Ok(text) => text.trim().parse().map_err(Fault::at(record.display()))?,
        Err(_) if data.exists() => {
            return Err(Fault::new(format!(
                "not all customers in {} were created: delete it and begin again",
                data.display()
            )));
        }
        Err(_) => 0,
    };
    if present >= wanted {
        tell(&format!("{present} customers are there from an earlier run"));
        return Ok(Seeded { data, customers: present });
    }
    if present > 0 {
        fs::remove_file(&record)?;
    }
    let server = program.start(&data)?;
    let bar = bar(wanted)?;
    let progress = |created| bar.set_position(u64::from(present) + u64::from(created));
    let mut creates = Requests::creates(present);
    send_all(server.address, connections, wanted - present, &mut creates, &progress)?;
    bar.finish();
    server.stop()?;
    fs::write(&record, format!("{wanted}\n"))?;
    Ok(Seeded { data, customers: wanted })
}

fn bar(length: u32) -> Outcome<ProgressBar> {
    let template =
        "creating customers {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template)?;
    Ok(ProgressBar::new(length.into()).with_style(style))
}
