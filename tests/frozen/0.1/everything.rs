//! The source of `everything.wasm`: a driver that uses all of the contract's
//! first version. Two names with different needs, the store, status, words for
//! the operator, facts in answers, and every error by its name.

use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Code, Driver, Error, Family, IpNet,
    Kind, Options, PoolChoice, PoolGrant, PoolRequest, Registration, Status, SubnetStatus, log,
    store,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

const CODES: [(&str, Code); 21] = [
    ("ipam-internal-error", Code::IpamInternalError),
    ("invalid-address-space", Code::InvalidAddressSpace),
    ("invalid-pool", Code::InvalidPool),
    ("invalid-sub-pool", Code::InvalidSubPool),
    ("invalid-request", Code::InvalidRequest),
    ("pool-not-found", Code::PoolNotFound),
    ("overlap-pool", Code::OverlapPool),
    ("no-available-pool", Code::NoAvailablePool),
    ("no-available-ips", Code::NoAvailableIps),
    ("no-ip-returned", Code::NoIpReturned),
    ("ip-already-allocated", Code::IpAlreadyAllocated),
    ("ip-out-of-range", Code::IpOutOfRange),
    ("pool-overlap", Code::PoolOverlap),
    ("bad-pool", Code::BadPool),
    ("no-more-subnets", Code::NoMoreSubnets),
    ("bad-request", Code::Other(Kind::BadRequest)),
    ("forbidden", Code::Other(Kind::Forbidden)),
    ("not-found", Code::Other(Kind::NotFound)),
    ("not-implemented", Code::Other(Kind::NotImplemented)),
    ("unavailable", Code::Other(Kind::Unavailable)),
    ("internal", Code::Other(Kind::Internal)),
];

/// Refuses what is asked with the option `refuse`, in the words of `text`.
fn refusal(options: &Options) -> Result<(), Error> {
    let Some(name) = options.get("refuse") else { return Ok(()) };
    let (_, code) = CODES.iter().find(|(known, _)| known == name).ok_or(Code::InvalidRequest)?;
    Err(Error::new(*code, options.get("text").cloned().unwrap_or_default()))
}

struct Pool {
    prefix: IpNet,
    sub_pool: Option<IpNet>,
    leases: BTreeSet<IpAddr>,
}

struct Everything {
    name: String,
    pools: BTreeMap<String, Pool>,
}

ipam_driver::export!(Everything, status);

impl Driver for Everything {
    const NAME: &'static str = "everything";

    fn new(_: &str) -> Result<Self, Error> {
        Self::named(Self::NAME, "{}")
    }

    fn registrations(_: &str) -> Result<Vec<Registration>, Error> {
        let capability = Capability { requires_mac_address: true, requires_request_replay: true };
        Ok(vec![
            Registration { name: Self::NAME.to_owned(), capability: Capability::REPLAY },
            Registration { name: "everything-mac".to_owned(), capability },
        ])
    }

    fn named(name: &str, config: &str) -> Result<Self, Error> {
        log::info(format!("{name} starts with {config}"));
        Ok(Self { name: name.to_owned(), pools: BTreeMap::new() })
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
        Ok(AddressSpaces::new("near", "far"))
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        refusal(&request.options)?;
        let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
        let taken = |pool: &IpNet| self.pools.values().any(|other| overlap(&other.prefix, pool));
        let excluded = |pool: &IpNet| request.exclude.iter().any(|other| overlap(other, pool));
        let (block, length) = match request.pool {
            PoolChoice::Exact(prefix) => (prefix, prefix.prefix_len()),
            PoolChoice::Automatic(Family::Ipv4) => ("10.77.0.0/16".parse().unwrap(), 24),
            PoolChoice::Sized(Family::Ipv4, length) => ("10.77.0.0/16".parse().unwrap(), length),
            PoolChoice::Automatic(Family::Ipv6) => ("fd77::/48".parse().unwrap(), 64),
            PoolChoice::Sized(Family::Ipv6, length) => ("fd77::/48".parse().unwrap(), length),
        };
        let is_exact = matches!(request.pool, PoolChoice::Exact(_));
        let mut pools = block.subnets(length).map_err(|_| Code::InvalidPool)?;
        let prefix = pools.find(|pool| !taken(pool) && (is_exact || !excluded(pool)));
        let none = if is_exact { Code::PoolOverlap } else { Code::NoAvailablePool };
        let prefix = prefix.ok_or(none)?;
        let id = format!("{}/{prefix}", request.address_space);
        let pool = Pool { prefix, sub_pool: request.sub_pool, leases: BTreeSet::new() };
        self.pools.insert(id.clone(), pool);
        // What was granted before this instance, and the pools of it by name.
        let before = store::list_keys("pool/", None, 100)?.len();
        store::set(&format!("pool/{id}"), self.name.as_bytes())?;
        let mut grant = PoolGrant::new(id, prefix);
        grant.data.insert("stored-before".to_owned(), before.to_string());
        Ok(grant)
    }

    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.pools.remove(pool_id).ok_or(Code::PoolNotFound)?;
        store::delete(&format!("pool/{pool_id}"))
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        refusal(&request.options)?;
        if request.options.contains_key("nothing") {
            return Ok(AddressGrant::without_address());
        }
        let stored = store::get(&format!("pool/{}", request.pool_id))?;
        let pool = self.pools.get_mut(&request.pool_id).ok_or(Code::PoolNotFound)?;
        let range = pool.sub_pool.unwrap_or(pool.prefix);
        let address = match request.address {
            Some(address) if !pool.prefix.contains(&address) => {
                return Err(Code::IpOutOfRange.into());
            }
            Some(address) if pool.leases.contains(&address) => {
                return Err(Code::IpAlreadyAllocated.into());
            }
            Some(address) => address,
            None => range
                .hosts()
                .find(|address| !pool.leases.contains(address))
                .ok_or(Code::NoAvailableIps)?,
        };
        pool.leases.insert(address);
        let mut grant = AddressGrant::new(IpNet::new_assert(address, pool.prefix.prefix_len()));
        for (key, value) in [
            ("gateway", request.is_gateway().then(|| "yes".to_owned())),
            ("serial", request.is_serial().then(|| "yes".to_owned())),
            ("mac", request.mac_address().map(str::to_owned)),
            ("endpoint", request.endpoint_name().map(str::to_owned)),
            ("stored", stored.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())),
        ] {
            if let Some(value) = value {
                grant.data.insert(key.to_owned(), value);
            }
        }
        Ok(grant)
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let pool = self.pools.get_mut(pool_id).ok_or(Code::PoolNotFound)?;
        pool.leases.remove(&address);
        Ok(())
    }
}

impl Status for Everything {
    fn pool_status(&mut self, pool_id: &str) -> Result<SubnetStatus, Error> {
        let pool = self.pools.get(pool_id).ok_or(Code::PoolNotFound)?;
        let in_use = pool.leases.len() as u64;
        Ok(SubnetStatus { ips_in_use: in_use, dynamic_ips_available: 1000 - in_use })
    }
}
