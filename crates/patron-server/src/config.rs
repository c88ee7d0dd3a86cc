//! What the program is told: flags over `PATRON_…` variables over the TOML file over defaults.
//!
//! A setting is one field of [`InstallationSettings`] or [`ServeSettings`]. Its flag, its variable
//! and its default stand in its attribute; its key in the file is its flag's name. Nothing else has
//! to be written. This is the only module that reads the environment and the configuration file.

mod database;
mod file;
mod modes;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use ipnet::IpNet;
use patron::installation::Mode;

use crate::commands::{key, merchant, migrate, verify};
use crate::refusal::Refusal;
use crate::stores::Sizes;

use database::DatabaseSettings;

pub(crate) use database::Pooler;
pub(crate) use modes::check_serve;
pub(crate) use values::{Expiry, LogFormat, Secret, parse_span};

/// The data directory unless another is given.
pub(crate) const DATA_DEFAULT: &str = "./patron-data";

/// The one setting that has no flag, since a command line can be read by every user of a machine.
const ROOT_KEY_VARIABLE: &str = "PATRON_ROOT_KEY";

/// What the program was asked to do, and with what.
pub(crate) struct Invocation {
    pub(crate) installation: InstallationSettings,
    /// `PATRON_ROOT_KEY`.
    pub(crate) root_key: Option<Secret>,
    pub(crate) command: Command,
}

/// Patron keeps customers for payment integrations, in the formats that they speak.
///
/// Every setting can be given as a flag, as the variable shown with it, or in the TOML file that
/// --config names (there without the leading dashes); the first of these that has it counts. The
/// root key can also be given in PATRON_ROOT_KEY: 64 hex digits, or base64 of 32 bytes.
#[derive(Parser)]
#[command(name = "patron", version, arg_required_else_help = true)]
struct CommandLine {
    #[command(flatten)]
    installation: InstallationSettings,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve requests, until SIGTERM or SIGINT.
    Serve(Box<ServeSettings>),
    /// Manage merchants, while a server runs on the same data or not.
    Merchant(merchant::MerchantArgs),
    /// Manage merchants' API keys, while a server runs on the same data or not.
    Key(key::KeyArgs),
    /// Bring the schema of the data up to date, which the next server would do when it starts.
    Migrate(migrate::MigrateArgs),
    /// Say what is wrong with this installation, in words. Changes nothing.
    ///
    /// Takes the settings of `serve` too, and checks them.
    Doctor(Box<ServeSettings>),
    /// Verify every customer and its whole history, while a server runs on the same data or not.
    ///
    /// Names the first thing that is broken, and ends with exit code 1 then. Changes nothing.
    Verify(verify::VerifyArgs),
}

/// Which installation it is about. Every command takes these.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Installation")]
pub(crate) struct InstallationSettings {
    /// Directory of the data: the database, unless --database-url names another, and in sandbox mode the
    /// root key.
    #[arg(long, global = true, env = "PATRON_DATA", value_name = "DIR", default_value = DATA_DEFAULT)]
    pub(crate) data: PathBuf,

    /// What the installation is for: `sandbox` or `production`.
    #[arg(long, global = true, env = "PATRON_MODE", default_value = "sandbox", value_parser = values::parse_mode)]
    pub(crate) mode: Mode,

    /// TOML file with settings.
    #[arg(long, global = true, env = "PATRON_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// File with the root key: 64 hex digits, or base64 of 32 bytes [default in sandbox mode:
    /// root.key in the data directory].
    #[arg(long, global = true, env = "PATRON_ROOT_KEY_FILE", value_name = "FILE")]
    pub(crate) root_key_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) database: DatabaseSettings,
}

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

    /// How long a process that has died keeps the jobs in the background, in milliseconds. Then another
    /// one that shares its data takes them over.
    #[arg(long, env = "PATRON_JOB_LEASE_MS", value_name = "MS", default_value = "15000", value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub(crate) job_lease_ms: u64,

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

/// Reads the command line, the environment and the file.
#[expect(clippy::disallowed_methods, reason = "this is where the command line is read")]
pub(crate) fn read() -> Result<Invocation, Refusal> {
    let line = CommandLine::command();
    let environment = read_environment(&line)?;
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // What is wrong without the file is the command line's (or the environment's) own fault.
    let matches = match line.clone().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(stop) => match value_problem(&line, &stop) {
            Some(problem) => return Err(Refusal::configuration(problem)),
            None => stop.exit(),
        },
    };
    let (matches, in_file) = match matches.get_one::<PathBuf>("config") {
        None => (matches, Vec::new()),
        Some(path) => read_again_with_file(line, &arguments, path)?,
    };
    let CommandLine { installation, command } =
        CommandLine::from_arg_matches(&matches).unwrap_or_else(|stop| stop.exit());
    modes::check_database(&installation, is_given(&matches, &in_file, "mode"))?;
    Ok(Invocation { installation, root_key: environment, command })
}

/// Whether a setting was given, by whatever means; else it is what it is out of the box.
fn is_given(matches: &ArgMatches, in_file: &[String], setting: &str) -> bool {
    let source = matches.value_source(setting);
    source.is_some_and(|source| source != ValueSource::DefaultValue)
        // What stands in the file is a default to the command line.
        || in_file.iter().any(|key| key == setting)
}

