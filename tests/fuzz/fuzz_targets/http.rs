//! Whatever bytes come over a plugin's socket: answers in HTTP or a closed
//! connection, no panic, and the next client is served.

#![no_main]

use ipam_api::{
    AddressGrant, AddressSpaces, Answer, Capability, DriverHandle, DriverName, Options, PoolGrant,
    Receipt, Reply, Request, Served, Subscriber as _,
};
use ipam_docker::{Config, Server};
use libfuzzer_sys::fuzz_target;
use std::{cell::RefCell, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    runtime::{Builder, Runtime},
    time::timeout,
};

/// Grants whatever is asked.
struct Lab(DriverName, AddressSpaces);

impl DriverHandle for Lab {
    fn name(&self) -> &DriverName {
        &self.0
    }
    fn capability(&self) -> Capability {
        Capability::default()
    }
    fn address_spaces(&self) -> &AddressSpaces {
        &self.1
    }
    fn begin_session(&self) {}
    fn submit(&self, request: Request, reply: Reply) {
        let answer = match request {
            Request::Pool(_) => Answer::Pool(PoolGrant {
                pool_id: "lab".try_into().expect("an id"),
                pool: "192.0.2.0/24".parse().expect("a prefix"),
                data: Options::new(),
            }),
            Request::Address(_) => Answer::Address(AddressGrant {
                address: "192.0.2.7/24".parse().ok(),
                data: Options::new(),
            }),
            _ => Answer::Released,
        };
        reply(Ok(Served { answer, receipt: None }));
    }
    fn undo(&self, _: Receipt) {}
}

struct Setup {
    runtime: Runtime,
    _server: Server,
    _directory: tempfile::TempDir,
    socket: PathBuf,
}

thread_local! {
    static SETUP: RefCell<Option<Setup>> = const { RefCell::new(None) };
}

fn setup() -> Setup {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let directory = tempfile::tempdir().expect("a directory");
    let config = Config { plugin_dir: directory.path().to_owned(), ..Config::default() };
    let server = Server::new(config, runtime.handle().clone());
    let spaces = AddressSpaces { local: "local".into(), global: "global".into() };
    let lab = Lab("lab".parse().expect("a name"), spaces);
    server.registered(Arc::new(lab)).expect("a socket");
    let socket = directory.path().join("lab.sock");
    Setup { runtime, _server: server, _directory: directory, socket }
}

fuzz_target!(|bytes: &[u8]| {
    SETUP.with_borrow_mut(|made| {
        let setup = made.get_or_insert_with(setup);
        setup.runtime.block_on(async {
            let mut stream = UnixStream::connect(&setup.socket).await.expect("it serves");
            // It may close before it has read all of it.
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let read = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
            assert!(read.is_ok(), "it neither answers nor closes");
            if !answer.is_empty() {
                assert!(answer.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&answer));
            }
        });
    });
});
