//! The load: connections that each ask and wait for the answer, all served by one thread.
//!
//! It waits with `epoll` itself instead of through a runtime, so that it takes less of its core than
//! the fastest server takes of its own, and is never what is measured.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use crate::connection::{Connection, SILENCE_MAX};
use crate::figures::{Lap, Latencies, float};
use crate::machine::{now, processor_time_s};
use crate::traffic::Requests;
use crate::{Fault, Outcome};

/// Who is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Whose processor time is looked at.
    pub(crate) process: u32,
}

/// How, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) connections: u16,
    /// How long is counted. A quarter as long before is not: caches fill then.
    pub(crate) counted: Duration,
    /// Whether the load has its core for itself. Then it never sleeps: a server pays for waking up
    /// whoever sleeps beside it, which it does not for clients that are elsewhere.
    pub(crate) is_alone: bool,
}

impl Effort {
    /// When counting begins and when it ends.
    pub(crate) fn from(&self, began: Instant) -> (Instant, Instant) {
        let counted_from = began + self.counted / 4;
        (counted_from, counted_from + self.counted)
    }
}

/// How many answers are counted at least, however long it takes: on a machine that is busy with other
/// things nothing may happen for a while, and none is not a rate.
const ENOUGH: u16 = 16;

/// Asks as fast as answers come.
pub(crate) fn at_full_speed(
    target: Target,
    effort: Effort,
    requests: &mut Requests,
) -> Outcome<Lap> {
    let mut crew = Crew::open(target.address, effort.connections)?;
    let began = now();
    let (counted_from, ends) = effort.from(began);
    for at in 0..crew.connections.len() {
        crew.ask(at, requests, began)?;
    }
    let (mut answered, mut idle, mut heard) = (0, Duration::ZERO, began);
    let (mut start, mut counted_before) = (None, 0);
    let mut ready = crew.room();
    let end = loop {
        let before = now();
        crew.wait(&mut ready, (!effort.is_alone).then_some(SILENCE_MAX))?;
        let time = now();
        if ready.is_empty() || !effort.is_alone {
            idle += time.saturating_duration_since(before);
        }
        if !ready.is_empty() {
            heard = time;
        } else if time > heard + SILENCE_MAX {
            return Err(silence());
        }
        if start.is_none() && time >= counted_from {
            start = Some(Mark::set(target.process, time, answered, idle)?);
            counted_before = answered;
        }
        if time >= ends && answered >= counted_before + u64::from(ENOUGH) {
            break Mark::set(target.process, time, answered, idle)?;
        }
        for event in ready.drain(..) {
            let at = place(event)?;
            if crew.hear(at)?.is_some() {
                answered += 1;
                crew.ask(at, requests, time)?;
            }
        }
    };
    crew.finish()?;
    start.map(|start| start.until(&end)).ok_or_else(|| Fault::new("no answer was counted"))
}

/// Asks at even distances, `rate` times a second. The time of an answer is counted from when its
/// request was due, so that a server that stalls does not look fast for being asked less.
pub(crate) fn at_pace(
    target: Target,
    effort: Effort,
    rate: f64,
    requests: &mut Requests,
) -> Outcome<Latencies> {
    let mut crew = Crew::open(target.address, effort.connections)?;
    let mut idle: VecDeque<usize> = (0..crew.connections.len()).collect();
    let distance = Duration::from_secs_f64(1.0 / rate.max(1.0));
    let began = now();
    let (counted_from, ends) = effort.from(began);
    let ends = ends.max(counted_from + distance * u32::from(ENOUGH));
    let (mut due, mut heard) = (began, began);
    let mut times = Vec::new();
    let mut ready = crew.room();
    while due < ends || idle.len() < crew.connections.len() {
        let time = now();
        while due < ends && due <= time {
            // Whatever finds no connection waits, and its time runs.
            let Some(at) = idle.pop_front() else { break };
            crew.ask(at, requests, due)?;
            due += distance;
        }
        crew.wait(&mut ready, None)?;
        if ready.is_empty() {
            if time > heard + SILENCE_MAX {
                return Err(silence());
            }
            // Never sleeps, so that requests leave when they are due; gives way where others wait.
            std::thread::yield_now();
        }
        for event in ready.drain(..) {
            let at = place(event)?;
            if let Some(since) = crew.hear(at)? {
                heard = now();
                idle.push_back(at);
                if since >= counted_from {
                    times.push(heard.saturating_duration_since(since));
                }
            }
        }
    }
    Latencies::of(times).ok_or_else(|| Fault::new("no answer was counted"))
}