/// Reads the command line again, the file's values being the defaults. Also returns what the file sets.
fn read_again_with_file(
    line: clap::Command,
    arguments: &[OsString],
    path: &std::path::Path,
) -> Result<(ArgMatches, Vec<String>), Refusal> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Refusal::configuration(format!(
            "the configuration file {} cannot be read ({error}): correct --config or the file",
            path.display()
        ))
    })?;
    let settings = file::parse(&text, &file_keys(&line)).map_err(|problem| {
        Refusal::configuration(format!("the configuration file {} {problem}", path.display()))
    })?;
    let line = with_defaults(line, &settings);
    let matches = line.clone().try_get_matches_from(arguments).map_err(|error| {
        let problem = value_problem(&line, &error).unwrap_or_else(|| first_line(&error));
        Refusal::configuration(format!("the configuration file {}: {problem}", path.display()))
    })?;
    Ok((matches, settings.into_iter().map(|(key, _)| key).collect()))
}

/// What is wrong with the value of a setting, and where it can have come from.
fn value_problem(line: &clap::Command, error: &clap::Error) -> Option<String> {
    if error.kind() != ErrorKind::ValueValidation {
        return None;
    }
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = argument.split(' ').next()?.strip_prefix("--")?;
    let setting = settings(line).find(|setting| setting.get_long() == Some(flag))?;
    let variable = setting.get_env()?.display();
    Some(format!("{} (it can also be given in {variable})", first_line(error)))
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

/// The settings that the file may hold: all flags that have a variable, but for the file's own name.
fn file_keys(line: &clap::Command) -> Vec<String> {
    let mut keys: Vec<String> = settings(line)
        .filter_map(|setting| setting.get_long())
        .filter(|key| *key != "config")
        .map(str::to_owned)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Every flag that is a setting: those that have a variable.
fn settings(line: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
    let subcommands = line.get_subcommands().flat_map(clap::Command::get_arguments);
    line.get_arguments().chain(subcommands).filter(|argument| argument.get_env().is_some())
}

/// Makes the file's values the defaults wherever there is a setting of that name.
fn with_defaults(line: clap::Command, values: &[(String, String)]) -> clap::Command {
    let apply = |command: clap::Command| {
        command.mut_args(|argument| {
            let key = argument.get_env().and(argument.get_long());
            let value = values.iter().find(|(name, _)| Some(name.as_str()) == key);
            match value {
                Some((_, value)) => argument.default_value(value.clone()),
                None => argument,
            }
        })
    };
    apply(line).mut_subcommands(apply)
}

/// The root key from the environment. A variable of ours that is no setting is an error, since
/// it is a misspelt one.
#[expect(clippy::disallowed_methods, reason = "this is the only reader of the environment")]
fn read_environment(line: &clap::Command) -> Result<Option<Secret>, Refusal> {
    let mut root_key = None;
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("PATRON_")) else {
            continue;
        };
        if is_kubernetes_own(name) {
            continue;
        }
        if name == ROOT_KEY_VARIABLE {
            let value = value.into_string().map_err(|_| {
                Refusal::configuration(
                    "PATRON_ROOT_KEY is not text: it must be 64 hex digits or base64 of 32 bytes",
                )
            })?;
            root_key = Some(Secret::new(value));
        } else if !settings(line).any(|one| one.get_env().is_some_and(|env| env == name)) {
            return Err(Refusal::configuration(format!(
                "the environment variable {name} is not a setting of Patron: correct its name or \
                 unset it (`patron serve --help` lists all)"
            )));
        }
    }
    Ok(root_key)
}

/// Kubernetes describes every service to every container in variables named after the service:
/// `PATRON_SERVICE_HOST`, `PATRON_SERVICE_PORT_HTTP`, `PATRON_PORT`, `PATRON_PORT_8080_TCP_ADDR`, and
/// so on. Services of Patron's are likely to be named `patron` or `patron-…`.
fn is_kubernetes_own(name: &str) -> bool {
    let is_port_number = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT")
        || name.split("_PORT_").skip(1).any(is_port_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a command line and a file, without the environment.
    fn serve(arguments: &[&str], file: &str) -> Result<ServeSettings, String> {
        let line = CommandLine::command();
        let values = file::parse(file, &file_keys(&line))?;
        let arguments = ["patron", "serve"].into_iter().chain(arguments.iter().copied());
        let matches = with_defaults(line, &values)
            .try_get_matches_from(arguments)
            .map_err(|error| error.to_string())?;
        let Command::Serve(settings) = CommandLine::from_arg_matches(&matches).unwrap().command
        else {
            panic!("not serve");
        };
        Ok(*settings)
    }

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_flag_counts_more_than_the_file_and_the_file_more_than_the_default() {
        let file =
            "listen = \"127.0.0.1:1\"\ntoken-uses = 7\nbehind-proxy = [\"10.0.0.0/8\", \"::1\"]";
        let settings = serve(&["--listen", "127.0.0.1:2"], file).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.token_uses, 7);
        assert_eq!(settings.behind_proxy.len(), 2);
        assert_eq!(settings.token_lifetime_s, 900);
    }

    #[test]
    fn the_file_knows_every_setting_and_nothing_else() {
        let error = serve(&[], "lisen = \"127.0.0.1:1\"").unwrap_err();
        assert!(error.contains("`lisen`") && error.contains("listen"), "{error}");
        assert!(serve(&[], "config = \"x\"").is_err());
        assert!(serve(&[], "data = \"x\"\nmode = \"production\"").is_ok());
        assert!(serve(&[], "mode = \"prod\"").is_err());
    }

    #[test]
    fn secrets_do_not_show() {
        const KEY: &str = "0123456789ABCDEF0123456789ABCDEF";
        let settings = serve(&["--sandbox-api-key", KEY], "").unwrap();
        assert!(!format!("{settings:?}").contains(KEY));
        let settings = serve(&[], &format!("sandbox-api-key = \"{KEY}\"")).unwrap();
        assert_eq!(settings.sandbox_api_key.unwrap().expose(), KEY);
    }
}
