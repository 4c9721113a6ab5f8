//! Requests for pools: which prefixes of NetBox are granted, and what is made there.

use crate::{
    SPACE,
    api::Taken,
    config::{Base, Within},
    made::of_addresses,
    system::System,
};
use ipam_driver::{Code, Error, Family, IpNet, Kind, PoolChoice, PoolRequest, log};
use ipam_http_driver::{Http, Object, Of, PoolName, SystemOfRecord, fits, is_end};
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Prefixes of one entry of `default-address-pools` that are asked for a pool.
const BASES_MAX: usize = 8;
/// IP ranges of one pool: their numbers are in its id.
const RANGES_MAX: usize = 8;

fn refused<T>(code: Code, text: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(code, text))
}

impl<H: Http> System<H> {
    /// Finds or makes a pool, with the gateway that NetBox has for it.
    pub(crate) fn pool(
        &mut self,
        request: &PoolRequest,
    ) -> Result<(PoolName, Option<IpNet>), Error> {
        if request.sub_pool.is_some() && !matches!(request.pool, PoolChoice::Exact(_)) {
            let text = "`--ip-range` needs a subnet: an automatic pool has no sub-pool";
            return refused(Code::InvalidSubPool, text);
        }
        let mut fields = self.made.with(&request.options)?.prefix();
        self.sign(&mut fields, None, "");
        self.prepare()?;
        // What may be refused is before anything is made.
        let options = of_addresses(&request.options);
        let ranges = request.sub_pool.map_or(Ok(Vec::new()), |range| self.ranges(range))?;
        let named = |number, net| PoolName {
            space: SPACE,
            number,
            net,
            ranges: ranges.clone(),
            options: options.clone(),
        };
        match request.pool {
            PoolChoice::Exact(pool) => {
                if let Some(sub) = request.sub_pool.filter(|sub| !pool.contains(sub)) {
                    let text = format!("the sub-pool {sub} is not in {pool}");
                    return refused(Code::InvalidSubPool, text);
                }
                named(u64::MAX, pool).id()?;
                let gateway = self.gateway(pool)?;
                let prefix = self.exact(pool, fields)?;
                Ok((named(prefix.id, prefix.net), gateway))
            }
            PoolChoice::Automatic(family) => self.automatic(family, None, &fields, named),
            PoolChoice::Sized(family, length) => {
                self.automatic(family, Some(length), &fields, named)
            }
        }
    }

    /// A new prefix and its gateway; neither if the gateway cannot be found out.
    fn automatic(
        &mut self,
        family: Family,
        length: Option<u8>,
        fields: &Map<String, Value>,
        named: impl Fn(u64, IpNet) -> PoolName,
    ) -> Result<(PoolName, Option<IpNet>), Error> {
        let longest = match family {
            Family::Ipv4 => IpNet::new(Ipv4Addr::BROADCAST.into(), 32),
            Family::Ipv6 => IpNet::new(Ipv6Addr::from([u8::MAX; 16]).into(), 128),
        };
        named(u64::MAX, longest.map_err(|_| Code::InvalidPool)?).id()?;
        let made = self.cut(family, length, fields)?;
        match self.gateway(made.net) {
            Ok(gateway) => Ok((named(made.id, made.net), gateway)),
            Err(error) => {
                self.api.delete(Of::Pools, made.id)?;
                Err(error)
            }
        }
    }

    /// The prefix that NetBox has, or a new one.
    fn exact(&mut self, pool: IpNet, fields: Map<String, Value>) -> Result<Object, Error> {
        let in_pool = |base: &Base| match &base.within {
            Within::Prefix(prefix) => Some(*prefix).filter(|prefix| pool.contains(prefix)),
            Within::Found(_) => None,
        };
        if let Some(prefix) = self.bases.iter().find_map(in_pool) {
            let text = format!("automatic pools are cut from {prefix}, which is in {pool}");
            return refused(Code::PoolOverlap, text);
        }
        let text = pool.to_string();
        let around = self.api.list(Of::Pools, &[("contains", &text)])?;
        self.refuse_ours(&around, pool)?;
        if let Some(known) = around.into_iter().find(|known| known.net == pool) {
            let inside = self.api.list(Of::Pools, &[("within", &text)])?;
            self.refuse_ours(&inside, pool)?;
            return self.known(known);
        }
        let Some(made) = self.api.create(Of::Pools, pool, fields)? else {
            // Since a moment ago.
            let first = self.prefix(pool)?;
            let text = format!("NetBox has {pool}, and does not show it to this token");
            return first.map_or_else(|| refused(Code::PoolOverlap, text), |it| self.known(it));
        };
        if made.net != pool {
            return Err(Self::odd("that prefix was not asked for"));
        }
        // NetBox takes the same prefix from several hosts at once. The lowest id has it.
        let inside = self.api.list(Of::Pools, &[("within_include", &text)])?;
        let overlaps = self.refuse_ours(&inside, pool);
        let first = inside.into_iter().find(|other| other.net == pool && other.id < made.id);
        if overlaps.is_err() || first.is_some() {
            self.api.delete(Of::Pools, made.id)?;
        }
        overlaps?;
        first.map_or(Ok(made), |first| self.known(first))
    }

    /// Refuses what overlaps a pool that this host has made.
    fn refuse_ours(&self, found: &[Object], pool: IpNet) -> Result<(), Error> {
        let is_other = |known: &&Object| {
            let overlaps = known.net.contains(&pool) || pool.contains(&known.net);
            known.net != pool && overlaps && self.identity.is_ours(known, None)
        };
        found.iter().find(is_other).map_or(Ok(()), |other| {
            refused(Code::PoolOverlap, format!("{} is a pool of this host", other.net))
        })
    }

