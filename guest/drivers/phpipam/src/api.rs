//! phpIPAM's answers, as far as they matter.

use crate::System;
use ipam_driver::Error;
use ipam_http_driver::{Http, Object, Of, Response, SystemOfRecord, escaped, number, text};
use serde_json::Value;
use std::net::IpAddr;

pub(crate) type Found = Result<Vec<Object>, Error>;

/// The field that says whose an object is.
pub(crate) fn field(of: Of) -> &'static str {
    if of == Of::Pools { "description" } else { "owner" }
}

impl<H: Http> System<H> {
    /// The data at a path, if phpIPAM says that there is some.
    pub(crate) fn ask(&mut self, path: &str) -> Result<Option<Value>, Error> {
        let response = self.client.get(path)?;
        let answer = self.answer(&response, 200)?;
        Ok(answer.map(|mut answer| answer.get_mut("data").map(Value::take).unwrap_or_default()))
    }

    /// The objects of a list that have these numbers, 0 for none, the lowest id first.
    pub(crate) fn list(&mut self, of: Of, path: &str, numbers: &[(&str, u64)]) -> Found {
        let data = self.ask(path)?.unwrap_or_else(|| Value::Array(Vec::new()));
        let list = data.as_array().ok_or_else(|| Self::odd("that is no list"))?;
        let is_meant = |it: &Value, (key, of): &(&str, u64)| number(it, key).unwrap_or(0) == *of;
        let found = list.iter().filter(|it| numbers.iter().all(|number| is_meant(it, number)));
        let mut found = found.map(|it| Self::object(of, it)).collect::<Result<Vec<_>, _>>()?;
        found.sort_by_key(|known| known.id);
        Ok(found)
    }

    /// The objects of a list in whose field that text is.
    pub(crate) fn of(&mut self, of: Of, path: &str, says: String) -> Found {
        let (field, says) = (field(of), escaped(&says));
        let path = format!("{path}?filter_by={field}&filter_match=partial&filter_value={says}");
        self.list(of, &path, &[])
    }

    /// The subnets of the section in a list: those with a VRF, and folders, are not meant.
    pub(crate) fn subnets(&mut self, path: &str) -> Found {
        self.list(Of::Pools, path, &[("sectionId", self.section), ("vrfId", 0), ("isFolder", 0)])
    }

    /// The body of an answer; nothing where phpIPAM says that there is none such, no room, or
    /// one already.
    pub(crate) fn answer(&self, response: &Response, status: u16) -> Result<Option<Value>, Error> {
        let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let says = text(&body, "message");
        let (is_gone, is_making) = (says.starts_with("Invalid subnet "), status == 201);
        match response.status {
            404 | 409 if body.get("success").is_none() => Err(self.client.another_server(response)),
            400 if is_gone && is_making => Err(self.client.not_found(response)),
            400 if is_gone => Ok(None),
            404 if !is_making || says.starts_with("No ") => Ok(None),
            409 if is_making => Ok(None),
            // Of all there is, where there is nothing.
            500 if says.starts_with("Unable to read ") => Ok(None),
            _ => self.client.json(response, status).map(Some),
        }
    }

    pub(crate) fn object(of: Of, value: &Value) -> Result<Object, Error> {
        let net = match of {
            Of::Pools => format!("{}/{}", text(value, "subnet"), text(value, "mask")).parse().ok(),
            Of::Addresses => text(value, "ip").parse().ok().map(|ip: IpAddr| ip.into()),
        };
        let object = Option::zip(number(value, "id"), net);
        let object = object.map(|(id, net)| Object::new(id, net, text(value, field(of))));
        object.ok_or_else(|| Self::odd("that has no id and subnet or address"))
    }
}
