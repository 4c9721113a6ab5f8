//! Drivers from a few lines of WebAssembly text, for what no compiler would
//! write.
//!
//! Each is a correct driver that does nothing, but for the functions that a
//! test puts in its place. It answers every request with success: the pool
//! `p`, 10.0.0.0/8, and no address.

use std::path::Path;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// As much of WASI as the tests import.
const WASI: [&str; 5] = [
    "package wasi:io@0.2.0;
     interface poll { resource pollable { block: func(); } }
     interface error { resource error {} }
     interface streams {
         use error.{error};
         variant stream-error { last-operation-failed(error), closed }
         resource output-stream {
             blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
         }
     }",
    "package wasi:clocks@0.2.0;
     interface monotonic-clock {
         use wasi:io/poll@0.2.0.{pollable};
         now: func() -> u64;
         subscribe-duration: func(when: u64) -> pollable;
     }
     interface wall-clock {
         record datetime { seconds: u64, nanoseconds: u32 }
         now: func() -> datetime;
     }",
    "package wasi:random@0.2.0;
     interface random {
         get-random-u64: func() -> u64;
         get-random-bytes: func(len: u64) -> list<u8>;
     }",
    "package wasi:cli@0.2.0;
     interface stdout {
         use wasi:io/streams@0.2.0.{output-stream};
         get-stdout: func() -> output-stream;
     }",
    "package test:guest;
     world guest {
         include ipam:driver/ipam-driver-with-grants@0.1.0;
         import wasi:io/poll@0.2.0;
         import wasi:io/streams@0.2.0;
         import wasi:cli/stdout@0.2.0;
         import wasi:clocks/monotonic-clock@0.2.0;
         import wasi:clocks/wall-clock@0.2.0;
         import wasi:random/random@0.2.0;
         import wasi:http/outgoing-handler@0.2.0;
         import acme:secret/backdoor@1.0.0;
     }",
];
const OTHERS: [&str; 2] = [
    "package wasi:http@0.2.0; interface outgoing-handler { handle: func(); }",
    "package acme:secret@1.0.0; interface backdoor { open: func(); }",
];

/// What every guest has: answers in static memory, and an allocator that
/// never frees.
const FRAME: &str = r#"
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 8192))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
        (global.set $free (i32.add (local.get $at) (local.get 3)))
        (local.get $at))
    ;; 1024: success, and nothing.
    ;; 2048: the address spaces `l` and `g`.
    (data (i32.const 2052) "\00\09\00\00\01\00\00\00\01\09\00\00\01\00\00\00")
    (data (i32.const 2304) "lg")
    ;; 3072: the pool `p`, 10.0.0.0/8.
    (data (i32.const 3076) "\00\0d\00\00\01\00\00\00\00\00\0a\00\00\00")
    (data (i32.const 3102) "\08")
    (data (i32.const 3328) "p")
"#;

/// What every guest exports: name, type, and the body of one that does nothing.
const EXPORTS: [(&str, &str, &str, &str); 7] = [
    ("lifecycle", "start", "(param i32 i32 i32 i32 i32) (result i32)", "(i32.const 1024)"),
    ("ipam", "get-default-address-spaces", "(result i32)", "(i32.const 2048)"),
    ("ipam", "request-pool", "(param i32) (result i32)", "(i32.const 3072)"),
    ("ipam", "release-pool", "(param i32 i32) (result i32)", "(i32.const 1024)"),
    (
        "ipam",
        "request-address",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
        "(i32.const 1024)",
    ),
    (
        "ipam",
        "release-address",
        "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)",
        "(i32.const 1024)",
    ),
    ("ipam", "is-built-in", "(result i32)", "(i32.const 0)"),
];

/// A driver with these imports, whose `functions` do what they say: name and
/// body.
pub(crate) fn guest(imports: &str, functions: &[(&str, &str)]) -> Vec<u8> {
    guest_of(Path::new("../../wit"), imports, functions)
}

/// The same, made for the contract in a directory.
pub(crate) fn guest_of(wit: &Path, imports: &str, functions: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("(module {imports} {FRAME}");
    for (interface, name, ty, nothing) in EXPORTS {
        let told = functions.iter().find(|(function, _)| *function == name);
        let body = told.map_or(nothing, |(_, body)| body);
        text += &format!(r#"(func (export "ipam:driver/{interface}@0.1.0#{name}") {ty} {body})"#);
    }
    for (name, definition) in functions {
        if name.is_empty() {
            text += definition;
        }
    }
    text += ")";
    let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = Resolve::default();
    resolve.push_dir(wit).unwrap();
    for package in WASI[..4].iter().chain(&OTHERS).chain(&WASI[4..]) {
        resolve.push_str("guest.wit", package).unwrap_or_else(|error| panic!("{error:#}"));
    }
    let (world, _) = resolve.worlds.iter().find(|(_, world)| world.name == "guest").unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .unwrap();
    let mut encoder = ComponentEncoder::default().validate(true).module(&module);
    if imports.contains(PREVIEW_1) {
        encoder = encoder.and_then(|encoder| encoder.adapter(PREVIEW_1, &adapter()));
    }
    encoder.and_then(|mut encoder| encoder.encode()).unwrap_or_else(|error| panic!("{error:#}"))
}

/// What a guest imports that is made as Go makes it.
const PREVIEW_1: &str = "wasi_snapshot_preview1";

/// The adapter of the template for Go.
fn adapter() -> Vec<u8> {
    let place = Path::new("../../guest/sdk/templates/go/adapter");
    let mut adapter = wat::parse_file(place.join("adapter.wat")).unwrap();
    let mut resolve = Resolve::default();
    resolve.push_file(place.join("adapter.wit")).unwrap();
    let (world, _) = resolve.worlds.iter().find(|(_, world)| world.name == "adapter").unwrap();
    wit_component::embed_component_metadata(&mut adapter, &resolve, world, StringEncoding::UTF8)
        .unwrap();
    adapter
}
