//! The hostile drivers of `tests/programs`, as components.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "program";

/// What cargo tells whoever it runs about itself and about what it builds,
/// which is not what is to be built here. What is about the user's machine
/// stays.
const OUTER: [&str; 11] = [
    "CARGO_BUILD_",
    "CARGO_CFG_",
    "CARGO_ENCODED_",
    "CARGO_FEATURE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "DEP_",
    "RUSTC_",
    "RUSTFLAGS",
];

/// The file of a program's component. The first call of a test program builds
/// all of them.
///
/// # Panics
/// When they cannot be built, or there is none of that name.
#[must_use]
pub fn file(program: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let file = BUILT.get_or_init(build).join(format!("{program}.wasm"));
    assert!(file.is_file(), "there is no program {program}");
    file
}

/// A program's component.
///
/// # Panics
/// As [`file()`] does, or when it cannot be read.
#[must_use]
pub fn component(program: &str) -> Vec<u8> {
    fs::read(file(program)).expect("it was built")
}

/// Every program, in order of name.
///
/// # Panics
/// When the directory of their sources cannot be read.
#[must_use]
pub fn all() -> Vec<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/examples");
    let names = fs::read_dir(sources).expect("the programs' sources are there");
    let stem = |path: &Path| path.file_stem()?.to_str().map(str::to_owned);
    let mut names: Vec<String> = names.filter_map(|entry| stem(&entry.ok()?.path())).collect();
    names.sort();
    names
}

/// Keeps from a command what a cargo around this program says of itself.
pub fn forget_outer(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|text| OUTER.iter().any(|outer| text.starts_with(outer))) {
            command.env_remove(&name);
        }
    }
}

/// A nested cargo, with the target directory that the built-in drivers are
/// built in: neither waits for the lock of whoever runs the tests.
fn build() -> PathBuf {
    let me = env::current_exe().expect("a running program has a path");
    let target = me.ancestors().find(|up| up.join("CACHEDIR.TAG").exists());
    let target = target.expect("cargo marks its target directory").join("guest");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["build", "--locked", "--quiet", "--package=ipam-programs", "--examples"])
        .args(["--features=wasm", "--profile", PROFILE, "--target", TARGET, "--target-dir"])
        .arg(&target);
    forget_outer(&mut command);
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "no programs; perhaps: rustup target add {TARGET}");
    target.join(TARGET).join(PROFILE).join("examples")
}
