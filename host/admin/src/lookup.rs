//! What the service and the ledger know, as answers need it.

use crate::{
    host::Host,
    out::{Out, Stop},
    rows, wire,
};
use ipam_api::{DriverName, PoolId, with_causes};
use ipam_ledger::{Pool, State, StoreError, View};
use ipam_service::Service;
use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

/// What answers are made from: the service, and the program around it.
pub(crate) struct Answers {
    pub(crate) service: Arc<Service>,
    pub(crate) host: Arc<dyn Host>,
}

impl Answers {
    /// How long an operator waits for a driver.
    pub(crate) fn patience(&self) -> Duration {
        self.service.limits().operator_patience
    }

    /// Who holds an address, in each pool that has it: a lease, or a gateway that
    /// came with its pool.
    pub(crate) fn rows_at(
        &self,
        name: &DriverName,
        address: IpAddr,
    ) -> Result<Vec<wire::Address>, Stop> {
        let of = name.clone();
        let loaded = self.loaded(name);
        self.with_state(name, move |state| {
            let around = state.pools().filter(|pool| pool.prefix.contains(&address));
            let own = |pool: &Arc<Pool>| match state.lease(&pool.pool_id, address) {
                Some(lease) if lease.pool_id == pool.pool_id => Some(wire::Address {
                    stale: Some(state.is_stale(lease, loaded)),
                    ..rows::address(&of, lease)
                }),
                Some(_) => None,
                None => rows::gateway(&of, pool).filter(|row| row.address.addr() == address),
            };
            let mut rows: Vec<_> = around.filter_map(own).collect();
            rows.sort_by_key(|row| row.generation);
            rows
        })
    }

    pub(crate) fn view(&self) -> Result<Box<dyn View>, Stop> {
        Ok(self.service.view().map_err(|error| with_causes(&error))?)
    }

    /// Looks at a driver's part of the ledger, whether it is loaded or not.
    pub(crate) fn with_state<T: Send + 'static>(
        &self,
        name: &DriverName,
        look: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Result<T, Stop> {
        if self.service.handle(name).is_none() {
            let state = self.view()?.load(name).map_err(|error| with_causes(&error))?;
            return Ok(look(&state));
        }
        let seen = self.service.look(name, look);
        seen.ok_or_else(|| Stop::Error(format!("{name}: it is busy; see `wipam drivers`")))
    }

    /// The generation at which this process read a driver's part of the ledger.
    /// For a driver that is not loaded it is the largest: everything is stale.
    pub(crate) fn loaded(&self, name: &DriverName) -> u64 {
        self.service.loaded(name).unwrap_or(u64::MAX)
    }

    /// The ids of a driver's pools in order of grant, or just the wanted one.
    pub(crate) fn pool_ids(
        &self,
        name: &DriverName,
        wanted: Option<&PoolId>,
    ) -> Result<Vec<PoolId>, Stop> {
        if let Some(wanted) = wanted {
            return Ok(vec![wanted.clone()]);
        }
        self.with_state(name, |state| {
            let mut pools: Vec<_> =
                state.pools().map(|pool| (pool.generation, pool.pool_id.clone())).collect();
            pools.sort();
            pools.into_iter().map(|(_, pool_id)| pool_id).collect()
        })
    }

    /// The names of all drivers that serve or have entries in the ledger, sorted;
    /// or just the wanted one.
    ///
    /// Those that serve are known without the ledger, which need not be
    /// readable now.
    pub(crate) fn drivers_named(
        &self,
        wanted: Option<&str>,
        out: &mut impl Out,
    ) -> Result<Vec<DriverName>, Stop> {
        let wanted = wanted.map(name).transpose()?;
        if let Some(wanted) = &wanted
            && self.service.handle(wanted).is_some()
        {
            return Ok(vec![wanted.clone()]);
        }
        let mut names: BTreeSet<DriverName> =
            self.service.drivers().into_iter().map(|(name, _)| name).collect();
        names.extend(self.absent(out, |_, _| Ok(()))?.into_iter().map(|(name, ())| name));
        let Some(wanted) = wanted else { return Ok(names.into_iter().collect()) };
        if !names.contains(&wanted) {
            let all: Vec<&str> = names.iter().map(DriverName::as_str).collect();
            return Err(Stop::Error(format!("no driver {wanted}; there are: {}", all.join(", "))));
        }
        Ok(vec![wanted])
    }

    /// Reads what the ledger has of each driver that does not serve. If the ledger
    /// cannot be read, a note says so, and there are none.
    pub(crate) fn absent<T>(
        &self,
        out: &mut impl Out,
        read: impl Fn(&dyn View, &DriverName) -> Result<T, StoreError>,
    ) -> Result<Vec<(DriverName, T)>, Stop> {
        let view = match self.service.view() {
            Ok(view) => view,
            Err(error) => {
                let error = with_causes(&error);
                out.note(format!("drivers that are not loaded are missing here: {error}"));
                return Ok(Vec::new());
            }
        };
        let stored = view.drivers().map_err(|error| with_causes(&error))?;
        let absent = stored.into_iter().filter(|name| self.service.handle(name).is_none());
        let of = |name: DriverName| Ok((name.clone(), read(&*view, &name)?));
        let read: Result<Vec<_>, StoreError> = absent.map(of).collect();
        Ok(read.map_err(|error| with_causes(&error))?)
    }
}

/// A driver's name, as a question has it.
pub(crate) fn name(text: &str) -> Result<DriverName, Stop> {
    text.parse().map_err(|error| Stop::Error(format!("{text:?}: {error}")))
}
