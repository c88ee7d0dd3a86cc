//! What the program is told: flags over `PATRON_…` variables over the TOML file over defaults.
//!
//! A setting is one field of [`InstallationSettings`] or [`ServeSettings`], or of what these are made of. Its flag, its variable
//! and its default stand in its attribute; its key in the file is its flag's name. Nothing else has
//! to be written. This is the only module that reads the environment and the configuration file.

mod database;
mod erasure;
mod file;
mod modes;
mod serve;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use patron::installation::Mode;

use crate::commands::{erase, key, merchant, migrate, operator, verify};
use crate::refusal::Refusal;

use database::DatabaseSettings;
use erasure::ErasureSettings;

pub(crate) use database::Pooler;
pub(crate) use modes::check_serve;
pub(crate) use serve::ServeSettings;
pub(crate) use values::{Expiry, LogFormat, Secret, Term, parse_span};

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
    /// Manage operators: the people who look after customers. While a server runs on the same data or not.
    Operator(operator::OperatorArgs),
    /// Erase a customer for good, and print the receipt. While a server runs on the same data or not.
    ///
    /// The receipt is there once nothing of the customer is left in the live files, which whoever still reads
    /// what was there before holds up. Over PostgreSQL, large tables have their turn now and then only.
    Erase(erase::EraseArgs),
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

    #[command(flatten)]
    pub(crate) erasure: ErasureSettings,
}

impl InstallationSettings {
    /// Where erasures are written down.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.erasure.ledger(&self.data)
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
