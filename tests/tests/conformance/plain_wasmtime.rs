//! `wipam compose` under the real command line of wasmtime, without our host:
//! the suite composed with a driver, and single calls.
//!
//! wasmtime is installed from crates.io into `target/tools` when it is not
//! there: six minutes of processor time, once.

use ipam_tests::{daemon, programs};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The version of the crates that the host is built with.
const VERSION: &str = "48.0.8";
/// What `run` and `--invoke` need, and nothing else.
const FEATURES: &str = "run,component-model,cranelift,parallel-compilation,cache";

fn wasmtime() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let me = env::current_exe().unwrap();
        let target = me.ancestors().find(|up| up.join("CACHEDIR.TAG").exists()).unwrap();
        let tools = target.join("tools");
        let program = tools.join("bin/wasmtime");
        let version = Command::new(&program).arg("--version").output();
        let is_there =
            version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(VERSION));
        if !is_there {
            println!("installing wasmtime {VERSION}");
            let installed = Command::new("nice")
                .arg(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
                .args(["install", "wasmtime-cli", "--version", VERSION, "--locked", "--quiet"])
                .args(["--force", "--no-default-features", "--features", FEATURES, "--root"])
                .arg(&tools)
                .env("CARGO_TARGET_DIR", tools.join("build"))
                .env_remove("RUSTFLAGS")
                .status();
            assert!(installed.unwrap().success(), "wasmtime is not installed");
            // What it was built of is a gigabyte.
            fs::remove_dir_all(tools.join("build/release")).unwrap();
        }
        program
    })
}

fn compose(driver: &str, arguments: &[&str], to: &Path) -> Output {
    let mut command = Command::new(daemon::binary());
    command.args(["compose", driver, "-o"]).arg(to).args(arguments).output().unwrap()
}

fn run(arguments: &[&str], composed: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(wasmtime());
    let output = command.arg("run").args(arguments).arg(composed).args(more).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_driver_that_conforms_exits_with_0() {
    let directory = tempfile::tempdir().unwrap();
    let composed = directory.path().join("test.wasm");
    let output = compose("builtin:default", &[], &composed);
    assert!(output.status.success(), "{output:?}");
    let (code, said, errors) = run(&[], &composed, &[]);
    assert_eq!(code, Some(0), "{said}{errors}");
    assert!(said.contains("addresses/in-use: an address that is leased is refused: pass\n"));
    assert!(said.ends_with("random: 1 of 1\nit conforms\n"), "{said}");
    assert_eq!(errors, "stub: the driver registers as default, and requires replay\n");
}

#[test]
fn a_driver_that_does_not_exits_with_1() {
    let directory = tempfile::tempdir().unwrap();
    let composed = directory.path().join("test.wasm");
    let driver = programs::file("defects");
    assert!(compose(driver.to_str().unwrap(), &[], &composed).status.success());
    let config = r#"{"defect": "overlooks-leases"}"#;
    let (code, said, _) = run(&[], &composed, &["--config", config, "--operations", "1000"]);
    assert_eq!(code, Some(1), "{said}");
    let title = "addresses/in-use: an address that is leased is refused: FAIL: ";
    assert!(said.contains(title), "{said}");
    assert!(said.ends_with("it does not conform\n"), "{said}");
}

#[test]
fn a_driver_that_traps_exits_with_134_at_its_last_line() {
    let directory = tempfile::tempdir().unwrap();
    let composed = directory.path().join("test.wasm");
    let driver = programs::file("defects");
    assert!(compose(driver.to_str().unwrap(), &[], &composed).status.success());
    let (code, said, errors) = run(&[], &composed, &["--config", r#"{"defect": "dies-of-a-127"}"#]);
    assert_eq!(code, Some(134), "{said}");
    assert!(said.ends_with("addresses/ipv6-127: a /127 leases at most two addresses: "), "{said}");
    // The stub says the panic, and nothing of it moves a terminal's cursor.
    let words = "stub: error: panicked at ";
    assert!(errors.lines().any(|line| line.starts_with(words)), "{errors}");
    assert!(errors.contains("\\u{1b}[2Jno such thing"), "{errors}");
}

#[test]
fn a_store_is_in_memory_and_nothing_stands_in_for_plugins() {
    let directory = tempfile::tempdir().unwrap();
    let composed = directory.path().join("test.wasm");
    let driver = programs::file("counts");
    assert!(compose(driver.to_str().unwrap(), &[], &composed).status.success());
    let (code, said, errors) = run(&[], &composed, &["--operations", "1000"]);
    assert_eq!(code, Some(0), "{said}{errors}");

    let output = compose("no such file", &[], &composed);
    assert_eq!(output.status.code(), Some(2));
    let plugins = directory.path().join("plugins.wasm");
    fs::write(&plugins, wat::parse_str(PLUGINS).unwrap()).unwrap();
    let output = compose(plugins.to_str().unwrap(), &[], &composed);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no stub provides ipam:driver/plugins@0.1.0"), "{said}");
}

/// As little of a driver as is looked at before it is refused.
const PLUGINS: &str = r#"(component
    (import "ipam:driver/plugins@0.1.0" (instance))
    (instance $nothing)
    (export "ipam:driver/lifecycle@0.1.0" (instance $nothing))
    (export "ipam:driver/ipam@0.1.0" (instance $nothing)))"#;

#[test]
fn single_calls_work_on_a_driver_with_the_stub() {
    let directory = tempfile::tempdir().unwrap();
    let composed = directory.path().join("call.wasm");
    assert!(compose("builtin:default", &["--stub-only"], &composed).status.success());
    for (call, answer) in [
        ("get-default-address-spaces()", r#"ok({local: "LocalDefault", global: "GlobalDefault"})"#),
        (
            r#"request-pool({address-space: "LocalDefault", pool: exact({address: ipv4((192,0,2,0)), length: 24}), options: [], exclude: []})"#,
            r#"ok({pool-id: "LocalDefault/192.0.2.0/24", pool: {address: ipv4((192, 0, 2, 0)), length: 24}, data: []})"#,
        ),
        (r#"start({name: none, config: "{}"})"#, "ok"),
    ] {
        let (code, said, errors) = run(&["--invoke", call], &composed, &[]);
        assert_eq!((code, said.trim_end()), (Some(0), answer), "{call}: {errors}");
    }
}
