//! Exports: all that is held about one person, for that person.

use patron::access_log::AccessPlace;
use patron::clerk::Export;
use patron::operator::Sight;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access_log::{self, AccessLogBody};
use crate::answers::Reply;
use crate::bodies::{self, Fields, Said};
use crate::call::{Call, Outcome};
use crate::customers::CustomerBody;
use crate::history::{self, HistoryBody};

/// All that is held about one person. Histories and access logs that are longer than a page are gone through by
/// `before` and `after`.
#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
pub(crate) struct ExportBody<'a> {
    /// The customer, with its consents and all else.
    customer: CustomerBody<'a>,
    /// What happened to it, the newest first.
    history: HistoryBody,
    /// Who looked at it, the newest first.
    accesses: AccessLogBody,
}

struct Wanted {
    before: Option<u64>,
    after: Option<AccessPlace>,
}

impl Said for Wanted {
    fn take(fields: &mut Fields) -> Option<Self> {
        Some(Self { before: history::before(fields), after: access_log::after(fields) })
    }
}

/// `GET /admin/v1/merchants/{merchant}/customers/{customer}/export`
pub(crate) async fn export(call: &mut Call<'_>) -> Outcome {
    let clerk = call.within().await?.clerk()?;
    let Wanted { before, after } = bodies::from_query(call.request)?;
    let Export { customer, history, accesses } =
        clerk.export(call.customer()?, before, after).await?;
    Ok(Reply::ok(&ExportBody {
        customer: CustomerBody::new(&customer),
        history: HistoryBody::new(history, Sight::Clear)?,
        accesses: AccessLogBody::new(accesses),
    }))
}
