//! What a swarm's manager and its node ask for, as Docker 20.10 and 28 were
//! seen to ask, and another user's network in between.

use super::*;
use crate::Lease;
use std::sync::Arc;

mod manager;
mod node;

const POOL: &str = "10.0.0.0/16";
const GATEWAY: &str = "10.0.0.1";
const TASK: &str = "10.0.0.2";
const OVERLAP: Result<(), Code> = Err(Code::PoolOverlap);
const IN_USE: Result<(), Code> = Err(Code::IpAlreadyAllocated);

/// One engine and the ledger it asks, with a driver that agrees.
struct Engine {
    state: State,
    caller: Caller<'static>,
}

impl Engine {
    fn new() -> Self {
        let mut engine = Self { state: State::default(), caller: NOBODY };
        engine.asks_what_is_needed();
        engine
    }

    /// A manager with one network and a task in it.
    fn with_a_network() -> Self {
        let mut engine = Self::new();
        engine.takes_pool("global").unwrap();
        engine.takes_gateway(None, GATEWAY).unwrap();
        engine.takes("global", None, TASK).unwrap();
        engine
    }

    /// It begins to lead, or somebody looks whether the plugin lives.
    fn asks_what_is_needed(&mut self) {
        self.caller.asked_at = Some(self.state.generation());
    }

    /// It ends, and the ledger with it: swarm takes managed plugins only.
    fn is_killed(&mut self) {
        self.caller.loaded = self.state.generation();
        self.asks_what_is_needed();
    }

    fn takes_pool(&mut self, space: &str) -> Result<(), Code> {
        let request = exact(space, POOL);
        let decision = self.state.before_pool(&request, &self.caller);
        let event = match decision.map_err(|refusal| refusal.code())? {
            Decision::Claim { event, grant } => {
                assert_eq!(grant, pool_grant(space, POOL));
                event
            }
            Decision::Ask => {
                let grant = pool_grant(space, POOL);
                self.state.check_pool(&request, &grant, &self.caller).unwrap()
            }
        };
        self.state.apply(&event);
        Ok(())
    }

    fn takes(&mut self, space: &str, named: Option<&str>, proposed: &str) -> Result<(), Code> {
        let request = match named {
            Some(named) if space == "global" => serial(space, named),
            _ => address(space, named),
        };
        self.asks(&request, proposed)
    }

    fn takes_gateway(&mut self, named: Option<&str>, proposed: &str) -> Result<(), Code> {
        let request = named.map_or_else(|| address("global", None), |it| serial("global", it));
        self.asks(&gateway(request), proposed)
    }

    fn asks(&mut self, request: &AddressRequest, proposed: &str) -> Result<(), Code> {
        let decision = self.state.before_address(request, &self.caller);
        let event = match decision.map_err(|refusal| refusal.code())? {
            Decision::Claim { event, grant } => {
                assert_eq!(grant, address_grant(Some(&format!("{proposed}/16"))));
                event
            }
            Decision::Ask => {
                let proposal = address_grant(Some(&format!("{proposed}/16")));
                self.state.check_address(request, &proposal, &self.caller).unwrap().unwrap()
            }
        };
        self.state.apply(&event);
        Ok(())
    }

    fn releases(&mut self, space: &str, address: &str) {
        let event = self.state.release_address(&id(space), address.parse().unwrap()).unwrap();
        self.state.apply_all(event.as_slice());
    }

    fn releases_pool(&mut self, space: &str) {
        let events = self.state.release_pool(&id(space), &self.caller).unwrap();
        self.state.apply_all(&events);
    }

    /// What a manager sends when it begins to lead, before anything else: each
    /// network, and then what is in it.
    fn leads(&mut self, gateways: &[&str], addresses: &[&str]) {
        self.asks_what_is_needed();
        for &gateway in gateways {
            self.takes_pool("global").unwrap();
            self.takes_gateway(Some(gateway), gateway).unwrap();
        }
        for &address in addresses {
            self.takes("global", Some(address), address).unwrap();
        }
    }

    /// What a node sends when the first task of a network comes to it.
    fn node_takes(&mut self, addresses: &[&str]) -> Result<(), Code> {
        self.takes_pool("local")?;
        self.asks(&gateway(address("local", Some(GATEWAY))), GATEWAY)?;
        addresses.iter().try_for_each(|&address| self.takes("local", Some(address), address))
    }

    #[track_caller]
    fn has_nothing_left(&self, space: &str) {
        assert_eq!(self.leased(space), [""; 0]);
        assert_eq!(self.state.pool(&id(space)), None);
    }

    fn leased(&self, space: &str) -> Vec<String> {
        let leases = self.state.leases().filter(|lease| lease.pool_id == id(space));
        let mut leased: Vec<String> = leases.map(|lease| lease.ip().to_string()).collect();
        leased.sort();
        leased
    }
}
