//! Questions, and how they are answered.

use crate::{
    drivers, history,
    host::Upgrade,
    lookup::{Answers, name},
    out::{Out, Stop},
    records, rows,
    wire::{self, Account, Ask},
};
use ipam_api::{
    Answer, Code, DriverName, Failure, Kind, PoolId, Receipt, Request, Server as Actor, with_causes,
};
use ipam_ledger::{Lease, State};
use ipam_service::{NotNow, ask_within};
use std::{net::IpAddr, path::Path, sync::Arc};

impl Answers {
    pub(crate) fn answer(&self, asked: Ask, out: &mut impl Out) -> Result<(), Stop> {
        match asked {
            Ask::Drivers => drivers::list(self, out),
            Ask::Pools { driver, pool, with_status } => {
                let pool = pool.map(|text| pool_id(&text)).transpose()?;
                self.pools(driver.as_deref(), pool.as_ref(), with_status, out)
            }
            Ask::Addresses { driver, pool, address } => {
                let pool = pool.map(|text| pool_id(&text)).transpose()?;
                self.addresses(driver.as_deref(), pool.as_ref(), address, out)
            }
            Ask::Release { driver, pool_id: pool, address, generation, as_of, by } => {
                let receipt = Receipt { pool_id: pool_id(&pool)?, address, generation };
                self.release(&driver, receipt, as_of, by, out)
            }
            Ask::Check { driver } => self.check(driver.as_deref(), out),
            Ask::Records { driver } => self.records(&driver, out),
            Ask::HasRecord { driver, pool_id: pool, address } => {
                self.has_record(&driver, pool_id(&pool)?, address, out)
            }
            Ask::RemoveRecord { driver, id, address_space, pool, address } => {
                let record = records::named(&id, address_space, pool, address)?;
                self.remove_record(&driver, record, out)
            }
            Ask::Backup { file } => self.backup(&file),
            Ask::History { address, driver, at } => {
                let drivers = self.drivers_named(driver.as_deref(), out)?;
                history::list(self, &drivers, address, at, out)
            }
            Ask::Reset { driver } => {
                let done = self.service.reset(&name(&driver)?);
                let done = done.map_err(|busy| format!("{driver}: {busy}"))?;
                let done = done.ok_or_else(|| format!("no driver {driver} is in service"))?;
                done.map_err(|it| Stop::Error(format!("{driver} still fails: {}", it.reason)))
            }
            Ask::Upgrade { driver, file, force } => {
                let file = file.as_deref().map(component).transpose()?;
                let Upgrade { upgraded, notes } =
                    self.host.upgrade(&name(&driver)?, file, force)?;
                notes.into_iter().for_each(|note| out.note(note));
                for upgraded in upgraded {
                    out.item(&wire::Upgraded {
                        driver: upgraded.name.to_string(),
                        from: upgraded.from.map(|digest| digest.to_string()),
                        to: upgraded.to.map(|digest| digest.to_string()),
                        replayed: upgraded.replayed,
                        followed: upgraded.followed,
                    })?;
                }
                Ok(())
            }
        }
    }

    fn pools(
        &self,
        driver: Option<&str>,
        wanted: Option<&PoolId>,
        with_status: bool,
        out: &mut impl Out,
    ) -> Result<(), Stop> {
        for name in self.drivers_named(driver, out)? {
            let mut has_status = with_status;
            let loaded = self.loaded(&name);
            for pool_id in self.pool_ids(&name, wanted)? {
                let (of, id) = (name.clone(), pool_id.clone());
                let row = self.with_state(&name, move |state| {
                    state.pool(&id).map(|pool| rows::pool(&of, pool, state, loaded))
                })?;
                // Released meanwhile.
                let Some(mut row) = row else { continue };
                if has_status {
                    match self.status(&name, pool_id) {
                        Ok(status) => row.status = status,
                        // The next pool would only wait as long again.
                        Err(failure) => {
                            has_status = false;
                            out.note(format!("{name} does not report its usage: {failure}"));
                        }
                    }
                }
                out.item(&row)?;
            }
        }
        Ok(())
    }

