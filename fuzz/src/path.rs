//! Paths: one of the routes, whose name survives being encoded in another way.

use patron_wire_juspay::route::Route;

use super::reference::{percent_decoded, percent_encoded};

/// Checks one input: a path as it was sent.
pub fn check(data: &[u8]) {
    // In a request it has passed as an URI, so that it is text.
    let Ok(path) = std::str::from_utf8(data) else {
        return;
    };
    let route = Route::find(path);
    assert_eq!(route, Route::find(path), "read twice, it is two things");
    assert_eq!(route.allow().is_empty(), route == Route::Unknown);
    let (base, name) = match &route {
        Route::Customers => return assert_eq!(path, "/customers"),
        Route::EnsureCustomers => return assert_eq!(path, "/v2/customers"),
        Route::Unknown => return is_none_of_ours(path),
        Route::Customer(name) => ("/customers/", name),
        Route::EnsureCustomer(name) => ("/v2/customers/", name),
    };
    let Some(sent) = path.strip_prefix(base) else {
        panic!("{path} is taken for {route:?}");
    };
    assert!(!sent.is_empty() && !sent.contains('/'), "{path} is taken for {route:?}");
    if let Some(decoded) = percent_decoded(sent.as_bytes()) {
        assert_eq!(String::from_utf8(decoded).ok().as_ref(), name.as_ref());
    }
    if let Some(name) = name {
        let again = format!("{base}{}", percent_encoded(name));
        assert_eq!(Route::find(&again), route, "encoded in another way");
    }
}

fn is_none_of_ours(path: &str) {
    for base in ["/customers", "/v2/customers"] {
        assert_ne!(path, base);
        let name = path.strip_prefix(base).and_then(|rest| rest.strip_prefix('/'));
        assert!(name.is_none_or(|name| name.is_empty() || name.contains('/')), "{path}");
    }
}
