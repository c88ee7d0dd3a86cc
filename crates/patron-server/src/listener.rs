//! Connections: one acceptor hands them to the workers in turn, each a thread with a runtime of its own.
//!
//! A connection stays with its worker, so that requests never cross threads.

use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::config::ServeSettings;
use crate::edge::Edge;
use crate::patience::Patient;

/// The most bytes of a request's head.
const HEAD_SIZE_MAX: usize = 16 * 1024;

/// After how many tasks a worker looks for news from its connections. tokio's own 61 would let a
/// client that pipelines costly requests keep the others of its worker waiting for seconds.
const POLLS_BETWEEN_EVENTS: u32 = 8;

/// How long the acceptor waits when the system has no room for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How connections are spoken.
#[derive(Clone)]
pub(crate) struct Protocol {
    http: http1::Builder,
    tls: Option<TlsAcceptor>,
    head_time_max: Duration,
    write_time_max: Duration,
    draining: watch::Receiver<bool>,
}

impl Protocol {
    /// HTTP/1.1. Becoming true, `draining` ends every connection after the request it is at.
    pub(crate) fn new(settings: &ServeSettings, draining: watch::Receiver<bool>) -> Self {
        let head_time_max = settings.head_time_max();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(head_time_max)
            .max_header_size(HEAD_SIZE_MAX)
            .max_buf_size(2 * HEAD_SIZE_MAX)
            // A client that has said all it wants to say still gets its answer.
            .half_close(true);
        let write_time_max = settings.write_time_max();
        Self { http, tls: None, head_time_max, write_time_max, draining }
    }

    /// The same inside TLS.
    #[must_use]
    pub(crate) fn inside(mut self, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        self.tls = tls.map(TlsAcceptor::from);
        self
    }

    /// Speaks with one client until one of both is done.
    async fn converse(self, edge: Edge, tcp: TcpStream, peer: SocketAddr) {
        // Answers are small; they must not wait for more to come. Where it cannot be set, they do.
        let _ = tcp.set_nodelay(true);
        match self.tls.clone() {
            None => self.speak(edge, tcp, peer).await,
            Some(tls) => match timeout(self.head_time_max, tls.accept(tcp)).await {
                Ok(Ok(stream)) => self.speak(edge, stream, peer).await,
                // Scanners and plain HTTP are everyday business.
                Ok(Err(_)) | Err(_) => tracing::debug!("a TLS handshake came to nothing"),
            },
        }
    }

    async fn speak<S>(mut self, edge: Edge, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = peer.ip();
        let service = service_fn(|request| edge.answer(request, peer));
        let stream = Patient::new(stream, self.write_time_max);
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let drain = async {
            let _ = self.draining.wait_for(|is_draining| *is_draining).await;
        };
        tokio::select! {
            biased;
            // How a connection ends is the client's business; its requests were logged.
            _ = connection.as_mut() => return,
            () = drain => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Leave to have a connection open, which is counted from when there is one.
pub(crate) struct Admission {
    gauge: Option<Gauge>,
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    /// The connection is there.
    fn count_in(&mut self, admissions: &Admissions) {
        admissions.gauge.inc();
        self.gauge = Some(admissions.gauge.clone());
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(gauge) = &self.gauge {
            gauge.dec();
        }
    }
}

/// The bound on open connections.
#[derive(Clone)]
pub(crate) struct Admissions {
    permits: Arc<Semaphore>,
    connections_max: u32,
    gauge: Gauge,
}

impl Admissions {
    pub(crate) fn new(connections_max: u32, gauge: Gauge) -> Self {
        let permits = usize::try_from(connections_max).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            connections_max,
            gauge,
        }
    }

    /// Waits until there is room for one more. `None` never comes: the semaphore is not closed.
    async fn admit(&self) -> Option<Admission> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some(Admission { gauge: None, _permit: permit })
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_returned(&self) {
        let _ = self.permits.acquire_many(self.connections_max).await;
    }
}

/// A connection on its way to a worker. Outside a runtime it has to be one of the standard library's.
struct Accepted {
    tcp: StdTcpStream,
    peer: SocketAddr,
    admission: Admission,
}

/// The threads that answer requests.
pub(crate) struct Workers {
    lines: Vec<mpsc::UnboundedSender<Accepted>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts one worker for each edge.
    pub(crate) fn start(
        edges: impl IntoIterator<Item = Edge>,
        protocol: &Protocol,
    ) -> io::Result<Self> {
        let mut workers = Self { lines: Vec::new(), threads: Vec::new() };
        for (number, edge) in edges.into_iter().enumerate() {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .event_interval(POLLS_BETWEEN_EVENTS)
                .build()?;
            // Whatever is on this line holds an admission, so it is never longer than their number.
            let (line, accepted) = mpsc::unbounded_channel();
            let protocol = protocol.clone();
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || runtime.block_on(work(accepted, edge, protocol)))?;
            workers.lines.push(line);
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Accepts connections for the workers in turn, for as long as it is polled.
    pub(crate) async fn accept(&self, listener: TcpListener, admissions: &Admissions) {
        for line in self.lines.iter().cycle() {
            let Some(mut admission) = admissions.admit().await else {
                return;
            };
            let (tcp, peer) = accept_one(&listener).await;
            admission.count_in(admissions);
            let Ok(tcp) = tcp.into_std() else { continue };
            // A worker lives as long as its line.
            let _ = line.send(Accepted { tcp, peer, admission });
        }
    }

    /// Ends the workers, and with them what they are still at.
    pub(crate) fn stop(self) {
        drop(self.lines);
        for thread in self.threads {
            // A worker that panicked has said so.
            let _ = thread.join();
        }
    }
}

async fn work(mut accepted: mpsc::UnboundedReceiver<Accepted>, edge: Edge, protocol: Protocol) {
    while let Some(Accepted { tcp, peer, admission }) = accepted.recv().await {
        // It fails when the client has gone already.
        let Ok(tcp) = TcpStream::from_std(tcp) else {
            continue;
        };
        let conversation = protocol.clone().converse(edge.clone(), tcp, peer);
        tokio::spawn(async move {
            conversation.await;
            drop(admission);
        });
    }
}

/// Accepts connections and answers them right here: for a listener that few ask.
pub(crate) async fn accept_here(
    listener: TcpListener,
    admissions: Admissions,
    edge: Edge,
    protocol: Protocol,
) {
    while let Some(mut admission) = admissions.admit().await {
        let (tcp, peer) = accept_one(&listener).await;
        admission.count_in(&admissions);
        let conversation = protocol.clone().converse(edge.clone(), tcp, peer);
        tokio::spawn(async move {
            conversation.await;
            drop(admission);
        });
    }
}

/// The next connection. Errors are a client's that is gone again, or the system's that has no room.
async fn accept_one(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut has_said_so = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_clients_own(&error) => {}
            Err(error) => {
                // Once is enough until one can be.
                if !has_said_so {
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                    has_said_so = true;
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_clients_own(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
