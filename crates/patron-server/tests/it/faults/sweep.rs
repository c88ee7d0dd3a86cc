//! Every single call to the disk fails once: in a birth, in a start after a kill, in writing, in
//! reading, and in ending.

use std::fs;
use std::path::Path;

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
use patron_testkit::http::Call;
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};

use super::disk::Disk;
use super::ledger::{self, Ledger, ask, is_refused};
use super::sentence;
use crate::stage::launch;

/// What happened in one story: for the report.
#[derive(Debug, Default)]
struct Told {
    stories: usize,
    /// The program came to its end with fewer calls than were counted, and nothing failed.
    not_reached: usize,
    not_started: usize,
    refused: usize,
    left: usize,
    unharmed: usize,
}

/// Customers of a story.
const CUSTOMERS: usize = 3;

/// What everybody does with the program. How many questions were refused.
fn act(server: &Server, ledger: &mut Ledger) -> usize {
    let to = server.address();
    let mut refused = 0;
    for round in 0..2 {
        for number in 0..CUSTOMERS {
            let name = format!("n{round}{number}");
            refused += usize::from(ledger.write(to, &format!("r{number}"), &name).is_err());
        }
        refused += ledger.check(server, ledger::Disk::Failing);
    }
    let target = "/customers/r0?options.get_client_auth_token=true";
    let with_token = ask(to, &Call::get(target).basic(SANDBOX_KEY));
    match with_token.as_ref() {
        Some(reply) if reply.status == 200 => {}
        Some(reply) if reply.status == 404 && ledger.acknowledged() < CUSTOMERS => {}
        other => {
            is_refused(other);
            refused += 1;
        }
    }
    refused
}

