//! Every place in which a running program leaves bytes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use patron_testkit::http::Call;
use patron_testkit::server::Server;

use super::stories::{REQUEST_ID, SECRET_KEY};
use crate::endpoints::OwnPath;

/// A place, and what lies there.
pub(super) type Place = (String, Vec<u8>);

/// Every file below a directory.
pub(super) fn files_below(directory: &Path) -> Vec<Place> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            found.extend(files_below(&path));
        } else if kind.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// What whoever looks at the process sees, and what it has open.
fn of_the_process(server: &Server) -> Vec<Place> {
    let process = format!("/proc/{}", server.id());
    let mut places = Vec::new();
    for name in ["cmdline", "comm", "environ", "maps"] {
        let path = format!("{process}/{name}");
        places.push((path.clone(), fs::read(path).unwrap()));
    }
    for task in fs::read_dir(format!("{process}/task")).unwrap() {
        let path = task.unwrap().path().join("comm");
        places.push((path.display().to_string(), fs::read(path).unwrap_or_default()));
    }
    let data = server.launch().data().canonicalize().unwrap();
    for entry in fs::read_dir(format!("{process}/fd")).unwrap() {
        let link = entry.unwrap().path();
        let Ok(target) = fs::read_link(&link) else { continue };
        if fs::metadata(&link).is_ok_and(|found| found.is_file()) {
            // Whatever it writes, it writes there, where nobody else can look.
            assert!(target.starts_with(&data), "it has {} open", target.display());
            places.push((target.display().to_string(), fs::read(&link).unwrap()));
        }
    }
    places
}

/// What the control socket says, to commands and to nonsense.
fn of_the_control_socket(server: &Server) -> Vec<Place> {
    let mut places = Vec::new();
    for words in [
        ["merchant", "list", "--json"].as_slice(),
        &["merchant", "show", "testaccount"],
        &["key", "list", "testaccount", "--json"],
        &["doctor"],
        &["merchant", "show", "canary-unknown-value"],
        &["key", "revoke", "testaccount", "77"],
    ] {
        let outcome = server.manage(words);
        // What was asked for is repeated to whoever asked.
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        let said = said.replace("canary-unknown-value", "");
        places.push((format!("the output of {words:?}"), said.into_bytes()));
    }
    for line in ["{\"canary-unknown-value\":{}}\n", "canary-unknown-value\n"] {
        let mut socket = UnixStream::connect(server.launch().data().join("control.sock")).unwrap();
        socket.write_all(line.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert!(!answer.is_empty());
        places.push((format!("the control socket's answer to {line:?}"), answer));
    }
    places
}

/// What the server's own paths say, asked with canaries.
fn of_own_paths(server: &Server) -> Vec<Place> {
    OwnPath::ALL
        .into_iter()
        .map(|own| {
            let call = Call::get(format!("{}?q=canary-query-value", own.text())).basic(SECRET_KEY);
            let call =
                call.header("x-request-id", REQUEST_ID).header("user-agent", "canary-user-agent");
            let reply = call.send(server);
            assert_eq!(reply.status, 200);
            let headers = format!("{:?}", reply.headers).replace(REQUEST_ID, "");
            (own.text().to_owned(), [headers.into_bytes(), reply.body].concat())
        })
        .collect()
}

/// Everything that can be seen while the program runs.
pub(super) fn alive(server: &Server) -> Vec<Place> {
    let mut places = files_below(server.launch().directory());
    places.extend(of_own_paths(server));
    places.extend(of_the_control_socket(server));
    places.extend(of_the_process(server));
    places
}

/// Everything that is left once it has ended.
pub(super) fn left_behind(server: &Server) -> Vec<Place> {
    let mut places = files_below(server.launch().directory());
    places.push(("stderr".to_owned(), server.stderr().into_bytes()));
    places.push(("stdout".to_owned(), server.stdout().into_bytes()));
    places
}
