//! The six routes, and everything that is none of them.

use percent_encoding::percent_decode_str;

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/customers`
    Customers,
    /// `/customers/{id}`, decoded. `None` when the name is not UTF-8: no customer has such a name.
    Customer(Option<String>),
    /// `/v2/customers`
    EnsureCustomers,
    /// `/v2/customers/{object_reference_id}`, decoded; `None` as above.
    EnsureCustomer(Option<String>),
    /// Anything else.
    Unknown,
}

impl Route {
    /// The template of an answer that came before any route was known.
    pub(crate) const BROKEN_TEMPLATE: &str = "unknown";

    /// Reads a path as it was sent. Names arrive encoded or raw (`customer%40gmail.com`,
    /// `customer@gmail.com`), so a `%` that encodes nothing stands for itself, and a `+` is a plus.
    pub(crate) fn find(path: &str) -> Self {
        if let Some(rest) = path.strip_prefix("/v2/customers") {
            return Self::below(rest, Self::EnsureCustomers, Self::EnsureCustomer);
        }
        match path.strip_prefix("/customers") {
            Some(rest) => Self::below(rest, Self::Customers, Self::Customer),
            None => Self::Unknown,
        }
    }

    fn below(rest: &str, all: Self, one: impl Fn(Option<String>) -> Self) -> Self {
        match rest.strip_prefix('/') {
            None if rest.is_empty() => all,
            Some(name) if !name.is_empty() && !name.contains('/') => {
                one(percent_decode_str(name).decode_utf8().ok().map(|name| name.into_owned()))
            }
            _ => Self::Unknown,
        }
    }

    /// The route as it stands in metrics and logs.
    pub(crate) const fn template(&self) -> &'static str {
        match self {
            Self::Customers => "/customers",
            Self::Customer(_) => "/customers/{id}",
            Self::EnsureCustomers => "/v2/customers",
            Self::EnsureCustomer(_) => "/v2/customers/{object_reference_id}",
            Self::Unknown => "unknown",
        }
    }

    /// The methods that the route knows, as the `Allow` header wants them.
    pub(crate) const fn allow(&self) -> &'static str {
        match self {
            Self::Customers | Self::Customer(_) => "GET, POST",
            Self::EnsureCustomers | Self::EnsureCustomer(_) => "POST",
            Self::Unknown => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_arrive_encoded_or_raw() {
        let customer = |name: &str| Route::Customer(Some(name.to_owned()));
        for (path, expect) in [
            ("/customers", Route::Customers),
            ("/customers/cst_1", customer("cst_1")),
            ("/customers/customer%40gmail.com", customer("customer@gmail.com")),
            ("/customers/customer@gmail.com", customer("customer@gmail.com")),
            ("/customers/a+b", customer("a+b")),
            ("/customers/a%2Fb%20c", customer("a/b c")),
            ("/customers/100%", customer("100%")),
            ("/customers/%zz", customer("%zz")),
            ("/customers/%E9", Route::Customer(None)),
            ("/customers/é", customer("é")),
            ("/v2/customers", Route::EnsureCustomers),
            ("/v2/customers/r%40x", Route::EnsureCustomer(Some("r@x".to_owned()))),
        ] {
            assert_eq!(Route::find(path), expect, "{path}");
        }
    }

    #[test]
    fn anything_else_is_unknown() {
        for path in [
            "",
            "/",
            "*",
            "/customers/",
            "/customers/a/b",
            "/customersx",
            "/Customers",
            "/v2",
            "/v3/customers",
            "/v2/customers/",
        ] {
            assert_eq!(Route::find(path), Route::Unknown, "{path}");
        }
    }
}
