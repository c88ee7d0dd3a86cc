//! Merchants: who they are and what they have set.

use std::collections::BTreeMap;

use patron::edit::Edit;
use patron::ids::MerchantId;
use patron::management::{MerchantEdit, RetentionEdit};
use patron::merchant::{CountryCode, Days, Merchant, Retention, Settings, Standing};
use patron_wire::Setting;
use patron_wire::json::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answers::Reply;
use crate::bodies::{self, Expected, Fields, Said};
use crate::call::{Call, Outcome};
use crate::errors::{Failure, Refusal, WrongField};
use crate::pages::Page;
use crate::{times, values};

/// A merchant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Merchant, rename_all = "camelCase")]
pub(crate) struct MerchantBody<'a> {
    /// Its name on the wire.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    id: &'a str,
    /// Its number.
    #[schema(minimum = 1)]
    number: u32,
    /// Its name for people.
    name: &'a str,
    /// Whether its keys work.
    #[schema(value_type = crate::schemas::Standing)]
    standing: &'static str,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// One more with every change.
    #[schema(minimum = 1)]
    revision: u64,
    /// Country code of a mobile number that comes without one.
    #[schema(pattern = "^[0-9]{1,4}$")]
    country_code: &'a str,
    /// When its customers are erased by themselves.
    retention: RetentionBody,
    /// The wires' settings: all that there are, with what is in force.
    settings: BTreeMap<&'a str, &'a str>,
}

/// When customers are erased by themselves; `null` is never.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Retention, rename_all = "camelCase")]
pub(crate) struct RetentionBody {
    /// So many days after they were deleted.
    #[schema(minimum = 1, maximum = 36_500)]
    erase_deleted_after_days: Option<u16>,
    /// So many days after something last changed about them.
    #[schema(minimum = 1, maximum = 36_500)]
    erase_inactive_after_days: Option<u16>,
}

/// A page of merchants, by id.
#[derive(Serialize, ToSchema)]
pub(crate) struct MerchantList<'a> {
    /// The merchants.
    items: Vec<MerchantBody<'a>>,
    /// The `cursor` of the next page; `null` at the end.
    next: Option<String>,
}

impl<'a> MerchantBody<'a> {
    fn new(merchant: &'a Merchant, offered: &[Setting]) -> Self {
        let Merchant { number, id, name, standing, created, revision, settings } = merchant;
        // From where its keys may be used is told to those who may manage it.
        let Settings { allow_list: _, country_code, retention, wires } = settings;
        let Retention { after_deletion, after_last_change } = retention;
        let defaults = offered.iter().filter_map(|one| Some((one.name, *one.values.first()?)));
        let set = wires.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Self {
            id: id.as_str(),
            number: number.get(),
            name,
            standing: standing.name(),
            created_at: times::text(*created),
            revision: *revision,
            country_code: country_code.as_str(),
            retention: RetentionBody {
                erase_deleted_after_days: after_deletion.map(Days::get),
                erase_inactive_after_days: after_last_change.map(Days::get),
            },
            settings: defaults.chain(set).collect(),
        }
    }
}

/// A new merchant.
#[derive(ToSchema)]
#[schema(as = NewMerchant, rename_all = "camelCase")]
pub(crate) struct NewMerchantBody {
    /// Its name on the wire. Case matters, and it never changes.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_.-]{1,64}$")]
    id: MerchantId,
    /// Its name for people; its id where there is none.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,100}$", nullable = false)]
    name: Option<String>,
    /// Country code of a mobile number that comes without one.
    #[schema(value_type = String, required = false, pattern = "^[0-9]{1,4}$")]
    country_code: Option<CountryCode>,
    /// When its customers are erased by themselves.
    #[schema(value_type = RetentionEditBody, required = false)]
    retention: RetentionEdit,
    /// The wires' settings.
    #[schema(value_type = crate::schemas::WiresSettings, required = false)]
    settings: WiresSettings,
}

/// The wires' settings by their names; `None` unsets one.
type WiresSettings = Vec<(String, Option<String>)>;

impl Said for NewMerchantBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        let id = fields.required("id", values::merchant_id);
        let name = fields.optional("name", values::label);
        let country_code = fields.optional("countryCode", values::country_code);
        let retention = fields.object("retention", retention).unwrap_or_default();
        let settings = fields.object("settings", wires_settings).unwrap_or_default();
        Some(Self { id: id?, name, country_code, retention, settings })
    }
}

/// What changes about a merchant. What is left out stays as it is.
#[derive(ToSchema)]
#[schema(as = MerchantEdit, rename_all = "camelCase")]
pub(crate) struct MerchantEditBody {
    /// Its name for people.
    #[schema(pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,100}$", nullable = false)]
    name: Option<String>,
    /// Country code of a mobile number that comes without one.
    #[schema(value_type = String, required = false, pattern = "^[0-9]{1,4}$")]
    country_code: Option<CountryCode>,
    /// When its customers are erased by themselves.
    #[schema(value_type = RetentionEditBody, required = false)]
    retention: RetentionEdit,
    /// The wires' settings that change; `null` unsets one.
    #[schema(value_type = crate::schemas::WiresSettings, required = false)]
    settings: WiresSettings,
    /// Whether its keys work: for owners of the deployment.
    #[schema(value_type = crate::schemas::Standing, required = false)]
    standing: Option<Standing>,
}

