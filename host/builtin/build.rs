//! Builds the built-in drivers: a nested cargo into `<target>/guest`.
//!
//! A directory of its own, because the outer cargo holds the lock of its own
//! while this runs, and shared by all of the outer build's profiles, because
//! what comes out is the same for each.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "wasm";
const DRIVERS: [&str; 3] = ["default", "null", "remote"];
/// A directory with `default.wasm` and so on, for who builds elsewhere.
const PREBUILT: &str = "WIPAM_BUILTIN_DIR";

/// What the outer cargo tells its children about itself. A nested cargo would
/// take it for its own orders and build another thing, or the same thing again.
const OUTER: [&str; 11] = [
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];
/// The same, by the first letters.
const OUTER_PREFIXES: [&str; 5] =
    ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_", "DEP_"];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            println!(
                "cargo::error=the built-in drivers were not built: {reason} \
                 (or set {PREBUILT} to a directory with {DRIVERS:?} as .wasm files)"
            );
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    if let Some(directory) = env::var_os(PREBUILT) {
        let directory = PathBuf::from(directory);
        return DRIVERS.iter().try_for_each(|driver| {
            let file = directory.join(format!("{driver}.wasm"));
            println!("cargo::rerun-if-changed={}", file.display());
            copy(&file, &out.join(format!("{driver}.wasm")))
        });
    }

    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../..");
    for source in ["guest", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    ensure_target()?;
    // Cargo marks the top of its target directory; `OUT_DIR` is deep in it.
    let marked = out.ancestors().find(|directory| directory.join("CACHEDIR.TAG").exists());
    let target_dir = marked.unwrap_or(&out).join("guest");
    run_cargo(&root, &target_dir)?;
    let built = target_dir.join(TARGET).join(PROFILE);
    DRIVERS.iter().try_for_each(|driver| {
        copy(&built.join(format!("ipam_{driver}.wasm")), &out.join(format!("{driver}.wasm")))
    })
}

fn run_cargo(root: &Path, target_dir: &Path) -> Result<(), String> {
    let mut cargo = Command::new(variable("CARGO")?);
    // `--locked` needs no network once the packages are there; to be offline,
    // set CARGO_NET_OFFLINE, which reaches the nested cargo too.
    cargo.current_dir(root).args(["build", "--locked", "--profile", PROFILE, "--target", TARGET]);
    cargo.args(DRIVERS.map(|driver| format!("--package=ipam-{driver}")));
    cargo.arg("--target-dir").arg(target_dir);
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        if OUTER.contains(&text) || OUTER_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    let status = cargo.status().map_err(|error| format!("cannot run cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo for {TARGET}: {status}")) }
}

/// Installs the target where it is missing: rustup does that by itself only
/// with its automatic installation on.
fn ensure_target() -> Result<(), String> {
    if target_is_installed()? {
        return Ok(());
    }
    println!("cargo::warning=installing the target {TARGET}");
    let installed = Command::new("rustup").args(["target", "add", TARGET]).status();
    if installed.is_ok_and(|status| status.success()) && target_is_installed()? {
        return Ok(());
    }
    Err(format!("Rust's target {TARGET} is missing; run: rustup target add {TARGET}"))
}

fn target_is_installed() -> Result<bool, String> {
    let output = Command::new(variable("RUSTC")?)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    let directory = String::from_utf8_lossy(&output.stdout);
    Ok(output.status.success() && Path::new(directory.trim_end()).is_dir())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}

fn variable(name: &str) -> Result<std::ffi::OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"))
}
