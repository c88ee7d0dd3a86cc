//! The Juspay wire.
