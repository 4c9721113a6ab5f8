//! What the program that hosts the service adds to what the service knows.

use ipam_api::{Digest, DriverName};
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

    /// Which artifact of a registry serves as a driver, by reference and by the digest
    /// of its manifest; nothing if a file does.
    fn artifact(&self, _driver: &DriverName) -> Option<String> {
        None
    }

    /// The digests of the manifests that are known to have this component. Of those
    /// that were fetched long ago nothing may be known.
    fn artifacts_with(&self, _component: Digest) -> Vec<Digest> {
        Vec::new()
    }

    /// Puts another version of a driver in service, from a file, or from a registry
    /// if it begins with [`REFERENCE`](crate::wire::REFERENCE); without either, what
    /// the configuration names now.
    ///
    /// # Errors
    /// Why the version before serves on, for the operator.
    fn upgrade(
        &self,
        driver: &DriverName,
        file: Option<&Path>,
        force: bool,
    ) -> Result<Upgrade, String>;
}