/// Sends so many requests and waits for all answers. `progress` is told how many have come.
pub(crate) fn send_all(
    address: SocketAddr,
    connections: u16,
    count: u32,
    requests: &mut Requests,
    progress: &dyn Fn(u32),
) -> Outcome<()> {
    let mut crew = Crew::open(address, connections)?;
    let mut ready = crew.room();
    let began = now();
    let (mut sent, mut answered) = (0, 0);
    for at in 0..crew.connections.len() {
        if sent < count {
            crew.ask(at, requests, began)?;
            sent += 1;
        }
    }
    while answered < count {
        crew.wait(&mut ready, Some(SILENCE_MAX))?;
        for event in ready.drain(..) {
            let at = place(event)?;
            if crew.hear(at)?.is_some() {
                answered += 1;
                if sent < count {
                    crew.ask(at, requests, began)?;
                    sent += 1;
                }
            }
        }
        progress(answered);
    }
    Ok(())
}

/// Connections, and what tells which of them have something to say.
struct Crew {
    connections: Vec<Connection>,
    epoll: OwnedFd,
    request: Vec<u8>,
}

impl Crew {
    fn open(address: SocketAddr, connections: u16) -> Outcome<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let connections: Vec<_> =
            (0..connections).map(|_| Connection::open(address)).collect::<Outcome<_>>()?;
        for (at, connection) in (0..).zip(&connections) {
            // Told once for each arrival: whoever hears reads until there is nothing left.
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&epoll, connection, epoll::EventData::new_u64(at), flags)?;
        }
        Ok(Self { connections, epoll, request: Vec::new() })
    }

    /// Room for one event of each connection.
    fn room(&self) -> Vec<epoll::Event> {
        Vec::with_capacity(self.connections.len())
    }

    /// Waits until there is something to hear, or only looks when there is no time to wait.
    fn wait(&self, ready: &mut Vec<epoll::Event>, patience: Option<Duration>) -> Outcome<()> {
        let time = Timespec::try_from(patience.unwrap_or_default())?;
        match epoll::wait(&self.epoll, spare_capacity(ready), Some(&time)) {
            Ok(0) if patience.is_some() => Err(silence()),
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(Fault::at("epoll")(error)),
        }
    }

    fn ask(&mut self, at: usize, requests: &mut Requests, since: Instant) -> Outcome<()> {
        requests.write(&mut self.request);
        match self.connections.get_mut(at) {
            Some(connection) => connection.send(&self.request, since),
            None => Err(nobody()),
        }
    }

    fn hear(&mut self, at: usize) -> Outcome<Option<Instant>> {
        self.connections.get_mut(at).ok_or_else(nobody)?.receive()
    }

    /// Waits for what is still on its way, so that the next measurement begins in silence.
    fn finish(&mut self) -> Outcome<()> {
        self.connections.iter_mut().try_for_each(Connection::finish)
    }
}

/// Which connection an event is about.
fn place(event: epoll::Event) -> Outcome<usize> {
    Ok(usize::try_from(event.data.u64())?)
}

fn silence() -> Fault {
    Fault::new(format!("the server gave no answer for {SILENCE_MAX:?}"))
}

fn nobody() -> Fault {
    Fault::new("an answer came on a connection that there is not")
}

/// What the clocks and counters showed at one moment.
pub(crate) struct Mark {
    at: Instant,
    done: u64,
    /// How long the load has had nothing to do so far.
    idle: Duration,
    server_s: f64,
}

impl Mark {
    /// Looks at how much time `server`, the process that does the work, has taken.
    pub(crate) fn set(server: u32, at: Instant, done: u64, idle: Duration) -> Outcome<Self> {
        Ok(Self { at, done, idle, server_s: processor_time_s(server)? })
    }

    /// What happened from here until there.
    pub(crate) fn until(&self, end: &Self) -> Lap {
        let seconds = end.at.saturating_duration_since(self.at).as_secs_f64();
        let idle = end.idle.saturating_sub(self.idle).as_secs_f64();
        Lap {
            rate: float(end.done - self.done) / seconds,
            server_busy: (end.server_s - self.server_s) / seconds,
            database_busy: None,
            load_busy: 1.0 - idle / seconds,
        }
    }
}
