//! The contract as a package: what a registry has of WIT, and `wkg` fetches.

use std::path::Path;
use wit_component::encode;
use wit_parser::Resolve;

/// `ipam:driver@0.1.0` in WebAssembly's own form.
///
/// # Panics
/// When `wit/` cannot be read, or is no package.
#[must_use]
pub fn package() -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit"));
    let (package, _) = resolve.push_dir(wit).unwrap_or_else(|error| panic!("wit/: {error:#}"));
    encode(&resolve, package).unwrap_or_else(|error| panic!("wit/: {error:#}"))
}
