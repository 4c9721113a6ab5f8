//! What Docker engines know: networks of their IPAM drivers, and the addresses
//! of endpoints in them.

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
    /// Addresses in use by a container whose network the engine did not list,
    /// or is of Docker's own driver.
    pub unplaced: BTreeSet<IpAddr>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its IPAM driver, as Docker calls it.
    pub driver: String,
    /// Its subnets, of both families. None when the engine leaves it open which
    /// they are (`"Config": null`): then it may have any.
    pub subnets: Vec<Subnet>,
    /// The addresses of its endpoints, without their lengths.
    pub endpoints: BTreeSet<IpAddr>,
    /// Whether `endpoints` is all of them. A swarm's manager lists networks
    /// that it has no part in, and of those it knows no endpoint.
    pub is_complete: bool,
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
    }

    /// How many addresses of endpoints there are.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        self.networks.iter().map(|network| network.endpoints.len()).sum()
    }
}
