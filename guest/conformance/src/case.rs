//! One promise under test: a driver to ask, and a record of what it granted.
//!
//! In: questions. Out: answers that the contract allows, or a [`Stop`] with the rule
//! that an answer broke. `check` has the rules for every answer, so that a promise
//! has only its own. At the end, everything that was granted is released.

use crate::{
    Settings,
    model::{Answered, Asked, Choice, Driver, Options, PoolRequest, Refusal},
};
use ipnet::IpNet;
use std::{
    collections::{BTreeSet, VecDeque},
    net::IpAddr,
};

/// How many of the last exchanges a report shows.
const EXCHANGES: usize = 6;
/// The longest name of an address space, in bytes.
const SPACE_MAX_BYTES: usize = 256;

pub(crate) const REPLAY: &str = "wipam.replay";
pub(crate) const ADDRESS_TYPE: &str = "RequestAddressType";
pub(crate) const GATEWAY: &str = "com.docker.network.gateway";
pub(crate) const SERIAL: &str = "com.docker.network.ipam.serial";
const MAC_ADDRESS: &str = "com.docker.network.endpoint.macaddress";

/// Why a promise ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It was broken.
    Fail(String),
    /// The driver does not offer what it is about.
    NotApplicable(String),
}

/// What is granted, or the reason to stop; `()` where nothing is.
pub(crate) type Check<T = ()> = Result<T, Stop>;

/// Ends a promise as broken.
macro_rules! fail {
    ($($words:tt)*) => { return Err($crate::case::Stop::Fail(format!($($words)*))) };
}
/// Ends a promise that is about what the driver does not offer.
macro_rules! not_applicable {
    ($($words:tt)*) => { return Err($crate::case::Stop::NotApplicable(format!($($words)*))) };
}
pub(crate) use {fail, not_applicable};

/// A pool that the driver granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) id: String,
    pub(crate) space: String,
    pub(crate) prefix: IpNet,
    pub(crate) sub_pool: Option<IpNet>,
    /// The gateway that the driver chose, if it says so.
    pub(crate) gateway: Option<IpAddr>,
}

impl Pool {
    /// A prefix of length 0 that was not asked for means "no pool".
    pub(crate) fn is_none(&self) -> bool {
        self.prefix.prefix_len() == 0
    }

    /// Where addresses without a name come from.
    pub(crate) fn range(&self) -> IpNet {
        self.sub_pool.unwrap_or(self.prefix)
    }
}

/// A pool and what is leased of it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) pool: Pool,
    leases: BTreeSet<IpAddr>,
}

/// What is known of an instance beyond one promise: which pools it granted
/// once, by space and what was asked for.
pub(crate) type Memory = BTreeSet<(String, String)>;

pub(crate) struct Case<'a> {
    driver: &'a mut dyn Driver,
    memory: &'a mut Memory,
    pub(crate) settings: &'a Settings,
    exchanges: VecDeque<(Asked, Answered)>,
    pub(crate) live: Vec<Live>,
    /// Each endpoint has a MAC address of its own.
    endpoints: u32,
}

