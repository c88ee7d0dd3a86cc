//! The server put together: an [`App`] is built from settings, and serves until it is told to stop.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use patron::Patron;
use patron::api_key::ApiKeyText;
use patron::clock::Clock as _;
use patron::installation::Mode;
use patron_wire::Limits;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::backoff::Backoff;
use crate::config::{InstallationSettings, Secret, ServeSettings};
use crate::control::Control;
use crate::edge::{Door, Edge, Site};
use crate::jobs;
use crate::listener::{Admissions, Protocol, Workers, accept_here};
use crate::metrics::Metrics;
use crate::open_files;
use crate::opening::{self, Founding, NotOpened, Opened, Opening, Serving};
use crate::refusal::{Refusal, chain};
use crate::sandbox;
use crate::stores::Location;
use crate::system::{PooledEntropy, Stopwatch, SystemClock};
use crate::tls;
use crate::wires;

/// How often it is written down which keys were used.
const KEY_USES_EVERY: Duration = Duration::from_secs(5);

/// How many connections the system keeps until they are accepted, if it is not set to fewer. For one more it
/// drops the packet, and its client asks again after a second at the earliest.
const WAITING_MAX: u32 = 4_096;

/// The most connections to the metrics' own listener.
const METRICS_CONNECTIONS_MAX: u32 = 64;

/// How long a start waits for a command (or an ending server) that has the data.
const LOCK_TIME_MAX: Duration = Duration::from_secs(2);

/// How often it is logged that the database is still away.
const AWAY_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// A server that holds its data and its addresses, and has not begun to answer.
pub(crate) struct App<'a> {
    installation: &'a InstallationSettings,
    settings: &'a ServeSettings,
    location: Location,
    opened: Opened,
    metrics: Arc<Metrics>,
    listener: TcpListener,
    metrics_listener: Option<TcpListener>,
    tls: Option<Arc<rustls::ServerConfig>>,
    signals: Signals,
}

/// The signals that end the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl<'a> App<'a> {
    /// Opens the data and takes the addresses; `None` when a signal came before it could.
    pub(crate) async fn build(
        installation: &'a InstallationSettings,
        root_key: Option<&Secret>,
        settings: &'a ServeSettings,
    ) -> Result<Option<Self>, Refusal> {
        let mut signals = Signals::listen().map_err(|error| {
            Refusal::failure(format!("signals cannot be listened for: {error}"))
        })?;
        let tls = settings
            .tls_files()
            .map(|(certificate, key)| tls::load(certificate, key))
            .transpose()?;
        let metrics = Arc::new(Metrics::new());
        let counted = Arc::clone(&metrics);
        let location = Location::of(installation, Some(settings));
        let opening = Opening {
            installation,
            root_key,
            location: &location,
            serving: Some(Serving {
                settings,
                on_group: Arc::new(move |size| counted.count_group(size)),
            }),
            founding: Founding::Allowed,
        };
        let opened = tokio::select! {
            biased;
            opened = open_patiently(&opening) => opened?,
            () = signals.next() => {
                tracing::info!("stopped before there was anything to serve");
                return Ok(None);
            }
        };
        let listener = bind(settings.listen, "--listen")?;
        let metrics_listener = match settings.metrics_listen {
            Some(address) => Some(bind(address, "--metrics-listen")?),
            None => None,
        };
        Ok(Some(Self {
            installation,
            settings,
            location,
            opened,
            metrics,
            listener,
            metrics_listener,
            tls,
            signals,
        }))
    }

    /// Serves until a signal, then ends in an orderly way.
    pub(crate) async fn serve(self) -> Result<ExitCode, Refusal> {
        let greeting = self.greeting().await?;
        let running = self.start()?;
        say(&greeting);
        running.run().await;
        Ok(ExitCode::SUCCESS)
    }

    /// Starts everything but accepting connections.
    fn start(self) -> Result<Running, Refusal> {
        let Self {
            installation: _,
            settings,
            location,
            opened,
            metrics,
            listener,
            metrics_listener,
            tls,
            signals,
        } = self;
        let site = site(&opened, settings, &metrics);
        let mut chores = jobs::begin(&opened.patron, settings.jobs(), &metrics);
        chores.push(tokio::spawn(record_key_uses(Arc::clone(&opened.patron))));
        if let Some(control) = control(&location)? {
            chores.push(tokio::spawn(control.serve(opened.clone())));
        }
        let drain = watch::Sender::new(false);
        let until_stopped = watch::Sender::new(false);
        let mut door = Door::Everything;
        if let Some(listener) = metrics_listener {
            // Whoever watches the server sees it drain, so this one is not drained.
            let protocol = Protocol::new(settings, until_stopped.subscribe());
            chores.push(serve_metrics(listener, &site, protocol));
            door = Door::WithoutMetrics;
        }
        let workers = worker_count(settings);
        let connections_max = open_files::make_room(settings.connections_max, workers);
        let edges = (0..workers).map(|_| edge(&site, door));
        let protocol = Protocol::new(settings, drain.subscribe()).inside(tls);
        let workers = Workers::start(edges, &protocol).map_err(|error| {
            Refusal::failure(format!(
                "the workers cannot be started ({error}): give fewer --workers"
            ))
        })?;
        Ok(Running {
            admissions: Admissions::new(connections_max, metrics.connections().clone()),
            notice_time: Duration::from_millis(settings.drain_notice_ms),
            drain_time_max: Duration::from_millis(settings.drain_timeout_ms),
            opened,
            site,
            listener,
            workers,
            chores,
            signals,
            drain,
            until_stopped,
        })
    }

    /// What is printed before the first request is answered. In a new sandbox it makes the first key.
    async fn greeting(&self) -> Result<String, Refusal> {
        let address = self.listener.local_addr().map_err(|error| {
            Refusal::failure(format!("the address that is listened on is unknown: {error}"))
        })?;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{address}");
        let location = &self.location;
        let mode = self.installation.mode;
        let first =
            format!("Patron is listening on {url} ({}, {})\n", mode.name(), location.label());
        if mode == Mode::Production {
            return Ok(first);
        }
        let given = self.settings.sandbox_api_key.as_ref();
        let given = given.and_then(|key| ApiKeyText::parse(key.expose()));
        let key = sandbox::prepare(&self.opened.patron, given, SystemClock.now()).await.map_err(
            |error| {
                Refusal::failure(format!(
                    "{location} does not take the sandbox's merchant and key ({}): run `patron \
                     doctor`",
                    chain(&error)
                ))
            },
        )?;
        let reachable = format!("{scheme}://{}", reachable(address));
        let examples = |key: &str, url: &str| wires::examples(&self.opened.wires, key, url);
        let flags = sandbox::flags(location, &self.installation.data);
        Ok(first + &sandbox::greeting(&key, &reachable, &flags, examples))
    }
}

