//! What is there after the store was closed and opened again.

use patron::installation::{Installation, Mode};
use patron::keys::{KeyOwner, RootKey};
use patron::store::ManagementChange;

use super::management::{api_key, create, manage, merchant};
use super::persons::{Author, START, at};
use super::{Opened, Place};
use crate::entropy::OsEntropy;

/// Everything that was acknowledged is there, byte for byte.
pub fn reopening_keeps_everything(place: &dyn Place) {
    let opened = Opened::at(place);
    let root = RootKey::new([7; 32]).unwrap();
    let born = Installation { mode: Mode::Production, created: START };
    let keys = root.wrap_deployment_keys(&OsEntropy::new()).unwrap();
    opened.wait(opened.store.found(born, keys)).unwrap();
    let one = merchant(1, "one");
    create(&opened, &one);
    let key = api_key(1, 1);
    manage(&opened, ManagementChange::CreateKey(key.clone())).unwrap();
    opened.wait(opened.store.record_key_uses(vec![(key.number, at(7))])).unwrap();

    let author = Author::of_merchant(1);
    let jon = author.create("jon");
    let token = author.token(jon.number(), 2);
    let jon = jon.with_token(&token);
    let (arya, sansa) = (author.rename(&jon, "Arya"), author.create("sansa"));
    let deleted = author.delete(&sansa);
    for made in [&jon, &arya, &sansa, &deleted, &author.create_at(at(50))] {
        opened.apply(&made.change).unwrap();
    }
    let spend = |opened: &Opened<'_>| {
        opened.wait(opened.store.spend_token(author.merchant, token.hash, START)).unwrap()
    };
    assert_eq!(spend(&opened), Some(jon.number()));

    let before = everything(&opened, &author, &key.hash);
    let opened = opened.reopened();
    assert_eq!(everything(&opened, &author, &key.hash), before);
    assert_eq!(opened.find(author.merchant, jon.by_reference()).as_ref(), Some(arya.sealed()));
    assert_eq!(opened.history(author.merchant, sansa.number()).len(), 2);
    assert_eq!(spend(&opened), Some(jon.number()));
    assert_eq!(spend(&opened), None);
    // A change whose answer was lost with the process is still recognised.
    opened.apply(&jon.change).unwrap();
    assert_eq!(everything(&opened, &author, &key.hash), before);
}

/// All that can be read, as text.
fn everything(opened: &Opened<'_>, author: &Author, key_hash: &[u8; 32]) -> String {
    let store = &opened.store;
    let deployment = opened.wait(store.list_wrapped_keys(KeyOwner::Deployment)).unwrap();
    let owner = KeyOwner::Merchant(author.merchant);
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        opened.wait(store.find_installation()).unwrap(),
        deployment,
        opened.wait(store.list_wrapped_keys(owner)).unwrap(),
        opened.wait(store.list_merchants()).unwrap(),
        opened.wait(store.list_api_keys(author.merchant)).unwrap(),
        opened.wait(store.find_api_key(*key_hash)).unwrap(),
        opened.see(author.merchant),
    )
}
