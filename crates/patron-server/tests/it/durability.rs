//! Killed at any moment: what was acknowledged is there, and what was not is there whole or not at all.
//!
//! Clients load the program with changes, it is killed with SIGKILL, and started again on the same data.
//! Then every customer is read and compared with the clients' own record, and `patron verify` walks over
//! all histories. The data grows from round to round. Every second installation moves its log into the
//! database all the time, so that kills fall into that as well.

mod checkpoints;
mod keys;
pub(crate) mod load;
mod power;
pub(crate) mod record;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Connection};
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};
use patron_testkit::together::together;
use patron_testkit::wait::let_pass;
use serde_json::{Value, json};

use self::checkpoints::{Checkpoints, few_pages};
use self::keys::Keys;
use self::load::{WRITERS, Writer, shown};
use self::power::Power;
use self::record::{Outcome, Record, Said, Shown};
use crate::errors::is_unknown_customer;
use crate::stage::launch;

/// How many rounds share their data at most. Then an installation begins anew.
const ROUNDS_AN_INSTALLATION: usize = 20;

/// When the program is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// While it answers.
    Working,
    /// While it answers; and again, once or more, while it starts after that.
    Starting,
    /// While it ends, after SIGTERM, with its clients still there.
    Ending,
}

const MOMENTS: [Moment; 3] = [Moment::Working, Moment::Starting, Moment::Ending];

/// What was done and found, to be told in the end.
#[derive(Default)]
struct Tally {
    kills: BTreeMap<Moment, u64>,
    /// Endings that had not yet put the log away.
    cut_short: u64,
    /// Rounds whose process moved its log into the database while it worked.
    checkpointed: u64,
    /// Kills that came while it was doing so, at work or while it ended.
    halfway: u64,
    acknowledged: u64,
    outcome: Outcome,
    customers: u64,
    keys: usize,
    verified: u64,
    /// Customers that were read and compared after a restart.
    compared: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, cut_short, checkpointed, halfway, acknowledged, outcome, .. } = self;
        let Self { customers, keys, verified, compared, .. } = self;
        let Outcome { done, not_done } = outcome;
        write!(
            f,
            "killed {kills:?} ({cut_short} endings cut short); {checkpointed} rounds with checkpoints, {halfway} \
             killed halfway through one; {acknowledged} changes acknowledged, all there; of those without an answer \
             {done} there, {not_done} not; {customers} customers, {compared} times compared; {keys} keys; {verified} \
             history entries verified"
        )
    }
}

/// One installation, and what its clients know of it.
struct Installation {
    launch: Launch,
    /// Where killing it cuts the power too.
    power: Option<Power>,
    record: Record,
    keys: Keys,
    seed: u64,
    round: u64,
    chance: Chance,
}

impl Installation {
    fn new(seed: u64) -> Self {
        let chance = Chance::new(seed);
        Self {
            launch: launch(),
            power: None,
            record: Record::default(),
            keys: Keys::default(),
            seed,
            round: 0,
            chance,
        }
    }

    fn on_power(seed: u64) -> Self {
        let (launch, power) = Power::under(launch());
        Self { launch, power: Some(power), ..Self::new(seed) }
    }

    /// With checkpoints all the time, instead of hardly ever.
    fn with_checkpoints(self, pages: &str) -> Self {
        Self { launch: self.launch.with("--checkpoint-pages").with(pages), ..self }
    }

    /// After a process has ended, in whichever way.
    fn cut_power(&mut self) {
        if let Some(power) = &self.power {
            power.cut(&mut self.chance);
        }
    }

    /// Starts the program, which it must do from whatever it finds.
    fn start(&self) -> Result<Server, String> {
        self.launch.try_start().map_err(|refusal| format!("it does not start: {refusal:?}"))
    }

    /// A length of time: short ones are as likely as long ones.
    fn some_ms(&mut self, most: usize) -> Duration {
        let most = 1 + self.chance.below(most);
        Duration::from_millis(u64::try_from(1 + self.chance.below(most)).unwrap())
    }

    /// Starts the program, and kills it before or just after it is ready.
    fn kill_while_it_starts(&mut self) {
        let time = self.some_ms(80);
        let mut command = self.launch.serve();
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let_pass(time);
        process.kill().unwrap();
        process.wait().unwrap();
        self.cut_power();
    }

