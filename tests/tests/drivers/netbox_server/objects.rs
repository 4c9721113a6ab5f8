//! What this NetBox has, and what it makes of a request.

use super::{State, lists, pairs};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::IpAddr};

pub(super) type Objects = BTreeMap<u64, Value>;
type Answer = (u16, Value);

fn detail(status: u16, text: &str) -> Answer {
    (status, json!({ "detail": text }))
}

fn not_found(key: &str) -> Answer {
    let what = match key {
        "prefix" => "Prefix",
        "address" => "IPAddress",
        "start_address" => "IPRange",
        _ => "VRF",
    };
    detail(404, &format!("No {what} matches the given query."))
}

fn forbidden() -> Answer {
    detail(403, "You do not have permission to perform this action.")
}

fn full() -> Answer {
    detail(409, "Insufficient resources are available to satisfy the request")
}

pub(super) fn net(object: &Value, key: &str) -> IpNet {
    object[key].as_str().unwrap_or_default().parse().unwrap()
}

impl State {
    fn objects(&mut self, key: &str) -> &mut Objects {
        match key {
            "prefix" => &mut self.prefixes,
            "address" => &mut self.addresses,
            "start_address" => &mut self.ranges,
            _ => &mut self.vrfs,
        }
    }

    pub(super) fn answer(&mut self, method: &str, path: &str, query: &str, body: &Value) -> Answer {
        let parts: Vec<&str> = path.split('/').collect();
        let [_, "api", rest @ ..] = &parts[..] else { return detail(404, "Not found.") };
        if rest == ["status", ""] {
            return (200, json!({"netbox-version": "4.6.8", "plugins": {}}));
        }
        let (kind, id, what) = match rest {
            ["ipam", kind, ""] => (*kind, None, ""),
            ["ipam", kind, id, ""] => (*kind, Some(*id), ""),
            ["ipam", kind, id, what, ""] => (*kind, Some(*id), *what),
            _ => return detail(404, "Not found."),
        };
        let key = match kind {
            "prefixes" => "prefix",
            "ip-addresses" => "address",
            "ip-ranges" => "start_address",
            "vrfs" => "rd",
            _ => return detail(404, "Not found."),
        };
        let Some(id) = id else {
            return match method {
                "GET" => {
                    let mut seen = self.objects(key).clone();
                    seen.retain(|_, object| self.sees(object));
                    (200, lists::list(&seen, key, &pairs(query), self.page_max))
                }
                "POST" => self.create(key, body),
                "DELETE" => self.delete_all(key, body),
                _ => detail(405, "Method not allowed."),
            };
        };
        let id: u64 = id.parse().unwrap_or_default();
        let found = self.objects(key).get(&id).cloned();
        let Some(object) = found.filter(|object| self.sees(object)) else {
            return not_found(key);
        };
        match (method, what) {
            ("GET", "") => (200, object),
            ("DELETE", "") if !self.may(&object) => not_found(key),
            ("DELETE", "") => {
                self.objects(key).remove(&id);
                (204, Value::Null)
            }
            ("PATCH", "") if self.tenant.is_some() => forbidden(),
            ("PATCH", "") => {
                let object = self.objects(key).get_mut(&id).unwrap();
                for (name, value) in body.as_object().unwrap() {
                    object[name] = value.clone();
                }
                (200, object.clone())
            }
            ("POST", "available-ips") => self.next_address(key, id, body),
            ("POST", "available-prefixes") => self.next_prefix(id, body),
            _ => detail(405, "Method not allowed."),
        }
    }

