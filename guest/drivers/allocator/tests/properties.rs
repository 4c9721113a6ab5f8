//! The allocator against its rules in their plainest form, on random requests.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use ipam_allocator::{
    Allocator, Choice, Error, Family, LOCAL, Predefined, Recent, Status, reserved,
};
use ipnet::IpNet;
use proptest::{collection::vec, prelude::*, sample::Index};
use std::{collections::BTreeSet, net::IpAddr};

/// One pool of the naive model.
struct Pool {
    prefix: IpNet,
    is_held: bool,
    sub_pools: BTreeSet<IpNet>,
    /// Reserved ones included.
    used: BTreeSet<IpAddr>,
    /// The address that was chosen last, while it counts.
    last: Option<IpAddr>,
}

/// A list of pools, which are lists of addresses. Everything is found by looking at all.
struct Model {
    bases: Vec<Predefined>,
    pools: Vec<Pool>,
}

impl Model {
    fn request_pool(&mut self, choice: Choice, exclude: &[IpNet]) -> Result<IpNet, Error> {
        let (pool, sub_pool) = match choice {
            Choice::Automatic(family) | Choice::Sized(family, 0) => {
                (self.lowest(family, None, exclude)?, None)
            }
            Choice::Sized(family, len) => (self.lowest(family, Some(len), exclude)?, None),
            Choice::Exact { pool, sub_pool: None } => {
                if self.pools.iter().any(|held| overlap(&held.prefix, &pool)) {
                    return Err(Error::PoolOverlap);
                }
                (pool, None)
            }
            Choice::Exact { pool, sub_pool: Some(sub_pool) } => {
                if Family::of(&pool) != Family::of(&sub_pool) {
                    return Err(Error::FamiliesDiffer);
                }
                if !overlap(&pool, &sub_pool) {
                    return Err(Error::InvalidSubPool);
                }
                (pool, Some(if pool.contains(&sub_pool) { sub_pool } else { pool }))
            }
        };
        if !self.pools.iter().any(|held| held.prefix == pool) {
            let used = reserved(pool).into_iter().collect();
            let sub_pools = BTreeSet::new();
            self.pools.push(Pool { prefix: pool, is_held: false, sub_pools, used, last: None });
        }
        let held = self.pools.iter_mut().find(|held| held.prefix == pool).unwrap();
        match sub_pool {
            None => held.is_held = true,
            Some(sub_pool) if held.sub_pools.insert(sub_pool) => (),
            Some(_) => return Err(Error::PoolOverlap),
        }
        Ok(pool)
    }

    fn lowest(&self, family: Family, len: Option<u8>, exclude: &[IpNet]) -> Result<IpNet, Error> {
        let mut error = Error::InvalidPool;
        for base in self.bases.iter().filter(|base| Family::of(&base.base) == family) {
            let Ok(mut candidates) = base.base.subnets(len.unwrap_or(base.size)) else { continue };
            error = Error::NoMoreSubnets;
            let in_the_way = |prefix: &IpNet| {
                self.pools.iter().any(|held| overlap(&held.prefix, prefix))
                    || exclude.iter().any(|excluded| overlap(excluded, prefix))
            };
            if let Some(found) = candidates.find(|prefix| !in_the_way(prefix)) {
                return Ok(found);
            }
        }
        Err(error)
    }

    fn release_pool(&mut self, pool: IpNet, sub_pool: Option<IpNet>) -> Result<(), Error> {
        let held = self.pools.iter_mut().find(|held| held.prefix == pool).ok_or(Error::BadPool)?;
        match sub_pool {
            None => held.is_held = false,
            Some(sub_pool) if held.sub_pools.remove(&sub_pool) => (),
            Some(_) => return Err(Error::BadPool),
        }
        self.pools.retain(|held| held.is_held || !held.sub_pools.is_empty());
        Ok(())
    }

    fn find(&mut self, pool: IpNet, sub_pool: Option<IpNet>) -> Option<&mut Pool> {
        let held = self.pools.iter_mut().find(|held| held.prefix == pool)?;
        sub_pool.is_none_or(|sub_pool| held.sub_pools.contains(&sub_pool)).then_some(held)
    }
}

impl Pool {
    fn request(&mut self, address: IpAddr) -> Result<IpNet, Error> {
        if !self.used.insert(address) {
            return Err(Error::IpAlreadyAllocated);
        }
        Ok(IpNet::new(address, self.prefix.prefix_len()).unwrap())
    }

