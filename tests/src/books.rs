//! What callers hold of one pool, as they were told, and whether a daemon
//! agrees with that.

use crate::http::Client;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The one pool of these tests.
pub const POOL_ID: &str = "LocalDefault/10.0.0.0/12";

/// What callers hold, and what nobody can know: asked, and never answered.
#[derive(Debug, Default)]
pub struct Books {
    /// Addresses that were granted, and that nobody asked to release.
    pub held: BTreeSet<String>,
    /// Releases without an answer: held or not.
    pub unsure: BTreeSet<String>,
    /// Requests without an answer: each may hold one address.
    pub unanswered: usize,
    /// Grants and releases that were acknowledged.
    pub answered: usize,
}

/// One call of Docker's; nothing when the connection ended before its answer.
pub fn post(client: &mut Client, call: &str, body: &Value) -> Option<(u16, Value)> {
    let response = client.post(&format!("/IpamDriver.{call}"), &body.to_string()).ok()?;
    Some((response.status, response.body))
}

/// Takes the pool.
///
/// # Panics
/// When it is not granted.
pub fn request_pool(client: &mut Client) {
    assert_eq!(client.pool("LocalDefault", "10.0.0.0/12"), POOL_ID);
}

/// Asks for any address, or releases that one, or asks for it.
pub fn ask(client: &mut Client, call: &str, address: &str) -> Option<(u16, Value)> {
    post(client, call, &json!({"PoolID": POOL_ID, "Address": address}))
}

/// The address of a grant, without its length.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn address_of(grant: &Value) -> String {
    let address = grant["Address"].as_str().and_then(|text| text.split('/').next());
    address.unwrap_or_else(|| panic!("no address in {grant}")).to_owned()
}

impl Books {
    /// Notes an address that was granted.
    ///
    /// # Panics
    /// When somebody holds it.
    pub fn granted(&mut self, grant: &Value) -> String {
        let address = address_of(grant);
        self.answered += 1;
        assert!(self.held.insert(address.clone()), "{address} was handed out twice");
        address
    }

    /// Everything that is held is refused to others, and nothing else is, but
    /// for what was under way: one address for each request without an answer.
    /// At most `at_once` more than are held now were ever held at once. What
    /// is under way is settled here, so that what comes next is judged by
    /// itself.
    ///
    /// # Panics
    /// When the daemon does not agree.
    pub fn check(&mut self, client: &mut Client, at_once: usize) {
        let mut status = |call: &str, address: &str| {
            ask(client, call, address).unwrap_or_else(|| panic!("no answer to {call} {address}")).0
        };
        for address in &self.held {
            let status = status("RequestAddress", address);
            assert_eq!(status, 403, "{address} was acknowledged and is lost");
        }
        // The driver gives the lowest first: nothing is above what was ever
        // held at once.
        let highest = self.held.len() + self.unsure.len() + at_once;
        let mut unowned = 0;
        for host in 1..highest {
            let address = format!("10.0.{}.{}", host / 256, host % 256);
            if self.held.contains(&address) {
                continue;
            }
            let is_held = status("RequestAddress", &address) == 403;
            // A release without an answer may have been made or not.
            unowned += usize::from(is_held && !self.unsure.contains(&address));
            assert_eq!(status("ReleaseAddress", &address), 200, "{address}");
        }
        assert!(
            unowned <= self.unanswered,
            "{unowned} addresses are held by nobody; {} requests had no answer",
            self.unanswered,
        );
        self.unsure.clear();
        self.unanswered = 0;
    }
}
