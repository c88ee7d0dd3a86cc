//! The numbers of advisory locks: any that no other program in the database uses.

/// Alone while a migration runs, shared by whoever begins to copy a table (the text `patron`).
pub(crate) const MIGRATION: i64 = 0x7061_7472_6f6e;

/// Alone while rows of a table are copied, shared by whoever deletes some (the text `patronc`).
pub(crate) const COPYING: i64 = 0x0070_6174_726f_6e63;
