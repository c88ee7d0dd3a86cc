//! The log that a killed process left, with a hole, cut, or held by another program: what cannot be
//! read in full is refused and left as it is, and of what is left of a cut one, everything is there.

use std::fs;
use std::path::{Path, PathBuf};

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
use patron_testkit::http::Call;
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};
use rusqlite::Connection;
use serde_json::Value;

use super::ledger::{self, Ledger};
use super::refusal;
use crate::stage::{create, launch, post};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FRAME: usize = FRAME_HEADER + 4_096;

const CUSTOMERS: usize = 8;

/// What was acknowledged, and how long the log was before and after.
#[derive(Debug)]
struct Step {
    reference: String,
    acknowledged: Value,
    before: usize,
    after: usize,
}

/// An installation that was killed, whose log holds everything.
struct Killed {
    launch: Launch,
    database: Vec<u8>,
    log: Vec<u8>,
    steps: Vec<Step>,
}

fn database(launch: &Launch) -> PathBuf {
    launch.data().join("patron.db")
}

fn log(launch: &Launch) -> PathBuf {
    launch.data().join("patron.db-wal")
}

fn length(file: &Path) -> usize {
    usize::try_from(fs::metadata(file).unwrap().len()).unwrap()
}

/// Where the commits in a log end.
fn commit_ends(log: &[u8]) -> Vec<usize> {
    (HEADER..log.len())
        .step_by(FRAME)
        .filter(|at| log[at + 4..at + 8] != [0; 4])
        .map(|at| at + FRAME)
        .collect()
}

impl Killed {
    /// The last of its commits is a creation, or an update, of a customer, and nothing else.
    fn after(is_creation: bool) -> Self {
        let mut server = launch().start();
        let mut steps = Vec::new();
        for number in 0..CUSTOMERS {
            steps.push(step(&server, &format!("r{number}"), true));
        }
        for number in 0..CUSTOMERS {
            steps.push(step(&server, &format!("r{number}"), false));
        }
        // The program commits for itself now and then, such as when a key was used.
        for number in 0..100 {
            let reference = if is_creation { format!("c{number}") } else { "r3".to_owned() };
            let last = step(&server, &reference, is_creation);
            let log = fs::read(log(server.launch())).unwrap();
            let ends = commit_ends(&log);
            let is_alone = ends[ends.len() - 2..] == [last.before, last.after];
            steps.push(last);
            if is_alone {
                server.kill();
                let launch = server.launch().clone();
                let database = fs::read(database(&launch)).unwrap();
                return Self { launch, database, log, steps };
            }
        }
        panic!("no customer was ever committed alone");
    }

    fn lay_down(&self, log_file: &[u8]) {
        fs::write(database(&self.launch), &self.database).unwrap();
        let _ = fs::remove_file(self.launch.data().join("patron.db-shm"));
        fs::write(log(&self.launch), log_file).unwrap();
    }

    /// Everything is as it was after one of the steps: how many from the end were taken back.
    #[track_caller]
    fn taken_back(&self, server: &Server) -> usize {
        let list = Call::get("/customers?count=100").basic(SANDBOX_KEY).send(server).expect(200);
        let listed = list["list"].as_array().unwrap();
        for back in 0..=self.steps.len() {
            let steps = &self.steps[..self.steps.len() - back];
            if self.steps.iter().all(|step| {
                let expected = steps.iter().rfind(|one| one.reference == step.reference);
                let target = format!("/customers/{}", step.reference);
                let reply = Call::get(target).basic(SANDBOX_KEY).send(server);
                let entry =
                    listed.iter().find(|one| one["object_reference_id"] == step.reference.as_str());
                assert!(reply.status == 200 || reply.status == 404, "{reply:?}");
                let seen = (reply.status == 200).then(|| reply.json());
                assert_eq!(seen.as_ref(), entry, "the list shows what the customers show");
                seen.as_ref() == expected.map(|expected| &expected.acknowledged)
            }) {
                return back;
            }
        }
        panic!("it is as it never was: {list}");
    }

    /// Starts with the log cut, and holds what it has against what is left.
    #[track_caller]
    fn is_there_when_cut(&self, length: usize) {
        self.lay_down(&self.log[..length]);
        let back = self.taken_back(&self.launch.start());
        let least = self.steps.iter().filter(|step| step.before >= length).count();
        let most = self.steps.iter().filter(|step| step.after > length).count();
        assert!(least <= back && back <= most, "{length}: {back} taken back, not {least}..={most}");
    }
}

fn step(server: &Server, reference: &str, is_creation: bool) -> Step {
    let file = log(server.launch());
    let before = length(&file);
    let name = format!("first_name=n{before}&mobile_number=1");
    let acknowledged = if is_creation {
        create(server, &format!("object_reference_id={reference}&{name}"))
    } else {
        post(server, &format!("/customers/{reference}"), &name).expect(200)
    };
    Step { reference: reference.to_owned(), acknowledged, before, after: length(&file) }
}

/// What may become of a log with a hole.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Refused,
    /// Nobody can tell it from a commit that a power cut interrupted.
    WithoutTheLast,
    /// The hole also hides that the commit before ended there (docs/adr/0014).
    RefusedOrWithoutTwo,
}

