//! Log lines for the operator. They never reach a client.
//!
//! The host limits their number and length: it drops lines and cuts long ones.
//! Off wasm, where tests run, they go to the standard error of the test.
//!
//! ```
//! use ipam_driver::log;
//!
//! log::warn("rack r7 has 3 addresses left");
//! log::log(log::Level::Debug, "chose 10.64.3.0/24");
//! ```

/// How important a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something may fail.
    Warn,
    /// Something happened.
    Info,
    /// Something an author wants to see.
    Debug,
}

/// Something failed.
pub fn error(message: impl AsRef<str>) {
    log(Level::Error, message.as_ref());
}

/// Something may fail.
pub fn warn(message: impl AsRef<str>) {
    log(Level::Warn, message.as_ref());
}

/// Something happened.
pub fn info(message: impl AsRef<str>) {
    log(Level::Info, message.as_ref());
}

/// Something an author wants to see.
pub fn debug(message: impl AsRef<str>) {
    log(Level::Debug, message.as_ref());
}

/// Says `message`.
pub fn log(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    crate::wasm::log(level, message);
    #[cfg(all(not(target_family = "wasm"), feature = "std"))]
    std::eprintln!("{level:?}: {message}");
    #[cfg(all(not(target_family = "wasm"), not(feature = "std")))]
    let _ = (level, message);
}
