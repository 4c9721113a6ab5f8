//! What the documents promise about the repository itself, checked.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "tidy/circles.rs"]
mod circles;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below a directory whose name ends so, outside `target`.
fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(directory)];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found
}

/// What a crate is linked with. Dependencies of other targets are downloaded if
/// nothing else did that yet.
fn dependencies(of: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "-e", "normal", "--prefix", "none", "-p", of])
        .args(["--target", "all", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn dependencies_point_one_way() {
    for (of, never) in [
        ("ipam-api", &["wasmtime", "serde", "tokio", "ipam-ledger", "ipam-runtime"][..]),
        ("ipam-ledger", &["wasmtime", "tokio", "ipam-runtime", "ipam-service", "ipam-docker"]),
        ("ipam-service", &["wasmtime", "tokio", "ipam-runtime", "ipam-docker"]),
        ("ipam-docker", &["wasmtime", "ipam-service", "ipam-ledger", "ipam-runtime"]),
        ("ipam-http-client", &["wasmtime", "ipam-api", "serde", "rustls"]),
        ("ipam-registry", &["wasmtime", "ipam-service", "ipam-ledger", "ipam-runtime", "reqwest"]),
        ("ipam-signature", &["wasmtime", "tokio", "hyper", "ipam-registry", "ipam-service"]),
        ("ipam-metrics", &["wasmtime", "ipam-runtime", "ipam-docker", "ipam-admin"]),
        ("ipam-admin", &["wasmtime", "tokio", "ipam-runtime", "ipam-docker", "ipam-reconcile"]),
        ("ipam-runtime", &["ipam-ledger", "ipam-service", "ipam-docker", "ipam-driver"]),
        (
            "ipam-reconcile",
            &["wasmtime", "ipam-service", "ipam-ledger", "ipam-runtime", "ipam-docker"],
        ),
        ("ipam-templates", &["wasmtime", "ipam-driver", "wit-bindgen-core"]),
        ("ipam-allocator", &["wit-bindgen", "ipam-driver", "ipam-api", "wasmtime"]),
        ("ipam-driver", &["wasmtime", "ipam-api"]),
        ("ipam-default", &["wasmtime", "ipam-api"]),
        ("ipam-remote", &["wasmtime", "ipam-api"]),
        ("ipam-pools", &["wasmtime", "ipam-api", "ipam-default"]),
        ("ipam-sticky", &["wasmtime", "ipam-api", "ipam-default"]),
        ("ipam-cooldown", &["wasmtime", "ipam-api", "ipam-default"]),
        ("ipam-http-driver", &["wasmtime", "ipam-api", "ipam-allocator"]),
        ("ipam-netbox", &["wasmtime", "ipam-api", "ipam-allocator"]),
        ("ipam-phpipam", &["wasmtime", "ipam-api", "ipam-allocator"]),
        ("ipam-report", &["wasmtime", "ipam-api", "ipam-driver"]),
        ("ipam-conformance", &["wasmtime", "ipam-api", "ipam-default"]),
        ("ipam-stub", &["wasmtime", "ipam-api", "ipam-driver"]),
        (
            "ipam-conformance-host",
            &["ipam-service", "ipam-ledger", "ipam-docker", "ipam-conformance"],
        ),
    ] {
        let found = dependencies(of);
        assert!(found.contains(of), "{of}: {found:?}");
        for wrong in never {
            assert!(!found.contains(*wrong), "{of} depends on {wrong}");
        }
    }
}

#[test]
fn the_book_includes_what_there_is() {
    let mut checked = 0;
    for file in files("host/book/src", ".md") {
        let text = fs::read_to_string(&file).unwrap();
        for path in text.split("{{#include ").skip(1).filter_map(|rest| rest.split('}').next()) {
            let there = file.parent().unwrap().join(path).exists();
            assert!(there, "{}: {path} is not there", file.display());
            checked += 1;
        }
    }
    assert!(checked > 0, "nothing is included");
}

#[test]
fn every_chapter_of_the_book_is_in_its_summary() {
    let directory = root().join("host/book/src");
    let summary = fs::read_to_string(directory.join("SUMMARY.md")).unwrap();
    for file in files("host/book/src", ".md") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let is_there = name == "SUMMARY.md" || summary.contains(&format!("({name})"));
        assert!(is_there, "{name} is not in SUMMARY.md");
    }
}

/// The anchors of a document's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let headings = text.lines().filter(|line| {
        is_code ^= line.starts_with("```");
        !is_code && line.starts_with('#')
    });
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        text.chars().filter(|it| it.is_alphanumeric() || "-_".contains(*it)).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut checked = 0;
    for directory in [".", "wit", "guest", "host", "tests"] {
        for file in files(directory, ".md") {
            let text = fs::read_to_string(&file).unwrap();
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
                let is_path = path.contains(['/', '.']) && !path.contains("://");
                let to = match path {
                    "" if !anchor.is_empty() => file.clone(),
                    path if is_path => file.parent().unwrap().join(path),
                    _ => continue,
                };
                assert!(to.exists(), "{}: {link} leads nowhere", file.display());
                if !anchor.is_empty() && path.ends_with(".md") | path.is_empty() {
                    let found = anchors(&fs::read_to_string(to).unwrap());
                    assert!(found.contains(anchor), "{}: {link} is no heading", file.display());
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "only {checked} links were found");
}

#[test]
fn files_are_of_a_size_that_is_read() {
    for directory in ["guest", "host", "tests"] {
        for file in files(directory, ".rs") {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= 520, "{} has {lines} lines", file.display());
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for of in [
        "guest/drivers/pools",
        "host/admin",
        "host/cli",
        "host/metrics",
        "host/registry",
        "host/service",
        "host/signature",
    ] {
        let found = circles::circles(&root().join(of).join("src"));
        assert!(found.is_empty(), "{of}: {found:?}");
    }
}

/// Every item of the contract says what it is, and since when.
#[test]
fn every_item_of_the_contract_is_documented() {
    let mut items = 0;
    for file in files("wit", ".wit") {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            let named =
                ["interface ", "world ", "record ", "variant ", "enum ", "resource ", "type "];
            let is_item =
                named.iter().any(|word| line.starts_with(word)) || line.contains(": func(");
            let is_import = line.starts_with("import ") || line.starts_with("export ");
            let is_include = line.starts_with("include ");
            if is_item || is_import || is_include {
                let place = format!("{}:{}", file.display(), number + 1);
                assert_eq!(lines[number - 1], "@since(version = 0.1.0)", "{place}: {line}");
                items += 1;
                if is_item {
                    assert!(lines[number - 2].starts_with("///"), "{place}: {line}");
                }
            }
            // Fields and cases carry no gate, but words.
            let is_part = line.ends_with(',') && !line.contains('{') && !line.starts_with("///");
            if is_part {
                let place = format!("{}:{}", file.display(), number + 1);
                assert!(lines[number - 1].starts_with("///"), "{place}: {line}");
            }
        }
    }
    assert!(items > 40, "only {items} items were found");
}
