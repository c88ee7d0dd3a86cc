//! Logging in: from an operator's address and password to an access token.

use patron::Patron;
use patron::operator::Sight;
use patron::password::Password;
use patron::session::SessionPurpose;
use patron_wire::Request;

use crate::answers::Reply;
use crate::bodies::{Presence, Said};
use crate::errors::{Failure, Refusal};
use crate::fields::FieldName;

const NEEDED: [FieldName; 2] = [FieldName::Email, FieldName::Password];

/// `POST /ipg/2.0.0/auth/login`
pub(crate) async fn log_in(patron: &Patron, request: &mut Request) -> Result<Reply, Failure> {
    let said = Said::from_body(request).await?;
    let is_missing =
        |field: &FieldName| matches!(said.about(*field), Presence::Absent | Presence::Null);
    let missing: Vec<_> = NEEDED.into_iter().filter(is_missing).collect();
    if !missing.is_empty() {
        return Err(Refusal::Missing(missing).into());
    }
    let [Some(email), Some(password)] = NEEDED.map(|field| said.about(field).text()) else {
        let is_wrong = |field: &FieldName| said.about(*field).text().is_none();
        return Err(Refusal::Wrong(NEEDED.into_iter().filter(is_wrong).collect()).into());
    };
    // No password is that long.
    let password = Password::typed(password).ok_or(Refusal::Unauthenticated)?;
    let context = &request.context;
    let purpose = SessionPurpose::Wire;
    let signed_in =
        patron.sign_in(email, password, purpose, context.client, context.received).await?;
    // Whoever has no merchant, or sees masked values only, could do nothing with a token here.
    let operator = signed_in.operator;
    if operator.merchant.is_none() || operator.role.sight() == Sight::Masked {
        return Err(Refusal::Forbidden.into());
    }
    Ok(Reply::token(&signed_in.session.text.to_text(), signed_in.session.expires))
}
