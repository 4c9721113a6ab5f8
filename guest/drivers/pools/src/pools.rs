//! The allocator, in the contract's words.

use alloc::string::ToString;
use core::net::IpAddr;
use ipam_allocator::{Allocator, Choice, GLOBAL, LOCAL, PoolName, Recent};
use ipam_driver::{
    AddressSpaces, Code, Error, Family, IpNet, Kind, PoolChoice, PoolGrant, PoolRequest,
    SubnetStatus,
};

/// Pools and addresses as `default` grants them.
#[derive(Debug)]
pub struct Pools(Recent);

#[expect(clippy::missing_errors_doc, reason = "the allocator's, by the contract's names")]
impl Pools {
    pub(crate) fn new(allocator: Allocator) -> Self {
        Self(Recent::new(allocator))
    }

    /// The names of the two address spaces.
    #[must_use]
    pub fn address_spaces() -> AddressSpaces {
        AddressSpaces::new(LOCAL, GLOBAL)
    }

    /// Grants a pool.
    pub fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Error> {
        let choice = match (request.pool, request.sub_pool) {
            (PoolChoice::Exact(pool), sub_pool) => Choice::Exact { pool, sub_pool },
            (_, Some(_)) => {
                return Err(Error::new(Code::InvalidSubPool, "invalid address subpool"));
            }
            (PoolChoice::Automatic(family), None) => Choice::Automatic(family_of(family)),
            (PoolChoice::Sized(family, length), None) => Choice::Sized(family_of(family), length),
        };
        let pool = self
            .0
            .request_pool(&request.address_space, choice, &request.exclude)
            .map_err(refusal)?;
        Ok(PoolGrant::new(pool.id, pool.prefix))
    }

    /// Forgets a pool.
    pub fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.0.release_pool(pool_id).map_err(refusal)
    }

    /// What an id names, if that is held.
    pub fn name(&mut self, pool_id: &str) -> Result<PoolName, Error> {
        self.0.name(pool_id).map_err(refusal)
    }

    /// Leases an address.
    pub fn request_address(
        &mut self,
        pool_id: &str,
        address: Option<IpAddr>,
        is_serial: bool,
    ) -> Result<IpNet, Error> {
        self.0.request_address(pool_id, address, is_serial).map_err(refusal)
    }

    /// Forgets a lease.
    pub fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        self.0.release_address(pool_id, address).map_err(refusal)
    }

    /// How full a pool is.
    pub fn status(&self, pool_id: &str) -> Result<SubnetStatus, Error> {
        let status = self.0.status(pool_id).map_err(refusal)?;
        Ok(SubnetStatus {
            ips_in_use: status.ips_in_use,
            dynamic_ips_available: status.dynamic_ips_available,
        })
    }
}

fn family_of(family: Family) -> ipam_allocator::Family {
    match family {
        Family::Ipv4 => ipam_allocator::Family::V4,
        Family::Ipv6 => ipam_allocator::Family::V6,
    }
}

/// The contract's name for a refusal of the allocator, with the reference's
/// words. An unknown pool is not found, as in the reference; the contract's
/// `PoolNotFound` would be a bad request.
fn refusal(error: ipam_allocator::Error) -> Error {
    use ipam_allocator::Error as Refusal;
    let code = match &error {
        Refusal::InvalidAddressSpace(_) => Code::InvalidAddressSpace,
        Refusal::InvalidPool => Code::InvalidPool,
        Refusal::InvalidSubPool | Refusal::FamiliesDiffer => Code::InvalidSubPool,
        Refusal::NoMoreSubnets => Code::NoMoreSubnets,
        Refusal::PoolOverlap => Code::PoolOverlap,
        Refusal::BadPool => Code::BadPool,
        Refusal::InvalidPoolId(_)
        | Refusal::NotCanonical { .. }
        | Refusal::SmallerPrefix { .. } => Code::InvalidRequest,
        Refusal::PoolNotFound(_) => Code::Other(Kind::NotFound),
        Refusal::IpOutOfRange => Code::IpOutOfRange,
        Refusal::IpAlreadyAllocated => Code::IpAlreadyAllocated,
        Refusal::NoAvailableIps => Code::NoAvailableIps,
    };
    Error::new(code, error.to_string())
}
