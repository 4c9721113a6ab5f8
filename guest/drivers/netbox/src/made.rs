//! What the driver writes into the objects that it makes, besides what was asked for: from
//! the configuration, and per network from the options of its pool.

use ipam_driver::{Code, Error, Options};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A custom field in an option is this and its name.
const CUSTOM_FIELD: &str = "custom-fields.";
/// Options that only the prefix needs.
const OF_PREFIX: [&str; 2] = ["role", "status"];
/// Options that are the engine's or the host's, and none of NetBox's business.
const FOREIGN: [&str; 2] = ["com.docker.", "wipam."];

/// Something of NetBox, by its number or its slug. A number needs no permission to
/// view what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Reference {
    Id(u64),
    Slug(String),
}

impl Reference {
    fn read(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Slug(text.to_owned()), Self::Id)
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Id(id) => json!(id),
            Self::Slug(slug) => json!({ "slug": slug }),
        }
    }

    /// The filter that finds what has it: `tenant=SLUG` or `tenant_id=ID`.
    pub(crate) fn filter(&self, key: &str) -> (String, String) {
        match self {
            Self::Id(id) => (format!("{key}_id"), id.to_string()),
            Self::Slug(slug) => (key.to_owned(), slug.clone()),
        }
    }
}

/// What is made has this.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Made {
    pub(crate) tenant: Option<Reference>,
    pub(crate) tags: Vec<Reference>,
    pub(crate) custom_fields: Map<String, Value>,
    /// Of prefixes: NetBox has roles of its own for addresses.
    pub(crate) role: Option<Reference>,
    pub(crate) status: Option<String>,
    pub(crate) address_role: Option<String>,
    pub(crate) address_status: Option<String>,
    /// The name of an endpoint is its DNS name in this domain.
    pub(crate) dns_domain: Option<String>,
}

impl Made {
    /// With the options of a network, each in place of what the configuration says.
    pub(crate) fn with(&self, options: &Options) -> Result<Self, Error> {
        let mut made = self.clone();
        for (key, value) in options.iter().filter(|(key, _)| !is_foreign(key)) {
            let text = || Some(value.clone());
            match key.as_str() {
                "tenant" => made.tenant = Some(Reference::read(value)),
                "tags" => made.tags = value.split(',').map(Reference::read).collect(),
                "role" => made.role = Some(Reference::read(value)),
                "status" => made.status = text(),
                "address-role" => made.address_role = text(),
                "address-status" => made.address_status = text(),
                "dns-domain" => made.dns_domain = text(),
                key => match key.strip_prefix(CUSTOM_FIELD) {
                    Some(field) => drop(made.custom_fields.insert(field.to_owned(), json!(value))),
                    None => {
                        let text = format!("the driver netbox has no option {key:?}");
                        return Err(Error::new(Code::InvalidRequest, text));
                    }
                },
            }
        }
        Ok(made)
    }

    pub(crate) fn prefix(&self) -> Map<String, Value> {
        let status = self.status.as_deref().unwrap_or("active");
        self.fields(status, self.role.as_ref().map(Reference::to_json))
    }

    pub(crate) fn address(&self, endpoint: Option<&str>) -> Map<String, Value> {
        let status = self.address_status.as_deref().unwrap_or("active");
        let mut fields = self.fields(status, self.address_role.as_ref().map(|role| json!(role)));
        if let (Some(domain), Some(name)) = (&self.dns_domain, endpoint) {
            let name = format!("{name}.{domain}");
            let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"-._".contains(&it);
            // What NetBox would refuse is no reason to refuse the address.
            if name.len() <= 255 && name.bytes().all(is_plain) {
                fields.insert("dns_name".to_owned(), json!(name));
            }
        }
        fields
    }

    fn fields(&self, status: &str, role: Option<Value>) -> Map<String, Value> {
        let tags: Vec<Value> = self.tags.iter().map(Reference::to_json).collect();
        let pairs = [
            ("status", Some(json!(status))),
            ("role", role),
            ("tenant", self.tenant.as_ref().map(Reference::to_json)),
            ("tags", (!tags.is_empty()).then(|| json!(tags))),
            ("custom_fields", (!self.custom_fields.is_empty()).then(|| json!(self.custom_fields))),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// The options that requests for addresses need.
pub(crate) fn of_addresses(options: &Options) -> Options {
    let is_needed = |key: &str| !is_foreign(key) && !OF_PREFIX.contains(&key);
    let needed = options.iter().filter(|(key, _)| is_needed(key));
    needed.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn is_foreign(key: &str) -> bool {
    FOREIGN.iter().any(|prefix| key.starts_with(prefix))
}
