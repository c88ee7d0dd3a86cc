//! What most stories start from: a running sandbox, and a customer in it.

use patron_testkit::http::{Call, Reply};
use patron_testkit::server::{Launch, Server};
use serde_json::Value;

/// The built program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_patron");

/// A form that creates a customer and says nothing that is not required.
pub(crate) const LEAST: &str = "object_reference_id=jon@example.com&mobile_number=99887766";

/// A form that creates the same customer and says everything.
pub(crate) const MOST: &str = "object_reference_id=jon@example.com&mobile_number=99887766\
    &email_address=jon@winter.example&first_name=Jon&last_name=Snow&mobile_country_code=65";

/// A new installation, not yet started.
pub(crate) fn launch() -> Launch {
    Launch::new(PROGRAM)
}

/// A new installation, running.
pub(crate) fn server() -> Server {
    launch().start()
}

/// A `GET` with the server's key.
pub(crate) fn get(server: &Server, target: &str) -> Reply {
    Call::get(target).basic(server.key()).send(server)
}

/// A `POST` of a form with the server's key.
pub(crate) fn post(server: &Server, target: &str, form: &str) -> Reply {
    let call = Call::post(target).basic(server.key());
    call.form(form).send(server)
}

/// A `POST` of a JSON text with the server's key.
pub(crate) fn post_json(server: &Server, target: &str, text: &str) -> Reply {
    let call = Call::post(target).basic(server.key());
    call.json(text).send(server)
}

/// Creates a customer from a form.
#[track_caller]
pub(crate) fn create(server: &Server, form: &str) -> Value {
    post(server, "/customers", form).expect(200)
}

/// Updates the customer that [`LEAST`] and [`MOST`] create.
#[track_caller]
pub(crate) fn update(server: &Server, form: &str) -> Value {
    post(server, "/customers/jon@example.com", form).expect(200)
}

/// Reads the customer that [`LEAST`] and [`MOST`] create.
#[track_caller]
pub(crate) fn read(server: &Server) -> Value {
    get(server, "/customers/jon@example.com").expect(200)
}

/// The value of the metric whose line begins so.
#[track_caller]
pub(crate) fn metric(server: &Server, start: &str) -> usize {
    let metrics = Call::get("/metrics").send(server);
    let value = metrics.text().lines().find_map(|line| line.strip_prefix(start));
    value.unwrap_or_else(|| panic!("no {start} in {}", metrics.text())).trim().parse().unwrap()
}

/// The text under a key.
#[track_caller]
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is {} in {value}", value[key]))
}

/// A form value, encoded.
pub(crate) fn encoded(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let pieces = value
        .bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") });
    pieces.collect()
}

/// Creates a key and returns its text and its number.
#[track_caller]
pub(crate) fn create_key(server: &Server, merchant: &str, more: &[&str]) -> (String, String) {
    let mut words = vec!["key", "create", merchant, "--json"];
    words.extend(more);
    let made = server.manage(&words).json();
    (text(&made, "key").to_owned(), made["number"].to_string())
}

/// Creates a merchant with a key of its own and returns the key.
#[track_caller]
pub(crate) fn create_merchant(server: &Server, id: &str, more: &[&str]) -> String {
    let mut words = vec!["merchant", "create", id];
    words.extend(more);
    server.manage(&words).ok();
    create_key(server, id, &[]).0
}

/// With TLS for this address, and metrics without. The certificate stands beside the data as `certificate.pem`.
pub(crate) fn with_tls(launch: Launch, address: &str) -> Launch {
    let certified = rcgen::generate_simple_self_signed([address.to_owned()]).unwrap();
    let write = |name: &str, text: String| {
        let path = launch.directory().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let certificate = write("certificate.pem", certified.cert.pem());
    let key = write("key.pem", certified.signing_key.serialize_pem());
    let launch = launch.with("--tls-cert").with(certificate).with("--tls-key").with(key);
    launch.with("--metrics-listen").with("127.0.0.1:0")
}
