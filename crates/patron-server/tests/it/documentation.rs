//! The documentation: everybody may read it, it shows nothing of the installation, and every link in it leads
//! somewhere.

use std::collections::{BTreeMap, BTreeSet};

use patron_testkit::http::{Call, Reply, basic};
use patron_testkit::server::Server;

use crate::endpoints::documentation;
use crate::stage::{LEAST, create, create_merchant, launch, server};

const HTML: &str = "text/html; charset=utf-8";

/// What is looked up: each template of the wire, with names that there are.
fn examples() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("/docs", vec!["/docs"]),
        ("/docs/style.css", vec!["/docs/style.css"]),
        ("/docs/{wire}", vec!["/docs/admin", "/docs/cyrexa", "/docs/juspay"]),
        ("/docs/errors/{type}", vec!["/docs/errors/not-found", "/docs/errors/invalid"]),
        (
            "/openapi/{wire}.json",
            vec![
                "/openapi/admin.json",
                "/openapi/cyrexa.json",
                "/openapi/docs.json",
                "/openapi/juspay.json",
            ],
        ),
    ])
}

fn paths() -> Vec<&'static str> {
    examples().into_values().flatten().collect()
}

fn get(server: &Server, path: &str) -> Reply {
    let reply = Call::get(path).header("x-request-id", "r-1").send(server);
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply
}

/// An answer to the byte, but for its date.
fn look_of(reply: &Reply) -> String {
    let mut headers = reply.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
    format!("{} {headers:?} {}", reply.status, reply.text())
}

#[test]
fn every_endpoint_is_looked_up() {
    let templates: BTreeSet<String> = documentation().into_iter().map(|(_, path)| path).collect();
    assert_eq!(templates, examples().into_keys().map(str::to_owned).collect());
}

/// Its row in the table of who may do what: nobody shows anything, and whatever is shown changes nothing.
#[test]
fn everybody_reads_the_same() {
    let server = server();
    let other = create_merchant(&server, "other", &[]);
    let credentials = [basic(server.key()), basic(&other), basic("nobody"), "Digest x".to_owned()];
    for path in paths() {
        let expected = look_of(&get(&server, path));
        for credential in &credentials {
            let call = Call::get(path).header("x-request-id", "r-1");
            let reply = call.header("Authorization", credential.clone()).send(&server);
            assert_eq!(look_of(&reply), expected, "{path} {credential}");
        }
    }
}

/// Its story about personal values: there are none, since no page depends on what there is.
#[test]
fn no_page_depends_on_the_installation() {
    let empty = server();
    let full = launch().with("--body-size-max").with("1024").start();
    create(&full, LEAST);
    create_merchant(&full, "other", &["--allow-ip", "203.0.113.7"]);
    for path in paths() {
        assert_eq!(look_of(&get(&full, path)), look_of(&get(&empty, path)), "{path}");
    }
}

#[test]
fn a_page_does_nothing_but_be_read() {
    let server = server();
    for path in paths() {
        let reply = get(&server, path);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("referrer-policy"), Some("no-referrer"), "{path}");
        let text = reply.text();
        for active in ["<script", "<iframe", "<img", "<form", "javascript:", "style=", " onclick"] {
            assert!(!text.contains(active), "{path}: {active}");
        }
    }
}

#[test]
fn what_a_reader_has_is_not_sent_again() {
    let server = server();
    for path in paths() {
        let tag = get(&server, path).header("etag").unwrap().to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let reply = Call::get(path).header("if-none-match", known.as_str()).send(&server);
            assert_eq!((reply.status, reply.text()), (304, ""), "{path} {known}");
            assert_eq!(reply.header("etag"), Some(tag.as_str()));
        }
        let reply = Call::get(path).header("if-none-match", "\"x\"").send(&server);
        assert_eq!(reply.status, 200, "{path}");
    }
}

#[test]
fn the_head_of_a_page_is_the_page_without_its_body() {
    let server = server();
    for path in paths() {
        let head = Call::new("HEAD", path).header("x-request-id", "r-1").send(&server);
        let page = get(&server, path);
        assert_eq!(head.body, Vec::<u8>::new());
        assert_eq!(head.header("content-length"), Some(page.body.len().to_string().as_str()));
        let whole = Reply { body: page.body.clone(), ..head };
        assert_eq!(look_of(&whole), look_of(&page), "{path}");
    }
}

#[test]
fn what_is_not_there_is_said_in_a_page() {
    let server = server();
    for path in ["/docs/nothing", "/docs/a/b", "/docs/errors/nothing", "/openapi/x", "/openapi/"] {
        let reply = Call::get(path).send(&server);
        assert_eq!((reply.status, reply.header("content-type")), (404, Some(HTML)), "{path}");
        assert!(reply.text().contains("There is no such page."), "{path}: {}", reply.text());
    }
    for path in paths() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let reply = Call::new(method, path).bytes("").send(&server);
            let found = (reply.status, reply.header("content-type"), reply.header("allow"));
            assert_eq!(found, (405, Some(HTML), Some("GET, HEAD")), "{method} {path}");
        }
    }
    assert_eq!(look_of(&get(&server, "/docs/")), look_of(&get(&server, "/docs")));
}

/// The values of an attribute on a page.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(start.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn every_link_leads_somewhere_and_every_page_is_linked() {
    let server = server();
    let (mut due, mut seen) = (vec!["/docs".to_owned()], BTreeSet::new());
    while let Some(path) = due.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let reply = get(&server, &path);
        if reply.header("content-type") != Some(HTML) {
            continue;
        }
        let page = reply.text();
        let anchors = values(page, "id");
        let distinct: BTreeSet<&str> = anchors.iter().copied().collect();
        assert_eq!(distinct.len(), anchors.len(), "{path}: a name stands there twice");
        for link in values(page, "href") {
            match link.strip_prefix('#') {
                Some(anchor) => assert!(distinct.contains(anchor), "{path}: {link}"),
                None => due.push(link.to_owned()),
            }
        }
    }
    let missing: Vec<_> = paths().into_iter().filter(|path| !seen.contains(*path)).collect();
    // Whoever reads the documents by machine finds the one about the pages by its name.
    assert_eq!(missing, ["/openapi/docs.json"]);
}

/// A page says what its document says: each operation, each error, and each shape has its place.
#[test]
fn each_page_has_everything_of_its_document() {
    let server = server();
    for wire in ["admin", "cyrexa", "juspay"] {
        let page = get(&server, &format!("/docs/{wire}"));
        let anchors: BTreeSet<&str> = values(page.text(), "id").into_iter().collect();
        let document = get(&server, &format!("/openapi/{wire}.json")).json();
        let mut count = 0;
        for item in document["paths"].as_object().unwrap().values() {
            for operation in item.as_object().unwrap().values() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(anchors.contains(id), "{wire}: {id}");
                count += 1;
            }
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(anchors.contains(format!("schema-{name}").as_str()), "{wire}: {name}");
        }
        assert!(anchors.iter().any(|anchor| anchor.starts_with("error-400-")), "{wire}");
        assert!(count >= 6, "{wire}: {count} operations");
    }
}
