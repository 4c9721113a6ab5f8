//! Releases: what is ours is deleted, and what others use stays.

use crate::{
    api::{Object, Of},
    identity::{is_any_hosts, is_any_hosts_gateway, is_text, text_of_heir},
    policy::{Policy, is_end, later},
    pool_name::PoolName,
};
use ipam_driver::{Error, Kind, log};
use ipam_http_driver::Http;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Addresses that one call deletes: it takes NetBox seconds, and the call has a limit.
const DELETED_MAX: usize = 200;

impl<H: Http> Policy<H> {
    /// Deletes the address if it is ours.
    pub(crate) fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let pool = PoolName::parse(pool_id)?;
        self.forget_left_over(&pool, address);
        self.delete_address(&pool, address).map_err(later)?;
        self.granted.remove(&(pool.key(), address));
        Ok(())
    }

    fn delete_address(&mut self, pool: &PoolName, address: IpAddr) -> Result<(), Error> {
        self.find_vrf()?;
        let was_as_it_is = self.as_it_is.remove(&(pool.key(), address));
        let (ours, others): (Vec<_>, Vec<_>) = self
            .at(address)?
            .into_iter()
            .partition(|known| self.identity.is_ours(known, Some(&pool.key())));
        for known in &ours {
            if is_any_hosts_gateway(known)
                && let Some(heir) = self.user_of(pool)?
            {
                let url = Self::url(Of::Addresses, known.id);
                log::warn(format!(
                    "the gateway {address} stays: another host uses its prefix: {url}"
                ));
                self.hand_over(Of::Addresses, known, Some(&heir))?;
                continue;
            }
            if !self.api.delete(Of::Addresses, known.id)? {
                let url = Self::url(Of::Addresses, known.id);
                log::warn(format!("{address} was released: {url} is gone, or not ours to delete"));
            }
        }
        if ours.is_empty() && !was_as_it_is {
            let Some(other) = others.first() else {
                log::warn(format!("{address} was released, and NetBox does not have it"));
                return Ok(());
            };
            let url = Self::url(Of::Addresses, other.id);
            log::warn(format!("{address} was released, and stays: {url} is not this pool's"));
        }
        Ok(())
    }

    /// What the driver of another host has in the prefix, so that it uses its gateways.
    fn user_of(&mut self, pool: &PoolName) -> Result<Option<Object>, Error> {
        Ok(self.addresses_in(pool.net)?.into_iter().find(|known| self.is_use(known)))
    }

    /// A host's gateway is no use by itself: each host has its own.
    fn is_use(&self, known: &Object) -> bool {
        let is_ours = self.identity.is_ours(known, None);
        is_any_hosts(known) && !is_ours && !is_any_hosts_gateway(known)
    }

    /// Deletes what is ours of the pool: addresses that were left over, and the prefix if
    /// nobody uses it. One that NetBox had before stays.
    pub(crate) fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        let pool = PoolName::parse(pool_id)?;
        self.delete_pool(&pool).map_err(later)?;
        let key = pool.key();
        self.left_over.forget_pool(&key);
        self.granted.retain(|(other, _)| *other != key);
        self.as_it_is.retain(|(other, _)| *other != key);
        self.pools.remove(pool_id);
        self.used.remove(&pool.prefix);
        self.moved.remove(&pool.prefix);
        Ok(())
    }

    fn delete_pool(&mut self, pool: &PoolName) -> Result<(), Error> {
        self.find_vrf()?;
        let others = self.delete_addresses(pool)?;
        let known = self.api.get(Of::Prefixes, pool.prefix)?;
        let is_ours = |known: &Object| known.net == pool.net && self.identity.is_ours(known, None);
        let Some(known) = known.filter(is_ours) else { return Ok(()) };
        let inside = self.api.list(Of::Prefixes, &[("within", &pool.net.to_string())])?;
        let child =
            inside.iter().find(|child| child.net != pool.net && pool.net.contains(&child.net));
        let used_by = match (others.first(), child) {
            (Some(address), _) => Self::url(Of::Addresses, address.id),
            (None, Some(child)) => Self::url(Of::Prefixes, child.id),
            (None, None) => return self.api.delete(Of::Prefixes, known.id).map(drop),
        };
        let is_foreign = |known: &&Object| !self.identity.is_ours(known, None);
        let is_handed_over = others.iter().chain(child).any(|known| is_foreign(&known));
        // A host that has no more than its gateway there has a network, too.
        let users = || others.iter().filter(is_foreign).filter(|known| is_any_hosts(known));
        let heir = users().find(|known| !is_any_hosts_gateway(known)).or(users().next());
        let url = Self::url(Of::Prefixes, known.id);
        log::warn(format!("{} was released, and stays: {url} is used by {used_by}", pool.net));
        if is_handed_over {
            self.hand_over(Of::Prefixes, &known, heir)?;
        }
        Ok(())
    }

    /// Deletes the addresses of this pool, and returns those that remain in its prefix.
    fn delete_addresses(&mut self, pool: &PoolName) -> Result<Vec<Object>, Error> {
        let key = pool.key();
        let (ours, mut others): (Vec<_>, Vec<_>) = self
            .addresses_in(pool.net)?
            .into_iter()
            .partition(|known| self.identity.is_ours(known, Some(&key)));
        let heir = others.iter().find(|known| self.is_use(known)).cloned();
        // Others use the gateway as it is.
        let (stay, ours): (Vec<_>, Vec<_>) =
            ours.into_iter().partition(|known| heir.is_some() && is_any_hosts_gateway(known));
        for gateway in &stay {
            self.hand_over(Of::Addresses, gateway, heir.as_ref())?;
        }
        others.extend(stay);
        // What is put aside is no use.
        others.retain(|known| !is_end(pool.net, known.net.addr()));
        others.extend(self.delete_together(pool, ours)?);
        Ok(others)
    }

    /// Deletes addresses of ours, and returns those that stay: what the token may not
    /// delete, NetBox leaves out without a word. The host is told to ask again only where
    /// some went and others were not tried, so that it ends.
    fn delete_together(
        &mut self,
        pool: &PoolName,
        ours: Vec<Object>,
    ) -> Result<Vec<Object>, Error> {
        let ids: Vec<u64> = ours.iter().map(|known| known.id).collect();
        let mut left = ours;
        for tried in ids.chunks(DELETED_MAX) {
            self.api.delete_all(tried)?;
            left = self.addresses_in(pool.net)?;
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
            let url = Self::url(Of::Addresses, first.id);
            log::warn(format!("{} addresses are not ours to delete, such as {url}", left.len()));
        }
        Ok(left)
    }

    /// The object is not ours any more, if we may say so, but of the host that made the
    /// other: the last one that leaves deletes it. Without an heir it is people's.
    fn hand_over(&mut self, of: Of, known: &Object, heir: Option<&Object>) -> Result<(), Error> {
        let text = heir.and_then(|heir| text_of_heir(heir, of));
        let mut fields = Map::new();
        if is_text(&known.description) {
            fields.insert("description".to_owned(), json!(text.as_deref().unwrap_or_default()));
        }
        if let Some(field) = &self.api.field {
            fields.insert("custom_fields".to_owned(), json!({ field: text }));
        }
        let path = format!("{}{}/", of.path(), known.id);
        let response = self.api.client.patch(&path, &Value::from(fields))?;
        let url = Self::url(of, known.id);
        match (response.status, text) {
            (200, Some(text)) => log::info(format!("{url} is handed over: {text}")),
            (200, None) => log::info(format!("{url} is handed over to whoever uses it")),
            // A token that may not change has enough rights.
            _ => {
                let refusal = self.api.client.refusal(&response);
                log::warn(format!(
                    "{url} still has this host's name: {}; delete it when it is unused",
                    refusal.text()
                ));
            }
        }
        Ok(())
    }
}
