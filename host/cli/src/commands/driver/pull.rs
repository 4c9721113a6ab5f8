//! `wipam driver pull`: a component from a registry, as a file.

use crate::{
    fatal::Fatal,
    output::print,
    remote::{RegistryFlags, component, reference},
};
use ipam_registry::Reference;
use serde::Serialize;
use std::{fs::File, io::Write as _, path::PathBuf};

/// Fetch a driver from a registry into a file
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// oci://REGISTRY/REPOSITORY:TAG, or with @sha256:...
    #[arg(value_name = "REF", value_parser = reference)]
    reference: Reference,
    /// File to write; it must not exist [default: the repository's last name, .wasm]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryFlags,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Signatures are checked with --key or --config, before the component is fetched.
`serve` fetches by itself what the configuration names.

Exit codes: 0 fetched, 1 failed or not signed as it must be, 2 wrong command line.";

#[derive(Debug, Serialize)]
struct Pulled {
    reference: String,
    digest: String,
    component: String,
    bytes: usize,
    file: String,
    /// Nothing if nobody must have signed it.
    signed_by: Option<Vec<String>>,
}

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let Args { reference, output, registry, json } = args;
    let registries = registry.read()?;
    let (mut place, artifact) = registries.resolve(reference)?;
    let signed_by = registries.verify(reference, Some(reference), &mut place, &artifact)?;
    let last = reference.repository().rsplit('/').next().unwrap_or_default();
    let file = output.clone().unwrap_or_else(|| format!("{last}.wasm").into());
    let failed = |error: std::io::Error| Fatal::Failed(format!("{}: {error}", file.display()));
    // Before it is fetched: perhaps it cannot be written.
    let mut to = File::create_new(&file).map_err(failed)?;
    let written = component(reference, &mut place, &artifact)
        .and_then(|bytes| to.write_all(&bytes).map(|()| bytes.len()).map_err(failed));
    let bytes = written.inspect_err(|_| drop(std::fs::remove_file(&file)))?;
    let pulled = Pulled {
        reference: reference.to_string(),
        digest: artifact.digest().to_string(),
        component: artifact.component_digest().to_string(),
        bytes,
        file: file.display().to_string(),
        signed_by,
    };
    let Pulled { digest, component, file, .. } = &pulled;
    let signed = match &pulled.signed_by {
        Some(by) => format!("signed by {}", by.join(", ")),
        None => "signatures were not checked: use --key, or --config with [signatures]".to_owned(),
    };
    let lines = [
        format!("artifact  {digest}"),
        format!("component {component}"),
        signed,
        format!("written   {file}, {bytes} bytes"),
    ];
    print(*json, &pulled, &lines)
}
