//! What the hostile drivers in `examples` share: an honest driver, which each
//! of them bends in one place.
//!
//! In: a [`Bent`] type. Out: with [`export!`], a component. What the SDK's types
//! cannot say, such as a prefix of length 200, is said in the WIT's own, with
//! [`raw!`].

use ipam_driver::{
    AddressGrant, AddressRequest, AddressSpaces, Capability, Code, Error, Family, IpNet,
    PoolChoice, PoolGrant, PoolRequest, Registration,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

#[doc(hidden)]
pub use ipam_driver;

/// The one address space of all programs.
pub const SPACE: &str = "zoo";

/// Grants the /24s of 10.66.0.0/16, the /64s of fd66::/48, or a pool by name,
/// and leases the lowest free address. Ids are prefixes.
#[derive(Debug, Default)]
pub struct Honest {
    /// Each pool with its sub-pool and what is leased of it.
    pub pools: BTreeMap<String, (IpNet, Option<IpNet>, BTreeSet<IpAddr>)>,
}

#[expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "errors as the trait `Driver` says, and no panics"
)]
impl Honest {
    /// Grants a pool.
    pub fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Error> {
        if request.address_space != SPACE {
            return Err(Code::InvalidAddressSpace.into());
        }
        let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
        // A length of 0 is "no pool", and in nobody's way.
        let live = || self.pools.values().filter(|(live, ..)| live.prefix_len() > 0);
        let taken = |pool: &IpNet| live().any(|(other, ..)| overlap(pool, other));
        let excluded = |pool: &IpNet| request.exclude.iter().any(|other| overlap(pool, other));
        let (base, length) = match request.pool {
            PoolChoice::Exact(pool) => return self.grant(pool, request.sub_pool),
            PoolChoice::Automatic(Family::Ipv4) => ("10.66.0.0/16", 24),
            PoolChoice::Sized(Family::Ipv4, length) => ("10.66.0.0/16", length),
            PoolChoice::Automatic(Family::Ipv6) => ("fd66::/48", 64),
            PoolChoice::Sized(Family::Ipv6, length) => ("fd66::/48", length),
        };
        let base: IpNet = base.parse().expect("a prefix");
        // It looks at the first few thousand, since there may be 2^64.
        let mut pools = base.subnets(length).map_err(|_| Code::InvalidPool)?.take(1 << 12);
        let pool = pools.find(|pool| !taken(pool) && !excluded(pool)).ok_or(Code::NoMoreSubnets)?;
        self.grant(pool, None)
    }

    fn grant(&mut self, pool: IpNet, sub_pool: Option<IpNet>) -> Result<PoolGrant, Error> {
        if sub_pool.is_some_and(|sub_pool| !pool.contains(&sub_pool)) {
            return Err(Code::InvalidSubPool.into());
        }
        let pool_id = pool.to_string();
        if self.pools.contains_key(&pool_id) {
            return Err(Code::PoolOverlap.into());
        }
        self.pools.insert(pool_id.clone(), (pool, sub_pool, BTreeSet::new()));
        Ok(PoolGrant::new(pool_id, pool))
    }

    /// Forgets a pool.
    pub fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.pools.remove(pool_id).map(drop).ok_or(Code::PoolNotFound.into())
    }

    /// Leases an address.
    pub fn request_address(&mut self, request: &AddressRequest) -> Result<AddressGrant, Error> {
        let (pool, sub_pool, leases) =
            self.pools.get_mut(&request.pool_id).ok_or(Code::PoolNotFound)?;
        let address = match request.address {
            Some(address) if !pool.contains(&address) => return Err(Code::IpOutOfRange.into()),
            Some(address) if leases.contains(&address) => {
                return Err(Code::IpAlreadyAllocated.into());
            }
            Some(address) => address,
            None => {
                let mut hosts = sub_pool.unwrap_or(*pool).hosts();
                hosts.find(|address| !leases.contains(address)).ok_or(Code::NoAvailableIps)?
            }
        };
        leases.insert(address);
        Ok(AddressGrant::new(IpNet::new_assert(address, pool.prefix_len())))
    }

    /// Forgets a lease.
    pub fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        let (.., leases) = self.pools.get_mut(pool_id).ok_or(Code::PoolNotFound)?;
        leases.remove(&address);
        Ok(())
    }
}

