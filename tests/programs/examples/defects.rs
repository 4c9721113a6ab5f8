//! A driver that conforms, and has the one defect that its table names: what
//! the conformance suite must find, one by one.
//!
//! `{"defect": "NAME"}`; without a table it has none. Each `has` is one defect.

use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Code, Driver, Error, Family, HeldRecord, IpNet,
    Kind, PoolChoice, PoolGrant, PoolRequest, RecordPage, Records, Status, SubnetStatus, names,
};
use std::{collections::BTreeMap, net::IpAddr};

#[derive(Debug)]
struct Pool {
    space: String,
    is_named: bool,
    prefix: IpNet,
    sub_pool: Option<IpNet>,
    /// In order of lease.
    leases: Vec<IpAddr>,
}

#[derive(Debug)]
struct Program {
    defect: String,
    pools: BTreeMap<String, Pool>,
    /// Pools that it granted, addresses that it was asked for.
    granted: usize,
    asked: usize,
    is_used_up: bool,
    /// Leases of pools that are no more.
    remembered: Vec<IpAddr>,
    /// Records that were removed, and addresses that are recorded though released.
    removed: Vec<String>,
    released: Vec<(IpNet, IpAddr)>,
    /// Those that are recorded though their pool is released.
    left: Vec<(IpNet, IpAddr)>,
}

ipam_driver::export!(Program, status, records);

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

impl Program {
    fn has(&self, defect: &str) -> bool {
        self.defect == defect
    }

    fn is_taken(&self, space: &str, prefix: &IpNet) -> bool {
        self.in_the_way(space, prefix).is_some()
    }

    fn in_the_way(&self, space: &str, prefix: &IpNet) -> Option<IpNet> {
        let is_here = |pool: &&Pool| pool.space == space || self.has("spaces-share-pools");
        let is_seen = |pool: &&Pool| !pool.is_named || !self.has("overlooks-named-pools");
        let live = self.pools.values().filter(is_here).filter(is_seen).map(|pool| pool.prefix);
        live.into_iter().find(|other| overlap(other, prefix))
    }

    /// The lowest free pool of that length: behind each that is in the way.
    fn lowest_pool(&self, request: &PoolRequest, base: IpNet, length: u8) -> Option<IpNet> {
        let mut pool = IpNet::new(base.addr(), length).ok()?;
        while base.contains(&pool) {
            let excluded = request.exclude.iter().find(|other| overlap(other, &pool)).copied();
            let way = self.in_the_way(&request.address_space, &pool).or(excluded);
            let Some(way) = way else { return Some(pool) };
            let next = match pool.broadcast().max(way.broadcast()) {
                IpAddr::V4(last) => u32::from(last).checked_add(1).map(|it| IpAddr::V4(it.into())),
                IpAddr::V6(last) => u128::from(last).checked_add(1).map(|it| IpAddr::V6(it.into())),
            };
            pool = IpNet::new(next?, length).ok()?;
        }
        None
    }