    /// Loads the program until it is killed. Whatever clients send is taken down.
    fn load(
        &mut self,
        mut server: Server,
        moment: Moment,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let (work, end) = (self.some_ms(400), self.some_ms(30));
        let checkpoints = Checkpoints::since_now(self.launch.data());
        let had_one = AtomicBool::new(false);
        let address = server.address();
        let (record, round, seed) = (&self.record, self.round, self.seed);
        let server = Mutex::new(&mut server);
        let heard = together(
            WRITERS + 1,
            |number| (number < WRITERS).then(|| Connection::open(address)),
            |number, connection| {
                if let Some(mut connection) = connection {
                    let mut writer = Writer::new(number, round, seed, record);
                    return writer.write(&mut connection);
                }
                let mut server = server.lock().unwrap();
                let_pass(work);
                // Before it ends, since every ending moves the log.
                had_one.store(checkpoints.had_one(), Ordering::Relaxed);
                if moment == Moment::Ending {
                    server.ask_to_end();
                    let_pass(end);
                }
                server.kill();
                Vec::new()
            },
        );
        tally.checkpointed += u64::from(had_one.into_inner());
        tally.halfway += u64::from(checkpoints.is_halfway());
        for said in heard.into_iter().flatten() {
            if let Said::Acknowledged { .. } = said {
                tally.acknowledged += 1;
            }
            self.record.note(said)?;
        }
        Ok(())
    }

    /// Compares everything that the server shows with the record.
    fn compare(&mut self, server: &Server) -> Result<Outcome, String> {
        let mut shown = BTreeMap::new();
        let mut outcome = Outcome::default();
        let mut connection = Connection::open(server);
        self.keys.compare(&mut connection)?;
        for reference in self.record.references() {
            let found = read(&mut connection, &reference);
            let Outcome { done, not_done } = self.record.settle(&reference, found.as_ref())?;
            outcome.done += done;
            outcome.not_done += not_done;
            shown.extend(found.map(|found| (reference, found.customer)));
        }
        let listed = list(&mut connection);
        if listed != shown {
            let differ = listed.iter().find(|(reference, one)| shown.get(*reference) != Some(one));
            return Err(format!(
                "the list has {} customers, {} are known; the first that differs: {differ:?}",
                listed.len(),
                shown.len()
            ));
        }
        Ok(outcome)
    }

    /// Walks over everything that is kept; how many history entries there are.
    fn verify(&self) -> Result<u64, String> {
        let outcome = self.launch.manage(&["verify", "--json"]);
        if !outcome.status.success() {
            return Err(outcome.stderr);
        }
        let walked = outcome.json();
        let entries = walked["history_entries"].as_u64().unwrap();
        if walked["events"] != walked["history_entries"] {
            return Err(format!("not an event for each entry: {walked}"));
        }
        Ok(entries)
    }

    /// One round. The data is as the kill has left it, or, now and then, was opened by the command
    /// before the server is back.
    fn go_round(&mut self, moment: Moment, tally: &mut Tally) -> Result<(), String> {
        let server = self.start()?;
        if self.chance.below(4) == 0 {
            self.keys.change(&server, &mut self.chance);
        }
        self.load(server, moment, tally)?;
        *tally.kills.entry(moment).or_default() += 1;
        if moment == Moment::Ending && self.launch.data().join("patron.db-wal").exists() {
            tally.cut_short += 1;
        }
        self.cut_power();
        if moment == Moment::Starting {
            for _ in 0..=self.chance.below(3) {
                self.kill_while_it_starts();
                *tally.kills.entry(Moment::Starting).or_default() += 1;
            }
        }
        if self.chance.below(8) == 0 {
            tally.verified += self.verify()?;
            self.cut_power();
        }
        let mut server = self.start()?;
        let Outcome { done, not_done } = self.compare(&server)?;
        tally.outcome.done += done;
        tally.outcome.not_done += not_done;
        tally.compared += self.record.customers();
        let (entries, changes) = (self.verify()?, self.record.changes());
        tally.verified += entries;
        if entries != changes {
            return Err(format!("{entries} history entries of {changes} changes"));
        }
        server.kill();
        self.cut_power();
        self.round += 1;
        Ok(())
    }
}

pub(crate) fn read(connection: &mut Connection, reference: &str) -> Option<Shown> {
    let call = Call::get(format!("/customers/{reference}")).basic(SANDBOX_KEY);
    let reply = connection.send(&call);
    if reply.status == 404 {
        is_unknown_customer(&reply);
        return None;
    }
    Some(shown(&reply))
}

