//! What becomes of answers, and of none.

use crate::{
    Bridge, any_address, any_pool,
    legacy::{Legacy, Reply, answer, usual},
    socket,
};
use ipam_tests::{daemon::wait, operator::wipam};
use serde_json::json;
use std::{
    fs, thread,
    time::{Duration, Instant},
};

fn bridge(plugin: &Legacy, table: &str) -> Bridge {
    let bridge = Bridge::place();
    plugin.on_socket(&socket(&bridge, "old"));
    bridge.start(&format!("plugins = ['old']\n{table}"))
}

/// How often the driver was made anew.
fn restarts(bridge: &Bridge) -> u64 {
    let drivers = wipam(bridge.daemon(), &["drivers"]).done();
    let old = drivers.iter().find(|driver| driver["name"] == "old").unwrap();
    old["restarts"].as_u64().unwrap()
}

#[test]
fn what_a_plugin_gives_twice_reaches_nobody_twice() {
    let plugin = Legacy::new(usual);
    let bridge = bridge(&plugin, "");
    let mut client = bridge.client("old");
    assert_eq!(any_pool(&mut client).0, 200);
    assert_eq!(any_address(&mut client, "p").0, 200);
    let (status, body) = any_address(&mut client, "p");
    assert_eq!(status, 500, "{body}");
    assert_eq!(wipam(bridge.daemon(), &["addresses"]).done().len(), 1);
}

