//! Whether what is said of the host's memory is what it takes: a process is
//! asked before and after a hundred instances. It is this very program, so
//! that nobody else's tests are counted.

use crate::{
    guest::guest,
    lab::{load, make},
};
use ipam_runtime::{InstanceLimits, Limits};
use std::{
    env, fs,
    process::{Command, Stdio},
};

const INSTANCES: usize = 100;
/// One instance has so many of each.
const MANY: usize = 5_000;

/// What this process has in memory, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// In a process of its own; what is appended looks like another test's name.
#[test]
fn the_instances() {
    let Some(which) = env::args().skip_while(|word| word != "as-process").nth(1) else { return };
    let component = match which.as_str() {
        "small" => guest("", &[]),
        "globals" => guest("", &[("", &"(global (mut i64) (i64.const 1))".repeat(MANY))]),
        "functions" => {
            let functions: String = (0..MANY).map(|it| format!("(func $f{it})")).collect();
            let all: String = (0..MANY).map(|it| format!(" $f{it}")).collect();
            guest("", &[("", &format!("{functions} (table {MANY} funcref) (elem func {all})"))])
        }
        other => panic!("{other}"),
    };
    let limits = Limits {
        instance: InstanceLimits {
            memory_bytes: 1 << 30,
            table_elements: 1 << 20,
            ..InstanceLimits::default()
        },
        ..Limits::default()
    };
    let loaded = load(&component, limits);
    drop(make(&loaded).unwrap());
    let before = resident();
    let instances: Vec<_> = (0..INSTANCES).map(|_| make(&loaded).unwrap()).collect();
    let took = (resident() - before) / INSTANCES;
    let said = usize::try_from(instances[0].memory_bytes().unwrap()).unwrap();
    println!("{which} {took} {said}");
}

/// What an instance takes, and what it is said to take without its handles.
fn measure(which: &str) -> (usize, usize) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["memory::the_instances", "--exact", "--nocapture", "as-process", which])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once(&format!("{which} ")));
    let (took, said) = line.unwrap_or_else(|| panic!("{text}")).1.split_once(' ').unwrap();
    let handles = Limits::default().instance.handles * Limits::HANDLE_BYTES;
    (took.parse().unwrap(), said.parse::<usize>().unwrap() - handles)
}

/// The engine's figure is above what a process takes, and not by much: the
/// page of linear memory that a guest begins with is hardly touched.
#[test]
fn what_the_host_keeps_is_not_more_than_is_said() {
    for which in ["small", "globals", "functions"] {
        let (took, said) = measure(which);
        println!("{which}: an instance takes {took} bytes, and is said to take {said}");
        assert!(took <= said, "{which}: {took} bytes, and {said} were said");
    }
}
