//! The README's table of routes: there is a line for each route of each wire, and each line works as it stands.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use patron_testkit::server::Outcome;

use crate::endpoints::{gaps, offered};
use crate::operators::told;
use crate::stage::{create_key, launch};

/// A row of a table of routes.
struct Row {
    method: String,
    template: String,
    command: String,
}

fn readme() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap()
}

/// The rows that hold a route and a command, in their order.
fn rows(readme: &str) -> Vec<Row> {
    let row = |line: &str| {
        let (route, rest) = line.strip_prefix("| `")?.split_once("` | `")?;
        let (method, path) = route.split_once(' ')?;
        let (command, _) = rest.split_once('`')?;
        let template = path.replacen('…', "/admin/v1/merchants/{merchant}", 1);
        let is_command = command.starts_with("curl ");
        is_command.then(|| Row { method: method.to_owned(), template, command: command.to_owned() })
    };
    readme.lines().filter_map(row).collect()
}

#[test]
fn the_table_of_routes_has_a_line_for_each() {
    let readme = readme();
    let rows = rows(&readme);
    let named = rows.iter().map(|row| (row.method.as_str(), row.template.as_str()));
    assert_eq!(gaps(&offered(), named), Vec::<String>::new());
    let routes: BTreeSet<_> = rows.iter().map(|row| (&row.method, &row.template)).collect();
    assert_eq!(routes.len(), rows.len(), "a route stands there twice");
}

/// One after the other, in one shell, as somebody who reads it types them. Only the lines that come later in the file
/// than the operator's, and need one, wait for it.
#[test]
fn each_line_of_the_table_works() {
    let server = launch().start();
    let (admin, _) = create_key(
        &server,
        "testaccount",
        &["--scopes", "customers:read,customers:write,customers:erase,admin"],
    );
    let owner = ["operator", "create", "--deployment", "--role", "owner"];
    let owner = [&owner[..], &["--email", "owner@example.com", "--name", "Owner"]].concat();
    told(server.launch(), &[&owner[..], &["--password-stdin"]].concat(), "correct horse battery\n")
        .ok();
    let address = format!("http://{}", server.address());
    let mut script =
        String::from("set -eu\ncurl() { command curl -sS --fail-with-body \"$@\"; }\n");
    let readme = readme();
    let session = readme.lines().find_map(|line| line.strip_prefix("$ export S=")).unwrap();
    write!(
        script,
        "P={address} M={address}/admin/v1/merchants/testaccount KEY={} ADMIN={admin}\n\
         curl -u $KEY: $P/customers -d object_reference_id=customer@gmail.com -d mobile_number=99887766 -d first_name=Jon\n\
         curl -u $KEY: $P/v2/customers/other@gmail.com -X POST\nS={session}\n",
        server.key()
    )
    .unwrap();
    let (logins, others): (Vec<_>, Vec<_>) =
        rows(&readme).into_iter().partition(|row| row.template == "/ipg/2.0.0/auth/login");
    for row in others.iter().chain(&logins) {
        writeln!(
            script,
            "{} || {{ echo \"$_ fails\"; echo '{}'; exit 1; }}",
            row.command, row.template
        )
        .unwrap();
    }
    let outcome = Outcome::of(Command::new("sh").args(["-c", &script]));
    outcome.ok();
}