#[test]
fn refusals_keep_their_class_and_their_words() {
    let plugin = Legacy::new(usual);
    let bridge = bridge(&plugin, "");
    let mut client = bridge.client("old");
    any_pool(&mut client);
    for (status, body, want, words) in [
        (503, r#"{"Err":"none left"}"#, 503, "none left"),
        (404, "who?", 404, "who?"),
        (200, r#"{"Error":"boom"}"#, 500, "remote: boom"),
        (200, "", 500, "EOF"),
        (200, "{}", 503, "No address returned"),
        (302, "", 500, "IpamDriver.RequestAddress"),
    ] {
        plugin.script(move |method, asked| match method {
            "IpamDriver.RequestAddress" => Reply::Answer(status, body.to_owned()),
            _ => usual(method, asked),
        });
        let (got, answered) = any_address(&mut client, "p");
        assert_eq!(got, want, "{body}: {answered}");
        assert!(answered["Err"].as_str().unwrap().contains(words), "{body}: {answered}");
    }
    assert_eq!(restarts(&bridge), 0);
}

#[test]
fn a_plugin_that_hangs_is_given_up_and_nothing_is_sent_twice() {
    let plugin = Legacy::new(usual);
    let bridge = bridge(&plugin, "[driver.limits]\nplugin-ms = 300");
    let mut client = bridge.client("old");
    any_pool(&mut client);
    for (reply, least) in
        [(|| Reply::Silence) as fn() -> Reply, || Reply::Nothing].iter().zip([300, 0])
    {
        let reply = *reply;
        plugin.script(move |method, asked| match method {
            "IpamDriver.RequestAddress" => reply(),
            _ => usual(method, asked),
        });
        let before = plugin.asked("IpamDriver.RequestAddress").len();
        let begin = Instant::now();
        let (status, body) = any_address(&mut client, "p");
        assert_eq!(status, 503, "{body}");
        assert!(begin.elapsed() >= Duration::from_millis(least));
        assert_eq!(plugin.asked("IpamDriver.RequestAddress").len(), before + 1);
    }
    plugin.script(usual);
    assert_eq!(any_address(&mut client, "p").0, 200);
    assert_eq!(restarts(&bridge), 0, "the same instance has lived through it");
    assert!(
        bridge.daemon().log().contains("plugin old: IpamDriver.RequestAddress: no answer in time")
    );
}

#[test]
fn a_plugin_that_is_away_is_waited_for() {
    let plugin = Legacy::new(usual);
    let bridge = bridge(&plugin, "");
    let mut client = bridge.client("old");
    any_pool(&mut client);
    fs::remove_file(socket(&bridge, "old")).unwrap();
    let asking = thread::spawn(move || any_address(&mut client, "p"));
    thread::sleep(Duration::from_millis(300));
    assert!(!asking.is_finished());
    plugin.on_socket(&socket(&bridge, "old"));
    assert_eq!(asking.join().unwrap().0, 200);
}

#[test]
fn answers_are_bounded() {
    let plugin = Legacy::new(usual);
    let bridge = bridge(&plugin, "[driver.limits]\nplugin-body-bytes = 1000");
    let mut client = bridge.client("old");
    any_pool(&mut client);
    for (more, want) in [(900, 200), (1001, 503)] {
        plugin.script(move |method, asked| match method {
            "IpamDriver.RequestAddress" => {
                let mut body = json!({"Address": format!("192.0.2.{}/24", more % 251)}).to_string();
                body.push_str(&" ".repeat(more));
                Reply::Answer(200, body[..more].to_owned())
            }
            _ => usual(method, asked),
        });
        assert_eq!(any_address(&mut client, "p").0, want, "{more}");
    }
    // And so is what it is asked: the options do not fit.
    let options = json!({"k": "v".repeat(1000)});
    let (status, _) = client.ask("RequestAddress", &json!({"PoolID": "p", "Options": options}));
    assert_eq!(status, 400);
    assert_eq!(restarts(&bridge), 0);
}

#[test]
fn answers_as_docker_takes_them_are_made_fit() {
    let plugin = Legacy::new(usual);
    let mut bridge = bridge(&plugin, "");
    any_pool(&mut bridge.client("old"));
    // The length is known of pools of an earlier start, too.
    bridge.daemon.take().unwrap().terminate().unwrap();
    let bridge = bridge.start("plugins = ['old']");
    let mut client = bridge.client("old");
    for last in 1..20 {
        plugin.script(move |method, asked| match method {
            "IpamDriver.RequestAddress" => answer(json!({"Address": format!("192.0.2.{last}/32")})),
            "IpamDriver.ReleaseAddress" => Reply::Answer(200, String::new()),
            _ => usual(method, asked),
        });
        let (status, body) = any_address(&mut client, "p");
        assert_eq!((status, &body["Address"]), (200, &json!(format!("192.0.2.{last}/24"))));
        let release = json!({"PoolID": "p", "Address": format!("192.0.2.{last}")});
        assert_eq!(client.ask("ReleaseAddress", &release).0, 200);
    }
    plugin.script(|method, asked| match method {
        "IpamDriver.RequestAddress" => answer(json!({"Address": "198.51.100.1/24"})),
        _ => usual(method, asked),
    });
    for _ in 0..8 {
        let (status, body) = any_address(&mut client, "p");
        assert_eq!(status, 500);
        assert!(body["Err"].as_str().unwrap().contains("is not in 192.0.2.0/24"), "{body}");
    }
    assert_eq!(restarts(&bridge), 0);
}

/// Released while it was down, it hears of it when it is back.
#[test]
fn a_release_is_not_lost_on_a_plugin_that_is_down() {
    let plugin = Legacy::new(usual);
    let bridge = bridge(&plugin, "[driver.limits]\nplugin-ms = 1000");
    let mut client = bridge.client("old");
    any_pool(&mut client);
    any_address(&mut client, "p");
    fs::remove_file(socket(&bridge, "old")).unwrap();
    let release = json!({"PoolID": "p", "Address": "192.0.2.7"});
    assert_eq!(client.ask("ReleaseAddress", &release).0, 200);
    assert!(wipam(bridge.daemon(), &["addresses"]).done().is_empty());
    plugin.on_socket(&socket(&bridge, "old"));
    wait(|| {
        any_pool(&mut client);
        !plugin.asked("IpamDriver.ReleaseAddress").is_empty()
    });
    assert_eq!(plugin.asked("IpamDriver.ReleaseAddress")[0], release);
}

#[test]
fn a_plugin_that_asks_for_replay_is_shown_what_is_held() {
    let plugin = Legacy::new(|method, asked| match method {
        "IpamDriver.GetCapabilities" => answer(json!({"RequiresRequestReplay": true})),
        _ => usual(method, asked),
    });
    let mut bridge = bridge(&plugin, "");
    any_pool(&mut bridge.client("old"));
    any_address(&mut bridge.client("old"), "p");
    bridge.daemon.take().unwrap().terminate().unwrap();
    let mut bridge = bridge.start("plugins = ['old']");
    wait(|| plugin.asked("IpamDriver.RequestAddress").len() == 2);
    let replayed = &plugin.asked("IpamDriver.RequestAddress")[1];
    assert_eq!(*replayed, json!({"PoolID": "p", "Address": "192.0.2.7", "Options": null}));

    // One that refuses what it holds stays out of service, unless replay is off.
    plugin.script(|method, asked| match method {
        "IpamDriver.GetCapabilities" => answer(json!({"RequiresRequestReplay": true})),
        "IpamDriver.RequestAddress" => Reply::Answer(500, r#"{"Err":"in use"}"#.to_owned()),
        _ => usual(method, asked),
    });
    bridge.daemon.take().unwrap().terminate().unwrap();
    bridge = bridge.start("plugins = ['old']");
    let refuses = "it refused what the ledger holds, address 192.0.2.7/24";
    wait(|| bridge.daemon().log().contains(refuses));
    assert_eq!(any_address(&mut bridge.client("old"), "p").0, 503);
    assert_eq!(any_pool(&mut bridge.client("wipam")).0, 400, "no such space, and it serves");
    bridge.daemon.take().unwrap().terminate().unwrap();
    bridge = bridge.start("plugins = ['old']\nconfig = { replay = false }");
    plugin.script(|method, asked| match method {
        "IpamDriver.RequestAddress" => answer(json!({"Address": "192.0.2.8/24"})),
        _ => usual(method, asked),
    });
    assert_eq!(any_address(&mut bridge.client("old"), "p").0, 200);
}
