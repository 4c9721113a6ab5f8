//! The built-in drivers keep every promise, natively.

use ipam_conformance::{Settings, check, check_with};

#[test]
fn default_conforms() {
    check::<ipam_default::Default>();
}

#[test]
fn default_conforms_with_ipv6_pools() {
    let config = r#"{"site-id": "a site"}"#.to_owned();
    check_with::<ipam_default::Default>(&Settings { config, seed: 2, ..Settings::default() });
}

#[test]
fn null_conforms() {
    check::<ipam_null::Null>();
}
