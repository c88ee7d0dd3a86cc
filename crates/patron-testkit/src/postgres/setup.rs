//! How a server of the tests is set up.

#![expect(clippy::unwrap_used, reason = "a test without its database must fail where it notices")]

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::postgres::Cluster;
use crate::postgres::certificates::Certificates;
use crate::postgres::disk::Disk;
use crate::postgres::home::Home;
use crate::postgres::template::{copy, template};

/// How a [`Cluster`] is to be set up.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    settings: Vec<(String, String)>,
    durable: bool,
    tls: Tls,
    disk_megabytes: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tls {
    #[default]
    None,
    Offered,
    Required,
}

impl Setup {
    /// A server as it comes, except that it does not sync, which no test but one that cuts the power would notice.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that syncs, as real ones do.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self.with("fsync", "on").with("full_page_writes", "on")
    }

    /// With a setting of `postgresql.conf`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// Offering TLS, with a certificate that [`Cluster::authority`] vouches for.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.tls = Tls::Offered;
        self
    }

    /// Refusing whoever comes without TLS.
    #[must_use]
    pub fn with_tls_only(mut self) -> Self {
        self.tls = Tls::Required;
        self
    }

    /// With its data, the log of transactions included, on a disk of this size.
    #[must_use]
    pub fn on_a_disk_of(mut self, megabytes: usize) -> Self {
        self.disk_megabytes = Some(megabytes);
        self
    }

    /// Starts a server that is set up in this way.
    ///
    /// # Panics
    /// When it does not start; what it said is in the message.
    pub fn start(&self) -> Cluster {
        let home = if self.durable { Home::on_disk() } else { Home::quick() };
        let disk =
            self.disk_megabytes.map(|megabytes| Disk::mount(&home.path().join("disk"), megabytes));
        let cluster = Cluster::prepared(disk, home, None);
        let data = cluster.data_directory();
        let with_owners = !cluster.disk.as_ref().is_some_and(Disk::is_mapped);
        copy(template(), &data, with_owners);
        if self.tls != Tls::None {
            let Certificates { authority, server, key } = Certificates::make(cluster.port());
            fs::write(cluster.authority(), authority).unwrap();
            put(&data, "server.crt", &server);
            put(&data, "server.key", &key);
        }
        let host = if self.tls == Tls::Required { "hostssl" } else { "host" };
        let access = ["all", "replication"]
            .map(|databases| format!("{host} {databases} all 127.0.0.1/32 scram-sha-256\n"));
        fs::write(data.join("pg_hba.conf"), access.concat()).unwrap();
        let mut settings = vec![("port".to_owned(), cluster.port().to_string())];
        if self.tls != Tls::None {
            settings.push(("ssl".to_owned(), "on".to_owned()));
        }
        settings.extend(self.settings.clone());
        configure(&data, "postgresql.conf", &settings);
        cluster.start();
        cluster
    }
}

/// Writes a file that only the server may read.
pub(super) fn put(data: &Path, name: &str, text: &str) {
    let path = data.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let theirs = fs::metadata(data).unwrap();
    chown(&path, Some(theirs.uid()), Some(theirs.gid())).unwrap();
}

/// Adds settings to a file of a cluster's. They win over those that stand there.
pub(super) fn configure(data: &Path, file: &str, settings: &[(String, String)]) {
    let mut file = File::options().append(true).open(data.join(file)).unwrap();
    for (name, value) in settings {
        writeln!(file, "{name} = '{}'", value.replace('\'', "''")).unwrap();
    }
}
