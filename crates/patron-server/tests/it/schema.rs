//! The OpenAPI documents: they are the ones that are checked in, they are sound, and a fuzzer that follows them finds
//! nothing that they do not say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patron_testkit::effort::rounds;
use patron_testkit::http::Call;
use patron_testkit::server::{Outcome, Server};
use serde_json::{Value, json};

use crate::stage::{create, create_key, create_merchant, launch, server, text};

/// The wires that have documents.
const WIRES: [&str; 4] = ["admin", "cyrexa", "docs", "juspay"];

/// What is held against each answer. What one caller may see of another's is told in `authorization`.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,negative_data_rejection,\
    positive_data_acceptance,unsupported_method,allow_header_conformance,ignored_auth,\
    use_after_free,ensure_resource_availability,missing_required_header";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program of those that `./test` installs.
fn tool(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let program = target.join("schemathesis-venv/bin").join(name);
    assert!(program.exists(), "{}: run ./test, which installs it", program.display());
    program
}

/// A wire's document, as the program serves it.
fn document(server: &Server, wire: &str) -> String {
    let reply = Call::get(format!("/openapi/{wire}.json")).send(server);
    assert_eq!(reply.status, 200, "{wire}: {}", reply.text());
    reply.text().to_owned()
}

#[test]
fn the_documents_that_are_checked_in_are_those_of_the_program() {
    let server = server();
    let kept = root().join("docs/openapi");
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi");
    fs::create_dir_all(&made).unwrap();
    let mut differing = Vec::new();
    for wire in WIRES {
        let document = document(&server, wire);
        let name = format!("{wire}.json");
        fs::write(made.join(&name), &document).unwrap();
        if fs::read_to_string(kept.join(&name)).ok().as_ref() != Some(&document) {
            differing.push(name);
        }
    }
    let (from, to) = (made.canonicalize().unwrap(), kept.display());
    assert!(
        differing.is_empty(),
        "{differing:?} say something else than the program. Renew them and read what changed:\n\
         cp {}/*.json {to}/",
        from.display(),
    );
    let names = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
    assert_eq!(names, WIRES.map(|wire| format!("{wire}.json")).into(), "files in {to}");
}

#[test]
fn every_wire_that_is_there_has_a_document() {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let names = crates.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let wires: BTreeSet<String> =
        names.filter_map(|name| Some(name.strip_prefix("patron-wire-")?.to_owned())).collect();
    let documented = WIRES.map(str::to_owned).into_iter().filter(|wire| wire != "docs");
    assert_eq!(wires, documented.collect());
}

#[test]
fn the_documents_are_sound() {
    for wire in WIRES {
        let document = root().join(format!("docs/openapi/{wire}.json"));
        let mut validator = Command::new(tool("openapi-spec-validator"));
        Outcome::of(validator.args(["--schema", "3.1"]).arg(document)).ok();
    }
}

/// Every example that a document gives meets the schema beside it.
#[test]
fn the_examples_meet_their_schemas() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis/examples.py");
    for wire in WIRES {
        let document = root().join(format!("docs/openapi/{wire}.json"));
        let counted = Outcome::of(Command::new(tool("python")).arg(&script).arg(document));
        let count: usize = counted.ok().trim().parse().unwrap();
        assert!(count > 20 || wire == "docs", "{wire}: only {count} examples");
    }
}

/// A server with an owner of the deployment and a merchant to be fuzzed.
struct Stage {
    server: Server,
    /// The owner's session.
    session: String,
    /// A key that may do everything.
    key: String,
}

impl Stage {
    fn new() -> Self {
        let server = launch().with("--token-uses").with("1000000").start();
        let fuzzed = create_merchant(&server, "fuzzed", &[]);
        // The numbers of these stand in the fuzzer's configuration.
        for number in 1..=3 {
            let form = format!("object_reference_id=r{number}&mobile_number=1");
            Call::post("/customers").basic(&fuzzed).form(form).send(&server).expect(200);
        }
        let scopes = "customers:read,customers:write,customers:erase,admin";
        let (key, _) = create_key(&server, "testaccount", &["--scopes", scopes]);
        let deployment = ["--deployment"];
        let merchant = ["--merchant", "testaccount"];
        // Two of these sign in as the documents' examples do.
        for (number, email, whose) in [
            (1, "owner@example.com", &deployment[..]),
            (2, "other@example.com", &deployment),
            (3, "operator@example.com", &merchant),
        ] {
            assert_eq!(operator(&server, email, whose)["number"], number);
        }
        let login = json!({"email": "owner@example.com", "password": PASSWORD}).to_string();
        let login = Call::post("/admin/v1/login").json(login).send(&server).expect(200);
        Self { session: text(&login, "token").to_owned(), key, server }
    }