pub(crate) fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        driver: &'a mut dyn Driver,
        settings: &'a Settings,
        memory: &'a mut Memory,
    ) -> Self {
        Self {
            driver,
            memory,
            settings,
            exchanges: VecDeque::new(),
            live: Vec::new(),
            endpoints: 0,
        }
    }

    /// The last questions with their answers, a line each.
    pub(crate) fn exchange(&self) -> Vec<String> {
        let line = |(asked, answered): &(Asked, Answered)| format!("{asked} -> {answered}");
        self.exchanges.iter().map(line).collect()
    }

    fn record(&mut self, asked: Asked, answered: Answered) {
        if self.exchanges.len() == EXCHANGES {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back((asked, answered));
    }

    /// Starts the driver.
    pub(crate) fn start(&mut self) -> Result<(), Refusal> {
        let Settings { name, config, .. } = self.settings;
        self.driver.start(name.as_deref(), config)
    }

    /// The names of both address spaces.
    pub(crate) fn spaces(&mut self) -> Check<(String, String)> {
        let answer = self.driver.address_spaces();
        match answer {
            Ok((local, global)) => {
                self.record(Asked::Spaces, Answered::Spaces(local.clone(), global.clone()));
                for name in [&local, &global] {
                    if name.is_empty() || name.len() > SPACE_MAX_BYTES {
                        fail!("an address space's name has 1 to {SPACE_MAX_BYTES} bytes");
                    }
                }
                Ok((local, global))
            }
            Err(refusal) => {
                self.record(Asked::Spaces, Answered::Refused(refusal));
                fail!("a driver has address spaces")
            }
        }
    }

    /// A request without sub-pool, options and exclusions, in the local space.
    pub(crate) fn ask(&mut self, choice: Choice) -> Check<PoolRequest> {
        let (space, _) = self.spaces()?;
        Ok(PoolRequest {
            space,
            choice,
            sub_pool: None,
            options: Options::new(),
            exclude: Vec::new(),
        })
    }

    /// Asks for a pool.
    pub(crate) fn request_pool(&mut self, request: PoolRequest) -> Check<Result<Pool, Refusal>> {
        let answer = self.driver.request_pool(&request);
        // What was asked for, if there was nothing besides.
        let PoolRequest { space, choice, sub_pool, options, exclude } = &request;
        let is_plain = sub_pool.is_none() && options.is_empty() && exclude.is_empty();
        let plain = is_plain.then(|| (space.clone(), choice.to_string()));
        match answer {
            Ok(grant) => {
                self.record(Asked::Pool(request.clone()), Answered::Pool(grant.clone()));
                let pool = self.check_pool(request, grant)?;
                self.memory.extend(plain);
                self.live.push(Live { pool: pool.clone(), leases: BTreeSet::new() });
                Ok(Ok(pool))
            }
            Err(refusal) => {
                let was_granted = plain.is_some_and(|plain| self.memory.contains(&plain));
                let is_free = match request.choice {
                    Choice::Exact(prefix) => !self.live.iter().any(|Live { pool, .. }| {
                        pool.space == request.space && overlap(&pool.prefix, &prefix)
                    }),
                    // Whatever is granted may be what there was to choose.
                    Choice::Automatic(_) | Choice::Sized(..) => self.live.is_empty(),
                };
                let choice = request.choice;
                self.record(Asked::Pool(request), Answered::Refused(refusal.clone()));
                if was_granted && is_free {
                    fail!("{choice} was granted before and released, and is {refusal}");
                }
                Ok(Err(refusal))
            }
        }
    }

    /// Asks for a pool that the promise cannot do without.
    pub(crate) fn need_pool(&mut self, request: PoolRequest) -> Check<Pool> {
        let choice = request.choice;
        match self.request_pool(request)? {
            Ok(pool) => Ok(pool),
            Err(refusal) => not_applicable!("no pool: {choice} is {refusal}"),
        }
    }

    /// Asks for an address, as an endpoint.
    pub(crate) fn request_address(
        &mut self,
        pool: &Pool,
        address: Option<IpAddr>,
    ) -> Check<Result<Option<IpAddr>, Refusal>> {
        self.request_address_with(pool, address, Options::new())
    }

    /// [`Case::request_address`] with options.
    pub(crate) fn request_address_with(
        &mut self,
        pool: &Pool,
        address: Option<IpAddr>,
        mut options: Options,
    ) -> Check<Result<Option<IpAddr>, Refusal>> {
        if self.settings.mac_addresses && !options.contains_key(ADDRESS_TYPE) {
            self.endpoints += 1;
            let [_, a, b, c] = self.endpoints.to_be_bytes();
            let mac = format!("02:42:00:{a:02x}:{b:02x}:{c:02x}");
            options.entry(MAC_ADDRESS.to_owned()).or_insert(mac);
        }
        let asked = Asked::Address { id: pool.id.clone(), address, options: options.clone() };
        match self.driver.request_address(&pool.id, address, &options) {
            Ok(grant) => {
                self.record(asked, Answered::Address(grant.clone()));
                let leased = self.check_address(pool, address, grant)?;
                if let (Some(leased), Some(live)) = (leased, self.live_of(pool)) {
                    live.leases.insert(leased);
                }
                Ok(Ok(leased))
            }
            Err(refusal) => {
                self.record(asked, Answered::Refused(refusal.clone()));
                Ok(Err(refusal))
            }
        }
    }

    /// Whether somebody has it: in this pool, under any of its ids.
    pub(crate) fn is_held(&self, pool: &Pool, address: IpAddr) -> bool {
        let is_same = |other: &Pool| other.space == pool.space && other.prefix == pool.prefix;
        self.live.iter().any(|live| is_same(&live.pool) && live.leases.contains(&address))
    }

    /// Asks for an address that the promise cannot do without; a refusal
    /// breaks it.
    pub(crate) fn need_address(&mut self, pool: &Pool, address: Option<IpAddr>) -> Check<IpAddr> {
        match self.request_address(pool, address)? {
            Ok(Some(address)) => Ok(address),
            Ok(None) => not_applicable!("it leases no addresses"),
            Err(refusal) => match address {
                Some(address) => fail!("{address} of {} is free, and {refusal}", pool.prefix),
                None => fail!("{} has free addresses, and any is {refusal}", pool.range()),
            },
        }
    }

    /// Releases an address that is leased.
    pub(crate) fn release_address(&mut self, pool: &Pool, address: IpAddr) -> Check {
        if let Some(live) = self.live_of(pool) {
            live.leases.remove(&address);
        }
        match self.release_any_address(&pool.id, address) {
            Ok(()) => Ok(()),
            Err(refusal) => fail!("{address} is leased, and its release is {refusal}"),
        }
    }

    /// Releases an address, leased or not; the record does not change.
    pub(crate) fn release_any_address(&mut self, id: &str, address: IpAddr) -> Result<(), Refusal> {
        let answer = self.driver.release_address(id, address);
        let asked = Asked::ReleaseAddress { id: id.to_owned(), address };
        self.record(asked, done(&answer));
        answer
    }

    /// Releases a pool that is granted, after all that is leased of it.
    pub(crate) fn release_pool(&mut self, pool: &Pool) -> Check {
        let leases = self.live_of(pool).map(|live| live.leases.clone()).unwrap_or_default();
        for address in leases {
            self.release_address(pool, address)?;
        }
        self.forget(pool);
        match self.release_any_pool(&pool.id) {
            Ok(()) => Ok(()),
            Err(refusal) => fail!("{} is granted, and its release is {refusal}", pool.prefix),
        }
    }

    /// Releases a pool, granted or not; the record does not change.
    pub(crate) fn release_any_pool(&mut self, id: &str) -> Result<(), Refusal> {
        let answer = self.driver.release_pool(id);
        self.record(Asked::ReleasePool(id.to_owned()), done(&answer));
        answer
    }

    /// Removes a pool and its leases from the record.
    pub(crate) fn forget(&mut self, pool: &Pool) {
        if let Some(at) = self.live.iter().rposition(|live| live.pool == *pool) {
            self.live.remove(at);
        }
    }

    fn live_of(&mut self, pool: &Pool) -> Option<&mut Live> {
        self.live.iter_mut().rfind(|live| live.pool == *pool)
    }

    /// Every pool, with how much is leased of it.
    pub(crate) fn pools(&self) -> impl Iterator<Item = (&Pool, &BTreeSet<IpAddr>)> {
        self.live.iter().map(|live| (&live.pool, &live.leases))
    }

    /// Releases all that is left.
    pub(crate) fn clean(&mut self) -> Check {
        while let Some(Live { pool, .. }) = self.live.last() {
            let pool = pool.clone();
            self.release_pool(&pool)?;
        }
        Ok(())
    }

    /// [`Case::clean`] after a promise was broken: releases everything, whatever the
    /// driver answers.
    pub(crate) fn clean_anyway(&mut self) {
        while let Some(Live { pool, leases }) = self.live.pop() {
            for address in leases {
                // It has failed already.
                let _ = self.driver.release_address(&pool.id, address);
            }
            let _ = self.driver.release_pool(&pool.id);
        }
    }
}

fn done(answer: &Result<(), Refusal>) -> Answered {
    answer.as_ref().map_or_else(|refusal| Answered::Refused(refusal.clone()), |()| Answered::Done)
}
