//! Runs the conformance suite: a command component that imports a driver.
//!
//! In: the suite, its arguments, and a [`Subject`] that answers what it asks.
//! Out: the lines that it prints, and how it ended. The driver under test is
//! any [`Driver`]: a component in a store of its own and within its limits, or
//! native code. A driver that breaks ends the run, since a command cannot be
//! told of it; whoever runs the suite goes on behind that promise.

use crate::{
    LoadError, Runtime,
    bindings::{
        asking::{ipam, lifecycle},
        types,
    },
    convert,
    lines::Lines,
};
use ipam_api::{
    AddressRequest, Driver, DriverName, Failure, Family, IpNet, PoolChoice, PoolId, PoolRequest,
    text::bounded,
};
use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
};
use wasmtime::{
    Store,
    component::{Component, HasSelf, Linker, ResourceTable},
};
use wasmtime_wasi::{
    I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, p2::bindings::sync::CommandPre,
};

/// The longest line of its output that is told in one piece.
const LINE_MAX_BYTES: usize = 1 << 20;
/// How much is said of why it broke, in bytes.
const WORDS_BYTES: usize = 64 << 10;

/// Whom the suite asks.
pub trait Subject: Driver {
    /// Makes the instance that is asked from here on.
    ///
    /// # Errors
    /// As [`ipam_api::Factory::make`].
    fn start(&mut self, name: Option<&DriverName>, config: &str) -> Result<(), Failure>;
}

/// The suite, compiled. One for any number of runs.
pub struct Suite {
    runtime: Runtime,
    pre: CommandPre<State>,
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite").finish_non_exhaustive()
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SuiteEnd {
    /// The suite came to its end, and says whether all was well.
    Judged(bool),
    /// The driver broke, or the suite did: why.
    Broke(String),
}

impl Runtime {
    /// Compiles the suite, a component that is not a stranger's.
    ///
    /// # Errors
    /// When it is no such command.
    pub fn suite(&self, bytes: &[u8]) -> Result<Suite, LoadError> {
        let invalid = |error: wasmtime::Error| LoadError::Invalid(format!("{error:#}"));
        let mismatch = |error: wasmtime::Error| LoadError::Mismatch(format!("{error:#}"));
        let component = Component::from_binary(self.engine(), bytes).map_err(invalid)?;
        let mut linker = Linker::<State>::new(self.engine());
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker).map_err(invalid)?;
        ipam::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(invalid)?;
        lifecycle::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)
            .map_err(invalid)?;
        let pre = linker.instantiate_pre(&component).map_err(mismatch)?;
        Ok(Suite { runtime: self.clone(), pre: CommandPre::new(pre).map_err(mismatch)? })
    }
}

impl Suite {
    /// Runs it, on a plain thread; `tell` is told each line of its output.
    pub fn run(
        &self,
        arguments: &[String],
        subject: Box<dyn Subject>,
        tell: impl FnMut(&str) + Send + 'static,
    ) -> SuiteEnd {
        let tell = Mutex::new(tell);
        let lines = Lines::new(LINE_MAX_BYTES, move |line| {
            tell.lock().unwrap_or_else(PoisonError::into_inner)(line);
        });
        let mut wasi = WasiCtxBuilder::new();
        wasi.arg("conformance").args(arguments).allow_tcp(false).allow_udp(false).stdout(lines);
        let state = State { subject, wasi: wasi.build(), table: ResourceTable::new() };
        let mut store = Store::new(self.runtime.engine(), state);
        // It ends by itself; the driver's calls have deadlines of their own.
        store.set_epoch_deadline(u64::MAX / 2);
        let ran = self
            .pre
            .instantiate(&mut store)
            .and_then(|command| command.wasi_cli_run().call_run(&mut store));
        match ran {
            Ok(Ok(())) => SuiteEnd::Judged(true),
            Ok(Err(())) => SuiteEnd::Judged(false),
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(code)) => SuiteEnd::Judged(*code == 0),
                None => SuiteEnd::Broke(bounded(WORDS_BYTES, error.root_cause())),
            },
        }
    }
}

