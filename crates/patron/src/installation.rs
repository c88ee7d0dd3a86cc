//! What a store knows of itself from its birth on.

use crate::clock::Timestamp;

/// What an installation is for. A store keeps the mode it was born in for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For engineers and tests: starts from nothing, prints its first key.
    Sandbox,
    /// For people's data: nothing is made up, nothing is guessed.
    Production,
}

impl Mode {
    /// The mode's name in settings, in the store and in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Production => "production",
        }
    }

    /// The mode with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sandbox, Self::Production].into_iter().find(|mode| mode.name() == name)
    }
}

/// The record of a store's birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Installation {
    /// The mode it was born in.
    pub mode: Mode,
    /// When it was born.
    pub created: Timestamp,
}
