//! `wipam driver inspect`: what a component says of itself. Nothing is compiled,
//! and no daemon is asked.

use crate::{
    fatal::Fatal,
    output::Output,
    remote::{Location, RegistryFlags, component, location},
};
use ipam_runtime::{
    GrantKind, Inspection, Limits, Metadata, Need, Producer, inspect, metadata, read_file, refusal,
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
};

/// Show what a file exports, imports and needs, without running it
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The component: a file, or oci://REGISTRY/REPOSITORY:TAG
    #[arg(value_name = "FILE|REF", value_parser = location)]
    of: Location,
    #[command(flatten)]
    registry: RegistryFlags,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
Signatures are checked with --key or --config, those of a file in FILE.sigstore.json.

Exit codes: 0 shown, 1 it is not a component or not signed as it must be, 2 wrong command
line.";

/// As it is printed for programs.
#[derive(Debug, Serialize)]
struct Shown {
    /// Of the manifest, if it is in a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact: Option<String>,
    digest: String,
    bytes: usize,
    contract: Option<String>,
    exports: Vec<String>,
    imports: Vec<String>,
    missing: Vec<String>,
    needs: Vec<Needed>,
    uses_random: bool,
    /// With what it was made, as it says itself: field, name, version.
    producers: Vec<Made>,
    /// What its author says of it.
    annotations: BTreeMap<&'static str, String>,
    /// How many packages its list of dependencies has, if it has one.
    packages: Option<usize>,
    /// Why `serve` refuses it, with the limits that drivers have if nothing
    /// else is written down; grants and what it lacks aside.
    refused: Option<String>,
}

#[derive(Debug, Serialize)]
struct Made {
    field: String,
    name: String,
    version: String,
}

#[derive(Debug, Serialize)]
struct Needed {
    import: String,
    /// The key that would grant it; nothing if nothing would.
    grant: Option<&'static str>,
    /// The whole line.
    #[serde(skip)]
    line: Option<&'static str>,
}

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let Args { of, registry, json } = args;
    let failed = |why: &dyn std::fmt::Display| Fatal::Failed(format!("{of}: {why}"));
    let registries = registry.read()?;
    let (artifact, bytes) = match of {
        Location::Registry(reference) => {
            let (mut place, artifact) = registries.resolve(reference)?;
            registries.verify(reference, Some(reference), &mut place, &artifact)?;
            let bytes = component(reference, &mut place, &artifact)?;
            (Some(artifact.digest().to_string()), bytes)
        }
        Location::Path(file) => {
            let bytes = read_file(file, &Limits::default()).map_err(|error| failed(&error))?;
            registries.verify_file(file, &bytes)?;
            (None, bytes)
        }
    };
    let inspection = inspect(&bytes).map_err(|error| failed(&error))?;
    let refused = refusal(&inspection, &bytes, &Limits::default()).map(|why| why.to_string());
    let Inspection { digest, exports, imports, contract, missing, needs, uses_random } = inspection;
    let Metadata { producers, annotations, packages } = metadata(&bytes);
    let made = |Producer { field, name, version }| Made { field, name, version };
    let needed = |Need { import, grant }| Needed {
        import,
        line: grant.map(GrantKind::line),
        grant: grant.map(|kind| match kind {
            GrantKind::Http => "http",
            GrantKind::Store => "store",
            GrantKind::Plugins => "plugins",
        }),
    };
    let shown = Shown {
        artifact,
        digest: digest.to_string(),
        bytes: bytes.len(),
        contract,
        exports,
        imports,
        missing,
        needs: needs.into_iter().map(needed).collect(),
        uses_random,
        producers: producers.into_iter().map(made).collect(),
        annotations: annotations.into_iter().collect(),
        packages,
        refused,
    };
    match print(&shown, *json) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fatal::Failed(format!("cannot print: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn print(shown: &Shown, json: bool) -> io::Result<()> {
    let mut output = Output::new(io::stdout().lock(), json, &[]);
    if json {
        output.row(shown, |_| Vec::new())?;
        return output.end();
    }
    let mut line = |name: &str, value: &str| output.line(&format!("{name:<9} {value}"));
    if let Some(artifact) = &shown.artifact {
        line("artifact", artifact)?;
    }
    line("digest", &shown.digest)?;
    line("size", &format!("{} bytes", shown.bytes))?;
    line("contract", shown.contract.as_deref().unwrap_or("none: it is not a driver"))?;
    for (name, all) in
        [("exports", &shown.exports), ("imports", &shown.imports), ("lacks", &shown.missing)]
    {
        all.iter().try_for_each(|value| line(name, value))?;
    }
    for Needed { import, line: grants, .. } in &shown.needs {
        match grants {
            Some(grants) => line("needs", &format!("{import}: write {grants} into its table"))?,
            None => line("needs", &format!("{import}, which no grant provides"))?,
        }
    }
    if shown.uses_random {
        line("random", "the same each time, or random = \"real\"")?;
    }
    for Made { field, name, version } in &shown.producers {
        line("producer", format!("{field} {name} {version}").trim_end())?;
    }
    for (name, text) in &shown.annotations {
        line("says", &format!("{name} {text}"))?;
    }
    if let Some(packages) = shown.packages {
        line("packages", &format!("{packages} in its list of dependencies"))?;
    }
    if let Some(why) = &shown.refused {
        line("refused", why)?;
    }
    output.end()
}
