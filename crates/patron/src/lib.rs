//! The core of Patron: what a customer is, who may do what, and how everything is sealed.
//!
//! No I/O, no SQL, no HTTP, no clock and no randomness of its own: wires call the capabilities in
//! [`access`], stores implement [`store::Store`], and time and randomness arrive as arguments.
//!
//! One request passes through these modules in this order: [`access`] turns a credential into a
//! capability, [`commands`] or [`queries`] load and open the customer, [`customer`] decides,
//! [`seal`] closes the result again, and [`store`] writes it as one [`change::Change`].

pub mod access;
pub mod access_log;
pub mod actor;
pub mod api_key;
pub mod blind_index;
mod cache;
pub mod change;
pub mod clerk;
pub mod clock;
pub mod commands;
mod crypto;
pub mod customer;
mod desk;
pub mod edit;
pub mod entropy;
pub mod erasure;
pub mod error;
pub mod event;
pub mod forgetting;
mod framing;
pub mod hex;
pub mod history;
pub mod ids;
pub mod installation;
pub mod jobs;
pub mod keys;
pub mod locator;
pub mod management;
mod mask;
pub mod merchant;
mod numbers;
pub mod operator;
pub mod operators;
pub mod password;
pub mod patron;
pub mod pii;
pub mod principal;
pub mod profile;
pub mod queries;
pub mod recent_addresses;
mod records;
pub mod replay;
pub mod seal;
pub mod search;
pub mod session;
pub mod sign_in;
pub mod steward;
pub mod store;
mod throttle;
pub mod token;
pub mod verification;

pub use crate::patron::Patron;