    /// The pool that is asked for, or the lowest that is free.
    fn choose(&mut self, request: &PoolRequest) -> Result<IpNet, Error> {
        let space = &*request.address_space;
        let (family, length) = match request.pool {
            PoolChoice::Exact(prefix) => {
                if self.is_taken(space, &prefix) && !self.has("grants-taken-pools") {
                    let is_wrong = self.has("names-overlap-otherwise");
                    let code = if is_wrong { Code::OverlapPool } else { Code::PoolOverlap };
                    return Err(code.into());
                }
                if self.has("widens-small-pools") && prefix.prefix_len() == 28 {
                    return Ok(IpNet::new_assert(prefix.addr(), 27).trunc());
                }
                let reads = self.has("reads-options") && request.options.contains_key("z");
                return Ok(if reads { net("10.99.0.0/24") } else { prefix });
            }
            PoolChoice::Automatic(Family::Ipv6) if self.has("confuses-families") => {
                (Family::Ipv4, 24)
            }
            PoolChoice::Automatic(Family::Ipv4) => (Family::Ipv4, 24),
            PoolChoice::Automatic(Family::Ipv6) => (Family::Ipv6, 64),
            PoolChoice::Sized(Family::Ipv4, _) if self.has("ignores-sizes") => (Family::Ipv4, 24),
            PoolChoice::Sized(Family::Ipv4, 33..) if self.has("grants-impossible-sizes") => {
                (Family::Ipv4, 32)
            }
            PoolChoice::Sized(family, length) => (family, length),
        };
        let base = match family {
            Family::Ipv4 => net("10.80.0.0/20"),
            Family::Ipv6 => net("fd80::/60"),
        };
        let lowest = IpNet::new(base.addr(), length).map_err(|_| Code::InvalidPool)?;
        if !base.contains(&lowest) {
            return Err(Code::InvalidPool.into());
        }
        let free = if self.has("repeats-automatic-pools") {
            Some(lowest)
        } else if self.has("never-reuses-automatic-pools") && length == 24 {
            base.subnets(24).ok().and_then(|mut pools| pools.nth(self.granted))
        } else {
            self.lowest_pool(request, base, length)
        };
        if self.has("stays-used-up") {
            self.is_used_up |= free.is_none();
            if self.is_used_up {
                return Err(Code::NoMoreSubnets.into());
            }
        }
        match free {
            None if self.has("starts-again-when-used-up") => Ok(net("10.80.0.0/24")),
            None if self.has("names-used-up-otherwise") => Err(Code::InvalidRequest.into()),
            None => Err(Code::NoMoreSubnets.into()),
            Some(pool) => {
                self.granted += 1;
                Ok(pool)
            }
        }
    }

    fn id(&self, space: &str, prefix: &IpNet, sub_pool: Option<&IpNet>) -> String {
        match sub_pool {
            _ if self.has("ids-without-space") => prefix.to_string(),
            _ if self.has("ids-by-number") => format!("pool {}", self.granted),
            _ if self.has("one-id-for-all") => space.to_owned(),
            Some(sub_pool) if self.has("long-ids") => format!("{sub_pool}{}", "x".repeat(256)),
            Some(sub_pool) => format!("{space}/{prefix}/{sub_pool}"),
            None => format!("{space}/{prefix}"),
        }
    }

    /// Whether the contract lets somebody have it.
    fn check(&self, pool: &Pool, address: IpAddr) -> Result<(), Error> {
        if !pool.prefix.contains(&address) && !self.has("leases-out-of-range") {
            let is_wrong = self.has("names-out-of-range-otherwise");
            return Err(if is_wrong { Code::InvalidRequest } else { Code::IpOutOfRange }.into());
        }
        let is_ours = pool.leases.contains(&address) && !self.has("overlooks-leases");
        if is_ours || self.has("refuses-names") {
            return Err(match self.has("names-in-use-otherwise") {
                true => Error::other(Kind::Forbidden, "somebody has it"),
                false => Code::IpAlreadyAllocated.into(),
            });
        }
        Ok(())
    }

    /// The lowest free address, if any is.
    fn lowest(&self, pool: &Pool) -> Option<IpAddr> {
        let ignores = self.has("ignores-sub-pools");
        let range = if ignores { pool.prefix } else { pool.sub_pool.unwrap_or(pool.prefix) };
        let free =
            |address: &IpAddr| !pool.leases.contains(address) && !self.remembered.contains(address);
        match range.prefix_len() {
            _ if self.has("leases-the-first-twice") => range.hosts().next(),
            32 if self.has("leases-two-of-a-32") => {
                [range.addr(), net("198.18.0.1/32").addr()].into_iter().find(free)
            }
            29 if self.has("is-full-too-early") && pool.leases.len() == 2 => None,
            _ => range.hosts().find(free),
        }
    }
}

impl Driver for Program {
    const NAME: &'static str = "defects";