/// A server that answers, or is about to.
struct Running {
    opened: Opened,
    site: Arc<Site>,
    listener: TcpListener,
    workers: Workers,
    chores: Vec<JoinHandle<()>>,
    signals: Signals,
    admissions: Admissions,
    /// How long it goes on serving once it is told to end.
    notice_time: Duration,
    drain_time_max: Duration,
    /// Set when connections are to end.
    drain: watch::Sender<bool>,
    /// Gone when the server is.
    until_stopped: watch::Sender<bool>,
}

impl Running {
    async fn run(self) {
        let Self {
            opened,
            site,
            listener,
            workers,
            chores,
            mut signals,
            admissions,
            notice_time,
            drain_time_max,
            drain,
            until_stopped,
        } = self;
        serve_until_told(&site, workers.accept(listener, &admissions), &mut signals, notice_time)
            .await;
        tracing::info!("shutting down: requests in flight are answered");
        drain.send_replace(true);
        tokio::select! {
            () = admissions.all_returned() => {}
            () = sleep(drain_time_max) => {
                tracing::warn!("connections that are open after --drain-timeout-ms are cut");
            }
            () = signals.next() => {
                tracing::warn!("told to stop a second time: stopping at once");
                std::process::exit(1);
            }
        }
        workers.stop();
        drop(until_stopped);
        for chore in chores {
            chore.abort();
            // It ends with "cancelled", and has let go of the store then.
            let _ = chore.await;
        }
        if let Err(error) = opened.patron.record_key_uses().await {
            tracing::warn!(error = chain(&error), "the last uses of keys are not recorded");
        }
        tracing::info!("stopped");
    }
}

/// Accepts connections until a signal, and for `notice_time` after that, when whoever asks hears that it ends.
async fn serve_until_told(
    site: &Site,
    accepting: impl Future<Output = ()>,
    signals: &mut Signals,
    notice_time: Duration,
) {
    let mut accepting = Box::pin(accepting);
    let is_told = tokio::select! {
        () = &mut accepting => false,
        () = signals.next() => true,
    };
    site.draining.store(true, Ordering::Relaxed);
    if !is_told || notice_time.is_zero() {
        return;
    }
    tracing::info!("shutting down: requests are answered until others have noticed");
    tokio::select! {
        () = accepting => {}
        () = sleep(notice_time) => {}
        () = signals.next() => {}
    }
}

