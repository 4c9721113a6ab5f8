//! A component of somebody's: what it can make of the grant.

use crate::{
    Bridge,
    legacy::{Legacy, Reply, answer, usual},
    socket,
};
use ipam_tests::{daemon::Daemon, programs};
use serde_json::{Value, json};

/// A plugin that is a volume driver, too.
fn two_types(method: &str, asked: &Value) -> Reply {
    match method {
        "Plugin.Activate" => answer(json!({"Implements": ["IpamDriver", "VolumeDriver"]})),
        "VolumeDriver.List" => answer(json!({})),
        _ => usual(method, asked),
    }
}

#[test]
fn a_type_is_granted_by_its_name() {
    let mut bridge = Bridge::place();
    Legacy::new(two_types).on_socket(&socket(&bridge, "granted"));
    let file = programs::file("plugins");
    let table = "plugins = ['granted']\nplugin-types = ['VolumeDriver']";
    let config = bridge.configure(file.to_str().unwrap(), table);
    bridge.daemon = Some(Daemon::start(bridge.directory.path(), &["--config", &config]).ready());
    let mut client = bridge.client("plugins");
    for (kind, method, words) in [
        ("VolumeDriver", "VolumeDriver.List", "200"),
        ("IpamDriver", "IpamDriver.GetCapabilities", "no such plugin"),
        ("NetworkDriver", "NetworkDriver.GetCapabilities", "no such plugin"),
    ] {
        let options = json!({"name": "granted", "type": kind, "method": method});
        let request = json!({"AddressSpace": "zoo", "Options": options});
        let body = client.ask("RequestPool", &request).1;
        assert!(body["Data"]["said"].as_str().unwrap().contains(words), "{kind}: {body}");
    }
}

#[test]
fn a_grant_is_a_name_and_the_methods_of_one_type() {
    let mut bridge = Bridge::place();
    let [granted, other] = [(); 2].map(|()| Legacy::new(two_types));
    granted.on_socket(&socket(&bridge, "granted"));
    other.on_socket(&socket(&bridge, "other"));
    let file = programs::file("plugins");
    let config = bridge.configure(file.to_str().unwrap(), "plugins = ['granted']");
    bridge.daemon = Some(Daemon::start(bridge.directory.path(), &["--config", &config]).ready());
    let mut client = bridge.client("plugins");
    let mut said = |name: &str, kind: &str, method: &str| {
        let options = json!({"name": name, "type": kind, "method": method});
        let request = json!({"AddressSpace": "zoo", "Options": options});
        client.ask("RequestPool", &request).1["Data"]["said"].as_str().unwrap().to_owned()
    };
    assert!(said("granted", "IpamDriver", "IpamDriver.GetCapabilities").starts_with("200"));
    for (name, kind, method, words) in [
        ("other", "IpamDriver", "IpamDriver.GetCapabilities", "no such plugin"),
        ("../sock/other", "IpamDriver", "IpamDriver.GetCapabilities", "no such plugin"),
        ("", "IpamDriver", "IpamDriver.GetCapabilities", "no such plugin"),
        ("granted", "", "IpamDriver.GetCapabilities", "no such plugin"),
        ("granted", "VolumeDriver", "VolumeDriver.Remove", "no such plugin"),
        ("granted", "IpamDriver", "VolumeDriver.Remove", "a method of it is IpamDriver.Word"),
        ("granted", "IpamDriver", "IpamDriver", "a method of it"),
        ("granted", "IpamDriver", "IpamDriver.", "a method of it"),
        ("granted", "IpamDriver", "IpamDriver.A/../../B", "a method of it"),
        ("granted", "IpamDriver", "IpamDriver.A\r\nX: y", "a method of it"),
        ("granted", "IpamDriver", "Plugin.Activate", "a method of it"),
        ("granted", "IpamDriver", &format!("IpamDriver.{}", "A".repeat(129)), "a method of it"),
    ] {
        let said = said(name, kind, method);
        assert!(said.contains(words), "{name} {kind} {method}: {said}");
    }
    // As often as a call may, and then no more.
    assert!(said("granted", "IpamDriver", "loop").contains("too many calls of plugins"));
    let most = ipam_runtime::Limits::default().plugins.calls as usize;
    assert!(granted.asked("IpamDriver.GetCapabilities").len() < most + 2);
    assert!(other.asked("Plugin.Activate").is_empty());
}
