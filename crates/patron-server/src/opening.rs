//! Opening an installation: data directory, store, root key, core, wires, in this order.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use patron::Patron;
use patron::clock::{Clock, Timestamp};
use patron::entropy::Entropy;
use patron::error::Kind;
use patron::ids::CustomerIds;
use patron::installation::Mode;
use patron::keys::RootKey;
use patron::patron::{OpenError, Parts};
use patron::session::SessionPolicy;
use patron::store::{Store, StoreError};
use patron::token::TokenPolicy;

use crate::config::{InstallationSettings, Secret, ServeSettings};
use crate::ledger::{self, FileLedger, Unusable};
use crate::passwords::PasswordThreads;
use crate::refusal::{Refusal, chain};
use crate::root_key::{self, Found};
use crate::stores::{self, Engine, Location, OnGroup, Schema, Sizes};
use crate::system::{OsEntropy, SystemClock};
use crate::wires::{Wires, wires};

/// An installation that is open. It holds the lock of its data, where they have one.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) engine: Engine,
    pub(crate) patron: Arc<Patron>,
    pub(crate) ledger: Arc<FileLedger>,
    pub(crate) wires: Wires,
    /// Whether it is served behind proxies that are believed.
    pub(crate) is_behind_proxy: bool,
}

/// How an installation is opened.
pub(crate) struct Opening<'a> {
    pub(crate) installation: &'a InstallationSettings,
    pub(crate) root_key: Option<&'a Secret>,
    /// Where the installation says that its data is.
    pub(crate) location: &'a Location,
    /// What the server adds; commands have nothing to add.
    pub(crate) serving: Option<Serving<'a>>,
    /// Whether a new installation is founded where there is none.
    pub(crate) founding: Founding,
}

/// What the server adds to an opening.
pub(crate) struct Serving<'a> {
    pub(crate) settings: &'a ServeSettings,
    pub(crate) on_group: OnGroup,
}

/// Bytes of the largest database that is read through at each start of a server: half a second.
const CHECKED_SIZE_MAX: u64 = 64 * 1_024 * 1_024;

/// Whether a new installation is founded where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Founding {
    Allowed,
    Refused,
}

/// Why an installation is not opened.
pub(crate) enum NotOpened {
    /// Another process has its lock.
    InUse,
    /// The database cannot be used now. Trying again later may help.
    Away(Refusal),
    /// Anything else.
    Refused(Refusal),
}

