//! A server's processes: started so that they end with the test, killed and stopped all together.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test whose servers do not obey must fail where it notices"
)]

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait::{soon, until};

/// A server takes longer to get ready or to end when the machine is busy and there is much to recover.
const PATIENCE: Duration = Duration::from_secs(60);

type Order = (Command, Sender<io::Result<Child>>);

/// The thread that starts servers. The system tells them that their parent has died when the thread that started
/// them ends, and tests start servers in threads that end before the test does. This one never ends.
static STARTER: LazyLock<Sender<Order>> = LazyLock::new(|| {
    let (sender, orders) = channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, answer) in orders {
            let _ = answer.send(command.spawn());
        }
    });
    sender
});

/// A server: a process, and those it has started. Dropped, all of them are killed.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    guardian: Option<Child>,
}

impl Process {
    pub(super) fn start(mut command: Command) -> Self {
        // What is sent to the group of the test, by a terminal or a runner, is not for the server.
        command.process_group(0);
        let said = format!("{command:?}");
        let (sender, answer) = channel();
        STARTER.send((command, sender)).unwrap();
        match answer.recv().unwrap() {
            Ok(child) => Self { child, guardian: None },
            Err(error) => panic!("{said}: {error}"),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until `condition` yields a value or it has ended.
    pub(super) fn wait_for<T>(
        &mut self,
        what: &str,
        mut condition: impl FnMut(u32) -> Option<T>,
    ) -> Result<T, ExitStatus> {
        let id = self.id();
        until(what, PATIENCE, || match condition(id) {
            Some(value) => Some(Ok(value)),
            None => self.ended().map(Err),
        })
    }

    /// Sends it a signal on which it ends, and waits until it has.
    pub(super) fn end_by(mut self, signal: Signal) -> ExitStatus {
        self.resume();
        kill_process(pid(self.id()), signal).unwrap();
        until("the server has ended", PATIENCE, || self.ended())
    }

    /// Kills it and all that it has started, as if each of them had been killed at the same moment.
    pub(super) fn kill(&mut self) {
        if self.ended().is_none() {
            let family = self.stopped_family();
            for member in &family {
                // It may have ended before it was stopped.
                let _ = kill_process(pid(*member), Signal::KILL);
            }
            self.child.wait().unwrap();
            for member in family {
                soon("a killed process is gone", || is_in(member, &['Z', 'X']).then_some(()));
            }
        }
        self.resume();
    }

    /// Stops it and all that it has started, until [`Process::resume`] or the end of the test.
    pub(super) fn pause(&mut self) {
        if self.guardian.is_some() {
            return;
        }
        let family = self.stopped_family();
        // Should the test be killed meanwhile, nobody would ever continue what is stopped, and what is stopped
        // does not end. The shell reads until we close the pipe or are no more.
        let mut guardian = Command::new("sh");
        guardian.args(["-c", "read -r _; for process; do kill -CONT \"$process\"; done", "sh"]);
        guardian.args(family.iter().map(u32::to_string));
        guardian.process_group(0).stdin(Stdio::piped()).stderr(Stdio::null());
        self.guardian = Some(guardian.spawn().unwrap());
    }

    /// Lets it go on, if it was stopped.
    pub(super) fn resume(&mut self) {
        if let Some(mut guardian) = self.guardian.take() {
            drop(guardian.stdin.take());
            guardian.wait().unwrap();
        }
    }

    /// Its process and those of its children, all stopped: itself first, so that it starts no more of them.
    fn stopped_family(&self) -> Vec<u32> {
        stop(&[self.id()]);
        let mut family = children_of(self.id());
        stop(&family);
        family.push(self.id());
        family
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.try_into().unwrap()).unwrap()
}

fn stop(processes: &[u32]) {
    for process in processes {
        // It may have ended.
        let _ = kill_process(pid(*process), Signal::STOP);
    }
    for process in processes {
        soon("a process is stopped", || is_in(*process, &['T', 'Z', 'X']).then_some(()));
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
        (stat(id)?.1 == parent).then_some(id)
    });
    processes.collect()
}

/// Whether a process is in one of these states. One that is gone is in the last.
fn is_in(id: u32, states: &[char]) -> bool {
    states.contains(&stat(id).map_or('X', |(state, _)| state))
}

/// The state of a process and its parent, if it is there (see proc(5)).
fn stat(id: u32) -> Option<(char, u32)> {
    let text =
        std::fs::read_to_string(Path::new("/proc").join(id.to_string()).join("stat")).ok()?;
    // The name before may hold spaces and brackets.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}
