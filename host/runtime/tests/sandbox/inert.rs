//! What WASI gives, and that it is the same each time.

use crate::{
    guest::guest,
    lab::{any_pool, started},
};
use ipam_api::Driver;
use ipam_runtime::{CallLimits, Limits};
use std::time::{Duration, Instant, UNIX_EPOCH};

const CLOCKS: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $monotonic (result i64)))
    (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration"
        (func $subscribe (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop (param i32)))
    (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;

/// Answers eight bytes as the id of a pool, in letters.
fn shows(number: &str) -> Vec<u8> {
    let letters = "
        (local $number i64) (local $at i32)
        (local.set $number NUMBER)
        (loop
            (i32.store8 (i32.add (i32.const 4096) (local.get $at))
                (i32.add (i32.const 97)
                    (i32.wrap_i64 (i64.and (local.get $number) (i64.const 15)))))
            (local.set $number (i64.shr_u (local.get $number) (i64.const 4)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $at) (i32.const 16))))
        (i32.store (i32.const 3076) (i32.const 4096))
        (i32.store (i32.const 3080) (i32.const 16))
        (i32.const 3072)";
    guest(CLOCKS, &[("request-pool", &letters.replace("NUMBER", number))])
}

fn shown(driver: &mut dyn Driver) -> u64 {
    let id = driver.request_pool(&any_pool()).unwrap().pool_id;
    let letters = id.as_str().bytes().rev();
    letters.fold(0, |number, letter| number << 4 | u64::from(letter - b'a'))
}

/// Where the monotonic clock begins, in nanoseconds.
const BEGIN: u64 = 1_000_000_000;

const SLEEP: &str = "(local.set $at (call $subscribe (i64.const 20000000000)))
    (call $block (local.get $at)) (call $drop (local.get $at)) (local.set $at (i32.const 0))";

#[test]
fn the_clocks_stand_where_the_request_began() {
    let seconds = "(call $wall (i32.const 4200)) (i64.load (i32.const 4200))";
    let nanoseconds =
        "(call $wall (i32.const 4200)) (i64.extend_i32_u (i32.load (i32.const 4208)))";
    let at = Duration::new(1_700_000_000, 5_000_000);
    for (number, in_1970, want) in [
        // Go's runtime does not start at zero.
        ("(call $monotonic)", BEGIN, 1_700_000_000_005_000_000),
        (seconds, 0, 1_700_000_000),
        (nanoseconds, 0, 5_000_000),
    ] {
        let number = format!("(block (result i64) {number})");
        let mut driver = started(&shows(&number), Limits::default());
        assert_eq!(shown(&mut *driver), in_1970, "before any request it is 1970");
        driver.begin(UNIX_EPOCH + at);
        assert_eq!(shown(&mut *driver), want, "{number}");
        assert_eq!(shown(&mut *driver), want, "{number}");
    }
}

#[test]
fn sleep_takes_no_time_and_the_clock_shows_it() {
    let number = format!("(block (result i64) {SLEEP} (call $monotonic))");
    let limits = Limits {
        call: CallLimits { time: Duration::from_secs(600), ..CallLimits::default() },
        ..Limits::default()
    };
    let mut driver = started(&shows(&number), limits);
    let began = Instant::now();
    let slept = BEGIN + 20_000_000_000;
    assert_eq!(shown(&mut *driver), slept);
    driver.begin(UNIX_EPOCH + Duration::from_nanos(slept + 1));
    assert_eq!(shown(&mut *driver), slept + 1 + 20_000_000_000);
    assert!(began.elapsed() < Duration::from_secs(20), "it slept");
}

#[test]
fn random_numbers_are_the_same_each_time() {
    let component = shows("(call $random)");
    let [mut one, mut other] = [(), ()].map(|()| started(&component, Limits::default()));
    let first = shown(&mut *one);
    let second = shown(&mut *one);
    assert_ne!(first, second);
    assert_eq!((shown(&mut *other), shown(&mut *other)), (first, second));
}
