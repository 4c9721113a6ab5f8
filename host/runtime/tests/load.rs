//! What is loaded, what is refused, and whether the refusal says why.
//!
//! Components that are almost drivers are made from one that is, by renaming
//! what it imports or exports to something of the same length.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_api::{AddressRequest, Family, PoolChoice, PoolRequest};
use ipam_api::{Callback, Capability, Code, Driver, Error, Factory, Failure, Kind, PoolId, Start};
use ipam_runtime::{
    CallLimits, CompileLimits, Component, Grants, InstanceLimits, Limits, LoadError, Runtime,
};
use std::sync::{Arc, Mutex, OnceLock};

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(None).unwrap())
}

fn load(bytes: &[u8]) -> Result<Component, LoadError> {
    runtime().load("test", bytes, Limits::default())
}

fn renamed(component: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = component.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|w| w == from.as_bytes()) {
        bytes[at + found..][..to.len()].copy_from_slice(to.as_bytes());
        at += found + to.len();
    }
    assert!(at > 0, "{from} is not in it");
    bytes
}

#[track_caller]
fn refused(bytes: &[u8], words: &str) {
    let error = load(bytes).expect_err("it is not a driver").to_string();
    assert!(error.contains(words), "{error:?} does not say {words:?}");
}

#[test]
fn what_is_not_a_component_is_called_what_it_is() {
    refused(b"", "not WebAssembly");
    refused(b"\x7fELF and so on, as a .cwasm begins", "not WebAssembly");
    refused(b"(component)", "not WebAssembly");
    refused(b"\0asm\x01\0\0\0", "core WebAssembly module");
    refused(b"\0asm\x0d\0\x01\0 and nonsense", "not a component that this host can run");
    refused(&ipam_builtin::NULL[..1000], "not a component that this host can run");
}

#[test]
fn every_missing_export_is_named() {
    refused(
        b"\0asm\x0d\0\x01\0",
        "does not export ipam:driver/lifecycle@0.1.0, ipam:driver/ipam@0.1.0",
    );
    let name = "ipam:driver/lifecycle@0.1.0";
    refused(
        &renamed(ipam_builtin::NULL, name, "ipam:driver/lifecycel@0.1.0"),
        "does not export ipam:driver/lifecycle@0.1.0",
    );
}

#[test]
fn another_version_of_the_contract_is_called_what_it_is() {
    let words =
        "built for ipam:driver@0.2.0, and this host serves 0.1: build it with the wit/ that";
    for (bytes, name) in [
        (ipam_builtin::NULL, "ipam:driver/lifecycle@0.1.0"),
        (ipam_builtin::NULL, "ipam:driver/ipam@0.1.0"),
        (ipam_builtin::DEFAULT, "ipam:driver/log@0.1.0"),
    ] {
        refused(&renamed(bytes, name, &name.replace("0.1.0", "0.2.0")), words);
    }
}

#[test]
fn imports_that_nobody_grants_are_listed() {
    let callback = "ipam:driver/callback@0.1.0";
    for wanted in ["ipam:driver/supercow@0.1.0", "acme:secret/backdoor@0.1.0"] {
        let bytes = renamed(ipam_builtin::DEFAULT, callback, wanted);
        refused(&bytes, &format!("was not granted: {wanted}"));
    }
}

#[test]
fn a_later_patch_of_the_contract_still_loads() {
    let name = "ipam:driver/ipam@0.1.0";
    load(&renamed(ipam_builtin::NULL, name, "ipam:driver/ipam@0.1.7")).unwrap();
}

#[test]
fn too_large_is_not_even_read() {
    let limits = Limits {
        compile: CompileLimits { component_bytes: 100, ..CompileLimits::default() },
        ..Limits::default()
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("null.wasm");
    std::fs::write(&path, ipam_builtin::NULL).unwrap();
    let refused = runtime().load_file(&path, limits, &Grants::default()).unwrap_err();
    assert!(matches!(refused, LoadError::TooLarge(100)), "{refused}");
    assert!(runtime().load_file(&path, Limits::default(), &Grants::default()).is_ok());
    let missing = runtime()
        .load_file(&path.with_extension("x"), Limits::default(), &Grants::default())
        .unwrap_err();
    assert!(matches!(missing, LoadError::Unreadable(_)), "{missing}");
}

#[test]
fn a_cache_knows_a_component_again() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let runtime = Runtime::new(Some(directory.path())).unwrap();
        runtime.load("null", ipam_builtin::NULL, Limits::default()).unwrap();
    }
    assert!(std::fs::read_dir(directory.path()).unwrap().count() > 0);
}

