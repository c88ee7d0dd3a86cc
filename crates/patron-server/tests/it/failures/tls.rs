//! TLS to the database, and hosts of which not all answer.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use patron_testkit::postgres::{Cluster, PASSWORD, Setup, USER};
use patron_testkit::wait::timed;

use super::story::{launch_on, refusal, tells_no_secret};
use crate::stage::{create, read};

const JON: &str = "object_reference_id=jon@example.com&mobile_number=99887766";

fn url(host: &str, cluster: &Cluster, parameters: &str) -> String {
    format!("postgres://{USER}:{PASSWORD}@{host}:{}/{USER}?{parameters}", cluster.port())
}

#[track_caller]
fn serves(url: &str) {
    let server = launch_on(url).start();
    create(&server, JON);
    assert_eq!(read(&server)["mobile_number"], "99887766");
    tells_no_secret(&server.stderr());
    assert!(!server.stdout().contains(PASSWORD));
}

/// Ends at once, with a sentence that says this.
#[track_caller]
fn is_refused(url: &str, says: &[&str]) {
    let (outcome, took) = timed(|| launch_on(url).try_start().unwrap_err());
    let said = refusal(&outcome);
    for text in says {
        assert!(said.contains(text), "{text} is not in {said}");
    }
    assert!(took < Duration::from_secs(10), "{took:?}: {said}");
}

#[test]
fn a_server_that_is_vouched_for_is_believed_as_far_as_is_asked() {
    let cluster = Setup::new().with_tls_only().start();
    let authority = cluster.authority().display().to_string();
    for mode in ["verify-full", "verify-ca", "require"] {
        let parameters = format!("sslmode={mode}&sslrootcert={authority}");
        let database = mode.replace('-', "_");
        cluster.create_database(&database);
        serves(
            &url("127.0.0.1", &cluster, &parameters).replace("/patron?", &format!("/{database}?")),
        );
    }
    for (database, parameters) in [("plain", "sslmode=require"), ("unsaid", "sslmode=prefer")] {
        cluster.create_database(database);
        serves(
            &url("localhost", &cluster, parameters).replace("/patron?", &format!("/{database}?")),
        );
    }
}

#[test]
fn a_server_that_nobody_vouches_for_is_refused() {
    let (cluster, other) = (Setup::new().with_tls_only().start(), Setup::new().with_tls().start());
    let (own, wrong) = (cluster.authority(), other.authority());
    let (own, wrong) = (own.display(), wrong.display());
    let place = format!("127.0.0.1:{}/{USER}", cluster.port());
    for mode in ["verify-full", "verify-ca", "require"] {
        let parameters = format!("sslmode={mode}&sslrootcert={wrong}");
        is_refused(&url("127.0.0.1", &cluster, &parameters), &[&place, "certificate"]);
    }
    // Its certificate does not name this host.
    let parameters = format!("sslmode=verify-full&sslrootcert={own}&hostaddr=127.0.0.1");
    is_refused(&url("winterfell", &cluster, &parameters), &["winterfell", "certificate"]);
    let parameters = format!("sslmode=verify-ca&sslrootcert={own}&hostaddr=127.0.0.1");
    serves(&url("winterfell", &cluster, &parameters));
    is_refused(&url("127.0.0.1", &cluster, "sslmode=disable"), &[&place, "no encryption"]);
    is_refused(&url("127.0.0.1", &cluster, "sslmode=verify-full"), &["sslrootcert"]);
    is_refused(
        &url("127.0.0.1", &cluster, "sslmode=verify-full&sslrootcert=/nowhere.pem"),
        &["/nowhere.pem"],
    );
    let empty = tempfile::NamedTempFile::new().unwrap();
    fs::write(empty.path(), "nothing").unwrap();
    let parameters = format!("sslmode=verify-full&sslrootcert={}", empty.path().display());
    is_refused(&url("127.0.0.1", &cluster, &parameters), &["certificate"]);
}

#[test]
fn a_server_without_tls_is_refused_when_it_is_required() {
    let cluster = Cluster::new();
    is_refused(&url("127.0.0.1", &cluster, "sslmode=require"), &["TLS"]);
    serves(&url("127.0.0.1", &cluster, "sslmode=prefer"));
}

#[test]
fn a_host_that_takes_connections_and_says_nothing_is_passed_over() {
    let cluster = Cluster::new();
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let (first, second) = (hole.local_addr().unwrap().port(), cluster.port());
    serves(&format!(
        "postgres://{USER}:{PASSWORD}@127.0.0.1:{first},127.0.0.1:{second}/{USER}?sslmode=disable"
    ));
}
