//! The policy against its rules in their plainest form, on random requests, with
//! restarts between them.

use super::{POOL, SUB_POOL, lease, memory, policy, release, request};
use ipam_driver::{Code, names};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::collections::BTreeMap;

const REST: u64 = 5;
/// Addresses that may rest.
const MAX: usize = 3;

/// Lists, and everything is found by looking at all.
#[derive(Default)]
struct Model {
    /// Each lease, and whether it is a gateway's.
    leases: BTreeMap<u8, bool>,
    /// When what rests was released.
    resting: BTreeMap<u8, u64>,
}

impl Model {
    fn request(
        &mut self,
        id: &str,
        named: Option<u8>,
        is_gateway: bool,
        now: u64,
    ) -> Result<u8, Code> {
        let range = if id == SUB_POOL { 4..=6_u8 } else { 1..=6 };
        let leases = &self.leases;
        let address = match named {
            Some(address) if address == 7 || leases.contains_key(&address) => {
                return Err(Code::IpAlreadyAllocated);
            }
            Some(address) => address,
            None => {
                self.resting.retain(|address, since| {
                    !range.contains(address) || now.saturating_sub(*since) < REST
                });
                let free = |address: &u8| {
                    !leases.contains_key(address) && !self.resting.contains_key(address)
                };
                let inside = self.resting.iter().filter(|(address, _)| range.contains(address));
                let longest = inside.min_by_key(|(address, since)| (**since, **address));
                let longest = longest.map(|(address, _)| *address);
                range.clone().find(free).or(longest).ok_or(Code::NoAvailableIps)?
            }
        };
        self.resting.remove(&address);
        self.leases.insert(address, is_gateway);
        Ok(address)
    }

    fn release(&mut self, address: u8, now: u64) {
        if self.leases.remove(&address) == Some(false) {
            self.resting.insert(address, now);
            while self.resting.len() > MAX {
                let first = self.resting.iter().min_by_key(|(address, since)| (**since, **address));
                let first = *first.unwrap().0;
                self.resting.remove(&first);
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Request(&'static str, Option<u8>, bool),
    Release(Index),
    /// The clock is set by so much.
    Wait(i8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let id = prop_oneof![2 => Just(POOL), 1 => Just(SUB_POOL)];
    let named = prop_oneof![4 => Just(None), 1 => (1..=7_u8).prop_map(Some)];
    let is_gateway = prop::bool::weighted(0.1);
    prop_oneof![
        6 => (id, named, is_gateway).prop_map(|(id, named, is)| Step::Request(id, named, is)),
        6 => any::<Index>().prop_map(Step::Release),
        4 => prop_oneof![4 => 1..4_i8, 1 => -3..0_i8].prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn behaves_like_lists(steps in vec(step(), 0..80)) {
        let config = format!(r#"{{"rest": {REST}, "max-resting": {MAX}}}"#);
        let mut policy = policy(&config, memory());
        let mut model = Model::default();
        let mut now = 100_u64;
        let gateway = (names::REQUEST_ADDRESS_TYPE.to_owned(), names::GATEWAY.to_owned());
        for step in steps {
            match step {
                Step::Request(id, named, is_gateway) => {
                    let mut request = request(id, named);
                    request.options.extend(is_gateway.then(|| gateway.clone()));
                    let got = lease(&mut policy, &request, now).map_err(|it| it.code());
                    prop_assert_eq!(got, model.request(id, named, is_gateway, now));
                }
                Step::Release(at) => {
                    let leased: Vec<u8> = model.leases.keys().copied().collect();
                    if !leased.is_empty() {
                        let address = *at.get(&leased);
                        release(&mut policy, now, address);
                        model.release(address, now);
                    }
                }
                Step::Wait(seconds) => now = now.saturating_add_signed(seconds.into()),
                Step::Restart => {
                    policy = super::policy(&config, policy.store().clone());
                    for (address, is_gateway) in &model.leases {
                        let mut request = request(POOL, Some(*address));
                        request.options.extend(is_gateway.then(|| gateway.clone()));
                        request.options.insert(names::REPLAY.into(), names::REPLAY_EXPLICIT.into());
                        prop_assert_eq!(lease(&mut policy, &request, 0), Ok(*address));
                    }
                }
            }
            let want: BTreeMap<String, Vec<u8>> = model.resting.iter().map(|(address, since)| {
                let key = format!("{POOL}/10.0.0.{address}");
                (key, format!("{since}000").into_bytes())
            }).collect();
            prop_assert_eq!(policy.store().entries(), &want);
        }
    }
}
