//! Which plugins become drivers.

use crate::{
    Bridge, any_address, any_pool,
    legacy::{Legacy, Reply, answer, usual},
    socket,
};
use ipam_tests::{daemon::Daemon, operator::wipam};
use serde_json::json;
use std::{fs, os::unix::net::UnixListener, process::Command};

#[test]
fn each_plugin_is_a_driver_of_its_own_name() {
    let bridge = Bridge::place();
    let plugins = [(); 3].map(|()| Legacy::new(usual));
    plugins[0].on_socket(&socket(&bridge, "a"));
    fs::write(bridge.path("spec/b.spec"), format!("tcp://{}\n", plugins[1].on_tcp())).unwrap();
    fs::create_dir(bridge.path("spec/c")).unwrap();
    let addr = format!("http://{}", plugins[2].on_tcp());
    fs::write(bridge.path("spec/c/c.json"), json!({"Name": "c", "Addr": addr}).to_string())
        .unwrap();
    // Granted, and no driver: absent, dead, of another kind, broken.
    drop(UnixListener::bind(socket(&bridge, "dead")));
    let other = |_: &str, _: &_| answer(json!({"Implements": ["VolumeDriver"]}));
    Legacy::new(other).on_socket(&socket(&bridge, "volumes"));
    Legacy::new(|_, _| Reply::Answer(200, "nonsense".into())).on_socket(&socket(&bridge, "broken"));
    let long = format!("{{\"Implements\":[\"IpamDriver\"]}}{}", " ".repeat(64 << 10));
    Legacy::new(move |_, _| Reply::Answer(200, long.clone())).on_socket(&socket(&bridge, "long"));
    // There, and not granted.
    let stranger = Legacy::new(usual);
    stranger.on_socket(&socket(&bridge, "stranger"));

    let names = "plugins = ['c', 'a', 'b', 'absent', 'dead', 'volumes', 'broken', 'long']";
    let bridge = bridge.start(names);
    assert_eq!(bridge.names(), ["a", "b", "c"]);
    for (name, plugin) in ["a", "b", "c"].iter().zip(&plugins) {
        let mut client = bridge.client(name);
        assert_eq!(any_pool(&mut client).1["PoolID"], "p");
        assert_eq!(any_address(&mut client, "p").1["Address"], "192.0.2.7/24");
        assert_eq!(plugin.asked("IpamDriver.RequestAddress").len(), 1, "{name}");
    }
    assert!(stranger.asked("Plugin.Activate").is_empty());
    let log = bridge.daemon().log();
    for words in [
        "plugin absent: no socket and no file says where it is",
        "plugin dead",
        "plugin broken",
        "plugin long",
        "plugin volumes: it implements VolumeDriver",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

#[test]
fn without_a_plugin_there_is_no_driver() {
    let bridge = Bridge::place();
    let config = bridge.configure("builtin:remote", "plugins = ['absent']");
    let mut command = Command::new(ipam_tests::daemon::binary());
    command.args(["serve", "--config", &config]);
    command.arg("--state-dir").arg(bridge.path("state"));
    let output = command.arg("--plugin-dir").arg(bridge.path("plugins")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("registered no name"), "{said}");
}

/// Wipam's socket of that name comes first, and would wait for itself.
#[test]
fn our_own_socket_is_not_the_plugin() {
    let mut bridge = Bridge::place();
    let plugin = Legacy::new(usual);
    fs::write(bridge.path("spec/old.spec"), format!("tcp://{}", plugin.on_tcp())).unwrap();
    // A directory that is both: where Wipam listens, and where it looks.
    fs::remove_dir(bridge.path("sock")).unwrap();
    std::os::unix::fs::symlink(bridge.path("plugins"), bridge.path("sock")).unwrap();
    bridge = bridge.start("plugins = ['old']");
    let mut client = bridge.client("old");
    assert_eq!(any_pool(&mut client).0, 200);

    // The grants of the table are those of each version.
    let file = bridge.path("remote.wasm");
    let note = [0, 5, 4, b'n', b'o', b't', b'e']; // a custom section: another digest
    fs::write(&file, [ipam_builtin::REMOTE, &note].concat()).unwrap();
    let upgraded = wipam(bridge.daemon(), &["driver", "upgrade", "old", file.to_str().unwrap()]);
    assert_eq!(upgraded.code, 0, "{}", upgraded.said);
    let (status, body) = any_address(&mut client, "p");
    assert_eq!((status, body["Address"].as_str()), (200, Some("192.0.2.7/24")), "{body}");
}

/// A Wipam is such a plugin, too.
#[test]
fn a_wipam_behind_a_wipam() {
    let behind = tempfile::tempdir().unwrap();
    let behind = Daemon::start(behind.path(), &["--ephemeral"]);
    let bridge = Bridge::place();
    let target = format!("unix://{}", behind.socket("wipam").display());
    fs::write(bridge.path("spec/wipam.spec"), target).unwrap();
    let bridge = bridge.start("name = 'checked'\nplugins = ['wipam']");
    assert_eq!(bridge.names(), ["checked"]);
    let mut client = bridge.client("checked");
    let request = json!({"AddressSpace": "LocalDefault", "Pool": "10.9.0.0/24"});
    let pool = client.ask("RequestPool", &request).1["PoolID"].clone();
    for last in 1..=3 {
        let (_, body) = any_address(&mut client, pool.as_str().unwrap());
        assert_eq!(body["Address"], format!("10.9.0.{last}/24"));
    }
    let taken = json!({"PoolID": pool, "Address": "10.9.0.2"});
    assert_eq!(client.ask("RequestAddress", &taken).0, 403);
    let outside = json!({"PoolID": pool, "Address": "10.8.0.2"});
    assert_eq!(client.ask("RequestAddress", &outside).0, 400);
    assert_eq!(client.ask("ReleasePool", &json!({"PoolID": pool})).0, 200);
    assert!(
        wipam(&behind, &["pools"]).done().is_empty()
            && wipam(&behind, &["addresses"]).done().is_empty()
    );
}
