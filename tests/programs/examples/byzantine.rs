//! Answers at random: mostly something plausible and wrong.
//!
//! It is told the truth at replay and answers it, or it would never serve. Its
//! generator is its own, seeded by its table and stirred by whatever it is
//! asked, since a new instance must not take the course of the one before it.

use ipam_driver::{
    AddressGrant, AddressRequest, Code, Error, Family, IpNet, Kind, PoolChoice, PoolGrant,
    PoolRequest,
};
use ipam_programs::{Bent, Honest};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Debug)]
struct Program {
    honest: Honest,
    random: u64,
}

ipam_programs::export!(Program);

impl Program {
    /// Stirs the generator.
    fn stir(&mut self, text: &str) {
        for byte in text.bytes() {
            self.random = (self.random ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// A number below `end`: xorshift, then a multiplication.
    fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    /// An address where pools are, or anywhere.
    fn address(&mut self) -> IpAddr {
        let low = u32::try_from(self.below(1 << 12)).unwrap_or_default();
        match self.below(8) {
            0 => IpAddr::V6(Ipv6Addr::from((0xfd66 << 112) | u128::from(low))),
            1 => IpAddr::V4(Ipv4Addr::from(low << 20)),
            _ => IpAddr::V4(Ipv4Addr::from(0x0a42_0000 | low)),
        }
    }

    fn net(&mut self) -> IpNet {
        let address = self.address();
        let lengths = [0, 8, 16, 20, 24, 24, 24, 24, 25, 31, 32];
        let chosen = usize::try_from(self.below(11)).unwrap_or_default();
        IpNet::new_assert(address, lengths[chosen])
    }

    /// The id of a pool that it knows, or of none.
    fn id(&mut self) -> String {
        let known = self.honest.pools.len() as u64;
        match self.below(known + 2) {
            0 => String::new(),
            1 => "x".repeat(300),
            n => {
                let at = usize::try_from(n - 2).unwrap_or_default();
                self.honest.pools.keys().nth(at).cloned().unwrap_or_default()
            }
        }
    }

    fn error(&mut self) -> Error {
        match self.below(5) {
            0 => Code::NoAvailableIps.into(),
            1 => Code::PoolOverlap.into(),
            2 => Code::IpAlreadyAllocated.into(),
            3 => Error::other(Kind::Unavailable, "not \u{0} today\n"),
            _ => Error::other(Kind::Internal, "z".repeat(5000)),
        }
    }
}

impl Bent for Program {
    const NAME: &'static str = "byzantine";

    fn new(config: &str) -> Self {
        let mut program = Self { honest: Honest::default(), random: 0xcbf2_9ce4_8422_2325 };
        program.stir(config);
        program
    }

    fn honest(&mut self) -> &mut Honest {
        &mut self.honest
    }

    fn request_pool(&mut self, request: PoolRequest) -> Result<PoolGrant, Error> {
        self.stir(&format!("{request:?}"));
        if request.replay().is_some() {
            return self.honest.request_pool(&request);
        }
        match self.below(16) {
            // What it says it does not remember, and what it remembers it does not say.
            0 => Ok(PoolGrant::new(self.id(), self.net())),
            1 => Ok(PoolGrant::new(self.id(), self.net().trunc())),
            2 => {
                let pool = self.net().trunc();
                Ok(PoolGrant::new(pool.to_string(), pool))
            }
            3 => Err(self.error()),
            4 => std::process::abort(),
            5 => {
                // The right pool under the id of another.
                let grant = self.honest.request_pool(&request)?;
                Ok(PoolGrant { pool_id: self.id(), ..grant })
            }
            6 => {
                let family = if self.below(2) == 0 { Family::Ipv4 } else { Family::Ipv6 };
                let pool = PoolChoice::Automatic(family);
                self.honest.request_pool(&PoolRequest { pool, ..request })
            }
            7 => {
                let pool = PoolChoice::Sized(Family::Ipv4, 22);
                self.honest.request_pool(&PoolRequest { pool, ..request })
            }
            _ => self.honest.request_pool(&request),
        }
    }

    fn release_pool(&mut self, pool_id: &str) -> Result<(), Error> {
        self.stir(pool_id);
        match self.below(16) {
            0 => Err(self.error()),
            1 => std::process::abort(),
            2 => Ok(()),
            _ => self.honest.release_pool(pool_id),
        }
    }

    fn request_address(&mut self, request: AddressRequest) -> Result<AddressGrant, Error> {
        self.stir(&format!("{request:?}"));
        if request.replay().is_some() {
            return self.honest.request_address(&request);
        }
        match self.below(16) {
            0 => Ok(AddressGrant::new(self.net())),
            1 => {
                // Of the right length, of a pool that it was not asked for.
                Ok(AddressGrant::new(IpNet::new_assert(self.address(), 24)))
            }
            2 => {
                // Somebody has it.
                let leased =
                    self.honest.pools.get(&request.pool_id).and_then(|(pool, _, leases)| {
                        let address = leases.iter().next()?;
                        Some(IpNet::new_assert(*address, pool.prefix_len()))
                    });
                Ok(leased.map_or_else(AddressGrant::without_address, AddressGrant::new))
            }
            3 => Err(self.error()),
            4 => std::process::abort(),
            5 => Ok(AddressGrant::without_address()),
            6 => self.honest.request_address(&AddressRequest { address: None, ..request }),
            7 => {
                let address = Some(self.address());
                self.honest.request_address(&AddressRequest { address, ..request })
            }
            _ => self.honest.request_address(&request),
        }
    }

    fn release_address(&mut self, pool_id: &str, address: IpAddr) -> Result<(), Error> {
        self.stir(pool_id);
        match self.below(16) {
            0 => Err(self.error()),
            1 => std::process::abort(),
            2 => Ok(()),
            _ => self.honest.release_address(pool_id, address),
        }
    }
}
