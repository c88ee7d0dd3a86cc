//! Where an installation has its data: in the directory that is embedded, or in a database.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::postgres::Cluster;

/// What the second run of the stories sets to `postgres`.
const VARIABLE: &str = "PATRON_TEST_STORE";

/// Cloned, it is the same store.
#[derive(Debug, Clone)]
pub(super) enum Store {
    /// In the data directory.
    Embedded,
    /// In a database that the test has.
    Given(String),
    /// In a database of its own, whose server is started when it is first asked for.
    Own(Arc<OnceLock<Cluster>>),
}

/// Says which of the two it is, where a test fails.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "the embedded store (SQLite)",
            Self::Given(_) | Self::Own(_) => "PostgreSQL",
        })
    }
}

impl Store {
    /// What this run of the tests is about.
    #[expect(clippy::disallowed_methods, reason = "this setting of the tests comes from ./test")]
    pub(super) fn of_this_run() -> Self {
        if std::env::var_os(VARIABLE).is_some_and(|value| value == "postgres") {
            Self::Own(Arc::new(OnceLock::new()))
        } else {
            Self::Embedded
        }
    }

    /// Where the database is, if there is one.
    pub(super) fn url(&self) -> Option<String> {
        self.cluster().map(Cluster::url).or_else(|| match self {
            Self::Given(url) => Some(url.clone()),
            Self::Embedded | Self::Own(_) => None,
        })
    }

    /// The server of its own.
    pub(super) fn cluster(&self) -> Option<&Cluster> {
        match self {
            Self::Own(cluster) => Some(cluster.get_or_init(Cluster::new)),
            Self::Embedded | Self::Given(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_have_one_server_among_them() {
        let store = Store::Own(Arc::default());
        let clone = store.clone();
        let url = store.url().unwrap();
        assert_eq!(clone.url().unwrap(), url);
        assert_eq!(clone.cluster().unwrap().psql("select 1"), "1");
        assert_eq!(Store::Given(url.clone()).url().unwrap(), url);
        assert!(Store::Embedded.url().is_none());
    }
}
