//! Wipam as a library: a component and native code behind one registry.

#![expect(clippy::print_stdout, reason = "it is an example")]

use ipam_api::*;
use ipam_runtime::Runtime;
use ipam_service::{LoadOptions, Origin, Service, ask};
use std::{net::IpAddr, sync::Arc};

/// A native driver with one pool and one address.
struct Lab;

impl Driver for Lab {
    fn default_address_spaces(&mut self) -> Result<AddressSpaces, Failure> {
        Ok(AddressSpaces { local: "lab".into(), global: "lab".into() })
    }
    fn request_pool(&mut self, _: &PoolRequest) -> Result<PoolGrant, Failure> {
        let pool_id = "bench".try_into().expect("it is short");
        let pool = "192.0.2.0/24".parse().expect("it is a prefix");
        Ok(PoolGrant { pool_id, pool, data: Options::new() })
    }
    fn release_pool(&mut self, _: &PoolId) -> Result<(), Failure> {
        Ok(())
    }
    fn request_address(&mut self, _: &AddressRequest) -> Result<AddressGrant, Failure> {
        Ok(AddressGrant { address: "192.0.2.7/24".parse().ok(), data: Options::new() })
    }
    fn release_address(&mut self, _: &PoolId, _: IpAddr) -> Result<(), Failure> {
        Ok(())
    }
}

struct LabFactory;

impl Factory for LabFactory {
    fn make(&self, _: &Start, mut to: Box<dyn Callback>) -> Result<Box<dyn Driver>, Failure> {
        to.register_ipam_driver("lab")?;
        Ok(Box::new(Lab))
    }
}

/// Takes a pool and two addresses of every driver that is registered.
struct Print;

type Refusal = Box<dyn std::error::Error + Send + Sync>;

impl Subscriber for Print {
    fn registered(&self, driver: Arc<dyn DriverHandle>) -> Result<(), Refusal> {
        let space = &driver.address_spaces().local;
        let pool = PoolRequest::new(space, PoolChoice::Automatic(Family::Ipv4));
        let Answer::Pool(pool) = ask(&*driver, Request::Pool(pool))?.answer else { return Ok(()) };
        let name = driver.name();
        for _ in 0..2 {
            let any = Request::Address(AddressRequest::any(pool.pool_id.clone()));
            match ask(&*driver, any) {
                Ok(served) => println!("{name}: {:?}", served.answer),
                Err(failure) => println!("{name}: {failure}"),
            }
        }
        Ok(())
    }
    fn unregistered(&self, name: &DriverName) {
        println!("{name}: gone");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = Service::new(Box::new(ipam_ledger::MemoryStore::default()), Default::default())?;
    service.subscribe(Arc::new(Print))?;
    let wasm = Runtime::new(None)?.load("default", ipam_builtin::DEFAULT, Default::default())?;
    service.load(Arc::new(wasm), LoadOptions::new(Origin::Component))?;
    service.load(Arc::new(LabFactory), LoadOptions::new(Origin::Component))?;
    Ok(())
}
