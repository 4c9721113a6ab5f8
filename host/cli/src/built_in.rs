//! The drivers that are embedded in this program.

use ipam_api::names;
use ipam_runtime::StoreLimits;
use ipam_service::Origin;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    /// libnetwork's allocator.
    Default,
    /// The one that gives nothing.
    Null,
    /// A bridge to plugins that exist. Nobody sees its own name: it registers
    /// those of the plugins that it is granted.
    Remote,
}

impl BuiltIn {
    pub(crate) const ALL: [Self; 3] = [Self::Default, Self::Null, Self::Remote];

    /// What the configuration calls it: `builtin:` and this.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => names::DEFAULT_IPAM,
            Self::Null => names::NULL_IPAM,
            Self::Remote => "remote",
        }
    }

    /// Its component.
    pub(crate) fn component(self) -> &'static [u8] {
        match self {
            Self::Default => ipam_builtin::DEFAULT,
            Self::Null => ipam_builtin::NULL,
            Self::Remote => ipam_builtin::REMOTE,
        }
    }

    /// What it may store without a grant of the operator's: `remote` keeps
    /// which prefix each pool of its plugin has.
    pub(crate) fn store(self) -> Option<StoreLimits> {
        match self {
            Self::Default | Self::Null => None,
            Self::Remote => Some(StoreLimits { bytes_max: 16 << 20, keys_max: 1 << 16 }),
        }
    }

    /// Whose drivers are what it registers. `remote` is ours, and they are not:
    /// they wait for others.
    pub(crate) fn origin(self) -> Origin {
        match self {
            Self::Default | Self::Null => Origin::BuiltIn,
            Self::Remote => Origin::Component,
        }
    }
}
