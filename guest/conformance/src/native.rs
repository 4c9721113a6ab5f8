//! The suite in a native test: what an author runs before there is wasm.

use crate::{
    AddressGrant, Choice, Driver, Family, Options, PoolGrant, PoolRequest, Refusal, Settings, Text,
    run,
};
use ipam_driver as sdk;
use std::net::IpAddr;

/// Asks a driver for every promise, made from `{}`, in a native test.
///
/// ```no_run
/// # use ipam_default::Default as Lab;
/// // #[test]
/// fn it_conforms() {
///     ipam_conformance::check::<Lab>();
/// }
/// ```
///
/// What only a host can see is left to `wipam test`: a second instance, replay,
/// limits.
///
/// # Panics
/// When a promise is broken, with the report.
pub fn check<D: sdk::Driver>() {
    check_with::<D>(&Settings::default());
}

/// [`check()`] with other settings.
///
/// # Panics
/// When a promise is broken, with the report.
pub fn check_with<D: sdk::Driver>(settings: &Settings) {
    let mut report = Text(Vec::new());
    let conforms = run(&mut Native::<D>(None), settings, &mut report);
    assert!(conforms, "{}", String::from_utf8_lossy(&report.0));
}

/// A driver of the SDK.
struct Native<D>(Option<D>);

impl<D: sdk::Driver> Native<D> {
    fn driver(&mut self) -> Result<&mut D, Refusal> {
        let none = || Refusal { name: "other(internal)", text: "it was not started".to_owned() };
        self.0.as_mut().ok_or_else(none)
    }
}

impl<D: sdk::Driver> Driver for Native<D> {
    fn start(&mut self, name: Option<&str>, config: &str) -> Result<(), Refusal> {
        let made = match name {
            Some(name) => D::named(name, config),
            None => D::new(config),
        };
        self.0 = Some(made.map_err(refusal)?);
        Ok(())
    }

    fn address_spaces(&mut self) -> Result<(String, String), Refusal> {
        let spaces = self.driver()?.default_address_spaces().map_err(refusal)?;
        Ok((spaces.local, spaces.global))
    }

    fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Refusal> {
        let family = |family| match family {
            Family::Ipv4 => sdk::Family::Ipv4,
            Family::Ipv6 => sdk::Family::Ipv6,
        };
        let PoolRequest { space, choice, sub_pool, options, exclude } = request.clone();
        let request = sdk::PoolRequest {
            address_space: space,
            pool: match choice {
                Choice::Automatic(of) => sdk::PoolChoice::Automatic(family(of)),
                Choice::Sized(of, length) => sdk::PoolChoice::Sized(family(of), length),
                Choice::Exact(prefix) => sdk::PoolChoice::Exact(prefix),
            },
            sub_pool,
            options,
            exclude,
        };
        let sdk::PoolGrant { pool_id, pool, data } =
            self.driver()?.request_pool(request).map_err(refusal)?;
        // The SDK answers prefixes without host bits, whatever the driver says.
        Ok(PoolGrant {
            id: pool_id,
            address: pool.network(),
            length: pool.prefix_len(),
            data: data.into_iter().collect(),
        })
    }

    fn release_pool(&mut self, id: &str) -> Result<(), Refusal> {
        self.driver()?.release_pool(id).map_err(refusal)
    }

    fn request_address(
        &mut self,
        id: &str,
        address: Option<IpAddr>,
        options: &Options,
    ) -> Result<AddressGrant, Refusal> {
        let request =
            sdk::AddressRequest { pool_id: id.to_owned(), address, options: options.clone() };
        let sdk::AddressGrant { address, data } =
            self.driver()?.request_address(request).map_err(refusal)?;
        Ok(AddressGrant {
            address: address.map(|leased| (leased.addr(), leased.prefix_len())),
            data: data.into_iter().collect(),
        })
    }

    fn release_address(&mut self, id: &str, address: IpAddr) -> Result<(), Refusal> {
        self.driver()?.release_address(id, address).map_err(refusal)
    }
}

fn refusal(error: sdk::Error) -> Refusal {
    use sdk::{Code, Kind};
    let name = match error.code() {
        Code::IpamInternalError => "ipam-internal-error",
        Code::InvalidAddressSpace => "invalid-address-space",
        Code::InvalidPool => "invalid-pool",
        Code::InvalidSubPool => "invalid-sub-pool",
        Code::InvalidRequest => "invalid-request",
        Code::PoolNotFound => "pool-not-found",
        Code::OverlapPool => "overlap-pool",
        Code::NoAvailablePool => "no-available-pool",
        Code::NoAvailableIps => "no-available-ips",
        Code::NoIpReturned => "no-ip-returned",
        Code::IpAlreadyAllocated => "ip-already-allocated",
        Code::IpOutOfRange => "ip-out-of-range",
        Code::PoolOverlap => "pool-overlap",
        Code::BadPool => "bad-pool",
        Code::NoMoreSubnets => "no-more-subnets",
        Code::Other(Kind::BadRequest) => "other(bad-request)",
        Code::Other(Kind::Forbidden) => "other(forbidden)",
        Code::Other(Kind::NotFound) => "other(not-found)",
        Code::Other(Kind::NotImplemented) => "other(not-implemented)",
        Code::Other(Kind::Unavailable) => "other(unavailable)",
        Code::Other(Kind::Internal) => "other(internal)",
    };
    Refusal { name, text: error.text().to_owned() }
}
