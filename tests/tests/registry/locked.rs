//! What `wipam.lock` has is what a restart can load.

use super::*;

#[test]
fn a_version_that_one_of_two_drivers_refuses_is_not_locked() {
    let setup = Setup::new();
    setup.files.tag("one");
    let one = sha256(&component("one"));
    let table = format!(
        "digest = \"{one}\"\n[[driver]]\nfile = \"{}\"\nname = \"free\"\n",
        setup.reference()
    );
    setup.configure("acme/", &table);
    let daemon = setup.start();
    setup.files.tag("two");
    let said = daemon.hangup("configuration reloaded");
    assert!(said.contains("but the configuration pins"), "{said}");
    let of_free = |daemon: &Daemon| {
        let drivers = wipam(daemon, &["drivers"]).done();
        let free = drivers.iter().find(|driver| driver["name"] == "free").unwrap();
        free["digest"].as_str().unwrap().to_owned()
    };
    wait(|| of_free(&daemon) == sha256(&component("two")));
    assert_eq!(serving(&daemon), one);
    assert!(!setup.lock().contains(&sha256(&fixture("two.json"))), "{}", setup.lock());
    assert!(daemon.terminate().unwrap().success());
    assert_eq!(serving(&setup.start()), one);
}
