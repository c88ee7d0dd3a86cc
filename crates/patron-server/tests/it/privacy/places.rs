//! Every place in which a running program leaves bytes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;

use patron_testkit::http::Call;
use patron_testkit::postgres::Cluster;
use patron_testkit::server::{Launch, Server};

use super::stories::{REQUEST_ID, SECRET_KEY};
use crate::endpoints::OwnPath;

/// A place, and what lies there.
pub(super) type Place = (String, Vec<u8>);

/// Every file below a directory, but for those that somebody removes meanwhile.
fn files_below(directory: &Path) -> Vec<Place> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_dir() {
            found.extend(files_below(&path));
        } else if let Ok(bytes) = fs::read(&path)
            && metadata.is_file()
        {
            found.push((path.display().to_string(), bytes));
        }
    }
    found
}

/// The database's server, when there is one, writes down every statement with its values.
pub(super) fn log_everything(launch: &Launch) {
    if let Some(cluster) = launch.cluster() {
        cluster.psql(
            "ALTER SYSTEM SET log_statement = 'all'; \
             ALTER SYSTEM SET log_parameter_max_length = -1; \
             ALTER SYSTEM SET log_parameter_max_length_on_error = -1; \
             ALTER SYSTEM SET track_activity_query_size = '1MB'",
        );
        cluster.restart();
    }
}

/// What a database's server keeps and says: every file, the log of transactions among them, and its own log, with
/// all statements and their values.
fn of_the_database(cluster: &Cluster) -> Vec<Place> {
    // What is in its memory only is written out.
    cluster.psql("CHECKPOINT");
    let log = cluster.log();
    assert!(log.contains("INSERT INTO customer ") && log.contains("$19 = "), "it logs all of it");
    let mut places = vec![("the database's log".to_owned(), log.into_bytes())];
    let files = files_below(&cluster.data_directory());
    assert!(files.iter().any(|(place, _)| place.contains("/pg_wal/")), "the log is among them");
    // Two are the patterns of new databases, which nobody opens.
    let is_pattern = |place: &str| ["/base/1/", "/base/4/"].iter().any(|of| place.contains(of));
    places.extend(files.into_iter().filter(|(place, _)| !is_pattern(place)));
    places
}

/// What whoever looks at the database's sessions sees of the program.
fn of_the_sessions(cluster: &Cluster) -> Place {
    let sessions = cluster.psql("SELECT row_to_json(pg_stat_activity) FROM pg_stat_activity");
    assert!(sessions.contains("\"usename\":\"patron\""), "the program is among them: {sessions}");
    ("the database's sessions".to_owned(), sessions.into_bytes())
}

/// Everything that is kept of customers.
pub(super) fn kept(server: &Server) -> Vec<Place> {
    let mut places = files_below(server.launch().directory());
    places.extend(server.launch().cluster().map(of_the_database).into_iter().flatten());
    places
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

/// What commands say, and where there is a control socket, what it says to nonsense.
fn of_commands(server: &Server) -> Vec<Place> {
    let mut places = Vec::new();
    // What a database is asked for stands in its log.
    let unknown =
        if server.launch().cluster().is_some() { "nobody" } else { "canary-unknown-value" };
    for words in [
        ["merchant", "list", "--json"].as_slice(),
        &["merchant", "show", "testaccount"],
        &["key", "list", "testaccount", "--json"],
        &["doctor"],
        &["merchant", "show", unknown],
        &["key", "revoke", "testaccount", "77"],
    ] {
        let outcome = server.manage(words);
        // What was asked for is repeated to whoever asked.
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        let said = said.replace("canary-unknown-value", "");
        places.push((format!("the output of {words:?}"), said.into_bytes()));
    }
    if server.launch().cluster().is_some() {
        return places;
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
    let mut places = kept(server);
    places.extend(server.launch().cluster().map(of_the_sessions));
    places.extend(of_own_paths(server));
    places.extend(of_commands(server));
    places.extend(of_the_process(server));
    places
}

/// Everything that is left once it has ended.
pub(super) fn left_behind(server: &Server) -> Vec<Place> {
    let mut places = kept(server);
    places.push(("stderr".to_owned(), server.stderr().into_bytes()));
    places.push(("stdout".to_owned(), server.stdout().into_bytes()));
    places
}
