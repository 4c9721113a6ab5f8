//! The built-in drivers, and what tests drivers, as components: built for wasm
//! by this crate's build script and embedded.
//!
//! In: nothing. Out: bytes. The drivers import nothing outside `ipam:driver`, so
//! they run where no WASI is. `WIPAM_BUILTIN_DIR` names a directory with
//! `default.wasm`, `null.wasm`, `remote.wasm`, `conformance.wasm` and
//! `stub.wasm` for packagers who build them elsewhere.
//!
//! # Example
//!
//! `ipam_runtime::Runtime::load` takes such bytes:
//!
//! ```
//! // A component: version 13 of layer 1.
//! assert!(ipam_builtin::DEFAULT.starts_with(b"\0asm\x0d\0\x01\0"));
//! ```

/// libnetwork's allocator, driver `default`: crate `ipam-default`.
pub static DEFAULT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/default.wasm"));

/// libnetwork's null driver, driver `null`: crate `ipam-null`.
pub static NULL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/null.wasm"));

/// libnetwork's remote driver, one driver for each plugin it is granted: crate
/// `ipam-remote`.
pub static REMOTE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/remote.wasm"));

/// The conformance suite, a command that imports a driver: crate
/// `ipam-conformance`.
pub static CONFORMANCE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/conformance.wasm"));

/// What a driver imports, where no host is: crate `ipam-stub`.
pub static STUB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/stub.wasm"));

#[cfg(test)]
mod tests {
    use super::{CONFORMANCE, DEFAULT, NULL, REMOTE, STUB};

    /// Every interface that `component` names, such as `wasi:cli/exit@0.2.6`.
    fn interfaces(component: &[u8]) -> Vec<String> {
        let text = String::from_utf8_lossy(component);
        let not_in_a_name = |c: char| !c.is_ascii_alphanumeric() && !":/@.-".contains(c);
        text.split(not_in_a_name)
            .filter(|word| [':', '/', '@'].iter().all(|&mark| word.contains(mark)))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn they_are_components() {
        for component in [DEFAULT, NULL, REMOTE, CONFORMANCE, STUB] {
            // Version 13 of layer 1; a core module is version 1 of layer 0.
            assert_eq!(component[..8], *b"\0asm\x0d\0\x01\0");
        }
    }

    #[test]
    fn they_name_no_interface_but_the_contracts() {
        for component in [DEFAULT, NULL, REMOTE] {
            let interfaces = interfaces(component);
            let exported = |name: &&String| name.contains("ipam:driver/ipam@0.1.0");
            assert!(interfaces.iter().any(|name| exported(&name)), "{interfaces:?}");
            let foreign: Vec<_> =
                interfaces.iter().filter(|name| !name.contains("ipam:driver/")).collect();
            assert!(foreign.is_empty(), "{foreign:?}");
        }
    }

    #[test]
    fn a_foreign_interface_would_be_seen() {
        assert_eq!(interfaces(b"\x10wasi:cli/exit@0.2.6\x05"), ["wasi:cli/exit@0.2.6"]);
    }
}