    /// Lets the fuzzer loose on the operations of a document, as the configuration of this name says, and returns
    /// what it reports.
    fn fuzz(&self, wire: &str, configuration: &str, arguments: &[&str]) -> Value {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis");
        let directory = self.server.launch().directory();
        let file = directory.join(format!("{wire}.json"));
        fs::write(&file, document(&self.server, wire)).unwrap();
        let report = directory.join("report.json");
        let examples = rounds(12, 1_000).to_string();
        let mut command = Command::new(tool("st"));
        command
            .arg("--config-file")
            .arg(tests.join(format!("{configuration}.toml")))
            .args(["run", "--no-color", "--continue-on-failure", "--checks", CHECKS])
            .args(["--url", &format!("http://{}", self.server.address())])
            .args(["--max-examples", &examples, "--report-json-path"])
            .arg(&report)
            .args(arguments)
            .arg(file)
            .env("SCHEMATHESIS_HOOKS", tests.join("hooks.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(directory);
        let outcome = Outcome::of(&mut command);
        assert!(outcome.status.success(), "{}{}", outcome.stdout, outcome.stderr);
        let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
        assert_eq!(report["complete"], true, "{report:#}");
        assert_eq!(report["operations"]["tested"], report["operations"]["selected"], "{report:#}");
        report
    }
}

const PASSWORD: &str = "correct horse battery staple";

/// Makes an owner.
fn operator(server: &Server, email: &str, whose: &[&str]) -> Value {
    let words = ["operator", "create", "--role", "owner", "--email", email];
    let more = ["--name", "Owner", "--password-stdin", "--json"];
    server.manage_with(&[&words, whose, &more].concat(), &format!("{PASSWORD}\n")).json()
}

/// Checks that there were so many operations, and that each was reached but for these: what is always refused tells
/// nothing about what is answered otherwise.
fn has_reached(report: &Value, operations: u64, all_but: &[&str]) {
    assert_eq!(report["operations"]["tested"], operations, "{report:#}");
    let rates = report["valid_rates"].as_object().unwrap();
    let accepted = |phases: &Value| {
        let phases = phases.as_object().unwrap().values();
        phases.map(|phase| phase["accepted"].as_u64().unwrap()).sum::<u64>()
    };
    let reached = rates.iter().filter(|(_, phases)| accepted(phases) > 0);
    let reached: BTreeSet<&str> = reached.map(|(operation, _)| operation.as_str()).collect();
    let missed: Vec<_> =
        rates.keys().map(String::as_str).filter(|name| !reached.contains(name)).collect();
    assert_eq!(missed, all_but, "{report:#}");
    assert_eq!(u64::try_from(rates.len()).unwrap(), operations, "{report:#}");
}

#[test]
fn what_juspays_document_says_is_what_is_answered() {
    let stage = Stage::new();
    has_reached(&stage.fuzz("juspay", "juspay", &["--auth", &format!("{}:", stage.key)]), 6, &[]);
}

#[test]
fn what_juspays_document_says_is_what_a_customers_own_device_is_answered() {
    let stage = Stage::new();
    let form = "object_reference_id=device&mobile_number=1&options.get_client_auth_token=true";
    let customer = create(&stage.server, form);
    let token = text(&customer["juspay"], "client_auth_token");
    let credential = format!("Authorization: Bearer {token}");
    let mut arguments = vec!["--header", &credential];
    for operation in ["findCustomer", "updateCustomer"] {
        arguments.extend(["--include-operation-id", operation]);
    }
    has_reached(&stage.fuzz("juspay", "device", &arguments), 2, &[]);
}

#[test]
fn what_cyrexas_document_says_is_what_is_answered() {
    let stage = Stage::new();
    has_reached(
        &stage.fuzz("cyrexa", "cyrexa", &["--header", &format!("X-API-Key: {}", stage.key)]),
        8,
        &[],
    );
}

#[test]
fn what_our_own_document_says_is_what_is_answered() {
    let stage = Stage::new();
    let credential = format!("Authorization: Bearer {}", stage.session);
    has_reached(&stage.fuzz("admin", "admin", &["--header", &credential]), 30, &[]);
}

#[test]
fn what_the_documentations_document_says_is_what_is_answered() {
    let report = Stage::new().fuzz("docs", "docs", &[]);
    // Types of problems are looked up in `documentation`.
    has_reached(&report, 10, &["GET /docs/errors/{type}", "HEAD /docs/errors/{type}"]);
}
