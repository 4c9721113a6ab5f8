//! Random operations against a model of what the driver granted. The same seed asks the
//! same things of a driver that answers the same.

use super::offers::{self, cut, nth, size};
use crate::{
    case::{ADDRESS_TYPE, Case, Check, GATEWAY, Pool, SERIAL, Stop, fail, not_applicable, overlap},
    model::{Choice, Family, Options, PoolRequest},
};
use ipnet::IpNet;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{collections::BTreeSet, net::IpAddr};

/// How many pools are held at most.
const POOLS_MAX: usize = 24;
/// How many addresses are held of a pool at most.
const LEASES_MAX: usize = 400;
/// How many pools are asked for again at the end.
const AGAIN: usize = 20;

/// A pool, and its leases in no order.
struct Held {
    pool: Pool,
    leases: Vec<IpAddr>,
}

/// What is asked for, and what came of it so far.
struct Random<'c, 'a> {
    case: &'c mut Case<'a>,
    numbers: StdRng,
    held: Vec<Held>,
    /// Where pools are named, so that they collide.
    bases: Vec<IpNet>,
    spaces: [String; 2],
    /// Every exact pool that was granted once.
    pools: BTreeSet<(String, IpNet, Option<IpNet>)>,
    /// Every address that was leased by name once.
    named: BTreeSet<(String, IpNet, IpAddr)>,
}

pub(super) fn operations(case: &mut Case<'_>) -> Check {
    let (local, global) = case.spaces()?;
    let mut bases = Vec::new();
    for (family, length) in [(Family::Ipv4, 20), (Family::Ipv6, 112)] {
        let pool = match offers::exact(case, family, length) {
            Err(Stop::NotApplicable(_)) => offers::usable(case, family),
            other => other,
        };
        match pool {
            Ok(pool) => {
                case.release_pool(&pool)?;
                bases.push(pool.prefix);
            }
            Err(Stop::NotApplicable(_)) => {}
            Err(stop) => return Err(stop),
        }
    }
    if bases.is_empty() {
        not_applicable!("it grants no pool");
    }
    let settings = case.settings;
    let mut random = Random {
        case,
        numbers: StdRng::seed_from_u64(settings.seed),
        held: Vec::new(),
        bases,
        spaces: [local, global],
        pools: BTreeSet::new(),
        named: BTreeSet::new(),
    };
    for operation in 1..=settings.operations {
        if let Err(Stop::Fail(reason)) = random.step() {
            fail!("{reason} (operation {operation} of seed {})", settings.seed);
        }
    }
    random.end()
}

