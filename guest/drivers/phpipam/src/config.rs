//! The operator's table.

use crate::System;
use ipam_driver::Error;
use ipam_http_driver::{
    Base, Client, Configured, Http, Identity, Secret, Server, SystemOfRecord, Url, read_table,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    url: String,
    token: String,
    host: String,
    section: u64,
    tag: Option<u64>,
    #[serde(default)]
    default_address_pools: Vec<Base>,
}

impl<H: Http> Configured<H> for System<H> {
    fn read(text: &str, http: H) -> Result<Option<Self>, Error> {
        let Some(table) = read_table::<Table>(text)? else { return Ok(None) };
        let url = Url::read(&table.url, "https://phpipam.example/api/wipam")?;
        let headers = vec![("token", Secret::token(table.token)?)];
        Ok(Some(Self {
            client: Client::new(Server { name: "phpIPAM", words: "message", url, headers }, http),
            identity: Identity::new(Self::SPACE, table.host)?,
            section: table.section,
            // Used, which is also what phpIPAM takes.
            tag: table.tag.unwrap_or(2),
            bases: table.default_address_pools,
        }))
    }
}