/// All customers by reference, and as many as the total says.
pub(crate) fn list(connection: &mut Connection) -> BTreeMap<String, Value> {
    let mut listed = BTreeMap::new();
    loop {
        let target = format!("/customers?count=100&offset={}", listed.len());
        let page = connection.send(&Call::get(target).basic(SANDBOX_KEY)).expect(200);
        let customers = page["list"].as_array().unwrap();
        let before = listed.len();
        for customer in customers {
            let reference = customer["object_reference_id"].as_str().unwrap().to_owned();
            listed.insert(reference, customer.clone());
        }
        assert_eq!(listed.len(), before + customers.len(), "nobody is listed twice");
        if customers.is_empty() {
            assert_eq!(page["total"], json!(listed.len()));
            return listed;
        }
    }
}

pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Goes so many rounds, each with one of these moments.
fn go_rounds(count: usize, moments: &[Moment], install: fn(u64) -> Installation, seed: u64) {
    let mut tally = Tally::default();
    let mut begun = 0;
    // Two at least: one without checkpoints, one with them.
    let rounds_each = ROUNDS_AN_INSTALLATION.min(count.div_ceil(2));
    for number in 0..count.div_ceil(rounds_each) {
        let mut installation = install(seed + u64::try_from(begun).unwrap());
        if number % 2 == 1 {
            installation = installation.with_checkpoints(few_pages(number / 2));
        }
        // Founding is a start like any other.
        if moments.contains(&Moment::Starting) {
            for _ in 0..installation.chance.below(4) {
                installation.kill_while_it_starts();
                *tally.kills.entry(Moment::Starting).or_default() += 1;
            }
        }
        for _ in 0..rounds_each.min(count - begun) {
            let moment = installation.chance.pick(moments);
            begun += 1;
            if let Err(problem) = installation.go_round(moment, &mut tally) {
                let Installation { seed, round, .. } = installation;
                panic!("killed {moment:?} in round {round} of seed {seed}: {problem}");
            }
        }
        tally.customers += installation.record.customers();
        tally.keys += installation.keys.count();
        tell(&format!("{begun} of {count} rounds (seed {seed}): {tally}"));
    }
    assert!(tally.acknowledged > 0, "nothing was acknowledged, so nothing was tried: {tally}");
    assert!(tally.outcome.not_done > 0, "no change was interrupted: {tally}");
    assert!(tally.checkpointed > 0, "there was no checkpoint: {tally}");
    if moments == [Moment::Ending] {
        assert!(tally.cut_short > 0, "no ending was cut short: {tally}");
    }
}

#[test]
fn killed_while_it_works() {
    go_rounds(rounds(15, 300), &[Moment::Working], Installation::new, 1_000_000);
}

#[test]
fn killed_while_it_starts() {
    go_rounds(rounds(10, 200), &[Moment::Starting], Installation::new, 2_000_000);
}

#[test]
fn killed_while_it_ends() {
    go_rounds(rounds(10, 200), &[Moment::Ending], Installation::new, 3_000_000);
}

#[test]
fn killed_at_any_of_these_moments() {
    go_rounds(rounds(15, 300), &MOMENTS, Installation::new, 4_000_000);
}

#[test]
fn without_power_at_any_of_these_moments() {
    go_rounds(rounds(10, 200), &MOMENTS, Installation::on_power, 6_000_000);
}

#[test]
fn data_that_is_set_back_is_noticed() {
    let mut installation = Installation::new(5_000_000);
    let mut tally = Tally::default();
    installation.go_round(Moment::Ending, &mut tally).unwrap();
    let data = installation.launch.data();
    let (database, copy) = (data.join("patron.db"), data.join("copy.db"));
    let mut server = installation.launch.start();
    assert!(server.terminate().success());
    fs::copy(&database, &copy).unwrap();
    // The second turn creates a customer that no earlier round has.
    let mut server = installation.launch.start();
    let mut writer = Writer::new(0, 1, 5_000_000, &installation.record);
    let said = writer.write_once(1, &mut Connection::open(&server));
    installation.record.note(said).unwrap();
    assert!(server.terminate().success());
    fs::copy(&copy, &database).unwrap();
    let server = installation.launch.start();
    let problem = installation.compare(&server).unwrap_err();
    assert!(problem.contains("lost"), "{problem}");
}
