//! Requests for pools and addresses: the driver proposes, the ledger checks, and
//! what it takes is staged.

use super::processor::{Processor, RequestContext};
use crate::Limits;
use ipam_api::{
    AddressGrant, AddressRequest, Answer, Code, Error, Failure, IpNet, Kind, PoolChoice, PoolGrant,
    PoolId, PoolRequest, Served, names,
};
use ipam_ledger::{Decision, Event, Violation};
use std::{collections::BTreeSet, time::Instant};

impl Processor {
    pub(super) fn request_pool(
        &mut self,
        request: &PoolRequest,
        context: RequestContext,
    ) -> Result<Served, Failure> {
        let (event, grant) = match self.state.before_pool(request, &self.caller(context))? {
            Decision::Claim { event, grant } => {
                self.state.apply(&event);
                (event, grant)
            }
            Decision::Ask => {
                self.refuse_overlap(request)?;
                self.choose_pool(request, context)?
            }
        };
        let receipt = event.receipt();
        self.stage(context.audit, event);
        Ok(Served { answer: Answer::Pool(grant), receipt })
    }

    /// Asks for a pool until one overlaps nothing that the caller excludes.
    /// Proposals that do are held meanwhile, so that the driver proposes others;
    /// they are applied and never staged.
    fn choose_pool(
        &mut self,
        request: &PoolRequest,
        context: RequestContext,
    ) -> Result<(Event, PoolGrant), Failure> {
        let mut held = Vec::new();
        let mut outside = None;
        let began = Instant::now();
        let Limits { exclude_time, exclude_retries_max, .. } = self.settings.limits;
        let chosen = loop {
            match self.propose_pool(request, context) {
                Ok((event, grant))
                    if is_excluded(request, &grant.pool)
                        || self.settings.bounds.exclude(request, &grant.pool) =>
                {
                    outside = outside
                        .or(Some(grant.pool)
                            .filter(|pool| self.settings.bounds.exclude(request, pool)));
                    held.push(event);
                    let is_late = began.elapsed() >= exclude_time;
                    if is_late || held.len() > exclude_retries_max {
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
                driver = %self.settings.name, %pool,
                "the driver has no automatic pool within `pools`, which it was granted",
            );
        }
        for receipt in held.iter().filter_map(Event::receipt) {
            for event in self.state.undo(&receipt) {
                self.state.apply(&event);
                // A slow driver is not waited for: a new instance is quicker.
                if self.instance.is_some() && began.elapsed() >= exclude_time * 2 {
                    self.broke("takes too long over pools that the caller excludes".to_owned());
                }
                self.notify_of(&event);
            }
        }
        chosen
    }

    fn propose_pool(
        &mut self,
        request: &PoolRequest,
        context: RequestContext,
    ) -> Result<(Event, PoolGrant), Failure> {
        let grant = self.ask(|driver| driver.request_pool(request))?;
        let usable = self.settings.bounds.check(request, &grant.pool);
        let checked =
            usable.and_then(|()| self.state.check_pool(request, &grant, &self.caller(context)));
        match checked {
            Ok(event) => {
                self.state.apply(&event);
                self.keep_writes();
                Ok((event, grant))
            }
            Err(violation) => {
                self.add_pending_release((grant.pool_id, None));
                Err(self.violated(&violation))
            }
        }
    }

    /// Whether the driver is asked about an id that the ledger does not hold. A
    /// built-in driver is, for it refuses in the words of the driver that it
    /// replaces; any other driver never sees such an id.
    pub(super) fn asks_about_unknown(&self, pool_id: &PoolId) -> bool {
        self.settings.is_built_in && self.instance.is_some() && self.state.pool(pool_id).is_none()
    }

    pub(super) fn request_address(
        &mut self,
        request: &AddressRequest,
        context: RequestContext,
    ) -> Result<Served, Failure> {
        let decision = match self.state.before_address(request, &self.caller(context)) {
            Err(refusal)
                if refusal.kind() == Kind::NotFound
                    && self.asks_about_unknown(&request.pool_id) =>
            {
                Decision::Ask
            }
            decided => decided?,
        };
        let (event, grant) = match decision {
            Decision::Claim { event, grant } => (Some(event), grant),
            Decision::Ask => self.propose_address(request, context)?,
        };
        let receipt = event.as_ref().and_then(Event::receipt);
        if let Some(event) = event {
            self.apply(context.audit, event);
        }
        Ok(Served { answer: Answer::Address(grant), receipt })
    }

    /// Asks for an address until one is proposed that is not leased.
    ///
    /// A driver that keeps its state elsewhere may propose one that is: somebody
    /// deleted it there, and now it is there again. That is the state of another
    /// system and no fault of the driver: the operator is told, and the driver is
    /// asked for the next one. One that proposes the same address twice is broken.
    fn propose_address(
        &mut self,
        request: &AddressRequest,
        context: RequestContext,
    ) -> Result<(Option<Event>, AddressGrant), Failure> {
        let Limits { exclude_time, leased_retries_max, .. } = self.settings.limits;
        let began = Instant::now();
        let mut leased = BTreeSet::new();
        loop {
            let mut grant = self.ask(|driver| driver.request_address(request))?;
            let was_left = grant.data.remove(names::LEFT_OVER).is_some();
            let violation = match self.state.check_address(request, &grant, &self.caller(context)) {
                Ok(event) => {
                    self.keep_writes();
                    return Ok((event, grant));
                }
                Err(violation) => violation,
            };
            if let Violation::AlreadyLeased { proposed } | Violation::LeaseOfGateway { proposed } =
                &violation
                && !self.settings.uses_replay
                && request.address.is_none()
                && leased.insert(proposed.addr())
            {
                let is_gateway = matches!(violation, Violation::LeaseOfGateway { .. });
                if !was_left && !is_gateway {
                    tracing::warn!(
                        driver = %self.settings.name, pool_id = ?request.pool_id.as_str(),
                        address = %proposed.addr(),
                        "the driver proposed an address that is leased: perhaps somebody deleted \
                         it where the driver keeps its state; another is asked for",
                    );
                }
                if leased.len() > leased_retries_max || began.elapsed() >= exclude_time {
                    let text = "the driver proposed only addresses that are leased";
                    return Err(Error::new(Code::NoAvailableIps, text).into());
                }
                continue;
            }
            if let Some(address) = grant.address {
                self.add_pending_release((request.pool_id.clone(), Some(address.addr())));
            }
            return Err(self.violated(&violation));
        }
    }
}

fn is_excluded(request: &PoolRequest, pool: &IpNet) -> bool {
    let is_chosen = !matches!(request.pool, PoolChoice::Exact(_));
    let overlaps = |other: &IpNet| other.contains(pool) || pool.contains(other);
    is_chosen && pool.prefix_len() > 0 && request.exclude.iter().any(overlaps)
}
