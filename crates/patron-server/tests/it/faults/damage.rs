//! A database file that is damaged by chance on each kind of page, while nobody has it open and
//! underneath a server that runs: the program does not start, or refuses, or answers right; or, as an
//! exception underneath a server, does not find somebody, and `patron doctor` says why.

use std::collections::{BTreeMap, BTreeSet};

use patron_testkit::chance::Chance;
use patron_testkit::effort::rounds;
use patron_testkit::http::Call;
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};

use super::ledger::ask;
use super::pages::{DAMAGES, Damage, Page, damage, pages};
use super::sentence;
use super::survey::{Installation, Survey};

/// Enough that the larger tables and indexes have inner pages.
const CUSTOMERS: usize = 200;

/// What came of a number of damages.
#[derive(Debug, Default, Clone)]
struct Tally {
    not_started: usize,
    refused: usize,
    unharmed: usize,
    /// It ended while it was asked, and said so.
    left: usize,
    /// Some of the customers were said not to be there.
    not_found: usize,
}

impl Tally {
    fn note(&mut self, survey: &Survey) {
        if survey.not_found > 0 {
            self.not_found += 1;
        } else if survey.unanswered > 0 {
            self.left += 1;
        } else if survey.refused > 0 {
            self.refused += 1;
        } else {
            self.unharmed += 1;
        }
    }
}

/// What came of it, for each kind of page.
#[derive(Debug, Default)]
struct Report(BTreeMap<String, Tally>);

impl Report {
    fn of(&mut self, page: &Page) -> &mut Tally {
        self.0.entry(page.of.clone()).or_default()
    }

    #[expect(clippy::print_stdout, reason = "what came of it is what a long run is for")]
    fn total(&self) -> Tally {
        let mut total = Tally::default();
        for (of, tally) in &self.0 {
            println!("{of}: {tally:?}");
            total.not_started += tally.not_started;
            total.refused += tally.refused;
            total.unharmed += tally.unharmed;
            total.left += tally.left;
            total.not_found += tally.not_found;
        }
        println!("in all: {total:?}");
        total
    }
}

/// A page of the next kind: all kinds take turns, however few pages there are of one.
fn pick<'a>(pages: &'a [Page], round: usize, chance: &mut Chance) -> &'a Page {
    let kinds: BTreeSet<&str> = pages.iter().map(|page| page.of.as_str()).collect();
    let kind = kinds.iter().nth(round % kinds.len()).unwrap();
    let of_kind: Vec<_> = pages.iter().filter(|page| page.of == *kind).collect();
    chance.pick(&of_kind)
}

/// It still answers, or has ended with a sentence: a connection that is dropped is excused by
/// nothing else.
fn goes_on_or_has_ended(server: &mut Server, survey: &Survey) {
    if survey.unanswered > 0 {
        assert_eq!(server.wait().code(), Some(1), "{survey:?}");
        assert!(server.stderr().contains("start it again"), "{}", server.stderr());
    } else {
        assert_eq!(Call::get("/healthz").send(&*server).status, 200);
    }
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

/// The command for it, on the same files.
fn doctor_sees_it(launch: &Launch, story: &str) {
    let doctor = launch.manage(&["doctor"]);
    assert!(!doctor.status.success(), "{story}: {doctor:?}");
    assert!(doctor.stdout.contains("problem"), "{story}: {doctor:?}");
    assert!(doctor.stdout.contains("damaged"), "{story}: {doctor:?}");
}

#[test]
fn a_damaged_page_is_refused_at_the_start_or_answered_right() {
    let installation = Installation::of(CUSTOMERS);
    let pages = pages(&installation.template);
    let mut chance = Chance::new(5);
    let mut report = Report::default();
    for round in 0..rounds(60, 1_000) {
        let page = pick(&pages, round, &mut chance);
        let how = chance.pick(&DAMAGES);
        installation.reset();
        damage(&installation.file(), page, how, &mut chance);
        match installation.launch.try_start() {
            Err(outcome) => {
                sentence(&installation.launch, &outcome);
                report.of(page).not_started += 1;
            }
            Ok(mut server) => {
                let survey = installation.survey(&server);
                assert_eq!(survey.not_found, 0, "{how:?} of {}", page.of);
                goes_on_or_has_ended(&mut server, &survey);
                report.of(page).note(&survey);
            }
        }
    }
    let total = report.total();
    assert!(total.not_started > 0 && total.unharmed > 0, "{total:?}");
    installation.reset();
    let survey = installation.survey(&installation.launch.start());
    let wrong = (survey.refused, survey.not_found, survey.unanswered);
    assert_eq!(wrong, (0, 0, 0), "the original is whole");
}

#[test]
fn a_page_that_is_damaged_underneath_a_server_is_refused_or_answered_right() {
    let installation = Installation::of(CUSTOMERS);
    let pages = pages(&installation.template);
    let mut chance = Chance::new(6);
    let mut report = Report::default();
    let stories = rounds(50, 1_000);
    for round in 0..stories {
        let page = pick(&pages, round, &mut chance);
        let how = chance.pick(&DAMAGES);
        let survey = damaged_underneath(&installation, page, how, &mut chance);
        report.of(page).note(&survey);
    }
    let total = report.total();
    assert!(total.refused > 0 && total.unharmed > 0, "{total:?}");
}

/// Damages a page while a server runs, which then is asked for everything. Not every damage of an index
/// shows to who looks for one customer (docs/adr/0014), but then it does to `patron doctor`.
fn damaged_underneath(
    installation: &Installation,
    page: &Page,
    how: Damage,
    chance: &mut Chance,
) -> Survey {
    installation.reset();
    let mut server = installation.launch.start();
    damage(&installation.file(), page, how, chance);
    // A commit, after which nothing is taken from memory that was read before.
    let commit = Call::get("/customers/r0?options.get_client_auth_token=true");
    ask(server.address(), &commit.basic(SANDBOX_KEY));
    let survey = installation.survey(&server);
    goes_on_or_has_ended(&mut server, &survey);
    if survey.not_found > 0 {
        let story = format!("{how:?} of {} ({survey:?})", page.of);
        doctor_sees_it(&installation.launch, &story);
        server.kill();
        doctor_sees_it(&installation.launch, &story);
    }
    survey
}

/// The exception itself: an index that lacks an entry and is in order.
#[test]
fn an_entry_that_an_index_lost_underneath_a_server_is_found_by_doctor() {
    let installation = Installation::of(CUSTOMERS);
    let mut chance = Chance::new(1);
    let mut not_found = 0;
    for index in ["customer_id leaf", "customer_reference leaf"] {
        for page in pages(&installation.template).iter().filter(|page| page.of == index) {
            let survey = damaged_underneath(&installation, page, Damage::LastEntry, &mut chance);
            assert!(survey.not_found + survey.refused > 0, "{index}: {survey:?}");
            not_found += survey.not_found;
        }
    }
    assert!(not_found > 0, "it is no exception any more: say so in docs/adr/0014");
}
