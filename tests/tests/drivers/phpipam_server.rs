//! A small phpIPAM: of its REST API what the driver asks, in memory, as the documentation
//! and the controllers of 1.8.2 say. Numbers are strings, and what is not found is a 404 with
//! a message.

use crate::server::{self, Asked};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
};

pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[derive(Debug, Clone)]
pub(crate) struct Subnet {
    pub(crate) net: IpNet,
    pub(crate) description: String,
    /// The number of the one that it is in, or 0.
    pub(crate) master: u64,
    pub(crate) is_pool: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    pub(crate) subnet: u64,
    pub(crate) owner: String,
    pub(crate) description: String,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// By id.
    pub(crate) subnets: BTreeMap<u64, Subnet>,
    pub(crate) addresses: BTreeMap<u64, Address>,
    last_id: u64,
    /// As many answers to requests that change something are lost: it is done, and the
    /// connection ends.
    pub(crate) lost: usize,
}

pub(crate) struct PhpIpam {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

type Answer = (u16, Value);

fn says(status: u16, message: &str) -> Answer {
    (status, json!({ "message": message }))
}

fn made(id: u64, data: Option<String>) -> Answer {
    let mut answer = json!({"message": "created", "id": id.to_string()});
    if let Some(data) = data {
        answer["data"] = json!(data);
    }
    (201, answer)
}

fn listed(found: Vec<Value>) -> Answer {
    if found.is_empty() { says(404, "None found") } else { (200, json!({ "data": found })) }
}

impl PhpIpam {
    /// One that has these subnets in its section 1.
    pub(crate) fn new(subnets: &[&str]) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let phpipam = Self { address: server::listen(state.clone(), serve), state };
        for subnet in subnets {
            phpipam.state().subnet(subnet.parse().unwrap(), "the lab", 0);
        }
        phpipam
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Somebody writes an address of a subnet down.
    pub(crate) fn add(&self, subnet: u64, ip: &str, owner: &str) -> u64 {
        self.state().add(ip.parse().unwrap(), subnet, owner, "by hand")
    }

    /// Each address and its owner, in order of their making.
    pub(crate) fn owners(&self) -> Vec<(String, String)> {
        let state = self.state();
        state.addresses.values().map(|it| (it.ip.to_string(), it.owner.clone())).collect()
    }

    /// The prefix and the description of each subnet.
    pub(crate) fn subnets(&self) -> Vec<(String, String)> {
        let state = self.state();
        state.subnets.values().map(|it| (it.net.to_string(), it.description.clone())).collect()
    }
}

impl State {
    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn subnet(&mut self, net: IpNet, description: &str, master: u64) -> u64 {
        let id = self.id();
        let description = description.to_owned();
        self.subnets.insert(id, Subnet { net, description, master, is_pool: false });
        id
    }

    fn add(&mut self, ip: IpAddr, subnet: u64, owner: &str, description: &str) -> u64 {
        let id = self.id();
        let (owner, description) = (owner.to_owned(), description.to_owned());
        self.addresses.insert(id, Address { ip, subnet, owner, description });
        id
    }

    fn shown_subnet(id: u64, it: &Subnet) -> Value {
        json!({
            "id": id.to_string(), "subnet": it.net.network(), "mask": it.net.prefix_len().to_string(),
            "sectionId": "1", "vrfId": null, "isFolder": "0", "description": it.description,
            "masterSubnetId": it.master.to_string(), "isPool": u8::from(it.is_pool).to_string(),
        })
    }

    fn shown_address(id: u64, it: &Address) -> Value {
        json!({
            "id": id.to_string(), "ip": it.ip, "subnetId": it.subnet.to_string(), "tag": "2",
            "owner": it.owner, "description": it.description, "is_gateway": "0",
        })
    }

    fn subnets_where(&self, is_it: impl Fn(&Subnet) -> bool) -> Answer {
        let found = self.subnets.iter().filter(|(_, it)| is_it(it));
        listed(found.map(|(id, it)| Self::shown_subnet(*id, it)).collect())
    }

    fn addresses_where(&self, is_it: impl Fn(&Address) -> bool) -> Answer {
        let found = self.addresses.iter().filter(|(_, it)| is_it(it));
        listed(found.map(|(id, it)| Self::shown_address(*id, it)).collect())
    }

