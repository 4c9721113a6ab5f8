//! `wipam driver verify`: whether `serve` would take a driver, by who signed it.

use crate::{
    driver_config::Source,
    fatal::Fatal,
    output::print,
    remote::{Location, RegistryFlags, location},
};
use ipam_runtime::{Limits, digest, read_file};
use serde::Serialize;

/// Say whether a driver is signed by those who must have signed it
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// oci://REGISTRY/REPOSITORY:TAG, or a file with FILE.sigstore.json beside it
    #[arg(value_name = "REF|FILE", value_parser = location)]
    of: Location,
    #[command(flatten)]
    registry: RegistryFlags,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
With --config, a driver's own table decides if it has one, else [signatures]; if several
drivers are that file or artifact, all of them decide.
Nothing is compiled. Not checked: the transparency log, certificates, and whether a
newer version exists. A signature says that a key signed a digest, and no more.

Exit codes: 0 signed, 1 not signed or it cannot be told, 2 wrong command line.";

#[derive(Debug, Serialize)]
struct Checked {
    of: String,
    digest: String,
    signed_by: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let Args { of, registry, json } = args;
    let registries = registry.read()?;
    let is_asked = |source: &Source| match registries.signed(Some(source))[..] {
        [] => Err(Fatal::Usage("who must have signed? Name a --key or a --config".to_owned())),
        _ => Ok(()),
    };
    let (kind, digest, signed_by) = match of {
        Location::Registry(reference) => {
            is_asked(&Source::Registry(reference.clone()))?;
            let (mut place, artifact) = registries.resolve(reference)?;
            let signed_by = registries.verify(reference, Some(reference), &mut place, &artifact)?;
            ("artifact", artifact.digest(), signed_by)
        }
        Location::Path(file) => {
            is_asked(&Source::File(file.clone()))?;
            let bytes = read_file(file, &Limits::default())
                .map_err(|error| Fatal::Failed(format!("{of}: {error}")))?;
            ("file", digest(&bytes), registries.verify_file(file, &bytes)?)
        }
    };
    let checked = Checked {
        of: of.to_string(),
        digest: digest.to_string(),
        signed_by: signed_by.unwrap_or_default(),
    };
    let lines = [
        format!("{kind:<9} {}", checked.digest),
        format!("signed by {}", checked.signed_by.join(", ")),
    ];
    print(*json, &checked, &lines)
}
