//! The settings of the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use patron::jobs::JobPolicy;
use patron::session::SessionPolicy;

use super::values::{self, LogFormat, Secret};
use crate::stores::Sizes;

/// How requests are served.
#[derive(Args, Debug, Clone)]
pub(crate) struct ServeSettings {
    /// Address to listen on. Port 0 picks a free one; the address that is printed is the real one.
    #[arg(long, env = "PATRON_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080",
        value_parser = values::parse_address)]
    pub(crate) listen: SocketAddr,

    /// Own address for /metrics, /healthz and /readyz; then /metrics is not on the main one.
    #[arg(long, env = "PATRON_METRICS_LISTEN", value_name = "ADDR", value_parser = values::parse_address)]
    pub(crate) metrics_listen: Option<SocketAddr>,

    /// Certificate chain for TLS (PEM).
    #[arg(long, env = "PATRON_TLS_CERT", value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key for TLS (PEM).
    #[arg(long, env = "PATRON_TLS_KEY", value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Addresses of the proxies in front, whose X-Forwarded-For is believed.
    #[arg(long, env = "PATRON_BEHIND_PROXY", value_name = "RANGE", value_delimiter = ',', value_parser = patron::merchant::parse_range)]
    pub(crate) behind_proxy: Vec<IpNet>,

    /// API key of the merchant `testaccount`, for tests (sandbox only): 32 upper-case hex digits.
    #[arg(long, env = "PATRON_SANDBOX_API_KEY", value_name = "HEX", hide_env_values = true, hide_default_value = true, value_parser = values::parse_secret)]
    pub(crate) sandbox_api_key: Option<Secret>,

    /// Makes customers' ids predictable, for tests (sandbox only).
    #[arg(long, env = "PATRON_SANDBOX_SEED", value_name = "N")]
    pub(crate) sandbox_seed: Option<u64>,

    /// How long a client auth token works, in seconds.
    #[arg(long, env = "PATRON_TOKEN_LIFETIME_S", value_name = "S", default_value = "900", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) token_lifetime_s: u64,

    /// How many requests a client auth token is good for.
    #[arg(long, env = "PATRON_TOKEN_USES", value_name = "N", default_value = "30", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) token_uses: u32,

    /// How long an operator stays signed in to the management interface, in seconds.
    #[arg(long, env = "PATRON_ADMIN_SESSION_LIFETIME_S", value_name = "S", default_value = "43200", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) admin_session_lifetime_s: u64,

    /// How long an access token that an operator was given by a wire works, in seconds.
    #[arg(long, env = "PATRON_ACCESS_TOKEN_LIFETIME_S", value_name = "S", default_value = "3600", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) access_token_lifetime_s: u64,

    /// How long a process that has died keeps the jobs in the background, in milliseconds. Then another
    /// one that shares its data takes them over.
    #[arg(long, env = "PATRON_JOB_LEASE_MS", value_name = "MS", default_value = "15000", value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub(crate) job_lease_ms: u64,

    /// How long after the last search for customers whose time is over the next one begins, in milliseconds. It
    /// is done for merchants that have such a time (`patron merchant set --erase-deleted-after-days`).
    #[arg(long, env = "PATRON_RETAIN_EVERY_MS", value_name = "MS", default_value = "3600000", value_parser = clap::value_parser!(u64).range(100..=86_400_000))]
    pub(crate) retain_every_ms: u64,

    /// The most bytes of a request's body.
    #[arg(long, env = "PATRON_BODY_SIZE_MAX", value_name = "BYTES", default_value = "65536", value_parser = clap::value_parser!(u32).range(1..=67_108_864))]
    pub(crate) body_size_max: u32,

    /// How long a request's body may take to arrive, in milliseconds.
    #[arg(long, env = "PATRON_BODY_TIMEOUT_MS", value_name = "MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) body_timeout_ms: u64,

    /// How long a TLS handshake, and then a request's head, may take, in milliseconds. A connection
    /// that is idle for as long is closed.
    #[arg(long, env = "PATRON_HEAD_TIMEOUT_MS", value_name = "MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) head_timeout_ms: u64,

    /// How long an answer may stand still because its client takes nothing of it, in milliseconds. Then
    /// the connection is cut.
    #[arg(long, env = "PATRON_WRITE_TIMEOUT_MS", value_name = "MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    pub(crate) write_timeout_ms: u64,

    /// The most connections at a time; more of them wait. Each takes an open file, of which the system
    /// may allow fewer: then the log says how many connections there can be.
    #[arg(long, env = "PATRON_CONNECTIONS_MAX", value_name = "N", default_value = "20000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connections_max: u32,

    /// Memory for customers that were read lately, still sealed, and for their unwrapped keys, in
    /// mebibytes. 0 for none. Without effect with --database-url.
    #[arg(long, env = "PATRON_CUSTOMER_CACHE_MIB", value_name = "MIB", default_value = "64", value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    pub(crate) customer_cache_mib: u32,

    /// Pages of 4 KiB in the database's log before they are moved into the database. More of them
    /// are written to the database less often, and take longer to go through after a crash. Without effect
    /// with --database-url.
    #[arg(long, env = "PATRON_CHECKPOINT_PAGES", value_name = "N", default_value = "8000", value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub(crate) checkpoint_pages: u32,

    /// The most connections to the database of --database-url, and as many again to that of --read-url.
    #[arg(long, env = "PATRON_DATABASE_CONNECTIONS_MAX", value_name = "N", default_value = "16", value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub(crate) database_connections_max: u32,

    /// Replica of the database, from which lists are answered: a URL as for --database-url.
    #[arg(long, env = "PATRON_READ_URL", value_name = "URL", hide_env_values = true, hide_default_value = true, value_parser = values::parse_secret)]
    pub(crate) read_url: Option<Secret>,

    /// How long to go on serving after SIGTERM, in milliseconds, while /readyz answers 503 and every answer closes its
    /// connection: as long as a proxy in front takes to notice. 0 when there is none.
    #[arg(long, env = "PATRON_DRAIN_NOTICE_MS", value_name = "MS", default_value = "0", value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    pub(crate) drain_notice_ms: u64,

    /// How long requests in flight may take to finish after SIGTERM, in milliseconds.
    #[arg(long, env = "PATRON_DRAIN_TIMEOUT_MS", value_name = "MS", default_value = "10000", value_parser = clap::value_parser!(u64).range(0..=3_600_000))]
    pub(crate) drain_timeout_ms: u64,

    /// Threads that answer requests [default: number of cores].
    #[arg(long, env = "PATRON_WORKERS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) workers: Option<u16>,

    /// What is logged, such as `info` or `warn,patron::access=debug` [default: `info`, in sandbox
    /// mode with a line for every request].
    #[arg(long, env = "PATRON_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// How logs are written [default: human on a terminal, json otherwise].
    #[arg(long, env = "PATRON_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

impl ServeSettings {
    /// Until the whole head of a request, or a TLS handshake, must be there.
    pub(crate) const fn head_time_max(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    /// How long an answer may lie unread.
    pub(crate) const fn write_time_max(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    /// How long sessions live.
    pub(crate) const fn sessions(&self) -> SessionPolicy {
        SessionPolicy {
            admin: Duration::from_secs(self.admin_session_lifetime_s),
            wire: Duration::from_secs(self.access_token_lifetime_s),
        }
    }

    /// When jobs in the background are done.
    pub(crate) const fn jobs(&self) -> JobPolicy {
        JobPolicy {
            lease: Duration::from_millis(self.job_lease_ms),
            retain_every: Duration::from_millis(self.retain_every_ms),
        }
    }

    /// How much the store takes for being fast.
    pub(crate) fn store_sizes(&self) -> Sizes {
        Sizes {
            recent_bytes_max: u64::from(self.customer_cache_mib) << 20,
            log_pages_due: self.checkpoint_pages,
        }
    }

    /// Both files for TLS, when it is on.
    pub(crate) fn tls_files(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.tls_cert.as_ref().zip(self.tls_key.as_ref())
    }
}
