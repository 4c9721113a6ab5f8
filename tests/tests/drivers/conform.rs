//! The suite finds nothing: `wipam test`, as whoever wrote such a driver runs it.

use ipam_tests::{daemon::binary, programs};
use std::process::Command;

#[track_caller]
fn conforms(driver: &str, arguments: &[&str]) {
    let mut command = Command::new(binary());
    command.arg("test").arg(programs::driver(driver)).args(arguments);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{driver}: {said}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn sticky_keeps_every_promise() {
    conforms("sticky", &["--store", "--operations", "20000"]);
}

#[test]
fn cooldown_keeps_every_promise_and_what_rests_comes_back() {
    conforms("cooldown", &["--store", "--operations", "20000"]);
}