    fn answer(&mut self, method: &str, path: &str, query: &str, body: &Value) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        let [_, "api", "wipam", rest @ .., ""] = &parts[..] else {
            return says(400, "Invalid application id");
        };
        if let ["subnets", it, _, ..] = rest
            && it.parse().is_ok_and(|it| !self.subnets.contains_key(&it))
        {
            return says(404, &format!("Invalid subnet Id ({it})"));
        }
        match method {
            "GET" => filtered(self.get(rest), query),
            "POST" => self.post(rest, body),
            "PATCH" => self.patch(rest, body),
            "DELETE" => self.delete(rest),
            _ => says(501, "Method not implemented"),
        }
    }

    fn get(&self, rest: &[&str]) -> Answer {
        let id = |text: &str| text.parse::<u64>().unwrap();
        let net = |ip: &str, mask: &str| format!("{ip}/{mask}").parse::<IpNet>().unwrap();
        match rest {
            ["subnets", "all"] if self.subnets.is_empty() => says(500, "Unable to read subnets"),
            ["subnets", "all"] => self.subnets_where(|_| true),
            ["subnets", "cidr", ip, mask] => self.subnets_where(|it| it.net == net(ip, mask)),
            ["subnets", "overlapping", ip, mask] => {
                let net = net(ip, mask);
                self.subnets_where(|it| it.net.contains(&net) || net.contains(&it.net))
            }
            ["subnets", it] => match self.subnets.get(&id(it)) {
                Some(subnet) => (200, json!({ "data": Self::shown_subnet(id(it), subnet) })),
                None => says(400, &format!("Invalid subnet Id ({it})")),
            },
            ["subnets", it, "addresses"] => self.addresses_where(|known| known.subnet == id(it)),
            ["subnets", it, "slaves"] => self.subnets_where(|known| known.master == id(it)),
            ["subnets", it, "usage"] => {
                let used = self.addresses.values().filter(|known| known.subnet == id(it)).count();
                (200, json!({"data": {"used": used.to_string(), "freehosts": "7"}}))
            }
            ["addresses", "all"] if self.addresses.is_empty() => {
                says(500, "Unable to read addresses")
            }
            ["addresses", "all"] => self.addresses_where(|_| true),
            ["addresses", "search", ip] => self.addresses_where(|it| it.ip.to_string() == *ip),
            ["addresses", it] => match self.addresses.get(&id(it)) {
                Some(address) => (200, json!({ "data": Self::shown_address(id(it), address) })),
                None => says(404, "Invalid Id"),
            },
            _ => says(400, "Invalid controller"),
        }
    }

    fn post(&mut self, rest: &[&str], body: &Value) -> Answer {
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        match rest {
            ["subnets"] => {
                let net = format!("{}/{}", text("subnet"), body["mask"]).parse::<IpNet>().unwrap();
                let master = body["masterSubnetId"].as_u64().unwrap();
                let siblings = self.subnets.values().filter(|it| it.master == master);
                let mut siblings = siblings.map(|it| it.net);
                if siblings.any(|it| it.contains(&net) || net.contains(&it)) {
                    return says(409, "Subnet overlaps with one of the section");
                }
                made(self.subnet(net, text("description"), master), Some(net.to_string()))
            }
            ["subnets", parent, "first_subnet", mask] => {
                let parent: u64 = parent.parse().unwrap();
                let free = self.first_subnet(parent, mask.parse().unwrap());
                let Some(free) = free else { return says(404, "No subnets found") };
                made(self.subnet(free, text("description"), parent), Some(free.to_string()))
            }
            ["addresses", "first_free", subnet] => {
                let subnet = subnet.parse().unwrap();
                let Some(it) = self.subnets.get(&subnet).cloned() else {
                    return says(400, "Invalid subnet identifier");
                };
                let has_slaves = self.subnets.values().any(|it| it.master == subnet);
                let free = self.first_free(subnet, &it).filter(|_| !has_slaves);
                let Some(ip) = free else { return says(404, "No free addresses found") };
                let id = self.add(ip, subnet, text("owner"), text("description"));
                made(id, Some(ip.to_string()))
            }
            ["addresses"] => {
                let (ip, subnet) =
                    (text("ip").parse().unwrap(), body["subnetId"].as_u64().unwrap());
                if !self.subnets.contains_key(&subnet) {
                    return says(404, "Invalid subnet Id");
                }
                if self.is_taken(ip, subnet) {
                    return says(409, "IP address already exists");
                }
                made(self.add(ip, subnet, text("owner"), text("description")), None)
            }
            _ => says(400, "Invalid controller"),
        }
    }

