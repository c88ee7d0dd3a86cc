//! One run: everything is started, measured round by round, and written down.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::bare::Bare;
use crate::figures::{Figures, FullSpeed, HalfLoad, Lap, Latencies, Setting, Size, median};
use crate::load::{Effort, at_full_speed, at_pace};
use crate::machine::{Cores, description, is_in_memory, pin, resident_mb, size_mb};
use crate::options::Options;
use crate::program::{self, Program, Server, own_file};
use crate::seed::{Seeded, seed};
use crate::traffic::{HOT, Requests};
use crate::{Fault, Outcome, report, say, starts, tell};

/// Something that is done as fast as it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Ceiling,
    ReadHot,
    ReadRandom,
    Create,
    /// Customers straight into SQLite, so many in a commit.
    Bare(u16),
}

/// How many customers the bare loop commits together when creates are measured against it.
const GROUP: u16 = 16;

/// One round, in its order. A new thing to measure is a line here.
const ROUND: [Work; 6] = [
    Work::Ceiling,
    Work::ReadHot,
    Work::ReadRandom,
    Work::Create,
    Work::Bare(GROUP),
    // As many as the program commits together at most.
    Work::Bare(64),
];

/// What is looked at once, to see what the size of a group does.
const ONCE: [Work; 1] = [Work::Bare(1)];

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::Ceiling => "ceiling",
            Self::ReadHot => "read_hot",
            Self::ReadRandom => "read_random",
            Self::Create => "create",
            Self::Bare(1) => "bare_1",
            Self::Bare(64) => "bare_64",
            Self::Bare(_) => "bare",
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Ceiling => "ceiling of reads: bare hyper, 300 bytes",
            Self::ReadHot => "read a customer, one of 1,000",
            Self::ReadRandom => "read a customer, any",
            Self::Create => "durable create",
            Self::Bare(1) => "bare SQLite loop, a commit each",
            Self::Bare(64) => "bare SQLite loop, 64 a commit",
            Self::Bare(_) => "ceiling of creates: bare SQLite loop, 16 a commit",
        }
    }

    /// What it is measured against, and how much of that it should reach.
    const fn against(self) -> Option<(Self, f64)> {
        match self {
            Self::ReadHot => Some((Self::Ceiling, 0.75)),
            Self::ReadRandom => Some((Self::Ceiling, 0.55)),
            Self::Create => Some((Self::Bare(GROUP), 0.7)),
            Self::Ceiling | Self::Bare(_) => None,
        }
    }

    /// How long half of the answers, and all but one in a hundred, may take at half load.
    const fn latency_targets_ms(self) -> Option<(f64, f64)> {
        match self {
            Self::ReadHot | Self::ReadRandom => Some((0.3, 1.5)),
            Self::Create => Some((1.0, 5.0)),
            Self::Ceiling | Self::Bare(_) => None,
        }
    }
}

/// Measures everything, shows it, and writes it to a file when one was named.
pub(crate) fn measure(options: &Options) -> Outcome<()> {
    let cores = Cores::choose(options)?;
    let file = program::find(options)?;
    let place = Place::make(options)?;
    let program = Program::new(file, cores.server, place.scratch.path());
    let is_on_disk = !is_in_memory(place.scratch.path())?;
    if !is_on_disk {
        tell("the data lie in memory, where durable costs nothing: give --data DIR on a disk");
    }
    pin(cores.load)?;
    let Seeded { data, customers } =
        seed(&program, &place.kept, options.customers, options.connections)?;
    tell("starting and stopping");
    let starts = starts::measure(&program, place.scratch.path(), &data)?;
    let mut bench = Bench::start(&program, &place, &data, customers, options, cores)?;
    let idle = memory("memory_idle", "memory, idle after the start", &bench.reader, Some(40.0))?;
    let full_speed = bench.rounds(options.rounds)?;
    let half_load = bench.half_load(&full_speed, options.rounds)?;
    let figures = Figures {
        setting: Setting {
            program: program.version()?,
            machine: description(),
            server_core: cores.server,
            load_core: cores.load,
            is_on_disk,
            is_release_build: !cfg!(debug_assertions),
            customers,
            rounds: options.rounds,
            seconds: options.seconds.as_secs_f64(),
            connections: options.connections,
        },
        full_speed,
        half_load,
        starts,
        memory: vec![
            idle,
            memory("memory_reads", "memory, after the reads", &bench.reader, None)?,
            memory("memory_creates", "memory, after the creates", &bench.creator, None)?,
        ],
        binary: Size {
            name: "binary",
            what: "size of the binary",
            mb: size_mb(&program.file)?,
            target_mb: Some(25.0),
        },
    };
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&figures)? + "\n";
        fs::write(file, text).map_err(Fault::at(file.display()))?;
    }
    say(&report::text(&figures))
}

