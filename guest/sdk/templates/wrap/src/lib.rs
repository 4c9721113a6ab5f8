//! `@NAME@`: a driver around another. Calls of the host pass through here to the
//! inner driver, which this component imports as the contract has it.

mod policy;

pub use policy::{Policy, Refusal};

#[cfg(target_family = "wasm")]
mod component {
    use crate::{Policy, Refusal};
    use bindings::{
        exports::ipam::driver::{ipam, lifecycle},
        ipam::driver::{
            ipam as inner, lifecycle as inner_lifecycle,
            log::{Level, log},
            types::{Error, ErrorKind, IpAddress, Options, OtherError, Prefix},
        },
    };
    use ipnet::IpNet;
    use std::{cell::RefCell, net::IpAddr};

    mod bindings {
        wit_bindgen::generate!({
            path: "wit",
            inline: "
                package wrapper:wrapper;
                world wrapper {
                    import ipam:driver/lifecycle@0.1.0;
                    import ipam:driver/ipam@0.1.0;
                    import ipam:driver/log@0.1.0;
                    export ipam:driver/lifecycle@0.1.0;
                    export ipam:driver/ipam@0.1.0;
                }
            ",
            world: "wrapper:wrapper/wrapper",
            generate_all,
        });
    }

    struct Wrapper;
    bindings::export!(Wrapper with_types_in bindings);

    thread_local! {
        static POLICY: RefCell<Policy> = RefCell::default();
    }

    /// Asks the policy, never while the inner driver is asked.
    fn policy<T>(ask: impl FnOnce(&mut Policy) -> T) -> T {
        POLICY.with_borrow_mut(ask)
    }

    impl lifecycle::Guest for Wrapper {
        /// The inner driver registers, by the name and with the needs that it has.
        fn start(request: lifecycle::StartRequest) -> Result<(), Error> {
            let (ours, config) = Policy::new(&request.config).map_err(Error::InvalidRequest)?;
            policy(|policy| *policy = ours);
            inner_lifecycle::start(&inner_lifecycle::StartRequest { name: request.name, config })
        }
    }

    impl ipam::Guest for Wrapper {
        fn get_default_address_spaces() -> Result<ipam::AddressSpaces, Error> {
            let inner::AddressSpaces { local, global } = inner::get_default_address_spaces()?;
            Ok(ipam::AddressSpaces { local, global })
        }

        fn request_pool(request: ipam::PoolRequest) -> Result<ipam::PoolGrant, Error> {
            let ipam::PoolRequest { address_space, pool, sub_pool, options, exclude } = request;
            let pool = match pool {
                ipam::PoolChoice::Automatic(family) => inner::PoolChoice::Automatic(family),
                ipam::PoolChoice::Sized(of) => inner::PoolChoice::Sized(of),
                ipam::PoolChoice::Exact(prefix) => {
                    let is_replay = replays(&options);
                    let named = net(prefix)?;
                    policy(|policy| policy.may_name(named, is_replay)).map_err(error)?;
                    inner::PoolChoice::Exact(prefix)
                }
            };
            let request = inner::PoolRequest { address_space, pool, sub_pool, options, exclude };
            let inner::PoolGrant { pool_id, pool, data } = inner::request_pool(&request)?;
            audit(|| format!("granted pool {pool_id}"));
            Ok(ipam::PoolGrant { pool_id, pool, data })
        }

        fn release_pool(pool_id: String) -> Result<(), Error> {
            inner::release_pool(&pool_id)?;
            policy(|policy| policy.released_pool(&pool_id));
            audit(|| format!("released pool {pool_id}"));
            Ok(())
        }

        fn request_address(
            pool_id: String,
            wanted: Option<IpAddress>,
            options: Options,
        ) -> Result<ipam::AddressGrant, Error> {
            let is_replay = replays(&options);
            policy(|policy| policy.may_lease(&pool_id, is_replay)).map_err(error)?;
            let grant = inner::request_address(&pool_id, wanted, &options)?;
            let inner::AddressGrant { address: leased, data } = grant;
            if let Some(leased) = &leased {
                let leased = address(leased.address);
                policy(|policy| policy.leased(&pool_id, leased));
                audit(|| format!("leased {leased} of pool {pool_id}"));
            }
            Ok(ipam::AddressGrant { address: leased, data })
        }

        fn release_address(pool_id: String, released: IpAddress) -> Result<(), Error> {
            inner::release_address(&pool_id, released)?;
            let released = address(released);
            policy(|policy| policy.released(&pool_id, released));
            audit(|| format!("released {released} of pool {pool_id}"));
            Ok(())
        }

        fn is_built_in() -> bool {
            false
        }
    }

    fn error(refusal: Refusal) -> Error {
        match refusal {
            Refusal::Quota => Error::NoAvailableIps(String::new()),
            Refusal::NotAllowed => Error::Other(OtherError {
                kind: ErrorKind::Forbidden,
                message: "the pool is in none of named-pools".to_owned(),
            }),
        }
    }

    fn audit(line: impl FnOnce() -> String) {
        if policy(|policy| policy.audits()) {
            log(Level::Info, &line());
        }
    }

    fn replays(options: &Options) -> bool {
        options.iter().any(|(key, _)| key == "wipam.replay")
    }

    fn address(address: IpAddress) -> IpAddr {
        match address {
            IpAddress::Ipv4((a, b, c, d)) => [a, b, c, d].into(),
            IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => [a, b, c, d, e, f, g, h].into(),
        }
    }

    fn net(prefix: Prefix) -> Result<IpNet, Error> {
        let net = IpNet::new(address(prefix.address), prefix.length);
        net.map_err(|error| Error::InvalidPool(error.to_string()))
    }
}
