//! Writes what cannot be seen, and what acts on a terminal, wherever it may
//! write anything: ids, data, refusals, lines of the log.

use ipam_driver::{
    AddressGrant, AddressRequest, Code, Error, Options, PoolChoice, PoolGrant, PoolRequest, log,
};
use ipam_programs::{Bent, Honest};
use std::net::IpAddr;

/// Turns around what follows, a command to a terminal, ends of lines that are
/// none of ASCII's, and something of no width.
const INK: &str = "\u{202e}\u{9b}2J\u{85}\u{2028}\u{200b}";

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

fn data() -> Options {
    Options::from([(format!("key{INK}"), format!("value\n{INK}"))])
}

fn say() {
    log::warn(format!("said {INK}\nERROR it is all over"));
}

impl Bent for Program {
    const NAME: &'static str = "obscures";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        say();
        if matches!(request.pool, PoolChoice::Sized(..)) {
            return Err(Error::new(Code::InvalidPool, format!("refused {INK}\nERROR all over")));
        }
        let grant = self.0.request_pool(&request)?;
        Ok(PoolGrant { pool_id: format!("{}{INK}", grant.pool_id), data: data(), ..grant })
    }

    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.0.release_pool(pool_id.trim_end_matches(INK))
    }

    fn request_address(&mut self, mut request: AddressRequest) -> Result<AddressGrant, Error> {
        if request.options.contains_key("break") {
            panic!("broken {INK}\nERROR it is all over");
        }
        request.pool_id = request.pool_id.trim_end_matches(INK).to_owned();
        Ok(AddressGrant { data: data(), ..self.0.request_address(&request)? })
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        self.0.release_address(pool_id.trim_end_matches(INK), address)
    }

    fn is_built_in(&mut self) -> bool {
        true
    }
}
