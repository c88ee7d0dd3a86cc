//! Everything that can be asked for over HTTP, so that a table of tests that leaves something out fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use patron_testkit::http::Call;

use crate::errors::is_refused;
use crate::stage::server;

/// The program's own list of its own paths, which is part of no library.
#[path = "../../src/own_paths.rs"]
mod own_paths;

pub(crate) use own_paths::OwnPath;

/// A method and the template of a path, such as `GET /customers/{id}`.
pub(crate) type Endpoint = (String, String);

/// What each wire offers, by the name of its crate.
pub(crate) fn wires() -> [(&'static str, Vec<Endpoint>); 3] {
    let owned = |(method, path): (http::Method, &str)| (method.to_string(), path.to_owned());
    [
        ("patron-wire-admin", patron_wire_admin::endpoints().map(owned).collect()),
        ("patron-wire-cyrexa", patron_wire_cyrexa::endpoints().map(owned).collect()),
        ("patron-wire-juspay", patron_wire_juspay::endpoints().map(owned).collect()),
    ]
}

/// What the documentation offers, to everybody: see `documentation`.
pub(crate) fn documentation() -> Vec<Endpoint> {
    let owned = |(method, path): (http::Method, &str)| (method.to_string(), path.to_owned());
    patron_docs::endpoints().map(owned).collect()
}

/// What all wires offer that answer for customers.
pub(crate) fn offered() -> BTreeSet<Endpoint> {
    wires().into_iter().flat_map(|(_, endpoints)| endpoints).collect()
}

/// What is wrong with a table that should have a row for each endpoint.
pub(crate) fn gaps<'a>(
    offered: &BTreeSet<Endpoint>,
    rows: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<String> {
    let rows: BTreeSet<Endpoint> = rows
        .into_iter()
        .map(|(method, template)| (method.to_owned(), template.to_owned()))
        .collect();
    let without =
        offered.difference(&rows).map(|(method, path)| format!("{method} {path}: no row"));
    let beyond = rows.difference(offered).map(|(method, path)| format!("{method} {path}: unknown"));
    without.chain(beyond).collect()
}

#[test]
fn a_table_without_a_row_for_an_endpoint_is_refused() {
    let mut offered = offered();
    let owned: Vec<Endpoint> = offered.iter().cloned().collect();
    let rows = || owned.iter().map(|(method, path)| (method.as_str(), path.as_str()));
    assert_eq!(gaps(&offered, rows()), Vec::<String>::new());
    offered.insert(("PATCH".to_owned(), "/customers/{id}".to_owned()));
    assert_eq!(gaps(&offered, rows()), ["PATCH /customers/{id}: no row"]);
    let more = rows().chain([("PUT", "/nowhere"), ("PATCH", "/customers/{id}")]);
    assert_eq!(gaps(&offered, more), ["PUT /nowhere: unknown"]);
}

#[test]
fn every_wire_is_in_the_list() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let names = fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().file_name());
    let built: BTreeSet<String> = names
        .map(|name| name.into_string().unwrap())
        .filter(|name| name.starts_with("patron-wire-"))
        .collect();
    assert_eq!(built, wires().map(|(name, _)| name.to_owned()).into());
}

/// The server itself, asked: each path answers the methods of the list and no other.
#[test]
fn the_program_answers_what_is_in_the_list_and_nothing_else() {
    let server = server();
    let offered: BTreeSet<Endpoint> = offered().into_iter().chain(documentation()).collect();
    let paths: BTreeSet<&String> = offered.iter().map(|(_, path)| path).collect();
    for path in paths {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "LIST"]
        {
            let mut call = Call::new(method, path.replace(['{', '}'], "x")).basic(server.key());
            if method != "GET" {
                call = call.bytes("");
            }
            let reply = call.send(&server);
            let is_offered = offered.contains(&(method.to_owned(), path.clone()));
            assert_eq!(reply.status != 405, is_offered, "{method} {path}: {}", reply.text());
        }
    }
    for own in OwnPath::ALL {
        assert_eq!(OwnPath::find(own.text()), Some(own));
        for method in ["GET", "HEAD"] {
            assert_eq!(Call::new(method, own.text()).send(&server).status, 200, "{own:?}");
        }
        for method in ["POST", "PUT", "DELETE"] {
            let reply = Call::new(method, own.text()).basic(server.key()).bytes("").send(&server);
            is_refused(&reply, 404, "endpoint_not_found");
        }
    }
}
