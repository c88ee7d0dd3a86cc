//! API keys that are created and revoked between the kills: each stays what it was made.

use patron_testkit::chance::Chance;
use patron_testkit::http::{Call, Connection};
use patron_testkit::server::Server;

use crate::stage::create_key;

/// What is known of the keys of one installation.
#[derive(Default)]
pub(crate) struct Keys(Vec<Key>);

struct Key {
    text: String,
    number: String,
    is_revoked: bool,
}

impl Keys {
    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }

    /// Creates a key, and now and then revokes one.
    pub(crate) fn change(&mut self, server: &Server, chance: &mut Chance) {
        let (text, number) = create_key(server, "testaccount", &[]);
        self.0.push(Key { text, number, is_revoked: false });
        let at = chance.below(2 * self.0.len());
        if let Some(key) = self.0.get_mut(at) {
            server.manage(&["key", "revoke", "testaccount", &key.number]).ok();
            key.is_revoked = true;
        }
    }

    /// Shows each key to the server: whether it lets those in that it must, and no others.
    pub(crate) fn compare(&self, connection: &mut Connection) -> Result<(), String> {
        for Key { text, number, is_revoked } in &self.0 {
            let call = Call::get("/customers?count=1").basic(text);
            let status = connection.send(&call).status;
            if status != if *is_revoked { 401 } else { 200 } {
                return Err(format!("key {number} (revoked: {is_revoked}) is answered {status}"));
            }
        }
        Ok(())
    }
}
