//! One instance of a component, as a driver.

use crate::{
    Component,
    bindings::{ipam, records, status, types},
    convert::{self, Broken, record},
    halt,
    http::Http,
    imports::State,
    log::Log,
    quota::Quota,
    report::Report,
    store::Overlay,
};
use ipam_api::{
    AddressGrant, AddressRequest, AddressSpaces, Callback, Driver, Failure, HeldRecord, PoolGrant,
    PoolId, PoolRequest, PoolStatus, RecordPage, Start, Writes,
};
use std::{
    fmt::{self, Display},
    net::IpAddr,
    time::SystemTime,
};
use wasmtime::Store;

/// An instance that has started. Its store dies with it.
pub(crate) struct Instance {
    component: Component,
    store: Store<State>,
    ipam: ipam::Guest,
    status: Option<status::Guest>,
    records: Option<records::Guest>,
    /// The first failure, which is told again instead of a call: a trap poisons
    /// the whole store, and a driver that broke the contract remembers something
    /// that is not so.
    failed: Option<String>,
}

impl Instance {
    pub(crate) fn start(
        component: &Component,
        start: &Start,
        callback: Box<dyn Callback>,
    ) -> Result<Self, Failure> {
        let limits = &component.limits;
        let driver = start.name.as_ref().map_or(&*component.label, |name| name.as_str());
        let log = Log::new(driver.into(), limits, component.log_budget.clone());
        let grants = &component.grants;
        let handles = Http::handles(grants, limits);
        let quota = Quota::new(&component.allowance, limits, component.host_bytes);
        let quota = quota.map_err(|why| Failure::broken(format!("{why}; in start()")))?;
        let overlay = Overlay::new(&start.stored, grants.store, limits.call.hostcall_fuel);
        let state = State::new(log.clone(), limits, grants, overlay, quota, &component.halt);
        let mut store = Store::new(component.pre.engine(), state);
        store.limiter(|state| &mut state.quota);
        store.set_max_component_handles(handles);
        store.set_hostcall_fuel(limits.call.hostcall_fuel);
        halt::watch(&mut store, component.halt.clone(), |state| &mut state.left);
        halt::begin(&mut store, component.start_ticks, |state| &mut state.left);
        store.data_mut().begin(limits.instance.start_time);
        // Not its configuration: that may hold secrets.
        let name = fmt::from_fn(|to| start.name.iter().try_for_each(|name| write!(to, "{name:?}")));
        let report =
            Report { call: "start", time: limits.instance.start_time, request: &name, limits };
        let failed = |error: wasmtime::Error| report.trap(&error, log.cause());

        let instance = component.pre.instantiate(&mut store).map_err(failed)?;
        let lifecycle = component.lifecycle.load(&mut store, &instance).map_err(failed)?;
        let ipam = component.ipam.load(&mut store, &instance).map_err(failed)?;
        let status = component.status.as_ref().map(|indices| indices.load(&mut store, &instance));
        let status = status.transpose().map_err(failed)?;
        let records = component.records.as_ref().map(|indices| indices.load(&mut store, &instance));
        let records = records.transpose().map_err(failed)?;

        let request = crate::bindings::lifecycle::StartRequest {
            name: start.name.as_ref().map(|name| name.as_str().to_owned()),
            config: start.config.clone(),
        };
        store.data_mut().callback = Some(callback);
        let started = lifecycle.call_start(&mut store, &request);
        store.data_mut().callback = None;
        match started.map_err(failed)? {
            Ok(()) => {
                let component = component.clone();
                Ok(Self { component, store, ipam, status, records, failed: None })
            }
            Err(refusal) => Err(convert::error(refusal, &component.limits).into()),
        }
    }

    /// Makes one call that may write to the driver's store.
    fn writing_call<T, U>(
        &mut self,
        function: &'static str,
        request: &dyn Display,
        call: impl FnOnce(&ipam::Guest, &mut Store<State>) -> wasmtime::Result<Result<T, types::Error>>,
        convert: impl FnOnce(T, &crate::Limits) -> Result<U, Broken>,
    ) -> Result<U, Failure> {
        self.store.data_mut().overlay.open();
        self.call(function, request, call, convert)
    }

    /// Makes one call, and converts what it answers.
    fn call<T, U>(
        &mut self,
        function: &'static str,
        request: &dyn Display,
        call: impl FnOnce(&ipam::Guest, &mut Store<State>) -> wasmtime::Result<Result<T, types::Error>>,
        convert: impl FnOnce(T, &crate::Limits) -> Result<U, Broken>,
    ) -> Result<U, Failure> {
        if let Some(reason) = &self.failed {
            return Err(Failure::broken(reason));
        }
        if self.component.halt.is_set() {
            let reason = format!("{function} was called when the host ended");
            return Err(Failure::broken(self.failed.insert(reason)));
        }
        let limits = &self.component.limits;
        halt::begin(&mut self.store, self.component.call_ticks, |state| &mut state.left);
        self.store.data_mut().begin(limits.call.time);
        let report = Report { call: function, time: limits.call.time, request, limits };
        let answer = match call(&self.ipam, &mut self.store) {
            Ok(Ok(value)) => convert(value, limits).map_err(|rule| report.violation(&rule)),
            Ok(Err(refusal)) => Err(convert::error(refusal, limits).into()),
            Err(trap) => Err(report.trap(&trap, self.store.data().cause())),
        };
        self.store.data_mut().overlay.close(answer.is_ok());
        if let Err(Failure::Broken { reason }) = &answer {
            self.failed = Some(reason.clone());
        }
        answer
    }
}

