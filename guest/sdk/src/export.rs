//! The macro that makes a component of a driver.

/// Makes a component of a [`Driver`](crate::Driver): `export!(MyDriver);`, and
/// `export!(MyDriver, status);` of one that is also [`Status`](crate::Status),
/// `export!(MyDriver, records);` of one that is also [`Records`](crate::Records),
/// `export!(MyDriver, status, records);` of one that is both.
///
/// Once per crate, whose `crate-type` must contain `cdylib`. Off wasm nothing
/// is exported, only the traits are checked, so that the crate builds and tests
/// natively.
///
/// ```compile_fail
/// struct NoDriver;
/// ipam_driver::export!(NoDriver); // the trait `Driver` is not implemented for it
/// ```
#[macro_export]
macro_rules! export {
    ($driver:ty) => {
        #[cfg(not(target_family = "wasm"))]
        const _: fn() = $crate::is_driver::<$driver>;
        #[cfg(target_family = "wasm")]
        const _: () = {
            // The generated macro wants one identifier.
            type Exported = $driver;
            impl $crate::wasm::Exported for Exported {
                fn instance() -> &'static $crate::wasm::Instance<Self> {
                    static INSTANCE: $crate::wasm::Instance<Exported> =
                        $crate::wasm::Instance::new();
                    &INSTANCE
                }
            }
    $crate::wasm::bindings::export!(Exported with_types_in $crate::wasm::bindings);
        };
    };
    (@status $driver:ty) => {
        #[cfg(not(target_family = "wasm"))]
        const _: fn() = $crate::has_status::<$driver>;
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $driver;
            $crate::wasm::status_bindings::export!(
                Exported with_types_in $crate::wasm::status_bindings
            );
        };
    };
    (@records $driver:ty) => {
        #[cfg(not(target_family = "wasm"))]
        const _: fn() = $crate::has_records::<$driver>;
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Exported = $driver;
            $crate::wasm::records_bindings::export!(
                Exported with_types_in $crate::wasm::records_bindings
            );
        };
    };
    ($driver:ty, $($more:ident),+) => {
        $crate::export!($driver);
        $($crate::export!(@$more $driver);)+
    };
}
