//! The built-in drivers conform.

use crate::ran::wipam_test;

#[test]
fn default_keeps_every_promise() {
    let ran = wipam_test(&["builtin:default", "--config", r#"{"site-id": "a site"}"#]);
    assert_eq!((ran.code, ran.broken()), (0, vec![]), "{}", ran.said);
    // It grants pools, so one promise is about what it does not do.
    assert_eq!(ran.count("not-applicable"), 1, "{:?}", ran.lines);
    assert!(ran.count("pass") > 60, "{:?}", ran.lines);
    assert_eq!(ran.outcome("instances/replay"), "pass");
}

#[test]
fn null_keeps_what_it_promises_and_the_rest_is_not_applicable() {
    let ran = wipam_test(&["builtin:null"]);
    assert_eq!((ran.code, ran.broken()), (0, vec![]), "{}", ran.said);
    assert_eq!(ran.outcome("addresses/no-pool"), "pass");
    assert_eq!(ran.outcome("addresses/any-ipv4"), "not-applicable");
    assert_eq!(ran.outcome("instances/replay"), "not-applicable");
}

#[test]
fn what_cannot_be_tested_is_said_in_one_line() {
    for (arguments, words) in [
        (&["no such file"][..], "cannot read it"),
        (&["builtin:remote"], "it imports what was not granted: ipam:driver/plugins@0.1.0"),
        (&["builtin:default", "--config", "[]"], "it is not a JSON object"),
        (&["--docker-socket", "/no/such/socket"], "No such file"),
        (&["builtin:default", "--name", "other"], "it does not conform"),
    ] {
        let ran = wipam_test(arguments);
        let code = if words.starts_with("it does not") { 1 } else { 2 };
        assert_eq!(ran.code, code, "{arguments:?}: {}", ran.said);
        assert!(ran.said.contains(words) && ran.said.lines().count() == 1, "{}", ran.said);
    }
}

/// Not after the suite has run for minutes.
#[test]
fn a_report_that_cannot_be_written_is_known_before_anything_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("missing/report.xml");
    let ran = wipam_test(&["builtin:null", "--junit", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.lines.len()), (2, 0), "{}", ran.said);
    assert!(ran.said.contains("--junit"), "{}", ran.said);
}
