//! Sealing what says who looks after customers: operators, and who looked at whom.

use crate::access_log::{Access, SealedAccess};
use crate::actor::Actor;
use crate::entropy::Entropy;
use crate::framing::Framed;
use crate::ids::{MerchantNumber, OperatorNumber};
use crate::keys::{DeploymentKeys, MerchantKeys};
use crate::operator::{Operator, SealedOperator};
use crate::pii::Pii;
use crate::records::{AccessV1, OperatorV1};
use crate::seal::{SealError, decoded, encoded};

/// Seals who looked, in an entry of the access log that says everything else already.
pub(crate) fn seal_access(
    keys: &MerchantKeys,
    entropy: &dyn Entropy,
    actor: &Actor,
    access: SealedAccess,
) -> Result<SealedAccess, SealError> {
    let record = AccessV1 {
        address: actor.address.map(|address| address.to_string()),
        request_id: actor.request_id.clone(),
    };
    let sealed = keys.access_log().seal(entropy, &access.place(), &encoded(&record)?)?;
    Ok(SealedAccess { sealed, ..access })
}

/// Opens an entry of the access log.
pub(crate) fn open_access(keys: &MerchantKeys, sealed: SealedAccess) -> Result<Access, SealError> {
    let plain = keys.access_log().open(&sealed.place(), &sealed.sealed)?;
    let AccessV1 { address, request_id } = decoded(1, &plain)?;
    let SealedAccess {
        merchant: _,
        at,
        id,
        accessed,
        customer,
        actor_code,
        actor_number,
        sealed: _,
    } = sealed;
    Ok(Access { at, id, accessed, customer, actor_code, actor_number, address, request_id })
}

/// What an operator's sealed part is bound to. What it may do is not: that is the management's rows' own
/// matter, like a key's scopes.
fn operator_place(number: OperatorNumber, merchant: Option<MerchantNumber>) -> Vec<u8> {
    Framed::new("patron operator 1")
        .number(number.get())
        .unsigned(merchant.map_or(0, MerchantNumber::get).into())
        .finish()
}

/// Seals what says who an operator is.
pub(crate) fn seal_operator(
    keys: &DeploymentKeys,
    entropy: &dyn Entropy,
    operator: &Operator,
) -> Result<Vec<u8>, SealError> {
    let record =
        OperatorV1 { email: operator.email.reveal().clone(), name: operator.name.reveal().clone() };
    let place = operator_place(operator.number, operator.merchant);
    Ok(keys.operator_cipher().seal(entropy, &place, &encoded(&record)?)?)
}

/// Opens an operator.
pub(crate) fn open_operator(
    keys: &DeploymentKeys,
    operator: SealedOperator,
) -> Result<Operator, SealError> {
    let SealedOperator {
        number,
        merchant,
        role,
        created,
        disabled,
        revision,
        credential: _,
        email_index: _,
        sealed,
        password: _,
    } = operator;
    let plain = keys.operator_cipher().open(&operator_place(number, merchant), &sealed)?;
    let OperatorV1 { email, name } = decoded(1, &plain)?;
    let (email, name) = (Pii::new(email), Pii::new(name));
    Ok(Operator { number, merchant, role, created, disabled, revision, email, name })
}
