//! Hostile programs do not conform: each breaks a promise.

use crate::ran::wipam_test;
use ipam_tests::programs;

/// A promise that each breaks.
#[rustfmt::skip]
const BROKEN: &[(&str, &str)] = &[
    ("built_in", "instances/built-in"),
    ("built_in_name", "start/registers"),
    ("byzantine", "pools/taken"),
    ("copies", "spaces/stable"),
    ("elements", "spaces/stable"),
    ("family", "pools/automatic-ipv4"),
    ("forgets", "addresses/explicit-ipv4"),
    ("hides", "start/registers"),
    ("keeps", "pools/exact-ipv4"),
    ("late", "limits/registration"),
    ("logs", "limits/log"),
    ("loops", "addresses/any-ipv4"),
    ("loops_in_start", "start/registers"),
    ("memory", "addresses/any-ipv4"),
    ("nameless", "start/registers"),
    ("names", "start/registers"),
    ("obscures", "instances/built-in"),
    ("panics", "addresses/any-ipv4"),
    ("path", "start/registers"),
    ("prefix", "pools/exact-ipv4"),
    ("prints", "limits/log"),
    ("recurses", "addresses/any-ipv4"),
    ("reenters", "addresses/any-ipv4"),
    ("renames", "instances/registers"),
    ("sleeps", "addresses/any-ipv4"),
    ("slow", "replay/respected"),
    ("socket", "addresses/any-ipv4"),
    ("stores_and_lies", "addresses/any-ipv4"),
    ("string", "spaces/stable"),
    ("tables", "pools/exact-ipv4"),
    ("tenants", "addresses/any-ipv4"),
    ("third", "addresses/any-ipv4"),
    ("unfolds", "pools/exact-ipv4"),
    ("unfolds_in_start", "start/registers"),
];

/// Not hostile: it keeps books in a store.
const HONEST: &str = "counts";
/// Has a test of its own.
const DEFECTS: &str = "defects";
/// Keep every promise: a name that is the operator's alone is no matter of the
/// suite, a gateway is named only when an option says so, and records are lied
/// about only when a table says so.
const CONFORM: [&str; 3] = ["docker_name", "gateways", "records"];

#[test]
fn every_hostile_program_breaks_a_promise() {
    let mut wrong = Vec::new();
    for program in programs::all() {
        if [HONEST, DEFECTS].contains(&&*program) {
            continue;
        }
        let file = programs::file(&program);
        let arguments =
            [file.to_str().unwrap(), "--operations", "1000", "--call-ms", "300", "--store"];
        let ran = wipam_test(&arguments);
        let broken = ran.broken();
        let listed = BROKEN.iter().find(|(name, _)| *name == program);
        let is_right = match listed {
            None if CONFORM.contains(&&*program) => ran.code == 0,
            Some((_, promise)) => ran.code == 1 && broken.iter().any(|it| it == promise),
            // It wants more than is granted here, and does not load.
            None => ran.code == 2 && ran.said.contains("imports what was not granted"),
        };
        println!(
            "{program:18} exit code {} {:?}",
            ran.code,
            broken.iter().take(3).collect::<Vec<_>>()
        );
        if !is_right {
            wrong.push(format!("{program}: {} {broken:?} {}", ran.code, ran.said));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_driver_with_a_store_conforms_where_it_is_granted() {
    let file = programs::file(HONEST);
    let file = file.to_str().unwrap();
    let ran = wipam_test(&[file, "--operations", "5000", "--store"]);
    assert_eq!((ran.code, ran.broken()), (0, vec![]), "{}", ran.said);
    let ran = wipam_test(&[file]);
    assert_eq!(ran.code, 2, "{}", ran.said);
    assert!(ran.said.contains("imports what was not granted: ipam:driver/store@0.1.0"));
}
