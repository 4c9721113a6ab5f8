//! The Engine API's answers, and what is read from them.
//!
//! A missing field is an error and not an empty field: an engine whose answers
//! have another shape must not look like an engine that knows nothing.

use super::ErrorKind;
use crate::known::{Network, Observation, Subnet, Swarms};
use ipam_api::{InvalidPrefix, IpNet, parse_address, parse_prefix};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
};

/// Docker's built-in IPAM drivers. No plugin can have these names, so their
/// networks are not ours.
const DOCKERS_OWN: [&str; 3] = ["default", "null", "windows"];
/// States of a container that holds no address. After dockerd was killed, such a
/// container still shows the address that it had (seen on 20.10 and 28.5).
const AT_REST: [&str; 3] = ["created", "exited", "dead"];
/// The scope of a network that a swarm's managers made.
const SWARM: &str = "swarm";
/// The load balancer of a node in the network that publishes ports.
const INGRESS_BALANCER: &str = "ingress-sbox";
/// What 20.10 writes for no address.
const GO_NOTHING: &str = "<nil>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Version {
    api_version: String,
    #[serde(rename = "MinAPIVersion")]
    min_api_version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkSummary {
    pub(super) id: String,
    scope: String,
    #[serde(rename = "IPAM")]
    ipam: IpamSummary,
    /// If it is absent, the swarm did not answer, as with a list.
    #[serde(default = "no_answer_of_a_swarm")]
    containers: Option<IgnoredAny>,
}

fn no_answer_of_a_swarm() -> Option<IgnoredAny> {
    Some(IgnoredAny)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IpamSummary {
    driver: String,
    #[serde(deserialize_with = "null_but_there")]
    config: Option<Vec<SubnetSummary>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SubnetSummary {
    #[serde(default)]
    subnet: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkInspect {
    id: String,
    name: String,
    scope: String,
    #[serde(rename = "IPAM")]
    ipam: Ipam,
    #[serde(deserialize_with = "null_but_there")]
    containers: Option<BTreeMap<String, Endpoint>>,
    /// Only with `verbose`, and only of a swarm's networks.
    services: Option<BTreeMap<String, Service>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    driver: String,
    #[serde(deserialize_with = "null_but_there")]
    config: Option<Vec<Config>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    subnet: String,
    #[serde(rename = "IPRange", default)]
    ip_range: String,
    #[serde(default)]
    gateway: String,
    #[serde(default)]
    auxiliary_addresses: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "IPv4Address")]
    ipv4_address: String,
    #[serde(rename = "IPv6Address")]
    ipv6_address: String,
}

#[derive(Deserialize)]
struct Service {
    #[serde(rename = "VIP")]
    vip: String,
    #[serde(rename = "Tasks", deserialize_with = "null_but_there")]
    tasks: Option<Vec<Task>>,
}

#[derive(Deserialize)]
struct Task {
    #[serde(rename = "EndpointIP")]
    endpoint_ip: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    state: String,
    network_settings: NetworkSettings,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(deserialize_with = "null_but_there")]
    networks: Option<BTreeMap<String, Attachment>>,
}

#[derive(Deserialize)]
struct Attachment {
    #[serde(rename = "NetworkID")]
    network_id: String,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: String,
    #[serde(rename = "IPAMConfig", deserialize_with = "null_but_there")]
    configured: Option<Configured>,
}

/// The addresses of `--ip` and `--ip6`.
#[derive(Deserialize)]
struct Configured {
    #[serde(rename = "IPv4Address", default)]
    ipv4_address: String,
    #[serde(rename = "IPv6Address", default)]
    ipv6_address: String,
}

/// A field that must be there, though it may be `null`: serde by itself takes an
/// absent one for `null`.
fn null_but_there<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