impl Said for MerchantEditBody {
    fn take(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            name: fields.optional("name", values::label),
            country_code: fields.optional("countryCode", values::country_code),
            retention: fields.object("retention", retention).unwrap_or_default(),
            settings: fields.object("settings", wires_settings).unwrap_or_default(),
            standing: fields.optional("standing", values::standing),
        })
    }
}

/// Refuses what no wire offers.
fn checked(settings: &WiresSettings, offered: &[Setting]) -> Result<(), Refusal> {
    let mut wrong = Vec::new();
    for (name, value) in settings {
        if let Err(detail) = checked_setting(offered, name, value.as_deref()) {
            let known = offered.iter().find(|one| one.name == name);
            let shown = known.map_or("(a key)", |one| one.name);
            wrong.push(WrongField { field: format!("settings.{shown}"), detail });
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Refusal::Invalid(wrong)) }
}

fn checked_setting(offered: &[Setting], name: &str, value: Option<&str>) -> Result<(), Expected> {
    let setting = offered.iter().find(|one| one.name == name);
    let setting = setting.ok_or("There is no such setting.")?;
    if value.is_none_or(|value| setting.values.contains(&value)) {
        return Ok(());
    }
    Err("It does not take this value.")
}

/// What changes about when customers are erased by themselves: `null` is never, what is left out stays as it is.
#[derive(ToSchema)]
#[schema(as = RetentionEdit, rename_all = "camelCase")]
pub(crate) struct RetentionEditBody {
    /// So many days after they were deleted.
    #[schema(minimum = 1, maximum = 36_500, value_type = Option<u16>)]
    erase_deleted_after_days: Edit<Days>,
    /// So many days after something last changed about them.
    #[schema(minimum = 1, maximum = 36_500, value_type = Option<u16>)]
    erase_inactive_after_days: Edit<Days>,
}

fn retention(fields: &mut Fields) -> Option<RetentionEdit> {
    let body = RetentionEditBody {
        erase_deleted_after_days: fields.edit("eraseDeletedAfterDays", values::days),
        erase_inactive_after_days: fields.edit("eraseInactiveAfterDays", values::days),
    };
    let RetentionEditBody { erase_deleted_after_days, erase_inactive_after_days } = body;
    Some(RetentionEdit {
        after_deletion: erase_deleted_after_days,
        after_last_change: erase_inactive_after_days,
    })
}

fn wires_settings(fields: &mut Fields) -> Option<WiresSettings> {
    let mut settings = Vec::new();
    for (name, value) in fields.rest() {
        match value {
            Json::Null => settings.push((name, None)),
            Json::Text(text) => settings.push((name, Some(text))),
            Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => {
                fields.refuse(&name, "It is a text, or null.");
            }
        }
    }
    Some(settings)
}

/// `GET /admin/v1/merchants`
pub(crate) async fn list(call: &mut Call<'_>) -> Outcome {
    let principal = call.principal().await?;
    let page: Page<MerchantId> = bodies::from_query(call.request)?;
    let merchants = principal.list_merchants().await?;
    let (merchants, next) = page.of(merchants, |merchant| merchant.id.clone());
    let items = merchants.iter().map(|merchant| MerchantBody::new(merchant, call.settings));
    Ok(Reply::ok(&MerchantList { items: items.collect(), next }))
}

/// `POST /admin/v1/merchants`
pub(crate) async fn create(call: &mut Call<'_>) -> Outcome {
    let console = call.principal().await?.deployment()?;
    let NewMerchantBody { id, name, country_code, retention, settings } =
        bodies::from_json(call.request).await?;
    checked(&settings, call.settings)?;
    let edit = MerchantEdit {
        name,
        allow_list: None,
        country_code,
        retention,
        wires: settings.into_iter().collect(),
        standing: None,
    };
    let merchant = console.create_merchant(id, edit).await?;
    let location = format!("/admin/v1/merchants/{}", merchant.id);
    Ok(Reply::created(&MerchantBody::new(&merchant, call.settings)).at(location))
}

/// `GET /admin/v1/merchants/{merchant}`
pub(crate) async fn find(call: &mut Call<'_>) -> Outcome {
    let within = call.within().await?;
    bodies::no_query(call.request)?;
    Ok(Reply::ok(&MerchantBody::new(within.merchant(), call.settings)))
}

/// `PATCH /admin/v1/merchants/{merchant}`
pub(crate) async fn update(call: &mut Call<'_>) -> Outcome {
    let principal = call.principal().await?;
    let within = call.within_of(&principal).await?;
    let manager = within.manager()?;
    let MerchantEditBody { name, country_code, retention, settings, standing } =
        bodies::from_json(call.request).await?;
    checked(&settings, call.settings)?;
    let edit = MerchantEdit {
        name,
        allow_list: None,
        country_code,
        retention,
        wires: settings.into_iter().collect(),
        standing,
    };
    let set = if standing.is_some() {
        let id = &within.merchant().id;
        principal.deployment()?.set_merchant(id, edit).await
    } else {
        manager.set(edit).await
    };
    let merchant = set.map_err(Failure::of_change)?;
    Ok(Reply::ok(&MerchantBody::new(&merchant, call.settings)))
}
