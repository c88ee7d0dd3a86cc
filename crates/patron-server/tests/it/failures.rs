//! What the program withstands of a PostgreSQL database and of the way to it: that it dies, is replaced, stops,
//! is full, takes no writes, has no connections to spare, or that a connection ends at any moment.
//!
//! Clients keep a record of what they were told, as they do where the program is killed (`durability`). While the
//! database is away they are refused with 503 and told when to try again, and hear nothing else. Afterwards the
//! program goes on by itself: what was acknowledged is there, what was refused is there once or not at all, and
//! `patron verify` finds all in order.

mod away;
mod commits;
mod cuts;
mod failover;
mod limits;
mod pooler;
mod starting;
mod story;
mod tls;
