//! What Docker Engines know: networks with their IPAM drivers, addresses of
//! endpoints, and the swarms that the engines are nodes of.

use ipam_api::IpNet;
use std::{collections::BTreeSet, net::IpAddr};

/// What all the engines that were asked know, at about one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// Every network whose IPAM driver is not Docker's own.
    pub networks: Vec<Network>,
    /// Subnets of the networks whose IPAM driver is Docker's own; host bits are
    /// zero.
    pub dockers_own: BTreeSet<IpNet>,
    /// Addresses of containers whose network the engine did not list or is of
    /// Docker's own driver; and addresses of a swarm's services and tasks, in any
    /// network, as its manager lists them.
    pub unplaced: BTreeSet<IpAddr>,
    /// Addresses that a container at rest had when it ran, and those that a
    /// container is configured to get (`--ip`). Docker has released them, so
    /// they are free; the pools that they are in are not.
    pub at_rest: BTreeSet<IpAddr>,
    /// What the engines say of their swarms.
    pub swarms: Swarms,
}

/// The swarms that the engines are nodes of, as far as they say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swarms {
    /// The node of each engine that is one.
    pub members: BTreeSet<String>,
    /// All nodes that the managers among them list, themselves included.
    pub nodes: BTreeSet<String>,
    /// Whether an engine does not show all of its swarm: the swarm is locked or has
    /// no leader, or a manager's list may have only its own networks.
    pub is_unclear: bool,
}

impl Swarms {
    /// Why it is not known what the swarms' managers have handed out, for the
    /// operator. `None` if it is known.
    #[must_use]
    pub fn why_unknown(&self) -> Option<&'static str> {
        if self.is_unclear {
            Some("one of these engines does not tell all of its swarm")
        } else if self.nodes.is_empty() {
            Some("none of these engines is a manager of a swarm")
        } else if !self.members.is_subset(&self.nodes) {
            Some("one of these engines is in a swarm of which none of them is a manager")
        } else {
            None
        }
    }
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name, as its user chose it.
    pub name: String,
    /// Its IPAM driver, as Docker calls it.
    pub driver: String,
    /// Its subnets, of both families. Empty when the engine does not say which they
    /// are (`"Config": null`): it may have any then.
    pub subnets: Vec<Subnet>,
    /// The addresses of its endpoints, without their lengths.
    pub endpoints: BTreeSet<IpAddr>,
    /// Whether `endpoints` is complete. A swarm's manager lists networks that it
    /// does not take part in, and knows no endpoint of those.
    pub is_complete: bool,
    /// Whether it is a swarm's network of which every address is in `endpoints` or
    /// in [`Observation::unplaced`]. Otherwise each node may have an address for
    /// its load balancer that only that node's engine shows.
    pub shows_all_of_swarm: bool,
}

/// A subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The subnet; host bits are zero. An unspecified one with a length, such
    /// as `0.0.0.0/24`, stands for any of that length: it is what the user
    /// asked for, and not what the driver granted.
    pub prefix: IpNet,
    /// `--ip-range`; host bits are zero.
    pub ip_range: Option<IpNet>,
    /// Its gateway and its auxiliary addresses, as far as the engine names
    /// them. It names no gateway that the driver chose in a subnet that the
    /// user chose.
    pub reserved: BTreeSet<IpAddr>,
}

impl Observation {
    /// Adds what another engine knows.
    pub fn extend(&mut self, other: Self) {
        self.networks.extend(other.networks);
        self.dockers_own.extend(other.dockers_own);
        self.unplaced.extend(other.unplaced);
        self.at_rest.extend(other.at_rest);
        self.swarms.members.extend(other.swarms.members);
        self.swarms.nodes.extend(other.swarms.nodes);
        self.swarms.is_unclear |= other.swarms.is_unclear;
    }

    /// The names of the networks that do not say which subnets they have, in
    /// order.
    #[must_use]
    pub fn open(&self) -> BTreeSet<&str> {
        let open = self.networks.iter().filter(|network| network.subnets.is_empty());
        open.map(|network| &*network.name).collect()
    }

    /// How many addresses of endpoints there are.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        self.networks.iter().map(|network| network.endpoints.len()).sum()
    }
}
