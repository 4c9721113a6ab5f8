//! What a file says of itself, read before anything is compiled or run.
//!
//! Names alone are read here, and none is believed: a component whose types do
//! not fit its names is refused by the compiler or by the linker.

use crate::{Grants, Limits, LoadError, gate};
use ipam_api::{Digest, text::bounded};
use sha2::{Digest as _, Sha256};
use wasmparser::{Parser, Payload};

/// What a component is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Of its file.
    pub digest: Digest,
    /// What it exports, in order.
    pub exports: Vec<String>,
    /// What it imports, in order.
    pub imports: Vec<String>,
    /// The version of the contract that it was built for, as it names it: one
    /// that this host serves, or another. Nothing if it is no driver.
    pub contract: Option<String>,
    /// What every driver exports and it does not.
    pub missing: Vec<String>,
    /// What it imports and gets only where it is granted; or never, if there
    /// is no such grant.
    pub needs: Vec<Need>,
    /// Whether it asks for random numbers, which are the same for everybody
    /// without [`Grants::random_real`].
    pub uses_random: bool,
}

/// An import that needs a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What it imports.
    pub import: String,
    /// What would grant it; nothing would if there is none.
    pub grant: Option<GrantKind>,
}

/// The kinds of [`Grants`] that let a component import something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantKind {
    /// [`Grants::http`].
    Http,
    /// [`Grants::store`].
    Store,
    /// [`Grants::plugins`].
    Plugins,
}

/// How much of a name is read, in bytes; one that is longer is none of those
/// below, and is shown as far as that.
const NAME_BYTES: usize = 256;
/// How much is said of why a file is no component, in bytes.
const WORDS_BYTES: usize = 1 << 10;

/// What every driver exports.
const EXPORTS: [&str; 2] = ["ipam:driver/lifecycle@0.1.0", "ipam:driver/ipam@0.1.0"];
/// What any driver may import of ours.
const IMPORTS: [&str; 3] =
    ["ipam:driver/types@0.1.0", "ipam:driver/callback@0.1.0", "ipam:driver/log@0.1.0"];
/// What an inert WASI provides.
const WASI: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];
/// The most that a component may import, or export, by itself: those of its
/// parts are counted elsewhere.
const NAMES_MAX: usize = 1_000;
/// What a grant of HTTP provides: the side that asks.
const HTTP: [&str; 2] = ["wasi:http/outgoing-handler@0.2.", "wasi:http/types@0.2."];

/// Reads what a component exports and imports, without compiling it. It may
/// still be refused when it is loaded.
///
/// # Errors
/// [`LoadError::NotWasm`], [`LoadError::CoreModule`] and [`LoadError::Invalid`]
/// for what is no component.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    // The layer after the version tells a component from a module.
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => {}
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => return Err(LoadError::CoreModule),
        _ => return Err(LoadError::NotWasm),
    }
    let (exports, imports) =
        names(bytes).map_err(|error| LoadError::Invalid(bounded(WORDS_BYTES, error)))?;
    for (all, what) in [(&exports, "exports of its own"), (&imports, "imports of its own")] {
        if all.len() > NAMES_MAX {
            return Err(LoadError::TooManyNames(what, NAMES_MAX));
        }
    }
    let exported = |wanted: &str| exports.iter().find(|name| compatible(name, wanted));
    let contract = exports.iter().find_map(|name| name.strip_prefix("ipam:driver/ipam@"));
    let needs = imports
        .iter()
        .filter(|name| !is_for_all(name))
        .map(|name| Need { import: name.clone(), grant: GrantKind::of(name) });
    Ok(Inspection {
        digest: digest(bytes),
        contract: contract.map(str::to_owned),
        missing: EXPORTS
            .into_iter()
            .filter(|wanted| exported(wanted).is_none())
            .map(str::to_owned)
            .collect(),
        needs: needs.collect(),
        uses_random: imports.iter().any(|name| name.starts_with("wasi:random/")),
        exports,
        imports,
    })
}

