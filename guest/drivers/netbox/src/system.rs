//! NetBox as the system of record: who this host is there, and what it is asked.

use crate::{
    SPACE,
    api::{Api, DESCRIPTION_FILTER},
    config::{self, Base, Config, Vrf},
    made::Made,
};
use ipam_driver::{Code, Error, IpNet, PoolRequest, log};
use ipam_http_driver::{
    Configured, Http, Identity, Note, Object, Of, Page, PoolName, Search, Server, SystemOfRecord,
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, net::IpAddr};

/// The longest description that NetBox takes.
pub(crate) const DESCRIPTION_CHARACTERS_MAX: usize = 200;
/// As much of NetBox's version as is in the log.
const VERSION_CHARACTERS_MAX: usize = 32;

/// What lists of this host's objects are by, as cursors call it. By the description, too,
/// where the field was not always there.
const LISTED_BY: [&str; 2] = ["description", FIELD];
const FIELD: &str = "field";

/// NetBox, over a way to ask.
#[derive(Debug)]
pub struct System<H> {
    pub(crate) api: Api<H>,
    pub(crate) identity: Identity,
    pub(crate) bases: Vec<Base>,
    pub(crate) gateway: Option<(&'static str, String)>,
    pub(crate) made: Made,
    vrf: Option<Vrf>,
    /// The VRF has its number in `api`.
    is_vrf_known: bool,
    /// Prefixes that NetBox lost, and those that stand for them now.
    pub(crate) moved: BTreeMap<u64, u64>,
}

impl<H: Http> System<H> {
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
            moved: BTreeMap::new(),
        }
    }

    pub(crate) fn look_at_all(&mut self) {
        let status = self.api.client.get("/status/");
        let status = status.and_then(|response| self.api.client.json(&response, 200));
        // A token is shown its NetBox whatever it may do there.
        match status.and_then(|status| self.look_inside().map(|()| status)) {
            Ok(status) => {
                let version = status.get("netbox-version").and_then(Value::as_str).unwrap_or("?");
                let version: String = version.chars().take(VERSION_CHARACTERS_MAX).collect();
                log::info(format!("NetBox {version}, as host {}", self.identity.host()));
            }
            Err(error) => log::error(format!("{error}")),
        }
    }

    fn look_inside(&mut self) -> Result<(), Error> {
        self.prepare()?;
        self.api.page(Of::Pools, &[], 1, 0)?;
        self.api.page(Of::Addresses, &[], 1, 0).map(drop)
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

    /// The fields by which an object is ours, and what people read in it.
    pub(crate) fn sign(&self, fields: &mut Map<String, Value>, pool: Option<&str>, words: &str) {
        let description = match &self.api.field {
            None => [&self.identity.text(pool), words].join(" "),
            Some(field) => {
                let custom = fields.entry("custom_fields").or_insert_with(|| json!({}));
                if let Some(custom) = custom.as_object_mut() {
                    custom.insert(field.clone(), json!(self.identity.field(pool, words)));
                }
                words.to_owned()
            }
        };
        let printable = description.trim().chars().filter(|it| !it.is_control());
        let cut: String = printable.take(DESCRIPTION_CHARACTERS_MAX).collect();
        fields.insert("description".to_owned(), json!(cut));
    }
}

