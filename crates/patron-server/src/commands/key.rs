//! `patron key`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use patron::api_key::Scopes;

use super::{Place, reach};
use crate::config::{Expiry, parse_span};
use crate::management::{Command, KeyBody, NewKeyBody, Report};
use crate::opening::Founding;
use crate::output;
use crate::refusal::Refusal;

/// What `patron key` takes.
#[derive(Args)]
pub(crate) struct KeyArgs {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create a key and print it, this once.
    Create {
        /// The merchant's id.
        merchant: String,
        /// What it is called in lists.
        #[arg(long, default_value = "", hide_default_value = true)]
        label: String,
        /// What it may do: customers:read, customers:write, customers:erase, admin, separated by
        /// commas [default: customers:read,customers:write].
        #[arg(long, value_parser = parse_scopes)]
        scopes: Option<String>,
        /// When it stops working: 2027-01-01T00:00:00Z, or a span such as 90d.
        #[arg(long, value_name = "WHEN", value_parser = Expiry::parse)]
        expires: Option<Expiry>,
    },
    /// List a merchant's keys.
    List {
        /// The merchant's id.
        merchant: String,
    },
    /// Stop a key from working, for good.
    Revoke {
        /// The merchant's id.
        merchant: String,
        /// The key's number, as in the list.
        number: i64,
    },
    /// Put a new key in the place of an old one, and print it, this once.
    Roll {
        /// The merchant's id.
        merchant: String,
        /// The old key's number, as in the list.
        number: i64,
        /// How long the old key still works: a span such as 24h, or 0.
        #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = parse_span)]
        grace: Duration,
    },
}

fn parse_scopes(text: &str) -> Result<String, String> {
    let scopes: Result<Scopes, _> = text.parse();
    scopes.map(|scopes| scopes.to_string()).map_err(|error| error.to_string())
}

pub(super) async fn run(place: Place<'_>, arguments: KeyArgs) -> Result<ExitCode, Refusal> {
    let KeyArgs { json, action } = arguments;
    let command = match action {
        Action::Create { merchant, label, scopes, expires } => {
            Command::CreateKey { merchant, label, scopes, expires }
        }
        Action::List { merchant } => Command::ListKeys { merchant },
        Action::Revoke { merchant, number } => Command::RevokeKey { merchant, number },
        Action::Roll { merchant, number, grace } => {
            Command::RollKey { merchant, number, grace_s: grace.as_secs() }
        }
    };
    let report = reach::perform(place, command, Founding::Refused).await?;
    let text = match &report {
        Report::NewKey(key) if json => output::json(key)?,
        Report::Keys(keys) if json => output::json(keys)?,
        Report::Revoked { number } if json => {
            output::json(&serde_json::json!({ "number": number, "state": "revoked" }))?
        }
        Report::NewKey(key) => new_key(key),
        Report::Keys(keys) => list(keys),
        Report::Revoked { number } => format!("Key {number} is revoked\n"),
        Report::Merchant(_)
        | Report::Merchants(_)
        | Report::Operator(_)
        | Report::Operators(_)
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

fn new_key(key: &NewKeyBody) -> String {
    let mut text = format!(
        "Merchant {}, API key {}  (number {}, shown this once)\n",
        key.merchant, key.key, key.number
    );
    if let Some(old_ends) = &key.old_ends {
        text.push_str(&format!("The old key works until {old_ends}\n"));
    }
    text
}

fn list(keys: &[KeyBody]) -> String {
    if keys.is_empty() {
        return "The merchant has no key: patron key create MERCHANT\n".to_owned();
    }
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            [
                key.number.to_string(),
                key.label.clone(),
                key.scopes.join(","),
                key.created.clone(),
                or_dash(&key.expires),
                or_dash(&key.last_used),
                key.state.clone(),
            ]
        })
        .collect();
    let heading = ["NUMBER", "LABEL", "SCOPES", "CREATED", "EXPIRES", "LAST USED", "STATE"];
    output::table(heading, &rows)
}
