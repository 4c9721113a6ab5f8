//! Whose part of the ledger a name is, and which names nobody takes by itself.

use super::harness::{Control, FakeFactory, FlakyStore, REPLAYED, limits, pool};
use crate::{LoadError, LoadOptions, Maker, Origin, Service, ask, sync::lock};
use ipam_api::{Callback, Digest, Driver, Factory, Failure, Start};
use ipam_ledger::MemoryStore;
use std::sync::{Arc, Mutex};

const POOL: &str = "10.0.0.0/24";

/// One medium, on which one service after another loads one driver.
#[derive(Default)]
struct Days(Arc<Mutex<MemoryStore>>);

/// A factory of a file.
struct File(FakeFactory, u8);

impl Factory for File {
    fn make(&self, start: &Start, to: Box<dyn Callback>) -> Result<Box<dyn Driver>, Failure> {
        self.0.make(start, to)
    }

    fn digest(&self) -> Option<Digest> {
        Some(Digest([self.1; 32]))
    }
}

impl Days {
    /// A driver that calls itself `name` is loaded, and granted a pool unless
    /// it holds it. What it was told, or why it was not loaded.
    fn day(&self, name: &str, file: u8, options: LoadOptions) -> Result<Vec<String>, LoadError> {
        let store = FlakyStore { medium: self.0.clone(), ..FlakyStore::new(true) };
        let service = Service::new(Box::new(store), limits()).unwrap();
        let control = Arc::new(Control::default());
        lock(&control.registers).push((name.into(), REPLAYED));
        let factory = Arc::new(File(FakeFactory(control.clone()), file));
        let names = service.load(factory, options);
        let told = control.look();
        match names {
            Ok(names) => {
                // A repeat is refused.
                drop(ask(&*service.handle(&names[0]).unwrap(), pool(POOL)));
                Ok(told)
            }
            Err(error) => {
                assert_eq!(told, ["start"], "it was told what is not its own");
                Err(error)
            }
        }
    }
}

fn by(maker: Maker) -> LoadOptions {
    let origin = match maker {
        Maker::BuiltIn(_) => Origin::BuiltIn,
        Maker::Named | Maker::File(_) => Origin::Component,
    };
    LoadOptions { maker: Some(maker), ..LoadOptions::new(origin) }
}

fn file(path: &str) -> LoadOptions {
    by(Maker::File(path.into()))
}

fn named(name: &str) -> LoadOptions {
    LoadOptions { rename: Some(name.parse().unwrap()), ..by(Maker::Named) }
}

fn built_in() -> LoadOptions {
    by(Maker::BuiltIn("default"))
}

const AGAIN: [&str; 2] = ["start", "pool 10.0.0.0/24 again"];

#[track_caller]
fn refused(told: Result<Vec<String>, LoadError>, made_by: &str) {
    match told {
        Err(error @ LoadError::NotItsOwn { .. }) => {
            let text = error.to_string();
            assert!(text.contains(made_by) && text.contains("takes-over = true"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_part_of_the_ledger_is_of_what_made_it() {
    let days = Days::default();
    assert_eq!(days.day("lab", 1, file("/a/lab.wasm")).unwrap(), ["start"]);
    assert_eq!(days.day("lab", 2, file("/a/lab.wasm")).unwrap(), AGAIN, "another version");
    refused(days.day("lab", 3, file("/b/stranger.wasm")), "/a/lab.wasm");
    refused(days.day("lab", 1, by(Maker::BuiltIn("remote"))), "/a/lab.wasm");
    assert_eq!(days.day("other", 3, named("lab")).unwrap(), AGAIN, "the operator has named it");
    refused(days.day("lab", 1, file("/a/lab.wasm")), "a file that the operator gave that name");
    let takes_over = LoadOptions { takes_over: true, ..file("/a/lab.wasm") };
    assert_eq!(days.day("lab", 1, takes_over).unwrap(), AGAIN);
    assert_eq!(days.day("lab", 1, file("/a/lab.wasm")).unwrap(), AGAIN, "it was handed over");
}

/// Also in a ledger of an earlier version of this program, which noted nothing.
#[test]
fn what_a_built_in_driver_made_is_not_handed_to_a_file() {
    let days = Days::default();
    let plain = LoadOptions::new(Origin::BuiltIn);
    assert_eq!(days.day("default", 1, plain).unwrap(), ["start"]);
    refused(days.day("default", 2, file("/default.wasm")), "builtin:default");
    refused(days.day("mine", 2, named("default")), "builtin:default");
    assert_eq!(days.day("default", 3, built_in()).unwrap(), AGAIN);
    let takes_over = LoadOptions { takes_over: true, ..named("default") };
    assert_eq!(days.day("mine", 2, takes_over).unwrap(), AGAIN);
    refused(days.day("default", 3, built_in()), "a file that the operator gave that name");
}

#[test]
fn a_part_that_nobody_noted_is_of_whoever_comes() {
    let days = Days::default();
    assert_eq!(days.day("lab", 1, LoadOptions::new(Origin::Component)).unwrap(), ["start"]);
    assert_eq!(days.day("lab", 2, file("/a/lab.wasm")).unwrap(), AGAIN);
    refused(days.day("lab", 3, file("/b/lab.wasm")), "/a/lab.wasm");
}

#[test]
fn a_part_that_holds_nothing_is_free() {
    let store = FlakyStore::new(true);
    let medium = store.medium.clone();
    let service = Service::new(Box::new(store), limits()).unwrap();
    let control = Arc::new(Control::default());
    lock(&control.registers).push(("lab".into(), REPLAYED));
    service.load(Arc::new(FakeFactory(control)), file("/a/lab.wasm")).unwrap();
    drop(service);
    assert_eq!(Days(medium).day("lab", 2, file("/b/lab.wasm")).unwrap(), ["start"]);
}

#[test]
fn a_name_that_is_reserved_is_given_and_not_taken() {
    let reserved = || LoadOptions {
        reserved: ["default", "wipam"].map(|name| name.parse().unwrap()).into(),
        ..file("/lab.wasm")
    };
    for name in ["default", "wipam"] {
        let refusal = Days::default().day(name, 1, reserved()).unwrap_err().to_string();
        assert!(refusal.contains("a name that no file takes by itself"), "{refusal}");
        assert!(refusal.contains("--driver NAME=FILE"), "{refusal}");
        let rename = Some("lab".parse().unwrap());
        let given = LoadOptions { rename, ..reserved() };
        assert_eq!(Days::default().day(name, 1, given).unwrap(), ["start"]);
    }
    let given = LoadOptions { rename: Some("default".parse().unwrap()), ..reserved() };
    assert_eq!(Days::default().day("lab", 1, given).unwrap(), ["start"]);
    assert_eq!(Days::default().day("lab", 1, reserved()).unwrap(), ["start"]);
}
