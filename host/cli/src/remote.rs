//! Registries, for commands that ask no daemon.

use crate::{
    config::{Flags, Settings},
    driver_config::{DriverSettings, Source},
    fatal::Fatal,
    signature_table::SignaturePolicy,
};
use ipam_registry::{
    Access, Artifact, Client, Error, Layout, Reference, SCHEME, Target, Which, is_registry,
};
use ipam_runtime::Limits;
use ipam_signature::Verified;
use std::{
    fmt::{self, Display},
    io::{IsTerminal as _, Write as _, stderr},
    path::{Path, PathBuf},
};

/// How registries are asked, and who must have signed.
#[derive(Debug, clap::Args)]
pub(crate) struct RegistryFlags {
    /// Use the tables `signatures`, `registries` and `driver` of this configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Require a signature by this public key; repeat it to require several
    #[arg(long = "key", value_name = "FILE", conflicts_with = "config")]
    keys: Vec<PathBuf>,
    /// Speak to this registry without TLS. May be repeated
    #[arg(long, value_name = "HOST[:PORT]", value_parser = registry)]
    plain_http: Vec<String>,
}

/// The flags, read.
pub(crate) struct Registries {
    plain_http: Vec<String>,
    settings: Option<Settings>,
    by_keys: Option<SignaturePolicy>,
}

/// Where a command's argument leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Registry(Reference),
    Path(PathBuf),
}

impl Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

fn registry(text: &str) -> Result<String, String> {
    if is_registry(text) { Ok(text.to_owned()) } else { Err("expected HOST[:PORT]".to_owned()) }
}

/// A reference, or a path.
pub(crate) fn location(text: &str) -> Result<Location, String> {
    if text.starts_with(SCHEME) {
        return reference(text).map(Location::Registry);
    }
    Ok(Location::Path(text.into()))
}

/// A reference alone.
pub(crate) fn reference(text: &str) -> Result<Reference, String> {
    text.parse().map_err(|error| format!("{error}"))
}

impl RegistryFlags {
    /// Whether a check of signatures is asked for by the command line alone.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    pub(crate) fn read(&self) -> Result<Registries, Fatal> {
        let settings = match &self.config {
            Some(_) => {
                Some(Settings::new(Flags { config: self.config.clone(), ..Flags::default() })?)
            }
            None => None,
        };
        let by_keys =
            if self.keys.is_empty() { None } else { Some(SignaturePolicy::by_all(&self.keys)?) };
        let mut plain_http = self.plain_http.clone();
        plain_http.extend(settings.iter().flat_map(|settings| settings.plain_http.clone()));
        Ok(Registries { plain_http, settings, by_keys })
    }
}

impl Registries {
    /// The policies that an artifact or a file must meet: those of the drivers with
    /// this source, else those of drivers from the same repository, else the table
    /// for all. What lies in a directory is no driver's.
    pub(crate) fn signed(&self, source: Option<&Source>) -> Vec<&SignaturePolicy> {
        if let Some(by_keys) = &self.by_keys {
            return vec![by_keys];
        }
        let Some(settings) = &self.settings else { return Vec::new() };
        let of = |is_it: fn(&Source, &Source) -> bool| -> Vec<&DriverSettings> {
            let is_it = |one: &&DriverSettings| source.is_some_and(|it| is_it(&one.source, it));
            settings.drivers.iter().filter(is_it).collect()
        };
        let mut own = of(Source::is_same);
        if own.is_empty() {
            own = of(|one, other| one.identity() == other.identity());
        }
        if own.is_empty() {
            return settings.signed.iter().collect();
        }
        own.iter().filter_map(|driver| driver.signed.as_ref()).collect()
    }

    pub(crate) fn is_plain(&self, reference: &Reference) -> bool {
        self.plain_http.iter().any(|one| one == reference.registry())
    }

    pub(crate) fn open(&self, reference: &Reference, access: Access) -> Result<Target, Fatal> {
        let client = Client::new(self.plain_http.clone());
        client.open(reference, access).map(Target::Registry).map_err(|it| failed(reference, &it))
    }

