//! Room for connections: each takes one of the open files that the system lets a process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open beside the connections: the data, the listeners, the control socket with its
/// callers, and the metrics' own connections.
const BESIDE: u64 = 192;

/// Files that each worker holds: its runtime's, and the data's that it reads from.
const PER_WORKER: u64 = 8;

/// What macOS grants at most, though it names no limit.
const KERNEL_MAX: u64 = 10_240;

/// Makes room for so many connections, and returns for how many there is.
///
/// The soft limit is for programs that cannot deal with many files, and every process may raise its
/// own up to the hard one, so this raises it as far as it is needed. Where that is not enough, fewer
/// connections are let in, so that those wait in the system's queue that could not be accepted, and
/// the data can be opened whoever comes.
pub(crate) fn make_room(connections_max: u32, workers: usize) -> u32 {
    let beside = PER_WORKER
        .saturating_mul(u64::try_from(workers).unwrap_or(u64::MAX))
        .saturating_add(BESIDE);
    let files = raise(u64::from(connections_max).saturating_add(beside));
    let room = room_in(files, beside);
    if room >= u64::from(connections_max) {
        return connections_max;
    }
    tracing::warn!(
        connections_max = room,
        "the system lets this process open {files} files, which is not enough for \
         --connections-max {connections_max}: there will be at most {room} connections; raise the \
         limit (`ulimit -n`, LimitNOFILE= of systemd) or lower --connections-max"
    );
    u32::try_from(room).unwrap_or(connections_max)
}

/// How many of so many files are left for connections: at least half of them, and at least one.
fn room_in(files: u64, beside: u64) -> u64 {
    files.saturating_sub(beside.min(files / 2)).max(1)
}

/// Raises the soft limit to `wanted`, or as far as that goes, and returns what it is then.
fn raise(wanted: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // What is not limited has no number.
    let Some(soft) = current.filter(|soft| *soft < wanted) else {
        return current.unwrap_or(u64::MAX);
    };
    let most = maximum.map_or(wanted, |hard| hard.min(wanted));
    let set = |limit: &u64| {
        *limit > soft
            && setrlimit(Resource::Nofile, Rlimit { current: Some(*limit), maximum }).is_ok()
    };
    [most, most.min(KERNEL_MAX)].into_iter().find(set).unwrap_or(soft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_beside_never_takes_more_than_half() {
        assert_eq!(room_in(20_208, 208), 20_000);
        assert_eq!(room_in(1_024, 208), 816);
        assert_eq!(room_in(64, 208), 32);
        assert_eq!(room_in(1, 208), 1);
        assert_eq!(room_in(0, 208), 1);
        assert_eq!(room_in(u64::MAX, 208), u64::MAX - 208);
    }
}