impl<H: Http> SystemOfRecord for System<H> {
    const SPACE: &'static str = SPACE;
    const NAME: &'static str = "NetBox";
    const PATHS: [&'static str; 2] = ["/ipam/prefixes/", "/ipam/ip-addresses/"];
    const HAS_SUB_POOLS: bool = true;
    const DELETED_MAX: usize = 200;

    fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Learns the number of the VRF, if it has a name.
    fn prepare(&mut self) -> Result<(), Error> {
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

    fn request_pool(&mut self, request: &PoolRequest) -> Result<(PoolName, Option<IpNet>), Error> {
        self.pool(request)
    }

    fn make(
        &mut self,
        pool: &PoolName,
        address: Option<IpAddr>,
        note: &Note<'_>,
    ) -> Result<Option<Object>, Error> {
        let mut fields = self.made.with(&pool.options)?.address(note.endpoint);
        self.sign(&mut fields, Some(&pool.key()), &note.words);
        let Some(address) = address else { return self.next_address(pool, &fields) };
        let net = IpNet::new(address, pool.net.prefix_len()).map_err(|_| Code::IpOutOfRange)?;
        self.api.create(Of::Addresses, net, fields)
    }

    fn find(&mut self, search: &Search<'_>) -> Result<Vec<Object>, Error> {
        let by = |net: IpNet| net.to_string();
        match *search {
            Search::At(_, address) => {
                self.api.list(Of::Addresses, &[("address", &address.to_string())])
            }
            // Not everybody's: a large prefix has more than a list may have.
            Search::OursIn(pool) => {
                let text = self.identity.text(Some(&pool.key()));
                let filter = self.api.identity_filter();
                self.api.list(Of::Addresses, &[("parent", &by(pool.net)), (&filter, &text)])
            }
            Search::Ours(of) => {
                self.api.list(of, &[(DESCRIPTION_FILTER, &self.identity.text(None))])
            }
            Search::In(Of::Addresses, _, net) => {
                self.api.list(Of::Addresses, &[("parent", &by(net))])
            }
            Search::In(Of::Pools, _, net) => self.api.list(Of::Pools, &[("within", &by(net))]),
            Search::Prefix(net) => self.api.list(Of::Pools, &[("prefix", &by(net))]),
        }
    }

    fn get(&mut self, of: Of, id: u64) -> Result<Option<Object>, Error> {
        self.api.get(of, id)
    }

    fn delete(&mut self, of: Of, id: u64) -> Result<bool, Error> {
        self.api.delete(of, id)
    }

    fn delete_all(&mut self, ids: &[u64]) -> Result<(), Error> {
        self.api.delete_all(ids)
    }

    fn hand_over(&mut self, of: Of, known: &Object, text: Option<&str>) -> Result<(), Error> {
        // Somebody may have written more than we would.
        let cut = |text: &str| text.chars().take(DESCRIPTION_CHARACTERS_MAX).collect::<String>();
        let text = text.map(cut);
        let mut fields = Map::new();
        if self.identity.is_text(&known.description) {
            fields.insert("description".to_owned(), json!(text.as_deref().unwrap_or_default()));
        }
        if let Some(field) = &self.api.field {
            fields.insert("custom_fields".to_owned(), json!({ field: text }));
        }
        let path = format!("{}{}/", Self::path(of), known.id);
        let response = self.api.client.patch(&path, &Value::from(fields))?;
        if response.status == 200 { Ok(()) } else { Err(self.api.client.refusal(&response)) }
    }

    fn listed_by(&self) -> &'static [&'static str] {
        if self.api.field.is_some() { &LISTED_BY } else { &LISTED_BY[..1] }
    }

    fn page(
        &mut self,
        by: &str,
        of: Of,
        limit: usize,
        offset: usize,
    ) -> Result<(Vec<Object>, Option<usize>), Error> {
        let is_by_field = by == FIELD;
        let filter = match is_by_field {
            true => self.api.identity_filter(),
            false => DESCRIPTION_FILTER.to_owned(),
        };
        let text = self.identity.text(None);
        let page = self.api.page(of, &[(&filter, &text)], limit, offset)?;
        let Page { mut items, has_next } = page;
        if has_next && items.is_empty() {
            return Err(Self::odd("a page has no results"));
        }
        let next = has_next.then_some(offset + items.len());
        // What has both texts is listed by its description.
        items.retain(|known| !is_by_field || !self.identity.is_described(known));
        Ok((items, next))
    }
}

impl<H: Http> Configured<H> for System<H> {
    fn read(text: &str, http: H) -> Result<Option<Self>, Error> {
        Ok(config::read(text)?.map(|config| Self::new(config, http)))
    }

    fn look(&mut self) {
        self.look_at_all();
    }
}