struct State {
    subject: Box<dyn Subject>,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// A refusal goes to the suite, anything else ends the run.
fn answer<T>(result: Result<T, Failure>) -> wasmtime::Result<Result<T, types::Error>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Refused(error)) => Ok(Err(convert::error_to_guest(&error))),
        Err(Failure::Broken { reason }) => Err(wasmtime::Error::msg(reason)),
    }
}

fn id(text: &str) -> wasmtime::Result<PoolId> {
    PoolId::try_from(text).map_err(|error| wasmtime::Error::msg(error.to_string()))
}

fn address(address: types::IpAddress) -> wasmtime::Result<IpAddr> {
    convert::address(address).map_err(wasmtime::Error::msg)
}

fn prefix(prefix: types::Prefix) -> wasmtime::Result<IpNet> {
    convert::prefix(prefix).map_err(wasmtime::Error::msg)
}

fn family(family: types::Family) -> Family {
    match family {
        types::Family::Ipv4 => Family::Ipv4,
        types::Family::Ipv6 => Family::Ipv6,
    }
}

impl lifecycle::Host for State {
    fn start(
        &mut self,
        request: lifecycle::StartRequest,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        let name = request.name.map(|name| name.parse::<DriverName>()).transpose();
        let name = name.map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        answer(self.subject.start(name.as_ref(), &request.config))
    }
}

impl ipam::Host for State {
    fn get_default_address_spaces(
        &mut self,
    ) -> wasmtime::Result<Result<ipam::AddressSpaces, types::Error>> {
        let spaces = self.subject.default_address_spaces();
        answer(
            spaces.map(|spaces| ipam::AddressSpaces { local: spaces.local, global: spaces.global }),
        )
    }

    fn request_pool(
        &mut self,
        request: ipam::PoolRequest,
    ) -> wasmtime::Result<Result<ipam::PoolGrant, types::Error>> {
        let ipam::PoolRequest { address_space, pool, sub_pool, options, exclude } = request;
        let request = PoolRequest {
            address_space,
            pool: match pool {
                ipam::PoolChoice::Automatic(of) => PoolChoice::Automatic(family(of)),
                ipam::PoolChoice::Sized((of, length)) => PoolChoice::Sized(family(of), length),
                ipam::PoolChoice::Exact(exact) => PoolChoice::Exact(prefix(exact)?),
            },
            sub_pool: sub_pool.map(prefix).transpose()?,
            options: options.into_iter().collect(),
            exclude: exclude.into_iter().map(prefix).collect::<wasmtime::Result<_>>()?,
        };
        answer(self.subject.request_pool(&request).map(|grant| ipam::PoolGrant {
            pool_id: grant.pool_id.as_str().to_owned(),
            pool: convert::prefix_to_guest(grant.pool),
            data: convert::options_to_guest(&grant.data),
        }))
    }

    fn release_pool(&mut self, pool_id: String) -> wasmtime::Result<Result<(), types::Error>> {
        answer(self.subject.release_pool(&id(&pool_id)?))
    }

    fn request_address(
        &mut self,
        pool_id: String,
        wanted: Option<types::IpAddress>,
        options: types::Options,
    ) -> wasmtime::Result<Result<ipam::AddressGrant, types::Error>> {
        let request = AddressRequest {
            pool_id: id(&pool_id)?,
            address: wanted.map(address).transpose()?,
            options: options.into_iter().collect(),
        };
        answer(self.subject.request_address(&request).map(|grant| ipam::AddressGrant {
            address: grant.address.map(|leased| types::InterfaceAddress {
                address: convert::address_to_guest(leased.addr()),
                prefix_length: leased.prefix_len(),
            }),
            data: convert::options_to_guest(&grant.data),
        }))
    }

    fn release_address(
        &mut self,
        pool_id: String,
        released: types::IpAddress,
    ) -> wasmtime::Result<Result<(), types::Error>> {
        answer(self.subject.release_address(&id(&pool_id)?, address(released)?))
    }

    fn is_built_in(&mut self) -> wasmtime::Result<bool> {
        self.subject.is_built_in().map_err(|failure| wasmtime::Error::msg(failure.to_string()))
    }
}
