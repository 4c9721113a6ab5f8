//! What the program that hosts the service adds to what the service knows.

use ipam_api::DriverName;
use ipam_service::Upgraded;
use std::path::Path;

/// What putting another version in service came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upgrade {
    /// All names that changed.
    pub upgraded: Vec<Upgraded>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// What only the program knows that hosts the service.
pub trait Host: Send + Sync {
    /// Under which name Docker sees a driver.
    fn docker_name(&self, driver: &DriverName) -> Option<String>;

    /// Puts another version of a driver in service, from a file, or from a registry
    /// if it begins with [`REFERENCE`](crate::wire::REFERENCE).
    ///
    /// # Errors
    /// Why the version before serves on, for the operator.
    fn upgrade(&self, driver: &DriverName, file: &Path, force: bool) -> Result<Upgrade, String>;
}
