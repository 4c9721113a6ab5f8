//! A real Docker Engine, unmodified, whose networks and containers get their
//! addresses from the `default` component.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

#[path = "engine/reconcile.rs"]
mod reconcile;

use ipam_tests::engine::{Engine, on_each};
use std::{collections::BTreeSet, thread};

#[test]
fn docker_networks_and_containers_get_their_addresses_from_a_component() {
    on_each(scenario);
}

fn scenario(programs: &str) {
    let directory = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(directory.path(), programs).unwrap();
    let version = engine.docker(&["version", "-f", "{{.Server.Version}}"]).unwrap();
    println!("Docker Engine {version}");
    engine.import_image().unwrap();

    networks(&engine);
    containers(&engine);
    reconcile::owners(&engine);
    sixteen_at_once(&engine);
    reconcile::leaks(&engine, directory.path());
    restarts(&mut engine);
    removal(&engine);

    let log = engine.wipam_log();
    for trouble in ["ERROR", "panicked", "violation"] {
        assert!(!log.contains(trouble), "{trouble} in the log:\n{log}");
    }
}

#[track_caller]
fn create(engine: &Engine, arguments: &[&str]) {
    let all = [&["network", "create", "--ipam-driver", "wipam"], arguments].concat();
    engine.docker(&all).unwrap();
}

#[track_caller]
fn refused(engine: &Engine, arguments: &[&str], words: &str) {
    let all = [&["network", "create", "--ipam-driver", "wipam"], arguments].concat();
    let error = engine.docker(&all).expect_err("this network must be refused");
    assert!(error.contains(words), "{error}");
}

#[track_caller]
fn run(engine: &Engine, name: &str, arguments: &[&str]) {
    let head = ["run", "-d", "--restart", "always", "--stop-timeout", "1", "--name", name];
    let all = [&head, arguments, &["bb:1", "sleep", "100000"]].concat();
    engine.docker(&all).unwrap();
}

fn inspect(engine: &Engine, name: &str, format: &str) -> String {
    engine.docker(&["inspect", "-f", format, name]).unwrap()
}

fn address(engine: &Engine, container: &str, network: &str) -> String {
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    inspect(engine, container, &format)
}

fn networks(engine: &Engine) {
    create(
        engine,
        &[
            "--subnet",
            "10.50.0.0/16",
            "--ip-range",
            "10.50.5.0/24",
            "--gateway",
            "10.50.5.254",
            "--aux-address",
            "host1=10.50.5.1",
            "--ipam-opt",
            "tenant=blue",
            "full",
        ],
    );
    let ipam = inspect(engine, "full", "{{json .IPAM}}");
    for part in ["\"Driver\":\"wipam\"", "10.50.5.254", "10.50.5.1", "\"tenant\":\"blue\""] {
        assert!(ipam.contains(part), "{ipam}");
    }
    create(engine, &["--subnet", "10.51.0.0/24", "subnet"]);
    create(engine, &["--ipv6", "--subnet", "10.52.0.0/24", "--subnet", "fd52::/64", "both"]);
    let subnet = |network| inspect(engine, network, "{{(index .IPAM.Config 0).Subnet}}");
    create(engine, &["automatic"]);
    assert_eq!(subnet("automatic"), "172.17.0.0/16", "the lowest free predefined pool");
    // What the host itself uses is nothing that Docker tells its plugins.
    engine
        .on_host(
            "ip link add h0 type veth peer h1; ip addr add 172.18.3.1/24 dev h0; ip link set h0 up",
        )
        .unwrap();
    create(engine, &["beside"]);
    assert_eq!(subnet("beside"), "172.19.0.0/16", "the host is on 172.18.3.0/24");
    engine.docker(&["network", "rm", "beside"]).unwrap();
    refused(engine, &["--subnet", "10.51.0.0/24", "again"], "overlaps");
    refused(engine, &["--subnet", "10.51.0.128/25", "part"], "overlaps");
}

fn containers(engine: &Engine) {
    run(engine, "any", &["--network", "full"]);
    assert_eq!(
        address(engine, "any", "full"),
        "10.50.5.0",
        "the range's lowest is an address like any other"
    );
    run(engine, "named", &["--network", "full", "--ip", "10.50.9.9"]);
    assert_eq!(address(engine, "named", "full"), "10.50.9.9", "outside the range, in the subnet");
    let twice =
        ["run", "-d", "--name", "twice", "--network", "full", "--ip", "10.50.9.9", "bb:1", "true"];
    let error = engine.docker(&twice).expect_err("the address is taken");
    assert!(error.contains("Address already in use"), "{error}");
    engine.docker(&["rm", "-f", "twice"]).unwrap();

    run(engine, "six", &["--network", "both"]);
    let six = "{{(index .NetworkSettings.Networks \"both\").GlobalIPv6Address}}";
    assert_eq!(inspect(engine, "six", six), "fd52::2");
    let inside = engine.docker(&["exec", "six", "ip", "-o", "addr"]).unwrap();
    assert!(inside.contains("10.52.0.2/24") && inside.contains("fd52::2/64"), "{inside}");

    engine.docker(&["network", "connect", "subnet", "any"]).unwrap();
    assert_eq!(address(engine, "any", "subnet"), "10.51.0.2");
    assert_eq!(address(engine, "any", "full"), "10.50.5.0");
    engine.docker(&["network", "disconnect", "subnet", "any"]).unwrap();

    engine.docker(&["stop", "-t", "0", "named"]).unwrap();
    engine.docker(&["start", "named"]).unwrap();
    assert_eq!(address(engine, "named", "full"), "10.50.9.9");
    engine.docker(&["rm", "-f", "any"]).unwrap();
    run(engine, "next", &["--network", "full"]);
    assert_eq!(address(engine, "next", "full"), "10.50.5.0", "what was released is lowest again");
}

fn sixteen_at_once(engine: &Engine) {
    let names: Vec<String> = (0..16).map(|number| format!("c{number}")).collect();
    thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| run(engine, name, &["--network", "subnet"]));
        }
    });
    let given: BTreeSet<String> =
        names.iter().map(|name| address(engine, name, "subnet")).collect();
    let wanted: BTreeSet<String> = (2..18).map(|host| format!("10.51.0.{host}")).collect();
    assert_eq!(given, wanted);
    for name in &names {
        engine.docker(&["rm", "-f", name]).unwrap();
    }
}

/// After a restart, and after kill -9, every container is back with an address
/// that no other has.
fn restarts(engine: &mut Engine) {
    for signal in ["TERM", "KILL"] {
        engine.stop_dockerd(signal).unwrap();
        engine.start_dockerd().unwrap();
        let running = |name: &str| inspect(engine, name, "{{.State.Running}}") == "true";
        for name in ["named", "next", "six"] {
            assert!(running(name), "{name} runs after {signal}");
        }
        assert_eq!(address(engine, "named", "full"), "10.50.9.9", "after {signal}");
        let next = address(engine, "next", "full");
        assert!(next.starts_with("10.50.5."), "{next} after {signal}");
        run(engine, "later", &["--network", "full"]);
        assert_ne!(address(engine, "later", "full"), next, "after {signal}");
        engine.docker(&["rm", "-f", "later"]).unwrap();
    }
}

fn removal(engine: &Engine) {
    engine.docker(&["rm", "-f", "named", "next", "six"]).unwrap();
    engine.docker(&["network", "rm", "full", "subnet", "both", "automatic"]).unwrap();
    create(engine, &["--subnet", "10.51.0.0/24", "again"]);
    engine.docker(&["network", "rm", "again"]).unwrap();
}
