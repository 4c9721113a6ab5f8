//! The recorded traces of the reference allocator, through the component.

use ipam_tests::{golden, stack};
use std::{fs::File, path::Path, process::Command};

/// Where the traces lie, and how many operations they hold.
const TRACES: (&str, usize) = ("golden/default-driver.jsonl", 16_415);

#[test]
fn the_component_answers_like_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TRACES.0);
    let outcome = golden::play(File::open(path).unwrap(), &*stack::default_component()).unwrap();
    assert_eq!(outcome.differences, [""; 0]);
    assert_eq!((outcome.passed, outcome.failed), (TRACES.1, 0));
}

#[test]
fn the_program_says_what_differs_and_fails() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wrong.jsonl");
    let trace = r#"{"trace":"wrong","local-pools":["10.0.0.0/16:24"]}
{"op":"request-pool","space":"LocalDefault","pool":"","sub-pool":"","v6":false,"exclude":[],"ok":{"id":"LocalDefault/10.0.1.0/24","pool":"10.0.1.0/24"}}
"#;
    std::fs::write(&path, trace).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_golden")).arg(&path).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("line 2: want") && said.ends_with("0 passed, 1 failed\n"), "{said}");
    assert_eq!(output.status.code(), Some(1));

    std::fs::write(&path, "nonsense").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_golden")).arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "a file that cannot be played is no success");
}