    fn request_any(&mut self, sub_pool: Option<IpNet>, serial: bool) -> Result<IpNet, Error> {
        let range = addresses(sub_pool.unwrap_or(self.prefix));
        let after = self.last.filter(|last| serial && range.contains(last));
        let free = |address: &&IpAddr| !self.used.contains(address);
        let found = range
            .iter()
            .filter(|address| after.is_some_and(|last| **address > last))
            .find(free)
            .or_else(|| range.iter().find(free));
        let address = *found.ok_or(Error::NoAvailableIps)?;
        self.last = Some(address);
        self.request(address)
    }

    fn release(&mut self, address: IpAddr) {
        if !reserved(self.prefix).contains(&address) {
            self.used.remove(&address);
        }
        if self.used.is_empty() {
            self.last = None;
        }
    }

    fn status(&self, sub_pool: Option<IpNet>) -> Status {
        let range = addresses(sub_pool.unwrap_or(self.prefix));
        let free = range.iter().filter(|address| !self.used.contains(address)).count();
        Status { ips_in_use: self.used.len() as u64, dynamic_ips_available: free as u64 }
    }
}

fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// All addresses of a small prefix, in order.
fn addresses(prefix: IpNet) -> Vec<IpAddr> {
    let whole = prefix.subnets(prefix.max_prefix_len()).unwrap();
    whole.map(|address| address.addr()).collect()
}

#[derive(Debug, Clone)]
enum Step {
    RequestPool(Choice, Vec<IpNet>),
    /// What was granted so many grants ago, held or not.
    ReleasePool(Index),
    Request(Index, Option<IpAddr>, bool),
    Release(Index, IpAddr),
}

/// Small prefixes in few places, so that they nest, touch and repeat.
fn prefix() -> impl Strategy<Value = IpNet> {
    let v4 = (0..64_u8, 23..=32_u8).prop_map(|(host, len)| format!("10.0.0.{host}/{len}"));
    let v6 = (0..64_u8, 120..=128_u8).prop_map(|(host, len)| format!("fd00::{host:x}/{len}"));
    prop_oneof![3 => v4, 1 => v6].prop_map(|text| text.parse::<IpNet>().unwrap().trunc())
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        3 => (0..=1_u8, 0..80_u8).prop_map(|(third, host)| IpAddr::from([10, 0, third, host])),
        1 => (0..80_u16).prop_map(|host| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, host])),
    ]
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![3 => Just(Family::V4), 1 => Just(Family::V6)]
}

