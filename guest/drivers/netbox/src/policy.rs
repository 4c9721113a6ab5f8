//! What pools and addresses share: who this host is, what it has learned of NetBox, and
//! what becomes of a refused release.

use crate::{
    SPACE,
    api::{Api, Object, Of},
    config::{Base, Config, Vrf},
    identity::{GATEWAY, Identity},
    made::Made,
};
use ipam_driver::{Code, Error, IpNet, Kind, log};
use ipam_http_driver::{Http, LeftOver, Server};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

/// The longest description that NetBox takes.
pub(crate) const DESCRIPTION_CHARACTERS_MAX: usize = 200;
/// As much of NetBox's version as is in the log.
const VERSION_CHARACTERS_MAX: usize = 32;

/// The policy, over a way to ask. What it remembers it can do without.
#[derive(Debug)]
pub(crate) struct Policy<H> {
    pub(crate) api: Api<H>,
    pub(crate) identity: Identity,
    pub(crate) bases: Vec<Base>,
    pub(crate) gateway: Option<(&'static str, String)>,
    pub(crate) made: Made,
    vrf: Option<Vrf>,
    /// The VRF has its number in `api`.
    is_vrf_known: bool,
    /// Ids of pools that this instance has heard of, and the addresses that it granted, by
    /// pool key: those are not left over.
    pub(crate) pools: BTreeSet<String>,
    pub(crate) granted: BTreeSet<(String, IpAddr)>,
    /// The same pools, by NetBox's id of the prefix.
    pub(crate) used: BTreeMap<u64, IpNet>,
    /// Prefixes that NetBox lost, and those that stand for them now.
    pub(crate) moved: BTreeMap<u64, u64>,
    /// By pool key.
    pub(crate) left_over: LeftOver<Object>,
    /// What NetBox had, and was granted as it is, by pool key.
    pub(crate) as_it_is: BTreeSet<(String, IpAddr)>,
}

impl<H: Http> Policy<H> {
    pub(crate) fn new((server, config): (Server, Config), http: H) -> Self {
        let Config { identity, field, vrf, bases, gateway, made } = config;
        Self {
            api: Api::new(server, http, field),
            identity,
            bases,
            gateway,
            made,
            vrf,
            is_vrf_known: false,
            pools: BTreeSet::new(),
            granted: BTreeSet::new(),
            used: BTreeMap::new(),
            moved: BTreeMap::new(),
            left_over: LeftOver::default(),
            as_it_is: BTreeSet::new(),
        }
    }

    /// Asks NetBox who it is, and for the VRF, and tells the operator. A NetBox that does
    /// not answer now is no reason not to start.
    pub(crate) fn look(&mut self) {
        let status = self.api.client.get("/status/");
        let status = status.and_then(|response| self.api.client.json(&response, 200));
        // A token is shown its NetBox whatever it may do there.
        match status.and_then(|status| self.look_inside().map(|()| status)) {
            Ok(status) => {
                let version = status.get("netbox-version").and_then(Value::as_str).unwrap_or("?");
                let version: String = version.chars().take(VERSION_CHARACTERS_MAX).collect();
                log::info(format!("NetBox {version}, as host {}", self.identity.host));
            }
            Err(error) => log::error(format!("{error}")),
        }
    }

    fn look_inside(&mut self) -> Result<(), Error> {
        self.find_vrf()?;
        self.api.page(Of::Prefixes, &[], 1, 0)?;
        self.api.page(Of::Addresses, &[], 1, 0).map(drop)
    }

    /// Learns the number of the VRF, if it has a name.
    pub(crate) fn find_vrf(&mut self) -> Result<(), Error> {
        if self.is_vrf_known {
            return Ok(());
        }
        self.api.vrf = match &self.vrf {
            None => None,
            Some(Vrf::Id(id)) => Some(*id),
            Some(Vrf::Named(name)) => Some(self.vrf_of(&name.clone())?),
        };
        self.is_vrf_known = true;
        Ok(())
    }

    fn vrf_of(&mut self, name: &str) -> Result<u64, Error> {
        let refused = |text: String| Err(Error::new(Code::InvalidRequest, text));
        for key in ["rd", "name"] {
            match self.api.ids("/ipam/vrfs/", &[(key, name)])?[..] {
                [] => {}
                [id] => return Ok(id),
                _ => {
                    let text =
                        format!("NetBox has several VRFs called {name:?}: name one by its number");
                    return refused(text);
                }
            }
        }
        refused(format!("NetBox has no VRF {name:?}, or this token may not view it"))
    }

    /// How texts name an object of NetBox.
    pub(crate) fn url(of: Of, id: u64) -> String {
        format!("NetBox's {}{id}/", of.path())
    }

    /// The fields by which an object is ours, and what people read in it.
    pub(crate) fn sign(&self, fields: &mut Map<String, Value>, pool: Option<&str>, words: &str) {
        let text = self.identity.text(pool);
        let description = match &self.api.field {
            None => [text.as_str(), words].join(" "),
            Some(field) => {
                let custom = fields.entry("custom_fields").or_insert_with(|| json!({}));
                if let Some(custom) = custom.as_object_mut() {
                    let gateway = (words == GATEWAY).then_some(GATEWAY);
                    let text = [Some(&*text), gateway].into_iter().flatten().collect::<Vec<_>>();
                    custom.insert(field.clone(), json!(text.join(" ")));
                }
                words.to_owned()
            }
        };
        let printable = description.trim().chars().filter(|it| !it.is_control());
        let cut: String = printable.take(DESCRIPTION_CHARACTERS_MAX).collect();
        fields.insert("description".to_owned(), json!(cut));
    }
}

/// A refusal of a release. The host repeats a release that is `Unavailable`, and grants
/// nothing before it succeeds. So every failure that may end is `Unavailable`: also an
/// invalid token, and the answer of a proxy. NetBox's refusal of this deletion is not: it
/// would never end.
pub(crate) fn later(refusal: Error) -> Error {
    let is_final = refusal.code() == Code::Other(Kind::BadRequest);
    if is_final { refusal } else { Error::other(Kind::Unavailable, refusal.text()) }
}

/// Whether it is the network's own or the broadcast address of an IPv4 prefix, or the
/// subnet-router anycast address of an IPv6 prefix.
pub(crate) fn is_end(net: IpNet, address: IpAddr) -> bool {
    let has_ends = net.max_prefix_len() - net.prefix_len() > 1;
    let is_broadcast = matches!(net, IpNet::V4(_)) && address == net.broadcast();
    has_ends && (address == net.network() || is_broadcast)
}

/// Whether two prefixes have an address in common.
pub(crate) fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

/// Whether that is the name of our address space.
pub(crate) fn check_space(name: &str) -> Result<(), Error> {
    if name == SPACE {
        return Ok(());
    }
    Err(Error::new(Code::InvalidAddressSpace, format!("cannot find address space {name}")))
}
