//! The driver itself.

use crate::{Host, Of, Policy, Search, SystemOfRecord};
use ipam_driver::{Capability, Error, Kind, log};

/// A system of record that the operator's table names.
pub trait Configured<H>: SystemOfRecord + Sized {
    /// Reads the table; nothing if it is empty.
    ///
    /// # Errors
    /// `InvalidRequest` for what cannot be meant.
    fn read(config: &str, http: H) -> Result<Option<Self>, Error>;

    /// Asks the system who it is, and tells the operator. One that does not answer now is no
    /// reason not to start.
    fn look(&mut self) {
        match self.prepare().and_then(|()| self.find(&Search::Ours(Of::Pools))) {
            Ok(_) => log::info(format!("{}, as host {}", Self::NAME, self.identity().host())),
            Err(error) => log::error(format!("{error}")),
        }
    }
}

/// What a driver of record has: the policy of its system, once one is configured. See
/// [`driver!`](crate::driver).
#[derive(Debug)]
pub struct Recorded<S>(Option<Policy<S>>);

impl<S: Configured<Host>> Recorded<S> {
    /// What it knows is in the system. By its MAC address an endpoint is told from an auxiliary
    /// address, which may be granted as the system has it.
    pub const CAPABILITY: Capability =
        Capability { requires_mac_address: true, ..Capability::NOTHING };

    /// Reads the operator's table, and looks at the system.
    ///
    /// # Errors
    /// `InvalidRequest` for what cannot be meant.
    pub fn new(config: &str) -> Result<Self, Error> {
        let mut system = S::read(config, Host)?;
        system.iter_mut().for_each(S::look);
        Ok(Self(system.map(Policy::new)))
    }

    /// The policy.
    ///
    /// # Errors
    /// `unavailable` without a configuration: the driver loads, and refuses all requests.
    pub fn policy(&mut self) -> Result<&mut Policy<S>, Error> {
        self.0.as_mut().ok_or_else(|| {
            let text = format!("no {} is configured: url, token and host are missing", S::NAME);
            Error::other(Kind::Unavailable, text)
        })
    }
}

/// Makes the driver of a [`Configured`] system, and a component of it: `driver!(Lab,
/// System<Host>)`. Its crate depends on `ipam-driver`.
#[macro_export]
macro_rules! driver {
    ($(#[$about:meta])* $name:ident, $system:ty) => {
        $(#[$about])*
        #[derive(Debug)]
        pub struct $name($crate::Recorded<$system>);

        ::ipam_driver::export!($name, records);

        impl ::ipam_driver::Driver for $name {
            const NAME: &'static str = <$system as $crate::SystemOfRecord>::SPACE;
            const CAPABILITY: ::ipam_driver::Capability = $crate::Recorded::<$system>::CAPABILITY;

            fn new(config: &str) -> Result<Self, ::ipam_driver::Error> {
                $crate::Recorded::new(config).map(Self)
            }

            fn default_address_spaces(
                &mut self,
            ) -> Result<::ipam_driver::AddressSpaces, ::ipam_driver::Error> {
                Ok(::ipam_driver::AddressSpaces::new(Self::NAME, Self::NAME))
            }

            ::ipam_driver::delegate!(
                self => self.0.policy()?;
                request_pool, release_pool, request_address, release_address
            );
        }

        impl ::ipam_driver::Records for $name {
            fn list_records(
                &mut self,
                cursor: Option<&str>,
                limit: u32,
            ) -> Result<::ipam_driver::RecordPage, ::ipam_driver::Error> {
                self.0.policy()?.list_records(cursor, limit)
            }

            fn has_record(
                &mut self,
                pool_id: &str,
                address: Option<::std::net::IpAddr>,
            ) -> Result<bool, ::ipam_driver::Error> {
                self.0.policy()?.has_record(pool_id, address)
            }

            fn remove_record(
                &mut self,
                record: &::ipam_driver::HeldRecord,
            ) -> Result<bool, ::ipam_driver::Error> {
                self.0.policy()?.remove_record(record)
            }
        }
    };
}
