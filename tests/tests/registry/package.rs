//! The contract itself in a registry, where `wkg` looks for it: a namespace that
//! is mapped to `REGISTRY` has the package `ipam:driver` in `REGISTRY/ipam/driver`
//! under its version as the tag.

use crate::server::{Answer, Asked, Server, answer};
use ipam_tests::{contract, daemon::binary};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    process::Command,
    sync::{Arc, Mutex},
};
use wit_component::{DecodedWasm, decode};

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

const REPOSITORY: &str = "/v2/ipam/driver/";

/// As much of a registry as a push and a pull need.
fn registry(files: &Files, asked: &Asked) -> Answer {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let path = path.strip_prefix(REPOSITORY).unwrap_or_default();
    let mut files = files.lock().unwrap();
    match (&*asked.method, query.split_once("digest=")) {
        ("POST", _) => answer(202, "").with("location", &format!("{REPOSITORY}blobs/uploads/1")),
        ("PUT", Some((_, digest))) => {
            files.insert(format!("blobs/{}", digest.replace("%3A", ":")), asked.body.clone());
            answer(201, "")
        }
        ("PUT", None) => {
            let digest: String =
                Sha256::digest(&asked.body).iter().map(|byte| format!("{byte:02x}")).collect();
            files.insert(format!("manifests/sha256:{digest}"), asked.body.clone());
            files.insert(path.to_owned(), asked.body.clone());
            answer(201, "")
        }
        _ => files.get(path).map_or_else(|| answer(404, ""), |bytes| answer(200, bytes)),
    }
}

#[test]
fn the_contract_is_a_package_that_a_registry_keeps() {
    let files = Files::default();
    let kept = files.clone();
    let server = Server::new(move |asked| registry(&kept, asked));
    let directory = tempfile::tempdir().unwrap();
    let [file, again] =
        ["ipam:driver@0.1.0.wasm", "again.wasm"].map(|name| directory.path().join(name));
    let package = contract::package();
    fs::write(&file, &package).unwrap();
    let reference = format!("oci://{}/ipam/driver:0.1.0", server.authority);
    let driver = |words: &[&str]| {
        let mut command = Command::new(binary());
        command.arg("driver").args(words).args(["--plain-http", &server.authority]);
        let output = command.env("DOCKER_CONFIG", directory.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    driver(&["push", file.to_str().unwrap(), &reference]);
    let manifest = files.lock().unwrap()["manifests/0.1.0"].clone();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    driver(&["pull", &reference, "--output", again.to_str().unwrap()]);
    assert_eq!(fs::read(&again).unwrap(), package);
    let Ok(DecodedWasm::WitPackage(resolve, id)) = decode(&package) else { panic!("no package") };
    assert_eq!(resolve.packages[id].name.to_string(), "ipam:driver@0.1.0");
    assert!(resolve.packages[id].worlds.contains_key("ipam-driver"));
}
