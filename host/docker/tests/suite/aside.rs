//! A request that comes alone waits for the disk on the thread that serves,
//! and nobody else waits with it for long.

use crate::support::{Setup, request_address};
use ipam_docker::Server;
use std::{sync::mpsc, thread};
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
};

const ADDRESS: &str = "192.0.2.9";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn setup(runtime: &Runtime) -> (Setup, Server) {
    let setup = runtime.block_on(async { Setup::new() });
    let server = setup.server.clone();
    (setup, server)
}

#[test]
fn alone_it_is_asked_where_it_is_served() {
    let runtime = runtime();
    let (setup, server) = setup(&runtime);
    server.drive(&runtime, async {
        let mut client = setup.connect().await;
        for _ in 0..3 {
            client.send(&request_address(ADDRESS, "null")).await;
            assert_eq!(client.response().await.status, 200);
        }
    });
    assert_eq!(setup.lab.waited(), vec![thread::current().id(); 3]);
}

#[test]
fn those_that_come_together_are_asked_together() {
    let runtime = runtime();
    let (setup, server) = setup(&runtime);
    server.drive(&runtime, async {
        let mut clients = [setup.connect().await, setup.connect().await];
        for _ in 0..3 {
            for client in &mut clients {
                client.send(&request_address(ADDRESS, "null")).await;
            }
            for client in &mut clients {
                assert_eq!(client.response().await.status, 200);
            }
        }
    });
    assert_eq!(setup.lab.waited(), []);
    assert_eq!(setup.lab.seen().len(), 6);
}

#[test]
fn nobody_waits_where_nobody_drives() {
    let runtime = runtime();
    let (setup, _server) = setup(&runtime);
    runtime.block_on(async {
        let mut client = setup.connect().await;
        client.send(&request_address(ADDRESS, "null")).await;
        assert_eq!(client.response().await.status, 200);
    });
    assert_eq!(setup.lab.waited(), []);
}

#[test]
fn while_a_disk_hangs_others_are_served_and_afterwards_it_goes_on_as_before() {
    let runtime = runtime();
    let (setup, server) = setup(&runtime);
    server.drive(&runtime, async {
        for _ in 0..2 {
            let mut client = setup.connect().await;
            let mut other = setup.connect().await;
            let (go, gate) = mpsc::channel();
            setup.lab.stall(gate);
            client.send(&request_address(ADDRESS, "null")).await;
            let meanwhile = tokio::spawn(async move {
                while other.call("/Plugin.Activate", "").await.status == 200 {
                    if thread::current().name() == Some("ipam-understudy") {
                        break;
                    }
                    yield_now().await;
                }
                other.send(&request_address("192.0.2.10", "null")).await;
                let address = other.response().await;
                // Only now the disk answers.
                go.send(()).unwrap();
                address.status
            });
            assert_eq!(client.response().await.status, 200);
            assert_eq!(meanwhile.await.unwrap(), 200);
        }
    });
    assert_eq!(setup.lab.waited(), vec![thread::current().id(); 2]);
    assert_eq!(setup.lab.seen().len(), 4);
}

#[test]
fn a_panic_is_an_answer_and_not_the_end() {
    let runtime = runtime();
    let (setup, server) = setup(&runtime);
    server.drive(&runtime, async {
        let mut client = setup.connect().await;
        for status in [500, 200] {
            let (go, gate) = mpsc::channel();
            setup.lab.stall(gate);
            if status == 200 {
                go.send(()).unwrap();
            }
            drop(go);
            client.send(&request_address(ADDRESS, "null")).await;
            assert_eq!(client.response().await.status, status);
        }
    });
}

#[test]
fn what_is_offered_at_the_end_is_asked_all_the_same() {
    for turns in 0..20 {
        let runtime = runtime();
        let (setup, server) = setup(&runtime);
        let mut client = server.drive(&runtime, async {
            let mut client = setup.connect().await;
            client.send(&request_address(ADDRESS, "null")).await;
            for _ in 0..turns {
                yield_now().await;
            }
            client
        });
        assert_eq!(runtime.block_on(client.response()).status, 200);
        assert_eq!(setup.lab.seen().len(), 1);
    }
}
