//! A driver that asks by HTTP, and short ways to have it do so.

use ipam_api::{Driver, Factory as _, Failure, Family, Options, PoolChoice, PoolRequest, Start};
use ipam_runtime::{CallLimits, Component, Grants, Limits, LoadError, Runtime};
use ipam_tests::golden::AnyName;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

pub(crate) fn load(limits: Limits, granted: &[&str]) -> Result<Component, LoadError> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Runtime::new(None).unwrap());
    let program = PROGRAM.get_or_init(|| ipam_tests::programs::component("http"));
    let http = granted.iter().map(|prefix| prefix.parse().unwrap()).collect();
    runtime.load_granted("http", program, limits, &Grants { http, ..Grants::default() })
}

/// The driver, started.
pub(crate) struct Asker(Box<dyn Driver>);

impl Asker {
    /// With a call's time that is short enough to wait for.
    pub(crate) fn new(granted: &[&str]) -> Self {
        Self::with(quick(), granted)
    }

    pub(crate) fn with(limits: Limits, granted: &[&str]) -> Self {
        let component = load(limits, granted).unwrap_or_else(|error| panic!("{error}"));
        let start = Start { name: None, config: "{}".to_owned(), stored: Arc::default() };
        Self(component.make(&start, Box::new(AnyName)).unwrap())
    }

    /// What the driver has to say of its request, or why there is none more.
    pub(crate) fn ask(&mut self, options: &[(&str, &str)]) -> Result<Options, Failure> {
        let mut request = PoolRequest::new("zoo", PoolChoice::Automatic(Family::Ipv4));
        request.options =
            options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.0.request_pool(&request).map(|grant| grant.data)
    }

    /// The body of the answer to a GET.
    #[track_caller]
    pub(crate) fn get(&mut self, url: &str) -> String {
        let data = self.ask(&[("url", url)]).unwrap();
        data.get("body").cloned().unwrap_or_else(|| panic!("{url}: {data:?}"))
    }

    /// Why there was no answer.
    #[track_caller]
    pub(crate) fn error(&mut self, options: &[(&str, &str)]) -> String {
        let data = self.ask(options).unwrap();
        data.get("error").cloned().unwrap_or_else(|| panic!("{options:?}: {data:?}"))
    }
}

pub(crate) fn quick() -> Limits {
    Limits {
        call: CallLimits { time: Duration::from_secs(1), ..CallLimits::default() },
        ..Limits::default()
    }
}
