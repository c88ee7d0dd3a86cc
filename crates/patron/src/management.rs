//! Managing merchants and API keys: what the console does.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api_key::{ApiKey, ApiKeyText, Scopes};
use crate::clock::Timestamp;
use crate::edit::Edit;
use crate::error::{Error, Kind};
use crate::ids::{KeyNumber, MerchantId, MerchantNumber};
use crate::merchant::{AllowList, CountryCode, Days, Merchant, Retention, Settings, Standing};
use crate::patron::Patron;
use crate::store::{Counter, ListedKey, ManagementChange, StoreError};

/// The most characters of a merchant's name or a key's label.
pub const LABEL_LENGTH_MAX: usize = 100;

/// What changes about a merchant; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct MerchantEdit {
    /// Its name for people.
    pub name: Option<String>,
    /// Its allow-list; an empty one switches it off.
    pub allow_list: Option<AllowList>,
    /// Its default country code.
    pub country_code: Option<CountryCode>,
    /// When its customers are erased by themselves.
    pub retention: RetentionEdit,
    /// Settings of wires by their full names, already checked by the wire; `None` unsets one.
    pub wires: BTreeMap<String, Option<String>>,
    /// Whether its keys work.
    pub standing: Option<Standing>,
}

/// What changes about when a merchant's customers are erased by themselves; clearing is "never". Each of the
/// two changes apart from the other, whoever else sets that one at the same moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionEdit {
    /// So long after they were deleted.
    pub after_deletion: Edit<Days>,
    /// So long after something last changed about them, deleted or not.
    pub after_last_change: Edit<Days>,
}

impl RetentionEdit {
    fn applied_to(&self, current: Retention) -> Retention {
        let Self { after_deletion, after_last_change } = self;
        Retention {
            after_deletion: after_deletion.applied_to(current.after_deletion.as_ref()),
            after_last_change: after_last_change.applied_to(current.after_last_change.as_ref()),
        }
    }
}

/// What a new API key is to be.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What its owner calls it.
    pub label: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The first moment at which it no longer works.
    pub expires: Option<Timestamp>,
}

/// The right to manage all merchants: for whoever runs the program.
pub struct Console<'a> {
    patron: &'a Patron,
    now: Timestamp,
}

impl Patron {
    /// The console. Whoever can call this holds the process or its data directory.
    pub const fn console(&self, now: Timestamp) -> Console<'_> {
        Console { patron: self, now }
    }
}

fn no_such_merchant() -> Error {
    Error::new(Kind::NotFound, "there is no merchant with this id")
}

fn no_such_key() -> Error {
    Error::new(Kind::NotFound, "the merchant has no such key in force, or it was rolled before")
}

fn checked_label(label: &str) -> Result<&str, Error> {
    let fits = label.chars().count() <= LABEL_LENGTH_MAX && !label.chars().any(char::is_control);
    let error =
        Error::new(Kind::Invalid(Vec::new()), "a name has at most 100 printable characters");
    if fits { Ok(label) } else { Err(error) }
}

