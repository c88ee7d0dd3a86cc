//! The endpoints, and everything that is none of them.

use http::Method;
use patron::ids::CustomerNumber;
use percent_encoding::percent_decode_str;

/// Where the vendor's API is mounted: its public base path.
const BASE: &str = "/ipg/2.0.0";

/// What the wire offers: a method at a path. A request is answered as one of these or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Create.
    CreateCustomer,
    /// List and search.
    ListCustomers,
    /// Read.
    FindCustomer,
    /// Update.
    UpdateCustomer,
    /// Update at the path that the vendor's page gives, which has no base.
    UpdateBareCustomer,
    /// Delete.
    DeleteCustomer,
    /// A client auth token for a customer.
    IssueToken,
    /// An access token for an operator.
    LogIn,
}

impl Endpoint {
    /// All endpoints. [`Route::endpoint`] finds no other, so none is answered that does not stand here.
    pub(crate) const ALL: [Self; 8] = [
        Self::CreateCustomer,
        Self::ListCustomers,
        Self::FindCustomer,
        Self::UpdateCustomer,
        Self::UpdateBareCustomer,
        Self::DeleteCustomer,
        Self::IssueToken,
        Self::LogIn,
    ];

    /// Its method.
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::ListCustomers | Self::FindCustomer => Method::GET,
            Self::CreateCustomer | Self::IssueToken | Self::LogIn => Method::POST,
            Self::UpdateCustomer | Self::UpdateBareCustomer => Method::PUT,
            Self::DeleteCustomer => Method::DELETE,
        }
    }

    /// Its path, as [`Route::template`] has it.
    pub(crate) const fn template(self) -> &'static str {
        match self {
            Self::CreateCustomer | Self::ListCustomers => CUSTOMERS,
            Self::FindCustomer | Self::UpdateCustomer | Self::DeleteCustomer => CUSTOMER,
            Self::UpdateBareCustomer => BARE_CUSTOMER,
            Self::IssueToken => TOKEN,
            Self::LogIn => LOGIN,
        }
    }
}