fn nothing<T>(value: T, _: &crate::Limits) -> Result<T, Broken> {
    Ok(value)
}

impl Driver for Instance {
    fn begin(&mut self, at: SystemTime) {
        self.store.data().clock.set(at);
    }

    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Failure> {
        self.call(
            "get-default-address-spaces",
            &"",
            |ipam, store| ipam.call_get_default_address_spaces(store),
            convert::address_spaces,
        )
    }

    fn request_pool(&mut self, request: &PoolRequest) -> Result<PoolGrant, Failure> {
        let told = convert::pool_request_to_guest(request);
        self.writing_call(
            "request-pool",
            request,
            |ipam, store| ipam.call_request_pool(store, &told),
            convert::pool_grant,
        )
    }

    fn release_pool(&mut self, pool_id: &PoolId) -> Result<(), Failure> {
        self.writing_call(
            "release-pool",
            &format_args!("{pool_id:?}"),
            |ipam, store| ipam.call_release_pool(store, pool_id.as_str()),
            nothing,
        )
    }

    fn request_address(&mut self, request: &AddressRequest) -> Result<AddressGrant, Failure> {
        let address = request.address.map(convert::address_to_guest);
        let options = convert::options_to_guest(&request.options);
        let id = request.pool_id.as_str();
        self.writing_call(
            "request-address",
            request,
            |ipam, store| ipam.call_request_address(store, id, address, &options),
            convert::address_grant,
        )
    }

    fn release_address(&mut self, pool_id: &PoolId, address: IpAddr) -> Result<(), Failure> {
        let told = convert::address_to_guest(address);
        self.writing_call(
            "release-address",
            &format_args!("{pool_id:?}, {address}"),
            |ipam, store| ipam.call_release_address(store, pool_id.as_str(), told),
            nothing,
        )
    }

    fn take_writes(&mut self) -> Writes {
        self.store.data_mut().overlay.take()
    }

    fn is_built_in(&mut self) -> Result<bool, Failure> {
        self.call("is-built-in", &"", |ipam, store| ipam.call_is_built_in(store).map(Ok), nothing)
    }

    fn memory_bytes(&self) -> Option<u64> {
        u64::try_from(self.store.data().quota.memory_bytes()).ok()
    }

    fn pool_status(&mut self, pool_id: &PoolId) -> Option<Result<PoolStatus, Failure>> {
        let status = self.status.take()?;
        let answer = self.call(
            "pool-status",
            &format_args!("{pool_id:?}"),
            |_, store| status.call_pool_status(store, pool_id.as_str()),
            |answer, _| Ok(convert::pool_status(answer)),
        );
        self.status = Some(status);
        Some(answer)
    }

    fn list_records(
        &mut self,
        cursor: Option<&str>,
        limit: u32,
    ) -> Option<Result<RecordPage, Failure>> {
        let records = self.records.take()?;
        let answer = self.call(
            "list-records",
            &fmt::from_fn(|to| match cursor {
                Some(cursor) => write!(to, "{cursor:?}, {limit}"),
                None => write!(to, "none, {limit}"),
            }),
            |_, store| records.call_list_records(store, cursor, limit),
            |page, limits| record::page(page, cursor, limit, limits),
        );
        self.records = Some(records);
        Some(answer)
    }

    fn has_record(
        &mut self,
        pool_id: &PoolId,
        address: Option<IpAddr>,
    ) -> Option<Result<bool, Failure>> {
        let records = self.records.take()?;
        let told = address.map(convert::address_to_guest);
        let answer = self.call(
            "has-record",
            &fmt::from_fn(|to| match address {
                Some(address) => write!(to, "{pool_id:?}, {address}"),
                None => write!(to, "{pool_id:?}, itself"),
            }),
            |_, store| records.call_has_record(store, pool_id.as_str(), told),
            nothing,
        );
        self.records = Some(records);
        Some(answer)
    }

    fn remove_record(&mut self, record: &HeldRecord) -> Option<Result<bool, Failure>> {
        let records = self.records.take()?;
        let told = record::to_guest(record);
        let answer = self.call(
            "remove-record",
            &format_args!("{:?}, {}", record.id.as_str(), record.pool),
            |_, store| records.call_remove_record(store, &told),
            nothing,
        );
        self.records = Some(records);
        Some(answer)
    }
}
