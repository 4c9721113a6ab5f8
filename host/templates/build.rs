//! Gathers what a project is made of: `guest/sdk/templates`, the contract in
//! `wit/`, and what one language alone needs, which exists nowhere as a file
//! because it follows from others:
//!
//! - C and Go: the bindings of the contract, generated here;
//! - Rust: the SDK with a manifest that needs no workspace around it.
//!
//! Out: `files.rs`, which embeds all of them.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};
use wit_bindgen_core::{Files, WorldGenerator, wit_parser::Resolve};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const LANGUAGES: [&str; 5] = ["c", "go", "js", "python", "rust"];
/// A driver around another one, in Rust.
const WRAPPER: &str = "wrap";
const WORLD: &str = "ipam-driver";
/// Where a Rust project keeps the SDK. Two levels deep, as in this repository,
/// because the SDK looks for the contract in `../../wit`.
const SDK: &str = "vendor/ipam-driver";

/// What running a template where it is leaves there.
const LEFT_BEHIND: [&str; 4] = ["__pycache__", "node_modules", "target", "venv"];

/// A project's files: the path in it, and where the text is now.
type Project = Vec<(String, PathBuf)>;

fn main() -> Result<()> {
    let root = fs::canonicalize(PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../.."))?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    for source in ["guest/sdk", "wit", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }

    let mut contract = Project::new();
    gather(&root.join("wit"), "wit", &mut contract)?;
    let mut text = String::new();
    for language in LANGUAGES.into_iter().chain([WRAPPER]) {
        let mut project = contract.clone();
        gather(&root.join("guest/sdk/templates").join(language), "", &mut project)?;
        match language {
            "c" => {
                let generator = wit_bindgen_c::Opts::default().build();
                bindings(generator, &root.join("wit"), &out.join("c"), &mut project)?;
            }
            "go" => bindings(go(), &root.join("wit"), &out.join("go"), &mut project)?,
            "rust" => sdk(&root, &out, &mut project)?,
            _ => {}
        }
        project.sort();
        write!(text, "static {}: &[(&str, &[u8])] = &[", language.to_uppercase())?;
        for (path, file) in project {
            writeln!(text, "({path:?}, include_bytes!({file:?})),")?;
        }
        writeln!(text, "];")?;
    }
    fs::write(out.join("files.rs"), text)?;
    Ok(())
}

/// Every file below a directory, under its path from there.
fn gather(directory: &Path, prefix: &str, into: &mut Project) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name in UTF-8")?;
        if LEFT_BEHIND.contains(&name) {
            continue;
        }
        let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if path.is_dir() {
            gather(&path, &name, into)?;
        } else {
            into.push((name, path));
        }
    }
    Ok(())
}

/// What `wit-bindgen go wit -w ipam-driver --pkg-name driver/bindings` makes.
fn go() -> Box<dyn WorldGenerator> {
    wit_bindgen_go::Opts {
        // The same with and without a gofmt on this machine.
        format: wit_bindgen_go::Format::False,
        pkg_name: Some("driver/bindings".to_owned()),
        ..wit_bindgen_go::Opts::default()
    }
    .build()
}

/// What `wit-bindgen LANGUAGE wit -w ipam-driver` makes.
fn bindings(
    mut generator: Box<dyn WorldGenerator>,
    wit: &Path,
    out: &Path,
    project: &mut Project,
) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files)?;
    for (name, bytes) in files.iter() {
        let file = out.join(name);
        fs::create_dir_all(file.parent().ok_or("a file in a directory")?)?;
        fs::write(&file, bytes)?;
        project.push((format!("bindings/{name}"), file));
    }
    Ok(())
}

/// The SDK's sources, and its manifest with what it inherits from the
/// workspace written out.
fn sdk(root: &Path, out: &Path, project: &mut Project) -> Result<()> {
    let sdk = root.join("guest/sdk");
    gather(&sdk.join("src"), &format!("{SDK}/src"), project)?;
    project.push((format!("{SDK}/README.md"), sdk.join("README.md")));

    let workspace: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    let workspace = workspace["workspace"].as_table().ok_or("a workspace")?;
    let manifest = fs::read_to_string(sdk.join("Cargo.toml"))?;
    let mut alone = String::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let inherited = line.strip_suffix(".workspace = true");
        let of = if section == "[package]" { "package" } else { "dependencies" };
        match inherited {
            _ if section == "[lints]" => {}
            Some(key) => writeln!(alone, "{key} = {}", workspace[of][key])?,
            None => writeln!(alone, "{line}")?,
        }
    }
    let file = out.join("sdk.toml");
    fs::write(&file, alone.trim_end().to_owned() + "\n")?;
    project.push((format!("{SDK}/Cargo.toml"), file));
    Ok(())
}

fn variable(name: &str) -> Result<std::ffi::OsString> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}").into())
}
