//! Programs that must not get into service at all: the daemon says why, keeps
//! serving, and has no driver more than before.

use crate::harness::{BOUND, Harness};
use std::time::Instant;

/// Loads the program; the operator's log has these words.
#[track_caller]
fn refused(program: &str, words: &str) {
    refused_with(program, "", words);
}

/// With a table of its own.
#[track_caller]
fn refused_with(program: &str, table: &str, words: &str) {
    let harness = Harness::new();
    let file = ipam_tests::programs::file(program);
    let begin = Instant::now();
    let refusal = harness.beside(program, || harness.load(&file, table)).unwrap_err();
    assert!(begin.elapsed() < BOUND, "{program}: {:?}", begin.elapsed());
    assert!(refusal.contains(words), "{program}: {refusal}");
    let drivers = harness.drivers();
    assert_eq!(drivers.len(), 1, "{drivers:?}");
    assert_eq!(drivers[0]["condition"], "serving");
    assert_eq!(drivers[0]["origin"], "built-in");
}

#[test]
fn a_start_that_does_not_end_is_ended() {
    refused("loops_in_start", "did not start");
}

#[test]
fn whoever_registers_nothing_is_no_driver() {
    refused("nameless", "registered no name");
}

#[test]
fn ten_thousand_names_are_too_many() {
    refused("names", "it registers more names than limits.instance.names allows: 1");
}

#[test]
fn the_name_of_a_built_in_driver_is_taken() {
    refused("built_in_name", "already registered by a built-in driver");
}

#[test]
fn the_name_that_docker_knows_a_built_in_driver_by_is_not_a_files() {
    refused("docker_name", "a name that no file takes by itself; give the file one");
}

#[test]
fn a_name_is_no_path() {
    refused("path", "a driver's name is");
}

#[test]
fn who_starts_again_registers_what_it_registered() {
    let words = "it registered somebody-else and renames with replay, not renames with replay";
    refused_with("renames", "limits = { names = 2 }", words);
}

#[test]
fn who_was_granted_no_store_has_none() {
    refused("stores_and_lies", "imports what was not granted: ipam:driver/store@0.1.0");
}

#[test]
fn who_was_granted_no_http_is_not_loaded() {
    refused("http", "it imports what was not granted: wasi:http/");
}
