//! Commands about merchants.

use patron::clock::Timestamp;
use patron::edit::Edit;
use patron::error::Kind;
use patron::ids::MerchantId;
use patron::management::{MerchantEdit, RetentionEdit};
use patron::merchant::{AllowList, CountryCode, Days, Merchant, Retention, Standing};

use super::{EditBody, Failure, MerchantBody, Report, SettingBody, merchant_id, text};
use crate::config::Term;
use crate::opening::Opened;
use crate::wires::{self, Wires};

/// How often a change is tried that meets another one.
const TRIES: usize = 5;

pub(super) async fn create(
    opened: &Opened,
    id: &str,
    edit: EditBody,
    now: Timestamp,
) -> Result<Report, Failure> {
    let id = merchant_id(id)?;
    let edit = checked(edit, &opened.wires)?;
    let merchant = opened.patron.console(now).create_merchant(id, edit).await?;
    Ok(Report::Merchant(body(merchant, &opened.wires)))
}

pub(super) async fn list(opened: &Opened, now: Timestamp) -> Result<Report, Failure> {
    let merchants = opened.patron.console(now).list_merchants().await?;
    let bodies = merchants.into_iter().map(|one| body(one, &opened.wires));
    Ok(Report::Merchants(bodies.collect()))
}

pub(super) async fn find(opened: &Opened, id: &str, now: Timestamp) -> Result<Report, Failure> {
    let console = opened.patron.console(now);
    let merchant = console.find_merchant(&merchant_id(id)?).await?;
    Ok(Report::Merchant(body(merchant, &opened.wires)))
}

pub(super) async fn set(
    opened: &Opened,
    id: &str,
    edit: EditBody,
    now: Timestamp,
) -> Result<Report, Failure> {
    let edit = checked(edit, &opened.wires)?;
    apply(opened, &merchant_id(id)?, edit, now).await
}

pub(super) async fn suspend(opened: &Opened, id: &str, now: Timestamp) -> Result<Report, Failure> {
    let edit = MerchantEdit { standing: Some(Standing::Suspended), ..MerchantEdit::default() };
    apply(opened, &merchant_id(id)?, edit, now).await
}

pub(super) async fn resume(opened: &Opened, id: &str, now: Timestamp) -> Result<Report, Failure> {
    let edit = MerchantEdit { standing: Some(Standing::Active), ..MerchantEdit::default() };
    apply(opened, &merchant_id(id)?, edit, now).await
}

/// Changes a merchant. An edit says what becomes of each thing, so it can be tried again on whatever
/// someone else has made of the merchant meanwhile.
async fn apply(
    opened: &Opened,
    id: &MerchantId,
    edit: MerchantEdit,
    now: Timestamp,
) -> Result<Report, Failure> {
    let console = opened.patron.console(now);
    for _ in 1..TRIES {
        match console.set_merchant(id, edit.clone()).await {
            Ok(merchant) => return Ok(Report::Merchant(body(merchant, &opened.wires))),
            Err(error) if *error.kind() == Kind::Stale => {}
            Err(error) => return Err(error.into()),
        }
    }
    let merchant = console.set_merchant(id, edit).await?;
    Ok(Report::Merchant(body(merchant, &opened.wires)))
}

fn checked(edit: EditBody, wires: &Wires) -> Result<MerchantEdit, Failure> {
    let EditBody {
        name,
        country_code,
        allow_list,
        erase_deleted_after_days,
        erase_inactive_after_days,
        wires: settings,
    } = edit;
    for (name, value) in &settings {
        check_setting(name, value.as_deref(), wires)?;
    }
    let country_code = country_code.map(|code| {
        CountryCode::parse(&code)
            .ok_or_else(|| Failure::invalid("a country code is 1 to 4 digits, such as 65"))
    });
    let allow_list = allow_list
        .map(|list| AllowList::parse(&list).map_err(|error| Failure::invalid(error.to_string())));
    Ok(MerchantEdit {
        name,
        allow_list: allow_list.transpose()?,
        country_code: country_code.transpose()?,
        retention: RetentionEdit {
            after_deletion: days(erase_deleted_after_days)?,
            after_last_change: days(erase_inactive_after_days)?,
        },
        wires: settings,
        standing: None,
    })
}

fn days(term: Option<Term>) -> Result<Edit<Days>, Failure> {
    match term {
        None => Ok(Edit::Keep),
        Some(Term::Never) => Ok(Edit::Clear),
        Some(Term::Days(days)) => Days::new(days)
            .map(Edit::Set)
            .ok_or_else(|| Failure::invalid(format!("days are 1 to {}, or never", Days::MAX))),
    }
}

/// Checks a setting against what the wires offer. One that no wire offers any more can be unset.
fn check_setting(name: &str, value: Option<&str>, wires: &Wires) -> Result<(), Failure> {
    let found = wires::settings(wires).find(|setting| setting.name == name);
    match (found, value) {
        (Some(setting), Some(value)) if !setting.values.contains(&value) => {
            Err(Failure::invalid(format!(
                "`{value}` is not a value of {name}: it can be {}",
                setting.values.join(" or ")
            )))
        }
        (Some(_), _) | (None, None) => Ok(()),
        (None, Some(_)) => {
            let names: Vec<_> = wires::settings(wires).map(|setting| setting.name).collect();
            Err(Failure::invalid(format!(
                "`{name}` is not a setting: settings are {}",
                names.join(", ")
            )))
        }
    }
}

fn body(merchant: Merchant, wires: &Wires) -> MerchantBody {
    let Merchant { number: _, id, name, standing, created, revision: _, settings } = merchant;
    let allow_list = settings.allow_list.to_text();
    let Retention { after_deletion, after_last_change } = settings.retention;
    let mut set = settings.wires;
    let mut bodies: Vec<SettingBody> = wires::settings(wires)
        .map(|setting| {
            let own = set.remove(setting.name);
            let standard = setting.values.first().copied().unwrap_or_default();
            SettingBody {
                name: setting.name.to_owned(),
                is_set: own.is_some(),
                value: own.unwrap_or_else(|| standard.to_owned()),
                values: setting.values.iter().map(|value| (*value).to_owned()).collect(),
                about: setting.about.to_owned(),
            }
        })
        .collect();
    // What is left was set when a wire still offered it.
    bodies.extend(set.into_iter().map(|(name, value)| SettingBody {
        name,
        value,
        is_set: true,
        values: Vec::new(),
        about: "no wire reads it".to_owned(),
    }));
    MerchantBody {
        id: id.as_str().to_owned(),
        name,
        standing: standing.name().to_owned(),
        created: text(created),
        country_code: settings.country_code.as_str().to_owned(),
        allow_list: allow_list
            .split(',')
            .filter(|range| !range.is_empty())
            .map(str::to_owned)
            .collect(),
        erase_deleted_after_days: after_deletion.map(Days::get),
        erase_inactive_after_days: after_last_change.map(Days::get),
        settings: bodies,
    }
}