/// Notes what a driver registers.
#[derive(Clone, Default)]
struct Registered(Arc<Mutex<Vec<(String, Capability)>>>);

impl Callback for Registered {
    fn register_ipam_driver_with_capabilities(
        &mut self,
        name: &str,
        capability: Capability,
    ) -> Result<(), Error> {
        self.0.lock().unwrap().push((name.to_owned(), capability));
        Ok(())
    }
}

fn start(limits: Limits, config: &str) -> Result<(Box<dyn Driver>, Registered), Failure> {
    let component = runtime().load("default", ipam_builtin::DEFAULT, limits).unwrap();
    let registered = Registered::default();
    let start = Start { name: None, config: config.to_owned(), stored: Arc::default() };
    Ok((component.make(&start, Box::new(registered.clone()))?, registered))
}

fn automatic() -> PoolRequest {
    PoolRequest::new("LocalDefault", PoolChoice::Automatic(Family::Ipv4))
}

#[test]
fn a_component_is_a_driver_like_any_other() {
    let (mut driver, registered) = start(Limits::default(), "{}").unwrap();
    let replay = Capability { requires_request_replay: true, requires_mac_address: false };
    assert_eq!(*registered.0.lock().unwrap(), [("default".to_owned(), replay)]);
    assert_eq!(driver.default_address_spaces().unwrap().local, "LocalDefault");

    let pool = driver.request_pool(&automatic()).unwrap();
    assert_eq!(pool.pool.to_string(), "172.17.0.0/16");
    let any = AddressRequest::any(pool.pool_id.clone());
    let leased = driver.request_address(&any).unwrap().address.unwrap();
    assert_eq!(leased.to_string(), "172.17.0.1/16");
    let status = driver.pool_status(&pool.pool_id).expect("it says so").unwrap();
    assert_eq!((status.ips_in_use, status.dynamic_ips_available), (3, 65_533));
    driver.release_address(&pool.pool_id, leased.addr()).unwrap();
    driver.release_pool(&pool.pool_id).unwrap();

    let unknown = PoolId::try_from("LocalDefault/192.0.2.0/24").unwrap();
    let Err(Failure::Refused(refusal)) =
        driver.request_address(&AddressRequest { pool_id: unknown, ..any })
    else {
        panic!("an unknown pool")
    };
    assert_eq!(refusal.code(), Code::Other(Kind::NotFound));
}

#[test]
fn a_driver_refuses_a_configuration_in_its_own_words() {
    let Err(Failure::Refused(refusal)) = start(Limits::default(), r#"{"defualt-pools":[]}"#) else {
        panic!("a key that it does not know")
    };
    assert!(refusal.to_string().contains("defualt-pools"), "{refusal}");
}

#[test]
fn memory_is_bounded() {
    let Err(Failure::Broken { reason }) = start(
        Limits {
            instance: InstanceLimits { memory_bytes: 64 << 10, ..InstanceLimits::default() },
            ..Limits::default()
        },
        "{}",
    ) else {
        panic!("it fits into one page")
    };
    assert!(reason.contains("memory"), "{reason}");
}

#[test]
fn what_a_call_may_make_the_host_copy_is_bounded_and_the_instance_is_gone() {
    let (mut driver, _) = start(
        Limits {
            call: CallLimits { hostcall_fuel: 16, ..CallLimits::default() },
            ..Limits::default()
        },
        "{}",
    )
    .unwrap();
    let Err(Failure::Broken { reason }) = driver.request_pool(&automatic()) else {
        panic!("the id alone has more than 16 bytes")
    };
    let call = "; in request-pool(\"LocalDefault\", automatic(ipv4)); ";
    assert!(reason.contains(call), "{reason}");
    let Err(Failure::Broken { reason: again }) = driver.default_address_spaces() else {
        panic!("a broken instance was called")
    };
    assert_eq!(again, reason, "the first failure is what is told");
}
