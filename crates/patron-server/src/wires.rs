//! The list of wires. A new vendor is one line here.

use std::sync::Arc;

use patron::Patron;
use patron_wire::{Setting, Wire};

/// All wires over one core. The first that owns a path answers it.
pub(crate) type Wires = Arc<[Arc<dyn Wire>]>;

/// The wires that this program speaks.
pub(crate) fn wires(patron: &Arc<Patron>) -> Wires {
    let cyrexa: Arc<dyn Wire> = Arc::new(patron_wire_cyrexa::Cyrexa::new(Arc::clone(patron)));
    // Juspay's client libraries may ask for any path, so its wire owns every path and stands last.
    let juspay: Arc<dyn Wire> = Arc::new(patron_wire_juspay::Juspay::new(Arc::clone(patron)));
    let vendors = [cyrexa, juspay];
    // What merchants can set of the vendors' is set by our own interface.
    let settings = vendors.iter().flat_map(|wire| wire.settings()).copied().collect();
    let admin: Arc<dyn Wire> =
        Arc::new(patron_wire_admin::Admin::new(Arc::clone(patron), settings));
    let [cyrexa, juspay] = vendors;
    let documented = [&juspay, &cyrexa, &admin].map(Arc::clone);
    let docs: Arc<dyn Wire> = Arc::new(patron_docs::Docs::new(documented.into()));
    Arc::new([admin, docs, cyrexa, juspay])
}

/// Requests to try the wires with, as curl takes them.
pub(crate) fn examples(wires: &Wires, key: &str, url: &str) -> Vec<String> {
    wires.iter().map(|wire| wire.example(key, url)).collect()
}

/// What merchants can set, over all wires.
pub(crate) fn settings(wires: &Wires) -> impl Iterator<Item = &'static Setting> {
    wires.iter().flat_map(|wire| wire.settings())
}
