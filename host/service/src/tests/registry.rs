//! libnetwork's rules of registration, and ours.

use super::harness::{Control, FakeFactory, REPLAYED, limits, pool, refusal};
use crate::{LoadError, LoadOptions, Origin, Service, ask, sync::lock};
use ipam_api::{Capability, DriverHandle, DriverName, Subscriber};
use ipam_ledger::MemoryStore;
use std::{
    error::Error,
    sync::{Arc, Mutex},
};

fn service() -> Service {
    Service::new(Box::new(MemoryStore::default()), limits()).unwrap()
}

fn factory(names: &[&str]) -> (Arc<FakeFactory>, Arc<Control>) {
    let control = Arc::new(Control::default());
    lock(&control.registers).extend(names.iter().map(|name| ((*name).to_owned(), REPLAYED)));
    (Arc::new(FakeFactory(control.clone())), control)
}

/// As an operator has it who lets a component register several names.
fn several(origin: Origin) -> LoadOptions {
    LoadOptions { names_max: 8, ..LoadOptions::new(origin) }
}

fn name(text: &str) -> DriverName {
    text.parse().unwrap()
}

/// Loads a component that registers `names`, and names what came of it.
fn load(service: &Service, names: &[&str]) -> Result<Vec<String>, String> {
    let loaded = service.load(factory(names).0, several(Origin::Component));
    loaded.map(|names| names.iter().map(ToString::to_string).collect()).map_err(|e| e.to_string())
}

/// Hears of drivers, and refuses some.
#[derive(Default)]
struct Listener {
    heard: Mutex<Vec<String>>,
    refuses: &'static str,
}

impl Listener {
    fn refusing(refuses: &'static str) -> Arc<Self> {
        Arc::new(Self { refuses, ..Self::default() })
    }

    fn look(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.heard))
    }
}

impl Subscriber for Listener {
    fn registered(
        &self,
        handle: Arc<dyn DriverHandle>,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        if handle.name().as_str() == self.refuses {
            return Err("its socket is taken".into());
        }
        lock(&self.heard).push(format!("+{}", handle.name()));
        Ok(())
    }

    fn unregistered(&self, name: &DriverName) {
        lock(&self.heard).push(format!("-{name}"));
    }
}

#[test]
fn a_component_with_one_name_is_served_by_the_instance_that_registered_it() {
    let (service, (factory, control)) = (service(), factory(&["lab"]));
    assert_eq!(service.load(factory, several(Origin::Component)).unwrap(), [name("lab")]);
    assert_eq!(control.look(), ["start"]);
    let handle = service.handle(&name("lab")).unwrap();
    assert_eq!((handle.name(), handle.capability()), (&name("lab"), REPLAYED));
    assert_eq!(
        (&*handle.address_spaces().local, &*handle.address_spaces().global),
        ("local", "global")
    );
    assert_eq!(service.drivers(), [(name("lab"), Origin::Component)]);
    assert!(service.handle(&name("other")).is_none());
}

#[test]
fn a_component_has_one_name_unless_the_operator_says_more() {
    let load = |names_max| {
        let options = LoadOptions { names_max, ..LoadOptions::new(Origin::Component) };
        service().load(factory(&["b", "a"]).0, options).map_err(|error| error.to_string())
    };
    // This one goes on with the name that it got.
    assert_eq!(load(1).unwrap(), [name("b")]);
    assert_eq!(load(2).unwrap(), [name("b"), name("a")]);
    let none = load(0).unwrap_err();
    let words = "it registers more names than limits.instance.names allows: 0";
    assert_eq!(none, format!("the driver could not register: {words}"));
}

#[test]
fn each_of_several_names_has_an_instance_and_a_ledger_of_its_own() {
    let (service, (factory, control)) = (service(), factory(&["b", "a"]));
    let loaded = service.load(factory, several(Origin::BuiltIn)).unwrap();
    assert_eq!(loaded, [name("b"), name("a")]);
    assert_eq!(control.look(), ["start", "start b", "start a"]);
    for one in ["a", "b"] {
        assert!(ask(&*service.handle(&name(one)).unwrap(), pool("10.0.0.0/24")).is_ok());
    }
    let origins = [(name("a"), Origin::BuiltIn), (name("b"), Origin::BuiltIn)];
    assert_eq!(service.drivers(), origins);
}

#[test]
fn a_name_that_is_held_cannot_be_taken() {
    let service = service();
    service.load(factory(&["default"]).0, several(Origin::BuiltIn)).unwrap();
    load(&service, &["lab"]).unwrap();
    let refused = |names: &[&str]| load(&service, names).unwrap_err();
    assert_eq!(
        refused(&["default"]),
        "the driver could not register: \
         ipam driver \"default\" already registered by a built-in driver"
    );
    assert_eq!(
        refused(&["lab"]),
        "the driver could not register: ipam driver \"lab\" already registered by another component"
    );
    assert_eq!(service.drivers().len(), 2);
}

