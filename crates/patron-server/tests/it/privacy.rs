//! Personal values appear in answers to their owner and nowhere else: not in logs, metrics, errors,
//! answers to others, or any byte of the data directory, in no encoding and under no digest.

mod admin;
mod cyrexa;
mod people;
mod places;
mod search;
mod stories;

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock};

use patron_testkit::effort::rounds;
use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::{Launch, Server};
use patron_testkit::together::together;
use patron_testkit::wait::soon;
use patron_wire_juspay::errors::Refusal;
use patron_wire_juspay::fields::FieldName;
use serde_json::Value;

use self::places::{Place, alive, kept, left_behind, log_everything};
use self::search::Needles;
use self::stories::{
    PROFILE, REQUEST_ID, Story, World, all_canaries, canaries, nowhere, successes,
};
use crate::data::Data;
use crate::endpoints::{gaps, offered};
use crate::stage::{create, create_key, create_merchant, launch, text};

/// A row of the contract's table of errors: its status and the vendor's code.
type Row = (u16, String);

/// Which row a refusal is. `None` where nothing can provoke it yet. A new one does not compile without.
const fn row_of(refusal: &Refusal) -> Option<(u16, &'static str)> {
    match refusal {
        Refusal::AlreadyExists => Some((400, "unique")),
        Refusal::Wrong(_) | Refusal::Malformed => Some((400, "Invalid Request")),
        Refusal::Missing(_) => Some((400, "Mandatory fields are missing")),
        Refusal::CustomerNotFound => Some((404, "object_not_found")),
        Refusal::Unauthenticated => Some((401, "access_denied")),
        Refusal::BadOrigin => Some((403, "BAD_ORIGIN")),
        Refusal::Forbidden => Some((403, "forbidden")),
        Refusal::FromAnotherSite => Some((403, "cross_site_request")),
        Refusal::EndpointNotFound => Some((404, "endpoint_not_found")),
        Refusal::MethodNotAllowed { .. } => Some((405, "method_not_allowed")),
        Refusal::RequestTimeout => Some((408, "request_timeout")),
        Refusal::PreconditionFailed => Some((412, "precondition_failed")),
        Refusal::PayloadTooLarge => Some((413, "payload_too_large")),
        Refusal::UnsupportedMediaType => Some((415, "unsupported_media_type")),
        Refusal::Unavailable { .. } => Some((503, "INTERNAL_ERROR")),
        Refusal::Internal => Some((500, "INTERNAL_ERROR")),
        // There are no idempotency keys and no limits of rates yet.
        Refusal::IdempotencyConflict
        | Refusal::IdempotencyMismatch
        | Refusal::TooManyRequests { .. } => None,
    }
}

fn refusals() -> [Refusal; 20] {
    [
        Refusal::AlreadyExists,
        Refusal::Wrong(Vec::new()),
        Refusal::Missing(Vec::new()),
        Refusal::Malformed,
        Refusal::CustomerNotFound,
        Refusal::Unauthenticated,
        Refusal::BadOrigin,
        Refusal::Forbidden,
        Refusal::FromAnotherSite,
        Refusal::EndpointNotFound,
        Refusal::MethodNotAllowed { allow: "" },
        Refusal::RequestTimeout,
        Refusal::IdempotencyConflict,
        Refusal::PreconditionFailed,
        Refusal::PayloadTooLarge,
        Refusal::UnsupportedMediaType,
        Refusal::IdempotencyMismatch,
        Refusal::TooManyRequests { retry_after_s: 1 },
        Refusal::Unavailable { retry_after_s: 1 },
        Refusal::Internal,
    ]
}

/// A server on which stories are told, and what was heard.
struct Telling {
    launch: Launch,
    server: Server,
    world: World,
    stories: Vec<Story>,
    needles: Needles,
    rows: Mutex<BTreeSet<Row>>,
    tokens: Mutex<Vec<String>>,
    /// The customer of Cyrexa's stories.
    number: OnceLock<i64>,
}

