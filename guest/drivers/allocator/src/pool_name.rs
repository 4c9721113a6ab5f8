//! What a pool id says, as a value that can be a key.

use crate::{
    allocator::{GLOBAL, LOCAL},
    error::Error,
    pool_id::PoolId,
};
use alloc::string::ToString;
use core::fmt;
use ipnet::IpNet;

/// The two address spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// [`LOCAL`].
    Local,
    /// [`GLOBAL`].
    Global,
}

impl Scope {
    /// The name of the space.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => LOCAL,
            Self::Global => GLOBAL,
        }
    }
}

/// What a pool id names, held or not. `Display` is the id.
///
/// ```
/// use ipam_allocator::PoolName;
///
/// let name = PoolName::parse("LocalDefault/10.0.0.0/8/10.1.0.0/16")?;
/// assert_eq!(name.range(), "10.1.0.0/16".parse().unwrap());
/// assert_eq!(name.parent().to_string(), "LocalDefault/10.0.0.0/8");
/// # Ok::<(), ipam_allocator::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolName {
    /// The address space.
    pub scope: Scope,
    /// The pool.
    pub pool: IpNet,
    /// The part of it that addresses without a name come from.
    pub sub_pool: Option<IpNet>,
}

impl PoolName {
    /// Reads an id.
    ///
    /// # Errors
    /// [`Error::InvalidPoolId`], [`Error::InvalidAddressSpace`]: it names nothing.
    pub fn parse(id: &str) -> Result<Self, Error> {
        let PoolId { space, pool, sub_pool } = PoolId::parse(id)?;
        let scope = [Scope::Local, Scope::Global].into_iter().find(|scope| scope.name() == space);
        let scope = scope.ok_or_else(|| Error::InvalidAddressSpace(space.to_string()))?;
        Ok(Self { scope, pool, sub_pool })
    }

    /// The pool as a whole, whose addresses its sub-pools share.
    #[must_use]
    pub fn parent(self) -> Self {
        Self { sub_pool: None, ..self }
    }

    /// Where addresses without a name come from.
    #[must_use]
    pub fn range(self) -> IpNet {
        self.sub_pool.unwrap_or(self.pool)
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PoolId { space: self.scope.name(), pool: self.pool, sub_pool: self.sub_pool }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::PoolName;
    use crate::{Allocator, Choice, Error, LOCAL, Recent};
    use alloc::{string::ToString, vec::Vec};

    #[test]
    fn what_is_held_has_a_name() {
        let mut recent = Recent::new(Allocator::new(Vec::new(), Vec::new()).unwrap());
        let choice = Choice::Exact {
            pool: "10.0.0.0/8".parse().unwrap(),
            sub_pool: Some("10.1.0.0/16".parse().unwrap()),
        };
        let id = recent.request_pool(LOCAL, choice, &[]).unwrap().id;
        // Asked before and after it was looked up.
        for _ in 0..2 {
            let name = recent.name(&id).unwrap();
            assert_eq!(name, PoolName::parse(&id).unwrap());
            assert_eq!(name.to_string(), id);
            assert!(recent.name(&name.parent().to_string()).is_ok(), "the parent is there, too");
        }
        let other = "LocalDefault/10.0.0.0/8/10.2.0.0/16";
        assert!(matches!(recent.name(other), Err(Error::PoolNotFound(_))));
        recent.release_pool(&id).unwrap();
        assert!(matches!(recent.name(&id), Err(Error::PoolNotFound(_))));
        assert!(matches!(recent.name("LocalDefault/10.0.0.0/8"), Err(Error::PoolNotFound(_))));
    }

    #[test]
    fn anything_else_has_none() {
        assert_eq!(PoolName::parse("x"), Err(Error::InvalidPoolId("x".into())));
        let unknown = Err(Error::InvalidAddressSpace("lab".into()));
        assert_eq!(PoolName::parse("lab/10.0.0.0/8"), unknown);
    }
}
