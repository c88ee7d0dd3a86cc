//! One run: everything is started, measured round by round, and written down.

use std::fs;

use crate::bare::Bare;
use crate::database::{CONNECTIONS, Database};
use crate::figures::{Figures, FullSpeed, HalfLoad, Lap, Latencies, Setting, Size, median};
use crate::load::{Effort, at_full_speed, at_pace};
use crate::machine::{Cores, description, is_in_memory, now, pin, resident_mb, size_mb};
use crate::options::Options;
use crate::pgbench::Pgbench;
use crate::place::Place;
use crate::program::{self, Data, Program, Server};
use crate::seed::seed;
use crate::traffic::{HOT, Requests};
use crate::work::{Engine, Work};
use crate::{Fault, Outcome, report, say, starts, tell};

/// Measures everything, shows it, and writes it to a file when one was named.
pub(crate) fn measure(options: &Options) -> Outcome<()> {
    let cores = Cores::choose(options)?;
    let file = program::find(options)?;
    let database = Database::find(options, cores.server)?;
    let place = Place::make_at(options, database)?;
    let program = Program::new(file, cores.server, place.scratch.path());
    // Nobody knows where a database lies: its settings say what durable is.
    let is_on_disk = place.database.is_some() || !is_in_memory(place.scratch.path())?;
    if !is_on_disk {
        tell("the data lie in memory, where durable costs nothing: give --data DIR on a disk");
    }
    pin(cores.load)?;
    let customers = seed(&program, &place, options.customers, options.connections)?;
    tell("starting and stopping");
    let starts = starts::measure(&program, &place)?;
    let mut bench = Bench::start(&program, &place, customers, options, cores)?;
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
            database: match &place.database {
                None => None,
                Some(database) => Some(database.describe(cores.server)?),
            },
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

/// Everything that runs, and what is sent to it.
struct Bench<'a> {
    ceiling: Server,
    /// Has all customers.
    reader: Server,
    /// Begins without any.
    creator: Server,
    bare: Beside<'a>,
    fixed: Requests,
    hot: Requests,
    random: Requests,
    creates: Requests,
    effort: Effort,
    cores: Cores,
}

/// What creates are measured against, and reads of PostgreSQL too.
enum Beside<'a> {
    Loop(Box<Bare>),
    Pgbench(Pgbench<'a>, &'a Database),
}

