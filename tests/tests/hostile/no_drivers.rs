//! Files that are no drivers: none takes long, none gets in, and each is
//! called what it is.

use crate::harness::{BOUND, Harness};
use ipam_runtime::Runtime;
use std::{fmt::Write as _, fs, time::Instant};

/// The daemon is given the file, and says this of it.
#[track_caller]
fn refused(what: &str, bytes: &[u8], words: &str) {
    let harness = Harness::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("stranger.wasm");
    fs::write(&file, bytes).unwrap();
    let begin = Instant::now();
    let refusal = harness.beside(what, || harness.load(&file, "")).unwrap_err();
    let took = begin.elapsed();
    println!("{what}: {} bytes were refused after {took:?}", bytes.len());
    assert!(took < BOUND, "{what}: {took:?}");
    assert!(refusal.contains(words), "{what}: {refusal}");
    assert_eq!(harness.drivers().len(), 1);
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
        // Custom sections, whose id is 0, are notes: without them it is whole.
        let only_notes_are_missing = whole[end] == 0;
        assert!(loaded.is_err() || only_notes_are_missing, "the first {end} bytes were loaded");
    }
    let (pieces, took) = (whole.len().div_ceil(10), begin.elapsed());
    println!("{pieces} truncated components were refused, in {took:?}");
    let half = &whole[..whole.len() / 2];
    refused("half a component", half, "it is not a component that this host can run");
}

/// Types that double with each line: so many lines.
fn doubling(lines: usize) -> String {
    let mut text = "(type $t0 (tuple u8 u8))\n".to_owned();
    for line in 1..=lines {
        let before = line - 1;
        writeln!(text, "(type $t{line} (tuple $t{before} $t{before}))").unwrap();
    }
    text
}

/// A component that imports functions of a type that unfolds.
fn bomb(lines: usize, functions: usize) -> Vec<u8> {
    let mut text = format!("(component {}", doubling(lines));
    for function in 0..functions {
        writeln!(text, "(import \"f{function}\" (func (param \"a\" $t{lines})))").unwrap();
    }
    wat::parse_str(text + ")").unwrap()
}

/// A component whose parts pass each other a value of such a type, in so many
/// ways: for each of them the engine itself writes code, which unfolds it.
fn adapters(lines: usize, ways: usize) -> Vec<u8> {
    let core = r#"(core module $libc (memory (export "m") 1)
        (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func (export "f") (param i32)))"#;
    let types = doubling(lines);
    let mut text = format!(
        r#"(component {types}
        (component $a (alias outer 1 $t{lines} (type $t)) {core}
            (core instance $c (instantiate $libc))
            (func (export "f") (param "a" $t)
                (canon lift (core func $c "f") (memory $c "m") (realloc (func $c "r")))))
        (component $b (alias outer 1 $t{lines} (type $t)) {core}
            (import "f" (func $f (param "a" $t)))
            (core module $user (import "" "g" (func (param i32))))"#
    );
    for way in 0..ways {
        write!(
            text,
            r#"(core instance $c{way} (instantiate $libc))
            (core func $g{way}
                (canon lower (func $f) (memory $c{way} "m") (realloc (func $c{way} "r"))))
            (core instance (instantiate $user (with "" (instance (export "g" (func $g{way}))))))"#
        )
        .unwrap();
    }
    text +=
        ")(instance $i (instantiate $a)) (instance (instantiate $b (with \"f\" (func $i \"f\")))))";
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn types_that_unfold_without_end_are_not_unfolded() {
    let runtime = Runtime::new(None).unwrap();
    let load = |what: &str, bytes: &[u8]| {
        let begin = Instant::now();
        let refusal = runtime.load("bomb", bytes, Default::default()).unwrap_err().to_string();
        println!("{what}: {} bytes: {:?}: {:.80}", bytes.len(), begin.elapsed(), refusal);
        assert!(begin.elapsed() < BOUND, "{what} took {:?}", begin.elapsed());
        refusal
    };
    // What is small is a component, or the large one would be refused for
    // another reason.
    assert!(load("2^3 fields", &bomb(2, 1)).starts_with("it does not export"));
    for lines in [14, 18] {
        load(&format!("2^{lines} fields"), &bomb(lines, 1));
    }
    // Here the work doubles, too; that it ends is the limit of the types' size.
    for (lines, ways) in [(10, 1), (14, 1), (14, 4)] {
        load(&format!("2^{lines} fields, passed on {ways} ways"), &adapters(lines, ways));
    }
    load("2^64 fields", &bomb(64, 1));
    // What a component needs is read first: nobody compiles what is no driver.
    refused("a bomb of types", &bomb(64, 1), "it does not export");
    refused("a bomb of adapters", &adapters(16, 60), "it does not export");
}
