//! A disk of a given size: a file system in memory, in a mount namespace that only its servers see.

#![expect(clippy::unwrap_used, reason = "a test without its disk must fail where it notices")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::postgres::programs::{clean, unprivileged};
use crate::postgres::template::template;

/// The disk is there for as long as the process that keeps its namespace, not the server, lives. That one ends
/// when we close its input or are no more.
#[derive(Debug)]
pub(super) struct Disk {
    keeper: Child,
    inside: PathBuf,
    mapped: bool,
}

impl Disk {
    /// Mounts it where servers will see it at `path`.
    pub(super) fn mount(path: &Path, megabytes: usize) -> Self {
        fs::create_dir(path).unwrap();
        let mapped = !may_mount();
        let mut keeper = clean("unshare");
        keeper.arg("--mount");
        // Owned by whom the server runs as.
        let owner = if mapped {
            // Whoever may not mount may do so in a user namespace, where it is root.
            keeper.args(["--user", "--map-root-user"]);
            String::new()
        } else {
            let metadata = fs::metadata(template()).unwrap();
            format!(",uid={},gid={}", metadata.uid(), metadata.gid())
        };
        let script = format!(
            "mount -t tmpfs -o size={megabytes}m,mode=700{owner} patron \"$1\" && echo mounted && \
             read -r _"
        );
        keeper.args(["sh", "-c", &script, "sh"]).arg(path);
        keeper.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = keeper.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "mounted\n", "no file system could be mounted: see CONTRIBUTING.md");
        Self { keeper, inside: path.to_owned(), mapped }
    }

    /// A path on the disk, as we see it.
    pub(super) fn seen(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.inside.strip_prefix("/").unwrap()).join(name)
    }

    /// Whether the owners of files are ourselves, under another number.
    pub(super) const fn is_mapped(&self) -> bool {
        self.mapped
    }

    /// What `program` is run by, so that it sees the disk, and is not root.
    pub(super) fn unprivileged(&self, program: &Path) -> Vec<String> {
        let keeper = self.keeper.id().to_string();
        let mut words = ["nsenter", "--mount", "--target", &keeper].map(str::to_owned).to_vec();
        if self.mapped {
            // Root of the namespace that may mount is, in one below, somebody else.
            let more = ["--user", "--preserve-credentials", "--", "unshare", "--user"];
            words.extend(more.map(str::to_owned));
            words.extend(["--map-user=1000", "--map-group=1000", "--"].map(str::to_owned));
            words.extend(["setpriv", "--pdeathsig", "QUIT", "--"].map(str::to_owned));
            words.push(program.display().to_string());
        } else {
            words.push("--".to_owned());
            words.extend(unprivileged(program));
        }
        words
    }

    /// Leaves no room on it.
    pub(super) fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        // The last bytes, too: what is left is less than any page.
        for length in [1 << 20, 1 << 12, 1] {
            let piece = vec![0; length];
            let error = loop {
                if let Err(error) = ballast.write_all(&piece) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
        }
    }

    /// Takes away what [`Disk::fill`] has put there.
    pub(super) fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.seen("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Whether a mount namespace is given without more. Root may be denied one, in a container.
fn may_mount() -> bool {
    clean("unshare").args(["--mount", "true"]).output().unwrap().status.success()
}