impl<'a> Bench<'a> {
    fn start(
        program: &Program,
        place: &'a Place,
        customers: u32,
        options: &Options,
        cores: Cores,
    ) -> Outcome<Self> {
        let scratch = place.scratch.path();
        let creates = place.make("creates")?;
        let bare = match (&place.database, &creates) {
            (Some(database), Data::Database(url)) => {
                let pgbench = Pgbench::prepare(program, database, url, customers, scratch)?;
                Beside::Pgbench(pgbench, database)
            }
            (Some(_) | None, Data::Directory(_) | Data::Database(_)) => {
                let bare = Bare::prepare(program, &scratch.join("bare"), options.connections)?;
                Beside::Loop(Box::new(bare))
            }
        };
        Ok(Self {
            bare,
            ceiling: program.start_ceiling()?,
            creator: program.start(&creates)?,
            reader: program.start(&place.kept())?,
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

    const fn engine(&self) -> Engine {
        match &self.bare {
            Beside::Loop(_) => Engine::Sqlite,
            Beside::Pgbench(..) => Engine::Postgres,
        }
    }

    fn lap(&mut self, work: Work) -> Outcome<Lap> {
        let alone = Effort { connections: 1, ..self.effort };
        let (server, requests, effort) = match work {
            Work::Bare(_) | Work::Pgbench(_) | Work::PgbenchLone(_) => return self.beside(work),
            Work::Ceiling => (&self.ceiling, &mut self.fixed, self.effort),
            Work::ReadHot => (&self.reader, &mut self.hot, self.effort),
            Work::ReadRandom => (&self.reader, &mut self.random, self.effort),
            Work::Create => (&self.creator, &mut self.creates, self.effort),
            Work::ReadLone => (&self.reader, &mut self.random, alone),
            Work::CreateLone => (&self.creator, &mut self.creates, alone),
        };
        let processor_time_s = || match &self.bare {
            Beside::Loop(_) => Ok(None),
            Beside::Pgbench(_, database) => database.processor_time_s(),
        };
        let (before, began) = (processor_time_s()?, now());
        let mut lap = at_full_speed(server.target(), effort, requests)?;
        let seconds = now().saturating_duration_since(began).as_secs_f64();
        let taken =
            processor_time_s()?.zip(before).map(|(after, before)| (after - before) / seconds);
        lap.database_busy = taken.filter(|_| work != Work::Ceiling);
        Ok(lap)
    }

    /// What is done without the program.
    fn beside(&mut self, work: Work) -> Outcome<Lap> {
        let (core, effort) = (self.cores.server, self.effort);
        match (&mut self.bare, work) {
            (Beside::Loop(bare), Work::Bare(group)) => bare.run(core, group, effort),
            (Beside::Pgbench(pgbench, _), Work::Pgbench(script)) => {
                pgbench.run(script, CONNECTIONS, effort.counted)
            }
            (Beside::Pgbench(pgbench, _), Work::PgbenchLone(script)) => {
                pgbench.run(script, 1, effort.counted)
            }
            (Beside::Loop(_) | Beside::Pgbench(..), _) => {
                Err(Fault::new("this is not measured with this store"))
            }
        }
    }

    /// Everything at full speed, round by round, so that a machine whose speed changes changes it
    /// for all alike.
    fn rounds(&mut self, rounds: u16) -> Outcome<Vec<FullSpeed>> {
        let engine = self.engine();
        let mut all: Vec<(Work, Vec<Lap>)> =
            engine.round().iter().map(|work| (*work, Vec::new())).collect();
        for round in 1..=rounds {
            for (work, laps) in &mut all {
                let lap = self.lap(*work).map_err(|Fault(text)| during(*work, &text))?;
                tell(&format!("round {round}: {}: {:.0}/s", work.what(), lap.rate));
                laps.push(lap);
            }
        }
        let mut found = Vec::new();
        for (work, laps) in &all {
            let mut full_speed = full_speed(*work, laps.clone())?;
            if let Some((ceiling, target)) = work.against(engine)
                && let Some((_, laps)) = all.iter().find(|(of, _)| *of == ceiling)
            {
                full_speed.against(ceiling.name(), laps, target);
            }
            found.push(full_speed);
        }
        for work in engine.once() {
            let lap = self.lap(*work).map_err(|Fault(text)| during(*work, &text))?;
            tell(&format!("once: {}: {:.0}/s", work.what(), lap.rate));
            found.push(full_speed(*work, vec![lap])?);
        }
        Ok(found)
    }

    /// Where there are targets for it, how long answers take at half of the speed that was found.
    fn half_load(&mut self, found: &[FullSpeed], rounds: u16) -> Outcome<Vec<HalfLoad>> {
        let judged =
            self.engine().round().iter().filter(|work| work.latency_targets_ms().is_some());
        let mut all: Vec<(Work, Vec<Latencies>)> = judged.map(|work| (*work, Vec::new())).collect();
        for round in 1..=rounds {
            for (work, laps) in &mut all {
                let rate = half_of(*work, found)?;
                let (server, requests) = match work {
                    Work::Create => (&self.creator, &mut self.creates),
                    Work::ReadHot => (&self.reader, &mut self.hot),
                    Work::ReadRandom => (&self.reader, &mut self.random),
                    // They have no targets.
                    Work::Ceiling
                    | Work::Bare(_)
                    | Work::ReadLone
                    | Work::CreateLone
                    | Work::Pgbench(_)
                    | Work::PgbenchLone(_) => (&self.ceiling, &mut self.fixed),
                };
                let lap = at_pace(server.target(), self.effort, rate, requests);
                let lap = lap.map_err(|Fault(text)| during(*work, &text))?;
                let (what, Latencies { p50_ms, p99_ms, .. }) = (work.what(), lap);
                tell(&format!("half load {round}: {what}: {p50_ms:.3} and {p99_ms:.3} ms"));
                laps.push(lap);
            }
        }
        all.into_iter().map(|(work, laps)| half_load(work, laps, found)).collect()
    }
}

fn half_load(work: Work, laps: Vec<Latencies>, found: &[FullSpeed]) -> Outcome<HalfLoad> {
    let targets = work.latency_targets_ms().ok_or_else(|| during(work, "there are no targets"))?;
    let (p50_target_ms, p99_target_ms) = targets;
    let middle = |of: fn(&Latencies) -> f64| {
        median(laps.iter().map(of).collect()).ok_or_else(|| during(work, "no rounds"))
    };
    Ok(HalfLoad {
        name: work.name(),
        what: work.what(),
        rate: half_of(work, found)?,
        p50_ms: middle(|lap| lap.p50_ms)?,
        p99_ms: middle(|lap| lap.p99_ms)?,
        p50_target_ms,
        p99_target_ms,
        laps,
    })
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
