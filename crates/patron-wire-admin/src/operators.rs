//! Operators: the people who look after customers, of a merchant or of the deployment.

use patron::ids::OperatorNumber;
use patron::operator::{Operator, Role};
use patron::operators::{NewOperator, OperatorEdit};
use patron::password::Password;
use patron::pii::Pii;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::Reply;
use crate::bodies::{self, Fields, Said};
use crate::call::{Call, Outcome};
use crate::errors::Failure;
use crate::pages::Page;
use crate::{times, values};

/// An operator.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Operator, rename_all = "camelCase")]
pub(crate) struct OperatorBody<'a> {
    /// Its number.
    #[schema(minimum = 1)]
    number: i64,
    /// The address by which it signs in.
    email: &'a str,
    /// Its name for people.
    name: &'a str,
    /// What it may do.
    #[schema(value_type = crate::schemas::Role)]
    role: &'static str,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// Since when it may not sign in.
    #[schema(format = DateTime)]
    disabled_at: Option<String>,
}

/// A page of operators, by number.
#[derive(Serialize, ToSchema)]
pub(crate) struct OperatorList<'a> {
    /// The operators.
    items: Vec<OperatorBody<'a>>,
    /// The `cursor` of the next page; `null` at the end.
    next: Option<String>,
}

impl<'a> OperatorBody<'a> {
    pub(crate) fn new(operator: &'a Operator) -> Self {
        let Operator { number, merchant: _, role, created, disabled, revision: _, email, name } =
            operator;
        Self {
            number: number.get(),
            email: email.reveal(),
            name: name.reveal(),
            role: role.name(),
            created_at: times::text(*created),
            disabled_at: disabled.map(times::text),
        }
    }
}

/// A new operator.
#[derive(ToSchema)]
#[schema(as = NewOperator)]
pub(crate) struct NewOperatorBody {
    /// The address by which it signs in. Nobody else has it, at any merchant.
    #[schema(
        value_type = String,
        max_length = 254,
        pattern = "^[^@\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+@[^@\\u0000-\\u0020\\u007f-\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+$"
    )]
    email: Pii<String>,
    /// Its name for people.
    #[schema(value_type = String, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,100}$")]
    name: Pii<String>,
    /// What it may do: no more than its maker.
    #[schema(value_type = crate::schemas::Role)]
    role: Role,
    /// Its first password.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 256)]
    password: Password,
}

impl Said for NewOperatorBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        let email = fields.required("email", values::email);
        let name = fields.required("name", values::label).map(Pii::new);
        let role = fields.required("role", values::role);
        let password = fields.required("password", values::new_password);
        Some(Self { email: email?, name: name?, role: role?, password: password? })
    }
}

impl NewOperatorBody {
    fn into_new(self) -> NewOperator {
        let Self { email, name, role, password } = self;
        NewOperator { email, name, role, password }
    }
}

/// What changes about an operator. What is left out stays as it is. Another role, another password and being
/// disabled end its sessions.
#[derive(ToSchema)]
#[schema(as = OperatorEdit)]
pub(crate) struct OperatorEditBody {
    /// Its name for people.
    #[schema(
        value_type = String,
        required = false,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,100}$"
    )]
    name: Option<Pii<String>>,
    /// What it may do: no more than whoever says so.
    #[schema(value_type = crate::schemas::Role, required = false)]
    role: Option<Role>,
    /// Its password.
    #[schema(
        value_type = String,
        required = false,
        format = Password,
        min_length = 12,
        max_length = 256
    )]
    password: Option<Password>,
    /// Whether it may not sign in.
    #[schema(value_type = bool, required = false)]
    disabled: Option<bool>,
}

impl Said for OperatorEditBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            name: fields.optional("name", values::label).map(Pii::new),
            role: fields.optional("role", values::role),
            password: fields.optional("password", values::new_password),
            disabled: fields.optional("disabled", values::switch),
        })
    }
}

impl OperatorEditBody {
    fn into_edit(self) -> OperatorEdit {
        let Self { name, role, password, disabled } = self;
        OperatorEdit { name, role, password, is_disabled: disabled }
    }
}

fn page_of(page: &Page<i64>, operators: Vec<Operator>) -> Reply {
    let (operators, next) = page.of(operators, |operator| number(operator.number));
    let items = operators.iter().map(OperatorBody::new).collect();
    Reply::ok(&OperatorList { items, next })
}

const fn number(number: OperatorNumber) -> i64 {
    number.get()
}

/// `GET /admin/v1/merchants/{merchant}/operators`
pub(crate) async fn list(call: &mut Call<'_>) -> Outcome {
    let manager = call.within().await?.manager()?;
    let page = bodies::from_query(call.request)?;
    Ok(page_of(&page, manager.list_operators().await?))
}

/// `POST /admin/v1/merchants/{merchant}/operators`
pub(crate) async fn create(call: &mut Call<'_>) -> Outcome {
    let manager = call.within().await?.manager()?;
    let new: NewOperatorBody = bodies::from_json(call.request).await?;
    let operator = manager.create_operator(new.into_new()).await?;
    Ok(Reply::created(&OperatorBody::new(&operator)))
}

/// `PATCH /admin/v1/merchants/{merchant}/operators/{number}`
pub(crate) async fn update(call: &mut Call<'_>) -> Outcome {
    let manager = call.within().await?.manager()?;
    let edit: OperatorEditBody = bodies::from_json(call.request).await?;
    let set = manager.set_operator(call.operator(), edit.into_edit()).await;
    Ok(Reply::ok(&OperatorBody::new(&set.map_err(Failure::of_change)?)))
}

/// `GET /admin/v1/operators`
pub(crate) async fn list_of_deployment(call: &mut Call<'_>) -> Outcome {
    let console = call.principal().await?.deployment()?;
    let page = bodies::from_query(call.request)?;
    Ok(page_of(&page, console.list_operators(None).await?))
}

/// `POST /admin/v1/operators`
pub(crate) async fn create_of_deployment(call: &mut Call<'_>) -> Outcome {
    let console = call.principal().await?.deployment()?;
    let new: NewOperatorBody = bodies::from_json(call.request).await?;
    let operator = console.create_operator(None, new.into_new()).await?;
    Ok(Reply::created(&OperatorBody::new(&operator)))
}

/// `PATCH /admin/v1/operators/{number}`
pub(crate) async fn update_of_deployment(call: &mut Call<'_>) -> Outcome {
    let console = call.principal().await?.deployment()?;
    let edit: OperatorEditBody = bodies::from_json(call.request).await?;
    let set = console.set_operator(None, call.operator(), edit.into_edit()).await;
    Ok(Reply::ok(&OperatorBody::new(&set.map_err(Failure::of_change)?)))
}