/// Opens the data. A command that is at it is done in a moment. Only the waiting has its time: a disk
/// that is slow opens slowly, and that is not taken for another process. A database that is away is
/// waited for until it is back.
async fn open_patiently(opening: &Opening<'_>) -> Result<Opened, Refusal> {
    const PAUSE: Duration = Duration::from_millis(50);
    let mut waited = Duration::ZERO;
    let mut outage = Outage::new();
    loop {
        match opening.open(|warning| tracing::warn!("{warning}")).await {
            Ok(opened) => return Ok(opened),
            Err(NotOpened::Refused(refusal)) => return Err(refusal),
            Err(NotOpened::InUse) if waited >= LOCK_TIME_MAX => {
                return Err(opening::in_use(opening.location));
            }
            Err(NotOpened::InUse) => {
                sleep(PAUSE).await;
                waited += PAUSE;
            }
            Err(NotOpened::Away(refusal)) => outage.sit_out(&refusal).await,
        }
    }
}

/// A time in which the database is away.
struct Outage {
    backoff: Backoff,
    /// Since it was last logged.
    logged: Option<Stopwatch>,
}

impl Outage {
    const fn new() -> Self {
        Self { backoff: Backoff::new(), logged: None }
    }

    /// Waits before the next try, and logs now and then what for.
    async fn sit_out(&mut self, refusal: &Refusal) {
        if self.logged.is_none_or(|logged| logged.elapsed() >= AWAY_LOGGED_EVERY) {
            self.logged = Some(Stopwatch::start());
            let reason = refusal.sentence();
            tracing::warn!(reason, "the server waits for its database, and goes on trying");
        }
        self.backoff.pause().await;
    }
}

/// Where commands reach the server. What is in a database they reach themselves, and the server learns of
/// it there.
fn control(location: &Location) -> Result<Option<Control>, Refusal> {
    let Some(data) = location.directory() else {
        return Ok(None);
    };
    Control::bind(data).map(Some).map_err(|error| {
        Refusal::failure(format!(
            "the control socket in {} cannot be made ({error}): check the directory and its mode",
            data.display()
        ))
    })
}

fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, Refusal> {
    listen(address).map_err(|error| {
        Refusal::failure(format!("{address} cannot be listened on ({error}): give another {flag}"))
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that ended leaves connections behind that keep its address for a while.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

/// The address under which this machine reaches a listener.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

fn site(opened: &Opened, settings: &ServeSettings, metrics: &Arc<Metrics>) -> Arc<Site> {
    let body_size_max = usize::try_from(settings.body_size_max).unwrap_or(usize::MAX);
    Arc::new(Site {
        engine: opened.engine.clone(),
        patron: Arc::clone(&opened.patron),
        wires: Arc::clone(&opened.wires),
        clock: Box::new(SystemClock),
        entropy: Box::new(PooledEntropy::new()),
        trusted: settings.behind_proxy.clone(),
        limits: Limits {
            body_size_max,
            body_time_max: Duration::from_millis(settings.body_timeout_ms),
        },
        metrics: Arc::clone(metrics),
        draining: AtomicBool::new(false),
    })
}

fn edge(site: &Arc<Site>, door: Door) -> Edge {
    Edge { site: Arc::clone(site), recorder: site.metrics.recorder(), door }
}

fn serve_metrics(listener: TcpListener, site: &Arc<Site>, protocol: Protocol) -> JoinHandle<()> {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "metrics are served");
    }
    let admissions = Admissions::new(METRICS_CONNECTIONS_MAX, Gauge::default());
    tokio::spawn(accept_here(listener, admissions, edge(site, Door::OwnPaths), protocol))
}

fn worker_count(settings: &ServeSettings) -> usize {
    settings
        .workers
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
}

/// Writes down now and then when keys were last used.
async fn record_key_uses(patron: Arc<Patron>) {
    let mut ticks = interval(KEY_USES_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = patron.record_key_uses().await {
            tracing::warn!(error = chain(&error), "the uses of keys are recorded later");
        }
    }
}

/// Says it on stdout. A server serves, whether anybody reads there or not.
fn say(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
