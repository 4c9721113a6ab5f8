//! `wipam driver push`: a component into a registry.

use crate::{
    fatal::Fatal,
    output::print,
    remote::{RegistryFlags, failed, reference},
};
use ipam_registry::{Access, Interfaces, Reference, push};
use ipam_runtime::{Limits, inspect, read_file};
use serde::Serialize;
use std::path::PathBuf;

/// Put a driver into a registry
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The component
    file: PathBuf,
    /// oci://REGISTRY/REPOSITORY:TAG
    #[arg(value_name = "REF", value_parser = reference)]
    reference: Reference,
    #[command(flatten)]
    registry: RegistryFlags,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
It is not signed by this: cosign signs, and the line to run is printed.

Exit codes: 0 it is there, 1 failed, 2 wrong command line.";

#[derive(Debug, Serialize)]
struct Pushed {
    reference: String,
    digest: String,
    component: String,
    /// What signs it.
    sign: String,
}

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let Args { file, reference, registry, json } = args;
    let (None, Some(tag)) = (reference.digest(), reference.tag()) else {
        return Err(Fatal::Usage(format!("{reference}: name a tag, and no digest")));
    };
    let of_file = |why: &dyn std::fmt::Display| Fatal::Failed(format!("{}: {why}", file.display()));
    if registry.has_keys() {
        return Err(Fatal::Usage("a push checks no signature: leave --key out".to_owned()));
    }
    let bytes = read_file(file, &Limits::default()).map_err(|error| of_file(&error))?;
    // Nobody wants a module, or a picture, under that name.
    let found = inspect(&bytes).map_err(|error| of_file(&error))?;
    let registries = registry.read()?;
    let mut place = registries.open(reference, Access::Push)?;
    let interfaces = Interfaces { exports: &found.exports, imports: &found.imports };
    let artifact = push(&mut place, tag, &bytes, &interfaces);
    let artifact = artifact.map_err(|error| failed(reference, &error))?;
    let digest = artifact.digest();
    let plain = if registries.is_plain(reference) { " --allow-http-registry" } else { "" };
    let pushed = Pushed {
        reference: reference.at(digest).to_string(),
        digest: digest.to_string(),
        component: artifact.component_digest().to_string(),
        sign: format!(
            "cosign sign --yes --key cosign.key --signing-config signing-config.json{plain} {}@{digest}",
            reference.name()
        ),
    };
    let lines = [
        format!("artifact  {digest}"),
        format!("component {}", pushed.component),
        "sign it, with cosign 3:".to_owned(),
        "  cosign signing-config create --out signing-config.json".to_owned(),
        format!("  {}", pushed.sign),
    ];
    print(*json, &pushed, &lines)
}
