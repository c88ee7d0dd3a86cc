//! The columns of the table: everything that a caller may ask for, about one customer.

use patron_testkit::http::Call;
use serde_json::Value;

use super::installation::Credentials;

/// What is asked. One endpoint may be asked for several things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Create,
    CreateWithToken,
    List,
    FindById,
    FindByReference,
    FindWithToken,
    UpdateById,
    UpdateByReference,
    EnsureKnown,
    EnsureUnknown,
    EnsureUpdate,
    NamedKnown,
    NamedUnknown,
    NamedUpdate,
}

/// What becomes of the data when the answer is yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Creation,
    Update,
}

/// A customer that callers ask for.
#[derive(Debug, Clone)]
pub(super) struct Customer {
    pub(super) id: String,
    pub(super) reference: String,
    /// A client auth token for it.
    pub(super) token: String,
    /// As it is answered, without a token.
    pub(super) body: Value,
}

impl Customer {
    /// One that nobody has.
    pub(super) fn nobody() -> Self {
        Self {
            id: "cst_0000000000000000".to_owned(),
            reference: "nobody@example.com".to_owned(),
            token: String::new(),
            body: Value::Null,
        }
    }
}

impl Ask {
    pub(super) const ALL: [Self; 14] = [
        Self::Create,
        Self::CreateWithToken,
        Self::List,
        Self::FindById,
        Self::FindByReference,
        Self::FindWithToken,
        Self::UpdateById,
        Self::UpdateByReference,
        Self::EnsureKnown,
        Self::EnsureUnknown,
        Self::EnsureUpdate,
        Self::NamedKnown,
        Self::NamedUnknown,
        Self::NamedUpdate,
    ];

    pub(super) const fn endpoint(self) -> (&'static str, &'static str) {
        match self {
            Self::Create | Self::CreateWithToken => ("POST", "/customers"),
            Self::List => ("GET", "/customers"),
            Self::FindById | Self::FindByReference | Self::FindWithToken => {
                ("GET", "/customers/{id}")
            }
            Self::UpdateById | Self::UpdateByReference => ("POST", "/customers/{id}"),
            Self::EnsureKnown | Self::EnsureUnknown | Self::EnsureUpdate => {
                ("POST", "/v2/customers")
            }
            Self::NamedKnown | Self::NamedUnknown | Self::NamedUpdate => {
                ("POST", "/v2/customers/{object_reference_id}")
            }
        }
    }

    pub(super) const fn effect(self) -> Effect {
        match self {
            Self::List
            | Self::FindById
            | Self::FindByReference
            | Self::FindWithToken
            | Self::EnsureKnown
            | Self::NamedKnown => Effect::Nothing,
            Self::Create | Self::CreateWithToken | Self::EnsureUnknown | Self::NamedUnknown => {
                Effect::Creation
            }
            Self::UpdateById | Self::UpdateByReference | Self::EnsureUpdate | Self::NamedUpdate => {
                Effect::Update
            }
        }
    }

    pub(super) const fn wishes_token(self) -> bool {
        matches!(self, Self::CreateWithToken | Self::FindWithToken)
    }

    /// What names the customer in the path.
    fn name(self, customer: &Customer) -> String {
        match self {
            Self::FindById | Self::UpdateById => customer.id.clone(),
            Self::NamedUnknown => format!("new-{}", customer.reference),
            Self::FindByReference
            | Self::FindWithToken
            | Self::UpdateByReference
            | Self::NamedKnown
            | Self::NamedUpdate => customer.reference.clone(),
            Self::Create
            | Self::CreateWithToken
            | Self::List
            | Self::EnsureKnown
            | Self::EnsureUnknown
            | Self::EnsureUpdate => String::new(),
        }
    }

    /// What the body says. Nothing in it names a customer whose reference is in the path.
    fn form(self, customer: &Customer) -> String {
        let reference = &customer.reference;
        match self {
            Self::List | Self::FindById | Self::FindByReference | Self::FindWithToken => {
                String::new()
            }
            Self::Create => format!("object_reference_id=new-{reference}&mobile_number=1"),
            Self::CreateWithToken => format!(
                "object_reference_id=new-{reference}&mobile_number=1\
                 &options.get_client_auth_token=true"
            ),
            Self::UpdateById | Self::UpdateByReference => "first_name=Changed".to_owned(),
            Self::EnsureKnown => format!("object_reference_id={reference}&first_name=Changed"),
            Self::EnsureUnknown => format!("object_reference_id=new-{reference}"),
            Self::EnsureUpdate => {
                format!("object_reference_id={reference}&first_name=Changed&update=true")
            }
            Self::NamedKnown => "first_name=Changed".to_owned(),
            Self::NamedUnknown => "mobile_number=1".to_owned(),
            Self::NamedUpdate => "first_name=Changed&update=true".to_owned(),
        }
    }

    /// The request about this customer, with these credentials. Its id is always the same, so that
    /// equal answers are equal to the byte.
    pub(super) fn call(self, customer: &Customer, credentials: &Credentials) -> Call {
        let (method, template) = self.endpoint();
        let path = match template.split_once('{') {
            None => template.to_owned(),
            Some((start, _)) => format!("{start}{}", self.name(customer)),
        };
        let wish = (self == Self::FindWithToken).then_some("options.get_client_auth_token=true");
        let query: Vec<&str> =
            wish.into_iter().chain(credentials.query.iter().map(String::as_str)).collect();
        let target = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        let mut call = Call::new(method, target).header("x-request-id", "r-1");
        for (name, value) in &credentials.headers {
            call = call.header(name, value.clone());
        }
        if method == "GET" {
            return call;
        }
        let fields = [self.form(customer)].into_iter().chain(credentials.form.clone());
        call.form(fields.collect::<Vec<_>>().join("&"))
    }
}
