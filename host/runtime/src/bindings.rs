//! What wasmtime generates from the contract. Nothing outside this crate sees
//! these types.

/// In a module of its own, since package and interface are both called `ipam`.
#[allow(
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "generated"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package ipam:host;
            world driver {
                include ipam:driver/ipam-driver-with-status@0.1.0;
                include ipam:driver/ipam-driver-with-records@0.1.0;
                import ipam:driver/store@0.1.0;
                import ipam:driver/plugins@0.1.0;
            }
        ",
        world: "ipam:host/driver",
        // A handle may not be one.
        imports: { "ipam:driver/plugins": trappable },
        with: {
            "ipam:driver/plugins.plugin": crate::plugins::Plugin,
            "ipam:driver/plugins.plugin-getter": crate::plugins::Getter,
        },
    });
}

pub(crate) use generated::exports::ipam::driver::{ipam, lifecycle, records, status};
pub(crate) use generated::ipam::driver::{callback, log, plugins, store, types};

/// What the conformance suite imports, provided by [`crate::suite`].
#[allow(
    missing_debug_implementations,
    missing_docs,
    unreachable_pub,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "generated"
)]
mod asked {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "ipam:driver/conformance",
        imports: { default: trappable },
        with: { "ipam:driver/types@0.1.0": super::generated::ipam::driver::types },
    });
}

/// The driver's interfaces from the other side: what somebody asks.
pub(crate) mod asking {
    pub(crate) use super::asked::ipam::driver::{ipam, lifecycle};
}
