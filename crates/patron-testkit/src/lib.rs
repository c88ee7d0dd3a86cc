//! What tests stand on.

pub mod chance;
pub mod crowd;
pub mod effort;
pub mod entropy;
mod exact_json;
pub mod golden;
pub mod http;
pub mod network;
pub mod parts;
pub mod postgres;
pub mod proxy;
pub mod server;
pub mod shape;
pub mod store_contract;
pub mod together;
pub mod traces;
pub mod wait;
