//! Lists: which objects a query finds, in which order, and how much of each.

use super::objects::{Objects, net};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Objects on a page that says nothing of how many it wants.
const PAGE: usize = 50;

/// A page of what a query finds: at most `page_max` objects, whatever it asks for, as
/// with `MAX_PAGE_SIZE`.
pub(super) fn list(
    objects: &Objects,
    key: &str,
    query: &BTreeMap<String, String>,
    page_max: usize,
) -> Value {
    let mut found: Vec<&Value> =
        objects.values().filter(|object| is_found(object, key, query)).collect();
    // By id only where it is asked for.
    if query.get("ordering").is_none_or(|by| by != "id") && key != "rd" {
        found.sort_by_key(|object| (object["vrf"]["id"].as_u64(), net(object, key)));
    }
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let limit = match number("limit") {
        None => PAGE.min(page_max),
        Some(0) => page_max,
        Some(limit) => limit.min(page_max),
    };
    let offset = number("offset").unwrap_or(0);
    let end = (offset + limit).min(found.len());
    let next =
        (end < found.len()).then(|| format!("http://netbox/api/?limit={limit}&offset={end}"));
    let results = found[offset.min(end)..end].iter().map(|object| cut(object, query));
    let results: Vec<Value> = results.collect();
    json!({"count": found.len(), "next": next, "previous": null, "results": results})
}

/// The fields that are asked for; all, if none are.
fn cut(object: &Value, query: &BTreeMap<String, String>) -> Value {
    let Some(fields) = query.get("fields") else { return object.clone() };
    let fields = fields.split(',').map(|field| (field.to_owned(), object[field].clone()));
    Value::Object(fields.collect())
}

/// Whether all filters find it that are known; the others are ignored without a word.
fn is_found(object: &Value, key: &str, query: &BTreeMap<String, String>) -> bool {
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
        ("within_include", "prefix") => value.parse::<IpNet>().unwrap().contains(&net(object, key)),
        ("address", "address") if value.contains('/') => text(key) == value,
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
}
