//! The store's contract, on PostgreSQL.

use std::pin::Pin;
use std::sync::Arc;

use patron::store::Store;
use patron_store_postgres::Settings;
use patron_testkit::postgres::Cluster;
use patron_testkit::store_contract::Place;

use crate::ground::{open, settings, wait};

patron_testkit::store_contract!(run);

/// A database.
struct Database(Settings);

impl Place for Database {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(open(&self.0))
    }

    fn run(&self, future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
        wait(future);
    }
}

fn run(check: fn(&dyn Place)) {
    let cluster = Cluster::new();
    check(&Database(settings(&cluster.url())));
}