/// The digest of a component's file.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Why a component would not be loaded with these limits, whatever it was
/// granted: it is for a later WASI or another version of the contract, needs a
/// proposal that is off, or has more of something than is allowed. Nothing is
/// compiled.
#[must_use]
pub fn refusal(inspection: &Inspection, bytes: &[u8], limits: &Limits) -> Option<LoadError> {
    let other = inspection.later_wasi().or_else(|| inspection.other_contract());
    other.or_else(|| gate::pass(bytes, limits).err())
}

/// The names of the outermost component: exports and imports, and one more
/// than there may be.
fn names(bytes: &[u8]) -> wasmparser::Result<(Vec<String>, Vec<String>)> {
    let (mut exports, mut imports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "most of a component is not a name")]
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section.into_iter().take(NAMES_MAX + 1 - exports.len()) {
                    exports.push(bounded(NAME_BYTES, export?.name.name));
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section.into_iter().take(NAMES_MAX + 1 - imports.len()) {
                    imports.push(bounded(NAME_BYTES, import?.name.name));
                }
            }
            _ => {}
        }
    }
    Ok((exports, imports))
}

/// Whether every driver gets it.
fn is_for_all(import: &str) -> bool {
    IMPORTS.iter().any(|ours| compatible(import, ours))
        || WASI.iter().any(|inert| import.starts_with(inert) && import.contains("@0.2."))
}

impl GrantKind {
    /// The line of a driver's table that grants it, as an operator writes it
    /// who has yet to fill it in.
    #[must_use]
    pub fn line(self) -> &'static str {
        match self {
            Self::Http => r#"http = ["https://SERVER/PATH"]"#,
            Self::Store => "store = { max-bytes = 1048576, max-keys = 1000 }",
            Self::Plugins => r#"plugins = ["NAME"]"#,
        }
    }

    fn of(import: &str) -> Option<Self> {
        if compatible(import, "ipam:driver/store@0.1.0") {
            return Some(Self::Store);
        }
        if compatible(import, "ipam:driver/plugins@0.1.0") {
            return Some(Self::Plugins);
        }
        let is_http = HTTP.iter().any(|name| import.starts_with(name));
        is_http.then_some(Self::Http)
    }
}

impl Inspection {
    /// Whether it is built for a WASI that this host does not have.
    fn later_wasi(&self) -> Option<LoadError> {
        let version = self.imports.iter().chain(&self.exports).find_map(|name| {
            let is_base = WASI.iter().chain(&["wasi:http/"]).any(|base| name.starts_with(base));
            let (_, version) = name.split_once('@')?;
            (is_base && !version.starts_with("0.2.")).then_some(version)
        })?;
        let minor = version.match_indices('.').nth(1).map_or(version, |(at, _)| &version[..at]);
        Some(LoadError::LaterWasi(minor.to_owned()))
    }

    /// Whether it is built for a version of the contract that this host does not
    /// serve.
    fn other_contract(&self) -> Option<LoadError> {
        let version = self.exports.iter().chain(&self.imports).find_map(|name| {
            let (_, version) = name.strip_prefix("ipam:driver/")?.split_once('@')?;
            (!version.starts_with("0.1.")).then_some(version)
        })?;
        Some(LoadError::OtherContract(version.to_owned()))
    }

    /// Judges it: everything that is missing or too much at once, since
    /// whoever reads it should not have to come back for the next one.
    pub(crate) fn judge(&self, grants: &Grants) -> Result<(), LoadError> {
        if let Some(other) = self.later_wasi().or_else(|| self.other_contract()) {
            return Err(other);
        }
        if !self.missing.is_empty() {
            return Err(LoadError::MissingExports(self.missing.clone()));
        }
        let is_granted = |need: &&Need| need.grant.is_some_and(|kind| grants.has(kind));
        let ungranted = self.needs.iter().filter(|need| !is_granted(need));
        let ungranted: Vec<Need> = ungranted.cloned().collect();
        if ungranted.is_empty() { Ok(()) } else { Err(LoadError::UngrantedImports(ungranted)) }
    }
}

/// Whether both are the same interface in versions that differ in the patch
/// only, as semver has it for 0.x.
fn compatible(name: &str, wanted: &str) -> bool {
    let minor = |full: &'_ str| full.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(name) == minor(wanted)
}
