//! The next address of a pool: what NetBox says is available.

use crate::{api::Taken, system::System};
use ipam_driver::{Code, Error, log};
use ipam_http_driver::{Http, Object, Of, PoolName, SystemOfRecord};
use serde_json::{Map, Value};

impl<H: Http> System<H> {
    /// Makes the next address of the pool's ranges, or of its prefix.
    pub(crate) fn next_address(
        &mut self,
        pool: &PoolName,
        fields: &Map<String, Value>,
    ) -> Result<Option<Object>, Error> {
        if !pool.ranges.is_empty() {
            for range in &pool.ranges {
                let path = format!("/ipam/ip-ranges/{range}/");
                match self.api.available(Of::Addresses, &path, fields.clone())? {
                    Taken::Object(made) => return Ok(Some(made)),
                    Taken::Exhausted => {}
                    Taken::NotFound => {
                        log::warn(format!("NetBox has no IP range {range} any more, of {pool}"));
                    }
                }
            }
            return Ok(None);
        }
        let path = |prefix: u64| format!("{}{prefix}/", Self::path(Of::Pools));
        let prefix = self.moved.get(&pool.number).copied().unwrap_or(pool.number);
        match self.api.available(Of::Addresses, &path(prefix), fields.clone())? {
            Taken::Object(made) => Ok(Some(made)),
            Taken::Exhausted => Ok(None),
            Taken::NotFound => {
                // Somebody deleted the prefix, and perhaps made it again.
                let again = self.prefix(pool.net)?.ok_or_else(|| {
                    let text = format!(
                        "NetBox has no prefix {} for pool {pool}: make it there again, and the \
                         pool works again",
                        pool.net
                    );
                    Error::new(Code::PoolNotFound, text)
                })?;
                self.moved.insert(pool.number, again.id);
                let taken = self.api.available(Of::Addresses, &path(again.id), fields.clone())?;
                Ok(match taken {
                    Taken::Object(made) => Some(made),
                    Taken::Exhausted | Taken::NotFound => None,
                })
            }
        }
    }
}
