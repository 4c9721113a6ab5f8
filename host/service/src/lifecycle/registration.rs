//! What a driver registers while it starts.

use crate::sync::lock;
use ipam_api::{Callback, Capability, Code, DriverName, Error, InvalidDriverName, Kind};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// What one start registered.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    /// In order of registration.
    pub(crate) names: Vec<(DriverName, Capability)>,
    /// The first registration that was refused.
    pub(crate) refusal: Option<Error>,
    /// How many were refused: a driver may keep trying, but not fill the log.
    refusals: usize,
}

/// Where a driver came from. The host knows; it does not ask the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Part of the host: nobody can take its name.
    BuiltIn,
    /// The operator's.
    Component,
}

/// Who has a name that a driver cannot register.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NameHolder {
    /// A driver in service.
    Driver(Origin),
    /// A driver that the operator or this program gave it to.
    Reserved,
}

/// The host's side of `callback`. It only records, because the driver that calls
/// it cannot answer requests yet.
pub(crate) struct Recorder {
    registered: Arc<Mutex<Registrations>>,
    taken: BTreeMap<DriverName, NameHolder>,
    names_max: usize,
}

impl Recorder {
    /// A recorder that refuses the names in `taken`, and where it records.
    pub(crate) fn new(
        taken: BTreeMap<DriverName, NameHolder>,
        names_max: usize,
    ) -> (Box<Self>, Arc<Mutex<Registrations>>) {
        let registered = Arc::<Mutex<Registrations>>::default();
        (Box::new(Self { registered: registered.clone(), taken, names_max }), registered)
    }
}

impl Callback for Recorder {
    fn register_ipam_driver_with_capabilities(
        &mut self,
        name: &str,
        capability: Capability,
    ) -> Result<(), Error> {
        let mut registered = lock(&self.registered);
        let accepted = accept(name, &registered, &self.taken, self.names_max);
        match accepted {
            Ok(name) => {
                registered.names.push((name, capability));
                Ok(())
            }
            Err(refusal) => {
                if registered.refusals < self.names_max {
                    tracing::warn!(name, %refusal, "a driver's registration is refused");
                }
                registered.refusals += 1;
                registered.refusal.get_or_insert_with(|| refusal.clone());
                Err(refusal)
            }
        }
    }
}

fn accept(
    name: &str,
    registered: &Registrations,
    taken: &BTreeMap<DriverName, NameHolder>,
    names_max: usize,
) -> Result<DriverName, Error> {
    let invalid = |text: String| Error::new(Code::InvalidRequest, text);
    let name: DriverName =
        name.parse().map_err(|error: InvalidDriverName| invalid(error.to_string()))?;
    if registered.names.iter().any(|(earlier, _)| *earlier == name) {
        return Err(invalid(format!("ipam driver \"{name}\" is registered twice")));
    }
    if registered.names.len() >= names_max {
        return Err(invalid(format!(
            "it registers more names than limits.instance.names allows: {names_max}"
        )));
    }
    match taken.get(&name) {
        None => Ok(name),
        Some(NameHolder::Driver(origin)) => Err(name_taken(&name, *origin)),
        Some(NameHolder::Reserved) => Err(name_reserved(&name)),
    }
}

/// The refusal of a name that only the operator gives.
fn name_reserved(name: &DriverName) -> Error {
    let text = format!(
        "ipam driver \"{name}\" is a name that no file takes by itself; give the file one: \
         name = \"NAME\" in its table, or --driver NAME=FILE"
    );
    Error::other(Kind::Forbidden, text)
}

/// The refusal of a name that a driver has, in the words of libnetwork.
pub(crate) fn name_taken(name: &DriverName, origin: Origin) -> Error {
    let holder = match origin {
        Origin::BuiltIn => "a built-in driver",
        Origin::Component => "another component",
    };
    Error::other(Kind::Forbidden, format!("ipam driver \"{name}\" already registered by {holder}"))
}

#[cfg(test)]
mod tests {
    use super::{NameHolder, Origin, Recorder};
    use crate::sync::lock;
    use ipam_api::{Callback, Capability};
    use std::collections::BTreeMap;

    #[track_caller]
    fn check(names: &[&str], want: &[bool]) {
        let taken = BTreeMap::from([
            ("default".parse().unwrap(), NameHolder::Driver(Origin::BuiltIn)),
            ("lab".parse().unwrap(), NameHolder::Driver(Origin::Component)),
            ("wipam".parse().unwrap(), NameHolder::Reserved),
        ]);
        let (mut recorder, registered) = Recorder::new(taken, 2);
        let got: Vec<bool> = names
            .iter()
            .map(|name| {
                recorder.register_ipam_driver_with_capabilities(name, Capability::default()).is_ok()
            })
            .collect();
        assert_eq!(got, want, "{names:?}");
        let accepted = got.iter().filter(|is_accepted| **is_accepted).count();
        assert_eq!(lock(&registered).names.len(), accepted);
    }

    #[test]
    fn names_must_be_names_and_free() {
        let names = ["a", "../b", "", "default", "lab", "wipam"];
        check(&names, &[true, false, false, false, false, false]);
    }

    #[test]
    fn a_name_is_registered_once() {
        check(&["a", "a"], &[true, false]);
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        check(&["a", "b", "c"], &[true, true, false]);
    }
}
