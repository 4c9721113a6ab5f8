//! What a component can make its host say, and what that costs.

use crate::{
    guest::{guest, guest_of},
    lab::{any_address, any_pool, load, make, overhear, reason, runtime, start, started},
};
use ipam_runtime::{CallLimits, InstanceLimits, Limits};
use std::{
    fs,
    time::{Duration, Instant},
};

/// A name of C++ in which each type is a pair of the one before it.
fn unfolding(levels: usize) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut name = "_Z1fSt4pairIiiE".to_owned();
    for level in 0..levels {
        assert!(level < digits.len());
        let before = char::from(digits[level]);
        name += &format!("S_IS{before}_S{before}_E");
    }
    name
}

/// Unfolded it would be of 16 MiB.
#[test]
fn names_of_cxx_are_not_unfolded() {
    let name = unfolding(18);
    let boom = format!("(func $boom (@name \"{name}\") (result i32) unreachable)");
    let component = guest("", &[("request-pool", "(call $boom)"), ("", &boom)]);
    let told = reason(started(&component, Limits::default()).request_pool(&any_pool()));
    assert!(told.contains(&format!("!{name} (0x")), "{told}");
    let boom = format!("(func $boom (@name \"{name}\") unreachable) (start $boom)");
    let told = reason(start(&guest("", &[("", &boom)]), Limits::default()));
    assert!(
        told.starts_with("wasm trap: wasm `unreachable` instruction executed; in start(); at "),
        "{told}"
    );
    assert!(told.contains(&format!("!{name} (0x")), "{told}");
}

#[test]
fn names_of_rust_are_unfolded() {
    let boom = r#"(func $boom (@name "_ZN3lab4boom17h0123456789abcdefE") (result i32)
        unreachable)"#;
    let component = guest("", &[("request-pool", "(call $boom)"), ("", boom)]);
    let told = reason(started(&component, Limits::default()).request_pool(&any_pool()));
    assert!(told.contains("!lab::boom (0x"), "{told}");
}

#[test]
fn a_core_start_function_ends_at_the_deadline_of_the_start() {
    let forever = "(func $forever (loop (br 0))) (start $forever)";
    let limits = Limits {
        instance: InstanceLimits {
            start_time: Duration::from_millis(50),
            ..InstanceLimits::default()
        },
        ..Limits::default()
    };
    let began = Instant::now();
    let told = reason(start(&guest("", &[("", forever)]), limits));
    assert!(
        told.starts_with("took more than 50ms; in start(); wasm trap: interrupt; at "),
        "{told}"
    );
    assert!(began.elapsed() < Duration::from_secs(20));
}

/// The engine copies it for each frame of a backtrace.
#[test]
fn a_long_name_of_a_function_is_refused() {
    let boom = |bytes: usize| {
        let name = "x".repeat(bytes);
        let deeper = format!(
            "(func $boom (@name \"{name}\") (param i32) (result i32)
                (if (i32.eqz (local.get 0)) (then unreachable))
                (call $boom (i32.sub (local.get 0) (i32.const 1))))"
        );
        guest("", &[("request-address", "(call $boom (i32.const 100))"), ("", &deeper)])
    };
    let longest = boom(16 << 10);
    let mut driver = started(&longest, Limits::default());
    let told = reason(driver.request_address(&any_address()));
    assert!(told.contains("!xxx") && told.contains("xxx… (0x"), "{told}");
    assert!(told.len() < 20 << 10, "{} bytes", told.len());
    let refused = runtime().load("guest", &boom((16 << 10) + 1), Limits::default()).unwrap_err();
    let words = refused.to_string();
    assert!(words.contains("limits.compile.symbol"), "{words}");
}

#[test]
fn limits_are_told_by_their_keys() {
    let component = guest("", &[("request-pool", "unreachable")]);
    let limits = Limits {
        call: CallLimits { time: Duration::from_millis(1500), ..CallLimits::default() },
        ..Limits::default()
    };
    let made = make(&load(&component, limits));
    let told = reason(made.unwrap_or_else(|it| panic!("{it}")).request_pool(&any_pool()));
    let allowed =
        "; allowed: instance.start = 10s, call.time = 1.5s, instance.memory = 67108864B, ";
    assert!(told.contains(allowed), "{told}");
    assert!(!told.contains("Limits") && !told.contains("\\n"), "{told}");
}

/// The message of an exception comes before what the engine knows of it, and its
/// lines are lines of the log.
#[test]
fn what_the_driver_said_of_a_failure_is_told_first() {
    let import = r#"(import "ipam:driver/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let said = "TypeError: no rack\\0a    at choose (policy.js:80)\\0a";
    let data = format!("(data (i32.const 6144) \"{said}\")");
    let bytes = said.replace("\\0a", "\n").len();
    let fails = format!(
        "(call $log (i32.const 0) (i32.const 6144) (i32.const {bytes}))
         (if (i32.eqz (i32.const 0)) (then unreachable)) (i32.const 1024)"
    );
    let component = guest(import, &[("request-address", &fails), ("", &data)]);
    let mut told = String::new();
    let log = overhear(|| {
        let mut driver = started(&component, Limits::default());
        told = reason(driver.request_address(&any_address()));
    });
    let want = "TypeError: no rack; in request-address(\"p\", any); wasm trap: wasm `unreachable` \
                instruction executed; at choose (policy.js:80); at ";
    assert!(told.starts_with(want), "{told}");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("TypeError: no rack") && lines[1].contains("at choose"), "{log}");
    // What it said in another call is of no account.
    let quiet = "(if (local.get 1) (then unreachable)) (i32.const 1024)";
    let says =
        format!("(call $log (i32.const 0) (i32.const 6144) (i32.const {bytes})) (i32.const 3072)");
    let functions = [("request-pool", &*says), ("release-pool", quiet), ("", &data)];
    let mut driver = started(&guest(import, &functions), Limits::default());
    let pool = driver.request_pool(&any_pool()).unwrap_or_else(|it| panic!("{it}"));
    let told = reason(driver.release_pool(&pool.pool_id));
    assert!(told.starts_with("wasm trap: "), "{told}");
}

