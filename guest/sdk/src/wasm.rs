//! Where the generated bindings meet the traits; wasm only, and not for
//! authors: the public items here are for what [`export!`](crate::export)
//! expands to.
//!
//! In: calls of the host, in the types of the WIT. Out: the driver's answers.
//! An instance whose `start` was never called makes its driver from `{}`, so
//! that a single call can be tried from a command line.

#[cfg(not(feature = "std"))]
mod bare;
mod convert;
mod panic;
pub(crate) mod plugins;
pub(crate) mod store;

use crate::{Capability, Driver, Error, Kind, Records, Registration, Status, log::Level};
use alloc::{format, string::String, vec};
use bindings::{
    exports::ipam::driver::{ipam, lifecycle},
    ipam::driver::{callback, types},
};
use core::{cell::RefCell, net::IpAddr};

#[allow(
    clippy::all,
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    unsafe_code,
    reason = "generated: what crosses the boundary is memory"
)]
mod generated {
    /// The bindings of world `ipam-driver`.
    pub mod bindings {
        wit_bindgen::generate!({
            path: "../../wit",
            world: "ipam:driver/ipam-driver",
            pub_export_macro: true,
            default_bindings_module: "ipam_driver::wasm::bindings",
        });
    }

    /// The bindings of what `ipam-driver-with-status` exports besides. They are a
    /// world of their own because a component exports all of a world or nothing.
    pub mod status_bindings {
        wit_bindgen::generate!({
            path: "../../wit",
            inline: "
                package ipam:sdk;
                world status { export ipam:driver/status@0.1.0; }
            ",
            world: "ipam:sdk/status",
            with: { "ipam:driver/types@0.1.0": crate::wasm::bindings::ipam::driver::types },
            pub_export_macro: true,
            default_bindings_module: "ipam_driver::wasm::status_bindings",
        });
    }

    /// The bindings of what `ipam-driver-with-records` exports besides, likewise.
    pub mod records_bindings {
        wit_bindgen::generate!({
            path: "../../wit",
            inline: "
                package ipam:sdk;
                world records { export ipam:driver/records@0.1.0; }
            ",
            world: "ipam:sdk/records",
            with: { "ipam:driver/types@0.1.0": crate::wasm::bindings::ipam::driver::types },
            pub_export_macro: true,
            default_bindings_module: "ipam_driver::wasm::records_bindings",
        });
    }

    /// The bindings of the store. They are a world of their own, so that a driver
    /// that does not call the store does not import it.
    pub mod store_bindings {
        wit_bindgen::generate!({
            path: "../../wit",
            inline: "
                package ipam:sdk;
                world store { import ipam:driver/store@0.1.0; }
            ",
            world: "ipam:sdk/store",
            with: {
                "ipam:driver/types@0.1.0": crate::wasm::bindings::ipam::driver::types,
                "ipam:driver/store@0.1.0": generate,
            },
        });
    }

    /// The bindings of legacy plugins, likewise.
    pub mod plugins_bindings {
        wit_bindgen::generate!({
            path: "../../wit",
            inline: "
                package ipam:sdk;
                world plugins { import ipam:driver/plugins@0.1.0; }
            ",
            world: "ipam:sdk/plugins",
            with: {
                "ipam:driver/types@0.1.0": crate::wasm::bindings::ipam::driver::types,
                "ipam:driver/plugins@0.1.0": generate,
            },
        });
    }
}

pub use generated::{bindings, records_bindings, status_bindings};
use generated::{plugins_bindings, store_bindings};
use records_bindings::exports::ipam::driver::records;
use status_bindings::exports::ipam::driver::status;

/// The one driver of an instance.
pub struct Instance<D>(RefCell<Option<D>>);

// SAFETY: a component has one thread, so nothing is ever shared between two.
#[expect(unsafe_code, reason = "statics must be `Sync`, and `core` has no other cell that is")]
unsafe impl<D> Sync for Instance<D> {}

impl<D> core::fmt::Debug for Instance<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Instance")
    }
}

impl<D> Default for Instance<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> Instance<D> {
    /// An instance that was not started.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }
}

