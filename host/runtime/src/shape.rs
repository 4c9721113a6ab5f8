//! Whether a component's functions have the types of the contract.
//!
//! In: a component that is linked. Out: nothing, or the first function that
//! takes or answers something else. The generated bindings look only when an
//! instance starts, and do not say which function it is.

use crate::{
    bindings::{ipam, lifecycle, records, status, types},
    imports::State,
};
use wasmtime::{
    component::{
        ComponentNamedList, InstancePre, Lift, Lower,
        types::{ComponentFunc, ComponentItem},
    },
    error::Context as _,
};

type Answer<T> = (Result<T, types::Error>,);
type Address = Option<types::IpAddress>;

/// # Errors
/// The function, and where its types differ.
pub(crate) fn check(pre: &InstancePre<State>) -> wasmtime::Result<()> {
    let of = |interface| Interface { pre, interface };
    let it = of("ipam:driver/lifecycle@0.1.0");
    it.has::<(&lifecycle::StartRequest,), Answer<()>>("start")?;
    let it = of("ipam:driver/ipam@0.1.0");
    it.has::<(), Answer<ipam::AddressSpaces>>("get-default-address-spaces")?;
    it.has::<(&ipam::PoolRequest,), Answer<ipam::PoolGrant>>("request-pool")?;
    it.has::<(&str,), Answer<()>>("release-pool")?;
    it.has::<(&str, Address, &types::Options), Answer<ipam::AddressGrant>>("request-address")?;
    it.has::<(&str, types::IpAddress), Answer<()>>("release-address")?;
    it.has::<(), (bool,)>("is-built-in")?;
    let it = of("ipam:driver/status@0.1.0");
    if it.is_exported() {
        it.has::<(&str,), Answer<status::SubnetStatus>>("pool-status")?;
    }
    let it = of("ipam:driver/records@0.1.0");
    if it.is_exported() {
        it.has::<(Option<&str>, u32), Answer<records::RecordPage>>("list-records")?;
        it.has::<(&str, Address), Answer<bool>>("has-record")?;
        it.has::<(&records::HeldRecord,), Answer<bool>>("remove-record")?;
    }
    Ok(())
}

struct Interface<'a> {
    pre: &'a InstancePre<State>,
    interface: &'static str,
}

impl Interface<'_> {
    fn is_exported(&self) -> bool {
        self.pre.component().get_export_index(None, self.interface).is_some()
    }

    fn function(&self, name: &str) -> Option<ComponentFunc> {
        let component = self.pre.component();
        let interface = component.get_export_index(None, self.interface)?;
        let (item, _) = component.get_export(Some(&interface), name)?;
        if let ComponentItem::ComponentFunc(function) = item { Some(function) } else { None }
    }

    fn has<P, A>(&self, name: &str) -> wasmtime::Result<()>
    where
        P: ComponentNamedList + Lower,
        A: ComponentNamedList + Lift,
    {
        let function = self.function(name);
        let function =
            function.ok_or_else(|| wasmtime::format_err!("{} has no {name}", self.interface))?;
        function.typecheck::<P, A>(&self.pre.instance_type()).with_context(|| name.to_owned())
    }
}
