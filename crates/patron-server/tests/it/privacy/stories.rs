//! Stories with canaries in them: each endpoint's success, and everything that can go wrong with it.

use super::people;
use patron_testkit::http::{Call, basic, colonless};
use patron_wire_juspay::fields::FieldName;

/// What stands in each field: at first, and after an update. A new field does not compile without.
pub(super) const fn canaries(field: FieldName) -> [&'static str; 2] {
    match field {
        FieldName::ObjectReferenceId => ["canary-reference@nest.example", "canary-other-reference"],
        FieldName::MobileNumber => ["7355608123", "7355608999"],
        FieldName::EmailAddress => ["canary-mail@nest.example", "canary-post@nest.example"],
        FieldName::FirstName => ["Canarina", "Canarissima"],
        FieldName::LastName => ["Kanarienvogel", "Kanariënvögelchen"],
        FieldName::MobileCountryCode => ["4499557700112233", "3388446600998877"],
        FieldName::GetClientAuthToken => ["canary-token-wish", "canary-token-wish-2"],
        FieldName::Update => ["canary-update-switch", "canary-update-switch-2"],
        FieldName::Count => ["canary-count-1", "canary-count-2"],
        FieldName::Offset => ["canary-offset-1", "canary-offset-2"],
    }
}

/// The fields that make a customer.
pub(super) const PROFILE: [FieldName; 6] = [
    FieldName::ObjectReferenceId,
    FieldName::MobileNumber,
    FieldName::EmailAddress,
    FieldName::FirstName,
    FieldName::LastName,
    FieldName::MobileCountryCode,
];

const SWITCHES: [FieldName; 4] =
    [FieldName::GetClientAuthToken, FieldName::Update, FieldName::Count, FieldName::Offset];

pub(super) const SECRET_KEY: &str = "CA7A11CA7A11CA7A11CA7A11CA7A1100";
const SECRET_TOKEN: &str = "tkn_ca7a11ca7a11ca7a11ca7a11ca7a1100";
const PASSWORD: &str = "canary-password";
const NAME_IN_PATH: &str = "canary-path@nest.example";
const UNKNOWN_VALUE: &str = "canary-unknown-value";
const PIECE: &str = "canary-broken-piece";
/// A client's own id of a request: echoed to it, and kept from everybody else.
pub(super) const REQUEST_ID: &str = "canary-request-id Jon Snow";

/// What stands where nobody asked for it.
const ELSEWHERE: [&str; 14] = [
    SECRET_KEY,
    SECRET_TOKEN,
    PASSWORD,
    NAME_IN_PATH,
    UNKNOWN_VALUE,
    PIECE,
    REQUEST_ID,
    "canary-unknown-key",
    "canary-query-value",
    "canary-header-name",
    "canary-header-value",
    "canary-user-agent",
    "canary-nested-value",
    "CANARYMETHOD",
];

/// Every value that is searched for.
pub(super) fn all_canaries() -> Vec<&'static str> {
    let fields = PROFILE.into_iter().chain(SWITCHES).flat_map(canaries);
    fields.chain(ELSEWHERE).chain(people::CANARIES).collect()
}

/// Puts canaries wherever a request can hold something that nobody asked for.
fn dressed(call: Call) -> Call {
    [
        "user-agent",
        "x-forwarded-for",
        "x-customerid",
        "x-routing-id",
        "version",
        "cookie",
        "referer",
        "from",
        "accept-language",
        "x-api-key",
        "idempotency-key",
        "canary-header-name",
    ]
    .into_iter()
    .fold(call, |call, name| match name {
        "user-agent" => call.header(name, "canary-user-agent/1.0"),
        _ => call.header(name, "canary-header-value"),
    })
    .header("x-request-id", REQUEST_ID)
}

/// Who is in the story.
pub(super) struct World {
    /// A key that may do everything.
    pub(super) key: String,
    /// One of the same merchant for each of the two scopes.
    pub(super) reading: String,
    pub(super) writing: String,
    /// The same for deleting, of this merchant and of the other.
    pub(super) erasing: String,
    pub(super) others_erasing: String,
    pub(super) other: String,
    /// The key of a merchant whose allow-list holds no address of ours.
    pub(super) fenced: String,
    /// The customer's id, where it has one.
    pub(super) id: String,
}

/// A request, not yet put together.
#[derive(Clone)]
pub(super) struct Story {
    /// What happens in it.
    pub(super) title: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    form: String,
    credential: String,
    name: Option<String>,
    query: String,
}

/// The fields of a form, with their first or second values.
fn form(fields: &[FieldName], which: usize) -> String {
    let pairs = fields.iter().map(|field| {
        format!("{}={}", field.text(), crate::stage::encoded(canaries(*field)[which]))
    });
    let noise =
        "canary-unknown-key=x&unknown=canary-unknown-value&metadata%5Bk%5D=canary-unknown-value";
    pairs.chain([noise.to_owned()]).collect::<Vec<_>>().join("&")
}