impl Telling {
    fn start(arguments: &[&str]) -> Self {
        let launch = arguments.iter().fold(launch(), |launch, argument| launch.with(*argument));
        // Without a memory of customers, so that what is done to the file is seen.
        let launch = launch.with("--customer-cache-mib").with("0");
        // So that the end of one is seen.
        let launch = launch.with("--access-token-lifetime-s").with("1");
        log_everything(&launch);
        let server = launch.start();
        let other = create_merchant(&server, "other", &[]);
        for merchant in ["testaccount", "other"] {
            server.manage(&["merchant", "set", merchant, "--set", "juspay.names=unicode"]).ok();
        }
        let world = World {
            key: server.key().to_owned(),
            reading: create_key(&server, "testaccount", &["--scopes", "customers:read"]).0,
            writing: create_key(&server, "testaccount", &["--scopes", "customers:write"]).0,
            erasing: create_key(&server, "testaccount", &["--scopes", "customers:erase"]).0,
            others_erasing: create_key(&server, "other", &["--scopes", "customers:erase"]).0,
            other,
            fenced: create_merchant(&server, "fenced", &["--allow-ip", "203.0.113.7"]),
            id: String::new(),
        };
        let stories = successes(&world);
        let needles = all_canaries().into_iter().chain(cyrexa::all_canaries());
        let needles = Needles::of(needles.chain(admin::all_canaries()));
        Self {
            launch,
            server,
            world,
            stories,
            needles,
            rows: Mutex::default(),
            tokens: Mutex::default(),
            number: OnceLock::new(),
        }
    }

    fn story(&self, title: &str) -> &Story {
        self.stories.iter().find(|story| story.title == title).unwrap()
    }

    fn finds_nothing_in(&self, places: &[Place]) {
        for (place, bytes) in places {
            if let Some(what) = self.needles.find(bytes) {
                panic!("{what} in {place}: {:.2000}", String::from_utf8_lossy(bytes));
            }
        }
    }

    /// Looks at an answer: what the customer's owner may see is taken out of it first.
    fn hear(&self, call: &Call, reply: &Reply) {
        let mut heard = reply.clone();
        for (name, value) in &mut heard.headers {
            let is_echo = ["x-request-id", "x-response-id"].contains(&name.as_str());
            if is_echo && value == REQUEST_ID {
                value.clear();
            }
        }
        let mut body = if reply.body.is_empty() { Value::Null } else { reply.json() };
        for place in ["/error_info/request_id", "/requestId"] {
            if let Some(id) = body.pointer_mut(place) {
                assert_eq!(id, REQUEST_ID);
                *id = Value::Null;
            }
        }
        if (200..300).contains(&reply.status) {
            let issued =
                [&body["juspay"]["client_auth_token"], &body["accessToken"], &body["token"]];
            let issued = issued.into_iter().filter_map(Value::as_str).map(str::to_owned);
            self.tokens.lock().unwrap().extend(issued);
            cyrexa::take_clients(&mut body);
            admin::take_shown(&mut body);
            take_profiles(&mut body);
        }
        let shown = format!("{:?} {body}", heard.headers);
        if let Some(what) = self.needles.find(shown.as_bytes()) {
            panic!("{what} in the answer to {call:?}: {shown}");
        }
        let codes =
            [&body["error_code"], &body["error_info"]["code"], &body["code"], &body["type"]];
        let code = codes.into_iter().find_map(Value::as_str);
        if let Some(code) = code {
            self.rows.lock().unwrap().insert((reply.status, code.to_owned()));
        }
    }

    fn tell(&self, call: &Call, status: u16, code: &str) -> Reply {
        let reply = call.send(&self.server);
        self.hear(call, &reply);
        assert_eq!(reply.status, status, "{call:?}: {}", reply.text());
        assert!(reply.text().contains(code), "{code}: {call:?}: {}", reply.text());
        reply
    }