impl From<Refusal> for NotOpened {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Opening<'_> {
    /// Opens it. What should be said about its root key is passed to `warn`.
    pub(crate) async fn open(&self, warn: impl Fn(&str)) -> Result<Opened, NotOpened> {
        let data = &self.installation.data;
        let given = root_key::find_given(self.installation, self.root_key)?;
        self.check_founding().await?;
        self.check_privacy()?;
        let now = SystemClock.now();
        let on_group = self.serving.as_ref().map_or_else(
            || -> OnGroup { Arc::new(|_| ()) },
            |serving| Arc::clone(&serving.on_group),
        );
        let serving = self.serving.as_ref();
        let sizes = serving.map_or(Sizes::SMALL, |serving| serving.settings.store_sizes());
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::new());
        let engine = stores::open(self.location, now, sizes, Arc::clone(&entropy), on_group).await;
        let engine = engine.map_err(|error| not_opened(self.location, &error))?;
        let store = engine.store();
        self.check_contents(&engine).await?;
        self.check_founded(&*store).await?;
        let found = match given {
            Some(found) => found,
            None => own_root_key(self.location, data, &*store, &*entropy).await?,
        };
        if let Some(warning) = &found.warning {
            warn(warning);
        }
        let ledger = self.ledger()?;
        let parts = self.parts(store, found.key, entropy, &ledger)?;
        let patron = Arc::new(self.open_core(parts, now).await?);
        self.replay_erasures(&patron, &ledger, now).await?;
        let wires = wires(&patron);
        Ok(Opened {
            engine,
            patron,
            ledger,
            wires,
            is_behind_proxy: self
                .serving
                .as_ref()
                .is_some_and(|serving| !serving.settings.behind_proxy.is_empty()),
        })
    }

    async fn check_founding(&self) -> Result<(), NotOpened> {
        if self.founding == Founding::Allowed {
            return Ok(());
        }
        match stores::inspect(self.location).await {
            Ok(Schema::None) => Err(no_data(self.location).into()),
            // Waiting for a database that is away a second time would tell nothing new.
            Err(error) if error.may_pass() => Err(not_opened(self.location, &error)),
            // What is wrong with it is said by the opening itself.
            Ok(Schema::Behind | Schema::Current) | Err(_) => Ok(()),
        }
    }

    /// Production does not put people's data where other users of the machine can reach it. What it
    /// makes itself is its owner's alone; this is about what was there before.
    fn check_privacy(&self) -> Result<(), Refusal> {
        if self.installation.mode != Mode::Production {
            return Ok(());
        }
        let data = self.location.directory();
        let of_data = data.into_iter().flat_map(|data| {
            [
                (data.to_owned(), 0o022, "chmod 700"),
                (stores::database_file(data), 0o077, "chmod 600"),
            ]
        });
        let of_ledger = (self.installation.ledger(), 0o022, "chmod 600");
        for (path, others_may, mend) in of_data.chain([of_ledger]) {
            let mode = std::fs::metadata(&path).map(|found| found.permissions().mode());
            if mode.is_ok_and(|mode| mode & others_may != 0) {
                return Err(Refusal::configuration(format!(
                    "{} is open to other users of this machine, which production mode refuses: {mend} it",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    /// A start that was stopped early leaves an empty database behind.
    async fn check_founded(&self, store: &dyn Store) -> Result<(), NotOpened> {
        if self.founding == Founding::Allowed {
            return Ok(());
        }
        match store.find_installation().await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(no_data(self.location).into()),
            Err(error) => Err(no_answer(self.location, &error)),
        }
    }

    /// A server does not answer from a database file that is damaged. A large one is not read through, for
    /// that would keep the server from answering at all.
    async fn check_contents(&self, engine: &Engine) -> Result<(), NotOpened> {
        // What lies in a database of its own, that one looks after.
        let Some(data) = self.location.directory().filter(|_| self.serving.is_some()) else {
            return Ok(());
        };
        let size = std::fs::metadata(stores::database_file(data)).map_or(0, |found| found.len());
        if size > CHECKED_SIZE_MAX {
            tracing::info!(
                size,
                "the database is too large to be checked at each start: `patron doctor` does it"
            );
            return Ok(());
        }
        let broken = engine.check_integrity().await;
        let broken = broken.map_err(|error| no_answer(self.location, &error))?;
        // What is told first may be a headline, over several lines.
        let broken =
            broken.iter().flat_map(|one| one.lines()).find(|line| !line.starts_with("***"));
        broken.map_or(Ok(()), |first| {
            Err(NotOpened::Refused(Refusal::failure(format!(
                "the database in {} is damaged ({first}): restore a backup",
                data.display()
            ))))
        })
    }

    fn ledger(&self) -> Result<Arc<FileLedger>, Refusal> {
        let ledger = FileLedger::start(self.installation.ledger(), &self.installation.data);
        ledger.map(Arc::new).map_err(|error| no_thread(&error))
    }

    fn parts(
        &self,
        store: Arc<dyn Store>,
        root: RootKey,
        entropy: Arc<dyn Entropy>,
        ledger: &Arc<FileLedger>,
    ) -> Result<Parts, Refusal> {
        let serving = self.serving.as_ref().map(|serving| serving.settings);
        let seed = serving.and_then(|settings| settings.sandbox_seed);
        let passwords = PasswordThreads::start().map_err(|error| no_thread(&error))?;
        Ok(Parts {
            store,
            root,
            ids: seed.map_or_else(CustomerIds::random, CustomerIds::seeded),
            entropy,
            tokens: serving.map_or_else(TokenPolicy::default, |settings| TokenPolicy {
                lifetime: Duration::from_secs(settings.token_lifetime_s),
                uses_max: settings.token_uses,
            }),
            sessions: serving.map_or_else(SessionPolicy::default, ServeSettings::sessions),
            erasure: self.installation.erasure.policy(),
            ledger: Arc::<FileLedger>::clone(ledger),
            passwords: Arc::new(passwords),
            mode: self.installation.mode,
        })
    }

    /// A server erases again whom an older copy of the data has brought back, before it answers anybody.
    async fn replay_erasures(
        &self,
        patron: &Arc<Patron>,
        ledger: &FileLedger,
        now: Timestamp,
    ) -> Result<(), NotOpened> {
        if self.serving.is_none() {
            return Ok(());
        }
        let file = ledger.file().display();
        match ledger::replay(patron, ledger.file(), now).await {
            Ok(found) => found.iter().for_each(|contents| contents.log(ledger.file())),
            Err(Unusable::Store(error)) => {
                let reason = chain(&error);
                let refusal = Refusal::failure(format!(
                    "{} does not answer while the ledger of erasures {file} is replayed ({reason}): \
                     run `patron doctor`",
                    self.location
                ));
                let is_away = matches!(error.kind(), Kind::Unavailable { .. });
                return Err(match self.location {
                    Location::Database(_) if is_away => NotOpened::Away(refusal),
                    Location::Database(_) | Location::Directory(_) => NotOpened::Refused(refusal),
                });
            }
            Err(
                unusable @ (Unusable::Io(_)
                | Unusable::Unreadable(_)
                | Unusable::Foreign(_)
                | Unusable::Ended(_)),
            ) => return Err(unusable_ledger(ledger.file(), &unusable).into()),
        }
        if let Err(error) = ledger.make() {
            tracing::warn!(
                "the ledger of erasures {file} cannot be written ({error}), and nobody can be erased: \
                 correct --erasure-ledger or the file's owner and mode"
            );
        }
        Ok(())
    }

    async fn open_core(&self, parts: Parts, now: Timestamp) -> Result<Patron, NotOpened> {
        let location = self.location;
        Patron::open(parts, now).await.map_err(|error| match &error {
            OpenError::OtherMode { born, .. } => other_mode(location, *born).into(),
            OpenError::RootKeyDoesNotFit => NotOpened::Refused(Refusal::configuration(format!(
                "the root key does not fit {location}, whose keys were wrapped with another one: give \
                 that one with --root-key-file or PATRON_ROOT_KEY"
            ))),
            OpenError::Store(source) => no_answer(location, source),
        })
    }
}

/// The root key of a sandbox that is given none: its own, which a new store gets and an old one has.
async fn own_root_key(
    location: &Location,
    data: &Path,
    store: &dyn Store,
    entropy: &dyn Entropy,
) -> Result<Found, NotOpened> {
    let installation = store.find_installation().await;
    let installation = installation.map_err(|error| no_answer(location, &error))?;
    // Looked for after the installation, since whoever founds one makes its key first.
    if let Some(found) = root_key::find_in_data(data)? {
        return Ok(found);
    }
    match installation.map(|installation| installation.mode) {
        None => {}
        Some(Mode::Sandbox) => return Err(root_key_missing(location, data).into()),
        Some(born @ Mode::Production) => return Err(other_mode(location, born).into()),
    }
    Ok(root_key::create_in_data(data, entropy)?)
}

fn no_thread(error: &io::Error) -> Refusal {
    Refusal::failure(format!(
        "a thread cannot be started ({error}): check the limits of the system"
    ))
}

/// What is said when nobody can go by the ledger.
pub(crate) fn unusable_ledger(file: &Path, unusable: &Unusable) -> Refusal {
    let mend = match unusable {
        Unusable::Io(_) => "correct --erasure-ledger or the file's owner and mode",
        Unusable::Unreadable(_) => {
            "give this installation's own file with --erasure-ledger, put a good copy in its place, or \
             take that line away"
        }
        Unusable::Foreign(_) => {
            "give this installation's own file with --erasure-ledger, or take away the lines that are \
             not its own"
        }
        Unusable::Store(_) | Unusable::Ended(_) => "run `patron doctor`",
    };
    Refusal::configuration(format!(
        "the ledger of erasures {} cannot be used: {}: {mend}",
        file.display(),
        chain(unusable)
    ))
}

fn other_mode(location: &Location, born: Mode) -> Refusal {
    let born = born.name();
    let other = another(location);
    Refusal::configuration(format!(
        "{location} was created in {born} mode and cannot be used in another: give --mode {born}, or \
         another {other}"
    ))
}

/// The flag that says where the data is.
const fn another(location: &Location) -> &'static str {
    match location {
        Location::Directory(_) => "--data",
        Location::Database(_) => "--database-url",
    }
}

/// What is said when a sandbox's data has lost its root key.
pub(crate) fn root_key_missing(location: &Location, data: &Path) -> Refusal {
    let file = data.join(root_key::FILE_NAME);
    let file = file.display();
    Refusal::configuration(match location {
        Location::Directory(_) => format!(
            "{file} is missing, and nothing else opens the data beside it: put the file back, or give \
             the root key with --root-key-file or PATRON_ROOT_KEY"
        ),
        Location::Database(_) => format!(
            "{file} is missing, and {location} was founded with another root key: put that file \
             there, or give that root key with --root-key-file or PATRON_ROOT_KEY, or its directory with \
             --data"
        ),
    })
}

/// What an engine's refusal means for whoever wanted to open.
pub(crate) fn not_opened(location: &Location, error: &stores::OpenError) -> NotOpened {
    if error.is_in_use() {
        return NotOpened::InUse;
    }
    let refusal = cannot_be_opened(location, error);
    if error.may_pass() { NotOpened::Away(refusal) } else { NotOpened::Refused(refusal) }
}

/// What is said when the engine refuses. It says what to do itself, but not always where.
pub(crate) fn cannot_be_opened(location: &Location, error: &stores::OpenError) -> Refusal {
    Refusal::failure(format!("{location} cannot be opened: {}", chain(error)))
}

/// What is said when another process has the lock and does not let go of it.
pub(crate) fn in_use(location: &Location) -> Refusal {
    Refusal::failure(format!(
        "{location} is in use by another process: stop that one, or give another {}",
        another(location)
    ))
}

/// What is said when nothing was ever founded there.
pub(crate) fn no_data(location: &Location) -> Refusal {
    Refusal::configuration(match location {
        Location::Directory(data) => format!(
            "there is no Patron data in {}: correct --data, or start `patron serve` there first",
            data.display()
        ),
        Location::Database(_) => format!(
            "there is no Patron data in {location}: correct --database-url, or start `patron serve` \
             with it first"
        ),
    })
}

fn no_answer(location: &Location, error: &StoreError) -> NotOpened {
    let reason = chain(error);
    match location {
        Location::Directory(data) => NotOpened::Refused(Refusal::failure(format!(
            "the store in {} does not answer ({reason}): run `patron doctor`",
            data.display()
        ))),
        Location::Database(_) => {
            let refusal = Refusal::failure(format!(
                "{location} does not answer ({reason}): run `patron doctor`"
            ));
            match error {
                StoreError::Unavailable(_) => NotOpened::Away(refusal),
                StoreError::Duplicate(_)
                | StoreError::Stale
                | StoreError::Missing
                | StoreError::Corrupt { .. } => NotOpened::Refused(refusal),
            }
        }
    }
}