impl Console<'_> {
    pub(crate) const fn patron(&self) -> &Patron {
        self.patron
    }

    pub(crate) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) async fn lease(&self, counter: Counter) -> Result<i64, Error> {
        Ok(self.patron.store.lease_numbers(counter, 1).await?)
    }

    /// Creates a merchant with its own keys.
    ///
    /// # Errors
    /// `AlreadyExists` when the id is taken, `Invalid` when the name is not fit.
    pub async fn create_merchant(
        &self,
        id: MerchantId,
        edit: MerchantEdit,
    ) -> Result<Merchant, Error> {
        let number =
            u32::try_from(self.lease(Counter::Merchant).await?).map_err(Error::internal)?;
        let number = MerchantNumber::new(number);
        let keys = self.patron.root.wrap_merchant_keys(&*self.patron.entropy, number);
        let blank = Merchant {
            number,
            name: id.as_str().to_owned(),
            id,
            standing: Standing::Active,
            created: self.now,
            revision: 0,
            settings: Settings::default(),
        };
        let merchant = edited(blank, edit)?;
        let keys = keys.map_err(Error::internal)?;
        let change = ManagementChange::CreateMerchant { merchant: merchant.clone(), keys };
        match self.patron.store.manage(change).await {
            Ok(()) => Ok(merchant),
            Err(StoreError::Duplicate(_)) => {
                Err(Error::new(Kind::AlreadyExists, "a merchant with this id exists"))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// All merchants, by id.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot answer.
    pub async fn list_merchants(&self) -> Result<Vec<Merchant>, Error> {
        Ok(self.patron.store.list_merchants().await?)
    }

    /// One merchant.
    ///
    /// # Errors
    /// `NotFound` when there is none with this id.
    pub async fn find_merchant(&self, id: &MerchantId) -> Result<Merchant, Error> {
        self.patron.store.find_merchant_by_id(id).await?.ok_or_else(no_such_merchant)
    }

    /// Changes a merchant.
    ///
    /// # Errors
    /// `NotFound` when there is none with this id, `Invalid` when the name is not fit, `Stale` when
    /// someone else changed it at the same moment.
    pub async fn set_merchant(
        &self,
        id: &MerchantId,
        edit: MerchantEdit,
    ) -> Result<Merchant, Error> {
        let merchant = edited(self.find_merchant(id).await?, edit)?;
        self.patron.store.manage(ManagementChange::UpdateMerchant(merchant.clone())).await?;
        Ok(merchant)
    }

    /// Creates an API key: a random one, or the given text.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant, `AlreadyExists` when the text is a key already,
    /// `Invalid` when the label is not fit.
    pub async fn create_key(
        &self,
        merchant: &MerchantId,
        new: NewKey,
        text: Option<ApiKeyText>,
    ) -> Result<(ApiKey, ApiKeyText), Error> {
        let merchant = self.find_merchant(merchant).await?.number;
        let (key, text) = self.make_key(merchant, new, text).await?;
        match self.patron.store.manage(ManagementChange::CreateKey(key.clone())).await {
            Ok(()) => Ok((key, text)),
            Err(StoreError::Duplicate(_)) => {
                Err(Error::new(Kind::AlreadyExists, "this key exists already"))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn make_key(
        &self,
        merchant: MerchantNumber,
        new: NewKey,
        text: Option<ApiKeyText>,
    ) -> Result<(ApiKey, ApiKeyText), Error> {
        let text = text.unwrap_or_else(|| ApiKeyText::issue(&*self.patron.entropy));
        let mut hashes = self.patron.deployment.api_key_hashes(text.expose().as_bytes());
        // There is always a pepper: `DeploymentKeys::unwrap` refuses to be without.
        let (pepper_generation, hash) =
            hashes.next().ok_or_else(|| Error::internal("no pepper for API keys"))?;
        drop(hashes);
        let NewKey { label, scopes, expires } = new;
        let key = ApiKey {
            number: KeyNumber::new(self.lease(Counter::ApiKey).await?),
            merchant,
            label: checked_label(&label)?.to_owned(),
            scopes,
            hash,
            pepper_generation,
            created: self.now,
            expires,
            grace_ends: None,
            revoked: None,
        };
        Ok((key, text))
    }

    /// The key with this text, in force or not, and its merchant. Unlike a request with the key, this
    /// does not count as a use of it.
    ///
    /// # Errors
    /// `Unavailable` when the store cannot answer.
    pub async fn find_key(&self, text: &ApiKeyText) -> Result<Option<(Merchant, ApiKey)>, Error> {
        let store = &self.patron.store;
        for (_, hash) in self.patron.deployment.api_key_hashes(text.expose().as_bytes()) {
            let Some(key) = store.find_api_key(hash).await? else { continue };
            let merchant = store.find_merchant(key.merchant).await?;
            return Ok(merchant.map(|merchant| (merchant, key)));
        }
        Ok(None)
    }

    /// The merchant's API keys, by number.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant.
    pub async fn list_keys(&self, merchant: &MerchantId) -> Result<Vec<ListedKey>, Error> {
        let merchant = self.find_merchant(merchant).await?.number;
        Ok(self.patron.store.list_api_keys(merchant).await?)
    }

    /// Revokes a key: it does not work from now on.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant or key.
    pub async fn revoke_key(&self, merchant: &MerchantId, key: KeyNumber) -> Result<(), Error> {
        let merchant = self.find_merchant(merchant).await?.number;
        let change = ManagementChange::RevokeKey { merchant, key, at: self.now };
        match self.patron.store.manage(change).await {
            Err(StoreError::Missing) => Err(no_such_key()),
            other => Ok(other?),
        }
    }

    /// Puts a new key in the place of an old one, with its label, scopes and length of life. For the
    /// length of `grace` both work, then only the new one.
    ///
    /// # Errors
    /// `NotFound` when there is no such merchant, or no such key in force, or it was rolled before.
    pub async fn roll_key(
        &self,
        merchant: &MerchantId,
        old: KeyNumber,
        grace: Duration,
    ) -> Result<(ApiKey, ApiKeyText), Error> {
        let keys = self.list_keys(merchant).await?;
        let found = keys.into_iter().find(|listed| listed.key.number == old);
        // A key in its grace has its successor already.
        let found = found
            .filter(|listed| listed.key.is_in_force(self.now) && listed.key.grace_ends.is_none());
        let old_key = found.ok_or_else(no_such_key)?.key;
        let lifetime_ms = |end: Timestamp| end.as_ms().saturating_sub(old_key.created.as_ms());
        let expires = old_key
            .expires
            .map(|end| Timestamp::from_ms(self.now.as_ms().saturating_add(lifetime_ms(end))));
        let new = NewKey { label: old_key.label, scopes: old_key.scopes, expires };
        let (key, text) = self.make_key(old_key.merchant, new, None).await?;
        let old_ends = self.now.after(grace);
        let change = ManagementChange::RollKey { old, old_ends, new: key.clone() };
        match self.patron.store.manage(change).await {
            Ok(()) => Ok((key, text)),
            Err(StoreError::Missing) => Err(no_such_key()),
            Err(error) => Err(error.into()),
        }
    }
}

fn edited(merchant: Merchant, edit: MerchantEdit) -> Result<Merchant, Error> {
    let MerchantEdit { name, allow_list, country_code, retention, wires, standing } = edit;
    let Merchant {
        number,
        id,
        name: old_name,
        standing: old_standing,
        created,
        revision,
        settings,
    } = merchant;
    let Settings {
        allow_list: old_list,
        country_code: old_code,
        retention: old_retention,
        wires: mut set,
    } = settings;
    for (setting, value) in wires {
        match value {
            Some(value) => set.insert(setting, value),
            None => set.remove(&setting),
        };
    }
    let name = name.unwrap_or(old_name);
    checked_label(&name)?;
    Ok(Merchant {
        number,
        id,
        name,
        standing: standing.unwrap_or(old_standing),
        created,
        revision: revision.saturating_add(1),
        settings: Settings {
            allow_list: allow_list.unwrap_or(old_list),
            country_code: country_code.unwrap_or(old_code),
            retention: retention.applied_to(old_retention),
            wires: set,
        },
    })
}
