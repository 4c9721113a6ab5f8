//! What the `default` driver behind the ledger must answer to Docker, in the
//! plainest form there is: it scans. A model to compare with.

use ipnet::IpNet;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

const SERIAL: &str = "com.docker.network.ipam.serial";
const GATEWAY: &str = "com.docker.network.gateway";

/// What must come back.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// This pool, under any id.
    Pool(IpNet),
    /// This address with its pool's length.
    Address(IpNet),
    /// Success without content.
    Done,
    /// A refusal with this HTTP status.
    Refused(u16),
}

#[derive(Debug)]
struct Pool {
    space: String,
    prefix: IpNet,
    sub_pool: Option<IpNet>,
    /// When it was asked for last.
    asked: u64,
}

/// An address in use.
#[derive(Debug)]
struct Used {
    /// When it was asked for last.
    asked: u64,
    /// The pool id it was taken under.
    under: String,
    is_gateway: bool,
    /// Whether it was ever asked for by name.
    is_named: bool,
}

type Space = (String, IpNet);

/// The state of the model.
#[derive(Debug, Default)]
pub struct Naive {
    /// Predefined local pools, each with the length of what is cut from it.
    predefined: Vec<(IpNet, u8)>,
    pools: BTreeMap<String, Pool>,
    used: BTreeMap<Space, BTreeMap<IpAddr, Used>>,
    cursor: BTreeMap<Space, IpAddr>,
    /// How often something was granted, and how often it had been when an
    /// engine asked for capabilities.
    grants: u64,
    session: Option<u64>,
}

fn hosts(prefix: &IpNet) -> Box<dyn Iterator<Item = IpAddr>> {
    match prefix {
        IpNet::V4(v4) => Box::new(
            (v4.network().to_bits()..=v4.broadcast().to_bits()).map(|bits| IpAddr::V4(bits.into())),
        ),
        IpNet::V6(v6) => Box::new(
            (v6.network().to_bits()..=v6.broadcast().to_bits()).map(|bits| IpAddr::V6(bits.into())),
        ),
    }
}

/// Whether two prefixes have an address in common.
#[must_use]
pub fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

impl Naive {
    /// With these predefined local pools, each with the length of its parts.
    #[must_use]
    pub fn new(predefined: Vec<(IpNet, u8)>) -> Self {
        Self { predefined, ..Self::default() }
    }

    /// An engine asked for capabilities.
    pub fn begin_session(&mut self) {
        self.session = Some(self.grants);
    }

    /// Whether that was asked for before the engine asked for capabilities.
    fn is_old(&self, asked: u64) -> bool {
        self.session.is_some_and(|session| asked <= session)
    }

    /// The gateways that were taken under this id.
    fn gateways<'a>(&'a self, id: &'a str, pool: &Pool) -> impl Iterator<Item = &'a Used> {
        let used = self.used.get(&(pool.space.clone(), pool.prefix));
        let used = used.into_iter().flat_map(BTreeMap::values);
        used.filter(move |used| used.is_gateway && used.under == id)
    }

    /// Whether the repeat of a pool may be a network of the swarm's.
    fn may_claim_pool(&self, id: &str, pool: &Pool) -> bool {
        let mut gateways = self.gateways(id, pool).peekable();
        let is_old = match gateways.peek() {
            Some(_) => gateways.any(|gateway| self.is_old(gateway.asked)),
            None => self.is_old(pool.asked),
        };
        pool.space.starts_with("Global") && is_old
    }

    fn may_claim(&self, id: &str, pool: &Pool, used: &Used, options: &Value) -> bool {
        let is_gateway = options["RequestAddressType"] == GATEWAY;
        let is_back = |gateway: &Used| !self.is_old(gateway.asked) && gateway.is_named;
        let has_gateway = || {
            let mut gateways = self.gateways(id, pool).peekable();
            gateways.peek().is_none() || gateways.any(is_back)
        };
        pool.space.starts_with("Global")
            && options[SERIAL] == "true"
            && self.is_old(used.asked)
            && !self.is_old(pool.asked)
            && used.under == id
            && used.is_gateway == is_gateway
            && (is_gateway || has_gateway())
    }

