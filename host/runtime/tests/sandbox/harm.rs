//! What takes too much is stopped where its limit is.

use crate::{
    guest::guest,
    lab::{any_address, any_pool, load, make, overhear, reason, runtime, start, started},
};
use ipam_runtime::{AnswerLimits, CallLimits, InstanceLimits, Limits};
use std::time::{Duration, Instant};

const FOREVER: &str = "(loop (br 0)) unreachable";

/// A second memory, and then as much of both as there is: the answer is the
/// length of `p`'s prefix, which is how many pages all calls got.
#[test]
fn memory_is_bounded_in_total() {
    // What the host itself keeps is less than a page.
    let limits = Limits {
        instance: InstanceLimits {
            memory_bytes: 11 << 16,
            handles: 1,
            ..InstanceLimits::default()
        },
        ..Limits::default()
    };
    let grow = "
        (block (loop
            (br_if 1 (i32.eq (memory.grow $other (i32.const 1)) (i32.const -1)))
            (br 0)))
        (block (loop
            (br_if 1 (i32.eq (memory.grow 0 (i32.const 1)) (i32.const -1)))
            (br 0)))
        (i32.store8 0 (i32.const 3102) (i32.add (memory.size 0) (memory.size $other)))
        (i32.const 3072)";
    // A pool of 10.0.0.0/10 is one: ten pages it is, and no more.
    let component = guest("", &[("request-pool", grow), ("", "(memory $other 2)")]);
    let pool = started(&component, limits).request_pool(&any_pool()).unwrap().pool;
    assert_eq!(pool.to_string(), "10.0.0.0/10");
}

#[test]
fn memory_that_a_component_begins_with_counts() {
    let component = guest("", &[("", "(memory 6) (memory 6)")]);
    let limits = Limits {
        instance: InstanceLimits {
            memory_bytes: 13 << 16,
            handles: 1,
            ..InstanceLimits::default()
        },
        ..Limits::default()
    };
    let reason = reason(start(&component, limits));
    assert!(reason.contains("memory minimum size"), "{reason}");
}

#[test]
fn tables_are_bounded_in_total() {
    let limits = Limits {
        instance: InstanceLimits { table_elements: 8, ..InstanceLimits::default() },
        ..Limits::default()
    };
    let grow = "
        (drop (table.grow $one (ref.null func) (i32.const 3)))
        (drop (table.grow $two (ref.null func) (i32.const 4)))
        (i32.store8 (i32.const 3102) (i32.add (table.size $one) (table.size $two)))
        (i32.const 3072)";
    let tables = "(table $one 5 funcref) (table $two 0 funcref)";
    let component = guest("", &[("request-pool", grow), ("", tables)]);
    let pool = started(&component, limits).request_pool(&any_pool()).unwrap().pool;
    assert_eq!(pool.to_string(), "10.0.0.0/8");
}

#[test]
fn parts_are_bounded() {
    let component = guest("", &[]);
    let limits = Limits {
        instance: InstanceLimits { instances_max: 0, ..InstanceLimits::default() },
        ..Limits::default()
    };
    let refused = runtime().load("guest", &component, limits).unwrap_err().to_string();
    assert_eq!(refused, "it has 1 core instances; limits.instance.instances-max allows 0");
}

#[test]
fn recursion_ends() {
    let component = guest(
        "",
        &[("request-pool", "(call $deeper)"), ("", "(func $deeper (result i32) (call $deeper))")],
    );
    let mut driver = started(&component, Limits::default());
    let reason = reason(driver.request_pool(&any_pool()));
    assert!(reason.contains("call stack exhausted"), "{reason}");
}

#[test]
fn a_call_and_a_start_end_at_their_own_deadlines() {
    let quick = Duration::from_millis(50);
    let slow = Duration::from_secs(20);
    let limits = |start_time, call_time| Limits {
        instance: InstanceLimits { start_time, ..InstanceLimits::default() },
        call: CallLimits { time: call_time, ..CallLimits::default() },
        ..Limits::default()
    };
    let began = Instant::now();
    let in_start = guest("", &[("start", FOREVER)]);
    let told = reason(start(&in_start, limits(quick, slow)));
    assert!(told.starts_with("took more than 50ms; in start(); "), "{told}");
    let in_call = guest("", &[("request-address", FOREVER)]);
    let mut driver = started(&in_call, limits(slow, quick));
    driver.request_pool(&any_pool()).unwrap();
    let told = reason(driver.request_address(&any_address()));
    assert!(told.starts_with("took more than 50ms; in request-address("), "{told}");
    assert!(began.elapsed() < slow, "one had the time of the other");
}

/// Each call has the whole time, those of replay too.
#[test]
fn many_calls_may_take_longer_than_one() {
    let a_while = "
        (local $left i32) (local.set $left (i32.const 20000000))
        (loop (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if 0 (local.get $left)))
        (i32.const 1024)";
    let component = guest("", &[("request-address", a_while)]);
    let began = Instant::now();
    started(&component, Limits::default()).request_address(&any_address()).unwrap();
    let once = began.elapsed();
    let limits = Limits {
        call: CallLimits { time: once * 8, ..CallLimits::default() },
        ..Limits::default()
    };
    let mut driver = started(&component, limits);
    for _ in 0..12 {
        driver.request_address(&any_address()).unwrap();
    }
}

