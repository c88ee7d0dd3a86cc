//! The endpoints, and everything that is none of them.

use http::Method;
use percent_encoding::percent_decode_str;

/// What every path of this wire begins with.
const BASE: &str = "/admin/v1";

/// Makes [`Endpoint`] from one table, so that none is without its method and its path.
macro_rules! endpoints {
    ($( #[doc = $about:literal] $name:ident = $method:ident $template:literal, )+) => {
        /// What the wire offers: a method at a path. A request is answered as one of these or not at all.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Endpoint { $( #[doc = $about] $name, )+ }

        impl Endpoint {
            /// All endpoints. [`Route::endpoint`] finds no other, so none is answered that does not stand here.
            pub(crate) const ALL: &'static [Self] = &[ $( Self::$name, )+ ];

            /// Its method.
            pub(crate) const fn method(self) -> Method {
                match self { $( Self::$name => Method::$method, )+ }
            }

            /// Its path, with the names of what changes in braces.
            pub(crate) const fn template(self) -> &'static str {
                match self { $( Self::$name => $template, )+ }
            }

            /// Its name in documents.
            pub(crate) const fn name(self) -> &'static str {
                match self { $( Self::$name => stringify!($name), )+ }
            }

            /// What it is about, in a sentence.
            pub(crate) const fn about(self) -> &'static str {
                match self { $( Self::$name => $about.trim_ascii(), )+ }
            }
        }
    };
}

endpoints! {
    /// Sign in.
    LogIn = POST "/admin/v1/login",
    /// Sign out.
    LogOut = POST "/admin/v1/logout",
    /// Find out who the caller is, and what it may do.
    FindCaller = GET "/admin/v1/me",
    /// List the merchants that the caller reaches.
    ListMerchants = GET "/admin/v1/merchants",
    /// Create a merchant.
    CreateMerchant = POST "/admin/v1/merchants",
    /// Find a merchant.
    FindMerchant = GET "/admin/v1/merchants/{merchant}",
    /// Change what a merchant has set.
    UpdateMerchant = PATCH "/admin/v1/merchants/{merchant}",
    /// List a merchant's API keys.
    ListKeys = GET "/admin/v1/merchants/{merchant}/keys",
    /// Create an API key.
    CreateKey = POST "/admin/v1/merchants/{merchant}/keys",
    /// Revoke an API key.
    RevokeKey = POST "/admin/v1/merchants/{merchant}/keys/{number}/revoke",
    /// Put another API key in the place of one.
    RollKey = POST "/admin/v1/merchants/{merchant}/keys/{number}/roll",
    /// Find from where a merchant's keys may be used.
    FindAllowList = GET "/admin/v1/merchants/{merchant}/allow-list",
    /// Set from where a merchant's keys may be used.
    ReplaceAllowList = PUT "/admin/v1/merchants/{merchant}/allow-list",
    /// Try an allow-list on the last requests.
    TryAllowList = POST "/admin/v1/merchants/{merchant}/allow-list/dry-run",
    /// List a merchant's operators.
    ListOperators = GET "/admin/v1/merchants/{merchant}/operators",
    /// Create an operator of a merchant.
    CreateOperator = POST "/admin/v1/merchants/{merchant}/operators",
    /// Change an operator of a merchant.
    UpdateOperator = PATCH "/admin/v1/merchants/{merchant}/operators/{number}",
    /// List the deployment's own operators.
    ListDeploymentOperators = GET "/admin/v1/operators",
    /// Create an operator of the deployment.
    CreateDeploymentOperator = POST "/admin/v1/operators",
    /// Change an operator of the deployment.
    UpdateDeploymentOperator = PATCH "/admin/v1/operators/{number}",
    /// List customers, all of them or those that are looked for.
    SearchCustomers = GET "/admin/v1/merchants/{merchant}/customers",
    /// Find a customer.
    FindCustomer = GET "/admin/v1/merchants/{merchant}/customers/{customer}",
    /// Delete a customer.
    DeleteCustomer = DELETE "/admin/v1/merchants/{merchant}/customers/{customer}",
    /// Erase a customer.
    EraseCustomer = POST "/admin/v1/merchants/{merchant}/customers/{customer}/erase",
    /// Find out what has become of an erasure.
    FindErasure = GET "/admin/v1/merchants/{merchant}/erasures/{number}",
    /// Replace a customer's metadata.
    ReplaceMetadata = PUT "/admin/v1/merchants/{merchant}/customers/{customer}/metadata",
    /// Replace what the payment side knows of a customer.
    ReplacePaymentFacts = PUT "/admin/v1/merchants/{merchant}/customers/{customer}/payment-facts",
    /// List what happened to a customer.
    ListHistory = GET "/admin/v1/merchants/{merchant}/customers/{customer}/history",
    /// Export all that is held about a customer.
    ExportCustomer = GET "/admin/v1/merchants/{merchant}/customers/{customer}/export",
    /// List who looked at customers.
    ListAccesses = GET "/admin/v1/merchants/{merchant}/access-log",
    /// Find out what is known of a customer's token.
    IntrospectToken = POST "/admin/v1/merchants/{merchant}/tokens/introspect",
}