/// An honest driver that is bent somewhere: what is not overridden is honest.
#[expect(clippy::missing_errors_doc, reason = "as the trait `Driver` says")]
pub trait Bent: Sized + 'static {
    /// The name that it registers.
    const NAME: &'static str;

    /// Makes it from the operator's table.
    fn new(config: &str) -> Self;

    /// What of it is honest.
    fn honest(&mut self) -> &mut Honest;

    /// Every name that it registers.
    fn registrations() -> Vec<Registration> {
        vec![Registration { name: Self::NAME.to_owned(), capability: Capability::REPLAY }]
    }

    /// Makes the driver of one of several names.
    fn named(_name: &str, config: &str) -> Self {
        Self::new(config)
    }

    /// Grants a pool.
    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        self.honest().request_pool(&request)
    }

    /// Forgets a pool.
    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.honest().release_pool(pool_id)
    }

    /// Leases an address.
    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        self.honest().request_address(&request)
    }

    /// Forgets a lease.
    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        self.honest().release_address(pool_id, address)
    }

    /// Whether it says that it is part of its host.
    fn is_built_in(&mut self) -> bool {
        false
    }

    /// Its two address spaces, which are one.
    #[must_use]
    fn spaces() -> AddressSpaces {
        AddressSpaces::new(SPACE, SPACE)
    }
}

/// Makes a component of a [`Bent`] type.
#[macro_export]
macro_rules! export {
    ($program:ty $(, $more:ident)*) => {
        $crate::ipam_driver::export!($program $(, $more)*);

        impl $crate::ipam_driver::Driver for $program {
            const NAME: &'static str = <Self as $crate::Bent>::NAME;

            fn new(config: &str) -> Result<Self, $crate::ipam_driver::Error> {
                Ok($crate::Bent::new(config))
            }

            fn registrations(
                _: &str,
            ) -> Result<Vec<$crate::ipam_driver::Registration>, $crate::ipam_driver::Error> {
                Ok(<Self as $crate::Bent>::registrations())
            }

            fn named(name: &str, config: &str) -> Result<Self, $crate::ipam_driver::Error> {
                Ok($crate::Bent::named(name, config))
            }

            fn default_address_spaces(
                &mut self,
            ) -> Result<$crate::ipam_driver::AddressSpaces, $crate::ipam_driver::Error> {
                Ok(<Self as $crate::Bent>::spaces())
            }

            fn request_pool(
                &mut self,
                request: $crate::ipam_driver::PoolRequest,
            ) -> Result<$crate::ipam_driver::PoolGrant, $crate::ipam_driver::Error> {
                $crate::Bent::request_pool(self, request)
            }

            fn release_pool(&mut self, pool_id: &str) -> Result<(), $crate::ipam_driver::Error> {
                $crate::Bent::release_pool(self, pool_id)
            }

            fn request_address(
                &mut self,
                request: $crate::ipam_driver::AddressRequest,
            ) -> Result<$crate::ipam_driver::AddressGrant, $crate::ipam_driver::Error> {
                $crate::Bent::request_address(self, request)
            }

            fn release_address(
                &mut self,
                pool_id: &str,
                address: std::net::IpAddr,
            ) -> Result<(), $crate::ipam_driver::Error> {
                $crate::Bent::release_address(self, pool_id, address)
            }

            fn is_built_in(&mut self) -> bool {
                $crate::Bent::is_built_in(self)
            }
        }
    };
}

/// Makes a component that registers a name and answers each request for a pool
/// with one value of the WIT's own types. Wasm only.
#[macro_export]
macro_rules! raw {
    ($name:literal, $grant:expr) => {
        struct Raw;

        const _: () = {
            use $crate::ipam_driver::wasm::bindings::{
                self,
                exports::ipam::driver::{ipam, lifecycle},
                ipam::driver::{callback, types},
            };

    bindings::export!(Raw with_types_in bindings);

            impl lifecycle::Guest for Raw {
                fn start(_: lifecycle::StartRequest) -> Result<(), types::Error> {
                    callback::register_ipam_driver($name)
                }
            }

            impl ipam::Guest for Raw {
                fn get_default_address_spaces() -> Result<ipam::AddressSpaces, types::Error> {
                    Ok(ipam::AddressSpaces {
                        local: $crate::SPACE.to_owned(),
                        global: $crate::SPACE.to_owned(),
                    })
                }
                fn request_pool(_: ipam::PoolRequest) -> Result<ipam::PoolGrant, types::Error> {
                    Ok($grant)
                }
                fn release_pool(_: String) -> Result<(), types::Error> {
                    Ok(())
                }
                fn request_address(
                    _: String,
                    _: Option<types::IpAddress>,
                    _: types::Options,
                ) -> Result<ipam::AddressGrant, types::Error> {
                    Ok(ipam::AddressGrant { address: None, data: Vec::new() })
                }
                fn release_address(_: String, _: types::IpAddress) -> Result<(), types::Error> {
                    Ok(())
                }
                fn is_built_in() -> bool {
                    false
                }
            }
        };
    };
}