#[test]
fn a_message_is_so_many_lines_and_no_more() {
    let import = r#"(import "ipam:driver/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let says = "(call $log (i32.const 2) (i32.const 6144) (i32.const 40)) (i32.const 1024)";
    let data = format!("(data (i32.const 6144) \"{}\")", "x\\0a".repeat(20));
    let component = guest(import, &[("request-address", says), ("", &data)]);
    let log = overhear(|| {
        let answer = started(&component, Limits::default()).request_address(&any_address());
        assert!(answer.is_ok(), "{answer:?}");
    });
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 16, "{log}");
    assert!(lines[15].contains(r"x\nx\nx\nx\nx") && !lines[14].contains(r"x\n"), "{log}");
}

/// The adapter of Go has its standard error logged as warnings.
#[test]
fn a_panic_among_the_warnings_is_told_first() {
    let import = r#"(import "ipam:driver/log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let (mut at, mut said, mut data) = (6144, String::new(), String::new());
    for line in ["starting", "panic: no rack", "goroutine 1 [running]:", "main.choose(...)"] {
        let bytes = line.len();
        said += &format!("(call $log (i32.const 1) (i32.const {at}) (i32.const {bytes}))");
        data += &format!("(data (i32.const {at}) \"{line}\")");
        at += bytes;
    }
    let fails = format!("{said} (if (i32.eqz (i32.const 0)) (then unreachable)) (i32.const 1024)");
    let component = guest(import, &[("request-address", &fails), ("", &data)]);
    let told = reason(started(&component, Limits::default()).request_address(&any_address()));
    let want = "panic: no rack; in request-address(\"p\", any); wasm trap: wasm `unreachable` \
                instruction executed; goroutine 1 [running]:; main.choose(...); at ";
    assert!(told.starts_with(want), "{told}");
}

/// A program may print any bytes, and a line of any length.
#[test]
fn what_go_prints_is_made_text() {
    let import = r#"(import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))"#;
    let long = "x".repeat((8 << 10) - 1);
    for (printed, said) in [
        ("café 日 𝄞".as_bytes(), "café 日 𝄞"),
        (b"\xff\x80ok\xe2\x82", "??ok??"),
        // What fits into fewer bytes, half of a pair of UTF-16, what is beyond Unicode.
        (b"\xc1\xbf \xe0\x9f\xbf \xf0\x8f\xbf\xbf", "?? ??? ????"),
        (b"\xed\xa0\x80 \xf4\x90\x80\x80 \xf8\x88\x80\x80\x80", "??? ???? ?????"),
        ("\u{80}\u{800}\u{d7cb}\u{e000}\u{10000}".as_bytes(), "\\u{80}ࠀퟋ\\u{e000}𐀀"),
        // Cut, and not within a character.
        (format!("{long}é").as_bytes(), "xxé"),
    ] {
        let text = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |so_far, byte| so_far + &format!("\\{byte:02x}"))
        };
        let printed = [printed, b"\n"].concat();
        let piece = [16384_u32, u32::try_from(printed.len()).unwrap()].map(u32::to_le_bytes);
        let data = format!(
            "(data (i32.const 6144) \"{}\") (data (i32.const 16384) \"{}\")",
            text(piece.as_flattened()),
            text(&printed)
        );
        let says =
            "(drop (call $write (i32.const 2) (i32.const 6144) (i32.const 1) (i32.const 6160)))
                    (i32.const 1024)";
        let component = guest(import, &[("request-address", says), ("", &data)]);
        let log = overhear(|| {
            let answer = started(&component, Limits::default()).request_address(&any_address());
            assert!(answer.is_ok(), "{answer:?}");
        });
        let last = log.lines().last().unwrap_or_default();
        assert!(last.contains(&format!("wipam::driver: {said} driver=")), "{last}");
    }
}

/// Built for the same version of a contract that was changed.
#[test]
fn a_record_of_another_shape_is_refused_with_its_function() {
    let log = r#"(import "ipam:driver/log@0.1.0" "log" (func (param i32 i32 i32 i32)))"#;
    for (file, from, to, imports, words) in [
        ("ipam.wit", "data: options,", "", "", ["request-pool: ", "expected record of 3 fields"]),
        (
            "log.wit",
            "message: string)",
            "message: string, more: u32)",
            log,
            ["ipam:driver/log", "`log`"],
        ),
    ] {
        let wit = tempfile::tempdir().unwrap();
        for entry in fs::read_dir("../../wit").unwrap().map(Result::unwrap) {
            let mut text = fs::read_to_string(entry.path()).unwrap();
            if entry.file_name() == file {
                assert!(text.contains(from));
                text = text.replacen(from, to, 1);
            }
            if entry.path().extension().is_some_and(|it| it == "wit") {
                fs::write(wit.path().join(entry.file_name()), text).unwrap();
            }
        }
        let component = guest_of(wit.path(), imports, &[]);
        let refused = runtime().load("guest", &component, Limits::default()).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.starts_with("it does not fit ipam:driver@0.1.0: "), "{refused}");
        assert!(words.iter().all(|word| refused.contains(word)), "{refused}");
        assert!(refused.ends_with("build it with the wit/ that `wipam new` writes"), "{refused}");
    }
}