    /// Every endpoint's success, then everything that can go wrong with each.
    fn tell_all(&mut self) {
        for story in self.stories.clone() {
            let body = self.tell(&story.call(), 200, "").json();
            if self.world.id.is_empty() {
                self.world.id = text(&body, "id").to_owned();
                self.use_token(text(&body["juspay"], "client_auth_token"));
            }
        }
        for story in &self.stories {
            for (call, status, code) in story.failures(&self.world) {
                self.tell(&call, status, code);
            }
        }
        for (call, status, code) in nowhere(&self.world) {
            self.tell(&call, status, code);
        }
        self.tell_cyrexas();
        self.tell_admins();
        self.tell_too_late();
    }

    /// The customer's own device, and what it may not see.
    fn use_token(&self, token: &str) {
        let id = &self.world.id;
        let call = |target: String| Call::get(target).header("x-request-id", REQUEST_ID);
        self.tell(&call(format!("/customers/{id}")).bearer(token), 200, "");
        self.tell(&call(format!("/customers/{id}?client_auth_token={token}")), 200, "");
        let nobody = format!("/customers/canary-path%40nest.example?client_auth_token={token}");
        self.tell(&call(nobody), 404, "object_not_found");
    }

    /// Bodies that stop in the middle. They are sent to a server of their own, which does not wait for long: an
    /// ordinary request may be late as well.
    fn tell_too_late(&self) {
        let launch = self.launch.clone().with("--body-timeout-ms").with("300");
        // Only a database is shared.
        let launch = match launch.database_url() {
            Some(_) => launch,
            None => launch.with_data(self.launch.directory().join("impatient")),
        };
        let mut server = launch.start();
        let posts = self.stories.iter().filter(|story| story.method == "POST").map(Story::call);
        let late = self.cyrexas_late().into_iter().chain(self.admins_late());
        let calls: Vec<Call> = posts.chain(late).collect();
        let address = server.address();
        together(
            calls.len(),
            |_| (),
            |at, ()| {
                let call = &calls[at];
                let body = call.body();
                let mut connection = Connection::open(address);
                connection.send_head(call);
                connection.write(&body[..body.len() - 1]);
                let reply = connection.reply();
                self.hear(call, &reply);
                assert_eq!(reply.status, 408, "{}", reply.text());
            },
        );
        self.finds_nothing_in(&alive(&server));
        assert!(server.terminate().success(), "{}", server.stderr());
        self.finds_nothing_in(&left_behind(&server));
    }

    /// The store is away: somebody else holds its lock, or the database is stopped.
    fn tell_without_store(&self) {
        let writes = self.stories.iter().filter_map(Story::writing);
        let vendors = writes.chain(self.cyrexas_writing()).map(|call| (call, "INTERNAL_ERROR"));
        let own = self.admins_writing().into_iter().map(|call| (call, "unavailable"));
        let writes: Vec<(Call, &str)> = vendors.chain(own).collect();
        let tell_all = || {
            let tell = |at: usize| self.tell(&writes[at].0, 503, writes[at].1);
            together(writes.len(), |_| (), |at, ()| tell(at))
        };
        if let Some(cluster) = self.launch.cluster() {
            cluster.stop();
            tell_all();
            cluster.start();
            soon("the program has its database again", || {
                let reply = Call::get("/readyz").send(&self.server);
                (reply.status == 200).then_some(())
            });
        } else {
            let data = self.data();
            data.run("BEGIN IMMEDIATE");
            tell_all();
            data.run("ROLLBACK");
        }
    }

    /// Rows are altered, and do not open.
    fn tell_altered(&self) {
        self.data().run("UPDATE customer SET status = 1");
        // With a write of its own the program lets go of what it saw of the file before.
        create(&self.server, "object_reference_id=later&mobile_number=1");
        for story in &self.stories {
            if !story.is("POST", "/customers") {
                self.tell(&story.call(), 500, "INTERNAL_ERROR");
            }
        }
        self.tell_cyrexas_altered();
        self.tell_admins_altered();
    }

