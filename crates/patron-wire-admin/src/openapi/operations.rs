//! What the document says of each endpoint: what it takes, what it answers, and who may ask.

use crate::route::Endpoint;

/// What an endpoint reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    /// A JSON body of this type.
    Json(&'static str),
    /// A form of this type.
    Form(&'static str),
}

/// What an endpoint answers when nothing is wrong.
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) schema: Option<&'static str>,
    pub(super) has_version: bool,
    pub(super) has_location: bool,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Whoever has a password.
    Password,
    /// Whoever has a session.
    Session,
    /// Whoever has a key or a session.
    Any,
    /// Whoever has this scope, or a role that includes it.
    Scope(&'static str),
    /// Owners, auditors, and keys that have the scope `admin`, beside the scope to read.
    AccessLog,
    /// Whoever has the scope to read and sees values as they are.
    Clear,
    /// Owners of the deployment.
    DeploymentOwner,
}

const READ: Right = Right::Scope("customers:read");
const WRITE: Right = Right::Scope("customers:write");
const ERASE: Right = Right::Scope("customers:erase");
const ADMIN: Right = Right::Scope("admin");

const fn right(endpoint: Endpoint) -> Right {
    match endpoint {
        Endpoint::LogIn => Right::Password,
        Endpoint::LogOut => Right::Session,
        Endpoint::FindCaller | Endpoint::ListMerchants | Endpoint::FindMerchant => Right::Any,
        Endpoint::CreateMerchant
        | Endpoint::ListDeploymentOperators
        | Endpoint::CreateDeploymentOperator
        | Endpoint::UpdateDeploymentOperator => Right::DeploymentOwner,
        Endpoint::UpdateMerchant
        | Endpoint::ListKeys
        | Endpoint::CreateKey
        | Endpoint::RevokeKey
        | Endpoint::RollKey
        | Endpoint::FindAllowList
        | Endpoint::ReplaceAllowList
        | Endpoint::TryAllowList
        | Endpoint::ListOperators
        | Endpoint::CreateOperator
        | Endpoint::UpdateOperator => ADMIN,
        Endpoint::SearchCustomers
        | Endpoint::FindCustomer
        | Endpoint::ListHistory
        | Endpoint::IntrospectToken => READ,
        Endpoint::ReplaceMetadata | Endpoint::ReplacePaymentFacts => WRITE,
        Endpoint::DeleteCustomer | Endpoint::EraseCustomer | Endpoint::FindErasure => ERASE,
        Endpoint::ExportCustomer => Right::Clear,
        Endpoint::ListAccesses => Right::AccessLog,
    }
}

/// What is to be known of an endpoint, and who may ask.
pub(super) fn description(endpoint: Endpoint) -> String {
    let who = match right(endpoint) {
        Right::Password => "Takes no credential.".to_owned(),
        Right::Session => "Takes a session.".to_owned(),
        Right::Any => "For every key and every operator.".to_owned(),
        Right::Scope(scope) => format!("Takes the scope `{scope}`."),
        Right::AccessLog => {
            "For owners and auditors, and for keys with the scopes `customers:read` \
                             and `admin`."
                .to_owned()
        }
        Right::Clear => "Takes the scope `customers:read`, and is not for auditors.".to_owned(),
        Right::DeploymentOwner => "For owners of the deployment.".to_owned(),
    };
    match notes(endpoint) {
        "" => who,
        notes => format!("{notes} {who}"),
    }
}