#[test]
fn a_driver_without_a_name_is_not_loaded() {
    assert_eq!(load(&service(), &[]).unwrap_err(), "the driver started, but registered no name");
    let invalid = load(&service(), &["../../etc/passwd"]).unwrap_err();
    assert!(invalid.contains("a driver's name is 1 to 64"), "{invalid}");
}

#[test]
fn a_refused_name_costs_a_driver_only_that_name() {
    assert_eq!(load(&service(), &["plugin:latest", "lab"]).unwrap(), ["lab"]);
}

#[test]
fn the_operator_renames_the_one_name_of_a_component() {
    let service = service();
    service.load(factory(&["default"]).0, several(Origin::BuiltIn)).unwrap();
    let renamed = |names: &[&str], to: &str| {
        let (factory, control) = factory(names);
        let rename = Some(name(to));
        let options = LoadOptions { rename, ..several(Origin::Component) };
        let loaded = service.load(factory, options).map_err(|error| error.to_string());
        (loaded, control)
    };
    assert_eq!(renamed(&["default"], "mine").0, Ok(vec![name("mine")]));
    assert!(renamed(&["lab"], "default").0.is_err());
    assert!(renamed(&["lab"], "mine").0.is_err());
    assert_eq!(
        renamed(&["a", "b"], "c").0,
        Err("the driver cannot be renamed: it registers a, b".into())
    );
    // A new instance still calls itself what it always did.
    let (loaded, control) = renamed(&["lab"], "other");
    loaded.unwrap();
    let handle = service.handle(&name("other")).unwrap();
    control.twist(super::harness::Twist::Panic);
    assert!(ask(&*handle, pool("10.0.0.0/24")).is_err());
    assert!(ask(&*handle, pool("10.0.0.0/24")).is_ok());
}

#[test]
fn a_driver_that_does_not_start_is_not_loaded() {
    let (service, (factory, control)) = (service(), factory(&["lab"]));
    *lock(&control.start_fails) = Some(refusal());
    let error = service.load(factory, several(Origin::Component)).unwrap_err();
    assert_eq!(error.to_string(), "the driver did not start: Invalid Request");
    assert!(service.drivers().is_empty());
}

#[test]
fn subscribers_hear_of_every_driver_once_whenever_they_come() {
    let (service, early, late) = (service(), Listener::refusing(""), Listener::refusing(""));
    service.subscribe(early.clone()).unwrap();
    load(&service, &["a", "b"]).unwrap();
    service.subscribe(late.clone()).unwrap();
    load(&service, &["c"]).unwrap();
    for listener in [&early, &late] {
        assert_eq!(listener.look(), ["+a", "+b", "+c"]);
    }
    service.shutdown();
    assert_eq!(late.look(), ["-a", "-b", "-c"]);
    assert!(matches!(service.subscribe(late), Err(LoadError::ShutDown)));
    assert!(load(&service, &["d"]).is_err());
}

#[test]
fn a_subscribers_refusal_takes_back_the_whole_load() {
    let (service, first, second) = (service(), Listener::refusing(""), Listener::refusing("b"));
    service.subscribe(first.clone()).unwrap();
    service.subscribe(second.clone()).unwrap();
    let error = load(&service, &["a", "b", "c"]).unwrap_err();
    assert_eq!(error, "driver b cannot be served: its socket is taken");
    assert_eq!(first.look(), ["+a", "+b", "-b", "-a"]);
    assert_eq!(second.look(), ["+a", "-a"]);
    assert!(service.drivers().is_empty());
    assert_eq!(load(&service, &["a"]).unwrap(), ["a"], "its name is free again");
}

#[test]
fn a_late_subscriber_that_refuses_is_not_subscribed() {
    let (service, listener) = (service(), Listener::refusing("b"));
    load(&service, &["a", "b"]).unwrap();
    let error = service.subscribe(listener.clone()).unwrap_err();
    assert_eq!(error.to_string(), "driver b cannot be served: its socket is taken");
    load(&service, &["c"]).unwrap();
    assert_eq!(listener.look(), ["+a", "-a"]);
}

#[test]
fn a_driver_loaded_again_is_shown_what_it_had_granted() {
    let (service, refuses) = (service(), Listener::refusing("gate"));
    let (factory, control) = factory(&["lab"]);
    lock(&control.registers).push(("gate".to_owned(), Capability::default()));
    /// Uses the driver before somebody else refuses it.
    struct Eager;
    impl Subscriber for Eager {
        fn registered(
            &self,
            handle: Arc<dyn DriverHandle>,
        ) -> Result<(), Box<dyn Error + Send + Sync>> {
            ask(&*handle, pool("10.0.0.0/24"))?;
            Ok(())
        }

        fn unregistered(&self, _: &DriverName) {}
    }
    service.subscribe(Arc::new(Eager)).unwrap();
    service.subscribe(refuses).unwrap();
    assert!(service.load(factory.clone(), several(Origin::Component)).is_err());
    lock(&control.registers).truncate(1);
    control.look();
    drop(service.load(factory, several(Origin::Component)));
    assert_eq!(control.look()[..2], ["start", "pool 10.0.0.0/24 again"]);
}
