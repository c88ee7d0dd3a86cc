//! Where the database is, and how much of it may be used.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::{Host as ConfigHost, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::OpenError;
use crate::limits::Limits;
use crate::tls::{self, TlsSettings, Verify};

/// What stands between the program and the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing, or something that keeps a connection for each session.
    None,
    /// A pooler that gives each transaction another connection, such as pgbouncer with
    /// `pool_mode = transaction`.
    Transaction,
}

/// Where the database is, and how much of it may be used.
#[derive(Clone)]
pub struct Settings {
    /// `postgres://user:password@host:port,host:port/name?sslmode=…`. May hold a password.
    ///
    /// The parameters are libpq's, as far as they make sense here: `sslmode` (`disable`, `prefer`, `require`,
    /// `verify-ca`, `verify-full`), `sslrootcert` (a PEM file, or `system`), `sslcert` and `sslkey`,
    /// `target_session_attrs`, `application_name`, `options`, `channel_binding`, `keepalives…`,
    /// `tcp_user_timeout`. See <https://www.postgresql.org/docs/current/libpq-connect.html>.
    pub url: String,
    /// A replica for lists, in the same form.
    pub read_url: Option<String>,
    /// What stands in between.
    pub pooler: Pooler,
    /// The most connections of this process to the primary; as many again to the replica.
    pub connections_max: u32,
    /// How long making a connection to one host may take.
    pub connect_time_max: Duration,
    /// How long a statement may run, and how long a transaction may stand idle.
    pub statement_time_max: Duration,
    /// How long a statement may wait for another's lock.
    pub lock_time_max: Duration,
    /// How long a request waits for the database in all, repetitions included.
    pub wait_max: Duration,
    /// The size, with its indexes, of the largest table that is written anew to see to it that what was erased is
    /// gone. Meanwhile nobody gets at the table, for three quarters of `lock_time_max` at most. Larger ones are
    /// copied.
    pub rewrite_bytes_max: u64,
    /// The size, with its indexes, of the largest table that is copied to see to it that what was erased is gone. The
    /// database needs that much room beside. What was erased from a larger one is not seen to.
    pub copy_bytes_max: u64,
}

/// What [`Settings::rewrite_bytes_max`] is for whoever has no reason to say otherwise: 64 MiB.
pub const REWRITE_BYTES_MAX: u64 = 64 << 20;

/// The same of [`Settings::copy_bytes_max`]: 16 GiB.
pub const COPY_BYTES_MAX: u64 = 16 << 30;

impl Settings {
    /// The database without user, password and parameters, for messages: `host:port/name`.
    pub fn place(&self) -> String {
        place(&self.url)
    }

    pub(crate) const fn limits(&self) -> Limits {
        Limits {
            connections_max: self.connections_max,
            connect_time_max: self.connect_time_max,
            statement_time_max: self.statement_time_max,
            lock_time_max: self.lock_time_max,
            wait_max: self.wait_max,
            // The server keeps its own limits, unless it, or the way to it, is gone.
            answer_time_max: self
                .statement_time_max
                .saturating_mul(2)
                .saturating_add(Duration::from_millis(500)),
        }
    }

    /// The same for what shuts others out of a table, until it has the lock and then until it is done: they would not
    /// wait much longer.
    pub(crate) fn shutting_out(&self) -> Self {
        let time_max = self.lock_time_max * 3 / 4;
        Self {
            connections_max: 1,
            statement_time_max: time_max,
            lock_time_max: time_max / 2,
            ..self.clone()
        }
    }

    /// Where writes go.
    pub(crate) fn primary(&self) -> Result<Target, OpenError> {
        Target::parse(&self.url, self, TargetSessionAttrs::ReadWrite)
    }

    /// Where lists may be read.
    pub(crate) fn replica(&self) -> Result<Option<Target>, OpenError> {
        let url = self.read_url.as_ref();
        url.map(|url| Target::parse(url, self, TargetSessionAttrs::Any)).transpose()
    }
}

/// Each statement has an index made for it. A plan that was made while a table was small is kept while it grows,
/// and must not read through all of it then, nor through all that a merchant has, to join it with a few rows; none is
/// worth being compiled, or being done by several processes.
pub(crate) const PLANNING: &str = " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off \
     -c jit=off -c max_parallel_workers_per_gather=0";

/// A warning is what tells a commit that was not confirmed by the replica from one that was.
const WARNED: &str = " -c client_min_messages=warning";

/// One of them, and what it is in a session that is ours.
pub(crate) const OWN_SETTING: (&str, &str) = ("enable_seqscan", "off");

