//! Data on a file system of its own, in a namespace that only the program and this test see.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patron_testkit::server::{Launch, Server};

/// The installation on a small file system in memory. `before` is a script that runs there first; it
/// finds the data directory in `$data`, what to fill it with in `$template`, and the program and its
/// arguments in `$@`.
pub(super) fn mounted(launch: &Launch, megabytes: usize, before: &str) -> Launch {
    let data = launch.data();
    fs::create_dir_all(&data).unwrap();
    let script = format!(
        "set -e; data='{}'; template='{}'; \
         mount -t tmpfs -o size={megabytes}m,mode=700 patron \"$data\"; {before}; exec \"$@\"",
        data.display(),
        template(launch).display(),
    );
    let mut words = vec!["unshare", "--mount"];
    if !may_mount() {
        // Whoever may not mount may do so in a namespace of its own, where it is root.
        words.extend(["--user", "--map-root-user"]);
    }
    words.extend(["sh", "-c", &script, "sh"]);
    launch.clone().wrapped_in(&words)
}

/// Whether a mount namespace is given without more. Root may be denied one, in a container.
fn may_mount() -> bool {
    Command::new("unshare").args(["--mount", "true"]).output().unwrap().status.success()
}

/// Where a test may put what the file system is filled with.
pub(super) fn template(launch: &Launch) -> PathBuf {
    launch.directory().join("template")
}

/// A path as the program sees it, from outside of its namespace.
pub(super) fn seen_by(server: &Server, path: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", server.id(), path.display()))
}
