//! Bad input through the socket, with the whole house behind it: each piece
//! gets its error, and none reaches a driver that should not see it.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_api::{
    AddressGrant, AddressRequest, AddressSpaces, Callback, Driver, Factory, Failure, Options,
    PoolGrant, PoolId, PoolRequest, Start,
};
use ipam_ledger::MemoryStore;
use ipam_service::{LoadOptions, Origin, Service};
use ipam_tests::{http::Client, stack::Stack};
use proptest::{
    collection::vec,
    prelude::{ProptestConfig, any},
    proptest,
};
use std::{
    io::{Read, Write},
    net::{IpAddr, Shutdown},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Counts what reaches it. Grants 192.0.2.0/24 and its .7.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Counting {
    fn note(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Driver for Counting {
    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Failure> {
        Ok(AddressSpaces { local: "L".to_owned(), global: "G".to_owned() })
    }

    fn request_pool(&mut self, _: &PoolRequest) -> Result<PoolGrant, Failure> {
        self.note();
        let pool_id = PoolId::try_from("lab").unwrap();
        Ok(PoolGrant { pool_id, pool: "192.0.2.0/24".parse().unwrap(), data: Options::new() })
    }

    fn release_pool(&mut self, _: &PoolId) -> Result<(), Failure> {
        self.note();
        Ok(())
    }

    fn request_address(&mut self, _: &AddressRequest) -> Result<AddressGrant, Failure> {
        self.note();
        let address = Some("192.0.2.7/24".parse().unwrap());
        Ok(AddressGrant { address, data: Options::new() })
    }

    fn release_address(&mut self, _: &PoolId, _: IpAddr) -> Result<(), Failure> {
        self.note();
        Ok(())
    }
}

impl Factory for Counting {
    fn make(&self, _: &Start, mut to: Box<dyn Callback>) -> Result<Box<dyn Driver>, Failure> {
        to.register_ipam_driver("lab")?;
        Ok(Box::new(self.clone()))
    }
}

struct Setup {
    stack: Stack,
    driver: Counting,
}

impl Setup {
    /// With the pool `lab` granted.
    fn new() -> Self {
        let driver = Counting::default();
        let service = Service::new(Box::new(MemoryStore::default()), Default::default()).unwrap();
        service.load(Arc::new(driver.clone()), LoadOptions::new(Origin::Component)).unwrap();
        let setup = Self { stack: Stack::of(Arc::new(service)), driver };
        let grant = setup.client().post(
            "/IpamDriver.RequestPool",
            r#"{"AddressSpace":"L","Pool":"192.0.2.0/24","SubPool":"","Options":{},"V6":false}"#,
        );
        assert_eq!(grant.unwrap().body["PoolID"], "lab");
        setup.driver.0.store(0, Ordering::SeqCst);
        setup
    }

    fn client(&self) -> Client {
        Client::connect(&self.stack.socket_of("lab")).unwrap()
    }

    fn untouched(&self) {
        assert_eq!(self.driver.0.load(Ordering::SeqCst), 0, "it reached the driver");
    }

    /// What comes after is served as if nothing had happened.
    fn serves(&self) {
        let lease = r#"{"PoolID":"lab","Address":"","Options":null}"#;
        let answer = self.client().post("/IpamDriver.RequestAddress", lease).unwrap();
        assert_eq!(answer.body["Address"], "192.0.2.7/24");
        let release = r#"{"PoolID":"lab","Address":"192.0.2.7"}"#;
        assert_eq!(self.client().post("/IpamDriver.ReleaseAddress", release).unwrap().status, 200);
        self.driver.0.store(0, Ordering::SeqCst);
    }
}

#[test]
fn each_piece_gets_its_error_before_the_driver() {
    let setup = Setup::new();
    let long = "x".repeat(50_000);
    let long_id = format!(r#"{{"PoolID":"{long}","Address":"192.0.2.1"}}"#);
    for (method, body, status, words) in [
        // Not JSON, not whole, not of the right type.
        ("RequestPool", "", 400, "empty"),
        ("RequestPool", "\n", 400, "empty"),
        ("RequestPool", "pool please", 400, ""),
        ("RequestPool", r#"{"AddressSpace":"L","Pool":"#, 400, ""),
        ("RequestPool", "[]", 400, ""),
        ("RequestPool", "null", 400, ""),
        ("RequestPool", r#"{"AddressSpace":7}"#, 400, "AddressSpace"),
        ("RequestPool", r#"{"AddressSpace":"L","Options":["a"]}"#, 400, "Options"),
        ("RequestPool", r#"{"AddressSpace":"L","V6":"yes"}"#, 400, "V6"),
        // No prefix, no space, no family.
        ("RequestPool", r#"{"AddressSpace":"L","Pool":"10.0.0.0"}"#, 400, ""),
        ("RequestPool", r#"{"AddressSpace":"L","Pool":"10.0.0.0/33"}"#, 400, ""),
        ("RequestPool", r#"{"AddressSpace":"","Pool":"10.0.0.0/8"}"#, 400, ""),
        ("RequestPool", r#"{"AddressSpace":"L","Pool":"::ffff:10.0.0.0/104"}"#, 400, ""),
        (
            "RequestPool",
            r#"{"AddressSpace":"L","Pool":"10.0.0.0/8","SubPool":"fd00::/64"}"#,
            400,
            "",
        ),
        // Pools that nobody holds, addresses of nowhere.
        ("RequestAddress", r#"{"PoolID":"other","Address":""}"#, 404, "other"),
        ("RequestAddress", r#"{"PoolID":"lab","Address":"fd00::1"}"#, 400, "out of range"),
        ("RequestAddress", r#"{"PoolID":"lab","Address":"198.51.100.1"}"#, 400, "out of range"),
        ("RequestAddress", r#"{"PoolID":"lab","Address":"192.0.2.300"}"#, 400, ""),
        ("ReleaseAddress", r#"{"PoolID":"other","Address":"192.0.2.1"}"#, 404, "other"),
        ("ReleaseAddress", r#"{"PoolID":"lab","Address":"fd00::1"}"#, 400, "out of range"),
        ("ReleaseAddress", r#"{"PoolID":"lab","Address":""}"#, 400, ""),
        ("ReleasePool", r#"{"PoolID":"other"}"#, 400, "does not contain"),
        ("ReleasePool", r#"{"PoolID":""}"#, 400, ""),
        ("ReleaseAddress", &long_id, 400, ""),
        // Known, but not leased: a success that the driver has no part in.
        ("ReleaseAddress", r#"{"PoolID":"lab","Address":"192.0.2.1"}"#, 200, ""),
        ("Reboot", "{}", 404, ""),
    ] {
        let mut client = setup.client();
        let answer = client.post(&format!("/IpamDriver.{method}"), body).unwrap();
        let shown = &body[..body.len().min(100)];
        assert_eq!(answer.status, status, "{method} {shown}: {answer:?}");
        let said = answer.body["Err"].as_str().unwrap_or_default();
        assert!(said.contains(words), "{method} {shown}: {said:?}");
        assert_eq!(said.is_empty(), status == 200, "{method} {shown}: {answer:?}");
        assert!(said.len() < 1000, "{method}: what was sent comes back");
        setup.untouched();
    }
    setup.serves();
}

#[test]
fn bodies_of_ten_megabytes_are_refused_unread() {
    let setup = Setup::new();
    for length in [100_000, 10 << 20] {
        let mut stream = UnixStream::connect(setup.stack.socket_of("lab")).unwrap();
        let head = format!(
            "POST /IpamDriver.ReleasePool HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let body = format!(r#"{{"PoolID":"{}"}}"#, "x".repeat(length - 13));
        // The answer comes early, and then nobody reads on.
        let _ = stream.write_all(body.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    }
    setup.untouched();
    setup.serves();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever bytes come instead of a request, no driver hears of them and
    /// the next caller is served.
    #[test]
    fn random_bytes_are_nothing(noise in vec(vec(any::<u8>(), 0..300), 1..8)) {
        let setup = Setup::new();
        for bytes in noise {
            let mut stream = UnixStream::connect(setup.stack.socket_of("lab")).unwrap();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let method = "/IpamDriver.RequestAddress";
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let answer = setup.client().post(method, &text).unwrap();
            assert_eq!(answer.status, 400, "{text:?}");
        }
        setup.untouched();
        setup.serves();
    }
}
