//! Who did something, as it is answered.

use patron::actor::ActorKind;
use serde::Serialize;
use utoipa::ToSchema;

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
pub(crate) struct ActorBody {
    /// What kind of caller it was; `null` where a later version of the program has written down one that this
    /// one does not know.
    #[schema(value_type = Option<crate::schemas::ActorKind>)]
    kind: Option<&'static str>,
    /// The key's, the operator's or the customer's number; `null` where there is only one of the kind, or the
    /// customer is erased and it is gone with it.
    #[schema(minimum = 1)]
    number: Option<i64>,
}

impl ActorBody {
    pub(crate) fn of(kind: ActorKind) -> Self {
        Self::kept(kind.code(), Some(kind.number()))
    }

    /// The same from what is kept. Where there is only one of a kind, 0 is.
    pub(crate) fn kept(code: u8, number: Option<i64>) -> Self {
        Self { kind: ActorKind::name_of(code), number: number.filter(|number| *number > 0) }
    }
}
