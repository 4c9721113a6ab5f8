//! Projects for authors of drivers, one in each language.
//!
//! In: a language and the name of the driver. Out: a project's files, which
//! build to a component with that language's own tools, and know nothing of
//! this repository. What they are made of is in `guest/sdk/templates`, `wit` and
//! `guest/sdk`; `build.rs` gathers it.
//!
//! # Example
//!
//! `wipam new` writes each of these to a directory of the driver's name:
//!
//! ```
//! use ipam_templates::{Language, project};
//!
//! for file in project(Language::Rust, "example") {
//!     assert!(file.path.split('/').all(|part| part != ".."), "it stays in its directory");
//! }
//! ```

mod language;

pub use language::{Language, UnknownLanguage};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// What stands for the driver's name in the files of a template.
const NAME: &str = "@NAME@";

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is in the project, with `/` between its parts.
    pub path: &'static str,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The files of a project that builds to the driver `name`, in order of their
/// paths.
///
/// ```
/// use ipam_templates::{Language, project};
///
/// let files = project(Language::Rust, "lab");
/// assert!(files.iter().any(|file| file.path == "wit/ipam.wit"));
/// ```
#[must_use]
pub fn project(language: Language, name: &str) -> Vec<File> {
    let files = match language {
        Language::C => C,
        Language::Go => GO,
        Language::Js => JS,
        Language::Python => PYTHON,
        Language::Rust => RUST,
    };
    named(files, name)
}

/// The files of a project that builds a driver around another one, in Rust.
///
/// ```
/// use ipam_templates::wrapper;
///
/// assert!(wrapper("quota").iter().any(|file| file.path == "src/policy.rs"));
/// ```
#[must_use]
pub fn wrapper(name: &str) -> Vec<File> {
    named(WRAP, name)
}

/// A template's files, with the driver's name in them.
fn named(files: &[(&'static str, &[u8])], name: &str) -> Vec<File> {
    let file = |(path, bytes): &(&'static str, &[u8])| {
        let bytes = match str::from_utf8(bytes) {
            Ok(text) => text.replace(NAME, name).into_bytes(),
            Err(_) => bytes.to_vec(),
        };
        File { path, bytes }
    };
    files.iter().map(file).collect()
}

#[cfg(test)]
mod tests;
