//! Drivers as components: the hostile ones of `tests/programs`, and those of
//! `guest` that are not built in.

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
    let words = ["--package=ipam-programs", "--examples", "--features=wasm"];
    let built = BUILT.get_or_init(|| {
        let built = build(&words).join("examples");
        for program in ["tables", "unfolds", "unfolds_in_start"] {
            text(&built, program);
        }
        built
    });
    let file = built.join(format!("{program}.wasm"));
    assert!(file.is_file(), "there is no program {program}");
    file
}

/// The file of a driver's component: that of the package `ipam-NAME` in `guest`.
///
/// # Panics
/// When it cannot be built, or there is none of that name.
#[must_use]
pub fn driver(name: &str) -> PathBuf {
    let file = build(&[&format!("--package=ipam-{name}")]).join(format!("ipam_{name}.wasm"));
    assert!(file.is_file(), "there is no driver {name}");
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
    let stem = |path: &Path| path.file_stem()?.to_str().map(str::to_owned);
    let names = [sources.parent().expect("it has one"), &sources].map(fs::read_dir);
    let names = names.into_iter().flat_map(|them| them.expect("the programs' sources are there"));
    let is_source = |path: &PathBuf| path.extension().is_some_and(|it| it == "rs" || it == "wat");
    let paths = names.filter_map(|entry| Some(entry.ok()?.path())).filter(is_source);
    let mut names: Vec<String> = paths.filter_map(|path| stem(&path)).collect();
    names.sort();
    names
}

/// A component of a core module in WebAssembly's text, among the others.
fn text(built: &Path, program: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = root.join("programs").join(program).with_extension("wat");
    let mut module = wat::parse_file(source).expect("it is WebAssembly");
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_dir(root.join("../wit")).expect("the contract is there");
    let world = resolve.select_world(&[package], Some("ipam-driver")).expect("it has that world");
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding)
        .expect("it fits the world");
    let encoder = wit_component::ComponentEncoder::default().validate(true).module(&module);
    let component = encoder.and_then(|mut encoder| encoder.encode()).expect("it fits the world");
    // Other test programs may read it now.
    let file = tempfile::NamedTempFile::new_in(built).expect("it can be written");
    fs::write(&file, component).expect("it can be written");
    file.persist(built.join(program).with_extension("wasm")).expect("it can be renamed");
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
fn build(what: &[&str]) -> PathBuf {
    let me = env::current_exe().expect("a running program has a path");
    let target = me.ancestors().find(|up| up.join("CACHEDIR.TAG").exists());
    let target = target.expect("cargo marks its target directory").join("guest");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args(["build", "--locked", "--quiet", "--profile", PROFILE, "--target", TARGET])
        .args(what)
        .arg("--target-dir")
        .arg(&target);
    forget_outer(&mut command);
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "{what:?} is not built; perhaps: rustup target add {TARGET}");
    target.join(TARGET).join(PROFILE)
}
