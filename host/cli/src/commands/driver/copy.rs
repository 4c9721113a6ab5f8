//! `wipam driver copy`: an artifact with its signatures, to another registry or
//! into a directory.

use crate::{
    fatal::Fatal,
    output::print,
    remote::{Location, RegistryFlags, failed, in_directory, location, with_progress},
};
use ipam_registry::{Access, Artifact, Layout, Reference, Target, copy};
use ipam_runtime::Limits;
use serde::Serialize;
use std::path::Path;

/// Copy a driver with its signatures between registries and directories
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// oci://REGISTRY/REPOSITORY:TAG, or a directory in the OCI image layout
    #[arg(value_name = "FROM", value_parser = location)]
    from: Location,
    /// The same; a directory must not have an index yet
    #[arg(value_name = "TO", value_parser = location)]
    to: Location,
    #[command(flatten)]
    registry: RegistryFlags,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
For machines without a network: copy into a directory, carry it over, and copy it into
a registry there. Digests stay, and so signatures do.
Signatures are checked with --key or --config before anything is copied; those of a
directory as what it is copied to must be signed.

Exit codes: 0 copied, 1 failed or not signed as it must be, 2 wrong command line.";

#[derive(Debug, Serialize)]
struct Copied {
    from: String,
    to: String,
    digest: String,
    /// Manifests that may have signatures.
    signatures: usize,
    /// What was not copied of them.
    notes: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let Args { from, to, registry, json } = args;
    let registries = registry.read()?;
    let (mut source, artifact) = match from {
        Location::Registry(reference) => registries.resolve(reference)?,
        Location::Path(path) => in_directory(path)?,
    };
    let reference = match (from, to) {
        (Location::Registry(reference), _) | (_, Location::Registry(reference)) => Some(reference),
        (Location::Path(_), Location::Path(_)) => None,
    };
    registries.verify(from, reference, &mut source, &artifact)?;
    let tag_of = |it: &Reference| it.tag().map(str::to_owned);
    let (mut target, tag) = match to {
        Location::Registry(reference) => {
            check_digest(reference, &artifact)?;
            (registries.open(reference, Access::Push)?, tag_of(reference))
        }
        Location::Path(path) => {
            let tag = match from {
                Location::Registry(reference) => tag_of(reference),
                Location::Path(_) => None,
            };
            (create(path)?, tag)
        }
    };
    let most = Limits::default().compile.component_bytes;
    let done = with_progress("copying", artifact.component_bytes(), |watch| {
        copy(&artifact, &mut source, &mut target, tag.as_deref(), most, watch)
    });
    let done = done.map_err(|error| failed(to, &error))?;
    let copied = Copied {
        from: from.to_string(),
        to: to.to_string(),
        digest: artifact.digest().to_string(),
        signatures: done.signatures,
        notes: done.notes,
    };
    let mut lines = vec![
        format!("artifact  {}", copied.digest),
        format!("copied to {}, with {} manifests of signatures", copied.to, copied.signatures),
    ];
    lines.extend(copied.notes.iter().map(|note| format!("left out  {note}")));
    print(*json, &copied, &lines)
}

/// A digest in the target's name must be what comes there.
fn check_digest(to: &Reference, artifact: &Artifact) -> Result<(), Fatal> {
    match to.digest() {
        Some(digest) if digest != artifact.digest() => {
            Err(Fatal::Usage(format!("{to}: the artifact has the digest {}", artifact.digest())))
        }
        _ => Ok(()),
    }
}

fn create(path: &Path) -> Result<Target, Fatal> {
    Layout::create(path).map(Target::Layout).map_err(|error| failed(&path.display(), &error))
}