    /// An artifact, and where it lies.
    pub(crate) fn resolve(&self, reference: &Reference) -> Result<(Target, Artifact), Fatal> {
        let mut place = self.open(reference, Access::Pull)?;
        let artifact = Artifact::resolve(&mut place, reference.which())
            .map_err(|it| failed(reference, &it))?;
        Ok((place, artifact))
    }

    /// Who signed it, in words, if anybody must have; why it may not be used.
    pub(crate) fn verify(
        &self,
        of: &impl Display,
        reference: Option<&Reference>,
        place: &mut Target,
        artifact: &Artifact,
    ) -> Result<Option<Vec<String>>, Fatal> {
        let source = reference.cloned().map(Source::Registry);
        let policies = self.signed(source.as_ref());
        if policies.is_empty() {
            return Ok(None);
        }
        let signatures = artifact.signatures(place).map_err(|it| failed(of, &it))?;
        all_met(of, &policies, |one| one.check_artifact(reference, artifact.digest(), &signatures))
    }

    /// The same of a file.
    pub(crate) fn verify_file(
        &self,
        file: &Path,
        bytes: &[u8],
    ) -> Result<Option<Vec<String>>, Fatal> {
        let policies = self.signed(Some(&Source::File(file.to_owned())));
        all_met(&file.display(), &policies, |one| one.check_file(file, bytes))
    }
}

/// Who signed it, each once; nothing if nobody must have.
fn all_met(
    of: &impl Display,
    policies: &[&SignaturePolicy],
    check: impl Fn(&SignaturePolicy) -> Result<Verified, String>,
) -> Result<Option<Vec<String>>, Fatal> {
    let mut by = Vec::new();
    for policy in policies {
        let verified =
            check(policy).map_err(|refused| Fatal::Failed(format!("{of}: {refused}")))?;
        for signer in verified.by.iter().map(ToString::to_string) {
            if !by.contains(&signer) {
                by.push(signer);
            }
        }
    }
    Ok(Some(by).filter(|_| !policies.is_empty()))
}

/// Fetches the component, with a line of progress on a terminal.
pub(crate) fn component(
    of: &impl ToString,
    place: &mut Target,
    artifact: &Artifact,
) -> Result<Vec<u8>, Fatal> {
    let all = artifact.component_bytes();
    with_progress("fetching", all, |watch| {
        artifact.component(place, Limits::default().compile.component_bytes, watch)
    })
    .map_err(|error| failed(of, &error))
}

/// Does something of which the bytes are counted.
pub(crate) fn with_progress<T>(
    what: &str,
    all: u64,
    work: impl FnOnce(&mut (dyn FnMut(usize) + Send)) -> T,
) -> T {
    let is_shown = stderr().is_terminal();
    let mut shown = None;
    let mut watch = |bytes: usize| {
        let percent = (bytes as u64).saturating_mul(100).checked_div(all).unwrap_or(100).min(100);
        if is_shown && shown != Some(percent) {
            shown = Some(percent);
            let full = usize::try_from(percent / 5).unwrap_or(0);
            let bar = format!("{}{}", "#".repeat(full), " ".repeat(20 - full));
            // Nobody need read it.
            let _ = write!(stderr(), "\r{what} [{bar}] {percent:3} % of {all} bytes");
        }
    };
    let done = work(&mut watch);
    if shown.is_some() {
        let _ = writeln!(stderr());
    }
    done
}

/// A directory in the image layout, and the only driver in it.
pub(crate) fn in_directory(path: &Path) -> Result<(Target, Artifact), Fatal> {
    let of = path.display();
    let read = || {
        let layout = Layout::open(path)?;
        let digest = layout.only()?;
        let mut place = Target::Layout(layout);
        let artifact = Artifact::resolve(&mut place, Which::Digest(digest))?;
        Ok((place, artifact))
    };
    read().map_err(|error| failed(&of, &error))
}

pub(crate) fn failed(what: &impl ToString, error: &Error) -> Fatal {
    Fatal::Failed(format!("{}: {error}", what.to_string()))
}
