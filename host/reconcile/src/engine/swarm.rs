//! What an engine says of the swarm that it is a node of.
//!
//! A manager lists all services and tasks of its swarm on every node, with their
//! addresses in every network. It does not list the addresses that each node has
//! for its load balancers: only that node's own engine shows those.

use super::{ErrorKind, answers::address};
use crate::known::Swarms;
use serde::Deserialize;
use std::{collections::BTreeSet, net::IpAddr};

/// The path of all tasks. Without the filter the list lacks the tasks of containers
/// that `docker run` attached to a network (seen on 20.10).
pub(super) const TASKS: &str = "/tasks?filters=%7B%22runtime%22%3A%5B%22container%22%2C%22%22\
                                %2C%22plugin%22%2C%22attachment%22%5D%7D";
/// The states of an engine that is in no swarm, and in one.
const INACTIVE: &str = "inactive";
const ACTIVE: &str = "active";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Info {
    swarm: SwarmInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SwarmInfo {
    #[serde(rename = "NodeID")]
    node_id: String,
    local_node_state: String,
    control_available: bool,
    error: String,
}

#[derive(Deserialize)]
pub(super) struct Node {
    #[serde(rename = "ID")]
    id: String,
}

#[derive(Deserialize)]
pub(super) struct Service {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Endpoint")]
    endpoint: ServiceEndpoint,
}

/// A service without virtual addresses (`dnsrr`) has no list of them.
#[derive(Deserialize)]
struct ServiceEndpoint {
    #[serde(rename = "VirtualIPs", default)]
    virtual_ips: Option<Vec<VirtualIp>>,
}

#[derive(Deserialize)]
struct VirtualIp {
    #[serde(rename = "Addr", default)]
    addr: String,
}

/// A task without networks has no list of them.
#[derive(Deserialize)]
pub(super) struct Task {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "NetworksAttachments", default)]
    attachments: Option<Vec<Attachment>>,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(rename = "Addresses", default)]
    addresses: Option<Vec<String>>,
}

impl Info {
    /// Whether it is a manager, which lists what its swarm has.
    pub(super) fn is_manager(&self) -> bool {
        let SwarmInfo { local_node_state, control_available, error, .. } = &self.swarm;
        local_node_state == ACTIVE && *control_available && error.is_empty()
    }

    /// What it says of its swarm; `nodes` is a manager's list of them.
    pub(super) fn swarms(self, nodes: Vec<Node>) -> Swarms {
        let is_worker = self.swarm.local_node_state == ACTIVE
            && !self.swarm.control_available
            && self.swarm.error.is_empty();
        let is_known = self.is_manager() || is_worker || self.swarm.local_node_state == INACTIVE;
        let member = Some(self.swarm.node_id).filter(|id| !id.is_empty());
        Swarms {
            members: member.into_iter().collect(),
            nodes: nodes.into_iter().map(|node| node.id).collect(),
            is_unclear: !is_known,
        }
    }
}

impl Service {
    /// Its virtual addresses.
    pub(super) fn addresses(self) -> Result<BTreeSet<IpAddr>, ErrorKind> {
        let all = self.endpoint.virtual_ips.into_iter().flatten().map(|it| it.addr);
        read("service", &self.id, all)
    }
}

impl Task {
    /// Its addresses. The list has tasks that ended, too, whose containers may or
    /// may not be gone.
    pub(super) fn addresses(self) -> Result<BTreeSet<IpAddr>, ErrorKind> {
        let all = self.attachments.into_iter().flatten();
        read("task", &self.id, all.flat_map(|it| it.addresses.unwrap_or_default()))
    }
}

fn read(
    what: &str,
    id: &str,
    texts: impl Iterator<Item = String>,
) -> Result<BTreeSet<IpAddr>, ErrorKind> {
    let mut read = BTreeSet::new();
    for text in texts {
        let odd = |kind| ErrorKind::Odd(format!("{what} {id:?}: {kind}"));
        read.extend(address(&text).map_err(odd)?);
    }
    Ok(read)
}
