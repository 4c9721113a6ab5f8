//! What a component can make its host say, and what that costs.

use crate::{
    guest::guest,
    lab::{any_address, any_pool, load, make, reason, runtime, start, started},
};
use ipam_runtime::{CallLimits, InstanceLimits, Limits};
use std::time::{Duration, Instant};

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
    assert!(told.starts_with("start: wasm trap: wasm `unreachable`"), "{told}");
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
    assert!(told.starts_with("start: took more than 50ms: wasm trap: interrupt; at "), "{told}");
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
