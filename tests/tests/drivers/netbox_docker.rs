//! Two Docker Engines on one segment, each with a daemon of its own, and a subnet whose
//! gateway NetBox has.

use crate::{lab::Lab, netbox_server::NetBox};
use ipam_tests::{
    daemon::wait,
    engine::{Engine, is_root},
};
use serde_json::json;

const SUBNET: &str = "10.220.7.0/24";
const ROUTER: &str = "10.220.7.1";
const PRINTER: &str = "10.220.7.5";

/// An engine, and the `netbox` that it finds beside it.
struct Host {
    lab: Lab,
    engine: Engine,
    _directory: tempfile::TempDir,
}

impl Host {
    fn new(netbox: &NetBox, name: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("http://{}/api", netbox.address);
        let host = format!("host = \"{name}\"");
        let replaced = [("https://netbox.example/api", &*url), ("host = \"node-1\"", &host)];
        let engine = Engine::start_alone(directory.path(), "").unwrap();
        let lab = Lab::with_plugins("netbox", &replaced, &directory.path().join("run/plugins"));
        engine.import_image().unwrap();
        Self { lab, engine, _directory: directory }
    }

    #[track_caller]
    fn docker(&self, words: &str) -> String {
        let words: Vec<&str> = words.split(' ').collect();
        self.engine.docker(&words).unwrap()
    }

    /// Starts a container, and returns its address.
    #[track_caller]
    fn run(&self, name: &str) -> String {
        self.docker(&format!(
            "run -d --stop-timeout 1 --network lan --name {name} bb:1 sleep 100000"
        ));
        self.address(name)
    }

    fn address(&self, name: &str) -> String {
        let format = "{{.NetworkSettings.Networks.lan.IPAddress}}";
        self.docker(&format!("inspect -f {format} {name}"))
    }
}

/// Both have `eth0` on one wire.
fn wire(one: &Engine, two: &Engine) {
    let network = two.network();
    let (_, two_name) = network.rsplit_once('/').unwrap();
    one.on_host(&format!(
        "ip link add eth0 type veth peer name eth0 netns {two_name}; ip link set eth0 up"
    ))
    .unwrap();
    two.on_host("ip link set eth0 up").unwrap();
}

#[test]
fn two_hosts_share_a_macvlan_whose_gateway_netbox_has() {
    if !is_root() {
        println!("skipped: starting a Docker Engine needs root");
        return;
    }
    let netbox = NetBox::new(&[SUBNET]);
    netbox.address(json!({"address": format!("{ROUTER}/24"), "description": "the router"}));
    netbox.add(&format!("{PRINTER}/24"));
    let hosts = ["node-1", "node-2"].map(|name| Host::new(&netbox, name));
    let [one, two] = &hosts;
    wire(&one.engine, &two.engine);
    for host in &hosts {
        host.docker(&format!(
            "network create -d macvlan -o parent=eth0 --ipam-driver netbox --subnet {SUBNET} \
             --gateway {ROUTER} --aux-address printer={PRINTER} lan"
        ));
    }
    let leased = [one.run("web"), one.run("db"), two.run("web"), two.run("db")];
    assert_eq!(leased, ["10.220.7.2", "10.220.7.3", "10.220.7.4", "10.220.7.6"]);
    let ping = format!("exec web busybox ping -c 1 -W 5 {}", leased[2]);
    assert!(one.docker(&ping).contains(" 0% packet loss"), "one segment");
    // Somebody else's container has it, and the printer.
    for (taken, words) in
        [(&*leased[0], "NetBox's /ipam/ip-addresses/"), (PRINTER, "Address already in use")]
    {
        let run = format!("run -d --network lan --ip {taken} bb:1 sleep 1");
        let run: Vec<&str> = run.split(' ').collect();
        let refused = two.engine.docker(&run).expect_err("somebody has it");
        assert!(refused.contains(words), "{refused}");
    }
    one.docker("restart -t 0 web");
    assert_eq!(one.address("web"), leased[0]);

    for host in &hosts {
        let containers = host.docker("ps -aq").replace('\n', " ");
        host.docker(&format!("rm -f {containers}"));
        host.docker("network rm lan");
    }
    wait(|| netbox.addresses().len() == 2);
    let left: Vec<_> = netbox.addresses().into_iter().map(|(address, _)| address).collect();
    assert_eq!(left, [format!("{ROUTER}/24"), format!("{PRINTER}/24")]);
    assert_eq!(netbox.state().prefixes.len(), 1);
    for host in &hosts {
        let log = host.lab.daemon().log();
        assert!(!log.contains(" ERROR ") && !log.contains("the driver failed"), "{log}");
    }
}