/// A path that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    template: &'static str,
    /// What stands where the template has a name in braces, decoded. `None` when it is not UTF-8: nothing here
    /// has such a name.
    names: Vec<(&'static str, Option<String>)>,
}

impl Route {
    /// The template of an answer that came before any route was known.
    pub(crate) const UNREAD_TEMPLATE: &str = "unknown";

    /// Whether a path is this wire's: everything below its base.
    pub fn is_ours(path: &str) -> bool {
        path.strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Reads a path as it was sent. Names arrive encoded or raw, so a `%` that encodes nothing stands for
    /// itself.
    pub fn find(path: &str) -> Self {
        let mut templates = Endpoint::ALL.iter().map(|endpoint| endpoint.template());
        templates
            .find_map(|template| Some(Self { template, names: names_in(path, template)? }))
            .unwrap_or(Self { template: Self::UNREAD_TEMPLATE, names: Vec::new() })
    }

    /// The route as it stands in metrics and logs.
    pub const fn template(&self) -> &'static str {
        self.template
    }

    /// What this method asks for here. `None` when the path is unknown, or does not know the method.
    pub(crate) fn endpoint(&self, method: &Method) -> Option<Endpoint> {
        self.endpoints().find(|one| one.method() == *method)
    }

    /// What is offered at this path.
    fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        Endpoint::ALL.iter().copied().filter(|one| one.template() == self.template)
    }

    /// What stands in the path in the place of a name. `None` where there is none, or it is not UTF-8.
    pub(crate) fn name(&self, placeholder: &str) -> Option<&str> {
        let mut found = self.names.iter().filter(|(name, _)| *name == placeholder);
        found.next().and_then(|(_, text)| text.as_deref())
    }

    /// The methods that the route knows, as the `Allow` header wants them; empty when it is no route.
    pub(crate) fn allow(&self) -> String {
        let methods: Vec<_> = self.endpoints().map(|one| one.method().to_string()).collect();
        methods.join(", ")
    }
}

/// What stands in a path in the place of each name of the template; `None` when it is another path.
fn names_in(path: &str, template: &'static str) -> Option<Vec<(&'static str, Option<String>)>> {
    let mut names = Vec::new();
    let mut parts = path.split('/');
    for expected in template.split('/') {
        let part = parts.next()?;
        let name = expected.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if !part.is_empty() => {
                let text = percent_decode_str(part).decode_utf8().ok();
                names.push((name, text.map(|text| text.into_owned())));
            }
            None if part == expected => {}
            Some(_) | None => return None,
        }
    }
    parts.next().is_none().then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(route.endpoint(&endpoint.method()), Some(*endpoint));
            assert!(Route::is_ours(endpoint.template()));
            // What the answer to another method offers is what there is.
            let found = methods.iter().filter(|method| route.endpoint(method).is_some());
            let allow: Vec<_> = found.map(Method::as_str).collect();
            assert_eq!(route.allow(), allow.join(", "), "{endpoint:?}");
        }
    }

    #[test]
    fn names_are_decoded() {
        for (path, merchant, customer) in [
            ("/admin/v1/merchants/acme/customers/7", Some("acme"), Some("7")),
            ("/admin/v1/merchants/%61cme/customers/jon%40x", Some("acme"), Some("jon@x")),
            ("/admin/v1/merchants/a/customers/a%2Fb%20c", Some("a"), Some("a/b c")),
            ("/admin/v1/merchants/a/customers/100%", Some("a"), Some("100%")),
            ("/admin/v1/merchants/a/customers/%E9", Some("a"), None),
        ] {
            let route = Route::find(path);
            assert_eq!(route.template(), Endpoint::FindCustomer.template(), "{path}");
            assert_eq!((route.name("merchant"), route.name("customer")), (merchant, customer));
            assert_eq!(route.name("number"), None);
        }
    }

    #[test]
    fn anything_else_below_the_base_is_ours_and_unknown() {
        for path in [
            "/admin/v1",
            "/admin/v1/",
            "/admin/v1/merchants/",
            "/admin/v1/merchants//keys",
            "/admin/v1/merchants/a/",
            "/admin/v1/merchants/a/keys/1",
            "/admin/v1/merchants/a/keys/1/roll/",
            "/admin/v1/Login",
            "/admin/v1/login/",
        ] {
            assert!(Route::is_ours(path), "{path}");
            assert_eq!(Route::find(path).template(), Route::UNREAD_TEMPLATE, "{path}");
            assert_eq!(Route::find(path).allow(), "");
        }
        for path in ["/admin", "/admin/v1x", "/admin/v2/login", "/", "", "*", "/ADMIN/v1"] {
            assert!(!Route::is_ours(path), "{path}");
        }
    }
}
