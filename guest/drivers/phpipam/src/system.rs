//! phpIPAM as the system of record: who this host is there, and what it is asked.

use crate::api::field;
use ipam_driver::{Error, IpNet, PoolChoice, PoolRequest};
use ipam_http_driver::{
    Base, Client, Http, Identity, Note, Object, Of, PoolName, Search, SystemOfRecord, number,
};
use serde_json::json;
use std::net::IpAddr;

/// phpIPAM, within one section.
#[derive(Debug)]
pub struct System<H> {
    pub(crate) client: Client<H>,
    pub(crate) identity: Identity,
    pub(crate) section: u64,
    /// phpIPAM's tag of addresses.
    pub(crate) tag: u64,
    pub(crate) bases: Vec<Base>,
}

impl<H: Http> SystemOfRecord for System<H> {
    const SPACE: &'static str = "phpipam";
    const NAME: &'static str = "phpIPAM";
    const PATHS: [&'static str; 2] = ["/subnets/", "/addresses/"];

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn request_pool(&mut self, request: &PoolRequest) -> Result<(PoolName, Option<IpNet>), Error> {
        let (number, net) = match request.pool {
            PoolChoice::Exact(net) => (self.exact(net)?, net),
            PoolChoice::Automatic(family) => self.cut(family, None)?,
            PoolChoice::Sized(family, length) => self.cut(family, Some(length))?,
        };
        Ok((PoolName::new(Self::SPACE, number, net), None))
    }

    fn make(
        &mut self,
        pool: &PoolName,
        address: Option<IpAddr>,
        note: &Note<'_>,
    ) -> Result<Option<Object>, Error> {
        let owner = self.identity.field(Some(&pool.key()), &note.words);
        // phpIPAM takes no longer one.
        let description: String = note.words.chars().take(64).collect();
        let mut fields = json!({ "owner": owner, "description": description, "tag": self.tag });
        let mut path = format!("/addresses/first_free/{}/", pool.number);
        if let Some(address) = address {
            path = "/addresses/".to_owned();
            fields["ip"] = json!(address);
            fields["subnetId"] = json!(pool.number);
        }
        let response = self.client.post(&path, &fields)?;
        let Some(made) = self.answer(&response, 201)? else { return Ok(None) };
        let ip = fields.get("ip").unwrap_or(&made["data"]);
        Self::object(Of::Addresses, &json!({ "id": made["id"], "ip": ip })).map(Some)
    }

    fn find(&mut self, search: &Search<'_>) -> Result<Vec<Object>, Error> {
        match *search {
            Search::At(pool, address) => {
                let path = format!("/addresses/search/{address}/");
                self.list(Of::Addresses, &path, &[("subnetId", pool.number)])
            }
            Search::OursIn(pool) => {
                let path = format!("/subnets/{}/addresses/", pool.number);
                self.of(Of::Addresses, &path, self.identity.text(Some(&pool.key())))
            }
            Search::Ours(of) => {
                self.of(of, &format!("{}all/", Self::path(of)), self.identity.text(None))
            }
            Search::In(Of::Pools, number, _) => {
                self.list(Of::Pools, &format!("/subnets/{number}/slaves/"), &[])
            }
            // A list of people's addresses may be too long: they are counted.
            Search::In(of, subnet, net) => {
                let path = format!("/subnets/{subnet}/addresses/");
                let mut found = self.of(of, &path, self.identity.driver().to_owned())?;
                let usage = self.ask(&format!("/subnets/{subnet}/usage/"))?;
                let used = usage.and_then(|usage| number(&usage, "used"));
                if used != Some(found.len() as u64) {
                    found.push(Object::others(net));
                }
                Ok(found)
            }
            Search::Prefix(net) => self.subnets(&format!("/subnets/cidr/{net}/")),
        }
    }

    fn get(&mut self, of: Of, id: u64) -> Result<Option<Object>, Error> {
        let data = self.ask(&format!("{}{id}/", Self::path(of)))?;
        data.map(|data| Self::object(of, &data)).transpose()
    }

    fn delete(&mut self, of: Of, id: u64) -> Result<bool, Error> {
        let response = self.client.delete(&format!("{}{id}/", Self::path(of)), None)?;
        Ok(self.answer(&response, 200)?.is_some())
    }

    fn hand_over(&mut self, of: Of, known: &Object, text: Option<&str>) -> Result<(), Error> {
        let fields = json!({ field(of): text.unwrap_or_default() });
        let response = self.client.patch(&format!("{}{}/", Self::path(of), known.id), &fields)?;
        self.answer(&response, 200)?.map(drop).ok_or_else(|| self.client.refusal(&response))
    }
}
