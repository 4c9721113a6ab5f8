//! What real engines do.

use crate::support::{Setup, post, request_address};
use ipam_api::{Family, PoolChoice, Request};
use std::sync::{Arc, atomic::Ordering};
use tokio::io::AsyncReadExt;

#[tokio::test(start_paused = true)]
async fn one_connection_serves_all_seven_endpoints() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    for (path, body, want) in [
        ("/Plugin.Activate", "", r#"{"Implements":["IpamDriver"]}"#),
        (
            "/IpamDriver.GetCapabilities",
            "",
            r#"{"RequiresMACAddress":true,"RequiresRequestReplay":false}"#,
        ),
        (
            "/IpamDriver.GetDefaultAddressSpaces",
            "",
            r#"{"LocalDefaultAddressSpace":"LabLocal","GlobalDefaultAddressSpace":"LabGlobal"}"#,
        ),
        (
            "/IpamDriver.RequestPool",
            r#"{"AddressSpace":"LabLocal","Pool":"10.1.0.0/16","SubPool":"10.1.2.0/24","Options":{"foo":"bar"},"V6":false}"#,
            r#"{"PoolID":"lab","Pool":"10.1.0.0/16","Data":{}}"#,
        ),
        (
            "/IpamDriver.RequestAddress",
            r#"{"PoolID":"lab","Address":"","Options":null}"#,
            r#"{"Address":"192.0.2.1/24","Data":{}}"#,
        ),
        ("/IpamDriver.ReleaseAddress", r#"{"PoolID":"lab","Address":"192.0.2.1"}"#, "{}"),
        ("/IpamDriver.ReleasePool", r#"{"PoolID":"lab"}"#, "{}"),
    ] {
        let response = client.call(path, body).await;
        assert_eq!((response.status, response.body.as_str()), (200, want), "{path}");
    }
    assert_eq!(setup.lab.undone(), []);
}

/// Docker 20.10 sends an empty Host; no engine sends a Content-Type; every
/// body ends in a newline; Options are null or empty.
#[tokio::test(start_paused = true)]
async fn headers_and_bodies_as_engines_send_them() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    for host in ["", "plugin.moby.localhost", "%2Frun%2Fdocker%2Fplugins%2Flab.sock"] {
        for options in ["null", "{}"] {
            let request = request_address("", options)
                .replace("Host: plugin.moby.localhost", &format!("Host: {host}"));
            client.send(&request).await;
            assert_eq!(client.response().await.status, 200, "{host:?} {options}");
        }
    }
    assert_eq!(setup.lab.seen().len(), 6);
}

/// The retry of every Docker engine after a broken connection.
#[tokio::test(start_paused = true)]
async fn an_empty_body_is_never_read_as_defaults() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    for endpoint in ["RequestPool", "ReleasePool", "RequestAddress", "ReleaseAddress"] {
        for body in ["", "\n"] {
            let response = client.call(&format!("/IpamDriver.{endpoint}"), body).await;
            let want = r#"{"Err":"empty request body","Error":"empty request body"}"#;
            assert_eq!((response.status, response.body.as_str()), (400, want), "{endpoint}");
        }
    }
    assert_eq!(setup.lab.seen(), []);
}

#[tokio::test(start_paused = true)]
async fn activation_waits_for_no_driver() {
    let setup = Setup::new();
    setup.lab.hold();
    let mut busy = setup.connect().await;
    busy.send(&request_address("", "null")).await;
    setup.lab.sees(1).await;
    let mut client = setup.connect().await;
    assert_eq!(client.call("/Plugin.Activate", "").await.status, 200);
    assert_eq!(client.call("/IpamDriver.GetCapabilities", "").await.status, 200);
    setup.lab.reply();
    assert_eq!(busy.response().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_session_begins_with_the_question_for_capabilities_alone() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    client.call("/Plugin.Activate", "").await;
    assert_eq!(setup.lab.sessions.load(Ordering::Relaxed), 0);
    client.call("/IpamDriver.GetCapabilities", "").await;
    assert_eq!(setup.lab.sessions.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn only_a_chosen_pool_of_the_local_space_avoids_the_hosts_networks() {
    let setup = Setup::with(|config| {
        config.exclude = Arc::new(|| {
            ["10.2.0.0/16", "10.1.0.0/16", "10.2.0.0/16"].map(|net| net.parse().unwrap()).into()
        });
    });
    let mut client = setup.connect().await;
    let sorted = ["10.1.0.0/16", "10.2.0.0/16"].map(|net| net.parse().unwrap());
    for (space, pool, want) in [
        ("LabLocal", "", &sorted[..]),
        ("LabLocal", "0.0.0.0/24", &sorted[..]),
        ("LabLocal", "10.9.0.0/24", &[]),
        ("LabGlobal", "", &[]),
    ] {
        let body = format!(r#"{{"AddressSpace":"{space}","Pool":"{pool}"}}"#);
        assert_eq!(client.call("/IpamDriver.RequestPool", &body).await.status, 200);
        let Some(Request::Pool(request)) = setup.lab.seen().pop() else { panic!("no pool") };
        assert_eq!(request.exclude, want, "{space} {pool}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_flag_chooses_the_family_of_an_unnamed_pool() {
    let setup = Setup::new();
    let mut client = setup.connect().await;
    let body = r#"{"AddressSpace":"LabLocal","Pool":"","SubPool":"","Options":null,"V6":true}"#;
    client.call("/IpamDriver.RequestPool", body).await;
    let Some(Request::Pool(request)) = setup.lab.seen().pop() else { panic!("no pool") };
    assert_eq!(request.pool, PoolChoice::Automatic(Family::Ipv6));
}

#[tokio::test(start_paused = true)]
async fn every_endpoint_is_a_post() {
    let setup = Setup::new();
    for method in ["GET", "PUT", "HEAD", "OPTIONS", "BREW"] {
        let mut client = setup.connect().await;
        client.send(&post("/IpamDriver.GetCapabilities", "").replacen("POST", method, 1)).await;
        let mut answer = String::new();
        client.0.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert!(answer.contains("allow: POST\r\n"), "{method}: {answer}");
    }
    assert_eq!(setup.lab.sessions.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_drops_a_request_is_an_internal_error() {
    let setup = Setup::new();
    setup.lab.hold();
    let mut client = setup.connect().await;
    client.send(&request_address("", "null")).await;
    setup.lab.sees(1).await;
    setup.lab.forget();
    let response = client.response().await;
    assert_eq!(response.status, 500);
    assert!(response.body.contains("IPAM Internal Error"), "{}", response.body);
}
