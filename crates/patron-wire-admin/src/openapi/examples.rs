//! Bodies as they may be sent, for people and for whoever tries the document.

use serde_json::{Value, json};

use crate::route::Endpoint;

/// A body that the endpoint takes. `None` where it reads none.
pub(super) fn body(endpoint: Endpoint) -> Option<Value> {
    let password = "correct horse battery staple";
    match endpoint {
        Endpoint::LogIn => Some(json!({"email": "owner@example.com", "password": password})),
        Endpoint::CreateMerchant => Some(json!({"id": "bookshop", "name": "The Bookshop"})),
        Endpoint::UpdateMerchant => Some(json!({"name": "The Bookshop", "countryCode": "65"})),
        Endpoint::CreateKey => {
            Some(json!({"label": "web shop", "scopes": ["customers:read", "customers:write"]}))
        }
        Endpoint::RollKey => Some(json!({"graceSeconds": 86_400})),
        Endpoint::ReplaceAllowList => Some(json!({"addresses": ["203.0.113.0/24", "2001:db8::7"]})),
        Endpoint::TryAllowList => {
            Some(json!({"addresses": ["203.0.113.0/24", "2001:db8::7"], "requests": 1_000}))
        }
        Endpoint::CreateOperator | Endpoint::CreateDeploymentOperator => Some(json!({
            "email": "arya@example.com", "name": "Arya", "role": "auditor", "password": password
        })),
        Endpoint::UpdateOperator | Endpoint::UpdateDeploymentOperator => {
            Some(json!({"role": "operator", "disabled": false}))
        }
        Endpoint::ReplaceMetadata => Some(json!({"tier": "gold"})),
        Endpoint::ReplacePaymentFacts => {
            Some(json!({"hasPaymentRequests": true, "totalDeposits": "120.50"}))
        }
        Endpoint::IntrospectToken => Some(json!({"token": "tkn_24543c6a278f45d680d09edb32e78061"})),
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
        | Endpoint::ListAccesses => None,
    }
}