const fn notes(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::LogIn => {
            "Too many failures from one address, or for one operator, are not heard for a while."
        }
        Endpoint::CreateKey | Endpoint::RollKey => {
            "The key's text is shown this once. Nobody gives away a scope that it does not have."
        }
        Endpoint::RevokeKey => "A key that was revoked before stays so.",
        Endpoint::UpdateMerchant => "`standing` is for owners of the deployment.",
        Endpoint::TryAllowList => {
            "It is tried on the last requests with the merchant's keys that the process which answers has seen."
        }
        Endpoint::CreateOperator | Endpoint::UpdateOperator => {
            "Nobody gives away a role that may do more than itself."
        }
        Endpoint::SearchCustomers => {
            "Newest first. Several terms mean and. Texts are compared after normalisation. Each customer that is \
             shown stands in the access log."
        }
        Endpoint::FindCustomer => "Deleted ones too. The look stands in the access log.",
        Endpoint::DeleteCustomer => {
            "It is hidden everywhere from then on, and its reference is free. It is erased when the merchant's \
             retention says so."
        }
        Endpoint::EraseCustomer => {
            "All that says who it was is destroyed. The receipt follows once its bytes are gone from the live files. \
             Asked again by its number, it answers the same."
        }
        Endpoint::ListHistory => "An erased customer has a history without values, by its number.",
        Endpoint::ReplacePaymentFacts => "For the payment side, which owns these facts.",
        Endpoint::IntrospectToken => "As in RFC 7662. The token is not used by that.",
        Endpoint::LogOut
        | Endpoint::FindCaller
        | Endpoint::ListMerchants
        | Endpoint::CreateMerchant
        | Endpoint::FindMerchant
        | Endpoint::ListKeys
        | Endpoint::FindAllowList
        | Endpoint::ReplaceAllowList
        | Endpoint::ListOperators
        | Endpoint::ListDeploymentOperators
        | Endpoint::CreateDeploymentOperator
        | Endpoint::UpdateDeploymentOperator
        | Endpoint::FindErasure
        | Endpoint::ReplaceMetadata
        | Endpoint::ExportCustomer
        | Endpoint::ListAccesses => "",
    }
}

/// The headings, in their order, and what stands under each.
pub(super) const TAGS: [(&str, &str); 5] = [
    ("Sessions", "Signing in with a password, and who a credential belongs to."),
    (
        "Merchants",
        "Whose customers they are, their settings, and from where their keys may be used.",
    ),
    ("Keys", "The merchants' API keys."),
    ("Operators", "The people who look after customers."),
    ("Customers", "Finding customers, looking at them, and letting go of them."),
];

/// Under which heading it stands.
pub(super) const fn tag(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::LogIn | Endpoint::LogOut | Endpoint::FindCaller => "Sessions",
        Endpoint::ListMerchants
        | Endpoint::CreateMerchant
        | Endpoint::FindMerchant
        | Endpoint::UpdateMerchant
        | Endpoint::FindAllowList
        | Endpoint::ReplaceAllowList
        | Endpoint::TryAllowList => "Merchants",
        Endpoint::ListKeys | Endpoint::CreateKey | Endpoint::RevokeKey | Endpoint::RollKey => {
            "Keys"
        }
        Endpoint::ListOperators
        | Endpoint::CreateOperator
        | Endpoint::UpdateOperator
        | Endpoint::ListDeploymentOperators
        | Endpoint::CreateDeploymentOperator
        | Endpoint::UpdateDeploymentOperator => "Operators",
        Endpoint::SearchCustomers
        | Endpoint::FindCustomer
        | Endpoint::DeleteCustomer
        | Endpoint::EraseCustomer
        | Endpoint::FindErasure
        | Endpoint::ReplaceMetadata
        | Endpoint::ReplacePaymentFacts
        | Endpoint::ListHistory
        | Endpoint::ExportCustomer
        | Endpoint::ListAccesses
        | Endpoint::IntrospectToken => "Customers",
    }
}

/// What it reads.
pub(super) const fn said(endpoint: Endpoint) -> Said {
    match endpoint {
        Endpoint::LogIn => Said::Json("Login"),
        Endpoint::CreateMerchant => Said::Json("NewMerchant"),
        Endpoint::UpdateMerchant => Said::Json("MerchantEdit"),
        Endpoint::CreateKey => Said::Json("NewKey"),
        Endpoint::RollKey => Said::Json("Roll"),
        Endpoint::ReplaceAllowList => Said::Json("AllowList"),
        Endpoint::TryAllowList => Said::Json("AllowListTrial"),
        Endpoint::CreateOperator | Endpoint::CreateDeploymentOperator => Said::Json("NewOperator"),
        Endpoint::UpdateOperator | Endpoint::UpdateDeploymentOperator => Said::Json("OperatorEdit"),
        Endpoint::ReplaceMetadata => Said::Json("Metadata"),
        Endpoint::ReplacePaymentFacts => Said::Json("NewPaymentFacts"),
        Endpoint::IntrospectToken => Said::Form("TokenQuestion"),
        Endpoint::LogOut
        | Endpoint::FindCaller
        | Endpoint::ListMerchants
        | Endpoint::FindMerchant
        | Endpoint::ListKeys
        | Endpoint::RevokeKey
        | Endpoint::FindAllowList
        | Endpoint::ListOperators
        | Endpoint::ListDeploymentOperators
        | Endpoint::SearchCustomers
        | Endpoint::FindCustomer
        | Endpoint::DeleteCustomer
        | Endpoint::EraseCustomer
        | Endpoint::FindErasure
        | Endpoint::ListHistory
        | Endpoint::ExportCustomer
        | Endpoint::ListAccesses => Said::Nothing,
    }
}