/// What succeeds, by endpoint and in this order. The first creates the customer of the others.
pub(super) fn successes(world: &World) -> Vec<Story> {
    let [_, rest @ ..] = PROFILE;
    let reference = Some(canaries(FieldName::ObjectReferenceId)[0].to_owned());
    let wish = format!("{}=true", FieldName::GetClientAuthToken.text());
    let story = |title, method, path, name, form: String| Story {
        title,
        method,
        path,
        form,
        credential: basic(&world.key),
        name,
        query: "canary-unknown-key=x&q=canary-query-value".to_owned(),
    };
    let second = "/v2/customers/{object_reference_id}";
    let all = format!("{}&{wish}", form(&PROFILE, 0));
    let other = Some(canaries(FieldName::ObjectReferenceId)[1].to_owned());
    vec![
        story("create", "POST", "/customers", None, all),
        story("list", "GET", "/customers", None, String::new()),
        story("read", "GET", "/customers/{id}", reference.clone(), String::new()),
        story("update", "POST", "/customers/{id}", reference.clone(), form(&rest, 1)),
        story("get or create", "POST", "/v2/customers", None, form(&PROFILE, 0)),
        story("create another", "POST", "/v2/customers", None, form(&PROFILE, 1)),
        story("update back", "POST", second, reference, format!("{}&update=true", form(&rest, 0))),
        story("create as update", "POST", second, other, format!("{}&{wish}", form(&rest, 1))),
    ]
}

impl Story {
    /// The path, with the name in it encoded.
    fn target(&self) -> String {
        let path = match (self.path.split_once('{'), &self.name) {
            (Some((start, _)), Some(name)) => format!("{start}{}", crate::stage::encoded(name)),
            _ => self.path.to_owned(),
        };
        if self.query.is_empty() { path } else { format!("{path}?{}", self.query) }
    }

    fn bare(&self, method: &str) -> Call {
        let call = dressed(Call::new(method, self.target()));
        if self.credential.is_empty() {
            call
        } else {
            call.header("Authorization", &self.credential)
        }
    }

    pub(super) fn call(&self) -> Call {
        let call = self.bare(self.method);
        if self.method == "POST" { call.form(&self.form) } else { call }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut story = self.clone();
        change(&mut story);
        story
    }

    fn by(&self, credential: String) -> Call {
        self.with(|story| story.credential = credential).call()
    }

    /// A request that cannot be answered without writing. `None` for what never writes.
    pub(super) fn writing(&self) -> Option<Call> {
        let references = canaries(FieldName::ObjectReferenceId).map(crate::stage::encoded);
        let story = self.with(|story| match (story.method, story.path) {
            ("GET", _) => {
                story.query += &format!("&{}=true", FieldName::GetClientAuthToken.text());
            }
            (_, "/v2/customers") => {
                for reference in &references {
                    let other = crate::stage::encoded(NAME_IN_PATH);
                    story.form = story.form.replace(reference, &other);
                }
            }
            (_, path) if path.starts_with("/v2/") => story.name = Some(NAME_IN_PATH.to_owned()),
            // Creations and updates write as they are.
            _ => {}
        });
        (!self.is("GET", "/customers")).then(|| story.call())
    }

    pub(super) fn is(&self, method: &str, path: &str) -> bool {
        (self.method, self.path) == (method, path)
    }

    fn names_customer(&self) -> bool {
        self.path == "/customers/{id}"
    }

    /// What can go wrong with it, each with its status and the vendor's code. (The timeout, and what
    /// takes a store that is away or altered, are told elsewhere.)
    pub(super) fn failures(&self, world: &World) -> Vec<(Call, u16, &'static str)> {
        let denied = |call| (call, 401, "access_denied");
        let mut failures = vec![
            denied(self.by(String::new())),
            denied(self.by(basic(SECRET_KEY))),
            denied(self.by(basic(UNKNOWN_VALUE))),
            denied(self.by(colonless(&format!("{}:{PASSWORD}", world.key)))),
            denied(self.by(format!("Digest {PASSWORD}"))),
            denied(self.by(format!("Bearer {SECRET_TOKEN}"))),
            denied(self.by(format!("Bearer {UNKNOWN_VALUE}"))),
            denied(self.call().header("x-merchantid", UNKNOWN_VALUE)),
            denied(
                self.with(|story| {
                    story.credential.clear();
                    story.query = format!("client_auth_token={SECRET_TOKEN}&q=canary-query-value");
                })
                .call(),
            ),
            (self.by(basic(&world.fenced)), 403, "BAD_ORIGIN"),
            (self.bare("CANARYMETHOD").bytes(&self.form), 405, "method_not_allowed"),
            (self.bare("DELETE").bytes(&self.form), 405, "method_not_allowed"),
        ];
        let without_scope = if self.method == "GET" { &world.writing } else { &world.reading };
        failures.push((self.by(basic(without_scope)), 403, "forbidden"));
        if self.method == "GET" {
            let broken = self.with(|story| story.query = format!("q={PIECE}%zz"));
            failures.push((broken.call(), 400, "Invalid Request"));
        } else {
            let foreign = self.call().header("origin", "https://canary-header-value.example");
            failures.push((foreign, 403, "cross_site_request"));
            failures.extend(self.wrong_bodies());
        }
        if self.is("GET", "/customers") {
            let query = SWITCHES.map(|field| format!("{}={}", field.text(), canaries(field)[0]));
            let wrong = self.with(|story| story.query = query.join("&"));
            failures.push((wrong.call(), 400, "Invalid Request"));
        }
        failures.extend(self.about_customers(world));
        failures
    }