    fn new(config: &str) -> Result<Self, Error> {
        Ok(Self {
            defect: config.split('"').nth(3).unwrap_or_default().to_owned(),
            pools: BTreeMap::new(),
            granted: 0,
            asked: 0,
            is_used_up: false,
            remembered: Vec::new(),
            removed: Vec::new(),
            released: Vec::new(),
            left: Vec::new(),
        })
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        let global = match self.has("renames-its-spaces") && !self.pools.is_empty() {
            true => "everywhere",
            false => "global",
        };
        Ok(AddressSpaces::new("local", global))
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        let is_known = ["local", "global", "everywhere"].contains(&&*request.address_space);
        if !is_known && !self.has("grants-in-unknown-spaces") {
            let is_wrong = self.has("names-unknown-spaces-otherwise");
            return Err(if is_wrong { Code::BadPool } else { Code::InvalidAddressSpace }.into());
        }
        if request.replay().is_some() && self.has("refuses-replay") {
            return Err(Code::InvalidRequest.into());
        }
        let prefix = self.choose(&request)?;
        let is_inside = request.sub_pool.is_none_or(|sub_pool| prefix.contains(&sub_pool));
        if !is_inside && !self.has("grants-sub-pools-outside") {
            let is_wrong = self.has("names-sub-pools-otherwise");
            return Err(if is_wrong { Code::InvalidPool } else { Code::InvalidSubPool }.into());
        }
        let id = self.id(&request.address_space, &prefix, request.sub_pool.as_ref());
        let grant = PoolGrant::new(id.clone(), prefix);
        let pool = Pool {
            space: request.address_space,
            is_named: matches!(request.pool, PoolChoice::Exact(_)),
            prefix,
            sub_pool: request.sub_pool,
            leases: Vec::new(),
        };
        self.pools.insert(id, pool);
        if self.has("leases-its-gateway") {
            let gateway =
                prefix.hosts().next().map(|it| IpNet::new_assert(it, prefix.prefix_len()));
            let data = gateway.map(|it| (names::GATEWAY.to_owned(), it.to_string()));
            return Ok(PoolGrant { data: data.into_iter().collect(), ..grant });
        }
        Ok(grant)
    }

    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        if self.has("refuses-to-release-pools") {
            return Err(Code::InvalidRequest.into());
        }
        if self.has("keeps-released-pools") && self.pools.contains_key(pool_id) {
            return Ok(());
        }
        if self.has("forgets-all-for-an-unknown-pool") && !self.pools.contains_key(pool_id) {
            self.pools.values_mut().for_each(|pool| pool.leases.clear());
        }
        let pool = self.pools.remove(pool_id).ok_or(Code::PoolNotFound)?;
        if self.has("records-addresses-of-released-pools") {
            self.left.extend(pool.leases.iter().map(|address| (pool.prefix, *address)));
        }
        if self.has("remembers-leases-of-released-pools") {
            self.remembered.extend(pool.leases);
        }
        Ok(())
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        self.asked += 1;
        let Some(pool) = self.pools.get(&request.pool_id) else {
            return match request.address {
                _ if self.has("names-unknown-pools-otherwise") => Err(Code::IpOutOfRange.into()),
                None if self.has("leases-of-unknown-pools") => Ok(AddressGrant::without_address()),
                _ => Err(Code::PoolNotFound.into()),
            };
        };
        if self.has("dies-of-a-127") && pool.prefix.prefix_len() == 127 {
            panic!("\u{1b}[2Jno such thing");
        }
        let is_told = request.replay().is_some();
        let wanted = request.address.filter(|_| !(is_told && self.has("chooses-in-replay")));
        let address = match wanted {
            Some(address) => {
                self.check(pool, address)?;
                if self.remembered.contains(&address) {
                    return Err(Code::IpAlreadyAllocated.into());
                }
                if self.has("leases-another-than-named") {
                    self.lowest(pool).ok_or(Code::NoAvailableIps)?
                } else {
                    address
                }
            }
            None if self.has("repeats-itself-in-the-long-run") && self.asked > 3000 => {
                pool.leases.last().copied().or(self.lowest(pool)).ok_or(Code::NoAvailableIps)?
            }
            None => self.lowest(pool).ok_or(match self.has("names-full-pools-otherwise") {
                true => Code::NoIpReturned,
                false => Code::NoAvailableIps,
            })?,
        };
        let length = match pool.sub_pool {
            Some(sub_pool) if self.has("carries-the-length-of-the-sub-pool") => {
                sub_pool.prefix_len()
            }
            _ => pool.prefix.prefix_len(),
        };
        let is_unbooked = (request.address.is_some() && !is_told && self.has("forgets-names"))
            || (is_told && self.has("forgets-replay"))
            || (request.is_gateway() && self.has("forgets-gateways"));
        let forgets_old = self.has("forgets-old-leases");
        if let Some(pool) = self.pools.get_mut(&request.pool_id).filter(|_| !is_unbooked) {
            pool.leases.push(address);
            if forgets_old && pool.leases.len() > 100 {
                pool.leases.remove(0);
            }
        }
        Ok(AddressGrant::new(IpNet::new_assert(address, length)))
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        if self.has("keeps-released-addresses") {
            return Ok(());
        }
        if self.has("refuses-to-release-addresses") {
            return Err(Code::BadPool.into());
        }
        if self.has("releases-in-every-pool") {
            self.pools.values_mut().for_each(|pool| pool.leases.retain(|it| *it != address));
        }
        let releases_another = self.has("releases-another-the-second-time");
        let pool = self.pools.get_mut(pool_id).ok_or(Code::PoolNotFound)?;
        match pool.leases.iter().position(|it| *it == address) {
            Some(at) => self.released.push((pool.prefix, pool.leases.remove(at))),
            None if releases_another => drop(pool.leases.pop()),
            None => {}
        }
        Ok(())
    }

    fn is_built_in(&mut self) -> bool {
        self.has("says-it-is-built-in")
    }
}

