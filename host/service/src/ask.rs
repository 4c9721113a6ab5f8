//! Asks the driver for a proposal, checks it, and stages what it comes to.

use crate::{queue::Asker, worker::Worker};
use ipam_api::{
    AddressRequest, Answer, Code, Failure, IpNet, Kind, PoolChoice, PoolGrant, PoolId, PoolRequest,
    Served,
};
use ipam_ledger::{Decision, Event};
use std::time::Instant;

impl Worker {
    pub(crate) fn request_pool(
        &mut self,
        request: &PoolRequest,
        asker: Asker,
    ) -> Result<Served, Failure> {
        let (event, grant) = match self.state.before_pool(request, &self.caller(asker))? {
            Decision::Claim { event, grant } => {
                self.state.apply(&event);
                (event, grant)
            }
            Decision::Ask => self.choose_pool(request, asker)?,
        };
        let receipt = event.receipt();
        self.stage(asker.cause, event);
        Ok(Served { answer: Answer::Pool(grant), receipt })
    }

    /// Asks for a pool until one does not meet what the caller excludes. Those
    /// that do are held meanwhile, so that the driver proposes others; nobody
    /// but the driver and this state hears of them.
    fn choose_pool(
        &mut self,
        request: &PoolRequest,
        asker: Asker,
    ) -> Result<(Event, PoolGrant), Failure> {
        let mut held = Vec::new();
        let mut outside = None;
        let began = Instant::now();
        let limits = self.limits.clone();
        let chosen = loop {
            match self.propose_pool(request, asker) {
                Ok((event, grant))
                    if is_excluded(request, &grant.pool)
                        || self.bounds.exclude(request, &grant.pool) =>
                {
                    outside = outside
                        .or(Some(grant.pool).filter(|pool| self.bounds.exclude(request, pool)));
                    held.push(event);
                    let is_late = began.elapsed() >= limits.exclude_time;
                    if is_late || held.len() > limits.exclude_retries_max {
                        break Err(Code::NoAvailablePool.into());
                    }
                }
                Err(Failure::Refused(_)) if !held.is_empty() => {
                    break Err(Code::NoAvailablePool.into());
                }
                decided => break decided,
            }
        };
        if let (Some(pool), Err(_)) = (outside, &chosen) {
            tracing::warn!(
                driver = %self.name, %pool,
                "the driver has no automatic pool within `pools`, which it was granted",
            );
        }
        for receipt in held.iter().filter_map(Event::receipt) {
            for event in self.state.undo(&receipt) {
                self.state.apply(&event);
                // It is built anew rather than waited for: it took as long to
                // propose them all.
                if self.instance.is_some() && began.elapsed() >= limits.exclude_time * 2 {
                    self.drop_instance("takes too long over pools that the caller excludes");
                }
                self.tell_of(&event);
            }
        }
        chosen
    }

    fn propose_pool(
        &mut self,
        request: &PoolRequest,
        asker: Asker,
    ) -> Result<(Event, PoolGrant), Failure> {
        let grant = self.ask(|driver| driver.request_pool(request))?;
        let usable = self.bounds.check(request, &grant.pool);
        let checked =
            usable.and_then(|()| self.state.check_pool(request, &grant, &self.caller(asker)));
        match checked {
            Ok(event) => {
                self.state.apply(&event);
                self.take_writes();
                Ok((event, grant))
            }
            Err(violation) => {
                self.owe((grant.pool_id, None));
                Err(self.violated(&violation))
            }
        }
    }

    /// Whether the driver says what it thinks of an id that the ledger does not
    /// hold. The host's own have the words of those that they stand for; a
    /// stranger's never sees such an id.
    pub(crate) fn has_words_for(&self, pool_id: &PoolId) -> bool {
        self.is_built_in && self.instance.is_some() && self.state.pool(pool_id).is_none()
    }

    pub(crate) fn request_address(
        &mut self,
        request: &AddressRequest,
        asker: Asker,
    ) -> Result<Served, Failure> {
        let decision = match self.state.before_address(request, &self.caller(asker)) {
            Err(refusal)
                if refusal.kind() == Kind::NotFound && self.has_words_for(&request.pool_id) =>
            {
                Decision::Ask
            }
            decided => decided?,
        };
        let (event, grant) = match decision {
            Decision::Claim { event, grant } => (Some(event), grant),
            Decision::Ask => {
                let grant = self.ask(|driver| driver.request_address(request))?;
                match self.state.check_address(request, &grant, &self.caller(asker)) {
                    Ok(event) => {
                        self.take_writes();
                        (event, grant)
                    }
                    Err(violation) => {
                        if let Some(address) = grant.address {
                            self.owe((request.pool_id.clone(), Some(address.addr())));
                        }
                        return Err(self.violated(&violation));
                    }
                }
            }
        };
        let receipt = event.as_ref().and_then(Event::receipt);
        if let Some(event) = event {
            self.apply(asker.cause, event);
        }
        Ok(Served { answer: Answer::Address(grant), receipt })
    }
}

fn is_excluded(request: &PoolRequest, pool: &IpNet) -> bool {
    let is_chosen = !matches!(request.pool, PoolChoice::Exact(_));
    let overlaps = |other: &IpNet| other.contains(pool) || pool.contains(other);
    is_chosen && pool.prefix_len() > 0 && request.exclude.iter().any(overlaps)
}
