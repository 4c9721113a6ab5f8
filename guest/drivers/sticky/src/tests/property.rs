//! The policy against its rules in their plainest form, on random requests, with
//! restarts between them.

use super::{POOL, SUB_POOL, lease, policy, release, request, store};
use crate::identity::Keys;
use ipam_driver::{Code, names};
use ipam_pools::{Memory, PoolName};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::collections::BTreeMap;

/// How many reservations there may be.
const MAX: usize = 4;

/// A lease: of which pool id, who, and which address.
type Lease = (&'static str, &'static str, u8);

/// Lists, and everything is found by looking at all.
#[derive(Default)]
struct Model {
    leases: Vec<Lease>,
    /// Pool id, who, which address, and the moment.
    reservations: Vec<(&'static str, &'static str, u8, u64)>,
    next: u64,
}

impl Model {
    fn is_leased(&self, address: u8) -> bool {
        self.leases.iter().any(|(_, _, leased)| *leased == address)
    }

    fn choose(&self, id: &str, who: &str) -> Option<u8> {
        let range = if id == SUB_POOL { 4..=6 } else { 1..=6 };
        let free = |address: &u8| range.contains(address) && !self.is_leased(*address);
        let own = self.reservations.iter().find(|(its, whose, ..)| (*its, *whose) == (id, who));
        if let Some((_, _, own, _)) = own.filter(|(.., own, _)| free(own)) {
            return Some(*own);
        }
        let is_reserved =
            |address: &u8| self.reservations.iter().any(|(_, _, of, _)| of == address);
        let nobodys = range.clone().find(|address| free(address) && !is_reserved(address));
        let longest = || {
            let candidates = self.reservations.iter().filter(|(_, _, address, _)| free(address));
            candidates.min_by_key(|(.., moment)| *moment).map(|(_, _, address, _)| *address)
        };
        nobodys.or_else(longest)
    }

    fn request(
        &mut self,
        id: &'static str,
        who: &'static str,
        named: Option<u8>,
    ) -> Result<u8, Code> {
        let address = match named {
            Some(address) if address == 7 || self.is_leased(address) => {
                return Err(Code::IpAlreadyAllocated);
            }
            Some(address) => address,
            None => self.choose(id, who).ok_or(Code::NoAvailableIps)?,
        };
        self.leases.push((id, who, address));
        let has_it =
            |(its, whose, of, _): &(&str, &str, u8, u64)| (*its, *whose, *of) == (id, who, address);
        if who.is_empty() || self.reservations.iter().any(has_it) {
            return Ok(address);
        }
        self.reservations
            .retain(|(its, whose, of, _)| *of != address && (*its, *whose) != (id, who));
        while self.reservations.len() >= MAX {
            let free = self.reservations.iter().filter(|(_, _, of, _)| !self.is_leased(*of));
            let Some(oldest) = free.map(|(.., moment)| *moment).min() else { return Ok(address) };
            self.reservations.retain(|(.., moment)| *moment != oldest);
        }
        self.reservations.push((id, who, address, self.next));
        self.next += 1;
        Ok(address)
    }

    fn release(&mut self, address: u8) {
        self.leases.retain(|(_, _, leased)| *leased != address);
        if let Some((.., moment)) =
            self.reservations.iter_mut().find(|(_, _, of, _)| *of == address)
        {
            *moment = self.next;
            self.next += 1;
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Request(&'static str, &'static str, Option<u8>),
    Release(Index),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let id = prop_oneof![2 => Just(POOL), 1 => Just(SUB_POOL)];
    let who = prop::sample::select(vec!["", "a", "b", "c", "d", "e"]);
    let named = prop_oneof![3 => Just(None), 1 => (1..=7_u8).prop_map(Some)];
    prop_oneof![
        6 => (id, who, named).prop_map(|(id, who, named)| Step::Request(id, who, named)),
        4 => any::<Index>().prop_map(Step::Release),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #[test]
    fn behaves_like_lists(steps in vec(step(), 0..60)) {
        let config = format!(r#"{{"max-reservations": {MAX}}}"#);
        let mut policy = policy(&config, Memory::new(1 << 20, 1000));
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Request(id, who, named) => {
                    let address = named.map(|last| format!("10.0.0.{last}"));
                    let got = lease(&mut policy, &request(id, who, address.as_deref()));
                    prop_assert_eq!(got.map_err(|it| it.code()), model.request(id, who, named));
                }
                Step::Release(at) => {
                    if !model.leases.is_empty() {
                        let (_, _, address) = *at.get(&model.leases);
                        release(&mut policy, address);
                        model.release(address);
                    }
                }
                Step::Restart => {
                    policy = super::policy(&config, store(&mut policy).clone());
                    for (id, who, address) in &model.leases {
                        let mut request = request(id, who, Some(&format!("10.0.0.{address}")));
                        request.options.insert(names::REPLAY.into(), names::REPLAY_EXPLICIT.into());
                        prop_assert_eq!(lease(&mut policy, &request), Ok(*address));
                    }
                }
            }
            let keys = Keys::of("{}").unwrap();
            let want: BTreeMap<_, _> = model.reservations.iter().map(|(id, who, address, _)| {
                let pool = PoolName::parse(id).unwrap();
                let identity = keys.identity(pool, &request(id, who, None)).unwrap();
                ((pool.parent(), format!("10.0.0.{address}").parse().unwrap()), identity)
            }).collect();
            let (identities, store) = policy.reservations().parts();
            let got: BTreeMap<_, _> = identities.iter().map(|(location, identity)| (*location, (**identity).clone())).collect();
            prop_assert_eq!(&got, &want);
            prop_assert_eq!(store.entries().len(), want.len());
        }
    }
}
