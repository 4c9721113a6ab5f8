//! A real swarm of one node, whose overlay networks get their addresses from
//! Wipam as a managed plugin: the only kind of plugin that swarm takes.
//!
//! The plugin ends and starts with its engine, so every restart here is one of
//! the ledger, too.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use ipam_tests::{
    engine::{Engine, on_each},
    http::Client,
};
use std::{collections::BTreeSet, net::IpAddr, path::Path, thread, time::Duration};

const PLUGIN: &str = "wipam:managed";
const SUBNET: &str = "10.90.0.0/24";

#[test]
fn a_swarm_keeps_its_networks_addresses_apart_through_restarts_of_its_manager() {
    on_each(scenario);
}

fn scenario(programs: &str) {
    let directory = tempfile::tempdir().unwrap();
    let mut engine = Engine::start_alone(directory.path(), programs).unwrap();
    let version = engine.docker(&["version", "-f", "{{.Server.Version}}"]).unwrap();
    println!("Docker Engine {version}");
    engine.import_image().unwrap();
    engine.enable_plugin(PLUGIN).unwrap();
    engine.on_host("ip addr add 172.31.0.1/32 dev lo").unwrap();
    engine.docker(&["swarm", "init", "--advertise-addr", "172.31.0.1"]).unwrap();

    create(&engine, "first", "overlay", SUBNET);
    serve(&engine, "web", "first", 3);
    assert_apart(&engine, "first", "web", 3);

    another_user(&engine);
    somebody_looks_whether_the_plugin_lives(&engine, directory.path());
    a_user_of_the_node(&engine);
    assert_apart(&engine, "first", "web", 3);
    // Killed twice: what a restart leaves behind must not add up.
    for signal in ["TERM", "KILL", "KILL"] {
        engine.stop_dockerd(signal).unwrap();
        engine.start_dockerd().unwrap();
        println!("started again after {signal}");
        converge(&engine, "web", 3);
        assert_apart(&engine, "first", "web", 3);
        another_user(&engine);
    }
    a_user_of_the_node(&engine);
    engine.docker(&["service", "scale", "-d", "web=4"]).unwrap();
    converge(&engine, "web", 4);
    assert_apart(&engine, "first", "web", 4);

    removal(&engine);
    let log = engine.log();
    for trouble in ["panicked", "violation", "broke the contract"] {
        assert!(!log.contains(trouble), "{trouble} in the log:\n{log}");
    }
}

#[track_caller]
fn create(engine: &Engine, name: &str, driver: &str, subnet: &str) {
    let all =
        ["network", "create", "-d", driver, "--ipam-driver", PLUGIN, "--subnet", subnet, name];
    engine.docker(&all).unwrap();
}

/// Waits until that many tasks run and no other is left.
#[track_caller]
fn converge(engine: &Engine, service: &str, tasks: usize) {
    let wanted = format!("{tasks}/{tasks}");
    let filter = format!("name={service}");
    let list = ["service", "ls", "--filter", &filter, "--format", "{{.Replicas}}"];
    let containers =
        ["ps", "-q", "--filter", &format!("label=com.docker.swarm.service.name={service}")];
    let converged = engine.wait(&format!("{service} runs {wanted}"), |engine| {
        engine.docker(&list).is_ok_and(|replicas| replicas == wanted)
            && engine.docker(&containers).is_ok_and(|ids| ids.lines().count() == tasks)
    });
    if let Err(error) = converged {
        let tasks = engine.docker(&["service", "ps", "--no-trunc", service]);
        panic!("{error}\n{}", tasks.unwrap_or_default());
    }
}

#[track_caller]
fn serve(engine: &Engine, name: &str, network: &str, tasks: usize) {
    engine
        .docker(&[
            "service",
            "create",
            "-d",
            "--no-resolve-image",
            "--stop-grace-period",
            "1s",
            "--name",
            name,
            "--network",
            network,
            "--replicas",
            &tasks.to_string(),
            "bb:1",
            "sleep",
            "100000",
        ])
        .unwrap();
    converge(engine, name, tasks);
}