fn memory(
    name: &'static str,
    what: &'static str,
    server: &Server,
    target_mb: Option<f64>,
) -> Outcome<Size> {
    Ok(Size { name, what, mb: resident_mb(server.id())?, target_mb })
}

/// Where data lie.
struct Place {
    /// Is gone at the end.
    scratch: TempDir,
    /// Where the customers to be read lie: kept when a directory was named.
    kept: PathBuf,
}

/// What scratch directories are called; the process that made one follows, then chance.
const SCRATCH: &str = "patron-bench-";

impl Place {
    /// On the file system that was asked for, or on that of the program, which is hardly in memory as
    /// the usual temporary directory may be.
    fn make(options: &Options) -> Outcome<Self> {
        let own_file = own_file()?;
        let parent = match &options.data {
            Some(directory) => directory,
            None => own_file.parent().ok_or_else(|| Fault::new("there is no place for data"))?,
        };
        fs::create_dir_all(parent).map_err(Fault::at(parent.display()))?;
        sweep(parent);
        let prefix = format!("{SCRATCH}{}-", std::process::id());
        let scratch = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent);
        let scratch = scratch.map_err(Fault::at(parent.display()))?;
        let kept = options.data.clone().unwrap_or_else(|| scratch.path().to_owned());
        // Servers run in directories of their own.
        Ok(Self { kept: kept.canonicalize()?, scratch })
    }
}

