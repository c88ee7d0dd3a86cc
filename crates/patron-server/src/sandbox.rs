//! What a sandbox has from its first start on: a merchant, an API key, and a line to try them with.

use std::path::Path;

use patron::Patron;
use patron::api_key::ApiKeyText;
use patron::clock::Timestamp;
use patron::error::{Error, Kind};
use patron::ids::MerchantId;
use patron::management::{Console, MerchantEdit, NewKey};
use patron::merchant::Standing;

use crate::config::DATA_DEFAULT;
use crate::stores::Location;

/// The sandbox's merchant.
const MERCHANT: &str = "testaccount";

/// What there is to say about the sandbox's key.
pub(crate) enum SandboxKey {
    /// The store was empty: here is its first key.
    First(ApiKeyText),
    /// The given key was not there yet.
    Added,
    /// The given key is there, but it does not work.
    NotInForce,
    /// The given key is another merchant's.
    OfAnother(MerchantId),
    /// Nothing is new.
    Known,
}

/// Makes the merchant and its key on an empty store, and sees to it that the `given` key is there. What
/// another process made that was started at the same moment, and was faster, is taken as it is.
pub(crate) async fn prepare(
    patron: &Patron,
    given: Option<ApiKeyText>,
    now: Timestamp,
) -> Result<SandboxKey, Error> {
    let console = patron.console(now);
    let merchants = console.list_merchants().await?;
    let merchant = merchant()?;
    let mut is_first = merchants.is_empty();
    if !is_first && given.is_none() {
        return Ok(SandboxKey::Known);
    }
    if let Some(given) = &given
        && let Some(found) = find(&console, given, now).await?
    {
        return Ok(found);
    }
    if !merchants.iter().any(|one| one.id == merchant) {
        let made = console.create_merchant(merchant.clone(), MerchantEdit::default()).await;
        is_first &= unless_there(made)?.is_some();
        // Whoever made the merchant makes its first key.
        if !is_first && given.is_none() {
            return Ok(SandboxKey::Known);
        }
    }
    let new = NewKey { label: "sandbox".to_owned(), ..NewKey::default() };
    let made = console.create_key(&merchant, new, given.clone()).await;
    match (made, given) {
        (Ok((_, text)), _) if is_first => Ok(SandboxKey::First(text)),
        (Ok(_), _) => Ok(SandboxKey::Added),
        (Err(error), Some(given)) if *error.kind() == Kind::AlreadyExists => {
            find(&console, &given, now).await?.ok_or(error)
        }
        (Err(error), _) => Err(error),
    }
}

/// What there is to say about a key that is there.
async fn find(
    console: &Console<'_>,
    given: &ApiKeyText,
    now: Timestamp,
) -> Result<Option<SandboxKey>, Error> {
    let Some((owner, key)) = console.find_key(given).await? else {
        return Ok(None);
    };
    let works = key.is_in_force(now) && owner.standing == Standing::Active;
    Ok(Some(match works {
        _ if owner.id != merchant()? => SandboxKey::OfAnother(owner.id),
        true => SandboxKey::Known,
        // Nothing but a new key undoes that.
        false => SandboxKey::NotInForce,
    }))
}

/// What was made; `None` when it was there already.
fn unless_there<T>(made: Result<T, Error>) -> Result<Option<T>, Error> {
    match made {
        Err(error) if *error.kind() == Kind::AlreadyExists => Ok(None),
        made => made.map(Some),
    }
}

fn merchant() -> Result<MerchantId, Error> {
    MerchantId::parse(MERCHANT).ok_or_else(|| Error::internal("the sandbox's merchant has no id"))
}

/// What the sandbox prints below its address.
pub(crate) fn greeting(
    key: &SandboxKey,
    url: &str,
    flags: &str,
    examples: impl Fn(&str, &str) -> Vec<String>,
) -> String {
    let new_key = format!("patron key create {MERCHANT}{flags}");
    match key {
        SandboxKey::First(text) => first_key(text.expose(), url, examples),
        SandboxKey::Added => format!(
            "The key of --sandbox-api-key was added to merchant {MERCHANT}\n\
             For another key: {new_key}\n"
        ),
        SandboxKey::NotInForce => format!(
            "The key of --sandbox-api-key was revoked, or its merchant suspended, and stays so\n\
             For a new key: {new_key}\n"
        ),
        SandboxKey::OfAnother(merchant) => format!(
            "The key of --sandbox-api-key belongs to merchant {merchant}, and stays there\n\
             For a new key: {new_key}\n"
        ),
        SandboxKey::Known => format!("For a new key: {new_key}\n"),
    }
}

fn first_key(key: &str, url: &str, examples: impl Fn(&str, &str) -> Vec<String>) -> String {
    // Nobody has a certificate for an address of this machine that curl would believe.
    let trust = if url.starts_with("https:") { "-k " } else { "" };
    let examples = examples(key, url).into_iter();
    let lines: String = examples.map(|example| format!("  curl {trust}{example}\n")).collect();
    format!("Merchant {MERCHANT}, API key {key}  (shown this once)\nTry:\n{lines}")
}

/// What has to stand behind a command so that it reaches this installation. The URL of a database is not
/// among it, for it may hold a password.
pub(crate) fn flags(location: &Location, data: &Path) -> String {
    let data = data_flag(data);
    match location {
        Location::Directory(_) => data,
        Location::Database(_) => {
            format!(" --mode sandbox{data}, with the same --database-url or PATRON_DATABASE_URL")
        }
    }
}

