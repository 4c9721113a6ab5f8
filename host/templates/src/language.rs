//! The languages that there are templates for.

use std::{fmt, str::FromStr};

/// A language that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// C, by clang (as `zig cc` has it).
    C,
    /// Go, by its own compiler.
    Go,
    /// JavaScript, in QuickJS.
    Js,
    /// Python, in CPython.
    Python,
    /// Rust, with the SDK.
    Rust,
}

/// A word that is none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownLanguage;

impl Language {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Rust, Self::Python, Self::Js, Self::C, Self::Go];

    /// The word for it on a command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::C => "c",
            Self::Go => "go",
            Self::Js => "js",
            Self::Python => "python",
            Self::Rust => "rust",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(word: &str) -> Result<Self, UnknownLanguage> {
        Self::ALL.into_iter().find(|language| language.as_str() == word).ok_or(UnknownLanguage)
    }
}

impl fmt::Display for UnknownLanguage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected ")?;
        for (number, language) in Language::ALL.into_iter().enumerate() {
            let before = if number == 0 { "" } else { ", " };
            write!(f, "{before}{language}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownLanguage {}
