//! What is remembered of a pool, and for how long.

use super::Policy;
use crate::{Identity, Note, Object, Of, PoolName, Search, SystemOfRecord};
use ipam_driver::{AddressRequest, Error, IpNet, Options, PoolChoice, PoolRequest, names};
use std::net::IpAddr;

const POOL: &str = "10.9.0.0/24";

/// A system that has one address, a router, and makes every other.
struct Lab(Identity);

impl SystemOfRecord for Lab {
    const SPACE: &'static str = "lab";
    const NAME: &'static str = "Lab";
    const PATHS: [&'static str; 2] = ["/pools/", "/addresses/"];

    fn identity(&self) -> &Identity {
        &self.0
    }

    fn request_pool(&mut self, _: &PoolRequest) -> Result<(PoolName, Option<IpNet>), Error> {
        Ok((PoolName::new(Self::SPACE, 17, POOL.parse().unwrap()), None))
    }

    fn make(
        &mut self,
        _: &PoolName,
        address: Option<IpAddr>,
        _: &Note<'_>,
    ) -> Result<Option<Object>, Error> {
        Ok(address.is_none().then(|| Object::new(7, "10.9.0.7/32".parse().unwrap(), "")))
    }

    fn find(&mut self, search: &Search<'_>) -> Result<Vec<Object>, Error> {
        Ok(match *search {
            Search::At(_, address) => vec![Object::new(1, address.into(), "a router")],
            Search::OursIn(_) | Search::Ours(_) | Search::In(..) | Search::Prefix(_) => Vec::new(),
        })
    }

    fn get(&mut self, _: Of, _: u64) -> Result<Option<Object>, Error> {
        Ok(None)
    }

    fn delete(&mut self, _: Of, _: u64) -> Result<bool, Error> {
        Ok(false)
    }

    fn hand_over(&mut self, _: Of, _: &Object, _: Option<&str>) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn a_pool_that_is_released_is_forgotten_with_all_that_was_granted() {
    let mut policy = Policy::new(Lab(Identity::new("lab", "node-1".to_owned()).unwrap()));
    let pool = PoolRequest {
        address_space: "lab".to_owned(),
        pool: PoolChoice::Exact(POOL.parse().unwrap()),
        sub_pool: None,
        options: Options::new(),
        exclude: Vec::new(),
    };
    let granted = policy.request_pool(&pool).unwrap();
    assert_eq!((&*granted.pool_id, &*granted.data["lab.id"]), ("lab/17/10.9.0.0/24", "17"));
    // A second one of the same name is none.
    assert!(policy.request_pool(&pool).is_err());
    let gateway = (names::REQUEST_ADDRESS_TYPE.to_owned(), names::GATEWAY.to_owned());
    let request = |address: Option<&str>, options: Options| AddressRequest {
        pool_id: granted.pool_id.clone(),
        address: address.map(|address| address.parse().unwrap()),
        options,
    };
    policy.request_address(&request(Some("10.9.0.1"), Options::from([gateway]))).unwrap();
    let next = policy.request_address(&request(None, Options::new())).unwrap();
    assert_eq!(next.address.unwrap().to_string(), "10.9.0.7/24");
    let router = ("17".to_owned(), "10.9.0.1".parse().unwrap());
    assert!(policy.as_it_is.contains(&router) && policy.granted.len() == 2);
    policy.release_pool(&granted.pool_id).unwrap();
    assert!(policy.as_it_is.is_empty() && policy.granted.is_empty());
    assert!(policy.pools.is_empty() && policy.nets.is_empty());
    assert!(policy.request_pool(&pool).is_ok());
}
