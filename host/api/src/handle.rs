//! A registered driver in service, as a protocol server sees it.

use crate::{AddressSpaces, Answer, Capability, DriverName, Failure, PoolId, Request, Server};
use std::{fmt, net::IpAddr, sync::Arc};

/// Proof of what one request created, and of nothing else: enough to undo it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The pool, or the pool of the address.
    pub pool_id: PoolId,
    /// The address, if that is what was created.
    pub address: Option<IpAddr>,
    /// The generation of the ledger's entry: when it was released and granted
    /// again meanwhile, this receipt is void.
    pub generation: u64,
}

/// A durable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The answer.
    pub answer: Answer,
    /// What it created, if anything.
    pub receipt: Option<Receipt>,
}

/// Where an answer goes. Called once, on a thread of the service, or on the one
/// that asked when the queue is full: it must not block.
pub type Reply = Box<dyn FnOnce(Result<Served, Failure>) + Send>;

/// A registered driver in service.
///
/// No method blocks. A success is durable when its reply is called.
pub trait DriverHandle: Send + Sync {
    /// The name it is registered under.
    fn name(&self) -> &DriverName;

    /// What the driver said it needs.
    fn capability(&self) -> Capability;

    /// The names of its address spaces.
    fn address_spaces(&self) -> &AddressSpaces;

    /// Notes that an engine asked what the driver needs: one that begins with
    /// it, a manager of a cluster that begins to lead, or a health check. What
    /// comes from here on may claim what was granted before.
    fn begin_session(&self);

    /// Asks. A full queue refuses at once with `unavailable`.
    fn submit(&self, request: Request, reply: Reply);

    /// Asks several at once, in order: one wake-up of the driver's thread
    /// instead of one for each. Leaves `batch` empty.
    fn submit_all(&self, batch: &mut Vec<(Request, Reply)>) {
        batch.drain(..).for_each(|(request, reply)| self.submit(request, reply));
    }

    /// Takes back what an answer that could not be delivered had created.
    /// Never refused, and void when that exists no more.
    fn undo(&self, receipt: Receipt);
}

impl fmt::Debug for dyn DriverHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DriverHandle").field(self.name()).finish()
    }
}

/// Who hears of drivers: a protocol server opens its socket, and so on.
pub trait Subscriber: Send + Sync {
    /// A driver is in service.
    ///
    /// # Errors
    /// Why it cannot be served here, for the operator: then it is not loaded.
    fn registered(
        &self,
        handle: Arc<dyn DriverHandle>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

    /// Whose requests the mounts that it hears of will carry.
    fn server(&self) -> Server {
        Server::Library
    }

    /// A driver is no more in service.
    fn unregistered(&self, name: &DriverName);
}
