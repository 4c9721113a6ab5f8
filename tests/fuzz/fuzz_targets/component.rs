//! Whatever is in a driver's file: a component that may be loaded, or an error
//! in words. What loads is started, too, within its limits.

#![no_main]

use ipam_api::{Callback, Capability, Error, Factory, Start};
use ipam_runtime::{CallLimits, InstanceLimits, Limits, Runtime};
use libfuzzer_sys::fuzz_target;
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new(None).expect("an engine"));

/// Takes every name.
struct Anybody;

impl Callback for Anybody {
    fn register_ipam_driver_with_capabilities(
        &mut self,
        _: &str,
        _: Capability,
    ) -> Result<(), Error> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        instance: InstanceLimits {
            start_time: Duration::from_millis(50),
            memory_bytes: 1 << 20,
            ..InstanceLimits::default()
        },
        call: CallLimits { time: Duration::from_millis(50), ..CallLimits::default() },
        ..Limits::default()
    };
    match RUNTIME.load("fuzz", bytes, limits) {
        Ok(component) => {
            let start = Start { name: None, config: "{}".to_owned(), stored: Arc::default() };
            let _ = component.make(&start, Box::new(Anybody));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