const fn ok(about: &'static str, schema: &'static str) -> Success {
    Success { status: 200, about, schema: Some(schema), has_version: false, has_location: false }
}

const fn created(about: &'static str, schema: &'static str) -> Success {
    Success { status: 201, ..ok(about, schema) }
}

const fn done(about: &'static str) -> Success {
    Success { status: 204, about, schema: None, has_version: false, has_location: false }
}

/// What it answers.
pub(super) const fn success(endpoint: Endpoint) -> Success {
    match endpoint {
        Endpoint::LogIn => ok("The session.", "Session"),
        Endpoint::LogOut => done("The session has ended."),
        Endpoint::FindCaller => ok("The caller.", "Caller"),
        Endpoint::ListMerchants => ok("A page of merchants.", "MerchantList"),
        Endpoint::CreateMerchant => {
            Success { has_location: true, ..created("The merchant.", "Merchant") }
        }
        Endpoint::FindMerchant | Endpoint::UpdateMerchant => ok("The merchant.", "Merchant"),
        Endpoint::ListKeys => ok("A page of keys.", "KeyList"),
        Endpoint::CreateKey | Endpoint::RollKey => {
            created("The new key and its text.", "IssuedKey")
        }
        Endpoint::RevokeKey => done("The key works no more."),
        Endpoint::FindAllowList | Endpoint::ReplaceAllowList => ok("The allow-list.", "AllowList"),
        Endpoint::TryAllowList => ok("What it would have refused.", "AllowListResult"),
        Endpoint::ListOperators | Endpoint::ListDeploymentOperators => {
            ok("A page of operators.", "OperatorList")
        }
        Endpoint::CreateOperator | Endpoint::CreateDeploymentOperator => {
            created("The operator.", "Operator")
        }
        Endpoint::UpdateOperator | Endpoint::UpdateDeploymentOperator => {
            ok("The operator.", "Operator")
        }
        Endpoint::SearchCustomers => ok("A page of customers.", "CustomerList"),
        Endpoint::FindCustomer => Success { has_version: true, ..ok("The customer.", "Customer") },
        Endpoint::DeleteCustomer => done("The customer is hidden."),
        Endpoint::EraseCustomer => Success {
            status: 202,
            has_location: true,
            ..ok("The customer is erased; the receipt may follow.", "Erasure")
        },
        Endpoint::FindErasure => ok("The erasure.", "Erasure"),
        Endpoint::ReplaceMetadata | Endpoint::ReplacePaymentFacts => {
            Success { has_version: true, ..done("It is replaced.") }
        }
        Endpoint::ListHistory => ok("A page of the history.", "History"),
        Endpoint::ExportCustomer => ok("All that is held.", "Export"),
        Endpoint::ListAccesses => ok("A page of the access log.", "AccessLog"),
        Endpoint::IntrospectToken => ok("What is known of the token.", "TokenAnswer"),
    }
}

/// Whether a change of it insists on a version.
pub(super) const fn has_precondition(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::DeleteCustomer | Endpoint::ReplaceMetadata | Endpoint::ReplacePaymentFacts
    )
}

/// Whether somebody else's change can be in its way.
const fn has_conflicts(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::CreateMerchant
            | Endpoint::UpdateMerchant
            | Endpoint::ReplaceAllowList
            | Endpoint::CreateOperator
            | Endpoint::UpdateOperator
            | Endpoint::CreateDeploymentOperator
            | Endpoint::UpdateDeploymentOperator
    )
}

/// All statuses with which it refuses.
pub(super) fn refusals(endpoint: Endpoint) -> Vec<u16> {
    let is_login = endpoint == Endpoint::LogIn;
    let statuses = [
        (400, true),
        (401, true),
        (403, !is_login),
        (404, endpoint.template().contains('{')),
        // What changes something sees to it that nothing is said that it does not know.
        (408, endpoint.method() != http::Method::GET),
        (409, has_conflicts(endpoint)),
        (412, has_precondition(endpoint)),
        (413, endpoint.method() != http::Method::GET),
        (415, endpoint.method() != http::Method::GET),
        // Auditors could learn a value by looking for many.
        (429, is_login || endpoint == Endpoint::SearchCustomers),
        (500, true),
        (503, true),
    ];
    statuses.into_iter().filter(|(_, is_there)| *is_there).map(|(status, _)| status).collect()
}
