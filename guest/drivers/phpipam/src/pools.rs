//! Pools: subnets of a section, found there or made.

use crate::System;
use ipam_driver::{Code, Error, Family, IpNet};
use ipam_http_driver::{Base, Http, Object, Of, SystemOfRecord, number, text};
use serde_json::json;

impl<H: Http> System<H> {
    /// The number of the subnet that phpIPAM has, or of a new one.
    pub(crate) fn exact(&mut self, net: IpNet) -> Result<u64, Error> {
        let overlap = |text: String| Err(Error::new(Code::PoolOverlap, text));
        if let Some(base) = self.bases.iter().find(|base| net.contains(&base.net)) {
            return overlap(format!("automatic pools are cut from {}", base.net));
        }
        let around = self.subnets(&format!("/subnets/overlapping/{net}/"))?;
        // phpIPAM gives no addresses of a subnet that has others in it.
        let is_in_the_way = |it: &Object| net.contains(&it.net) || self.identity.is_ours(it, None);
        if let Some(other) = around.iter().find(|it| it.net != net && is_in_the_way(it)) {
            return overlap(format!("phpIPAM has the subnet {}", other.net));
        }
        if let Some(known) = around.iter().find(|known| known.net == net) {
            return Ok(known.id);
        }
        let master = around.iter().max_by_key(|it| it.net.prefix_len()).map_or(0, |it| it.id);
        let subnet = json!({
            "subnet": net.network(), "mask": net.prefix_len(), "sectionId": self.section,
            "masterSubnetId": master, "description": self.identity.text(None),
        });
        let response = self.client.post("/subnets/", &subnet)?;
        let made = self.answer(&response, 201)?.and_then(|made| number(&made, "id"));
        // A section that is not strict takes it from several hosts at once. The lowest has it.
        let Some(first) = self.prefix(net)? else {
            return overlap(self.client.refusal(&response).text().to_owned());
        };
        if let Some(made) = made.filter(|made| *made != first.id) {
            self.delete(Of::Pools, made)?;
        }
        Ok(first.id)
    }

    /// A new subnet in the first base that has room.
    pub(crate) fn cut(
        &mut self,
        family: Family,
        length: Option<u8>,
    ) -> Result<(u64, IpNet), Error> {
        let mut refusal = Error::from(Code::NoMoreSubnets);
        for (base, length) in Base::fitting(&self.bases, family, length)? {
            let Some(parent) = self.prefix(base)? else {
                let text = format!("phpIPAM has no subnet {base} to cut pools from");
                refusal = Error::new(Code::NoAvailablePool, text);
                continue;
            };
            let path = format!("/subnets/{}/first_subnet/{length}/", parent.id);
            let ours = self.identity.text(None);
            let response = self.client.post(&path, &json!({ "description": ours }))?;
            let Some(made) = self.answer(&response, 201)? else { continue };
            let net: Option<IpNet> = text(&made, "data").parse().ok();
            let net = net.filter(|net| base.contains(net) && net.prefix_len() == length);
            let made = Option::zip(number(&made, "id"), net);
            return made.ok_or_else(|| Self::odd("that subnet was not asked for"));
        }
        Err(refusal)
    }
}