    fn status(&self, name: &DriverName, pool_id: PoolId) -> Result<Option<wire::Status>, Failure> {
        let Some(handle) = self.service.handle_for(name, Actor::Operator) else { return Ok(None) };
        let answer = ask_within(&*handle, Request::Status(pool_id), self.patience());
        match answer.unwrap_or_else(|| Err(Failure::broken(NotNow.to_string()))) {
            Ok(served) => Ok(match served.answer {
                Answer::Status(status) => Some(wire::Status {
                    ips_in_use: status.ips_in_use,
                    dynamic_ips_available: status.dynamic_ips_available,
                }),
                Answer::Pool(_) | Answer::Address(_) | Answer::Released | Answer::Records(_) => {
                    None
                }
            }),
            Err(Failure::Refused(refusal))
                if refusal.code() == Code::Other(Kind::NotImplemented)
                    || refusal.code() == Code::BadPool =>
            {
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }

    fn addresses(
        &self,
        driver: Option<&str>,
        wanted: Option<&PoolId>,
        address: Option<IpAddr>,
        out: &mut impl Out,
    ) -> Result<(), Stop> {
        for name in self.drivers_named(driver, out)? {
            let loaded = self.loaded(&name);
            let row = |(lease, is_stale): &(Arc<Lease>, bool)| wire::Address {
                stale: Some(*is_stale),
                ..rows::address(&name, lease)
            };
            if let Some(address) = address {
                let mut rows = self.rows_at(&name, address)?;
                rows.retain(|row| wanted.is_none_or(|id| row.pool_id == id.as_str()));
                rows.iter().try_for_each(|row| out.item(row))?;
                continue;
            }
            for id in self.pool_ids(&name, wanted)? {
                // Copied pointer by pointer: the driver serves on while they
                // are written.
                let look = move |state: &State| {
                    let pool = state.pool(&id).filter(|pool| state.gateway(pool).is_some());
                    let with_age =
                        |lease: &Arc<Lease>| (lease.clone(), state.is_stale(lease, loaded));
                    let leases: Vec<_> = state.leases_of(&id).map(with_age).collect();
                    (pool.cloned(), leases)
                };
                let (with_gateway, leases) = self.with_state(&name, look)?;
                let gateway = with_gateway.and_then(|pool| rows::gateway(&name, &pool));
                gateway.iter().try_for_each(|row| out.item(row))?;
                leases.iter().map(row).try_for_each(|row| out.item(&row))?;
            }
        }
        Ok(())
    }

    fn release(
        &self,
        driver: &str,
        receipt: Receipt,
        as_of: u64,
        by: Account,
        out: &mut impl Out,
    ) -> Result<(), Stop> {
        let by = match by {
            Account::Operator => Actor::Operator,
            Account::Reconciler => Actor::Reconciler,
        };
        let handle =
            self.service.handle_for(&name(driver)?, by).ok_or_else(|| not_loaded(driver))?;
        let (pool_id, address) = (receipt.pool_id.clone(), receipt.address);
        let request = Request::TakeBack { receipt, as_of };
        let answer = ask_within(&*handle, request, self.patience());
        let answer = answer.ok_or_else(|| format!("{driver}: {NotNow}; it is released then"))?;
        let released = match answer {
            Ok(_) => true,
            Err(Failure::Refused(refusal)) if refusal.kind() == Kind::NotFound => false,
            Err(failure) => return Err(Stop::Error(failure.to_string())),
        };
        if released {
            tracing::info!(%driver, pool_id = ?pool_id.as_str(), address = address.map(display), %by, "released");
        }
        out.item(&wire::Released { released })
    }

    fn check(&self, driver: Option<&str>, out: &mut impl Out) -> Result<(), Stop> {
        for name in self.drivers_named(driver, out)? {
            let Some(report) = self.service.check(&name) else {
                out.note(format!("{name} is not loaded and cannot be compared"));
                continue;
            };
            out.item(&wire::Check {
                driver: name.to_string(),
                entries: report.entries,
                differences: report.differences,
                notes: report.notes,
            })?;
        }
        Ok(())
    }

    fn backup(&self, file: &Path) -> Result<(), Stop> {
        if absolute(file)?.exists() {
            return Err(Stop::Error(format!("{} already exists", file.display())));
        }
        self.view()?.backup(file).map_err(|error| with_causes(&error))?;
        tracing::info!(file = %file.display(), "backup written");
        Ok(())
    }
}

fn pool_id(text: &str) -> Result<PoolId, Stop> {
    PoolId::try_from(text).map_err(|error| Stop::Error(format!("pool {text:?}: {error}")))
}

/// The daemon's directory is not the client's.
fn absolute(file: &Path) -> Result<&Path, Stop> {
    let text = || Stop::Error(format!("{} is not an absolute path", file.display()));
    if file.is_absolute() { Ok(file) } else { Err(text()) }
}

/// A file, or an artifact of a registry.
fn component(file: &Path) -> Result<&Path, Stop> {
    let is_reference = file.to_str().is_some_and(|text| text.starts_with(wire::REFERENCE));
    if is_reference { Ok(file) } else { absolute(file) }
}

fn not_loaded(driver: &str) -> Stop {
    Stop::Error(format!("driver {driver} is not loaded: nothing can be released"))
}
