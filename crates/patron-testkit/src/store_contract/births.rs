//! The store's own birth.

use patron::installation::{Installation, Mode};
use patron::keys::{KeyOwner, RootKey};
use patron::store::Unique;

use super::persons::{START, at};
use super::{Opened, Place, assert_duplicate};
use crate::entropy::OsEntropy;

/// A store is founded once; whoever comes second writes neither record nor keys.
pub fn founding_happens_once(place: &dyn Place) {
    let opened = Opened::at(place);
    let store = &opened.store;
    assert_eq!(opened.wait(store.find_installation()).unwrap(), None);
    let root = RootKey::new([7; 32]).unwrap();
    let entropy = OsEntropy::new();
    let keys = root.wrap_deployment_keys(&entropy).unwrap();
    let born = Installation { mode: Mode::Sandbox, created: START };
    opened.wait(store.found(born, keys.clone())).unwrap();
    let late = Installation { mode: Mode::Production, created: at(1) };
    let other_keys = root.wrap_deployment_keys(&entropy).unwrap();
    assert_duplicate(&opened.wait(store.found(late, other_keys)), Unique::Installation);
    assert_eq!(opened.wait(store.find_installation()).unwrap(), Some(born));
    let mut kept = opened.wait(store.list_wrapped_keys(KeyOwner::Deployment)).unwrap();
    kept.sort_by_key(|key| key.purpose.code());
    assert_eq!(kept, keys);
    opened.wait(store.check()).unwrap();
}
