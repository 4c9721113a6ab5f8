//! Plugins of Docker's, by the same suite: one in Go that keeps the contract,
//! and one that was written to be fast and nothing else.

use crate::ran::wipam_test;
use ipam_tests::engine;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
};

/// A plugin, ended with this.
struct Plugin {
    child: Child,
    socket: PathBuf,
}

impl Drop for Plugin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds a plugin and starts it, with Debian's Go; nothing without root where
/// there is none.
fn start(source: &str, directory: &Path) -> Option<Plugin> {
    if let Err(error) = engine::install(&["go"], &["golang-go"]) {
        assert!(!engine::is_root(), "{error}");
        println!("skipped: there is no go, and installing it needs root");
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let program = directory.join("plugin");
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([&program, &source])
        .env("GOCACHE", directory.join("cache"))
        .env("GO111MODULE", "off")
        .status();
    assert!(built.unwrap().success(), "{} is not built", source.display());
    let socket = directory.join("lab.sock");
    let child = Command::new(&program).arg(&socket).spawn().unwrap();
    let plugin = Plugin { child, socket };
    ipam_tests::daemon::wait(|| plugin.socket.exists());
    Some(plugin)
}

#[test]
fn a_plugin_that_keeps_the_contract_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let Some(plugin) = start("conformance/plugin.go", directory.path()) else { return };
    let socket = plugin.socket.to_str().unwrap();
    let ran = wipam_test(&["--docker-socket", socket, "--operations", "5000"]);
    assert_eq!((ran.code, ran.broken()), (0, vec![]), "{}", ran.said);
    // Docker's protocol has no names for refusals, and there is one instance.
    for not_there in ["errors/pool-overlap", "instances/replay", "limits/log"] {
        assert_eq!(ran.outcome(not_there), "not-applicable");
    }
    assert!(ran.count("pass") > 45, "{:?}", ran.lines);
}

/// What Wipam serves is a plugin like any other.
#[test]
fn what_wipam_serves_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = ipam_tests::daemon::Daemon::start(directory.path(), &[]);
    let socket = daemon.socket("wipam");
    let ran = wipam_test(&["--docker-socket", socket.to_str().unwrap(), "--operations", "2000"]);
    assert_eq!((ran.code, ran.broken()), (0, vec![]), "{}", ran.said);
    assert_eq!(ran.outcome("replay/pool"), "not-applicable");
    assert!(ran.count("pass") > 40, "{:?}", ran.lines);
}

/// The same plugin behind `remote`, as a driver like any other.
#[test]
fn a_plugin_that_keeps_the_contract_conforms_behind_remote() {
    let directory = tempfile::tempdir().unwrap();
    let Some(plugin) = start("conformance/plugin.go", directory.path()) else { return };
    let sockets = plugin.socket.parent().unwrap().to_str().unwrap();
    let arguments = ["--plugin", "lab", "--plugin-sockets", sockets, "--operations", "5000"];
    let ran = wipam_test(&[&["builtin:remote"], &arguments[..]].concat());
    assert_eq!((ran.code, ran.broken()), (0, vec![]), "{}", ran.said);
    assert!(ran.count("pass") > 45, "{:?}", ran.lines);
}

#[test]
fn a_plugin_that_implements_half_of_it_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let Some(plugin) = start("load/plugin.go", directory.path()) else { return };
    let report = directory.path().join("report.xml");
    let arguments = ["--docker-socket", plugin.socket.to_str().unwrap()];
    let junit = ["--operations", "100", "--junit", report.to_str().unwrap()];
    let ran = wipam_test(
        &[arguments, ["--seed", "7"], [junit[0], junit[1]], [junit[2], junit[3]]].concat(),
    );
    assert_eq!(ran.code, 1, "{}", ran.said);
    assert!(ran.broken().contains(&"spaces/named".to_owned()), "{:?}", ran.broken());
    let report = fs::read_to_string(report).unwrap();
    for part in [
        r#"<testsuite name="lab.spaces" tests="4" failures="4""#,
        r#"<failure message="a driver has address spaces">"#,
        "404 page not found",
    ] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
}