#[test]
fn handles_are_bounded() {
    let import = r#"(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration"
        (func $subscribe (param i64) (result i32)))"#;
    let hoard = "(loop (drop (call $subscribe (i64.const 1))) (br 0)) unreachable";
    let component = guest(import, &[("request-pool", hoard)]);
    let limits = Limits {
        instance: InstanceLimits { handles: 100, ..InstanceLimits::default() },
        ..Limits::default()
    };
    let reason = reason(started(&component, limits).request_pool(&any_pool()));
    assert!(reason.contains("resource table has no free keys"), "{reason}");
}

/// A string that is said to have 60 KiB is not copied where 4 KiB are allowed.
#[test]
fn strings_and_lists_are_judged_before_they_are_copied() {
    let limits = Limits {
        call: CallLimits { hostcall_fuel: 4 << 10, ..CallLimits::default() },
        ..Limits::default()
    };
    let id = "(i32.store (i32.const 3080) (i32.const 60000)) (i32.const 3072)";
    let list = "(i32.store (i32.const 3108) (i32.const 1000)) (i32.const 3072)";
    for long in [id, list] {
        let component = guest("", &[("request-pool", long)]);
        let told = reason(started(&component, limits.clone()).request_pool(&any_pool()));
        assert!(told.contains("too much data is being copied"), "{told}");
    }
    let component = guest("", &[("request-pool", id)]);
    let told = reason(started(&component, Limits::default()).request_pool(&any_pool()));
    assert!(told.contains("answered a pool id"), "{told}");
}

#[test]
fn a_long_name_goes_no_further() {
    let import = r#"(import "ipam:driver/callback@0.1.0" "register-ipam-driver"
        (func $register (param i32 i32 i32)))"#;
    // What `register` said is what `start` says.
    let name = |bytes: usize| {
        format!(
            "(call $register (i32.const 2304) (i32.const {bytes}) (i32.const 4096))
             (i32.const 4096)"
        )
    };
    let limits = Limits::default();
    assert!(start(&guest(import, &[("start", &name(64))]), limits.clone()).is_ok());
    let Err(ipam_api::Failure::Refused(refusal)) =
        start(&guest(import, &[("start", &name(65))]), limits)
    else {
        panic!("65 bytes")
    };
    assert_eq!(refusal.to_string(), "a name has at most 64 bytes");
}

#[test]
fn an_operator_is_told_all_of_a_failure() {
    let component = guest(
        "",
        &[("request-address", "(call $boom)"), ("", "(func $boom (result i32) unreachable)")],
    );
    let mut driver = started(&component, Limits::default());
    let reason = reason(driver.request_address(&any_address()));
    let in_order = [
        "wasm trap: wasm `unreachable` instruction executed; ",
        "in request-address(\"p\", any); ",
        "!boom (",
        "allowed: ",
        "call.time = 5s",
    ];
    let mut rest = &*reason;
    for part in in_order {
        let Some((_, behind)) = rest.split_once(part) else { panic!("{part} is not in {rest}") };
        rest = behind;
    }
    // The first failure is what is told from here on.
    assert_eq!(self::reason(driver.request_pool(&any_pool())), reason);
    let short = Limits {
        answer: AnswerLimits { report_bytes: 10, ..AnswerLimits::default() },
        ..Limits::default()
    };
    let told = self::reason(started(&component, short).request_address(&any_address()));
    assert!(!told.contains("unreachable"), "{told}");
}

/// What is written on standard output and what is logged, from one budget;
/// each instance is no new one.
#[test]
fn what_a_component_says_is_bounded() {
    let imports = r#"
        (import "ipam:driver/log@0.1.0" "log" (func $log (param i32 i32 i32)))
        (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
            (func $write (param i32 i32 i32 i32)))"#;
    // 8 lines of 5,000 bytes through `log`, and 8 times 5,000 bytes of a line.
    let flood = "
        (local $left i32) (local $stdout i32)
        (local.set $stdout (call $stdout)) (local.set $left (i32.const 8))
        (loop
            (call $log (i32.const 2) (i32.const 8192) (i32.const 5000))
            (call $write (local.get $stdout) (i32.const 8192) (i32.const 4000) (i32.const 4096))
            (call $write (local.get $stdout) (i32.const 8192) (i32.const 1000) (i32.const 4096))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if 0 (local.get $left)))
        (i32.const 1024)";
    let ink = r#"(func $ink (memory.fill (i32.const 8192) (i32.const 120) (i32.const 5000)))
        (start $ink)"#;
    let component = guest(imports, &[("request-address", flood), ("", ink)]);
    let limits = Limits {
        answer: AnswerLimits { log_lines: 20, log_line_bytes: 2_000, ..AnswerLimits::default() },
        ..Limits::default()
    };
    let loaded = load(&component, limits);
    let said = overhear(|| {
        for _ in 0..2 {
            make(&loaded).unwrap().request_address(&any_address()).unwrap();
        }
    });
    let lines = |x: &str| said.lines().filter(|line| line.contains(x)).count();
    assert_eq!(lines("xxx"), 20, "{said}");
    assert_eq!(lines("lines are dropped"), 1, "{said}");
    let longest = said.lines().map(|line| line.matches('x').count()).max();
    assert_eq!(longest, Some(2_000));
}