impl Random<'_, '_> {
    fn step(&mut self) -> Check {
        match self.numbers.random_range(0..1000) {
            _ if self.held.is_empty() => self.request_pool(),
            0..15 => self.request_pool(),
            15..24 => self.release_pool(),
            24..420 => self.any(Options::new()),
            420..460 => self.any([(SERIAL.to_owned(), "true".to_owned())].into()),
            460..480 => self.any([(ADDRESS_TYPE.to_owned(), GATEWAY.to_owned())].into()),
            480..600 => self.named(),
            600..660 => self.in_use(),
            660..690 => self.outside(),
            _ => self.release(),
        }
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.numbers.random_range(0..all.len())])
    }

    /// One of the pools that are held.
    fn pick(&mut self) -> usize {
        self.numbers.random_range(0..self.held.len())
    }

    fn request_pool(&mut self) -> Check {
        if self.held.len() == POOLS_MAX {
            return self.release_pool();
        }
        let space = self.spaces[usize::from(self.numbers.random_range(0..4) == 0)].clone();
        let choice = match self.numbers.random_range(0..10) {
            0 => Choice::Automatic(Family::Ipv4),
            1 => Choice::Automatic(Family::Ipv6),
            2 => Choice::Sized(Family::Ipv4, self.numbers.random_range(20..30)),
            3 => Choice::Sized(Family::Ipv6, self.numbers.random_range(60..128)),
            _ => Choice::Exact(self.exact()),
        };
        let mut request =
            PoolRequest { space, choice, sub_pool: None, options: Options::new(), exclude: vec![] };
        if let Choice::Exact(prefix) = choice
            && self.numbers.random_range(0..3) == 0
        {
            let length = prefix.prefix_len() + self.numbers.random_range(0..3);
            request.sub_pool = Some(self.part(&prefix, length.min(prefix.max_prefix_len())));
        }
        let exact = match choice {
            Choice::Exact(prefix) => Some((request.space.clone(), prefix, request.sub_pool)),
            Choice::Automatic(_) | Choice::Sized(..) => None,
        };
        let in_the_way =
            exact.as_ref().and_then(|(space, prefix, _)| self.in_the_way(space, prefix));
        match (self.case.request_pool(request)?, exact) {
            // No pool, and nothing to be leased of it.
            (Ok(pool), None) if pool.is_none() => self.case.release_pool(&pool),
            (Ok(pool), exact) => {
                let is_again = |held: &Held| {
                    let Pool { space, prefix, sub_pool, .. } = &held.pool;
                    (space, prefix, sub_pool) == (&pool.space, &pool.prefix, &pool.sub_pool)
                };
                if exact.is_some() && self.held.iter().any(is_again) {
                    fail!("{} was granted twice", pool.prefix);
                }
                self.pools.extend(exact);
                self.held.push(Held { pool, leases: Vec::new() });
                Ok(())
            }
            (Err(refusal), Some(exact)) if in_the_way.is_none() && self.pools.contains(&exact) => {
                fail!("{} was granted before and released, and is {refusal}", exact.1)
            }
            (Err(_), _) => Ok(()),
        }
    }

    /// A prefix among few, so that they meet.
    fn exact(&mut self) -> IpNet {
        let at = self.numbers.random_range(0..self.bases.len());
        let base = self.bases[at];
        let length = base.prefix_len() + self.numbers.random_range(0..9);
        self.part(&base, length.min(base.max_prefix_len()))
    }

    /// Some prefix of that length in `base`.
    fn part(&mut self, base: &IpNet, length: u8) -> IpNet {
        let most = size(base).min(1 << 16);
        let number = self.numbers.random_range(0..most);
        cut(&nth(base, u32::try_from(number).unwrap_or_default()).into(), length)
    }

    fn in_the_way(&self, space: &str, prefix: &IpNet) -> Option<IpNet> {
        let other = |held: &&Held| held.pool.space == space && overlap(&held.pool.prefix, prefix);
        self.held.iter().find(other).map(|held| held.pool.prefix)
    }

    fn release_pool(&mut self) -> Check {
        let at = self.pick();
        let Held { pool, .. } = self.held.swap_remove(at);
        self.case.release_pool(&pool)
    }

    fn any(&mut self, options: Options) -> Check {
        let at = self.pick();
        if self.held[at].leases.len() >= LEASES_MAX {
            return self.release();
        }
        let pool = self.held[at].pool.clone();
        match self.case.request_address_with(&pool, None, options)? {
            Ok(leased) => self.held[at].leases.extend(leased),
            Err(refusal) => {
                // A driver may keep some for itself, but not most of them.
                let (range, all) = (pool.range(), size(&pool.range()));
                let taken = self.taken(&pool.space, &range);
                if !self.case.settings.resting && all >= 8 && taken * 2 < all {
                    fail!("{range} has {all} addresses, {taken} are leased, and any is {refusal}");
                }
            }
        }
        Ok(())
    }

    /// How many addresses of a range are leased, of whatever pool.
    fn taken(&self, space: &str, range: &IpNet) -> u128 {
        let there = self.held.iter().filter(|held| held.pool.space == space);
        there.flat_map(|held| &held.leases).filter(|address| range.contains(*address)).count()
            as u128
    }

    /// An address of a pool, as a rule a free one.
    fn named(&mut self) -> Check {
        let at = self.pick();
        let pool = self.held[at].pool.clone();
        let most = size(&pool.prefix).min(1 << 10);
        let number = self.numbers.random_range(0..most);
        let address = nth(&pool.prefix, u32::try_from(number).unwrap_or_default());
        let is_free = self.taken(&pool.space, &address.into()) == 0;
        let known = (pool.space.clone(), pool.prefix, address);
        match self.case.request_address(&pool, Some(address))? {
            Ok(leased) => {
                self.held[at].leases.extend(leased);
                self.named.insert(known);
                Ok(())
            }
            Err(refusal)
                if is_free && !self.case.settings.resting && self.named.contains(&known) =>
            {
                fail!("{address} of {} was leased before, is free, and is {refusal}", pool.prefix)
            }
            Err(_) => Ok(()),
        }
    }

    fn in_use(&mut self) -> Check {
        let at = self.pick();
        let Held { pool, leases } = &self.held[at];
        let (pool, leases) = (pool.clone(), leases.clone());
        match self.one_of(&leases) {
            // The case checks that it is not leased again.
            Some(address) => self.case.request_address(&pool, Some(address)).map(drop),
            None => Ok(()),
        }
    }

    fn outside(&mut self) -> Check {
        let at = self.pick();
        let pool = self.held[at].pool.clone();
        match super::ids::behind(&pool.prefix) {
            // The case checks that it is not leased.
            Some(address) => self.case.request_address(&pool, Some(address)).map(drop),
            None => Ok(()),
        }
    }

    fn release(&mut self) -> Check {
        let at = self.pick();
        let Held { pool, leases } = &mut self.held[at];
        if leases.is_empty() {
            return Ok(());
        }
        let chosen = self.numbers.random_range(0..leases.len());
        let (pool, address) = (pool.clone(), leases.swap_remove(chosen));
        self.case.release_address(&pool, address)
    }

    /// When all is released, all is free.
    fn end(mut self) -> Check {
        self.held.clear();
        self.case.clean()?;
        for (space, prefix, sub_pool) in self.pools.iter().take(AGAIN) {
            let mut request = self.case.ask(Choice::Exact(*prefix))?;
            request.space.clone_from(space);
            request.sub_pool = *sub_pool;
            match self.case.request_pool(request)? {
                Ok(pool) => self.case.release_pool(&pool)?,
                Err(refusal) => fail!("all was released, and {prefix} is {refusal}"),
            }
        }
        Ok(())
    }
}
