//! The machine: its clock, its cores, what a process takes of it, and its name for the record.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::fs::FsWord;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::options::Options;
use crate::{Fault, Outcome, tell};

/// The one clock of all measurements.
#[expect(clippy::disallowed_methods, reason = "measuring durations is what this program is for")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Which core does what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) load: usize,
}

impl Cores {
    /// Those that were asked for, or the first two.
    pub(crate) fn choose(options: &Options) -> Outcome<Self> {
        check_taskset()?;
        let set = sched_getaffinity(None).map_err(Fault::at("the cores cannot be listed"))?;
        let usable: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect();
        let cores = Self::among(&usable, options.server_core, options.load_core)?;
        if cores.server == cores.load {
            tell(&format!(
                "server and load share core {}: each takes time from the other, so that rates are \
                 lower than they would be on two, and ratios mean little",
                cores.server
            ));
        }
        Ok(cores)
    }

    fn among(usable: &[usize], server: Option<usize>, load: Option<usize>) -> Outcome<Self> {
        let pick = |wanted: Option<usize>, taken: Option<usize>| {
            let free = usable.iter().find(|core| Some(**core) != taken);
            wanted.or(free.or(usable.first()).copied())
        };
        let server = pick(server, load);
        let cores = server.zip(pick(load, server));
        match cores {
            Some((server, load)) if usable.contains(&server) && usable.contains(&load) => {
                Ok(Self { server, load })
            }
            Some(_) | None => Err(Fault::new(format!(
                "there is no such core: this process may use {usable:?}; choose with --server-core \
                 and --load-core"
            ))),
        }
    }
}

/// Servers are started by `taskset`, since a process can bind its own threads only.
fn check_taskset() -> Outcome<()> {
    let mut command = Command::new("taskset");
    let status = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) | Err(_) => Err(Fault::new(
            "`taskset`, which binds servers to a core, cannot be run: install the package util-linux",
        )),
    }
}

/// Binds the calling thread, and those that it starts from now on, to one core.
pub(crate) fn pin(core: usize) -> Outcome<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores)
        .map_err(Fault::at(format!("this thread cannot be bound to core {core}")))
}

/// The words that start a program bound to one core.
pub(crate) fn pinned(core: usize) -> [String; 3] {
    ["taskset".to_owned(), "--cpu-list".to_owned(), core.to_string()]
}

/// How much processor time a process has taken so far, in seconds.
pub(crate) fn processor_time_s(process: u32) -> Outcome<f64> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).map_err(Fault::at(&path))?;
    ticks_in(&stat)
        .map(|ticks| f64::from(ticks) / TICKS_PER_S)
        .ok_or_else(|| Fault::new(format!("{path} holds no times: {stat}")))
}

/// How much processor time a process and those that it has started have taken so far, in seconds, with those
/// that have ended.
pub(crate) fn family_time_s(process: u32) -> Outcome<f64> {
    let mut ticks = 0_u32;
    for entry in fs::read_dir("/proc").map_err(Fault::at("/proc"))?.flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended just now. Then its parent has its time.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        if let Some((parent, own, ended)) = family_ticks_in(&stat) {
            if id == process {
                ticks = ticks.saturating_add(own).saturating_add(ended);
            } else if parent == process {
                ticks = ticks.saturating_add(own);
            }
        }
    }
    Ok(f64::from(ticks) / TICKS_PER_S)
}

/// A process's parent, its own time, and that of its children that have ended.
fn family_ticks_in(stat: &str) -> Option<(u32, u32, u32)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let parent = fields.split_whitespace().nth(1)?.parse().ok()?;
    let mut times = fields.split_whitespace().skip(13).map(|ticks| ticks.parse::<u32>().ok());
    let ended = times.next()??.checked_add(times.next()??)?;
    Some((parent, ticks_in(stat)?, ended))
}

/// What Linux counts processor time in, in every build of it that there is.
const TICKS_PER_S: f64 = 100.0;

/// User and system time of a process and its threads, as `/proc/…/stat` has them.
fn ticks_in(stat: &str) -> Option<u32> {
    // The second field is the program's name in brackets and may hold spaces and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(|ticks| ticks.parse::<u32>().ok());
    times.next()??.checked_add(times.next()??)
}

/// How much memory a process holds, in megabytes.
pub(crate) fn resident_mb(process: u32) -> Outcome<f64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).map_err(Fault::at(&path))?;
    resident_kib(&status)
        .map(|kib| f64::from(kib) * 1024.0 / 1e6)
        .ok_or_else(|| Fault::new(format!("{path} does not say how much memory is resident")))
}

fn resident_kib(status: &str) -> Option<u32> {
    value_of(status, "VmRSS")?.strip_suffix(" kB")?.trim().parse().ok()
}

/// The size of a file, in megabytes.
pub(crate) fn size_mb(file: &Path) -> Outcome<f64> {
    let bytes = fs::metadata(file).map_err(Fault::at(file.display()))?.len();
    Ok(f64::from(u32::try_from(bytes)?) / 1e6)
}

/// Whether files in a directory are in memory only, where making them durable costs nothing.
pub(crate) fn is_in_memory(directory: &Path) -> Outcome<bool> {
    const TMPFS: FsWord = 0x0102_1994;
    const RAMFS: FsWord = 0x8584_58f6;
    let system = rustix::fs::statfs(directory).map_err(Fault::at(directory.display()))?;
    Ok([TMPFS, RAMFS].contains(&system.f_type))
}

/// Processor, number of cores and kernel, in one line.
pub(crate) fn description() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = value_of(&cpu, "model name").unwrap_or("unknown processor").to_owned();
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_the_first_two_or_those_that_were_asked_for() {
        let among = |usable: &[usize], server, load| {
            Cores::among(usable, server, load).ok().map(|cores| (cores.server, cores.load))
        };
        assert_eq!(among(&[0, 1, 2], None, None), Some((0, 1)));
        assert_eq!(among(&[0, 1, 2], Some(1), None), Some((1, 0)));
        assert_eq!(among(&[0, 1, 2], None, Some(0)), Some((1, 0)));
        assert_eq!(among(&[4, 6], None, None), Some((4, 6)));
        assert_eq!(among(&[3], None, None), Some((3, 3)));
        assert_eq!(among(&[0, 1], Some(5), None), None);
        assert_eq!(among(&[], None, None), None);
    }

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 500 0 0 0 123 45 0 0 20 0 4 0 100 1 1";
        assert_eq!(ticks_in(stat), Some(168));
        assert_eq!(ticks_in("42 (a) S 1"), None);
        let stat = "42 (a) S 7 42 42 0 -1 4194304 500 0 0 0 123 45 6 70 20 0 4 0 100 1 1";
        assert_eq!(family_ticks_in(stat), Some((7, 168, 76)));
        assert!(processor_time_s(std::process::id()).is_ok_and(|seconds| seconds >= 0.0));
    }

    #[test]
    fn resident_memory_is_found() {
        let status = "Name:\tpatron\nVmHWM:\t   9000 kB\nVmRSS:\t   8192 kB\nThreads:\t3\n";
        assert_eq!(resident_kib(status), Some(8192));
        assert_eq!(resident_kib("Name:\tpatron\n"), None);
        assert!(resident_mb(std::process::id()).is_ok_and(|mb| mb > 0.5));
    }

    #[test]
    fn the_machine_has_a_name() {
        assert!(description().contains("Linux "));
    }
}