impl Version {
    /// The newest version that both sides speak.
    pub(super) fn choose(
        &self,
        oldest: (u16, u16),
        newest: (u16, u16),
    ) -> Result<(u16, u16), ErrorKind> {
        let read = |text: &str| {
            let parts = text.split_once('.');
            parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        };
        let Self { api_version, min_api_version } = self;
        match (read(min_api_version), read(api_version)) {
            (Some(least), Some(most)) if least <= newest && most >= oldest => Ok(newest.min(most)),
            _ => Err(ErrorKind::Odd(format!(
                "its API is {min_api_version:?} to {api_version:?}, and {}.{} to {}.{} is known here",
                oldest.0, oldest.1, newest.0, newest.1
            ))),
        }
    }
}

impl NetworkSummary {
    pub(super) fn is_dockers_own(&self) -> bool {
        DOCKERS_OWN.contains(&&*self.ipam.driver)
    }

    /// Whether the swarm itself answered. A manager without a leader lists only
    /// the networks that it takes part in, and does not say so. It shows those
    /// with endpoints, which the swarm's own list does not have.
    pub(super) fn is_of_the_swarm(&self) -> bool {
        self.scope == SWARM && self.containers.is_none()
    }

    /// The path of its inspection.
    pub(super) fn path(&self) -> Result<String, ErrorKind> {
        if self.id.is_empty() || !self.id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(ErrorKind::Odd(format!("a network with the id {:?}", self.id)));
        }
        Ok(format!("/networks/{}?verbose=true", self.id))
    }
}

/// An observation while it is built.
#[derive(Default)]
pub(super) struct Reading {
    seen: Observation,
    /// The index of a network in `seen`; `None` for one of Docker's own drivers.
    places: HashMap<String, Option<usize>>,
    addresses: usize,
}

impl Reading {
    pub(super) fn new(swarms: Swarms) -> Self {
        Self { seen: Observation { swarms, ..Observation::default() }, ..Self::default() }
    }

    /// Notes that the list may have only the engine's own networks.
    pub(super) fn is_unclear(&mut self) {
        self.seen.swarms.is_unclear = true;
    }

    /// Adds the addresses of a swarm's services and tasks.
    pub(super) fn in_the_swarm(&mut self, addresses: BTreeSet<IpAddr>) {
        self.addresses += addresses.len();
        self.seen.unplaced.extend(addresses);
    }

    /// Adds a network of Docker's own drivers. It needs no inspection: the list
    /// has its subnets, and the containers have its addresses.
    pub(super) fn dockers_own(&mut self, network: NetworkSummary) -> Result<(), ErrorKind> {
        let NetworkSummary { id, ipam, .. } = network;
        for SubnetSummary { subnet } in ipam.config.unwrap_or_default() {
            if !subnet.is_empty() {
                let odd = |kind| ErrorKind::Odd(format!("network {id:?}: {kind}"));
                self.seen.dockers_own.insert(prefix(&subnet).map_err(odd)?);
            }
        }
        self.places.insert(id, None);
        Ok(())
    }

    pub(super) fn network(&mut self, inspect: NetworkInspect) -> Result<(), ErrorKind> {
        let NetworkInspect { id, name, scope, ipam, containers, services } = inspect;
        let odd = |kind| ErrorKind::Odd(format!("network {name:?}: {kind}"));
        let config = ipam.config.unwrap_or_default();
        let subnets: Result<Vec<_>, _> = config.into_iter().map(Config::subnet).collect();
        let is_complete = containers.is_some();
        let balancer = format!("lb-{name}");
        let shows_balancer = containers.as_ref().is_some_and(|endpoints| {
            endpoints.contains_key(&balancer) || endpoints.contains_key(INGRESS_BALANCER)
        });
        let is_alone = self.seen.swarms.nodes.len() == 1;
        let shows_all_of_swarm = scope == SWARM && is_alone && shows_balancer;
        let mut endpoints = BTreeSet::new();
        for endpoint in containers.unwrap_or_default().into_values() {
            endpoints.extend(address(&endpoint.ipv4_address).map_err(odd)?);
            endpoints.extend(address(&endpoint.ipv6_address).map_err(odd)?);
        }
        // Those of the whole cluster, if this engine takes part in the network.
        // They are not in this engine's local space, but they are known.
        for service in services.unwrap_or_default().into_values() {
            endpoints.extend(address(&service.vip).map_err(odd)?);
            for task in service.tasks.unwrap_or_default() {
                endpoints.extend(address(&task.endpoint_ip).map_err(odd)?);
            }
        }
        self.addresses += endpoints.len();
        self.places.insert(id, Some(self.seen.networks.len()));
        let subnets = subnets.map_err(odd)?;
        self.seen.networks.push(Network {
            name,
            driver: ipam.driver,
            subnets,
            endpoints,
            is_complete,
            shows_all_of_swarm,
        });
        Ok(())
    }