    /// What its user may make and delete: the constraint of a permission.
    fn may(&self, object: &Value) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| object["tenant"]["slug"] == **tenant)
    }

    /// What its user views.
    fn sees(&self, object: &Value) -> bool {
        !self.hides_others || self.may(object)
    }

    pub(super) fn insert(&mut self, key: &str, mut fields: Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let status = fields["status"].as_str().unwrap_or("active").to_owned();
        fields["id"] = json!(id);
        fields["status"] = json!({"value": status, "label": status});
        fields["description"] = json!(fields["description"].as_str().unwrap_or_default().trim());
        if let Some(vrf) = fields["vrf"].as_u64() {
            fields["vrf"] = json!({ "id": vrf });
        }
        self.objects(key).insert(id, fields);
        id
    }

    fn make(&mut self, key: &str, fields: Value) -> Answer {
        if !self.may(&fields) {
            return forbidden();
        }
        if fields["description"].as_str().is_some_and(|text| text.chars().count() > 200) {
            let text = "Ensure this field has no more than 200 characters.";
            return (400, json!({ "description": [text] }));
        }
        let id = self.insert(key, fields);
        (201, self.objects(key)[&id].clone())
    }

    fn create(&mut self, key: &str, body: &Value) -> Answer {
        let wanted = net(body, key);
        let allows_duplicates = self.allows_duplicates;
        let is_same = |object: &&Value| match key {
            "prefix" => net(object, key) == wanted,
            _ => net(object, key).addr() == wanted.addr(),
        };
        if !allows_duplicates && let Some(same) = self.objects(key).values().find(is_same) {
            let what = if key == "prefix" { "prefix" } else { "IP address" };
            // Whether its user views that one or not.
            let text = format!("Duplicate {what} found in global table: {}", net(same, key));
            return (400, json!({ key: [text] }));
        }
        if key == "address" && self.is_populated(wanted.addr()) {
            let text = format!("Cannot create IP address {wanted} inside range 10.0.0.1-2/24.");
            return (400, json!({ key: [text] }));
        }
        self.make(key, body.clone())
    }

    /// What is not there, or not its user's, is left out without a word.
    fn delete_all(&mut self, key: &str, body: &Value) -> Answer {
        self.deleted_at_once.push(body.as_array().unwrap().len());
        for object in body.as_array().unwrap() {
            let id = object["id"].as_u64().unwrap();
            if self.objects(key).get(&id).cloned().is_some_and(|it| self.may(&it)) {
                self.objects(key).remove(&id);
            }
        }
        (204, Value::Null)
    }

    fn is_populated(&self, address: IpAddr) -> bool {
        let holds = |range: &Value| {
            range["mark_populated"] == true && {
                let (start, end) = (net(range, "start_address"), net(range, "end_address"));
                (start.addr()..=end.addr()).contains(&address)
            }
        };
        self.ranges.values().any(holds)
    }

    fn next_address(&mut self, key: &str, id: u64, body: &Value) -> Answer {
        let parent = self.objects(key)[&id].clone();
        let within = net(&parent, key);
        let (first, last) = match key {
            "prefix" => (within.network(), within.broadcast()),
            _ => (within.addr(), net(&parent, "end_address").addr()),
        };
        // The network's and the broadcast address are offered where all is a pool.
        let is_usable = |address: &IpAddr| {
            let is_end = within.prefix_len() < within.max_prefix_len() - 1
                && (*address == within.network()
                    || (*address == within.broadcast() && matches!(within, IpNet::V4(_))));
            key != "prefix" || parent["is_pool"] == true || !is_end
        };
        let is_taken = |address: &IpAddr| {
            self.is_populated(*address)
                || self.addresses.values().any(|it| net(it, "address").addr() == *address)
        };
        let mut at = first;
        let free = loop {
            if is_usable(&at) && !is_taken(&at) {
                break at;
            }
            match after(at).filter(|next| *next <= last) {
                Some(next) => at = next,
                None => return full(),
            }
        };
        let mut fields = body.clone();
        fields["address"] = json!(IpNet::new(free, within.prefix_len()).unwrap().to_string());
        self.make("address", fields)
    }

    fn next_prefix(&mut self, id: u64, body: &Value) -> Answer {
        let length = u8::try_from(body["prefix_length"].as_u64().unwrap()).unwrap();
        let parent = net(&self.prefixes[&id], "prefix");
        let mut fields = body.clone();
        match self.free_prefix(parent, length) {
            Some(free) => fields["prefix"] = json!(free.to_string()),
            None => return full(),
        }
        self.make("prefix", fields)
    }

    fn free_prefix(&self, parent: IpNet, length: u8) -> Option<IpNet> {
        let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
        let children: Vec<IpNet> = self
            .prefixes
            .values()
            .map(|object| net(object, "prefix"))
            .filter(|net| parent.contains(net) && *net != parent)
            .collect();
        // From child to child, since a /48 has more prefixes than there is time.
        let mut at = parent.network();
        loop {
            let free = IpNet::new(at, length).ok().filter(|free| parent.contains(free))?;
            let Some(child) = children.iter().find(|child| overlap(child, &free)) else {
                return Some(free);
            };
            let last =
                if child.prefix_len() < length { child.broadcast() } else { free.broadcast() };
            at = after(last)?;
        }
    }
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(it) => Some(IpAddr::V4(it.to_bits().checked_add(1)?.into())),
        IpAddr::V6(it) => Some(IpAddr::V6(it.to_bits().checked_add(1)?.into())),
    }
}
