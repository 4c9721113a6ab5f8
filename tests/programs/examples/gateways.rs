//! Names the gateway with a pool that the option `gateway` tells it to, chooses
//! the pool of the option `pool`, and leases the lowest address to whoever
//! asks, be it the gateway.

use ipam_driver::{Error, IpNet, PoolChoice, PoolGrant, PoolRequest, names};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "gateways";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        let told = |key: &str| request.options.get(key).map(String::as_str);
        let chosen = told("pool").and_then(|text| text.parse::<IpNet>().ok());
        let gateway = told("gateway").map(str::to_owned);
        let pool = chosen.map_or(request.pool, PoolChoice::Exact);
        let mut grant = self.0.request_pool(&PoolRequest { pool, ..request })?;
        grant.data.extend(gateway.map(|text| (names::GATEWAY.to_owned(), text)));
        Ok(grant)
    }
}