/// A URL as far as it may be shown.
fn place(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (rest, parameters) = rest.split_at_checked(end).unwrap_or((rest, ""));
    // A password may hold any character that nobody has encoded. Where it may go on behind a `?`, nothing is sure.
    if parameters.contains('@') {
        return "that --database-url names".to_owned();
    }
    rest.rsplit_once('@').map_or(rest, |(_, place)| place).to_owned()
}

/// A database that can be connected to.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) hosts: Vec<Host>,
    pub(crate) tls: MakeRustlsConnect,
    pub(crate) pooler: Pooler,
    /// Whether it is the one that changes go to.
    pub(crate) takes_writes: bool,
}

/// One of the servers that a URL names.
#[derive(Clone)]
pub(crate) struct Host(Config);

pub(crate) type Connecting = (
    Client,
    Connection<Socket, <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream>,
);

impl Host {
    pub(crate) async fn connect(
        &self,
        tls: MakeRustlsConnect,
    ) -> Result<Connecting, tokio_postgres::Error> {
        self.0.connect(tls).await
    }
}

impl Target {
    fn parse(
        url: &str,
        settings: &Settings,
        attributes: TargetSessionAttrs,
    ) -> Result<Self, OpenError> {
        let refuse =
            |why: String| OpenError::Settings(format!("the database URL for {} {why}", place(url)));
        let (url, tls) = split_tls(url).map_err(refuse)?;
        // The parser's own words may quote the URL.
        let config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            let cause =
                std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
            let is_known =
                cause.starts_with("unknown option") || cause.starts_with("invalid value");
            // What stands behind a `?` may be a password's end.
            let is_plain = !url.split_once('?').is_some_and(|(_, rest)| rest.contains('@'));
            refuse(if is_known && is_plain {
                format!("cannot be read: {cause}")
            } else {
                "cannot be read: it must be postgres://user:password@host:port/name".to_owned()
            })
        })?;
        if config.get_ssl_mode() != SslMode::Prefer {
            // It stands where we did not look for it: behind a `?` in a password, or encoded.
            return Err(refuse(
                "has an sslmode that is not plain to see: encode what is special in the \
                               password (`?` as %3F), and nothing else"
                    .to_owned(),
            ));
        }
        let hosts = hosts(&config, &tls, settings, attributes).map_err(refuse)?;
        let tls = tls::connector(&tls).map_err(refuse)?;
        let takes_writes = attributes == TargetSessionAttrs::ReadWrite;
        Ok(Self { hosts, tls, pooler: settings.pooler, takes_writes })
    }
}

/// Takes the parameters about TLS out of a URL: the client library knows but a part of them.
fn split_tls(url: &str) -> Result<(String, TlsSettings), String> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut tls = TlsSettings::default();
    let mut rest = Vec::new();
    let mut mode = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)?;
        match key {
            "sslmode" => mode = Some(value.into_owned()),
            "sslrootcert" => tls.root = Some(PathBuf::from(value.as_ref())),
            "sslcert" => tls.certificate = Some(PathBuf::from(value.as_ref())),
            "sslkey" => tls.key = Some(PathBuf::from(value.as_ref())),
            _ => rest.push(pair),
        }
    }
    // As libpq: the machine's own roots have signed everybody, so that without the name they say nothing.
    let is_system = tls.root.as_deref() == Some(std::path::Path::new(tls::SYSTEM));
    if is_system && mode.as_deref().is_some_and(|mode| mode != "verify-full") {
        return Err("has sslrootcert=system, which takes sslmode=verify-full".to_owned());
    }
    (tls.mode, tls.verify) = match mode.as_deref() {
        None if is_system => (SslMode::Require, Verify::ChainAndName),
        None | Some("prefer") => (SslMode::Prefer, Verify::Nothing),
        Some("disable") => (SslMode::Disable, Verify::Nothing),
        // As libpq: a root certificate that is given is meant to be used.
        Some("require") if tls.root.is_some() => (SslMode::Require, Verify::Chain),
        Some("require") => (SslMode::Require, Verify::Nothing),
        Some("verify-ca") => (SslMode::Require, Verify::Chain),
        Some("verify-full") => (SslMode::Require, Verify::ChainAndName),
        Some(_) => {
            return Err(
                "has an unknown sslmode: it must be disable, prefer, require, verify-ca or \
                        verify-full"
                    .to_owned(),
            );
        }
    };
    let mut url = base.to_owned();
    if !rest.is_empty() {
        url.push('?');
        url.push_str(&rest.join("&"));
    }
    Ok((url, tls))
}