/// Removes what runs that were cut off left behind: it can be gigabytes.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(SCRATCH));
        let process = rest.and_then(|rest| rest.split_once('-')?.0.parse::<u32>().ok());
        if let Some(process) = process
            && !Path::new(&format!("/proc/{process}")).exists()
        {
            // Somebody else's may not be ours to remove.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Everything that runs, and what is sent to it.
struct Bench {
    ceiling: Server,
    /// Has all customers.
    reader: Server,
    /// Begins without any.
    creator: Server,
    bare: Bare,
    fixed: Requests,
    hot: Requests,
    random: Requests,
    creates: Requests,
    effort: Effort,
    cores: Cores,
}

impl Bench {
    fn start(
        program: &Program,
        place: &Place,
        data: &Path,
        customers: u32,
        options: &Options,
        cores: Cores,
    ) -> Outcome<Self> {
        let scratch = place.scratch.path();
        Ok(Self {
            bare: Bare::prepare(program, &scratch.join("bare"), options.connections)?,
            ceiling: program.start_ceiling()?,
            creator: program.start(&scratch.join("creates"))?,
            reader: program.start(data)?,
            fixed: Requests::fixed(),
            hot: Requests::reads(HOT.min(customers)),
            random: Requests::reads(customers),
            creates: Requests::creates(0),
            effort: Effort {
                connections: options.connections,
                counted: options.seconds,
                is_alone: cores.load != cores.server,
            },
            cores,
        })
    }

    fn lap(&mut self, work: Work) -> Outcome<Lap> {
        let (server, requests) = match work {
            Work::Bare(group) => return self.bare.run(self.cores.server, group, self.effort),
            Work::Ceiling => (&self.ceiling, &mut self.fixed),
            Work::ReadHot => (&self.reader, &mut self.hot),
            Work::ReadRandom => (&self.reader, &mut self.random),
            Work::Create => (&self.creator, &mut self.creates),
        };
        at_full_speed(server.target(), self.effort, requests)
    }

    /// Everything at full speed, round by round, so that a machine whose speed changes changes it
    /// for all alike.
    fn rounds(&mut self, rounds: u16) -> Outcome<Vec<FullSpeed>> {
        let mut all = [const { Vec::new() }; ROUND.len()];
        for round in 1..=rounds {
            for (work, laps) in ROUND.into_iter().zip(&mut all) {
                let lap = self.lap(work).map_err(|Fault(text)| during(work, &text))?;
                tell(&format!("round {round}: {}: {:.0}/s", work.what(), lap.rate));
                laps.push(lap);
            }
        }
        let mut found = Vec::new();
        for (work, laps) in ROUND.into_iter().zip(&all) {
            let mut full_speed = full_speed(work, laps.clone())?;
            if let Some((ceiling, target)) = work.against()
                && let Some((_, laps)) = ROUND.into_iter().zip(&all).find(|(of, _)| *of == ceiling)
            {
                full_speed.against(ceiling.name(), laps, target);
            }
            found.push(full_speed);
        }
        for work in ONCE {
            let lap = self.lap(work).map_err(|Fault(text)| during(work, &text))?;
            tell(&format!("once: {}: {:.0}/s", work.what(), lap.rate));
            found.push(full_speed(work, vec![lap])?);
        }
        Ok(found)
    }

    /// Where there are targets for it, how long answers take at half of the speed that was found.
    fn half_load(&mut self, found: &[FullSpeed], rounds: u16) -> Outcome<Vec<HalfLoad>> {
        let mut all = [const { Vec::new() }; ROUND.len()];
        for round in 1..=rounds {
            for (work, laps) in ROUND.into_iter().zip(&mut all) {
                if work.latency_targets_ms().is_none() {
                    continue;
                }
                let rate = half_of(work, found)?;
                let (server, requests) = match work {
                    Work::Create => (&self.creator, &mut self.creates),
                    Work::ReadHot => (&self.reader, &mut self.hot),
                    Work::ReadRandom => (&self.reader, &mut self.random),
                    // The loop has nobody to answer.
                    Work::Ceiling | Work::Bare(_) => (&self.ceiling, &mut self.fixed),
                };
                let lap = at_pace(server.target(), self.effort, rate, requests);
                let lap = lap.map_err(|Fault(text)| during(work, &text))?;
                let (what, Latencies { p50_ms, p99_ms, .. }) = (work.what(), lap);
                tell(&format!("half load {round}: {what}: {p50_ms:.3} and {p99_ms:.3} ms"));
                laps.push(lap);
            }
        }
        let mut half = Vec::new();
        for (work, laps) in ROUND.into_iter().zip(all) {
            if let Some((p50_target_ms, p99_target_ms)) = work.latency_targets_ms() {
                let middle = |of: fn(&Latencies) -> f64| {
                    median(laps.iter().map(of).collect()).ok_or_else(|| during(work, "no rounds"))
                };
                half.push(HalfLoad {
                    name: work.name(),
                    what: work.what(),
                    rate: half_of(work, found)?,
                    p50_ms: middle(|lap| lap.p50_ms)?,
                    p99_ms: middle(|lap| lap.p99_ms)?,
                    p50_target_ms,
                    p99_target_ms,
                    laps,
                });
            }
        }
        Ok(half)
    }
}

fn half_of(work: Work, found: &[FullSpeed]) -> Outcome<f64> {
    let full = found.iter().find(|full_speed| full_speed.name == work.name());
    full.map(|full| full.rate.median / 2.0).ok_or_else(|| during(work, "it was not measured"))
}

fn full_speed(work: Work, laps: Vec<Lap>) -> Outcome<FullSpeed> {
    FullSpeed::of(work.name(), work.what(), laps).ok_or_else(|| during(work, "no rounds"))
}

fn during(work: Work, text: &str) -> Fault {
    Fault::new(format!("{}: {text}", work.what()))
}