    /// A prefix that NetBox has. One of ours that the ledger does not have was left over:
    /// an answer was lost, or the host crashed.
    fn known(&self, known: Object) -> Result<Object, Error> {
        if let "deprecated" | "reserved" | "container" = known.status.as_str() {
            return refuse_status(&known);
        }
        if self.identity.is_ours(&known, None) {
            log::info(format!("{} is taken over: {}", known.net, Self::label(Of::Pools, known.id)));
        }
        Ok(known)
    }

    /// A new prefix from the first base that has one.
    fn cut(
        &mut self,
        family: Family,
        length: Option<u8>,
        fields: &Map<String, Value>,
    ) -> Result<Object, Error> {
        let text = "no default-address-pools for such a pool";
        let mut error = Error::new(Code::InvalidPool, text);
        for base in self.bases.clone() {
            let length = length.unwrap_or(base.size);
            let fits = |net: &IpNet| fits(net, family, length);
            if let Within::Prefix(prefix) = &base.within
                && !fits(prefix)
            {
                continue;
            }
            let parents = self.parents(&base)?;
            if parents.is_empty() {
                let text = format!("NetBox has no {}", shown(&base));
                log::warn(format!("{text} to cut pools from"));
                error = Error::new(Code::NoAvailablePool, text);
            }
            let parents: Vec<_> = parents.iter().filter(|parent| fits(&parent.net)).collect();
            if parents.len() > BASES_MAX {
                let (all, base) = (parents.len(), shown(&base));
                log::warn(format!("pools are cut from the first {BASES_MAX} of {all}: {base}"));
            }
            for parent in parents.into_iter().take(BASES_MAX) {
                if let Err(refused) = usable_base(&base, parent) {
                    log::warn(format!("no pools: {refused}"));
                    error = refused;
                    continue;
                }
                let mut fields = fields.clone();
                fields.insert("prefix_length".to_owned(), json!(length));
                let path = format!("{}{}/", Self::path(Of::Pools), parent.id);
                match self.api.available(Of::Pools, &path, fields)? {
                    Taken::Object(made)
                        if parent.net.contains(&made.net) && made.net.prefix_len() == length =>
                    {
                        return Ok(made);
                    }
                    Taken::Object(_) => return Err(Self::odd("that prefix was not asked for")),
                    Taken::Exhausted => error = Code::NoMoreSubnets.into(),
                    Taken::NotFound => {
                        let text = format!("NetBox has no {} any more", shown(&base));
                        error = Error::new(Code::NoAvailablePool, text);
                    }
                }
            }
        }
        Err(error)
    }

    /// The prefixes that a base stands for. What a driver made has perhaps the same role.
    fn parents(&mut self, base: &Base) -> Result<Vec<Object>, Error> {
        match &base.within {
            Within::Prefix(prefix) => Ok(self.prefix(*prefix)?.into_iter().collect()),
            Within::Found(filters) => {
                let filters: Vec<(&str, &str)> =
                    filters.iter().map(|(key, value)| (&**key, &**value)).collect();
                let mut found = self.api.list(Of::Pools, &filters)?;
                found.retain(|parent| !self.identity.is_any_hosts(parent));
                Ok(found)
            }
        }
    }

    /// The IP ranges that NetBox has in a sub-pool.
    fn ranges(&mut self, sub_pool: IpNet) -> Result<Vec<u64>, Error> {
        let found = self.api.ranges(sub_pool)?;
        if found.is_empty() || found.len() > RANGES_MAX {
            let text = format!(
                "NetBox has {} active IP ranges in {sub_pool}; 1 to {RANGES_MAX} are needed",
                found.len()
            );
            return refused(Code::InvalidSubPool, text);
        }
        Ok(found)
    }

    /// The gateway that NetBox has for a pool, by the tag or role that the operator named.
    fn gateway(&mut self, net: IpNet) -> Result<Option<IpNet>, Error> {
        let Some((key, value)) = self.gateway.clone() else { return Ok(None) };
        let filters = [("parent", &*net.to_string()), (key, &*value)];
        let found = self.api.list(Of::Addresses, &filters)?;
        let is_usable = |address| net.contains(&address) && !is_end(net, address);
        let found = found.iter().map(|known| known.net.addr()).find(|address| is_usable(*address));
        Ok(found.and_then(|address| IpNet::new(address, net.prefix_len()).ok()))
    }
}

/// A base that is named must be for use; by a role and the like, a status is asked for.
fn usable_base(base: &Base, parent: &Object) -> Result<(), Error> {
    match (&base.within, parent.status.as_str()) {
        (Within::Prefix(_), "deprecated" | "reserved") => refuse_status(parent),
        _ => Ok(()),
    }
}

fn refuse_status<T>(known: &Object) -> Result<T, Error> {
    let text = format!("NetBox has {} with the status {}", known.net, known.status);
    refused(Code::Other(Kind::Forbidden), text)
}

fn shown(base: &Base) -> String {
    match &base.within {
        Within::Prefix(prefix) => format!("prefix {prefix}"),
        Within::Found(filters) => {
            let filters: Vec<_> =
                filters.iter().map(|(key, value)| format!("{key} {value}")).collect();
            format!("prefix of {}", filters.join(", "))
        }
    }
}
