//! The core of Patron: what a customer is, who may do what, and how everything is sealed.
//!
//! No I/O, no SQL, no HTTP, no clock and no randomness of its own: wires call the capabilities in
//! [`access`], stores implement [`store::Store`], and time and randomness arrive as arguments.
//!
//! One request passes through these modules in this order: [`access`] turns a credential into a
//! capability, [`commands`] or [`queries`] load and open the customer, [`customer`] decides,
//! [`seal`] closes the result again, and [`store`] writes it as one [`change::Change`].

pub mod access;
pub mod actor;
pub mod api_key;
pub mod blind_index;
mod cache;
pub mod change;
pub mod clock;
pub mod commands;
mod crypto;
pub mod customer;
mod desk;
pub mod edit;
pub mod entropy;
pub mod error;
pub mod event;
mod framing;
pub mod hex;
pub mod history;
pub mod ids;
pub mod installation;
pub mod jobs;
pub mod keys;
pub mod locator;
pub mod management;
pub mod merchant;
mod numbers;
pub mod patron;
pub mod pii;
pub mod profile;
pub mod queries;
mod records;
pub mod seal;
pub mod store;
pub mod token;
pub mod verification;

pub use crate::patron::Patron;
