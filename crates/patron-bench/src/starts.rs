//! Starts: from running the program to its first answer.

use patron_testkit::http::Connection;

use crate::figures::{Start, median};
use crate::machine::now;
use crate::place::Place;
use crate::program::{Data, Program};
use crate::traffic::any_customer;
use crate::{Fault, Outcome};

/// How often each kind of start is measured.
const STARTS: usize = 5;

const TARGET_MS: f64 = 50.0;

/// Starts on nothing, each in a directory of its own, and on what is there.
pub(crate) fn measure(program: &Program, place: &Place) -> Outcome<Vec<Start>> {
    let empty = (0..STARTS).map(|at| place.make(&format!("empty_{at}"))).collect::<Outcome<_>>()?;
    let existing = vec![place.kept(); STARTS];
    let what = match &place.database {
        None => "start on an empty data directory",
        Some(_) => "start on an empty database",
    };
    [("start_empty", what, empty), ("start_existing", "start on all customers", existing)]
        .into_iter()
        .map(|(name, what, places): (_, _, Vec<Data>)| {
            let times_ms: Vec<_> =
                places.iter().map(|data| start(program, data)).collect::<Outcome<_>>()?;
            let median_ms =
                median(times_ms.clone()).ok_or_else(|| Fault::new("nothing was started"))?;
            Ok(Start { name, what, times_ms, median_ms, target_ms: TARGET_MS })
        })
        .collect()
}

fn start(program: &Program, data: &Data) -> Outcome<f64> {
    let began = now();
    let server = program.start(data)?;
    let reply = Connection::open(server.address).send(&any_customer());
    let time = now().saturating_duration_since(began);
    if reply.status != 200 {
        return Err(Fault::new(format!("the first answer was a {}", reply.status)));
    }
    server.stop()?;
    Ok(time.as_secs_f64() * 1e3)
}