    /// Whether this id is one of a live pool.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.pools.contains_key(id)
    }

    /// What a body in Docker's form must be answered with.
    #[must_use]
    pub fn expect(&self, method: &str, body: &Value) -> Expected {
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        match method {
            "RequestPool" => self.expect_pool(body),
            "ReleasePool" if self.pools.contains_key(text("PoolID")) => Expected::Done,
            "ReleasePool" => Expected::Refused(400),
            "RequestAddress" => self.expect_address(body),
            _ => match self.pools.get(text("PoolID")) {
                None => Expected::Refused(404),
                Some(pool) => match text("Address").parse::<IpAddr>() {
                    Ok(address) if pool.prefix.contains(&address) => Expected::Done,
                    _ => Expected::Refused(400),
                },
            },
        }
    }

    fn expect_pool(&self, body: &Value) -> Expected {
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        let space = text("AddressSpace");
        let global = space.starts_with("Global");
        let live = || self.pools.iter().filter(|(_, pool)| pool.space == space);
        let sub_pool = text("SubPool").parse::<IpNet>().ok().map(|sub| sub.trunc());
        if let Ok(prefix) = text("Pool").parse::<IpNet>().map(|pool| pool.trunc()) {
            let same =
                |(_, pool): &(&String, &Pool)| pool.prefix == prefix && pool.sub_pool == sub_pool;
            let taken = match live().find(same) {
                Some((id, pool)) => !self.may_claim_pool(id, pool),
                None => {
                    sub_pool.is_none() && live().any(|(_, pool)| overlap(&pool.prefix, &prefix))
                }
            };
            return if taken { Expected::Refused(403) } else { Expected::Pool(prefix) };
        }
        let v6 = body["V6"].as_bool().unwrap_or_default();
        let global_pools = [("10.0.0.0/8".parse().expect("it is a prefix"), 24)];
        let predefined = if global { &global_pools[..] } else { &self.predefined };
        predefined
            .iter()
            .filter(|(base, _)| matches!(base, IpNet::V6(_)) == v6)
            .flat_map(|(base, size)| base.subnets(*size).expect("sizes are longer"))
            .find(|block| !live().any(|(_, pool)| overlap(&pool.prefix, block)))
            .map_or(Expected::Refused(400), Expected::Pool)
    }

    fn expect_address(&self, body: &Value) -> Expected {
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        let Some(pool) = self.pools.get(text("PoolID")) else { return Expected::Refused(404) };
        let nothing = BTreeMap::new();
        let key = (pool.space.clone(), pool.prefix);
        let used = self.used.get(&key).unwrap_or(&nothing);
        let bits = pool.prefix.max_prefix_len() - pool.prefix.prefix_len();
        let reserved: BTreeSet<IpAddr> = match pool.prefix {
            _ if bits < 2 => BTreeSet::new(),
            IpNet::V4(_) => [pool.prefix.network(), pool.prefix.broadcast()].into(),
            IpNet::V6(_) => [pool.prefix.network()].into(),
        };
        let leased = |address| {
            let net = IpNet::new(address, pool.prefix.prefix_len()).expect("it is a length");
            Expected::Address(net)
        };
        let serial = body["Options"][SERIAL] == "true";
        if let Ok(address) = text("Address").parse::<IpAddr>() {
            let claim = used
                .get(&address)
                .is_some_and(|used| self.may_claim(text("PoolID"), pool, used, &body["Options"]));
            return match () {
                () if !pool.prefix.contains(&address) => Expected::Refused(400),
                () if reserved.contains(&address) => Expected::Refused(403),
                () if used.contains_key(&address) && !claim => Expected::Refused(403),
                () => leased(address),
            };
        }
        let range = pool.sub_pool.unwrap_or(pool.prefix);
        let free = |address: &IpAddr| !used.contains_key(address) && !reserved.contains(address);
        let cursor = self.cursor.get(&key).filter(|at| serial && range.contains(*at));
        let after =
            cursor.and_then(|at| hosts(&range).find(|address| address >= at && free(address)));
        match after.or_else(|| hosts(&range).find(free)) {
            Some(address) => leased(address),
            None => Expected::Refused(503),
        }
    }

    /// Notes a success: the body as sent, and the id that a pool came with.
    pub fn apply(&mut self, method: &str, body: &Value, expected: &Expected, pool_id: &str) {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        self.grants += 1;
        let asked = self.grants;
        match (method, expected) {
            ("RequestPool", Expected::Pool(prefix)) => {
                let sub_pool = text("SubPool").parse::<IpNet>().ok().map(|sub| sub.trunc());
                let fresh = Pool { space: text("AddressSpace"), prefix: *prefix, sub_pool, asked };
                self.pools.insert(pool_id.to_owned(), fresh);
            }
            ("RequestAddress", Expected::Address(leased)) => {
                let Some(pool) = self.pools.get(&text("PoolID")) else { return };
                let key = (pool.space.clone(), pool.prefix);
                let by_name = !text("Address").is_empty();
                if !by_name {
                    let next = hosts(&pool.prefix).find(|address| *address > leased.addr());
                    self.cursor.insert(key.clone(), next.unwrap_or_else(|| pool.prefix.network()));
                }
                let (under, used) = (text("PoolID"), self.used.entry(key).or_default());
                let is_gateway = body["Options"]["RequestAddressType"] == GATEWAY;
                let taken = Used { asked, under, is_gateway, is_named: by_name };
                used.insert(leased.addr(), taken);
            }
            ("ReleaseAddress", Expected::Done) => {
                let (Some(pool), Ok(address)) =
                    (self.pools.get(&text("PoolID")), text("Address").parse::<IpAddr>())
                else {
                    return;
                };
                let key = (pool.space.clone(), pool.prefix);
                if let Some(used) = self.used.get_mut(&key) {
                    used.remove(&address);
                }
            }
            ("ReleasePool", Expected::Done) => {
                let id = text("PoolID");
                let is_shared = |pool: &Pool| {
                    pool.space.starts_with("Global") && self.gateways(&id, pool).next().is_some()
                };
                if self.pools.get(&id).is_none_or(is_shared) {
                    return;
                }
                let Some(gone) = self.pools.remove(&id) else { return };
                let key = (gone.space, gone.prefix);
                if let Some(used) = self.used.get_mut(&key) {
                    used.retain(|_, used| used.under != id);
                }
                let shared =
                    self.pools.values().any(|pool| (&pool.space, pool.prefix) == (&key.0, key.1));
                if !shared {
                    self.used.remove(&key);
                    self.cursor.remove(&key);
                }
            }
            _ => {}
        }
    }
}