fn choice() -> impl Strategy<Value = Choice> {
    let exact = |(pool, sub_pool)| Choice::Exact { pool, sub_pool };
    prop_oneof![
        2 => family().prop_map(Choice::Automatic),
        1 => (family(), 0..=129_u8).prop_map(|(family, len)| Choice::Sized(family, len)),
        2 => (family(), 23..=32_u8).prop_map(|(family, len)| Choice::Sized(family, len)),
        4 => (prefix(), prop::option::of(prefix())).prop_map(exact),
        // A part of its pool, by construction.
        2 => (prefix(), prefix()).prop_map(move |(one, other)| {
            let (pool, sub) = if one.prefix_len() < other.prefix_len() { (one, other) } else { (other, one) };
            exact((IpNet::new(sub.addr(), pool.prefix_len().min(sub.prefix_len())).unwrap().trunc(), Some(sub)))
        }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (choice(), vec(prefix(), 0..3)).prop_map(|(choice, not)| Step::RequestPool(choice, not)),
        1 => any::<Index>().prop_map(Step::ReleasePool),
        6 => (any::<Index>(), prop::option::weighted(0.3, address()), any::<bool>())
            .prop_map(|(id, address, serial)| Step::Request(id, address, serial)),
        4 => (any::<Index>(), address()).prop_map(|(id, address)| Step::Release(id, address)),
    ]
}

/// The pool and the sub-pool that an id names.
fn read(id: &str) -> (IpNet, Option<IpNet>) {
    let parts: Vec<&str> = id.split('/').collect();
    let prefix = |at: usize| format!("{}/{}", parts[at], parts[at + 1]).parse().unwrap();
    (prefix(1), (parts.len() > 3).then(|| prefix(3)))
}

proptest! {
    /// Whatever is asked, in whatever order, the answer is the naive one, and that of an
    /// allocator that remembers the last id is the same.
    #[test]
    fn answers_like_the_naive_model(steps in vec(step(), 0..80)) {
        let bases: Vec<_> = [("10.0.0.0/26", 28), ("10.0.1.0/27", 29), ("fd00::/122", 124)]
            .map(|(base, size)| Predefined { base: base.parse().unwrap(), size })
            .to_vec();
        let mut allocator = Allocator::new(bases.clone(), vec![]).unwrap();
        let mut recent = Recent::new(Allocator::new(bases.clone(), vec![]).unwrap());
        let mut model = Model { bases, pools: vec![] };
        let mut ids: Vec<String> = vec![];
        for step in steps {
            match step {
                Step::RequestPool(choice, exclude) => {
                    let answer = allocator.request_pool(LOCAL, choice, &exclude);
                    prop_assert_eq!(&recent.request_pool(LOCAL, choice, &exclude), &answer);
                    let prefix = answer.as_ref().map(|pool| pool.prefix).map_err(Error::clone);
                    prop_assert_eq!(prefix, model.request_pool(choice, &exclude), "{:?}", choice);
                    if let Ok(pool) = answer {
                        let (prefix, sub_pool) = read(&pool.id);
                        prop_assert_eq!(prefix, pool.prefix);
                        let is_sub_pool = matches!(choice, Choice::Exact { sub_pool: Some(_), .. });
                        prop_assert_eq!(sub_pool.is_some(), is_sub_pool);
                        ids.push(pool.id);
                    }
                }
                _ if ids.is_empty() => (),
                Step::ReleasePool(index) => {
                    let id = index.get(&ids);
                    let (pool, sub_pool) = read(id);
                    let got = allocator.release_pool(id);
                    prop_assert_eq!(&recent.release_pool(id), &got);
                    prop_assert_eq!(got, model.release_pool(pool, sub_pool));
                }
                Step::Request(index, address, serial) => {
                    let id = index.get(&ids);
                    let (pool, sub_pool) = read(id);
                    let got = allocator.request_address(id, address, serial);
                    prop_assert_eq!(&recent.request_address(id, address, serial), &got);
                    let is_inside = address.is_none_or(|address| pool.contains(&address));
                    let is_known = model.find(pool, None).is_some();
                    match model.find(pool, sub_pool) {
                        None if is_inside || !is_known => {
                            prop_assert!(matches!(got, Err(Error::PoolNotFound(_))), "{:?}", got);
                        }
                        None => prop_assert_eq!(got, Err(Error::IpOutOfRange)),
                        Some(_) if !is_inside => prop_assert_eq!(got, Err(Error::IpOutOfRange)),
                        Some(held) => prop_assert_eq!(got, match address {
                            Some(address) => held.request(address),
                            None => held.request_any(sub_pool, serial),
                        }),
                    }
                }
                Step::Release(index, address) => {
                    let id = index.get(&ids);
                    let (pool, sub_pool) = read(id);
                    let got = allocator.release_address(id, address);
                    prop_assert_eq!(&recent.release_address(id, address), &got);
                    match model.find(pool, sub_pool) {
                        None => prop_assert!(matches!(got, Err(Error::PoolNotFound(_)))),
                        Some(_) if !pool.contains(&address) => {
                            prop_assert_eq!(got, Err(Error::IpOutOfRange));
                        }
                        Some(held) => {
                            prop_assert_eq!(got, Ok(()));
                            held.release(address);
                        }
                    }
                }
            }
            for id in &ids {
                let (pool, sub_pool) = read(id);
                let want = model.find(pool, sub_pool).map(|held| held.status(sub_pool));
                prop_assert_eq!(allocator.status(id).ok(), want, "{}", id);
                prop_assert_eq!(recent.status(id).ok(), want, "{}", id);
            }
        }
    }

    /// No text makes the allocator panic, whatever is asked of it.
    #[test]
    fn any_text_may_come_as_an_id(id in "[0-9a-fA-FLocalDefault:./%-]{0,40}", address in address()) {
        let mut allocator = Allocator::new(vec![], vec![]).unwrap();
        for refused in [
            allocator.release_pool(&id).is_err(),
            allocator.request_address(&id, None, true).is_err(),
            allocator.request_address(&id, Some(address), false).is_err(),
            allocator.release_address(&id, address).is_err(),
            allocator.status(&id).is_err(),
        ] {
            prop_assert!(refused);
        }
    }
}
