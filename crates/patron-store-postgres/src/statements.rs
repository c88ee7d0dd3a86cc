//! Every statement and table of the store, for those who check or measure them.

use crate::sql::Statement;
use crate::{
    access_log, apply, citus, confirm, epoch, erase, integrity, jobs, manage, migrations,
    operators, purge, read, reads, replica, search, sessions, tokens, whole,
};

/// A statement that the store runs.
#[derive(Debug, Clone)]
pub struct StatementText {
    /// Its text, with `$1` and so on for its parameters.
    pub sql: &'static str,
    /// The types of its parameters, as SQL names them.
    pub types: Vec<&'static str>,
}

/// Every statement that the store runs but for the migrations' own and those that begin and end transactions;
/// for those who check or measure them.
pub fn statements() -> Vec<StatementText> {
    let all = [
        access_log::statements(),
        apply::statements(),
        citus::statements(),
        confirm::statements(),
        epoch::statements(),
        erase::statements(),
        integrity::statements(),
        jobs::statements(),
        manage::statements(),
        migrations::statements(),
        operators::statements(),
        purge::statements(),
        read::statements(),
        reads::statements(),
        replica::statements(),
        search::statements(),
        sessions::statements(),
        tokens::statements(),
        whole::statements(),
    ];
    let text = |statement: &'static Statement| StatementText {
        sql: &statement.sql,
        types: statement.kinds.iter().map(|kind| kind.name()).collect(),
    };
    all.into_iter().flatten().map(text).collect()
}

/// Where the tables go on Citus: those that are distributed by merchant, those that every server has a copy of,
/// and those that stay on the coordinator.
pub fn tables() -> [&'static [&'static str]; 3] {
    [&citus::DISTRIBUTED, &citus::REFERENCE, &citus::LOCAL]
}
