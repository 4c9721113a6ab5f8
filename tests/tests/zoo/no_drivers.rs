//! Files that are no drivers: none takes long, none gets in, and each is
//! called what it is.

use crate::zoo::{BOUND, Zoo};
use ipam_runtime::Runtime;
use std::{fmt::Write as _, fs, time::Instant};

/// The daemon is given the file, and says this of it.
#[track_caller]
fn refused(what: &str, bytes: &[u8], words: &str) {
    let zoo = Zoo::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stranger.wasm");
    fs::write(&file, bytes).unwrap();
    let begin = Instant::now();
    let refusal = zoo.beside(what, || zoo.load(&file, "")).unwrap_err();
    let took = begin.elapsed();
    println!("{what}: {} bytes were refused after {took:?}", bytes.len());
    assert!(took < BOUND, "{what}: {took:?}");
    assert!(refusal.contains(words), "{what}: {refusal}");
    assert_eq!(zoo.drivers().len(), 1);
}

#[test]
fn a_text_is_no_component() {
    refused("a text", b"#!/bin/sh\nrm -rf /\n", "it is not WebAssembly");
}

#[test]
fn a_core_module_is_no_component() {
    refused("a core module", b"\0asm\x01\0\0\0", "it is a core WebAssembly module");
}

#[test]
fn an_empty_component_is_no_driver() {
    refused("an empty component", b"\0asm\x0d\0\x01\0", "it does not export");
}

#[test]
fn a_component_of_which_the_end_is_missing_is_none() {
    let runtime = Runtime::new(None).unwrap();
    let whole = ipam_builtin::NULL;
    let begin = Instant::now();
    for end in (0..whole.len()).step_by(10) {
        let loaded = runtime.load("cut", &whole[..end], Default::default());
        assert!(loaded.is_err(), "the first {end} bytes were loaded");
    }
    let (pieces, took) = (whole.len().div_ceil(10), begin.elapsed());
    println!("{pieces} truncated components were refused, in {took:?}");
    let half = &whole[..whole.len() / 2];
    refused("half a component", half, "it is not a component that this host can run");
}

/// Types that double with each line: so many lines, and a component that
/// exports a function of the last.
fn bomb(lines: usize) -> Vec<u8> {
    let mut text = "(component (type $t0 (tuple u8 u8))\n".to_owned();
    for line in 1..=lines {
        let before = line - 1;
        writeln!(text, "(type $t{line} (tuple $t{before} $t{before}))").unwrap();
    }
    writeln!(text, "(import \"f\" (func $f (param \"a\" $t{lines})))").unwrap();
    writeln!(text, "(core func $g (canon lower (func $f))))").unwrap();
    wat::parse_str(&text).unwrap()
}

#[test]
fn types_that_unfold_without_end_are_not_unfolded() {
    // What is small is a component, or the large one would be refused for
    // another reason.
    let runtime = Runtime::new(None).unwrap();
    let small = runtime.load("bomb", &bomb(2), Default::default()).unwrap_err();
    assert!(small.to_string().starts_with("it does not export"), "{small}");
    for lines in [14, 16, 20, 64] {
        let begin = Instant::now();
        let refusal = runtime.load("bomb", &bomb(lines), Default::default()).unwrap_err();
        println!("2^{lines} fields: {:?}: {refusal}", begin.elapsed());
        assert!(begin.elapsed() < BOUND, "2^{lines} fields took {:?}", begin.elapsed());
    }
    refused("a bomb of types", &bomb(64), "it is not a component that this host can run");
}
