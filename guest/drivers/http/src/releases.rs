//! Releases: what is ours is deleted, and what others use stays.

use crate::{
    Object, Of, Policy, PoolName, SystemOfRecord, is_end,
    policy::{UNAVAILABLE, later},
};
use ipam_driver::{Error, Kind, log};
use std::net::IpAddr;

#[expect(clippy::missing_errors_doc, reason = "`unavailable` for what is not confirmed")]
impl<S: SystemOfRecord> Policy<S> {
    /// Deletes the address if it is ours.
    pub fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let pool = PoolName::parse(S::SPACE, pool_id)?;
        self.forget_left_over(&pool, address);
        let prepared = self.system.prepare();
        prepared.and_then(|()| self.delete_address(&pool, address)).map_err(later)?;
        self.granted.remove(&(pool.key(), address));
        Ok(())
    }

    fn delete_address(&mut self, pool: &PoolName, address: IpAddr) -> Result<(), Error> {
        let was_as_it_is = self.as_it_is.remove(&(pool.key(), address));
        let (ours, others): (Vec<_>, Vec<_>) = self
            .at(pool, address)?
            .into_iter()
            .partition(|known| self.is_ours(known, Some(&pool.key())));
        for known in &ours {
            if self.is_any_hosts_gateway(known)
                && let Some(heir) = self.user_of(pool)?
            {
                let label = S::label(Of::Addresses, known.id);
                log::warn(format!(
                    "the gateway {address} stays: another host uses its prefix: {label}"
                ));
                self.hand_over(Of::Addresses, known, Some(&heir))?;
                continue;
            }
            if !self.system.delete(Of::Addresses, known.id)? {
                let label = S::label(Of::Addresses, known.id);
                log::warn(format!(
                    "{address} was released: {label} is gone, or not ours to delete"
                ));
            }
        }
        if ours.is_empty() && !was_as_it_is {
            let Some(other) = others.first() else {
                let name = S::NAME;
                log::warn(format!("{address} was released, and {name} does not have it"));
                return Ok(());
            };
            let label = S::label(Of::Addresses, other.id);
            log::warn(format!("{address} was released, and stays: {label} is not this pool's"));
        }
        Ok(())
    }

    /// What the driver of another host has in the prefix, so that it uses its gateways.
    fn user_of(&mut self, pool: &PoolName) -> Result<Option<Object>, Error> {
        Ok(self.addresses_in(pool.number, pool.net)?.into_iter().find(|known| self.is_use(known)))
    }

    /// A host's gateway is no use by itself: each host has its own.
    fn is_use(&self, known: &Object) -> bool {
        let is_ours = self.is_ours(known, None);
        self.is_any_hosts(known) && !is_ours && !self.is_any_hosts_gateway(known)
    }

    /// Deletes what is ours of the pool: addresses that were left over, and the prefix if
    /// nobody uses it. One that NetBox had before stays.
    pub fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        let pool = PoolName::parse(S::SPACE, pool_id)?;
        self.system.prepare().and_then(|()| self.delete_pool(&pool)).map_err(later)?;
        let key = pool.key();
        self.left_over.forget_pool(&key);
        self.granted.retain(|(other, _)| *other != key);
        self.as_it_is.retain(|(other, _)| *other != key);
        self.pools.remove(pool_id);
        self.nets.remove(&pool.number);
        Ok(())
    }

    fn delete_pool(&mut self, pool: &PoolName) -> Result<(), Error> {
        let others = self.delete_addresses(pool)?;
        let known = self.system.get(Of::Pools, pool.number)?;
        let is_ours = |known: &Object| known.net == pool.net && self.is_ours(known, None);
        let Some(known) = known.filter(is_ours) else { return Ok(()) };
        let inside = self.children(pool.number, pool.net)?;
        let child = inside.first();
        let used_by = match (others.first(), child) {
            (Some(address), _) => S::label(Of::Addresses, address.id),
            (None, Some(child)) => S::label(Of::Pools, child.id),
            (None, None) => return self.system.delete(Of::Pools, known.id).map(drop),
        };
        let is_foreign = |known: &&Object| !self.is_ours(known, None);
        let is_handed_over = others.iter().chain(child).any(|known| is_foreign(&known));
        // A host that has no more than its gateway there has a network, too.
        let users = || others.iter().filter(is_foreign).filter(|known| self.is_any_hosts(known));
        let heir = users().find(|known| !self.is_any_hosts_gateway(known)).or(users().next());
        let label = S::label(Of::Pools, known.id);
        log::warn(format!("{} was released, and stays: {label} is used by {used_by}", pool.net));
        if is_handed_over {
            self.hand_over(Of::Pools, &known, heir)?;
        }
        Ok(())
    }

    /// Deletes the addresses of this pool, and returns those that remain in its prefix.
    fn delete_addresses(&mut self, pool: &PoolName) -> Result<Vec<Object>, Error> {
        let key = pool.key();
        let (ours, mut others): (Vec<_>, Vec<_>) = self
            .addresses_in(pool.number, pool.net)?
            .into_iter()
            .partition(|known| self.is_ours(known, Some(&key)));
        let heir = others.iter().find(|known| self.is_use(known)).cloned();
        // Others use the gateway as it is.
        let (stay, ours): (Vec<_>, Vec<_>) =
            ours.into_iter().partition(|known| heir.is_some() && self.is_any_hosts_gateway(known));
        for gateway in &stay {
            self.hand_over(Of::Addresses, gateway, heir.as_ref())?;
        }
        others.extend(stay);
        // What a driver has put aside is no use.
        others.retain(|known| !self.is_any_hosts(known) || !is_end(pool.net, known.net.addr()));
        others.extend(self.delete_together(pool, ours)?);
        Ok(others)
    }

    /// Deletes addresses of ours, and returns those that stay: what the token may not
    /// delete, a system may leave out without a word. The host is told to ask again only where
    /// some went and others were not tried, so that it ends.
    fn delete_together(
        &mut self,
        pool: &PoolName,
        ours: Vec<Object>,
    ) -> Result<Vec<Object>, Error> {
        let ids: Vec<u64> = ours.iter().map(|known| known.id).collect();
        let mut left = ours;
        for tried in ids.chunks(S::DELETED_MAX) {
            self.system.delete_all(tried)?;
            left = self.addresses_in(pool.number, pool.net)?;
            // Lists are in the order of their ids.
            left.retain(|known| ids.binary_search(&known.id).is_ok());
            if left.len() == ids.len() {
                // Not one: that took no time, and the next ones are perhaps ours to delete.
                continue;
            }
            let untried = left.iter().filter(|known| Some(&known.id) > tried.last()).count();
            if untried > 0 {
                let text = format!("{untried} addresses of {} are still to be deleted", pool.net);
                return Err(Error::other(Kind::Unavailable, text));
            }
        }
        if let Some(first) = left.first() {
            let label = S::label(Of::Addresses, first.id);
            log::warn(format!("{} addresses are not ours to delete, such as {label}", left.len()));
        }
        Ok(left)
    }

    /// The object is not ours any more, if we may say so, but of the host that made the
    /// other: the last one that leaves deletes it. Without an heir it is people's.
    fn hand_over(&mut self, of: Of, known: &Object, heir: Option<&Object>) -> Result<(), Error> {
        let text = heir.and_then(|heir| self.system.identity().text_of_heir(heir, of));
        let label = S::label(of, known.id);
        match (self.system.hand_over(of, known, text.as_deref()), text) {
            (Ok(()), Some(text)) => log::info(format!("{label} is handed over: {text}")),
            (Ok(()), None) => log::info(format!("{label} is handed over to whoever uses it")),
            (Err(error), _) if error.code() == UNAVAILABLE => return Err(error),
            // A token that may not change has enough rights.
            (Err(refusal), _) => log::warn(format!(
                "{label} still has this host's name: {}; delete it when it is unused",
                refusal.text()
            )),
        }
        Ok(())
    }

    fn is_any_hosts(&self, known: &Object) -> bool {
        self.system.identity().is_any_hosts(known)
    }
}
