//! One driver's part of the ledger and its system of record, over the admin socket.

use crate::daemon::DaemonFlags;
use ipam_admin::{
    Client, ClientError, SOCKET,
    wire::{Address, Ask, HasRecord, Pool, Record, RemovalOutcome, RemovedRecord},
};
use ipam_api::{HeldRecord, IpNet, PoolId, RecordId};
use ipam_reconcile::records::{DriverClient, Entry, Outcome};
use std::{collections::HashMap, io};

/// What a running daemon knows of one driver.
pub(crate) struct DaemonClient {
    daemon: DaemonFlags,
    driver: String,
    /// Nothing before the first question, and after a grace period: a connection does
    /// not outlive one without a question.
    client: Option<Client>,
}

impl DaemonClient {
    pub(crate) fn new(daemon: DaemonFlags, driver: String) -> Self {
        Self { daemon, driver, client: None }
    }

    fn connected(&mut self) -> Result<&mut Client, ClientError> {
        match &mut self.client {
            Some(client) => Ok(client),
            none => Ok(none.insert(Client::connect(&self.daemon.state_dir.join(SOCKET))?)),
        }
    }

    /// Asks what has one item for an answer.
    fn one<T: serde::de::DeserializeOwned>(&mut self, ask: &Ask) -> Result<T, ClientError> {
        let (mut items, _) = self.connected()?.all::<T>(ask)?;
        items.pop().ok_or_else(|| odd("the daemon said nothing"))
    }
}

fn odd(text: &str) -> ClientError {
    ClientError::Broken(io::Error::other(text.to_owned()))
}

fn pool_id(text: &str) -> Result<PoolId, ClientError> {
    PoolId::try_from(text).map_err(|error| odd(&error.to_string()))
}

impl DriverClient for DaemonClient {
    type Error = ClientError;

    fn entries(&mut self, each: &mut dyn FnMut(Entry)) -> Result<(), ClientError> {
        self.client = None;
        let driver = Some(self.driver.clone());
        let client = self.connected()?;
        let ask = Ask::Pools { driver: driver.clone(), pool: None, with_status: false };
        let mut places: HashMap<String, (String, IpNet)> = HashMap::new();
        client.ask(&ask, |pool: Pool| {
            // A "no pool" is nothing that can be recorded.
            if pool.asked == "automatic" && pool.prefix.prefix_len() == 0 {
                return Ok(());
            }
            each(Entry {
                address_space: pool.address_space.clone(),
                prefix: pool.prefix,
                address: None,
                pool_id: pool_id(&pool.pool_id)?,
                comes_with_pool: false,
            });
            places.insert(pool.pool_id, (pool.address_space, pool.prefix));
            Ok::<_, ClientError>(())
        })?;
        let ask = Ask::Addresses { driver, pool: None, address: None };
        client.ask(&ask, |lease: Address| {
            // Otherwise its pool was granted since.
            if let Some((address_space, prefix)) = places.get(&lease.pool_id) {
                each(Entry {
                    address_space: address_space.clone(),
                    prefix: *prefix,
                    address: Some(lease.address.addr()),
                    pool_id: pool_id(&lease.pool_id)?,
                    comes_with_pool: lease.comes_with_pool,
                });
            }
            Ok::<_, ClientError>(())
        })?;
        Ok(())
    }

    fn records(&mut self, each: &mut dyn FnMut(HeldRecord)) -> Result<(), ClientError> {
        let ask = Ask::Records { driver: self.driver.clone() };
        self.connected()?.ask(&ask, |record: Record| {
            let Record { id, address_space, pool, address, label, .. } = record;
            let id = RecordId::try_from(&*id).map_err(|error| odd(&error.to_string()))?;
            each(HeldRecord { id, address_space, pool, address, label });
            Ok::<_, ClientError>(())
        })?;
        Ok(())
    }

    fn has(&mut self, entry: &Entry) -> Result<Option<bool>, ClientError> {
        let ask = Ask::HasRecord {
            driver: self.driver.clone(),
            pool_id: entry.pool_id.to_string(),
            address: entry.address,
        };
        Ok(self.one::<HasRecord>(&ask)?.has_record)
    }

    fn remove(&mut self, record: &HeldRecord) -> Result<Outcome, ClientError> {
        let HeldRecord { id, address_space, pool, address, .. } = record;
        let ask = Ask::RemoveRecord {
            driver: self.driver.clone(),
            id: id.to_string(),
            address_space: address_space.clone(),
            pool: *pool,
            address: *address,
        };
        let RemovedRecord { outcome, reason } = self.one(&ask)?;
        Ok(match outcome {
            RemovalOutcome::Removed => Outcome::Removed,
            RemovalOutcome::Gone => Outcome::Gone,
            RemovalOutcome::Held => Outcome::Held,
            RemovalOutcome::Refused => Outcome::Refused(reason.unwrap_or_default()),
        })
    }
}