/// The flag that names the data directory, unless it is the usual one.
fn data_flag(data: &Path) -> String {
    let text = data.display().to_string();
    if text == DATA_DEFAULT {
        return String::new();
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(is_plain) {
        format!(" --data {text}")
    } else {
        format!(" --data '{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use patron::erasure::ErasurePolicy;
    use patron::ids::CustomerIds;
    use patron::installation::Mode;
    use patron::keys::RootKey;
    use patron::patron::Parts;
    use patron::session::SessionPolicy;
    use patron::token::TokenPolicy;
    use tokio::task::JoinSet;

    use super::*;
    use crate::ledger::FileLedger;
    use crate::passwords::PasswordThreads;
    use crate::stores::{self, Location, Sizes};
    use crate::system::OsEntropy;

    const NOW: Timestamp = Timestamp::from_ms(1);

    /// What each of many is told who prepare one new store at once.
    fn prepared_by_many(given: Option<&ApiKeyText>) -> (Vec<SandboxKey>, usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let data = tempfile::tempdir().unwrap();
            let location = Location::Directory(data.path().to_owned());
            let entropy = Arc::new(OsEntropy::new());
            let opening = stores::open(&location, NOW, Sizes::SMALL, entropy, Arc::new(|_| ()));
            let file = data.path().join("erasures.log");
            let ledger = FileLedger::start(file, data.path()).unwrap();
            let parts = Parts {
                store: opening.await.unwrap().store(),
                root: RootKey::new([7; 32]).unwrap(),
                entropy: Arc::new(OsEntropy::new()),
                ids: CustomerIds::random(),
                tokens: TokenPolicy::default(),
                sessions: SessionPolicy::default(),
                erasure: ErasurePolicy::default(),
                ledger: Arc::new(ledger),
                passwords: Arc::new(PasswordThreads::start().unwrap()),
                mode: Mode::Sandbox,
            };
            let patron = Arc::new(Patron::open(parts, NOW).await.unwrap());
            let mut all = JoinSet::new();
            for _ in 0..8 {
                let (patron, given) = (Arc::clone(&patron), given.cloned());
                all.spawn(async move { prepare(&patron, given, NOW).await.unwrap() });
            }
            let told = all.join_all().await;
            let keys = patron.console(NOW).list_keys(&merchant().unwrap()).await.unwrap();
            (told, keys.len())
        })
    }

    #[test]
    fn of_many_who_prepare_a_new_store_at_once_one_makes_its_first_key() {
        let (told, keys) = prepared_by_many(None);
        assert_eq!(keys, 1);
        let first = told.iter().filter(|key| matches!(key, SandboxKey::First(_)));
        assert_eq!(first.count(), 1);
        assert_eq!(told.iter().filter(|key| matches!(key, SandboxKey::Known)).count(), 7);
    }

    #[test]
    fn of_many_who_give_a_new_store_the_same_key_at_once_one_adds_it() {
        let given = ApiKeyText::parse("0123456789ABCDEF0123456789ABCDEF");
        let (told, keys) = prepared_by_many(given.as_ref());
        assert_eq!(keys, 1);
        let made = |key: &&SandboxKey| matches!(key, SandboxKey::First(_) | SandboxKey::Added);
        assert_eq!(told.iter().filter(made).count(), 1);
        assert_eq!(told.iter().filter(|key| matches!(key, SandboxKey::Known)).count(), 7);
    }

    #[test]
    fn the_first_start_prints_a_line_that_works_as_it_stands() {
        let key = "0123456789ABCDEF0123456789ABCDEF";
        let key = SandboxKey::First(ApiKeyText::parse(key).unwrap());
        let examples = |key: &str, url: &str| {
            vec![format!("-u {key}: {url}/a -d b=c"), format!("-u {key}: {url}/d")]
        };
        assert_eq!(
            greeting(&key, "http://127.0.0.1:8080", "", examples),
            "Merchant testaccount, API key 0123456789ABCDEF0123456789ABCDEF  (shown this once)\n\
             Try:\n  curl -u 0123456789ABCDEF0123456789ABCDEF: http://127.0.0.1:8080/a -d b=c\n  \
             curl -u 0123456789ABCDEF0123456789ABCDEF: http://127.0.0.1:8080/d\n"
        );
    }

    #[test]
    fn the_url_of_a_database_is_named_and_not_shown() {
        let location = Location::Database(Box::new(patron_store_postgres::Settings {
            url: "postgres://jon:winter-is-coming@127.0.0.1/patron".to_owned(),
            read_url: None,
            pooler: patron_store_postgres::Pooler::None,
            connections_max: 2,
            connect_time_max: std::time::Duration::ZERO,
            statement_time_max: std::time::Duration::ZERO,
            lock_time_max: std::time::Duration::ZERO,
            wait_max: std::time::Duration::ZERO,
            rewrite_bytes_max: 0,
            copy_bytes_max: 0,
        }));
        let flags = flags(&location, Path::new(DATA_DEFAULT));
        assert_eq!(
            greeting(&SandboxKey::Known, "http://x", &flags, |_, _| Vec::new()),
            "For a new key: patron key create testaccount --mode sandbox, with the same \
             --database-url or PATRON_DATABASE_URL\n"
        );
    }

    #[test]
    fn later_starts_tell_how_to_make_a_key() {
        let say = |data: &str| {
            let flags = data_flag(Path::new(data));
            greeting(&SandboxKey::Known, "http://x", &flags, |_, _| Vec::new())
        };
        assert_eq!(say(DATA_DEFAULT), "For a new key: patron key create testaccount\n");
        assert!(say("/tmp/x y").ends_with("testaccount --data '/tmp/x y'\n"));
        assert!(say("/tmp/x").ends_with("testaccount --data /tmp/x\n"));
    }
}
