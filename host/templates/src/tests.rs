//! What is in every project, whatever its language.

use super::{File, Language, project, wrapper};
use std::collections::BTreeSet;

#[test]
fn every_project_has_what_an_author_looks_for() {
    for language in Language::ALL {
        let files = project(language, "rack.7");
        let paths: BTreeSet<&str> = files.iter().map(|file| file.path).collect();
        assert_eq!(paths.len(), files.len(), "{language}: a path twice");
        for path in ["README.md", "Makefile", ".gitignore", "wit/ipam.wit", "wit/world.wit"] {
            assert!(paths.contains(path), "{language} has no {path}");
        }
        let text = |path: &str| {
            let file = files.iter().find(|file| file.path == path).unwrap();
            String::from_utf8(file.bytes.clone()).unwrap()
        };
        assert!(text("README.md").contains("wipam serve --driver rack.7.wasm"), "{language}");
        assert!(text("Makefile").contains("rack.7.wasm"), "{language}");
    }
}

#[test]
fn no_file_leaves_the_project_or_keeps_the_place_of_the_name() {
    let all = Language::ALL.into_iter().map(|language| project(language, "lab"));
    for files in all.chain([wrapper("lab")]) {
        for File { path, bytes } in files {
            let parts: Vec<&str> = path.split('/').collect();
            assert!(!parts.contains(&"..") && !parts.contains(&""), "{path}");
            assert!(!bytes.windows(6).any(|window| window == b"@NAME@"), "{path}");
        }
    }
}

#[test]
fn a_language_is_read_as_it_is_written() {
    for language in Language::ALL {
        assert_eq!(language.as_str().parse(), Ok(language));
    }
    let error = "cobol".parse::<Language>().unwrap_err();
    assert_eq!(error.to_string(), "expected rust, python, js, c, go");
}

#[test]
fn the_sdk_of_a_rust_project_needs_no_workspace() {
    let files = project(Language::Rust, "lab");
    let manifest = files.iter().find(|file| file.path == "vendor/ipam-driver/Cargo.toml").unwrap();
    let manifest = String::from_utf8(manifest.bytes.clone()).unwrap();
    assert!(!manifest.contains("workspace"), "{manifest}");
    for line in ["name = \"ipam-driver\"", "edition = \"2024\"", "default = [\"std\"]"] {
        assert!(manifest.contains(line), "{manifest}");
    }
    assert!(files.iter().any(|file| file.path == "vendor/ipam-driver/src/wasm.rs"));
}