    /// What is wrong with the customer that is meant.
    fn about_customers(&self, world: &World) -> Vec<(Call, u16, &'static str)> {
        let mut failures = Vec::new();
        if self.names_customer() {
            let nobody = self.with(|story| story.name = Some(NAME_IN_PATH.to_owned()));
            failures.push((nobody.call(), 404, "object_not_found"));
            failures.push((self.by(basic(&world.other)), 404, "object_not_found"));
            let id = self.with(|story| story.name = Some(world.id.clone()));
            failures.push((id.by(basic(&world.other)), 404, "object_not_found"));
        }
        if self.method == "POST" && self.path != "/customers" {
            let update = self.with(|story| {
                story.form = format!("{}&update=true", story.form.replace("&update=true", ""))
            });
            let stale = update.call().header("If-Match", format!("\"{UNKNOWN_VALUE}\""));
            failures.push((stale, 412, "precondition_failed"));
        }
        if self.is("POST", "/customers") {
            failures.push((self.call(), 400, "unique"));
        }
        if self.is("POST", "/customers") || self.is("POST", "/v2/customers") {
            let fields = [FieldName::FirstName, FieldName::LastName];
            let missing = self.with(|story| story.form = form(&fields, 0));
            failures.push((missing.call(), 400, "Mandatory fields are missing"));
        }
        failures
    }

    /// What is wrong with the body.
    fn wrong_bodies(&self) -> Vec<(Call, u16, &'static str)> {
        let bare = || self.bare(self.method);
        let malformed = |call| (call, 400, "Invalid Request");
        let mut failures = vec![
            malformed(bare().form(format!("{}&x={PIECE}%zz", self.form))),
            malformed(bare().form([self.form.as_bytes(), b"&x=canary-broken-piece\xFF"].concat())),
            malformed(bare().json(format!(r#"{{"first_name":"Canarina","x":"{PIECE}"#))),
            malformed(bare().json(format!(r#"["{PIECE}"]"#))),
            malformed(bare().json(r#"{"first_name":{"nested":"canary-nested-value"}}"#.replace(
                "{\"first_name\"",
                "{\"object_reference_id\":\"canary-other-reference\",\"mobile_number\":\"1\",\"first_name\"",
            ))),
            malformed(bare().form(format!("{}&first_name=Canarina&first_name=Canarina", self.form))),
            (
                bare().header("Content-Type", format!("multipart/{PIECE}; boundary={PIECE}")).bytes(&self.form),
                415,
                "unsupported_media_type",
            ),
            (
                bare().form(format!("{}&x={}", self.form, UNKNOWN_VALUE.repeat(4000))),
                413,
                "payload_too_large",
            ),
        ];
        for field in PROFILE {
            // The reference in the path counts, and on an update there is none to give.
            if field == FieldName::ObjectReferenceId && self.path.contains('{') {
                continue;
            }
            let wrong = format!("-<{}>", canaries(field)[0]);
            let wrong =
                if field == FieldName::ObjectReferenceId { wrong.repeat(20) } else { wrong };
            let pair = format!("{}={}", field.text(), crate::stage::encoded(&wrong));
            let start = format!("{}=", field.text());
            let kept = self.form.split('&').filter(|pair| !pair.starts_with(&start));
            let form = kept.chain([pair.as_str()]).collect::<Vec<_>>().join("&");
            failures.push(malformed(bare().form(form)));
        }
        failures
    }
}

/// What is asked for where nothing is.
pub(super) fn nowhere(world: &World) -> Vec<(Call, u16, &'static str)> {
    ["/canary-unknown-value", "/customers/canary-unknown-value/canary-path%40nest.example", "/"]
        .into_iter()
        .flat_map(|path| {
            let calls = [Call::get(path), Call::post(path).form(form(&PROFILE, 0))];
            calls.map(|call| (dressed(call).basic(&world.key), 404, "endpoint_not_found"))
        })
        .collect()
}
