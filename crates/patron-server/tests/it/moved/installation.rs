//! An installation that is built once, and copied for each move: customers of two merchants, and what
//! each of them answers.

use std::collections::BTreeMap;

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::{Launch, SANDBOX_KEY, Server};
use serde_json::{Value, json};

use crate::data::{self, Data, field};
use crate::errors::{is_denied, is_unknown_customer};
use crate::stage::{create_merchant, launch, text};

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The answer of always.
    Exact,
    /// The answer that was right before the last update.
    Stale,
    /// A list that lacks some, and is exact otherwise.
    Short,
    /// 500, in the vendor's words.
    Fault,
    /// 404, as if there were no such customer.
    Gone,
    /// 401.
    Denied,
    /// Another customer's data. No question of this file may ever find that unless a row says so.
    Alien,
}

/// A customer, and what it answers.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) merchant: i64,
    pub(super) number: i64,
    pub(super) key: String,
    pub(super) id: String,
    pub(super) reference: String,
    token: String,
    before: Value,
    now: Value,
}

/// Everything that is asked, and what became of it.
pub(super) type Seen = BTreeMap<String, State>;

pub(super) struct Installation {
    launch: Launch,
    /// The data as they were before the updates.
    before: Launch,
    customers: Vec<Known>,
    copies: std::cell::Cell<u32>,
}

impl Installation {
    /// `a1`, `a2` and `a3` of one merchant, `b1` and `b2` of another. The first of each and `a2`
    /// were updated, and there is a copy from before that.
    pub(super) fn found() -> Self {
        let launch = launch().with("--token-uses").with("1000");
        let mut server = launch.start();
        let other = create_merchant(&server, "other", &[]);
        let mut customers = Vec::new();
        for (name, key) in [
            ("a1", SANDBOX_KEY),
            ("a2", SANDBOX_KEY),
            ("b1", other.as_str()),
            ("a3", SANDBOX_KEY),
            ("b2", other.as_str()),
        ] {
            customers.push(create(&server, name, key));
            // So that no two are created in the same millisecond.
            server.restart();
        }
        assert!(server.terminate().success());
        let before = data::copy(&launch, "before");
        for (name, update) in [
            ("a1", "first_name=Changed&email_address=a1-changed@example.com&mobile_number=11"),
            ("a2", "last_name=Changed&email_address=a2-changed@example.com"),
            ("b1", "mobile_number=22"),
        ] {
            let server = launch.start();
            let known = customers.iter_mut().find(|known| known.name == name).unwrap();
            let call = Call::post(format!("/customers/{}", known.id)).basic(&known.key);
            known.now = call.form(update).send(&server).expect(200);
        }
        drop(server);
        assert!(launch.start().terminate().success());
        Self { launch, before, customers, copies: std::cell::Cell::new(0) }
    }

    pub(super) fn customer(&self, name: &str) -> &Known {
        self.customers.iter().find(|known| known.name == name).unwrap()
    }

    /// The data as they were before the updates.
    pub(super) const fn before(&self) -> &Launch {
        &self.before
    }

    /// A copy of the data, for one move.
    pub(super) fn copy(&self) -> Launch {
        self.copies.set(self.copies.get() + 1);
        data::copy(&self.launch, &format!("copy-{}", self.copies.get()))
    }

    /// What is answered when nothing was moved.
    pub(super) fn unharmed(&self) -> Seen {
        let names = self.customers.iter().map(|known| known.name);
        let questions = names.flat_map(|name| WAYS.map(|way| format!("{name} {way}")));
        let lists = ["a", "b"].map(|merchant| format!("list {merchant}"));
        questions.chain(lists).map(|question| (question, State::Exact)).collect()
    }

    /// Asks the program for everybody in every way.
    pub(super) fn ask(&self, server: &Server) -> Seen {
        let mut seen = Seen::new();
        for known in &self.customers {
            for way in WAYS {
                let state = self.classify(known, &known.find(way).send(server));
                seen.insert(format!("{} {way}", known.name), state);
            }
        }
        for merchant in ["a", "b"] {
            seen.insert(format!("list {merchant}"), self.list(server, merchant));
        }
        seen
    }

    fn classify(&self, known: &Known, reply: &Reply) -> State {
        match reply.status {
            200 => self.whose(known, &reply.json()),
            401 => {
                is_denied(reply);
                State::Denied
            }
            404 => {
                is_unknown_customer(reply);
                State::Gone
            }
            _ => {
                is_our_fault(reply);
                State::Fault
            }
        }
    }

