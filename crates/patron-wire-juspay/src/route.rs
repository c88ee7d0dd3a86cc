//! The six endpoints, and everything that is none of them.

use http::Method;
use percent_encoding::percent_decode_str;

/// What the wire offers: a method at a path. A request is answered as one of these or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Create.
    CreateCustomer,
    /// List.
    ListCustomers,
    /// Read.
    FindCustomer,
    /// Update.
    UpdateCustomer,
    /// Get-or-create by the reference in the body.
    EnsureCustomer,
    /// Get-or-create by the reference in the path.
    EnsureNamedCustomer,
}

impl Endpoint {
    /// All endpoints. [`Route::endpoint`] finds no other, so none is answered that does not stand here.
    pub(crate) const ALL: [Self; 6] = [
        Self::CreateCustomer,
        Self::ListCustomers,
        Self::FindCustomer,
        Self::UpdateCustomer,
        Self::EnsureCustomer,
        Self::EnsureNamedCustomer,
    ];

    /// Its method.
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::ListCustomers | Self::FindCustomer => Method::GET,
            Self::CreateCustomer
            | Self::UpdateCustomer
            | Self::EnsureCustomer
            | Self::EnsureNamedCustomer => Method::POST,
        }
    }

    /// Its path, as [`Route::template`] has it.
    pub(crate) const fn template(self) -> &'static str {
        match self {
            Self::CreateCustomer | Self::ListCustomers => CUSTOMERS,
            Self::FindCustomer | Self::UpdateCustomer => CUSTOMER,
            Self::EnsureCustomer => ENSURE_CUSTOMERS,
            Self::EnsureNamedCustomer => ENSURE_CUSTOMER,
        }
    }
}

const CUSTOMERS: &str = "/customers";
const CUSTOMER: &str = "/customers/{id}";
const ENSURE_CUSTOMERS: &str = "/v2/customers";
const ENSURE_CUSTOMER: &str = "/v2/customers/{object_reference_id}";

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
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
    pub(crate) const UNREAD_TEMPLATE: &str = "unknown";

    /// Reads a path as it was sent. Names arrive encoded or raw (`customer%40gmail.com`,
    /// `customer@gmail.com`), so a `%` that encodes nothing stands for itself, and a `+` is a plus.
    pub fn find(path: &str) -> Self {
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
    pub const fn template(&self) -> &'static str {
        match self {
            Self::Customers => CUSTOMERS,
            Self::Customer(_) => CUSTOMER,
            Self::EnsureCustomers => ENSURE_CUSTOMERS,
            Self::EnsureCustomer(_) => ENSURE_CUSTOMER,
            Self::Unknown => Self::UNREAD_TEMPLATE,
        }
    }

    /// What this method asks for here. `None` when the path is unknown, or does not know the method.
    pub(crate) fn endpoint(&self, method: &Method) -> Option<Endpoint> {
        let template = self.template();
        let mut all = Endpoint::ALL.into_iter();
        all.find(|one| one.template() == template && one.method() == *method)
    }

    /// The name in the path. `None` where there is none, or it is not UTF-8.
    pub(crate) const fn name(&self) -> &Option<String> {
        match self {
            Self::Customer(name) | Self::EnsureCustomer(name) => name,
            Self::Customers | Self::EnsureCustomers | Self::Unknown => &None,
        }
    }

    /// The methods that the route knows, as the `Allow` header wants them.
    pub const fn allow(&self) -> &'static str {
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
    fn every_endpoint_is_found_where_it_says_it_is_and_nothing_else_is() {
        let methods = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ];
        for endpoint in Endpoint::ALL {
            let route = Route::find(endpoint.template());
            assert_eq!(route.template(), endpoint.template());
            assert_eq!(route.endpoint(&endpoint.method()), Some(endpoint));
            // What the answer to another method offers is what there is.
            let found = methods.iter().filter(|method| route.endpoint(method).is_some());
            let allow: Vec<_> = found.map(Method::as_str).collect();
            assert_eq!(route.allow(), allow.join(", "), "{endpoint:?}");
        }
        assert!(methods.iter().all(|method| Route::Unknown.endpoint(method).is_none()));
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
