//! Short ways to load, start and ask.

use ipam_api::{
    AddressRequest, Callback, Capability, Driver, Error, Factory, Failure, Family, PoolChoice,
    PoolId, PoolRequest, Start,
};
use ipam_runtime::{Component, Limits, Runtime};
use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(None).unwrap())
}

/// Takes any name.
pub(crate) struct AnyName;

impl Callback for AnyName {
    fn register_ipam_driver_with_capabilities(
        &mut self,
        name: &str,
        _: Capability,
    ) -> Result<(), Error> {
        assert!(name.len() <= Limits::default().answer.name_bytes, "{} bytes", name.len());
        Ok(())
    }
}

pub(crate) fn any_start() -> Start {
    Start { name: None, config: "{}".to_owned(), stored: Arc::default() }
}

pub(crate) fn load(component: &[u8], limits: Limits) -> Component {
    runtime().load("guest", component, limits).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn make(component: &Component) -> Result<Box<dyn Driver>, Failure> {
    component.make(&any_start(), Box::new(AnyName))
}

pub(crate) fn start(component: &[u8], limits: Limits) -> Result<Box<dyn Driver>, Failure> {
    make(&load(component, limits))
}

pub(crate) fn started(component: &[u8], limits: Limits) -> Box<dyn Driver> {
    start(component, limits).unwrap_or_else(|failure| panic!("{failure}"))
}

pub(crate) fn any_pool() -> PoolRequest {
    PoolRequest::new("l", PoolChoice::Automatic(Family::Ipv4))
}

pub(crate) fn any_address() -> AddressRequest {
    AddressRequest::any(PoolId::try_from("p").unwrap())
}

/// What the operator is told; the caller hears of an internal error.
#[track_caller]
pub(crate) fn reason<T>(answer: Result<T, Failure>) -> String {
    let Err(failure) = answer else { panic!("it was let off") };
    assert_eq!(failure.contract().to_string(), "IPAM Internal Error");
    let Failure::Broken { reason } = failure else { panic!("{failure} is no failure") };
    reason
}

/// What is logged meanwhile, on this thread.
pub(crate) fn overhear(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Ear(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Ear {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let ear = Ear::default();
    let writer = ear.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, work);
    let heard = ear.0.lock().unwrap().clone();
    String::from_utf8(heard).unwrap()
}