    fn whose(&self, known: &Known, body: &Value) -> State {
        if *body == known.now {
            return State::Exact;
        }
        if *body == known.before {
            return State::Stale;
        }
        // Values that nobody ever had would be the worst.
        let is_others = self.customers.iter().any(|other| *body == other.now);
        assert!(is_others, "{}: an altered answer: {body}", known.name);
        State::Alien
    }

    fn list(&self, server: &Server, merchant: &str) -> State {
        let own: Vec<&Known> =
            self.customers.iter().filter(|known| known.name.starts_with(merchant)).collect();
        let reply = Call::get("/customers?count=100").basic(&own[0].key).send(server);
        if reply.status != 200 {
            return self.classify(own[0], &reply);
        }
        let list = reply.json()["list"].as_array().unwrap().clone();
        let states: Vec<State> = list
            .iter()
            .map(|body| {
                let known = own.iter().find(|known| body["id"] == known.id.as_str());
                known.map_or(State::Alien, |known| self.whose(known, body))
            })
            .collect();
        let worst = [State::Alien, State::Stale].into_iter().find(|state| states.contains(state));
        worst.unwrap_or(if list.len() < own.len() { State::Short } else { State::Exact })
    }

    /// Updates everybody. What cannot be read is not written over either.
    pub(super) fn update(&self, server: &Server, seen: &Seen, what: &str) {
        for known in &self.customers {
            let state = seen[&format!("{} by id", known.name)];
            let call = Call::post(format!("/customers/{}", known.id)).basic(&known.key);
            let reply = call.form("first_name=Overwritten").send(server);
            match state {
                State::Exact => assert_eq!(reply.status, 200, "{what}: {}", known.name),
                // Its entry of the history is there already: the store finds that rows do not fit.
                State::Stale | State::Fault => is_our_fault(&reply),
                State::Gone => is_unknown_customer(&reply),
                State::Denied => is_denied(&reply),
                State::Short | State::Alien => panic!("{what}: {} is {state:?}", known.name),
            }
            if seen[&format!("{} by reference", known.name)] == State::Fault {
                let target = format!("/v2/customers/{}", known.reference);
                is_our_fault(&Call::post(target).basic(&known.key).form("").send(server));
            }
        }
    }
}

/// The ways to ask for a customer.
const WAYS: [&str; 3] = ["by id", "by reference", "by token"];

impl Known {
    fn find(&self, way: &str) -> Call {
        match way {
            "by id" => Call::get(format!("/customers/{}", self.id)).basic(&self.key),
            "by reference" => Call::get(format!("/customers/{}", self.reference)).basic(&self.key),
            _ => Call::get(format!("/customers/{}", self.id)).bearer(&self.token),
        }
    }
}

fn create(server: &Server, name: &'static str, key: &str) -> Known {
    let reference = format!("{name}@example.com");
    let form = format!(
        "object_reference_id={reference}&mobile_number=4799{name}&email_address={name}@mail.example\
         &first_name=First{name}&last_name=Last{name}&options.get_client_auth_token=true"
    );
    // Digits only, and each customer its own.
    let number = u32::from_str_radix(name, 16).unwrap().to_string();
    let form = form.replace(&format!("4799{name}"), &format!("4799{number}"));
    let mut body = Call::post("/customers").basic(key).form(form).send(server).expect(200);
    let issued = body.as_object_mut().unwrap().remove("juspay").unwrap();
    let newest = "SELECT merchant, number FROM customer ORDER BY created_ms DESC LIMIT 1";
    let newest = Data::of(server.launch()).rows(newest).remove(0);
    let [merchant, number] = ["merchant", "number"].map(|column| field(&newest, column).integer());
    Known {
        name,
        merchant,
        number,
        key: key.to_owned(),
        id: text(&body, "id").to_owned(),
        reference,
        token: text(&issued, "client_auth_token").to_owned(),
        before: body.clone(),
        now: body,
    }
}

/// The 500 of the contract.
#[track_caller]
pub(super) fn is_our_fault(reply: &Reply) {
    let body = reply.expect(500);
    let words = |key: &str| body[key].clone();
    assert_eq!(words("status"), "INTERNAL_ERROR");
    assert_eq!(words("error_code"), "INTERNAL_ERROR");
    assert_eq!(words("error_message"), "Internal error. Please try again.");
    let expected = json!({
        "user_message": "Internal error. Please try again.",
        "request_id": reply.header("x-request-id").unwrap(),
        "href": "NA",
        "developer_message": "Internal error. Please try again.",
        "code": "INTERNAL_ERROR",
        "category": "SERVER_ERROR",
    });
    assert_eq!(words("error_info"), expected);
}
