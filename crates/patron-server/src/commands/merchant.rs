//! `patron merchant`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use patron::ids::MerchantId;
use patron::merchant::{AllowList, CountryCode};

use super::{Place, reach};
use crate::config::Term;
use crate::management::{Command, EditBody, MerchantBody, NOT_A_MERCHANT_ID, Report};
use crate::opening::Founding;
use crate::output;
use crate::refusal::Refusal;

/// What `patron merchant` takes.
#[derive(Args)]
pub(crate) struct MerchantArgs {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create a merchant.
    Create {
        /// Its id, such as `acme`: 1 to 64 of A-Z a-z 0-9 _ . -
        #[arg(value_parser = parse_id)]
        id: String,
        #[command(flatten)]
        edit: EditArgs,
    },
    /// List all merchants.
    List,
    /// Show everything about a merchant.
    Show {
        /// Its id.
        #[arg(value_parser = parse_id)]
        id: String,
    },
    /// Change a merchant; what is not given stays.
    Set {
        /// Its id.
        #[arg(value_parser = parse_id)]
        id: String,
        #[command(flatten)]
        edit: EditArgs,
        /// Switch the allow-list off.
        #[arg(long, conflicts_with = "allow_ip")]
        no_allow_ip: bool,
        /// Put a setting back to what it is out of the box; can be repeated.
        #[arg(long, value_name = "WIRE.NAME")]
        unset: Vec<String>,
    },
    /// Stop a merchant's keys and tokens from working. Nothing is lost.
    Suspend {
        /// Its id.
        #[arg(value_parser = parse_id)]
        id: String,
    },
    /// Let a suspended merchant's keys work again.
    Resume {
        /// Its id.
        #[arg(value_parser = parse_id)]
        id: String,
    },
}

/// What can be set about a merchant.
#[derive(Args)]
struct EditArgs {
    /// Its name for people.
    #[arg(long)]
    name: Option<String>,
    /// Country code of mobile numbers that come without one, such as 65.
    #[arg(long, value_name = "DIGITS", value_parser = parse_country_code)]
    country_code: Option<String>,
    /// Addresses and ranges from which its keys may be used, separated by commas; can be repeated.
    #[arg(long, value_name = "LIST", value_parser = parse_allow_list)]
    allow_ip: Vec<String>,
    /// Erase customers so many days after they were deleted, or `never`, as out of the box.
    #[arg(long, value_name = "DAYS", value_parser = Term::parse)]
    erase_deleted_after_days: Option<Term>,
    /// Erase customers, deleted or not, so many days after something last changed about them, or `never`, as out of
    /// the box. Reading one is no change.
    #[arg(long, value_name = "DAYS", value_parser = Term::parse)]
    erase_inactive_after_days: Option<Term>,
    /// A setting of a wire; can be repeated. `patron merchant show` lists them.
    #[arg(long, value_name = "WIRE.NAME=VALUE", value_parser = parse_assignment)]
    set: Vec<(String, String)>,
}

impl EditArgs {
    fn into_body(self) -> EditBody {
        let Self {
            name,
            country_code,
            allow_ip,
            erase_deleted_after_days,
            erase_inactive_after_days,
            set,
        } = self;
        EditBody {
            name,
            country_code,
            allow_list: (!allow_ip.is_empty()).then(|| allow_ip.join(",")),
            erase_deleted_after_days,
            erase_inactive_after_days,
            wires: set.into_iter().map(|(name, value)| (name, Some(value))).collect(),
        }
    }
}

fn parse_id(text: &str) -> Result<String, &'static str> {
    MerchantId::parse(text).map(|id| id.as_str().to_owned()).ok_or(NOT_A_MERCHANT_ID)
}

fn parse_country_code(text: &str) -> Result<String, &'static str> {
    CountryCode::parse(text)
        .map(|code| code.as_str().to_owned())
        .ok_or("a country code is 1 to 4 digits, such as 65")
}

fn parse_allow_list(text: &str) -> Result<String, String> {
    let list = AllowList::parse(text).map_err(|error| error.to_string())?;
    if list.is_empty() {
        return Err("it holds no address; --no-allow-ip switches the list off".to_owned());
    }
    Ok(list.to_text())
}

