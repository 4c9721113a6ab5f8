//! The macro that answers a driver's calls by what the driver is made of.

/// Answers calls of a [`Driver`](crate::Driver) by the methods of the same names of
/// another value. A request is passed by reference.
///
/// It stands in `impl Driver`, names the value, which may be reached with `?`, and lists
/// the calls. It is for a driver whose policy is a type of its own: one that takes what
/// only a component has, such as the store, as a parameter, so that a native test can
/// give it another.
///
/// ```
/// use ipam_driver::*;
/// use std::net::IpAddr;
///
/// /// The policy, which knows no host.
/// struct One;
///
/// impl One {
///     fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Error> {
///         match request.pool {
///             PoolChoice::Exact(pool) => Ok(PoolGrant::new("one", pool)),
///             _ => Err(Code::NoAvailablePool.into()),
///         }
///     }
///     fn release_pool(&mut self, _pool_id: &str) -> Result<(), Error> {
///         Ok(())
///     }
/// }
///
/// struct Lab(One);
///
/// impl Driver for Lab {
///     const NAME: &'static str = "lab";
///
///     fn new(_config: &str) -> Result<Self, Error> {
///         Ok(Self(One))
///     }
///     fn default_address_spaces(&mut self) -> Result<AddressSpaces, Error> {
///         Ok(AddressSpaces::new("lab", "lab"))
///     }
///     delegate!(self => self.0; request_pool, release_pool);
///
///     fn request_address(&mut self, _: AddressRequest) -> Result<AddressGrant, Error> {
///         Err(Code::NoAvailableIps.into())
///     }
///     fn release_address(&mut self, _pool_id: &str, _: IpAddr) -> Result<(), Error> {
///         Ok(())
///     }
/// }
///
/// assert_eq!(Lab(One).release_pool("one"), Ok(()));
/// ```
#[macro_export]
macro_rules! delegate {
    (@default_address_spaces $self:ident $to:expr) => {
        fn default_address_spaces(
            &mut $self,
        ) -> ::core::result::Result<$crate::AddressSpaces, $crate::Error> {
            $to.default_address_spaces()
        }
    };
    (@request_pool $self:ident $to:expr) => {
        fn request_pool(
            &mut $self,
            request: $crate::PoolRequest,
        ) -> ::core::result::Result<$crate::PoolGrant, $crate::Error> {
            $to.request_pool(&request)
        }
    };
    (@release_pool $self:ident $to:expr) => {
        fn release_pool(&mut $self, pool_id: &str) -> ::core::result::Result<(), $crate::Error> {
            $to.release_pool(pool_id)
        }
    };
    (@request_address $self:ident $to:expr) => {
        fn request_address(
            &mut $self,
            request: $crate::AddressRequest,
        ) -> ::core::result::Result<$crate::AddressGrant, $crate::Error> {
            $to.request_address(&request)
        }
    };
    (@release_address $self:ident $to:expr) => {
        fn release_address(
            &mut $self,
            pool_id: &str,
            address: ::core::net::IpAddr,
        ) -> ::core::result::Result<(), $crate::Error> {
            $to.release_address(pool_id, address)
        }
    };
    ($self:ident => $to:expr; $($call:ident),+) => {
        $($crate::delegate!(@$call $self $to);)+
    };
}