fn decoded(value: &str) -> Result<Cow<'_, str>, String> {
    percent_encoding::percent_decode_str(value)
        .decode_utf8()
        .map_err(|_| "has a parameter that is not UTF-8".to_owned())
}

/// A configuration for each host of a URL.
fn hosts(
    config: &Config,
    tls: &TlsSettings,
    settings: &Settings,
    attributes: TargetSessionAttrs,
) -> Result<Vec<Host>, String> {
    // A list of hosts behind `?host=` comes as one.
    let names: Vec<ConfigHost> = config
        .get_hosts()
        .iter()
        .flat_map(|host| match host {
            ConfigHost::Tcp(names) => {
                names.split(',').map(|name| ConfigHost::Tcp(name.to_owned())).collect()
            }
            ConfigHost::Unix(path) => vec![ConfigHost::Unix(path.clone())],
        })
        .collect();
    let (addresses, ports) = (config.get_hostaddrs(), config.get_ports());
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err("names more hosts than addresses of hosts, or fewer".to_owned());
    }
    let count = names.len().max(addresses.len());
    if count == 0 {
        return Err("names no host".to_owned());
    }
    if config.get_user().is_none_or(str::is_empty) {
        return Err("names no user: postgres://user:password@host:port/name".to_owned());
    }
    if ports.len() > 1 && ports.len() != count {
        return Err("names more hosts than ports, or more ports than hosts".to_owned());
    }
    let mut hosts = Vec::with_capacity(count);
    for index in 0..count {
        let mut one = common(config, tls, settings, attributes, count);
        match names.get(index) {
            Some(ConfigHost::Tcp(name)) => {
                one.host(name);
            }
            Some(ConfigHost::Unix(path)) => {
                one.host_path(path);
            }
            // TLS has to be told a name.
            None => {
                if let Some(address) = addresses.get(index) {
                    one.host(address.to_string());
                }
            }
        }
        if let Some(address) = addresses.get(index) {
            one.hostaddr(*address);
        }
        one.port(ports.get(index).or(ports.first()).copied().unwrap_or(5432));
        hosts.push(Host(one));
    }
    Ok(hosts)
}

