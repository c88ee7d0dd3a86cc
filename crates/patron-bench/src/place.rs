//! Where the data lie that are measured, and where they are kept for the next run.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::database::Database;
use crate::options::Options;
use crate::program::{Data, own_file};
use crate::{Fault, Outcome};

/// Where data lie.
pub(crate) struct Place {
    /// Where the customers to be read lie, unless there is a database: kept when a directory was named.
    directory: PathBuf,
    /// Has everything in it.
    pub(crate) database: Option<Database>,
    /// Is gone at the end.
    pub(crate) scratch: TempDir,
}

/// What scratch directories are called; the process that made one follows, then chance.
const SCRATCH: &str = "patron-bench-";

/// Begins the remark at a database that says how many customers were created in it.
const REMARK: &str = "patron-bench has created so many customers: ";

impl Place {
    /// On the file system that was asked for, or on that of the program, which is hardly in memory as
    /// the usual temporary directory may be; and in the database that was asked for.
    pub(crate) fn make_at(options: &Options, database: Option<Database>) -> Outcome<Self> {
        let own_file = own_file()?;
        let parent = match &options.data {
            Some(directory) => directory,
            None => own_file.parent().ok_or_else(|| Fault::new("there is no place for data"))?,
        };
        fs::create_dir_all(parent).map_err(Fault::at(parent.display()))?;
        sweep(parent);
        let prefix = format!("{SCRATCH}{}-", std::process::id());
        let scratch = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent);
        let scratch = scratch.map_err(Fault::at(parent.display()))?;
        let directory = options.data.clone().unwrap_or_else(|| scratch.path().to_owned());
        // Servers run in directories of their own.
        Ok(Self { directory: directory.canonicalize()?, database, scratch })
    }

    /// The customers that are read.
    pub(crate) fn kept(&self) -> Data {
        match &self.database {
            None => Data::Directory(self.directory.join("customers")),
            Some(database) => Data::Database(database.url().to_owned()),
        }
    }

    /// A place of this name in which there is nothing.
    pub(crate) fn make(&self, name: &str) -> Outcome<Data> {
        match &self.database {
            None => Ok(Data::Directory(self.scratch.path().join(name))),
            Some(database) => database.make(name).map(Data::Database),
        }
    }

    /// How many customers an earlier run has created. What a run that was ended left behind has gaps.
    pub(crate) fn present(&self) -> Outcome<u32> {
        let (noted, are_there, at) = match &self.database {
            None => {
                let data = self.directory.join("customers");
                (fs::read_to_string(self.record()).ok(), data.exists(), data.display().to_string())
            }
            Some(database) => {
                let remark = database.sql(
                    "SELECT shobj_description(oid, 'pg_database') FROM pg_database \
                     WHERE datname = current_database()",
                )?;
                let found = database.sql("SELECT to_regclass('customer') IS NOT NULL")? == "t";
                let noted = remark.strip_prefix(REMARK).map(str::to_owned);
                (noted, found, "the database".to_owned())
            }
        };
        match noted {
            Some(text) => text.trim().parse().map_err(Fault::at("the number of customers")),
            None if are_there => Err(Fault::new(format!(
                "not all customers in {at} were created: delete it and begin again"
            ))),
            None => Ok(0),
        }
    }

    /// Writes down that so many were created, or with none that it is not known how many.
    pub(crate) fn note(&self, present: Option<u32>) -> Outcome<()> {
        match (&self.database, present) {
            (None, Some(present)) => Ok(fs::write(self.record(), format!("{present}\n"))?),
            (None, None) => Ok(fs::remove_file(self.record())?),
            (Some(database), present) => {
                let remark = present
                    .map_or_else(|| "NULL".to_owned(), |present| format!("'{REMARK}{present}'"));
                let sql = format!(
                    "SELECT format('COMMENT ON DATABASE %I IS %L', current_database(), {remark}) \\gexec"
                );
                database.sql(&sql).map(drop)
            }
        }
    }

    fn record(&self) -> PathBuf {
        self.directory.join("customers.count")
    }
}

/// Removes what runs that were cut off left behind: it can be gigabytes.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(SCRATCH));
        let process = rest.and_then(|rest| rest.split_once('-')?.0.parse::<u32>().ok());
        if let Some(process) = process
            && !Path::new(&format!("/proc/{process}")).exists()
        {
            // Somebody else's may not be ours to remove.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