    fn data(&self) -> Data {
        Data::of(&self.launch)
    }

    /// Moves what was written last from the log of the store into its tables.
    fn checkpoint(&self) {
        match self.launch.cluster() {
            Some(cluster) => drop(cluster.psql("CHECKPOINT")),
            None => drop(self.data().rows("PRAGMA wal_checkpoint(PASSIVE)")),
        }
    }

    /// Checks that there is room in which something was once, and a log.
    fn has_history(&self) {
        if let Some(cluster) = self.launch.cluster() {
            let is_long = cluster.psql("SELECT pg_current_wal_lsn() - '0/0' > 5000000");
            assert_eq!(is_long, "t", "there is a log");
            let are_there = "SELECT pg_relation_size('client_token') > 0 AND NOT EXISTS \
                             (SELECT FROM client_token WHERE expires_ms = 1)";
            assert_eq!(cluster.psql(are_there), "t", "there are dead rows");
        } else {
            let free = "SELECT freelist_count FROM pragma_freelist_count";
            assert!(self.data().number(free) > 0, "there are free pages");
            let wal = self.launch.data().join("patron.db-wal");
            assert!(wal.metadata().unwrap().len() > 100_000, "there is a log");
        }
    }

    /// Ends the program and looks at everything that it said and left.
    fn end(mut self) -> BTreeSet<Row> {
        self.finds_nothing_in(&alive(&self.server));
        assert!(self.server.terminate().success(), "{}", self.server.stderr());
        let left = left_behind(&self.server);
        self.finds_nothing_in(&left);
        // Keys and tokens were shown to those who asked for them, and to nobody else.
        let World { key: _, reading, writing, erasing, others_erasing, other, fenced, id: _ } =
            &self.world;
        let tokens = self.tokens.lock().unwrap().clone();
        assert!(tokens.len() >= 2, "there are tokens");
        let tokens = tokens.iter().filter_map(|token| Some(token.split_once('_')?.1));
        let keys = [reading, writing, erasing, others_erasing, other, fenced].map(String::as_str);
        self.needles = Needles::of(keys.into_iter().chain(tokens));
        self.finds_nothing_in(&left);
        assert!(left.iter().any(|(_, bytes)| bytes.len() > 10_000), "there is a database");
        self.rows.into_inner().unwrap()
    }
}

/// Takes the values out of an answer that its customer's owner may see there.
fn take_profiles(body: &mut Value) {
    if let Some(list) = body["list"].as_array_mut() {
        list.iter_mut().for_each(take_profiles);
    }
    for field in PROFILE {
        if let Some(value) = body.get_mut(field.text()) {
            let is_own = value.is_null() || canaries(field).iter().any(|canary| *value == *canary);
            assert!(is_own, "{} is {value}", field.text());
            *value = Value::Null;
        }
    }
}

/// Tells everything, in a log of this level and form.
fn tell(level: &str, format: &str) {
    let mut telling = Telling::start(&["--log", level, "--log-format", format]);
    telling.tell_all();
    telling.tell_without_store();
    telling.tell_altered();
    let log = telling.server.stderr();
    assert!(log.contains("/customers/{id}"), "requests are logged");
    let seen = telling.end();
    let due = refusals();
    let due = due.iter().filter_map(row_of).map(|(status, code)| (status, code.to_owned()));
    assert_eq!(
        seen,
        due.chain(cyrexa::due()).chain(admin::due()).collect(),
        "each row of the table of errors was answered"
    );
}

#[test]
fn nobody_but_their_owner_sees_personal_values_in_traces() {
    tell("trace", "json");
    tell("trace", "human");
}

#[test]
fn nobody_but_their_owner_sees_personal_values_in_debug_logs() {
    tell("debug", "json");
    tell("debug", "human");
}

#[test]
fn nobody_but_their_owner_sees_personal_values_in_ordinary_logs() {
    tell("info", "json");
    tell("info", "human");
}