    /// Behind each slave it goes on: a /64 has too many /126 in it to try them.
    fn first_subnet(&self, parent: u64, mask: u8) -> Option<IpNet> {
        let slaves = self.subnets.values().filter(|it| it.master == parent);
        let slaves: BTreeMap<IpAddr, IpNet> = slaves.map(|it| (it.net.network(), it.net)).collect();
        let net = self.subnets[&parent].net;
        let mut at = Some(net.network());
        while let Some(free) = at.map(|at| IpNet::new(at, mask).unwrap().trunc())
            && net.contains(&free)
        {
            // Slaves do not overlap: the last one that begins before its end tells.
            let before = slaves.range(..=free.broadcast()).next_back().map(|(_, slave)| slave);
            let taken = before.filter(|slave| free.contains(*slave) || slave.contains(&free));
            let Some(slave) = taken else { return Some(free) };
            at = match free.broadcast().max(slave.broadcast()) {
                IpAddr::V4(last) => {
                    last.to_bits().checked_add(1).map(|it| Ipv4Addr::from(it).into())
                }
                IpAddr::V6(last) => {
                    last.to_bits().checked_add(1).map(|it| Ipv6Addr::from(it).into())
                }
            };
        }
        None
    }

    /// Of an IPv4 subnet that is no pool neither the first nor the last.
    fn first_free(&self, subnet: u64, it: &Subnet) -> Option<IpAddr> {
        let network = it.net.network();
        let first = it.is_pool.then_some(network).filter(|ip| !self.is_taken(*ip, subnet));
        first.or_else(|| it.net.hosts().find(|ip| !self.is_taken(*ip, subnet)))
    }

    fn is_taken(&self, ip: IpAddr, subnet: u64) -> bool {
        self.addresses.values().any(|it| it.ip == ip && it.subnet == subnet)
    }

    fn patch(&mut self, rest: &[&str], body: &Value) -> Answer {
        let text = |key: &str| body[key].as_str().map(str::to_owned);
        match rest {
            ["subnets", it] => match self.subnets.get_mut(&it.parse().unwrap()) {
                Some(subnet) => subnet.description = text("description").unwrap_or_default(),
                None => return says(404, &format!("Invalid subnet Id ({it})")),
            },
            ["addresses", it] => match self.addresses.get_mut(&it.parse().unwrap()) {
                Some(address) => address.owner = text("owner").unwrap_or_default(),
                None => return says(404, "Address does not exist"),
            },
            _ => return says(400, "Invalid controller"),
        }
        says(200, "updated")
    }

    fn delete(&mut self, rest: &[&str]) -> Answer {
        match rest {
            ["addresses", it] => match self.addresses.remove(&it.parse().unwrap()) {
                Some(_) => says(200, "Address deleted"),
                None => says(404, "Address does not exist"),
            },
            // With all that is in it.
            ["subnets", it] => {
                let id: u64 = it.parse().unwrap();
                if self.subnets.remove(&id).is_none() {
                    return says(404, &format!("Invalid subnet Id ({it})"));
                }
                self.subnets.retain(|_, slave| slave.master != id);
                self.addresses.retain(|_, address| self.subnets.contains_key(&address.subnet));
                says(200, "Subnet deleted")
            }
            _ => says(400, "Invalid controller"),
        }
    }
}

/// The objects of a list that a query's filter finds.
fn filtered((status, mut answer): Answer, query: &str) -> Answer {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: BTreeMap<&str, &str> = pairs.collect();
    let (Some(key), Some(list)) = (pairs.get("filter_by"), answer["data"].as_array_mut()) else {
        return (status, answer);
    };
    assert_eq!(pairs["filter_match"], "partial");
    let value = pairs["filter_value"].replace("%20", " ").replace("%3D", "=");
    list.retain(|it| it[*key].as_str().is_some_and(|text| text.contains(&value)));
    if list.is_empty() { says(404, "No results (filter applied)") } else { (status, answer) }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let asked = Asked::read(&stream)?;
    let (method, path, query) = asked.target();
    let body = serde_json::from_slice(&asked.body).unwrap_or_default();
    let (status, mut answer) = {
        let mut state = state.lock().unwrap();
        let answer = match asked.header("token") {
            Some(TOKEN) => state.answer(method, path, query, &body),
            Some(_) => says(401, "Please provide token"),
            None => says(401, "Unauthorized"),
        };
        if method != "GET" && state.lost > 0 {
            state.lost -= 1;
            return Ok(());
        }
        answer
    };
    answer["code"] = json!(status);
    answer["success"] = json!(status < 300);
    let text = answer.to_string();
    let length = text.len();
    write!(&stream, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{text}")
}
