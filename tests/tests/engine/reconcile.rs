//! What this engine has forgotten is found and freed; what it uses is not.
//!
//! The leaks are Docker's own: it never releases the IPv4 address of a
//! container whose IPv6 address it could not get, and a pool that nobody
//! released is as good as one whose release was lost.

use super::{Engine, create, refused, run};
use ipam_reconcile::{
    Clock, DockerEngines, Found, GrantedBy, Held, HeldLease, HeldPool, Ledger, Limits, Options, Space,
    reconcile,
};
use ipam_tests::http::Client;
use serde_json::json;
use std::{convert::Infallible, future, path::Path, time::Duration};

/// What Wipam holds, written down by hand; releases go to its socket.
struct Written {
    pools: Vec<HeldPool>,
    plugin: Client,
}

impl Written {
    fn post(&mut self, method: &str, pool: &str, address: &str) -> u16 {
        let body = json!({"PoolID": format!("LocalDefault/{pool}"), "Address": address});
        self.plugin.post(&format!("/IpamDriver.{method}"), &body.to_string()).unwrap().status
    }

    /// Each address with whether it is a gateway.
    fn holds(&mut self, pool: &str, sub_pool: &str, leases: &[(&str, bool)]) {
        let leases = leases.iter().map(|(address, is_gateway)| HeldLease {
            address: address.parse().unwrap(),
            generation: 1,
            is_gateway: *is_gateway,
            granted_by: GrantedBy::Docker,
        });
        self.pools.push(HeldPool {
            pool_id: format!("LocalDefault/{pool}").as_str().try_into().unwrap(),
            prefix: pool.parse().unwrap(),
            sub_pool: sub_pool.parse().ok(),
            generation: 1,
            granted_by: GrantedBy::Docker,
            space: Space::Local,
            leases: leases.collect(),
        });
    }
}

impl Ledger for Written {
    type Error = Infallible;

    async fn held(&mut self) -> Result<Vec<Held>, Infallible> {
        Ok(vec![Held { driver: "wipam".to_owned(), pools: self.pools.clone() }])
    }

    async fn release(&mut self, found: &Found) -> Result<bool, Infallible> {
        assert_eq!(found.driver, "wipam");
        let pool = found.pool_id.as_str().trim_start_matches("LocalDefault/");
        let status = match found.address {
            Some(address) => self.post("ReleaseAddress", pool, &address.to_string()),
            None => self.post("ReleasePool", pool, ""),
        };
        Ok(status == 200)
    }
}

/// Nothing changes here while nobody looks.
struct AtOnce;

impl Clock for AtOnce {
    fn sleep(&mut self, _: Duration) -> impl Future<Output = ()> {
        future::ready(())
    }
}

/// Needs the networks and containers of the test before it: `full` with
/// `named` and `next`.
pub(crate) fn leaks(engine: &Engine, directory: &Path) {
    create(engine, &["--ipv6", "--subnet", "10.54.0.0/24", "--subnet", "fd54::/126", "leaky"]);
    run(engine, "first", &["--network", "leaky"]);
    run(engine, "second", &["--network", "leaky"]);
    let third = ["run", "-d", "--name", "third", "--network", "leaky", "bb:1", "true"];
    let error = engine.docker(&third).expect_err("there is no third IPv6 address");
    assert!(error.contains("no available addresses on this pool"), "{error}");
    engine.docker(&["rm", "-f", "third"]).unwrap();

    let plugin = Client::connect(&directory.join("run/plugins/wipam.sock")).unwrap();
    let mut ledger = Written { pools: vec![], plugin };
    let lost = json!({"AddressSpace": "LocalDefault", "Pool": "10.55.0.0/24"}).to_string();
    assert_eq!(ledger.plugin.post("/IpamDriver.RequestPool", &lost).unwrap().status, 200);
    assert_eq!(ledger.post("RequestAddress", "10.55.0.0/24", "10.55.0.1"), 200);

    let used = ["10.50.5.1", "10.50.5.0", "10.50.9.9"].map(|address| (address, false));
    let full = [&used[..], &[("10.50.5.254", true)]].concat();
    ledger.holds("10.50.0.0/16", "10.50.5.0/24", &full);
    // The sub-pool is part of that pool's id.
    ledger.pools[0].pool_id = "LocalDefault/10.50.0.0/16/10.50.5.0/24".try_into().unwrap();
    let both = ["10.54.0.2", "10.54.0.3", "10.54.0.4"].map(|address| (address, false));
    ledger.holds("10.54.0.0/24", "", &[&both[..], &[("10.54.0.1", true)]].concat());
    ledger.holds("fd54::/126", "", &[("fd54::1", true), ("fd54::2", false), ("fd54::3", false)]);
    ledger.holds("10.55.0.0/24", "", &[("10.55.0.1", true)]);

    let by_hand = |number: u8| {
        let address = format!("10.54.0.{number}");
        let name = format!("hand{number}");
        ["run", "--rm", "--name", &name, "--network", "leaky", "--ip", &address, "bb:1", "true"]
            .map(str::to_owned)
    };
    let asks = |number: u8| engine.docker(&by_hand(number).each_ref().map(String::as_str));
    assert!(asks(4).unwrap_err().contains("Address already in use"), "it is leaked");

    let sockets = vec![directory.join("docker.sock")];
    let mut engines = DockerEngines::new(sockets, Limits::default());
    let options = Options { exclusive: true, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime
        .block_on(reconcile(&mut ledger, &mut engines, &mut AtOnce, &options, &mut |_| {}))
        .unwrap();
    let freed: Vec<_> = report.freed.iter().filter_map(|found| found.address).collect();
    assert_eq!(freed, ["10.54.0.4".parse::<std::net::IpAddr>().unwrap()], "{report:?}");
    let pools: Vec<_> = report.pools_freed.iter().map(|found| found.prefix.to_string()).collect();
    assert_eq!(pools, ["10.55.0.0/24"], "{report:?}");

    engine.docker(&["stop", "-t", "0", "second"]).unwrap();
    engine.docker(&by_hand(4).each_ref().map(String::as_str)).expect("it is free again");
    create(engine, &["--subnet", "10.55.0.0/24", "lost"]);
    refused(engine, &["--subnet", "10.54.0.0/24", "again"], "overlaps");
    engine.docker(&["rm", "-f", "first", "second"]).unwrap();
    engine.docker(&["network", "rm", "leaky", "lost"]).unwrap();
}
