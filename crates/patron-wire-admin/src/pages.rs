//! Pages of lists: where one begins, how long it is, and where the next one does.

use crate::bodies::{Expected, Fields, Said};
use crate::values;

/// The most entries of a page of merchants, keys or operators.
pub(crate) const LENGTH_MAX: u32 = 100;

/// One more than the largest number by which a list is ordered: it has 18 digits at most.
const NUMBER_END: i64 = 1_000_000_000_000_000_000;

/// Which page of a list is wanted.
pub(crate) struct Page<T> {
    after: Option<T>,
    limit: u32,
}

/// What a list is ordered by.
pub(crate) trait Place: Clone + Ord {
    /// As it stands in a query.
    fn to_text(&self) -> String;
    /// Reads what [`Place::to_text`] writes.
    fn parse(text: &str) -> Option<Self>;
}

impl Place for i64 {
    fn to_text(&self) -> String {
        self.to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        let number: Self = text.parse().ok().filter(|number| (0..NUMBER_END).contains(number))?;
        (number.to_string() == text).then_some(number)
    }
}

impl Place for patron::ids::MerchantId {
    fn to_text(&self) -> String {
        self.as_str().to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// What a cursor should be.
pub(crate) const CURSOR: Expected = "It is the `next` of another page.";

impl<T: Place> Said for Page<T> {
    fn take(fields: &mut Fields) -> Option<Self> {
        let after =
            fields.optional("cursor", |value| T::parse(&values::text(value)?).ok_or(CURSOR));
        let limit = limit(fields, LENGTH_MAX, LENGTH_MAX);
        Some(Self { after, limit })
    }
}

/// How many entries a page is to have.
pub(crate) fn limit(fields: &mut Fields, default: u32, max: u32) -> u32 {
    fields.optional("limit", |value| values::digits(value, 1..=max)).unwrap_or(default)
}

impl<T: Place> Page<T> {
    /// The page of a list that is there as a whole, in order, and where the next one begins.
    pub(crate) fn of<I>(&self, all: Vec<I>, place: impl Fn(&I) -> T) -> (Vec<I>, Option<String>) {
        let is_on_it = |one: &I| self.after.as_ref().is_none_or(|after| place(one) > *after);
        let mut rest = all.into_iter().filter(is_on_it);
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let page: Vec<I> = rest.by_ref().take(limit).collect();
        let next = rest.next().and_then(|_| page.last()).map(|last| place(last).to_text());
        (page, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other() {
        let walk = |limit| {
            let mut page = Page { after: None, limit };
            let mut walked = Vec::new();
            loop {
                let (numbers, next) = page.of(vec![1_i64, 2, 5, 9], |number| *number);
                walked.push(numbers);
                match next {
                    Some(next) => page.after = i64::parse(&next),
                    None => return walked,
                }
            }
        };
        assert_eq!(walk(3), [vec![1, 2, 5], vec![9]]);
        assert_eq!(walk(2), [vec![1, 2], vec![5, 9]]);
        assert_eq!(walk(4), [vec![1, 2, 5, 9]]);
        // Who went away meanwhile stays a place.
        let page = Page { after: Some(4), limit: 1 };
        assert_eq!(page.of(vec![1_i64, 5, 9], |one| *one), (vec![5], Some("5".to_owned())));
        let page = Page { after: Some(9), limit: 1 };
        assert_eq!(page.of(vec![1_i64, 9], |one| *one), (Vec::new(), None));
    }

    #[test]
    fn a_number_is_read_as_it_is_written() {
        assert_eq!(i64::parse("7"), Some(7));
        for bad in ["", "-1", "+1", "01", "1.0", "1000000000000000000"] {
            assert_eq!(<i64 as Place>::parse(bad), None, "{bad}");
        }
    }
}