impl<D: Driver> Instance<D> {
    /// Asks the driver, after making it from `{}` if it was not started.
    fn ask<T>(&self, question: impl FnOnce(&mut D) -> Result<T, Error>) -> Result<T, types::Error> {
        let mut instance = self.0.borrow_mut();
        let driver = match &mut *instance {
            Some(driver) => driver,
            none => {
                panic::report_to_host();
                none.insert(D::new("{}")?)
            }
        };
        Ok(question(driver)?)
    }

    fn start(&self, name: Option<&str>, config: &str) -> Result<(), Error> {
        panic::report_to_host();
        let registrations = match name {
            None => D::registrations(config)?,
            Some(name) => {
                let registration = D::registration(name, config)?;
                let none = || format!("this component has no driver {name:?}");
                vec![registration.ok_or_else(|| Error::other(Kind::NotFound, none()))?]
            }
        };
        // Of several names each gets an instance of its own, so there is no
        // driver to make yet.
        if let [Registration { name, .. }] = registrations.as_slice() {
            *self.0.borrow_mut() = Some(D::named(name, config)?);
        }
        registrations.iter().try_for_each(register)
    }
}

fn register(registration: &Registration) -> Result<(), Error> {
    let Registration { name, capability } = registration;
    let registered = if *capability == Capability::NOTHING {
        callback::register_ipam_driver(name)
    } else {
        callback::register_ipam_driver_with_capabilities(name, (*capability).into())
    };
    registered.map_err(Error::from)
}

/// Says `message` to the host.
pub(crate) fn log(level: Level, message: &str) {
    use bindings::ipam::driver::log;
    let level = match level {
        Level::Error => log::Level::Error,
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Debug => log::Level::Debug,
    };
    log::log(level, message);
}

/// A driver that a component is made of: [`export!`](crate::export) says so.
pub trait Exported: Driver {
    /// Where its one value lives.
    fn instance() -> &'static Instance<Self>;
}

impl<D: Exported> lifecycle::Guest for D {
    fn start(request: lifecycle::StartRequest) -> Result<(), types::Error> {
        Ok(D::instance().start(request.name.as_deref(), &request.config)?)
    }
}

impl<D: Exported> ipam::Guest for D {
    fn get_default_address_spaces() -> Result<ipam::AddressSpaces, types::Error> {
        D::instance().ask(Driver::default_address_spaces).map(Into::into)
    }

    fn request_pool(request: ipam::PoolRequest) -> Result<ipam::PoolGrant, types::Error> {
        let request = request.try_into()?;
        D::instance().ask(|driver| driver.request_pool(request)).map(Into::into)
    }

    fn release_pool(pool_id: String) -> Result<(), types::Error> {
        D::instance().ask(|driver| driver.release_pool(&pool_id))
    }

    fn request_address(
        pool_id: String,
        address: Option<types::IpAddress>,
        options: types::Options,
    ) -> Result<ipam::AddressGrant, types::Error> {
        let request = crate::AddressRequest {
            pool_id,
            address: address.map(IpAddr::from),
            options: convert::options(options),
        };
        D::instance().ask(|driver| driver.request_address(request)).map(Into::into)
    }

    fn release_address(pool_id: String, address: types::IpAddress) -> Result<(), types::Error> {
        D::instance().ask(|driver| driver.release_address(&pool_id, address.into()))
    }

    fn is_built_in() -> bool {
        D::instance().ask(|driver| Ok(driver.is_built_in())).unwrap_or(false)
    }
}

impl<D: Exported + Status> status::Guest for D {
    fn pool_status(pool_id: String) -> Result<status::SubnetStatus, types::Error> {
        D::instance().ask(|driver| driver.pool_status(&pool_id)).map(Into::into)
    }
}

impl<D: Exported + Records> records::Guest for D {
    fn list_records(
        cursor: Option<String>,
        limit: u32,
    ) -> Result<records::RecordPage, types::Error> {
        D::instance().ask(|driver| driver.list_records(cursor.as_deref(), limit)).map(Into::into)
    }

    fn has_record(
        pool_id: String,
        address: Option<types::IpAddress>,
    ) -> Result<bool, types::Error> {
        let address = address.map(IpAddr::from);
        D::instance().ask(|driver| driver.has_record(&pool_id, address))
    }

    fn remove_record(held: records::HeldRecord) -> Result<bool, types::Error> {
        let record = held.try_into()?;
        D::instance().ask(|driver| driver.remove_record(&record))
    }
}
