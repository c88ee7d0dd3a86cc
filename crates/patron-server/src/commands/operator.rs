//! `patron operator`.

use std::process::ExitCode;

use clap::{ArgGroup, Args, Subcommand};
use patron::ids::MerchantId;
use patron::operator::Role;

use super::{Place, reach};
use crate::config::Secret;
use crate::management::{Command, NOT_A_MERCHANT_ID, OperatorBody, OperatorChange, Report};
use crate::opening::Founding;
use crate::refusal::Refusal;
use crate::{output, terminal};

/// What `patron operator` takes.
#[derive(Args)]
pub(crate) struct OperatorArgs {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create an operator. Its password is asked for at the terminal, or comes in on stdin.
    Create {
        #[command(flatten)]
        whose: Whose,
        /// What it may do: owner, operator or auditor. An auditor sees masked values only.
        #[arg(long, value_parser = parse_role)]
        role: String,
        /// The email address with which it signs in.
        #[arg(long)]
        email: String,
        /// Its name for people.
        #[arg(long)]
        name: String,
        /// Take the password from the first line of stdin.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List operators.
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Change an operator; what is not given stays. Another role, another password and being disabled end all its
    /// sessions.
    Set {
        /// Its number, as in the list.
        number: i64,
        #[command(flatten)]
        whose: Whose,
        /// Its name for people.
        #[arg(long)]
        name: Option<String>,
        /// What it may do: owner, operator or auditor.
        #[arg(long, value_parser = parse_role)]
        role: Option<String>,
        /// Do not let it sign in any more. Nothing is lost.
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// Let it sign in again.
        #[arg(long)]
        enable: bool,
        /// Ask for a new password at the terminal.
        #[arg(long, conflicts_with = "password_stdin")]
        ask_password: bool,
        /// Take a new password from the first line of stdin.
        #[arg(long)]
        password_stdin: bool,
    },
}

/// Whose operators they are.
#[derive(Args)]
#[command(group = ArgGroup::new("whose").required(true))]
struct Whose {
    /// A merchant's: its id.
    #[arg(long, value_name = "ID", group = "whose", value_parser = parse_merchant)]
    merchant: Option<String>,
    /// The deployment's own, who reach every merchant.
    #[arg(long, group = "whose")]
    deployment: bool,
}

fn parse_merchant(text: &str) -> Result<String, &'static str> {
    MerchantId::parse(text).map(|id| id.as_str().to_owned()).ok_or(NOT_A_MERCHANT_ID)
}

fn parse_role(text: &str) -> Result<String, &'static str> {
    let role = Role::from_name(text).ok_or("it must be owner, operator or auditor")?;
    Ok(role.name().to_owned())
}

pub(super) async fn run(place: Place<'_>, arguments: OperatorArgs) -> Result<ExitCode, Refusal> {
    let OperatorArgs { json, action } = arguments;
    let mut founding = Founding::Refused;
    let (command, done) = match action {
        Action::Create { whose, role, email, name, password_stdin } => {
            let Whose { merchant, deployment: _ } = whose;
            if merchant.is_none() {
                // Whoever sets up an installation may begin with its own people.
                founding = Founding::Allowed;
            }
            let password = if password_stdin {
                terminal::password_from_stdin()?
            } else {
                terminal::new_password()?
            };
            let (email, name) = (Secret::new(email), Secret::new(name));
            (Command::CreateOperator { merchant, role, email, name, password }, "is created")
        }
        Action::List { whose: Whose { merchant, deployment: _ } } => {
            (Command::ListOperators { merchant }, "")
        }
        Action::Set {
            number,
            whose,
            name,
            role,
            disable,
            enable,
            ask_password,
            password_stdin,
        } => {
            let Whose { merchant, deployment: _ } = whose;
            let password = match (password_stdin, ask_password) {
                (true, _) => Some(terminal::password_from_stdin()?),
                (false, true) => Some(terminal::new_password()?),
                (false, false) => None,
            };
            let name = name.map(Secret::new);
            let is_disabled = (disable || enable).then_some(disable);
            let change = OperatorChange { name, role, password, is_disabled };
            if change == OperatorChange::default() {
                return Err(Refusal::configuration(
                    "there is nothing to change: give at least one option (`patron operator set --help`)",
                ));
            }
            (Command::SetOperator { merchant, number, change }, "is changed")
        }
    };
    let text = match reach::perform(place, command, founding).await? {
        Report::Operator(operator) if json => output::json(&operator)?,
        Report::Operators(operators) if json => output::json(&operators)?,
        Report::Operator(operator) => format!("Operator {} {done}\n", operator.number),
        Report::Operators(operators) => list(&operators),
        Report::Merchant(_)
        | Report::Merchants(_)
        | Report::NewKey(_)
        | Report::Keys(_)
        | Report::Revoked { .. }
        | Report::Erasure(_)
        | Report::Ledger(_)
        | Report::Greeting { .. }
        | Report::Findings(_)
        | Report::Broken(_)
        | Report::Page(_) => return Err(reach::unexpected()),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn list(operators: &[OperatorBody]) -> String {
    if operators.is_empty() {
        return "There is no operator here: patron operator create --help\n".to_owned();
    }
    let rows: Vec<_> = operators
        .iter()
        .map(|operator| {
            let OperatorBody { number, merchant: _, email, name, role, created, disabled } =
                operator;
            let state = match disabled {
                Some(since) => format!("disabled since {since}"),
                None => "active".to_owned(),
            };
            [number.to_string(), email.clone(), name.clone(), role.clone(), created.clone(), state]
        })
        .collect();
    output::table(["NUMBER", "EMAIL", "NAME", "ROLE", "CREATED", "STATE"], &rows)
}