/// Everything of the network has an address of its own: its gateway, the
/// service, the node's load balancer and each task, inside and out.
#[track_caller]
fn assert_apart(engine: &Engine, network: &str, service: &str, tasks: usize) {
    let says = |format: &str, kind: &str, name: &str| {
        engine.docker(&[kind, "inspect", "-f", format, name]).unwrap()
    };
    let endpoints = says("{{range .Containers}}{{.IPv4Address}} {{end}}", "network", network);
    let service = says("{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}", "service", service);
    let gateway = says("{{range .IPAM.Config}}{{.Gateway}}{{end}}/24", "network", network);
    let text = format!("{gateway} {service} {endpoints}");
    let all: Vec<(IpAddr, &str)> = text
        .split_whitespace()
        .map(|it| it.split_once('/').unwrap())
        .map(|(address, length)| (address.parse().unwrap(), length))
        .collect();
    assert_eq!(all.len(), tasks + 3, "{text}");
    let distinct: BTreeSet<_> = all.iter().map(|(address, _)| *address).collect();
    assert_eq!(distinct.len(), all.len(), "{text}");
    for (address, length) in &all {
        assert!(address.to_string().starts_with("10.90.0.") && *length == "24", "{text}");
    }
    for container in engine.docker(&["ps", "-q"]).unwrap().lines() {
        let inside = engine.docker(&["exec", container, "ip", "-o", "-4", "addr"]).unwrap();
        let is_told = |(address, _): &(IpAddr, &str)| inside.contains(&format!(" {address}/24 "));
        assert_eq!(all.iter().filter(|it| is_told(it)).count(), 1, "{text}\n{inside}");
    }
}

/// Whether the manager got a pool for the network. Docker creates it at once,
/// and tries for as long as it exists.
fn is_allocated(engine: &Engine, network: &str) -> bool {
    let driver = ["network", "inspect", "-f", "{{.Driver}}", network];
    engine.docker(&driver).is_ok_and(|driver| driver == "overlay")
}

/// Another user wants the same subnet, does not get it, and goes.
fn another_user(engine: &Engine) {
    create(engine, "second", "overlay", SUBNET);
    thread::sleep(Duration::from_secs(1));
    assert!(!is_allocated(engine, "second"), "two networks have {SUBNET}");
    engine.docker(&["network", "rm", "second"]).unwrap();
}

/// What a manager asks when it begins to lead, and a health check at any time.
fn somebody_looks_whether_the_plugin_lives(engine: &Engine, directory: &Path) {
    let id = engine.docker(&["plugin", "inspect", "-f", "{{.Id}}", PLUGIN]).unwrap();
    let socket = directory.join("run/plugins").join(id).join("wipam.sock");
    let answer = Client::connect(&socket).unwrap().post("/IpamDriver.GetCapabilities", "");
    assert_eq!(answer.unwrap().status, 200);
}

/// A user wants what lives on the node for a network of its own, and does not
/// get it.
fn a_user_of_the_node(engine: &Engine) {
    let bridge = ["network", "create", "-d", "bridge", "--ipam-driver", PLUGIN];
    let named = ["--subnet", SUBNET, "--gateway", "10.90.0.1", "mine"];
    let refused = engine.docker(&[&bridge[..], &named].concat()).unwrap_err();
    assert!(refused.contains("Pool overlaps with other one"), "{refused}");
}

/// Afterwards nothing is held in either space: half of the subnet would
/// overlap whatever is.
fn removal(engine: &Engine) {
    engine.docker(&["service", "rm", "web"]).unwrap();
    remove(engine, "first");
    for subnet in ["10.90.0.0/25", SUBNET] {
        create(engine, "next", "overlay", subnet);
        serve(engine, "one", "next", 1);
        engine.docker(&["service", "rm", "one"]).unwrap();
        remove(engine, "next");
        create(engine, "local", "bridge", subnet);
        remove(engine, "local");
    }
}

/// A network goes when its last task has gone.
#[track_caller]
fn remove(engine: &Engine, network: &str) {
    let rm = ["network", "rm", network];
    engine.wait(&format!("{network} goes"), |engine| engine.docker(&rm).is_ok()).unwrap();
    let ls = ["network", "ls", "-q", "--filter", &format!("name={network}")];
    let is_gone = |engine: &Engine| engine.docker(&ls).is_ok_and(|ids| ids.is_empty());
    engine.wait(&format!("{network} is gone"), is_gone).unwrap();
}