fn fate(holed: &[u8], ends: &[usize], at: usize, end: usize) -> Fate {
    let last = ends[ends.len() - 2];
    if at >= last {
        return Fate::WithoutTheLast;
    }
    let frame = last - FRAME;
    let (salts, sum, page) = (frame + 8, frame + 16, frame + FRAME_HEADER);
    let takes_the_sum = at < page && end > sum;
    let takes_more = at < salts || end > page;
    let ends_nothing = holed[frame + 4..frame + 8] == [0; 4];
    if end > last || takes_the_sum && takes_more || ends_nothing {
        Fate::RefusedOrWithoutTwo
    } else {
        Fate::Refused
    }
}

/// Anywhere, or near where the last commit begins, where a hole is the hardest to see.
fn place(chance: &mut Chance, round: usize, length: usize, last: usize) -> usize {
    match round % 4 {
        0 | 2 => chance.below(length),
        1 => last - FRAME - 16 + chance.below(64),
        _ => last - 32 + chance.below(length - last + 32),
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "what came of it is what a long run is for")]
fn a_log_with_a_hole_is_refused_unless_the_hole_is_in_its_last_commit() {
    let mut chance = Chance::new(8);
    let (mut refused, mut one_back, mut two_back) = (0, 0, 0);
    let stories = rounds(40, 1_000);
    for is_creation in [true, false] {
        let killed = Killed::after(is_creation);
        let ends = commit_ends(&killed.log);
        let last = ends[ends.len() - 2];
        for round in 0..stories / 2 {
            let mut holed = killed.log.clone();
            let at = place(&mut chance, round, holed.len(), last);
            let end = (at + 1 + chance.below(16)).min(holed.len());
            for byte in &mut holed[at..end] {
                *byte ^= u8::try_from(1 + chance.below(255)).unwrap();
            }
            killed.lay_down(&holed);
            let fate = fate(&holed, &ends, at, end);
            match killed.launch.try_start() {
                Err(_) => {
                    assert_ne!(fate, Fate::WithoutTheLast, "{at}..{end}");
                    refusal(&killed.launch, &["patron.db-wal was damaged", "restore a backup"]);
                    assert_eq!(fs::read(log(&killed.launch)).unwrap(), holed, "left as it is");
                    refused += 1;
                }
                Ok(server) => {
                    let back = killed.taken_back(&server);
                    match fate {
                        Fate::Refused => panic!("{at}..{end} of {ends:?} was believed"),
                        Fate::WithoutTheLast => assert_eq!(back, 1, "{at}..{end}"),
                        Fate::RefusedOrWithoutTwo => assert!(back <= 2, "{at}..{end}: {back}"),
                    }
                    one_back += usize::from(back == 1);
                    two_back += usize::from(back == 2);
                }
            }
        }
        killed.lay_down(&killed.log);
        assert_eq!(killed.taken_back(&killed.launch.start()), 0);
    }
    println!(
        "{stories} holes: {refused} refused, {one_back} without the last commit, {two_back} without two"
    );
    assert!(refused > 0 && one_back > 0, "each has its turn");
    assert!(two_back <= 2 + stories / 10, "{two_back} of {stories}");
}

/// A cut is how a power cut leaves it, so it is believed.
#[test]
fn a_log_that_was_cut_holds_what_is_left_of_it() {
    let mut chance = Chance::new(9);
    for is_creation in [true, false] {
        let killed = Killed::after(is_creation);
        let ends = commit_ends(&killed.log);
        let last = ends[ends.len() - 2];
        let whole = killed.log.len();
        for length in [last, last + 1, last + FRAME, whole - FRAME, whole - 1, whole] {
            killed.is_there_when_cut(length);
        }
        // The birth is in the log as well; what the first customer needs is in the database then.
        let birth = killed.steps[0].before;
        for _ in 0..rounds(8, 200) {
            killed.is_there_when_cut(birth + chance.below(whole - birth));
        }
    }
}

#[test]
fn a_log_that_another_program_reads_is_refused_until_it_ends() {
    let mut server = launch().start();
    let mut ledger = Ledger::default();
    for number in 0..CUSTOMERS {
        ledger.write(&server, &format!("r{number}"), "first").unwrap();
    }
    server.kill();
    let launch = server.launch();
    let reader = Connection::open(database(launch)).unwrap();
    let begin = "BEGIN; SELECT count(*) FROM customer";
    reader.execute_batch(begin).unwrap();
    for _ in 0..2 {
        let words = ["another program is reading patron.db", "end that program first"];
        refusal(launch, &words);
        assert!(length(&log(launch)) > 0, "the log is kept");
    }
    // It may stay, without reading: were it closed, SQLite would move the log by itself.
    reader.execute_batch("COMMIT").unwrap();
    let mut server = launch.start();
    ledger.check(&server, ledger::Disk::Whole);
    ledger.write(&server, "after", "all").unwrap();
    server.kill();
    drop(reader);
    ledger.check(&launch.start(), ledger::Disk::Whole);
}
