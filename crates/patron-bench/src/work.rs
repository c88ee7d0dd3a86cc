//! What is done as fast as it can be, what it is measured against, and in which order.

use crate::pgbench::{GROUP as PGBENCH_GROUP, Script};

/// Something that is done as fast as it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Ceiling,
    ReadHot,
    ReadRandom,
    Create,
    /// By one client, on servers that have nothing else to do.
    ReadLone,
    CreateLone,
    /// Customers straight into SQLite, so many in a commit.
    Bare(u16),
    /// Customers straight into PostgreSQL and out of it.
    Pgbench(Script),
    PgbenchLone(Script),
}

/// How many customers the bare loop commits together when creates are measured against it.
const GROUP: u16 = 16;

/// One round, in its order. A new thing to measure is a line here.
const ROUND: [Work; 6] = [
    Work::Ceiling,
    Work::ReadHot,
    Work::ReadRandom,
    Work::Create,
    Work::Bare(GROUP),
    // As many as the program commits together at most.
    Work::Bare(64),
];

/// What is looked at once, to see what the size of a group does.
const ONCE: [Work; 1] = [Work::Bare(1)];

/// The same for PostgreSQL. What is compared stands side by side.
const POSTGRES_ROUND: [Work; 13] = [
    Work::Ceiling,
    Work::ReadHot,
    Work::Pgbench(Script::ReadHot),
    Work::ReadRandom,
    Work::Pgbench(Script::Read),
    Work::Pgbench(Script::ReadGroup),
    Work::Create,
    Work::Pgbench(Script::Create),
    Work::Pgbench(Script::CreateGroup),
    Work::ReadLone,
    Work::PgbenchLone(Script::Read),
    Work::CreateLone,
    Work::PgbenchLone(Script::Create),
];

const POSTGRES_ONCE: [Work; 1] = [Work::Pgbench(Script::CreatePipelined)];

/// What keeps the customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub(crate) const fn round(self) -> &'static [Work] {
        match self {
            Self::Sqlite => &ROUND,
            Self::Postgres => &POSTGRES_ROUND,
        }
    }

    pub(crate) const fn once(self) -> &'static [Work] {
        match self {
            Self::Sqlite => &ONCE,
            Self::Postgres => &POSTGRES_ONCE,
        }
    }
}

impl Work {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ceiling => "ceiling",
            Self::ReadHot => "read_hot",
            Self::ReadRandom => "read_random",
            Self::Create => "create",
            Self::ReadLone => "read_lone",
            Self::CreateLone => "create_lone",
            Self::Bare(1) => "bare_1",
            Self::Bare(64) => "bare_64",
            Self::Bare(_) => "bare",
            Self::Pgbench(Script::ReadHot) => "pgbench_read_hot",
            Self::Pgbench(Script::Read) => "pgbench_read",
            Self::Pgbench(Script::ReadGroup) => "pgbench_read_16",
            Self::Pgbench(Script::Create) => "pgbench_create",
            Self::Pgbench(Script::CreatePipelined) => "pgbench_create_pipelined",
            Self::Pgbench(Script::CreateGroup) => "pgbench_create_16",
            Self::PgbenchLone(script) if script.reads() => "pgbench_read_lone",
            Self::PgbenchLone(_) => "pgbench_create_lone",
        }
    }

    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::Ceiling => "ceiling of reads: bare hyper, 300 bytes",
            Self::ReadHot => "read a customer, one of 1,000",
            Self::ReadRandom => "read a customer, any",
            Self::Create => "durable create",
            Self::ReadLone => "read a customer, one connection",
            Self::CreateLone => "durable create, one connection",
            Self::Bare(1) => "bare SQLite loop, a commit each",
            Self::Bare(64) => "bare SQLite loop, 64 a commit",
            Self::Bare(_) => "ceiling of creates: bare SQLite loop, 16 a commit",
            Self::Pgbench(Script::ReadHot) => "pgbench, the lookup, one of 1,000",
            Self::Pgbench(Script::Read) => "pgbench, the lookup, any",
            Self::Pgbench(Script::ReadGroup) => "pgbench, the lookup, 16 in a statement",
            Self::Pgbench(Script::Create) => "pgbench, the creation, a commit each",
            Self::Pgbench(Script::CreatePipelined) => "pgbench, the same in a pipeline",
            Self::Pgbench(Script::CreateGroup) => "pgbench, the creation, 16 a commit",
            Self::PgbenchLone(script) if script.reads() => "pgbench, the lookup, one client",
            Self::PgbenchLone(_) => "pgbench, the creation, one client",
        }
    }

    /// What it is measured against, and how much of that it should reach, where that was decided.
    pub(crate) const fn against(self, engine: Engine) -> Option<(Self, Option<f64>)> {
        match (self, engine) {
            (Self::ReadHot, Engine::Sqlite) => Some((Self::Ceiling, Some(0.75))),
            (Self::ReadRandom, Engine::Sqlite) => Some((Self::Ceiling, Some(0.55))),
            (Self::Create, Engine::Sqlite) => Some((Self::Bare(GROUP), Some(0.7))),
            (Self::ReadHot, Engine::Postgres) => Some((Self::Pgbench(Script::ReadHot), Some(1.0))),
            (Self::ReadRandom, Engine::Postgres) => Some((Self::Pgbench(Script::Read), Some(1.0))),
            (Self::Create, Engine::Postgres) => Some((Self::Pgbench(Script::Create), Some(1.5))),
            (Self::ReadLone, _) => Some((Self::PgbenchLone(Script::Read), None)),
            (Self::CreateLone, _) => Some((Self::PgbenchLone(Script::Create), None)),
            (Self::Ceiling | Self::Bare(_) | Self::Pgbench(_) | Self::PgbenchLone(_), _) => None,
        }
    }

    /// How long half of the answers, and all but one in a hundred, may take at half load.
    pub(crate) const fn latency_targets_ms(self) -> Option<(f64, f64)> {
        match self {
            Self::ReadHot | Self::ReadRandom => Some((0.3, 1.5)),
            Self::Create => Some((1.0, 5.0)),
            Self::Ceiling
            | Self::Bare(_)
            | Self::ReadLone
            | Self::CreateLone
            | Self::Pgbench(_)
            | Self::PgbenchLone(_) => None,
        }
    }
}

const _: () = assert!(PGBENCH_GROUP == 16, "the names say 16");
