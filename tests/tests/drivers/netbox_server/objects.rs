//! What this NetBox has, and what it makes of a request.

use super::{PAGE, State, pairs};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::IpAddr};

type Objects = BTreeMap<u64, Value>;
type Answer = (u16, Value);

fn detail(status: u16, text: &str) -> Answer {
    (status, json!({ "detail": text }))
}

fn forbidden() -> Answer {
    detail(403, "You do not have permission to perform this action.")
}

fn full() -> Answer {
    detail(409, "Insufficient resources are available to satisfy the request")
}

fn net(object: &Value, key: &str) -> IpNet {
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
                "GET" => (200, list(self.objects(key), key, &pairs(query))),
                "POST" => self.create(key, body),
                "DELETE" => self.delete_all(key, body),
                _ => detail(405, "Method not allowed."),
            };
        };
        let id: u64 = id.parse().unwrap_or_default();
        let Some(object) = self.objects(key).get(&id).cloned() else {
            return detail(404, "No Prefix matches the given query.");
        };
        match (method, what) {
            ("GET", "") => (200, object),
            ("DELETE", "") if !self.may(&object) => {
                detail(404, "No Prefix matches the given query.")
            }
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
        for object in body.as_array().unwrap() {
            let id = object["id"].as_u64().unwrap();
            if self.objects(key).get(&id).cloned().is_some_and(|object| self.may(&object)) {
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

/// What all filters find that it knows; it ignores the others without a word.
fn list(objects: &Objects, key: &str, query: &BTreeMap<String, String>) -> Value {
    let is_found = |object: &Value| {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let has = |list: &str, value: &str| {
            let all = object[list].as_array().into_iter().flatten();
            all.into_iter().any(|it| it["slug"] == value)
        };
        query.iter().all(|(name, value)| match (name.as_str(), key) {
            ("prefix", "prefix") => text(key) == value,
            ("parent", "address" | "start_address") => {
                value.parse::<IpNet>().unwrap().contains(&net(object, key).addr())
            }
            ("contains", "prefix") => net(object, key).contains(&value.parse::<IpNet>().unwrap()),
            ("within", "prefix") => {
                let parent: IpNet = value.parse().unwrap();
                parent.contains(&net(object, key)) && parent != net(object, key)
            }
            ("within_include", "prefix") => {
                value.parse::<IpNet>().unwrap().contains(&net(object, key))
            }
            ("address", "address") => net(object, key).addr().to_string() == *value,
            ("description__isw", _) => {
                text("description").to_lowercase().starts_with(&value.to_lowercase())
            }
            ("status", _) => object["status"]["value"] == **value,
            ("tag", _) => has("tags", value),
            ("role", "address") => object["role"] == **value,
            ("role" | "tenant", _) => object[name]["slug"] == **value,
            ("rd" | "name", "rd") => text(name) == value,
            ("vrf_id", "prefix" | "address" | "start_address") => match value.as_str() {
                "null" => object["vrf"].is_null(),
                id => object["vrf"]["id"].as_u64() == id.parse().ok(),
            },
            // A text field that is looked for loosely.
            _ => name.strip_prefix("cf_").is_none_or(|field| {
                let has = object["custom_fields"][field].as_str().unwrap_or_default();
                has.to_lowercase().contains(&value.to_lowercase())
            }),
        })
    };
    let found: Vec<&Value> = objects.values().filter(|object| is_found(object)).collect();
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let offset = number("offset").unwrap_or(0);
    let end = (offset + number("limit").unwrap_or(PAGE).min(PAGE)).min(found.len());
    let next = (end < found.len()).then(|| format!("http://netbox/api/?offset={end}"));
    let results = &found[offset.min(end)..end];
    json!({"count": found.len(), "next": next, "previous": null, "results": results})
}
