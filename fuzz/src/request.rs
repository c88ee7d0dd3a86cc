//! Whole requests to the wires, over the real core and a real store: every answer is one of the
//! contract's, none is our fault, and a refused request changes nothing.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use patron::Patron;
use patron::api_key::ApiKeyText;
use patron::clock::Timestamp;
use patron::erasure::ErasurePolicy;
use patron::ids::{CustomerIds, MerchantId};
use patron::installation::Mode;
use patron::keys::RootKey;
use patron::management::{MerchantEdit, NewKey};
use patron::patron::Parts;
use patron::session::SessionPolicy;
use patron::token::TokenPolicy;
use patron_store_sqlite::{Options, SqliteStore};
use patron_testkit::entropy::OsEntropy;
use patron_testkit::http::{Reply, basic};
use patron_testkit::parts::{MemoryLedger, PasswordsHere};
use patron_wire::{Request, Wire};
use patron_wire_cyrexa::Cyrexa;
use patron_wire_juspay::Juspay;
use serde_json::Value;
use tempfile::TempDir;

use super::{body, contract};

const KEY: &str = "0F1E2D3C4B5A69788796A5B4C3D2E1F0";

/// After so many requests everything starts again, so that memory and disk stay bounded.
const REQUESTS_MAX: u32 = 20_000;

/// Every so many requests, what is stored is compared before and after.
const COMPARED_EVERY: u32 = 16;

/// An installation with one merchant and one customer.
struct Installation {
    /// In the program's order: the first that owns a request answers it.
    wires: [Box<dyn Wire>; 2],
    token: String,
    requests: u32,
    _directory: TempDir,
}

thread_local! {
    static INSTALLATION: RefCell<Option<Installation>> = const { RefCell::new(None) };
}

/// Checks one input: a request as it would stand on the wire, with `\n` for the ends of lines and without a
/// version. `Authorization: key` and `Authorization: token` stand for a good key and a good token, and so
/// does no such line for a key.
pub fn check(data: &[u8]) {
    let Some(request) = parsed(data) else {
        return;
    };
    INSTALLATION.with_borrow_mut(|slot| {
        let installation = slot.get_or_insert_with(Installation::new);
        installation.check(request);
        if installation.requests > REQUESTS_MAX {
            *slot = None;
        }
    });
}

/// A request, where HTTP itself would take it.
fn parsed(data: &[u8]) -> Option<Request> {
    let end = data.windows(2).position(|two| two == b"\n\n");
    let (head, sent) = match end {
        Some(end) => (data.get(..end)?, data.get(end + 2..)?),
        None => (data, b"".as_slice()),
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let target = Uri::try_from(first.next()?).ok()?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(halves.next()?).ok()?;
        let value = HeaderValue::from_bytes(halves.next()?.trim_ascii()).ok()?;
        headers.append(name, value);
    }
    let mut request = body::request(headers, sent, 64 * 1024);
    request.method = method;
    request.path = target.path().to_owned();
    request.query = target.query().map(str::to_owned);
    Some(request)
}

fn post(path: &str, sent: &str) -> Request {
    let mut request = body::request(HeaderMap::new(), sent.as_bytes(), 64 * 1024);
    request.path = path.to_owned();
    request
}

impl Installation {
    fn new() -> Self {
        let shared = std::path::Path::new("/dev/shm");
        let directory = tempfile::tempdir_in(shared).or_else(|_| tempfile::tempdir());
        let directory = directory.unwrap();
        let patron = Arc::new(patron(&directory));
        let mut made = Self {
            wires: [Box::new(Cyrexa::new(Arc::clone(&patron))), Box::new(Juspay::new(patron))],
            token: String::new(),
            requests: 0,
            _directory: directory,
        };
        let form = "object_reference_id=jon@x&mobile_number=1&options.get_client_auth_token=true";
        let customer = made.answer(post("/customers", form)).expect(200);
        made.token =
            customer["juspay"]["client_auth_token"].as_str().unwrap_or_default().to_owned();
        made
    }

    fn check(&mut self, request: Request) {
        self.requests += 1;
        let before = self.requests.is_multiple_of(COMPARED_EVERY).then(|| self.customers());
        let method = request.method.clone();
        let reply = self.answer(request);
        if let Some(fault) = contract::fault(&reply) {
            panic!("{fault}");
        }
        let is_writing = [Method::POST, Method::PUT, Method::DELETE].contains(&method);
        if let Some(before) = before
            && !((200..300).contains(&reply.status) && is_writing)
        {
            assert_eq!(self.customers(), before, "{} changed something", reply.status);
        }
    }

    fn customers(&self) -> Value {
        let mut request = post("/customers", "");
        request.method = Method::GET;
        request.query = Some("count=100".to_owned());
        self.answer(request).expect(200)
    }

    fn answer(&self, mut request: Request) -> Reply {
        // Every request is somebody's.
        let mut wires = self.wires.iter();
        let wire = wires.find(|wire| wire.owns(&request.method, &request.path)).unwrap();
        let (name, shown) = match request.headers.get("authorization").map(HeaderValue::as_bytes) {
            None | Some(b"key") if wire.name() == "cyrexa" => ("x-api-key", Some(KEY.to_owned())),
            None | Some(b"key") => ("authorization", Some(basic(KEY))),
            Some(b"token") => ("authorization", Some(format!("Bearer {}", self.token))),
            Some(_) => ("authorization", None),
        };
        if let Some(shown) = shown.and_then(|shown| HeaderValue::from_str(&shown).ok()) {
            request.headers.insert(name, shown);
        }
        let response = waited_for(wire.answer(&mut request)).response;
        let headers = response.headers().iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Reply {
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: response.body().to_vec(),
        }
    }
}

fn patron(directory: &TempDir) -> Patron {
    let now = Timestamp::from_ms(0);
    let options = Options {
        recent_bytes_max: 1 << 20,
        log_pages_due: 8_000,
        now,
        on_group: Arc::new(|_| {}),
        on_fatal: Arc::new(|reason| panic!("{reason}")),
    };
    let store = SqliteStore::open(&directory.path().join("data"), options);
    let parts = Parts {
        store: Arc::new(store.unwrap()),
        root: RootKey::new([7; 32]).unwrap(),
        entropy: Arc::new(OsEntropy::new()),
        ids: CustomerIds::random(),
        tokens: TokenPolicy { lifetime: Duration::from_secs(900), uses_max: u32::MAX },
        sessions: SessionPolicy::default(),
        erasure: ErasurePolicy::default(),
        ledger: Arc::new(MemoryLedger::default()),
        passwords: Arc::new(PasswordsHere),
        mode: Mode::Sandbox,
    };
    let patron = waited_for(Patron::open(parts, now)).unwrap();
    let merchant = MerchantId::parse("testaccount").unwrap();
    let console = patron.console(now);
    let made = waited_for(console.create_merchant(merchant.clone(), MerchantEdit::default()));
    made.unwrap();
    let key = waited_for(console.create_key(&merchant, NewKey::default(), ApiKeyText::parse(KEY)));
    key.unwrap();
    patron
}

/// Waits without a runtime: neither the core nor the store needs one.
fn waited_for<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future: Pin<&mut _> = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
