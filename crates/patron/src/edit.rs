//! `Edit<T>`: the tri-state of a partial update.

/// What an update says about one field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Edit<T> {
    /// Nothing: the field stays as it is.
    #[default]
    Keep,
    /// The field becomes unset.
    Clear,
    /// The field becomes this value.
    Set(T),
}

impl<T: Clone> Edit<T> {
    /// The field after this edit, when it was `current` before.
    #[must_use]
    pub fn applied_to(&self, current: Option<&T>) -> Option<T> {
        match self {
            Self::Keep => current.cloned(),
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}