impl Status for Program {
    fn pool_status(&mut self, pool_id: &str) -> Result<SubnetStatus, Error> {
        let pool = self.pools.get(pool_id).ok_or(Code::PoolNotFound)?;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let all = pool.sub_pool.unwrap_or(pool.prefix).hosts().take(1 << 16).count();
        Ok(SubnetStatus {
            ips_in_use: if self.has("counts-nothing") { 0 } else { count(pool.leases.len()) },
            dynamic_ips_available: count(all.saturating_sub(pool.leases.len())),
        })
    }
}

impl Program {
    /// What its system of record has, as far as it is in this driver's name.
    fn records(&self) -> Vec<HeldRecord> {
        let record = |space: &str, pool: IpNet, address: Option<IpAddr>| HeldRecord {
            id: format!("{space}/{pool}/{address:?}"),
            address_space: space.to_owned(),
            pool,
            address,
            label: String::new(),
        };
        let of = |pool: &Pool| {
            let all = [None].into_iter().chain(pool.leases.iter().copied().map(Some));
            all.map(|address| record(&pool.space, pool.prefix, address)).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = self.pools.values().flat_map(of).collect();
        if self.has("lists-what-is-released") {
            all.extend(self.released.iter().map(|(pool, it)| record("local", *pool, Some(*it))));
        }
        all.extend(self.left.iter().map(|(pool, it)| record("local", *pool, Some(*it))));
        all.retain(|record| !self.removed.contains(&record.id));
        all
    }
}

impl Records for Program {
    fn list_records(&mut self, cursor: Option<&str>, limit: u32) -> Result<RecordPage, Error> {
        let at = cursor.map_or(Ok(0), str::parse).map_err(|_| Code::InvalidRequest)?;
        let from = if self.has("lists-the-same-again") { 0 } else { at };
        let all = if self.has("lists-nothing") { Vec::new() } else { self.records() };
        let records: Vec<_> = all.iter().skip(from).take(limit as usize).cloned().collect();
        let next = (from + records.len() < all.len()).then(|| (at + records.len()).to_string());
        Ok(RecordPage { records, next })
    }

    fn has_record(&mut self, pool_id: &str, address: Option<IpAddr>) -> Result<bool, Error> {
        let prefix = self.pools.get(pool_id).ok_or(Code::PoolNotFound)?.prefix;
        let is_this = |it: &HeldRecord| it.pool == prefix && it.address == address;
        Ok(self.records().iter().any(is_this) && !self.has("finds-nothing"))
    }

    fn remove_record(&mut self, record: &HeldRecord) -> Result<bool, Error> {
        let by_id = self.has("removes-by-id-alone");
        let is_this =
            |it: &HeldRecord| it.id == record.id && (by_id || it.address == record.address);
        let found = self.records().iter().any(is_this);
        if found && !self.has("removes-in-words") {
            self.removed.push(record.id.clone());
        }
        Ok(found)
    }
}
