//! What is granted, and what is said about what is not.

use crate::{
    guest::guest,
    lab::{AnyName, any_pool, any_start, runtime},
};
use ipam_api::Factory as _;
use ipam_runtime::{GrantKind, Grants, Limits, LoadError, Need, PluginGrant, StoreLimits, inspect};

/// Imports all that there is a grant for, and one thing that there is none for.
const WANTS: &str = r#"
    (import "ipam:driver/store@0.1.0" "delete" (func (param i32 i32 i32)))
    (import "ipam:driver/plugins@0.1.0" "get-plugin-getter" (func (param i32)))
    (import "wasi:http/outgoing-handler@0.2.0" "handle" (func))
    (import "acme:secret/backdoor@1.0.0" "open" (func))
    (import "wasi:random/random@0.2.0" "get-random-u64" (func (result i64)))"#;

const STORE: &str = "ipam:driver/store@0.1.0";
const PLUGINS: &str = "ipam:driver/plugins@0.1.0";
const HTTP: &str = "wasi:http/outgoing-handler@0.2.0";
const BACKDOOR: &str = "acme:secret/backdoor@1.0.0";

fn sorted<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn imports(needs: &[Need]) -> Vec<&str> {
    sorted(needs.iter().map(|need| &need.import))
}

#[test]
fn all_that_was_not_granted_is_listed_at_once() {
    let component = guest(WANTS, &[]);
    let load = |grants| runtime().load_granted("guest", &component, Limits::default(), &grants);
    let Err(LoadError::UngrantedImports(listed)) = load(Grants::default()) else { panic!("all") };
    assert_eq!(imports(&listed), [BACKDOOR, PLUGINS, STORE, HTTP]);

    let mut all = Grants {
        http: vec!["https://netbox.example/".parse().unwrap()],
        store: Some(StoreLimits { bytes_max: 1, keys_max: 1 }),
        plugins: PluginGrant { names: ["old".parse().unwrap()].into(), ..PluginGrant::default() },
        random_real: true,
    };
    let Err(LoadError::UngrantedImports(listed)) = load(all.clone()) else { panic!("one") };
    assert_eq!(imports(&listed), [BACKDOOR]);
    all.store = None;
    let Err(LoadError::UngrantedImports(listed)) = load(all) else { panic!("two") };
    assert_eq!(imports(&listed), [BACKDOOR, STORE]);
}

#[test]
fn an_inspection_says_what_a_file_is() {
    let found = inspect(&guest(WANTS, &[])).unwrap();
    assert_eq!(found.contract.as_deref(), Some("0.1.0"));
    assert_eq!(sorted(&found.exports), ["ipam:driver/ipam@0.1.0", "ipam:driver/lifecycle@0.1.0"]);
    assert!(found.missing.is_empty() && found.uses_random);
    let of = |import: &str| found.needs.iter().find(|need| need.import == import).unwrap().grant;
    assert_eq!(found.needs.len(), 4);
    assert_eq!(of(STORE), Some(GrantKind::Store));
    assert_eq!(of(PLUGINS), Some(GrantKind::Plugins));
    assert_eq!(of(HTTP), Some(GrantKind::Http));
    assert_eq!(of(BACKDOOR), None);

    let built_in = inspect(ipam_builtin::DEFAULT).unwrap();
    let loaded = runtime().load("default", ipam_builtin::DEFAULT, Limits::default()).unwrap();
    assert_eq!(Some(built_in.digest), loaded.digest());
    assert!(built_in.needs.is_empty() && !built_in.uses_random);
    assert!(built_in.imports.iter().all(|name| name.starts_with("ipam:driver/")));

    let nothing = inspect(b"\0asm\x0d\0\x01\0").unwrap();
    assert_eq!((nothing.contract, nothing.missing.len()), (None, 2));
    assert!(matches!(inspect(b"\x7fELF"), Err(LoadError::NotWasm)));
}

#[test]
fn real_random_numbers_are_a_grant() {
    let random = r#"(import "wasi:random/random@0.2.0" "get-random-u64"
        (func $random (result i64)))"#;
    // Four bits of it, as the length of the pool's prefix, and again.
    let answer = "
        (i32.store8 (i32.const 3102)
            (i32.add (i32.const 8) (i32.and (i32.wrap_i64 (call $random)) (i32.const 15))))
        (i32.const 3072)";
    let component = guest(random, &[("request-pool", answer)]);
    let sequence = |random_real| -> Vec<u8> {
        let grants = Grants { random_real, ..Grants::default() };
        let loaded = runtime().load_granted("guest", &component, Limits::default(), &grants);
        let mut driver = loaded.unwrap().make(&any_start(), Box::new(AnyName)).unwrap();
        let mut length = || driver.request_pool(&any_pool()).unwrap().pool.prefix_len();
        (0..32).map(|_| length()).collect()
    };
    assert_eq!(sequence(false), sequence(false));
    // The same by chance once in 2^128.
    assert_ne!(sequence(true), sequence(true));
}