/// Starts on the failing disk, does everything, ends; and starts again on a whole one.
fn story(disk: &Disk, launch: &Launch, ledger: &mut Ledger, rule: &str, told: &mut Told) {
    disk.rule(rule);
    told.stories += 1;
    match disk.under(launch).try_start() {
        Err(outcome) => {
            assert!(disk.has_failed(), "{rule}: {outcome:?}");
            sentence(launch, &outcome);
            told.not_started += 1;
        }
        Ok(mut server) => {
            let refused = act(&server, ledger);
            let has_left = ask(server.address(), &Call::get("/healthz")).is_none();
            let status = server.terminate();
            let said = server.stderr();
            assert!(!said.contains("panicked"), "{rule}: {said}");
            assert!(status.code().is_some(), "{rule}: {status}");
            if !status.success() {
                assert!(said.contains("start it again"), "{rule}: {said}");
            }
            let is_harmed = has_left || refused > 0 || !status.success();
            assert!(disk.has_failed() || !is_harmed, "{rule}: nothing failed, yet: {said}");
            if has_left {
                assert!(!status.success(), "{rule}: it left without a word");
                told.left += 1;
            } else if refused > 0 {
                told.refused += 1;
            } else if !disk.has_failed() {
                told.not_reached += 1;
            } else {
                told.unharmed += 1;
            }
        }
    }
    disk.heal();
    let mut server = launch.start();
    ledger.check(&server, ledger::Disk::Whole);
    ledger.write(&server, "after", "all").unwrap();
    assert!(server.terminate().success());
    let doctor = launch.manage(&["doctor"]);
    assert!(doctor.status.success(), "{rule}: {doctor:?}");
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    if !from.exists() {
        return;
    }
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // The socket of a server that was killed is nothing that can be copied.
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// An installation that was killed: a database, and a log that was not moved into it.
fn killed(ledger: &mut Ledger) -> Launch {
    let mut server = launch().start();
    for number in 0..CUSTOMERS {
        ledger.write(&server, &format!("r{number}"), "before").unwrap();
    }
    server.restart();
    for number in 0..CUSTOMERS {
        ledger.write(&server, &format!("r{number}"), &format!("killed{number}")).unwrap();
    }
    server.kill();
    server.launch().clone()
}

/// Which call fails, how, and how often; and what with.
#[derive(Debug, Clone, Copy)]
struct Sweep {
    call: &'static str,
    fault: &'static str,
    /// 0 for ever.
    times: usize,
    /// From an installation that was killed on, or from the birth on.
    is_after_a_kill: bool,
    /// Pages in the log before it is moved into the database.
    checkpoint_pages: Option<u32>,
}

impl Sweep {
    const fn once(call: &'static str, fault: &'static str) -> Self {
        Self { call, fault, times: 1, is_after_a_kill: false, checkpoint_pages: None }
    }

    const fn for_ever(call: &'static str, fault: &'static str) -> Self {
        Self { times: 0, ..Self::once(call, fault) }
    }

    const fn after_a_kill(self) -> Self {
        Self { is_after_a_kill: true, ..self }
    }

    const fn with_checkpoints(self) -> Self {
        Self { checkpoint_pages: Some(16), ..self }
    }

    fn launch(self) -> Launch {
        match self.checkpoint_pages {
            None => launch(),
            Some(pages) => launch().with("--checkpoint-pages").with(pages.to_string()),
        }
    }

    fn rule(self, skip: usize) -> String {
        format!("{} {} * {skip} {}", self.call, self.fault, self.times)
    }

    /// What is called when nothing fails.
    fn calls(self, disk: &Disk, launch: &Launch, mut ledger: Ledger) -> Vec<String> {
        disk.rule(&self.rule(1_000_000));
        let mut server = disk.under(launch).start();
        act(&server, &mut ledger);
        assert!(server.terminate().success());
        let calls = disk.calls();
        let is_of_the_database = |call: &&String| call.ends_with("patron.db");
        let of_the_database = calls.iter().filter(is_of_the_database).count();
        let has_checkpoints = self.checkpoint_pages.is_none() || of_the_database > 3;
        assert!(!calls.is_empty() && has_checkpoints, "{self:?}: {calls:?}");
        calls
    }

    /// Runs the story with the first, the second, … of its calls failing; all of them in a long run,
    /// some of them, picked by chance, in a short one.
    #[expect(clippy::print_stdout, reason = "what came of it is what a long run is for")]
    fn run(self) {
        let launch = self.launch();
        let disk = Disk::build(launch.directory());
        let mut before = Ledger::default();
        let template = self.is_after_a_kill.then(|| killed(&mut before));
        let nowhere = launch.directory().join("nowhere");
        let from = template.map_or(nowhere, |template| {
            let kept = launch.directory().join("killed");
            copy(&template.data(), &kept);
            kept
        });
        copy(&from, &launch.data());
        let calls = self.calls(&disk, &launch, before.clone()).len();
        let mut told = Told::default();
        let mut chance = Chance::new(7);
        let stories = rounds(12, calls).min(calls);
        for number in 0..stories {
            // One of each stretch, so that birth, writing and ending all have their turn.
            let (first, end) = (number * calls / stories, (number + 1) * calls / stories);
            let skip = first + chance.below(end - first);
            copy(&from, &launch.data());
            story(&disk, &launch, &mut before.clone(), &self.rule(skip), &mut told);
        }
        println!("{self:?}: {calls} calls, {told:?}");
        assert!(told.not_reached <= 1 + stories / 20, "{self:?}: {told:?}");
    }
}

#[test]
fn each_sync_fails_once_from_the_birth_on() {
    Sweep::once("fsync", "EIO").run();
}

#[test]
fn each_write_fails_once_from_the_birth_on() {
    Sweep::once("write", "EIO").run();
}

#[test]
fn each_name_fails_once_from_the_birth_on() {
    Sweep::once("name", "EIO").run();
}

#[test]
fn the_disk_is_full_from_each_write_on_from_the_birth_on() {
    Sweep::for_ever("write", "ENOSPC").run();
}

#[test]
fn each_change_fails_for_ever_from_the_birth_on() {
    Sweep::for_ever("change", "EROFS").run();
}

#[test]
fn each_sync_fails_once_after_a_kill() {
    Sweep::once("fsync", "EIO").after_a_kill().run();
}

#[test]
fn each_sync_fails_once_with_checkpoints_in_between() {
    Sweep::once("fsync", "EIO").after_a_kill().with_checkpoints().run();
}

#[test]
fn each_write_fails_once_with_checkpoints_in_between() {
    Sweep::once("write", "EIO").after_a_kill().with_checkpoints().run();
}

#[test]
fn each_write_fails_once_after_a_kill() {
    Sweep::once("write", "EIO").after_a_kill().run();
}

#[test]
fn each_read_fails_once_after_a_kill() {
    Sweep::once("read", "EIO").after_a_kill().run();
}

#[test]
fn each_opening_fails_once_after_a_kill() {
    Sweep::once("open", "EMFILE").after_a_kill().run();
}

#[test]
fn each_length_fails_once_after_a_kill() {
    Sweep::once("truncate", "EIO").after_a_kill().run();
}

#[test]
fn each_name_fails_once_after_a_kill() {
    Sweep::once("name", "EIO").after_a_kill().run();
}

#[test]
fn each_write_is_done_by_half_once_after_a_kill() {
    Sweep::once("write", "SHORT").after_a_kill().run();
}
