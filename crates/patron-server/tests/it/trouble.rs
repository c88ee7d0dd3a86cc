//! When the disk fails: the answer says so, nothing is acknowledged that is not kept, nothing is lost.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use patron_testkit::http::{Call, Connection, Reply};
use patron_testkit::server::{SANDBOX_KEY, Server};
use patron_testkit::wait::soon;
use serde_json::{Value, json};

use crate::stage::launch;

fn create_call(number: usize) -> Call {
    let form = format!("object_reference_id=r{number}&mobile_number=1");
    Call::post("/customers").basic(SANDBOX_KEY).form(form)
}

/// Creates customers until one is refused. Returns those that were acknowledged, and the refusal,
/// or nothing where the server left without an answer.
fn create_until_refused(server: &Server) -> (Vec<Value>, Option<Reply>) {
    let mut acknowledged = Vec::new();
    for number in 0..100_000 {
        let reply = Connection::open(server).try_send(&create_call(number));
        match reply {
            Some(reply) if reply.status == 200 => acknowledged.push(reply.json()),
            other => return (acknowledged, other),
        }
    }
    panic!("the disk takes everything");
}

fn are_all_there(server: &Server, acknowledged: &[Value]) {
    assert!(!acknowledged.is_empty(), "nothing was acknowledged before the disk was full");
    for customer in acknowledged {
        let reference = customer["object_reference_id"].as_str().unwrap();
        let call = Call::get(format!("/customers/{reference}")).basic(SANDBOX_KEY);
        assert_eq!(&call.send(server).expect(200), customer);
    }
}

/// The 503 of the contract: the vendor's words for "our fault".
fn is_away(reply: &Reply) {
    let body = reply.expect(503);
    let expected = json!({
        "error_message": "Internal error. Please try again.",
        "status": "INTERNAL_ERROR",
        "error_code": "INTERNAL_ERROR",
        "error_info": {
            "user_message": body["error_info"]["user_message"],
            "request_id": reply.header("x-request-id").unwrap(),
            "href": "NA",
            "developer_message": body["error_info"]["developer_message"],
            "code": "INTERNAL_ERROR",
            "category": "SERVER_ERROR",
        },
    });
    assert_eq!(body, expected);
    let retry_after_s: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!(retry_after_s >= 1);
}

/// Becomes the program with a disk of two megabytes for its data, half of it taken by a ballast.
fn on_a_small_disk(data: &Path) -> Vec<String> {
    let script = format!(
        "mount -t tmpfs -o size=2m,mode=700 patron '{data}' \
         && head -c 1000000 /dev/zero > '{data}/ballast' && exec \"$@\"",
        data = data.display()
    );
    let mut words = vec!["unshare", "--mount"];
    // Whoever is not root may be it in a namespace of its own.
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        words.extend(["--user", "--map-root-user"]);
    }
    words.extend(["sh", "-c", &script, "sh"]);
    words.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_store_is_away_while_the_disk_is_full_and_comes_back() {
    let launch = launch();
    let data = launch.data();
    fs::create_dir(&data).unwrap();
    let wrapper = on_a_small_disk(&data);
    let words: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let server = launch.wrapped_in(&words).start();
    let (acknowledged, refusal) = create_until_refused(&server);
    is_away(&refusal.expect("the server answers"));
    is_away(&create_call(99_999).send(&server));
    are_all_there(&server, &acknowledged);

    // Its view of the files, seen from outside.
    let seen = format!("/proc/{}/root{}/ballast", server.id(), data.display());
    fs::remove_file(seen).unwrap();
    let created = soon("there is room again", || {
        let reply = create_call(99_999).send(&server);
        (reply.status == 200).then(|| reply.json())
    });
    are_all_there(&server, &acknowledged);
    are_all_there(&server, &[created]);
    let list = Call::get("/customers?count=1").basic(SANDBOX_KEY).send(&server).expect(200);
    assert_eq!(list["total"], acknowledged.len() + 1);
}

/// The shell ignores the signal and the program inherits that: writes past the limit then fail, which
/// is no full disk but a broken one. The unit is 512 bytes.
const BROKEN_DISK: [&str; 4] = ["sh", "-c", "trap '' XFSZ; ulimit -f 1200; exec \"$@\"", "sh"];

#[test]
fn a_commit_that_fails_ends_the_program_and_loses_nothing() {
    let mut server = launch().wrapped_in(&BROKEN_DISK).start();
    let (acknowledged, refusal) = create_until_refused(&server);
    if let Some(refusal) = refusal {
        assert!(refusal.status >= 500, "{refusal:?}");
    }
    let status = server.wait();
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    assert!(server.stderr().contains("start it again"), "{}", server.stderr());

    let server = server.launch().clone().wrapped_in(&[]).start();
    are_all_there(&server, &acknowledged);
    let list = Call::get("/customers?count=1").basic(SANDBOX_KEY).send(&server).expect(200);
    let total = usize::try_from(list["total"].as_u64().unwrap()).unwrap();
    // Nobody was told what became of the last one.
    let known = acknowledged.len();
    assert!((known..=known + 1).contains(&total), "{total} of {known}");
}
