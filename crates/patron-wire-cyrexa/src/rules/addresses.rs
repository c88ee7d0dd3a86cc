//! What a request does to the two addresses: `address` is the billing address as a text or in parts,
//! `billingAddress` in parts.

use patron::edit::Edit;
use patron::pii::Pii;
use patron::profile::{Address, Profile};
use patron_wire::json::Json;

use super::{Judge, Wanted, allowed, blank_is_null, limits, sealed, values};
use crate::correspondence;
use crate::fields::FieldName;

impl Wanted<'_> {
    pub(super) fn shipping_address(
        &self,
        judge: &mut Judge,
        stored: &Profile,
    ) -> Edit<Pii<Address>> {
        let field = FieldName::ShippingAddress;
        let old = correspondence::parts_of(&stored.shipping_address);
        let said = self.said.about(field);
        let edit = judge.field(field, said, old, values::address, allowed::address);
        sealed(without_nothing(edit))
    }

    /// The billing address: `address` is it as a text (or in parts), `billingAddress` in parts.
    pub(super) fn billing_address(
        &self,
        judge: &mut Judge,
        stored: &Profile,
    ) -> Edit<Pii<Address>> {
        let old = correspondence::address(stored).map(|text| Whole::Text(text.into_owned()));
        let old_parts = correspondence::parts_of(&stored.billing_address);
        let said = blank_is_null(self.said.about(FieldName::Address));
        let whole = judge.field(FieldName::Address, said, old, Whole::read, Whole::is_allowed);
        let parts = judge.field(
            FieldName::BillingAddress,
            self.said.about(FieldName::BillingAddress),
            old_parts.clone(),
            values::address,
            allowed::address,
        );
        let stored_text = stored.billing_address.as_ref().and_then(|it| it.reveal().text.clone());
        let after = match (whole, without_nothing(parts)) {
            (Edit::Keep, Edit::Keep) => return Edit::Keep,
            // What is said in parts is not what an older text says.
            (Edit::Keep | Edit::Clear, Edit::Set(parts)) => parts,
            (Edit::Keep, Edit::Clear) => Address { text: stored_text, ..Address::default() },
            (Edit::Clear, Edit::Keep | Edit::Clear) => Address::default(),
            (Edit::Set(Whole::Text(text)), Edit::Keep | Edit::Clear) => {
                Address { text: Some(text), ..Address::default() }
            }
            (Edit::Set(Whole::Text(text)), Edit::Set(parts)) => {
                Address { text: Some(text), ..parts }
            }
            (Edit::Set(Whole::Parts(parts)), Edit::Keep) => parts,
            (Edit::Set(Whole::Parts(one)), Edit::Set(other)) if one == other => one,
            // Two things in parts: nobody can tell which was meant.
            (Edit::Set(Whole::Parts(_)), Edit::Set(_) | Edit::Clear) => {
                judge.wrong.push(FieldName::BillingAddress);
                return Edit::Keep;
            }
        };
        if after == Address::default() { Edit::Clear } else { Edit::Set(Pii::new(after)) }
    }
}

/// An address without any part is none.
fn without_nothing(edit: Edit<Address>) -> Edit<Address> {
    match edit {
        Edit::Set(address) if correspondence::parts(&address).is_none() => Edit::Clear,
        edit @ (Edit::Keep | Edit::Clear | Edit::Set(_)) => edit,
    }
}

/// What `address` can be: a text, or the object that a sister page of the vendor's shows.
#[derive(PartialEq)]
enum Whole {
    Text(String),
    Parts(Address),
}

impl Whole {
    fn read(value: &Json) -> Option<Self> {
        values::text(value).map(Self::Text).or_else(|| values::address(value).map(Self::Parts))
    }

    fn is_allowed(&self) -> bool {
        match self {
            Self::Text(text) => allowed::free_text(text, limits::ADDRESS_LENGTH_MAX),
            Self::Parts(parts) => allowed::address(parts),
        }
    }
}