/// What is the same for each host.
fn common(
    config: &Config,
    tls: &TlsSettings,
    settings: &Settings,
    attributes: TargetSessionAttrs,
    count: usize,
) -> Config {
    let mut one = Config::new();
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    one.application_name(config.get_application_name().unwrap_or("patron"));
    one.ssl_mode(tls.mode);
    one.ssl_negotiation(config.get_ssl_negotiation());
    one.channel_binding(config.get_channel_binding());
    one.connect_timeout(settings.connect_time_max);
    one.keepalives(config.get_keepalives());
    one.keepalives_idle(config.get_keepalives_idle());
    if let Some(interval) = config.get_keepalives_interval() {
        one.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        one.keepalives_retries(retries);
    }
    if let Some(time) = config.get_tcp_user_timeout() {
        one.tcp_user_timeout(*time);
    }
    // Of several hosts only one takes writes, whether the URL says so or not.
    let asked = config.get_target_session_attrs();
    one.target_session_attrs(if asked == TargetSessionAttrs::Any && count > 1 {
        attributes
    } else {
        asked
    });
    let mut options = config.get_options().unwrap_or_default().to_owned();
    match settings.pooler {
        Pooler::None => {
            for (name, value) in settings.limits().session() {
                options.push_str(&format!(" -c {name}={value}"));
            }
            options.push_str(PLANNING);
            options.push_str(WARNED);
        }
        // A pooler refuses what it cannot keep for each session apart.
        Pooler::Transaction => {}
    }
    if !options.is_empty() {
        one.options(options.trim());
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings {
            url: url.to_owned(),
            read_url: None,
            pooler: Pooler::None,
            connections_max: 4,
            connect_time_max: Duration::from_secs(1),
            statement_time_max: Duration::from_secs(2),
            lock_time_max: Duration::from_secs(3),
            wait_max: Duration::from_secs(4),
            rewrite_bytes_max: REWRITE_BYTES_MAX,
            copy_bytes_max: COPY_BYTES_MAX,
        }
    }

    #[test]
    fn a_place_shows_no_secret() {
        for (url, expect) in [
            ("postgres://u:p@h:1/n?sslmode=require", "h:1/n"),
            ("postgres://u:p@ss@h:1,i:2/n", "h:1,i:2/n"),
            ("postgresql://h/n", "h/n"),
            ("postgres://u:p?q@h:1/n", "that --database-url names"),
            ("postgres://u:p#q@h:1/n?a=b", "that --database-url names"),
            ("postgres://u:p@/n?host=/run", "/n"),
        ] {
            assert_eq!(settings(url).place(), expect, "{url}");
        }
    }

    #[test]
    fn each_host_gets_its_port_and_what_is_common() {
        let target = settings("postgres://u:p@a:1,b:2/n").primary().unwrap();
        let of = |index: usize| &target.hosts[index].0;
        assert_eq!(of(0).get_hosts(), [ConfigHost::Tcp("a".to_owned())]);
        assert_eq!((of(0).get_ports(), of(1).get_ports()), ([1].as_slice(), [2].as_slice()));
        assert_eq!(of(1).get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!(
            of(1).get_options(),
            Some(
                "-c statement_timeout=2000 -c lock_timeout=3000 \
                 -c idle_in_transaction_session_timeout=2000 -c enable_seqscan=off \
                 -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off \
                 -c max_parallel_workers_per_gather=0 -c client_min_messages=warning"
            )
        );
        let target = settings("postgres://u:p@a/n").primary().unwrap();
        assert_eq!(target.hosts[0].0.get_target_session_attrs(), TargetSessionAttrs::Any);
    }

    #[test]
    fn hosts_may_be_listed_behind_the_question_mark_and_by_address() {
        let target = settings("postgres://u@/n?host=a,b&port=1,2").primary().unwrap();
        let hosts: Vec<_> = target.hosts.iter().map(|host| host.0.get_hosts().to_vec()).collect();
        assert_eq!(hosts, ["a", "b"].map(|name| vec![ConfigHost::Tcp(name.to_owned())]));
        let target = settings("postgres://u@/n?hostaddr=127.0.0.1").primary().unwrap();
        assert_eq!(target.hosts[0].0.get_hosts(), [ConfigHost::Tcp("127.0.0.1".to_owned())]);
        assert!(settings("postgres://u@/n?host=a,b&hostaddr=127.0.0.1").primary().is_err());
    }

    #[test]
    fn a_pooler_is_asked_for_nothing_that_it_refuses() {
        let settings = Settings { pooler: Pooler::Transaction, ..settings("postgres://u@a/n") };
        assert_eq!(settings.primary().unwrap().hosts[0].0.get_options(), None);
    }

    #[test]
    fn modes_of_tls_are_those_of_libpq() {
        let of = |url: &str| split_tls(url).map(|(_, tls)| (tls.mode, tls.verify));
        let base = "postgres://u@a/n";
        assert_eq!(of(base), Ok((SslMode::Prefer, Verify::Nothing)));
        for (mode, expect) in [
            ("disable", (SslMode::Disable, Verify::Nothing)),
            ("prefer", (SslMode::Prefer, Verify::Nothing)),
            ("require", (SslMode::Require, Verify::Nothing)),
            ("require&sslrootcert=/ca.pem", (SslMode::Require, Verify::Chain)),
            ("verify-ca&sslrootcert=/ca.pem", (SslMode::Require, Verify::Chain)),
            ("verify-full&sslrootcert=/ca.pem", (SslMode::Require, Verify::ChainAndName)),
        ] {
            assert_eq!(of(&format!("{base}?sslmode={mode}")), Ok(expect), "{mode}");
        }
        assert!(of(&format!("{base}?sslmode=allow")).is_err());
        // The machine's own roots have signed everybody.
        let system = format!("{base}?sslrootcert=system");
        assert_eq!(of(&system), Ok((SslMode::Require, Verify::ChainAndName)));
        assert!(of(&format!("{system}&sslmode=require")).is_err());
        let (url, tls) =
            split_tls(&format!("{base}?sslrootcert=%2Fa%20b&connect_timeout=3")).unwrap();
        assert_eq!(url, format!("{base}?connect_timeout=3"));
        assert_eq!(tls.root, Some(PathBuf::from("/a b")));
    }

    #[test]
    fn a_refusal_shows_no_secret() {
        for url in [
            "postgres://u:SECRET@a/n?what=1",
            "postgres://u:SECRET@a/n?sslmode=SECRET",
            "postgres://u:SECRET@a:x/n",
            "postgres://:SECRET@a/n",
            "postgres://u:SECRET@a/n?options=%FF",
            "postgres://u:ab@cd?SECRET=x@h/n",
            "postgres://u:SECRET?w@h/n?sslmode=require",
            "postgres://u:SECRET@h/n?%73slmode=require",
        ] {
            let error = settings(url).primary().map(|_| ()).unwrap_err().to_string();
            assert!(!error.contains("SECRET"), "{error}");
        }
    }
}
