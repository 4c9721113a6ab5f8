//! `wipam compose`: joins a driver with what it imports and with the suite, so
//! that plain `wasmtime run` can test or call it; or a driver that is made to be
//! around another one with that. Nothing is run.

use crate::{component::component, fatal::Fatal};
use ipam_runtime::{GrantKind, Inspection, inspect};
use std::{fs, path::PathBuf};
use wac_graph::{CompositionGraph, EncodeOptions, PlugError, plug, types::Package};

/// Compose a driver with the conformance suite, for plain `wasmtime run`, or with a driver that it wraps
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    /// The driver's component, or builtin:default, builtin:null
    file: String,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Leave out the suite: only the driver, for `wasmtime run --invoke`
    #[arg(long)]
    stub_only: bool,
    /// Instead: put FILE around this driver, which it imports
    #[arg(long, value_name = "INNER", conflicts_with = "stub_only")]
    around: Option<String>,
}

const AFTER_HELP: &str = "\
A stub stands in for the host. It prints registrations and log lines on standard error
and keeps stored values in memory.

Exit codes: 0 written, 1 failed, 2 wrong command line.

Examples:
  wipam compose lab.wasm -o test.wasm && wasmtime run test.wasm
  wipam compose lab.wasm --stub-only -o call.wasm
  wasmtime run --invoke 'get-default-address-spaces()' call.wasm
  wipam compose wrapper.wasm --around lab.wasm -o quota.wasm";

pub(crate) fn run(args: &Args) -> Result<(), Fatal> {
    let Args { file, output, stub_only, around } = args;
    let failed = |why: String| Fatal::Failed(format!("{file}: {why}"));
    let (_, driver, _) = component(file)?;
    let Inspection { missing, needs, imports, exports, .. } =
        inspect(&driver).map_err(|error| failed(error.to_string()))?;
    if !missing.is_empty() {
        return Err(failed(format!("it does not export {}", missing.join(", "))));
    }
    let write = |composed: Vec<u8>| {
        fs::write(output, composed)
            .map_err(|error| Fatal::Failed(format!("{}: {error}", output.display())))
    };
    if let Some(inner) = around {
        let (_, inner, _) = component(inner)?;
        if !imports.iter().any(|it| is_driver(it)) {
            return Err(failed(
                "it imports neither ipam:driver/lifecycle nor ipam:driver/ipam, \
                 so nothing can be put inside it"
                    .to_owned(),
            ));
        }
        let joined = join(&driver, &inner).map_err(failed)?;
        // A wrapper passes on what it exports, and the rest of the inner driver
        // is lost to the host.
        let inside = inspect(&inner).map_err(|error| failed(error.to_string()))?.exports;
        for lost in inside.iter().filter(|it| is_ours(it) && !exports.contains(it)) {
            eprintln!(
                "wipam: the inner driver exports {lost} and {file} does not: no host sees it"
            );
        }
        let left = inspect(&joined).map_err(|error| failed(error.to_string()))?.imports;
        return match left.iter().find(|it| is_driver(it)) {
            Some(left) => {
                Err(failed(format!("the inner driver does not fit: {left} is left open")))
            }
            None => write(joined),
        };
    }
    // A store is in memory, and HTTP is wasmtime's own; there is no plugin to
    // call, and nobody knows the others.
    for need in &needs {
        match need.grant {
            Some(GrantKind::Store) => {}
            Some(GrantKind::Http) => {
                eprintln!("wipam: it imports {}: wasmtime run -S http", need.import);
            }
            Some(GrantKind::Plugins) | None => {
                return Err(failed(format!("no stub provides {}", need.import)));
            }
        }
    }
    let driver = join(&driver, ipam_builtin::STUB).map_err(failed)?;
    let composed = if *stub_only {
        driver
    } else {
        join(ipam_builtin::CONFORMANCE, &driver).map_err(failed)?
    };
    let left = inspect(&composed).map_err(|error| failed(error.to_string()))?.imports;
    let is_left = |import: &&String| {
        import.starts_with("ipam:driver/") && !import.starts_with("ipam:driver/types@")
    };
    if let Some(import) = left.iter().find(is_left) {
        return Err(failed(format!("it does not fit: {import} is left open")));
    }
    write(composed)
}

/// What a driver is to whoever asks it.
const DRIVER: [&str; 2] = ["ipam:driver/lifecycle@", "ipam:driver/ipam@"];

fn is_ours(export: &str) -> bool {
    export.starts_with("ipam:driver/")
}

fn is_driver(import: &str) -> bool {
    DRIVER.iter().any(|it| import.starts_with(it))
}

/// Gives `socket` what it imports and `plug` exports. What imports nothing of
/// it stays as it is.
fn join(socket: &[u8], plugged: &[u8]) -> Result<Vec<u8>, String> {
    let mut graph = CompositionGraph::new();
    let mut register = |name: &str, bytes: &[u8]| {
        let package = Package::from_bytes(name, None, bytes.to_vec(), graph.types_mut())
            .map_err(|error| format!("{error:#}"))?;
        graph.register_package(package).map_err(|error| error.to_string())
    };
    let socket_id = register("ipam:socket", socket)?;
    let plugged = register("ipam:plug", plugged)?;
    match plug(&mut graph, vec![plugged], socket_id) {
        Ok(()) => graph.encode(EncodeOptions::default()).map_err(|error| error.to_string()),
        Err(PlugError::NoPlugHappened) => Ok(socket.to_vec()),
        Err(error) => Err(ipam_api::with_causes(&error)),
    }
}
