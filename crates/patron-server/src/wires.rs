//! The list of wires. A new vendor is one line here.

use std::sync::Arc;

use patron::Patron;
use patron_wire::{Setting, Wire};

/// All wires over one core. The first that owns a path answers it.
pub(crate) type Wires = Arc<[Arc<dyn Wire>]>;

/// The vendors' wires, in the order in which they are asked whose a path is.
fn vendors(patron: &Arc<Patron>) -> Vec<Arc<dyn Wire>> {
    vec![
        Arc::new(patron_wire_cyrexa::Cyrexa::new(Arc::clone(patron))),
        // Juspay's client libraries may ask for any path, so its wire owns every path and stands last.
        Arc::new(patron_wire_juspay::Juspay::new(Arc::clone(patron))),
    ]
}

/// The wires that this program speaks.
pub(crate) fn wires(patron: &Arc<Patron>) -> Wires {
    let vendors = vendors(patron);
    // What merchants can set of the vendors' is set by our own interface.
    let settings = vendors.iter().flat_map(|wire| wire.settings()).copied().collect();
    let admin: Arc<dyn Wire> =
        Arc::new(patron_wire_admin::Admin::new(Arc::clone(patron), settings));
    let documented: Vec<_> = vendors.iter().rev().chain([&admin]).map(Arc::clone).collect();
    let docs: Arc<dyn Wire> = Arc::new(patron_docs::Docs::new(documented));
    [admin, docs].into_iter().chain(vendors).collect()
}

/// Requests to try the wires with, as curl takes them.
pub(crate) fn examples(wires: &Wires, key: &str, url: &str) -> Vec<String> {
    wires.iter().map(|wire| wire.example(key, url)).collect()
}

/// What merchants can set, over all wires.
pub(crate) fn settings(wires: &Wires) -> impl Iterator<Item = &'static Setting> {
    wires.iter().flat_map(|wire| wire.settings())
}