const CUSTOMERS: &str = "/ipg/2.0.0/customers";
const CUSTOMER: &str = "/ipg/2.0.0/customers/{id}";
const BARE_CUSTOMER: &str = "/customers/{id}";
const TOKEN: &str = "/ipg/2.0.0/customers/{id}/token";
const LOGIN: &str = "/ipg/2.0.0/auth/login";

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/ipg/2.0.0/customers`
    Customers,
    /// `/ipg/2.0.0/customers/{id}`. `None` when what stands there is no customer's number.
    Customer(Option<CustomerNumber>),
    /// `/customers/{id}`; `None` as above.
    BareCustomer(Option<CustomerNumber>),
    /// `/ipg/2.0.0/customers/{id}/token`; `None` as above.
    Token(Option<CustomerNumber>),
    /// `/ipg/2.0.0/auth/login`
    Login,
    /// Anything else.
    Unknown,
}

impl Route {
    /// The template of an answer that came before any route was known.
    pub(crate) const UNREAD_TEMPLATE: &str = "unknown";

    /// Whether a request is this wire's: everything below the vendor's base, and `PUT` at the path
    /// that its page gives.
    pub fn is_ours(method: &Method, path: &str) -> bool {
        match path.strip_prefix(BASE) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => *method == Method::PUT && matches!(Self::find(path), Self::BareCustomer(_)),
        }
    }

    /// Reads a path as it was sent.
    pub fn find(path: &str) -> Self {
        if let Some(name) = path.strip_prefix("/customers/") {
            return Self::named(name, Self::BareCustomer);
        }
        let Some(rest) = path.strip_prefix(BASE) else {
            return Self::Unknown;
        };
        if rest == "/auth/login" {
            return Self::Login;
        }
        match rest.strip_prefix("/customers") {
            Some("") => Self::Customers,
            Some(rest) => match rest.strip_prefix('/') {
                Some(name) => match name.strip_suffix("/token") {
                    Some(name) => Self::named(name, Self::Token),
                    None => Self::named(name, Self::Customer),
                },
                None => Self::Unknown,
            },
            None => Self::Unknown,
        }
    }

    fn named(name: &str, one: impl Fn(Option<CustomerNumber>) -> Self) -> Self {
        if name.is_empty() || name.contains('/') { Self::Unknown } else { one(number(name)) }
    }

    /// The route as it stands in metrics and logs.
    pub const fn template(&self) -> &'static str {
        match self {
            Self::Customers => CUSTOMERS,
            Self::Customer(_) => CUSTOMER,
            Self::BareCustomer(_) => BARE_CUSTOMER,
            Self::Token(_) => TOKEN,
            Self::Login => LOGIN,
            Self::Unknown => Self::UNREAD_TEMPLATE,
        }
    }

    /// What this method asks for here. `None` when the path is unknown, or does not know the method.
    pub(crate) fn endpoint(&self, method: &Method) -> Option<Endpoint> {
        let template = self.template();
        let mut all = Endpoint::ALL.into_iter();
        all.find(|one| one.template() == template && one.method() == *method)
    }

    /// The number in the path. `None` where there is none, or it cannot be one.
    pub(crate) const fn number(&self) -> Option<CustomerNumber> {
        match self {
            Self::Customer(number) | Self::BareCustomer(number) | Self::Token(number) => *number,
            Self::Customers | Self::Login | Self::Unknown => None,
        }
    }

    /// The methods that the route knows, as the `Allow` header wants them.
    pub const fn allow(&self) -> &'static str {
        match self {
            Self::Customers => "GET, POST",
            Self::Customer(_) => "GET, PUT, DELETE",
            Self::BareCustomer(_) => "PUT",
            Self::Token(_) | Self::Login => "POST",
            Self::Unknown => "",
        }
    }
}

/// The path of a customer, for the `Location` of a new one.
pub(crate) fn location(number: CustomerNumber) -> String {
    format!("{CUSTOMERS}/{}", number.get())
}

/// A customer's number as it stands in a path: digits, encoded or raw. The vendor's type is int64, so
/// that more digits than fit, or a sign, make it no customer's.
fn number(name: &str) -> Option<CustomerNumber> {
    let name = percent_decode_str(name).decode_utf8().ok()?;
    let is_digits = name.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_digits { name.parse().ok()? } else { return None };
    CustomerNumber::new(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_arrive_encoded_or_raw() {
        let number = |number| CustomerNumber::new(number);
        for (path, expect) in [
            ("/ipg/2.0.0/customers", Route::Customers),
            ("/ipg/2.0.0/customers/12345", Route::Customer(number(12_345))),
            ("/ipg/2.0.0/customers/%31%32", Route::Customer(number(12))),
            ("/ipg/2.0.0/customers/9007199254740991", Route::Customer(number((1 << 53) - 1))),
            ("/ipg/2.0.0/customers/9007199254740992", Route::Customer(None)),
            ("/ipg/2.0.0/customers/9223372036854775808", Route::Customer(None)),
            ("/ipg/2.0.0/customers/0", Route::Customer(None)),
            ("/ipg/2.0.0/customers/-1", Route::Customer(None)),
            ("/ipg/2.0.0/customers/+1", Route::Customer(None)),
            ("/ipg/2.0.0/customers/x", Route::Customer(None)),
            ("/ipg/2.0.0/customers/%E9", Route::Customer(None)),
            ("/ipg/2.0.0/customers/token", Route::Customer(None)),
            ("/ipg/2.0.0/customers/7/token", Route::Token(number(7))),
            ("/ipg/2.0.0/customers/x/token", Route::Token(None)),
            ("/ipg/2.0.0/auth/login", Route::Login),
            ("/customers/7", Route::BareCustomer(number(7))),
            ("/customers/x", Route::BareCustomer(None)),
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
            assert!(Route::is_ours(&endpoint.method(), endpoint.template()));
            // What the answer to another method offers is what there is.
            let found = methods.iter().filter(|method| route.endpoint(method).is_some());
            let allow: Vec<_> = found.map(Method::as_str).collect();
            assert_eq!(route.allow(), allow.join(", "), "{endpoint:?}");
        }
        assert!(methods.iter().all(|method| Route::Unknown.endpoint(method).is_none()));
    }

    #[test]
    fn the_base_is_ours_whatever_is_asked_and_the_bare_path_for_updates_only() {
        for path in ["/ipg/2.0.0", "/ipg/2.0.0/", "/ipg/2.0.0/nowhere", "/ipg/2.0.0/customers/"] {
            assert!(Route::is_ours(&Method::GET, path), "{path}");
            assert_eq!(Route::find(path), Route::Unknown, "{path}");
        }
        assert!(Route::is_ours(&Method::PUT, "/customers/jon@example.com"));
        for (method, path) in [
            (Method::GET, "/customers/7"),
            (Method::POST, "/customers/7"),
            (Method::PUT, "/customers"),
            (Method::PUT, "/customers/"),
            (Method::PUT, "/customers/7/token"),
            (Method::GET, "/ipg/2.0.01/customers"),
            (Method::GET, "/ipg"),
            (Method::GET, "/"),
        ] {
            assert!(!Route::is_ours(&method, path), "{method} {path}");
        }
    }
}
