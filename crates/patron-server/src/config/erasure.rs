//! The settings of erasures, for every command: where they are written down, and how long what was erased lives
//! on elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use patron::erasure::ErasurePolicy;

/// The ledger's name in the data directory.
const LEDGER: &str = "erasures.log";

/// The most days that anything is kept: a hundred years.
const DAYS_MAX: i64 = 36_500;

/// What whoever runs the installation has arranged for those who are to be forgotten.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Erasure")]
pub(crate) struct ErasureSettings {
    /// File in which each erasure is written down before it is done: a backup of the database that is brought back
    /// brings nobody back whom it names [default: erasures.log in the data directory].
    ///
    /// It belongs on another disk than the data, and has to be kept when the data is brought back. Processes on
    /// several machines have a file each, and bringing their data back takes all of them.
    #[arg(long, global = true, env = "PATRON_ERASURE_LEDGER", value_name = "FILE")]
    pub(crate) erasure_ledger: Option<PathBuf>,

    /// How long you keep logs, in days: those of Patron, of proxies in front and of the database. The receipt
    /// of an erasure says when the last of them has gone.
    #[arg(long, global = true, env = "PATRON_LOGS_KEPT_DAYS", value_name = "DAYS", default_value = "30", value_parser = clap::value_parser!(u32).range(0..=DAYS_MAX))]
    pub(crate) logs_kept_days: u32,

    /// How long you keep backups that hold customers' keys, in days. The receipt of an erasure says when the last
    /// of them has gone.
    #[arg(long, global = true, env = "PATRON_BACKUPS_KEPT_DAYS", value_name = "DAYS", default_value = "35", value_parser = clap::value_parser!(u32).range(0..=DAYS_MAX))]
    pub(crate) backups_kept_days: u32,

    /// How far replicas of the database may be behind, in seconds. The receipt of an erasure says when the last of
    /// them has followed. 0 when there is none.
    #[arg(long, global = true, env = "PATRON_REPLICAS_BEHIND_S", value_name = "S", default_value = "3600", value_parser = clap::value_parser!(u32))]
    pub(crate) replicas_behind_s: u32,
}

impl ErasureSettings {
    /// How long what was erased lives on elsewhere.
    pub(crate) fn policy(&self) -> ErasurePolicy {
        let days = |days: u32| Duration::from_secs(u64::from(days).saturating_mul(86_400));
        ErasurePolicy {
            logs_kept: days(self.logs_kept_days),
            replicas_behind: Duration::from_secs(self.replicas_behind_s.into()),
            backups_kept: days(self.backups_kept_days),
        }
    }

    /// Where the ledger is, for data in this directory.
    pub(crate) fn ledger(&self, data: &std::path::Path) -> PathBuf {
        self.erasure_ledger.clone().unwrap_or_else(|| data.join(LEDGER))
    }
}
