//! Asks a plugin what the options of a request for a pool say, and answers what
//! came back, if only a refusal, as the pool's data.

use ipam_driver::{Error, PoolGrant, PoolRequest, plugins};
use ipam_programs::{Bent, Honest};

#[derive(Debug, Default)]
struct Program(Honest);

ipam_programs::export!(Program);

impl Bent for Program {
    const NAME: &'static str = "plugins";

    fn new(_: &str) -> Self {
        Self::default()
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.0
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        let mut grant = self.0.request_pool(&request)?;
        let option = |key: &str| request.options.get(key).map(String::as_str).unwrap_or_default();
        let ask = || -> Result<String, Error> {
            let plugin = plugins::get(option("name"), option("type"))?;
            if option("method") == "loop" {
                loop {
                    plugin.call("IpamDriver.GetCapabilities", b"")?;
                }
            }
            let answer = plugin.call(option("method"), b"")?;
            Ok(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))
        };
        let said = ask().unwrap_or_else(|error| error.to_string());
        grant.data.insert("said".to_owned(), said);
        Ok(grant)
    }
}