    /// Adds a container's own addresses: with `live-restore` a running container
    /// can hold an address whose endpoint the engine has lost.
    pub(super) fn container(&mut self, container: Container) -> Result<(), ErrorKind> {
        let odd = |kind| ErrorKind::Odd(format!("a container: {kind}"));
        let is_at_rest = AT_REST.contains(&&*container.state);
        for attachment in container.network_settings.networks.unwrap_or_default().into_values() {
            if let Some(Configured { ipv4_address, ipv6_address }) = attachment.configured {
                self.seen.at_rest.extend(address(&ipv4_address).map_err(odd)?);
                self.seen.at_rest.extend(address(&ipv6_address).map_err(odd)?);
            }
            let place = match self.places.get(&attachment.network_id) {
                _ if is_at_rest => &mut self.seen.at_rest,
                Some(Some(place)) => &mut self.seen.networks[*place].endpoints,
                Some(None) | None => &mut self.seen.unplaced,
            };
            for text in [attachment.ip_address, attachment.global_ipv6_address] {
                place.extend(address(&text).map_err(odd)?);
            }
        }
        Ok(())
    }

    /// How many addresses of endpoints there are so far.
    pub(super) fn addresses(&self) -> usize {
        self.addresses
    }

    /// Everything that was read. An endpoint may be outside its network's subnets:
    /// Docker takes any address that it is given. It is known nevertheless.
    pub(super) fn observation(self) -> Observation {
        let mut seen = self.seen;
        for Network { subnets, endpoints, .. } in &seen.networks {
            let inside = |address: &IpAddr| {
                subnets.iter().any(|Subnet { prefix, .. }| prefix.contains(address))
            };
            seen.unplaced.extend(endpoints.iter().filter(|address| !inside(address)));
        }
        seen
    }
}

impl Config {
    fn subnet(self) -> Result<Subnet, String> {
        let ip_range = match &*self.ip_range {
            "" => None,
            text => Some(prefix(text)?),
        };
        let mut reserved = BTreeSet::new();
        reserved.extend(address(&self.gateway)?);
        for text in self.auxiliary_addresses.unwrap_or_default().values() {
            reserved.extend(address(text)?);
        }
        Ok(Subnet { prefix: prefix(&self.subnet)?, ip_range, reserved })
    }
}

/// Parses a prefix. 20.10 keeps host bits and sends them to the driver, which
/// masks them.
fn prefix(text: &str) -> Result<IpNet, String> {
    match parse_prefix(text) {
        Ok(prefix) => Ok(prefix.trunc()),
        // No network of ours has these, but one of another driver may.
        Err(InvalidPrefix::Mapped { means: Some(prefix) }) => Ok(prefix.trunc().into()),
        Err(_) => Err(format!("{text:?} is no subnet")),
    }
}

/// Parses an address with or without a length, or nothing.
pub(super) fn address(text: &str) -> Result<Option<IpAddr>, String> {
    if text.is_empty() || text == GO_NOTHING {
        return Ok(None);
    }
    let alone = text.split_once('/').map_or(text, |(address, _)| address);
    parse_address(alone).map(Some).map_err(|_| format!("{text:?} is no address"))
}
