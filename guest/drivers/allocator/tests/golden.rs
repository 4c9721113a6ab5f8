//! The recorded operations of the reference allocator, played against ours.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use ipam_allocator::{Allocator, Choice, Error, Family, Predefined, global_predefined};
use ipnet::IpNet;
use serde_json::{Value, json};

const RECORDED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tests/golden/default-driver.jsonl");

/// The option that asks for one address after the other.
const SERIAL: &str = "com.docker.network.ipam.serial";

#[test]
fn every_recorded_operation_is_answered_as_recorded() {
    let recorded = std::fs::read_to_string(RECORDED).unwrap();
    let (mut allocator, mut trace, mut played) = (None, Value::Null, 0);
    for line in recorded.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["trace"].is_string() {
            let local = strings(&line["local-pools"]).map(predefined).collect();
            allocator = Some(Allocator::new(local, global_predefined()).unwrap());
            trace = line["trace"].clone();
            continue;
        }
        let answer = play(allocator.as_mut().expect("a trace begins the file"), &line);
        let (status, text) = match &answer {
            Ok(ok) => {
                assert_eq!(*ok, line["ok"], "{trace}: {line}");
                (Value::Null, Value::Null)
            }
            Err(error) => (json!(status(error)), json!(error.to_string())),
        };
        let want = &line["err"];
        assert_eq!((&want["status"], &want["text"]), (&status, &text), "{trace}: {line}");
        played += 1;
    }
    assert!(played > 16_000, "only {played} operations");
}

fn play(allocator: &mut Allocator, line: &Value) -> Result<Value, Error> {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    match text("op") {
        "request-pool" => {
            let family = if line["v6"] == true { Family::V6 } else { Family::V4 };
            let choice = match text("pool").split_once('/') {
                None => Choice::Automatic(family),
                Some(("0.0.0.0" | "::", len)) => Choice::Sized(family, len.parse().unwrap()),
                Some(_) => Choice::Exact {
                    pool: text("pool").parse().unwrap(),
                    sub_pool: Some(text("sub-pool"))
                        .filter(|text| !text.is_empty())
                        .map(|text| text.parse().unwrap()),
                },
            };
            let exclude: Vec<IpNet> =
                strings(&line["exclude"]).map(|text| text.parse().unwrap()).collect();
            let pool = allocator.request_pool(text("space"), choice, &exclude)?;
            Ok(json!({ "id": pool.id, "pool": pool.prefix.to_string() }))
        }
        "release-pool" => allocator.release_pool(text("id")).map(|()| json!({})),
        "request-address" => {
            let address = line["address"].as_str().map(|text| text.parse().unwrap());
            let serial = line["options"][SERIAL] == "true";
            let address = allocator.request_address(text("id"), address, serial)?;
            Ok(json!({ "address": address.to_string() }))
        }
        "release-address" => {
            let address = text("address").parse().unwrap();
            allocator.release_address(text("id"), address).map(|()| json!({}))
        }
        op => panic!("unknown operation {op:?}"),
    }
}

fn predefined(text: &str) -> Predefined {
    let (base, size) = text.rsplit_once(':').unwrap();
    Predefined { base: base.parse().unwrap(), size: size.parse().unwrap() }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}

/// The HTTP status of an error, as the reference's class gives it.
fn status(error: &Error) -> u16 {
    match error {
        Error::PoolOverlap | Error::IpAlreadyAllocated => 403,
        Error::PoolNotFound(_) => 404,
        Error::NoAvailableIps => 503,
        Error::InvalidAddressSpace(_)
        | Error::InvalidPool
        | Error::InvalidSubPool
        | Error::FamiliesDiffer
        | Error::NoMoreSubnets
        | Error::BadPool
        | Error::InvalidPoolId(_)
        | Error::IpOutOfRange
        | Error::NotCanonical { .. }
        | Error::SmallerPrefix { .. } => 400,
    }
}