#[test]
fn every_endpoint_has_its_story() {
    let world = || String::new();
    let world = World {
        key: world(),
        reading: world(),
        writing: world(),
        erasing: world(),
        others_erasing: world(),
        other: world(),
        fenced: world(),
        id: world(),
    };
    let stories = successes(&world);
    let told = stories
        .iter()
        .map(|story| (story.method, story.path))
        .chain(cyrexa::TOLD)
        .chain(admin::told());
    assert_eq!(gaps(&offered(), told), Vec::<String>::new());
}

/// The search, where there is something to find: in the log, and in the database.
#[test]
fn a_value_that_leaked_would_be_found() {
    let mut telling = Telling::start(&["--log", "trace"]);
    telling.tell_all();
    telling.data().run("UPDATE merchant SET name = 'for Canarina'");
    let found = |places: &[Place]| {
        places.iter().filter(|(_, bytes)| telling.needles.find(bytes).is_some()).count()
    };
    assert!(found(&kept(&telling.server)) >= 1, "a value in the database is found");
    assert!(found(&alive(&telling.server)) >= 2, "and in what the control socket says");
    let mut log = telling.server.stderr();
    log.insert_str(log.len() / 2, "Q2FuYXJpbmE");
    assert_eq!(found(&[("the log".to_owned(), log.into_bytes())]), 1);
    assert_eq!(found(&[("the log".to_owned(), telling.server.stderr().into_bytes())]), 0);
}

/// Many versions of every value, tokens that come and go, and pages that are written, moved and freed.
#[test]
fn no_byte_of_the_disk_shows_what_was_there_once() {
    let telling = Telling::start(&["--job-lease-ms", "300"]);
    let mut connection = Connection::open(&telling.server);
    let mut send = |story: &Story| connection.send(&story.call()).expect(200);
    for story in &telling.stories {
        telling.tell(&story.call(), 200, "");
    }
    let (update, back) = (telling.story("update"), telling.story("update back"));
    let storm = rounds(150, 5_000);
    for round in 0..storm {
        assert_eq!(send(update)["first_name"], canaries(FieldName::FirstName)[1]);
        assert_eq!(send(back)["first_name"], canaries(FieldName::FirstName)[0]);
        let wish = telling.story("read").writing().unwrap();
        assert_eq!(wish.send(&telling.server).status, 200);
        if round == storm / 2 {
            telling.finds_nothing_in(&kept(&telling.server));
            telling.checkpoint();
        }
    }
    // They end at once, all of them, however long the storm took.
    telling.data().run("UPDATE client_token SET expires_ms = 1");
    soon("the tokens are cleared away", || {
        let left = "SELECT count(*) AS count FROM client_token WHERE expires_ms = 1";
        (telling.data().number(left) == 0).then_some(())
    });
    telling.has_history();
    telling.end();
}

#[test]
fn tokens_and_keys_are_stored_as_hashes_only() {
    let launch = launch();
    log_everything(&launch);
    let mut server = launch.start();
    let form = "object_reference_id=r&mobile_number=1&options.get_client_auth_token=true";
    let created = crate::stage::create(&server, form);
    let token = created["juspay"]["client_auth_token"].as_str().unwrap().to_owned();
    let (key, _) = crate::stage::create_key(&server, "testaccount", &[]);
    assert!(server.terminate().success());
    let hex = token.strip_prefix("tkn_").unwrap();
    for (place, bytes) in kept(&server) {
        for secret in [hex, &key, server.key()] {
            let raw: Vec<u8> = (0..secret.len() / 2)
                .map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            assert!(!bytes.windows(raw.len()).any(|window| window == raw), "{secret} in {place}");
        }
    }
}

#[test]
fn a_malicious_request_id_does_not_forge_a_log_line() {
    let mut server = launch().start();
    let id = r#"x","status":200,"forged":"yes"#;
    Call::get("/customers").header("x-request-id", id).send(&server);
    assert!(server.terminate().success());
    for line in server.stderr().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line.get("forged"), None, "{line}");
    }
}
