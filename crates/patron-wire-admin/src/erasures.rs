//! Erasures: forgetting a customer, and the receipt for it.

use patron::erasure::Receipt;
use patron::forgetting::Erased;
use patron::hex;
use patron::ids::MerchantId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::Reply;
use crate::bodies;
use crate::call::{Call, Outcome};
use crate::times;

/// What has become of a customer that was to be erased.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Erasure, rename_all = "camelCase")]
pub(crate) struct ErasureBody<'a> {
    /// The customer's number, the only name that is left.
    #[schema(value_type = crate::schemas::CustomerNumber)]
    customer: i64,
    /// When it was erased.
    #[schema(format = DateTime)]
    erased_at: String,
    /// The receipt, once the bytes are gone from the live files; `null` until then.
    receipt: Option<ReceiptBody<'a>>,
}

/// The proof that a customer was forgotten.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Receipt, rename_all = "camelCase")]
pub(crate) struct ReceiptBody<'a> {
    /// Whose customer it was.
    merchant: &'a str,
    /// The customer's number.
    #[schema(value_type = crate::schemas::CustomerNumber)]
    customer: i64,
    /// The number of its history's last entry, which is its erasure.
    #[schema(minimum = 1)]
    version: u64,
    /// The keyed hash of that entry.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    history_head: String,
    /// When it was erased.
    #[schema(format = DateTime)]
    erased_at: String,
    /// When its bytes had gone from the live files.
    #[schema(format = DateTime)]
    purged_at: String,
    /// When the last log will have expired that may name it.
    #[schema(format = DateTime)]
    logs_expire_at: String,
    /// When the last replica will have followed.
    #[schema(format = DateTime)]
    replicas_expire_at: String,
    /// When the last backup will have expired that holds its key.
    #[schema(format = DateTime)]
    backups_expire_at: String,
    /// A keyed hash over all of the above, which this installation can check.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    signature: String,
}

impl<'a> ErasureBody<'a> {
    fn new(erased: &'a Erased) -> Self {
        let Erased { customer, at, receipt } = erased;
        Self {
            customer: customer.get(),
            erased_at: times::text(*at),
            receipt: receipt.as_ref().map(ReceiptBody::new),
        }
    }
}

impl<'a> ReceiptBody<'a> {
    fn new(receipt: &'a Receipt) -> Self {
        let Receipt {
            merchant,
            customer,
            version,
            history_head,
            erased,
            purged,
            logs_expire,
            replicas_expire,
            backups_expire,
            signature,
        } = receipt;
        Self {
            merchant: merchant.as_str(),
            customer: customer.get(),
            version: *version,
            history_head: hex::encode(&history_head.0).to_string(),
            erased_at: times::text(*erased),
            purged_at: times::text(*purged),
            logs_expire_at: times::text(*logs_expire),
            replicas_expire_at: times::text(*replicas_expire),
            backups_expire_at: times::text(*backups_expire),
            signature: hex::encode(signature).to_string(),
        }
    }
}

fn location(merchant: &MerchantId, erased: &Erased) -> String {
    format!("/admin/v1/merchants/{merchant}/erasures/{}", erased.customer.get())
}

/// `POST /admin/v1/merchants/{merchant}/customers/{customer}/erase`
pub(crate) async fn erase(call: &mut Call<'_>) -> Outcome {
    let within = call.within().await?;
    let eraser = within.eraser()?;
    bodies::nothing(call.request).await?;
    let erased = eraser.erase(call.customer()?).await?;
    let location = location(&within.merchant().id, &erased);
    Ok(Reply::accepted(&ErasureBody::new(&erased)).at(location))
}

/// `GET /admin/v1/merchants/{merchant}/erasures/{number}`
pub(crate) async fn find(call: &mut Call<'_>) -> Outcome {
    let eraser = call.within().await?.eraser()?;
    bodies::no_query(call.request)?;
    let erased = eraser.find_erasure(call.customer_number()?).await?;
    Ok(Reply::ok(&ErasureBody::new(&erased)))
}
