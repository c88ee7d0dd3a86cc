//! What the program refuses to start with, each in words that say what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use patron_testkit::http::{Call, basic};
use patron_testkit::server::{Launch, SANDBOX_KEY};

use crate::stage::{LEAST, create, get, launch, read, server};

#[track_caller]
fn refusal(launch: &Launch) -> String {
    let outcome = launch.try_start().unwrap_err();
    let said = outcome.refused().to_owned();
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(outcome.stdout, "", "nothing was promised");
    said
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let server = server();
    let said = refusal(server.launch());
    let data = server.launch().data();
    assert!(said.contains(&data.display().to_string()), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    assert_eq!(get(&server, "/customers").status, 200, "the first one is unharmed");
}

#[test]
fn an_unknown_setting_is_refused_wherever_it_stands() {
    let refusal = launch().with("--lisen").with("x").try_start().unwrap_err();
    assert!(refusal.refused().contains("--lisen"), "{refusal:?}");
    let refusal = launch().with_variable("PATRON_LISEN", "x").try_start().unwrap_err();
    assert!(refusal.refused().contains("PATRON_LISEN"), "{refusal:?}");
    // What Kubernetes tells of services named `patron` and `patron-metrics` is no setting of ours.
    let told = [
        ("PATRON_SERVICE_HOST", "10.0.0.1"),
        ("PATRON_PORT", "tcp://10.0.0.1:80"),
        ("PATRON_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("PATRON_METRICS_SERVICE_PORT_HTTP", "9090"),
        ("PATRON_METRICS_PORT_9090_TCP", "tcp://10.0.0.1:9090"),
    ];
    let told =
        told.iter().fold(launch(), |launch, (name, value)| launch.with_variable(name, *value));
    drop(told.start());
    let launch = launch();
    let file = launch.directory().join("patron.toml");
    fs::write(&file, "token-uses = 2\nlisen = \"127.0.0.1:0\"\n").unwrap();
    let file = file.to_str().unwrap();
    let refusal = launch.with("--config").with(file).try_start().unwrap_err();
    assert!(refusal.refused().contains("lisen"), "{refusal:?}");
}

#[test]
fn a_proxy_cannot_be_anybody() {
    for everyone in ["0.0.0.0/0", "10.0.0.0/8,::/0"] {
        let said = refusal(&launch().with("--behind-proxy").with(everyone));
        assert!(said.contains("--behind-proxy"), "{said}");
    }
}

/// 32 bytes that nobody should use.
const ROOT_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn production() -> Launch {
    launch().without_key().with("--mode").with("production")
}

#[test]
fn production_refuses_what_only_a_sandbox_may() {
    let with_key = || production().with_variable("PATRON_ROOT_KEY", ROOT_KEY);
    let said = |launch: Launch| launch.try_start().unwrap_err().refused().to_owned();
    let without_root_key = said(production());
    assert!(without_root_key.contains("root key"), "{without_root_key}");
    let sandbox_key = said(with_key().with("--sandbox-api-key").with(SANDBOX_KEY));
    assert!(sandbox_key.contains("--sandbox-api-key"), "{sandbox_key}");
    assert!(!sandbox_key.contains(SANDBOX_KEY), "{sandbox_key}");
    let by_variable = said(with_key().with_variable("PATRON_SANDBOX_API_KEY", SANDBOX_KEY));
    assert!(by_variable.contains("PATRON_SANDBOX_API_KEY"), "{by_variable}");
    let public = said(with_key().listening_on("0.0.0.0:0"));
    assert!(public.contains("--tls-cert") && public.contains("--behind-proxy"), "{public}");
}

#[test]
fn production_refuses_a_directory_that_others_may_read_or_that_has_the_root_key_in_it() {
    for (is_file, mode, mend) in
        [(false, 0o777, "chmod 700"), (false, 0o770, "chmod 700"), (true, 0o660, "chmod 600")]
    {
        let open = production().with_variable("PATRON_ROOT_KEY", ROOT_KEY);
        fs::create_dir(open.data()).unwrap();
        let database = open.data().join("patron.db");
        fs::write(&database, "").unwrap();
        let path = if is_file { database } else { open.data() };
        fs::set_permissions(open.data(), fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let open = refusal(&open);
        assert!(open.contains(mend), "{mode:o}: {open}");
    }
    let inside = production();
    fs::create_dir(inside.data()).unwrap();
    let file = inside.data().join("root.key");
    fs::write(&file, ROOT_KEY).unwrap();
    let inside = refusal(&inside.clone().with("--root-key-file").with(file.to_str().unwrap()));
    assert!(inside.contains("data directory"), "{inside}");
}

#[test]
fn production_with_everything_in_place_serves() {
    let production = production();
    let place = if production.database_url().is_some() { "database " } else { "data in " };
    let server = production.with_variable("PATRON_ROOT_KEY", ROOT_KEY).start();
    assert!(server.stdout().starts_with("Patron is listening on http://127.0.0.1:"));
    assert!(server.stdout().contains(&format!("(production, {place}")), "{}", server.stdout());
    let reply = Call::get("/customers").basic(SANDBOX_KEY).send(&server);
    assert_eq!(reply.status, 401, "there is no merchant nobody asked for");
    let made = server.manage(&["merchant", "create", "acme", "--mode", "production"]);
    made.ok();
    let words = ["key", "create", "acme", "--json", "--mode", "production"];
    let key = server.manage(&words).json()["key"].as_str().unwrap().to_owned();
    let call = Call::post("/customers").header("Authorization", basic(&key)).form(LEAST);
    assert_eq!(call.send(&server).status, 200);
}

#[test]
fn data_keeps_the_mode_and_the_root_key_it_was_born_with() {
    let mut server = server();
    server.terminate();
    let production = server.launch().clone().without_key().with("--mode").with("production");
    let refusal = production.with_variable("PATRON_ROOT_KEY", ROOT_KEY).try_start().unwrap_err();
    assert!(refusal.refused().contains("sandbox"), "{refusal:?}");
    let other_key = server.launch().clone().with_variable("PATRON_ROOT_KEY", ROOT_KEY);
    let refusal = other_key.try_start().unwrap_err();
    assert!(refusal.refused().contains("root key"), "{refusal:?}");
    assert!(!refusal.stderr.contains(ROOT_KEY), "{refusal:?}");
    server.launch().start();
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let server = server();
    let address = server.address().to_string();
    let said = refusal(&launch().listening_on(&address));
    assert!(said.contains(&address), "{said}");
}

#[test]
fn files_for_tls_must_be_there_both_and_be_what_they_say() {
    let one = refusal(&launch().with("--tls-cert").with("/nowhere/certificate.pem"));
    assert!(one.contains("--tls-key"), "{one}");
    let with = |certificate: &str, key: &str| {
        refusal(&launch().with("--tls-cert").with(certificate).with("--tls-key").with(key))
    };
    let missing = with("/nowhere/certificate.pem", "/nowhere/key.pem");
    assert!(missing.contains("/nowhere/"), "{missing}");
    let nonsense = with("/etc/passwd", "/etc/passwd");
    assert!(nonsense.contains("/etc/passwd"), "{nonsense}");
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (flag, value) in [
        ("--behind-proxy", "10.0.0.0/99"),
        ("--token-uses", "0"),
        ("--token-lifetime-s", "soon"),
        ("--job-lease-ms", "99"),
        ("--body-timeout-ms", "-1"),
        ("--log", "=loud"),
        ("--mode", "playground"),
    ] {
        let said = refusal(&launch().with(format!("{flag}={value}")));
        assert!(said.contains(flag) && said.contains(value), "{flag} {value}: {said}");
    }
    // A key is not repeated, not even a wrong one.
    let wrong = refusal(&launch().without_key().with("--sandbox-api-key").with("not-a-key-at-all"));
    assert!(wrong.contains("--sandbox-api-key") && !wrong.contains("not-a-key"), "{wrong}");
}

#[test]
fn a_file_in_the_place_of_the_data_is_refused() {
    let launch = launch();
    fs::write(launch.data(), "x").unwrap();
    let said = refusal(&launch);
    assert!(said.contains(&launch.data().display().to_string()), "{said}");
    assert_eq!(fs::read_to_string(launch.data()).unwrap(), "x");
}

#[test]
fn data_without_their_root_key_are_refused_and_get_no_new_one() {
    let mut server = server();
    let customer = create(&server, LEAST);
    assert!(server.terminate().success());
    let key = server.launch().data().join("root.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let said = refusal(server.launch());
    assert!(said.contains("root key"), "{said}");
    assert!(!key.exists(), "a new root key would open nothing");
    fs::write(&key, kept).unwrap();
    let server = server.launch().start();
    assert_eq!(read(&server), customer);
}