fn parse_assignment(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("it must be WIRE.NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(place: Place<'_>, arguments: MerchantArgs) -> Result<ExitCode, Refusal> {
    let MerchantArgs { json, action } = arguments;
    let mut founding = Founding::Refused;
    let (command, done) = match action {
        Action::Create { id, edit } => {
            // Whoever sets up an installation may begin with its merchants.
            founding = Founding::Allowed;
            let edit = edit.into_body();
            (Command::CreateMerchant { id, edit }, Some("is created"))
        }
        Action::List => (Command::ListMerchants, None),
        Action::Show { id } => (Command::FindMerchant { id }, None),
        Action::Set { id, edit, no_allow_ip, unset } => {
            let edit = whole_edit(edit, no_allow_ip, unset)?;
            (Command::SetMerchant { id, edit }, Some("is changed"))
        }
        Action::Suspend { id } => (Command::SuspendMerchant { id }, Some("is suspended")),
        Action::Resume { id } => (Command::ResumeMerchant { id }, Some("is active")),
    };
    let text = match reach::perform(place, command, founding).await? {
        Report::Merchant(merchant) if json => output::json(&merchant)?,
        Report::Merchants(merchants) if json => output::json(&merchants)?,
        Report::Merchant(merchant) => match done {
            Some(done) => format!("Merchant {} {done}\n", merchant.id),
            None => show(&merchant),
        },
        Report::Merchants(merchants) => list(&merchants),
        Report::NewKey(_)
        | Report::Keys(_)
        | Report::Revoked { .. }
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

fn whole_edit(edit: EditArgs, no_allow_ip: bool, unset: Vec<String>) -> Result<EditBody, Refusal> {
    let mut body = edit.into_body();
    if no_allow_ip {
        body.allow_list = Some(String::new());
    }
    for name in unset {
        if let Some(Some(_)) = body.wires.insert(name.clone(), None) {
            return Err(Refusal::configuration(format!(
                "{name} is set and unset at once: give one of --set and --unset"
            )));
        }
    }
    if body == EditBody::default() {
        return Err(Refusal::configuration(
            "there is nothing to change: give at least one option (`patron merchant set --help`)",
        ));
    }
    Ok(body)
}

fn list(merchants: &[MerchantBody]) -> String {
    if merchants.is_empty() {
        return "There is no merchant yet: patron merchant create ID\n".to_owned();
    }
    let rows: Vec<_> = merchants
        .iter()
        .map(|merchant| {
            [
                merchant.id.clone(),
                merchant.name.clone(),
                merchant.standing.clone(),
                merchant.created.clone(),
            ]
        })
        .collect();
    output::table(["ID", "NAME", "STANDING", "CREATED"], &rows)
}

fn show(merchant: &MerchantBody) -> String {
    let MerchantBody {
        id,
        name,
        standing,
        created,
        country_code,
        allow_list,
        erase_deleted_after_days,
        erase_inactive_after_days,
        settings,
    } = merchant;
    let after = |days: &Option<u16>| match days {
        Some(days) => format!("erased after {days} days"),
        None => "kept".to_owned(),
    };
    let from = if allow_list.is_empty() {
        "off (its keys work from anywhere)".to_owned()
    } else {
        allow_list.join(", ")
    };
    let mut pairs = vec![
        ("id", id.clone()),
        ("name", name.clone()),
        ("standing", standing.clone()),
        ("created", created.clone()),
        ("country code", country_code.clone()),
        ("allow-list", from),
        ("deleted customers", after(erase_deleted_after_days)),
        ("inactive customers", after(erase_inactive_after_days)),
    ];
    for setting in settings {
        let origin = if setting.is_set { "" } else { " (default)" };
        pairs.push((&setting.name, format!("{}{origin}", setting.value)));
    }
    let mut text = output::pairs(&pairs);
    for setting in settings {
        let values = setting.values.join(" or ");
        text.push_str(&format!("\n{} can be {values}\n  {}\n", setting.name, setting.about));
    }
    text
}
