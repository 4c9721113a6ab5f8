//! Plays recorded operations of the reference allocator to a driver.
//!
//! The format is that of `golden/default-driver.jsonl`: a line with `trace`
//! starts a fresh driver, every other line is an operation and its answer.
//! An `ok` must be equal; of an `err` the status must.

use ipam_api::{
    AddressRequest, Callback, Capability, Code, Driver, Error, Factory, Failure, Options, PoolId,
    Start,
};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

/// How many differences are kept in words.
const DIFFERENCES_KEPT: usize = 10;

/// What playing a file came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Operations answered as recorded.
    pub passed: usize,
    /// Operations answered otherwise.
    pub failed: usize,
    /// The first differences, each with its line.
    pub differences: Vec<String>,
}

/// Plays a file, plain or gzip, to drivers that `factory` makes.
///
/// # Errors
/// A line that cannot be read, or a driver that does not start.
pub fn play(mut file: impl Read, factory: &dyn Factory) -> Result<Outcome, String> {
    let mut magic = [0; 2];
    let read = file.read(&mut magic).map_err(|error| error.to_string())?;
    let whole = magic[..read].chain(file);
    let plain: Box<dyn Read + '_> = if magic == [0x1f, 0x8b] {
        Box::new(flate2::read::MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    };
    let mut outcome = Outcome::default();
    let mut player: Option<Player> = None;
    for (number, line) in (1..).zip(BufReader::new(plain).lines()) {
        let line = line.map_err(|error| format!("line {number}: {error}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let at = |error: String| format!("line {number}: {error}");
        let recorded: Value = serde_json::from_str(&line).map_err(|error| at(error.to_string()))?;
        if recorded["trace"].is_string() {
            player = Some(Player::start(factory, &recorded["local-pools"]).map_err(at)?);
            continue;
        }
        let player = player.as_mut().ok_or_else(|| at("no trace has begun".to_owned()))?;
        match differs(&recorded, &player.step(&recorded).map_err(at)?) {
            None => outcome.passed += 1,
            Some(difference) => {
                outcome.failed += 1;
                if outcome.differences.len() < DIFFERENCES_KEPT {
                    outcome.differences.push(format!("line {number}: {difference}\n  {line}"));
                }
            }
        }
    }
    Ok(outcome)
}

/// A driver in the middle of a trace.
struct Player(Box<dyn Driver>);

/// A registry that takes every name.
#[derive(Debug)]
pub struct AnyName;

impl Callback for AnyName {
    fn register_ipam_driver_with_capabilities(
        &mut self,
        _: &str,
        _: Capability,
    ) -> Result<(), Error> {
        Ok(())
    }
}

impl Player {
    /// `pools` is the predefined local pools as `base/length:size`.
    fn start(factory: &dyn Factory, pools: &Value) -> Result<Self, String> {
        let pools: Vec<Value> = pools
            .as_array()
            .ok_or("a trace names its local-pools")?
            .iter()
            .map(|pool| {
                let (base, size) = pool.as_str()?.rsplit_once(':')?;
                Some(json!({ "base": base, "size": size.parse::<u8>().ok()? }))
            })
            .collect::<Option<_>>()
            .ok_or("a predefined pool is base/length:size")?;
        let config = json!({ "default-address-pools": pools }).to_string();
        factory
            .make(&Start { name: None, config, stored: Arc::default() }, Box::new(AnyName))
            .map(Self)
            .map_err(|failure| failure.to_string())
    }

    fn step(&mut self, operation: &Value) -> Result<Result<Value, Failure>, String> {
        let text = |key: &str| operation[key].as_str().unwrap_or_default();
        let driver = &mut self.0;
        Ok(match text("op") {
            "request-pool" => request_pool(&mut **driver, operation),
            "release-pool" => {
                pool_id(text("id")).and_then(|id| driver.release_pool(&id)).map(|()| json!({}))
            }
            "request-address" => request_address(&mut **driver, operation),
            "release-address" => {
                let address = text("address").parse().map_err(|_| "not an address")?;
                pool_id(text("id"))
                    .and_then(|id| driver.release_address(&id, address))
                    .map(|()| json!({}))
            }
            unknown => return Err(format!("unknown operation {unknown:?}")),
        })
    }
}

fn pool_id(text: &str) -> Result<PoolId, Failure> {
    PoolId::try_from(text).map_err(|_| Code::InvalidRequest.into())
}

fn request_pool(driver: &mut dyn Driver, operation: &Value) -> Result<Value, Failure> {
    let text = |key: &str| operation[key].as_str().unwrap_or_default();
    let v6 = operation["v6"].as_bool().unwrap_or_default();
    let (space, pool, sub_pool) = (text("space"), text("pool"), text("sub-pool"));
    let mut request = ipam_docker::wire::pool_request(space, pool, sub_pool, Options::new(), v6)?;
    let exclude = operation["exclude"].as_array().into_iter().flatten();
    request.exclude = exclude.filter_map(|prefix| prefix.as_str()?.parse().ok()).collect();
    request.exclude.sort();
    let grant = driver.request_pool(&request)?;
    Ok(json!({ "id": grant.pool_id.as_str(), "pool": grant.pool.to_string() }))
}

fn request_address(driver: &mut dyn Driver, operation: &Value) -> Result<Value, Failure> {
    let options = operation["options"].as_object().into_iter().flatten();
    let request = AddressRequest {
        pool_id: pool_id(operation["id"].as_str().unwrap_or_default())?,
        address: operation["address"].as_str().and_then(|text| text.parse().ok()),
        options: options
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    };
    let grant = driver.request_address(&request)?;
    Ok(json!({ "address": grant.address.map(|address| address.to_string()) }))
}

/// In which way the answer is not the recorded one.
fn differs(recorded: &Value, answer: &Result<Value, Failure>) -> Option<String> {
    let (want, got) = match answer {
        Ok(value) => (&recorded["ok"], value.clone()),
        Err(failure) => {
            let status = failure.contract().kind().http_status();
            let want = &recorded["err"]["status"];
            if *want == status {
                return None;
            }
            (if want.is_null() { &recorded["ok"] } else { want }, json!(failure.to_string()))
        }
    };
    let want = if want.is_null() { &recorded["err"] } else { want };
    (*want != got).then(|| format!("want {want}, got {got}"))
}

#[cfg(test)]
mod tests {
    use super::differs;
    use ipam_api::{Code, Failure};
    use serde_json::json;

    #[test]
    fn an_answer_is_the_recorded_one_or_differs() {
        let granted = json!({ "ok": { "id": "a" } });
        let refused = json!({ "err": { "status": 503, "text": "only informs" } });
        let full = || Err(Failure::from(Code::NoAvailableIps));
        assert_eq!(differs(&granted, &Ok(json!({ "id": "a" }))), None);
        assert_eq!(differs(&refused, &full()), None);
        for (recorded, answer) in [
            (&granted, Ok(json!({ "id": "b" }))),
            (&granted, full()),
            (&refused, Ok(json!({ "id": "a" }))),
            (&refused, Err(Failure::from(Code::BadPool))),
        ] {
            assert!(differs(recorded, &answer).is_some(), "{recorded} {answer:?}");
        }
    }
}
