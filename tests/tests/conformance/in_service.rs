//! `wipam test` with what a driver has in a configuration file, and what it keeps
//! and shows.

use crate::ran::{wipam_test, wipam_test_in};
use ipam_tests::programs;
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path};

#[test]
fn a_driver_is_tested_with_its_table() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("wipam.toml");
    let [counts, defects, records] = ["counts", "defects", "records"].map(programs::file);
    let text = format!(
        "[[driver]]\nfile = {counts:?}\n\
         [[driver]]\nfile = {counts:?}\nname = 'books'\nstore = {{ max-bytes = 65536, max-keys = 1000 }}\n\
         [[driver]]\nfile = {defects:?}\nname = 'wrong'\nconfig = {{ defect = 'overlooks-leases' }}\n\
         [[driver]]\nfile = {defects:?}\nname = 'small'\nlimits.compile.component = '1KiB'\n"
    );
    fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let test = |driver: &str, more: &[&str]| {
        let arguments = ["--config", &config, "--driver", driver, "--operations", "10"];
        wipam_test(&[&arguments, more].concat())
    };
    let ungranted = test("counts", &[]);
    assert_eq!(ungranted.code, 2, "{ungranted:?}");
    let line = "write store = { max-bytes = 1048576, max-keys = 1000 } into its table";
    assert!(ungranted.said.contains(line), "{}", ungranted.said);
    let books = test("books", &[]);
    assert_eq!((books.code, books.broken()), (0, vec![]), "{books:?}");
    let wrong = test("wrong", &[]);
    assert!(wrong.broken().contains(&"addresses/in-use".to_owned()), "{wrong:?}");
    let small = test("small", &[]);
    assert!(small.code == 2 && small.said.contains("limits.compile.component allows"), "{small:?}");
    // Another version of it, with the same table.
    let other = test("wrong", &[records.to_str().unwrap()]);
    assert_eq!(other.lines.iter().find(|it| it["driver"] != "").unwrap()["driver"], "registry");
    let unknown = test("lab", &[]);
    let all = "it has no driver lab; it has counts, books, wrong, small";
    assert!(unknown.code == 2 && unknown.said.contains(all), "{unknown:?}");
}

/// It gets the secrets and the grants of its table, so it is what the table wants.
#[test]
fn what_the_table_pins_and_who_must_have_signed_it_holds_for_a_test_too() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("wipam.toml");
    let counts = programs::file("counts");
    let key = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/signature/fixtures/p256.pub"),
    )
    .unwrap();
    let pinned = format!("sha256:{}", "ab".repeat(32));
    let store = "store = { max-bytes = 65536, max-keys = 1000 }";
    let text = format!(
        "[signatures]\nall-of = [{{ key = {key:?} }}]\n\
         [[driver]]\nfile = {counts:?}\nname = 'pinned'\ndigest = '{pinned}'\n{store}\n\
         [[driver]]\nfile = {counts:?}\nname = 'signed'\nrequire-signature = true\n{store}\n\
         [[driver]]\nfile = 'oci://ghcr.io/acme/lab.d:1.0'\n"
    );
    fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let test = |driver: &str, more: &[&str]| {
        let arguments = ["--config", &config, "--driver", driver, "--operations", "10"];
        wipam_test(&[&arguments, more].concat())
    };
    for (driver, words) in [
        ("pinned", format!("but the configuration pins {pinned}")),
        ("signed", "counts.wasm.sigstore.json".to_owned()),
        ("lab.d", "fetch it first: wipam driver pull oci://ghcr.io/acme/lab.d:1.0".to_owned()),
    ] {
        let refused = test(driver, &[]);
        assert!(refused.code == 2 && refused.said.contains(&words), "{refused:?}");
    }
    // Whoever names a file says that it is another one.
    let named = test("pinned", &[counts.to_str().unwrap()]);
    assert_eq!((named.code, named.broken()), (0, vec![]), "{named:?}");
}

/// The compiled code of each component that is kept.
fn kept(home: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut directories = vec![home.join("wipam")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else if !name.contains('.') {
                names.insert(name);
            }
        }
    }
    names
}

#[test]
fn compiled_code_is_kept_where_nobody_else_may_write() {
    let home = tempfile::tempdir().unwrap();
    let run = || {
        let ran = wipam_test_in(home.path(), &["builtin:null", "--operations", "10"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        kept(home.path())
    };
    let first = run();
    assert_eq!(first.len(), 2, "the driver and the suite: {first:?}");
    assert_eq!(run(), first);
    let cache = home.path().join("wipam");
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    // What others may have put there is not executed.
    fs::remove_dir_all(&cache).unwrap();
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(run().is_empty());
}

/// Each promise that asks a broken instance again says why it is broken.
#[test]
fn the_first_failure_is_what_is_shown() {
    let file = programs::file("panics");
    let ran = wipam_test(&[file.to_str().unwrap(), "--operations", "10"]);
    let failed: Vec<_> = ran.lines.iter().filter(|line| line["outcome"] == "fail").collect();
    assert!(failed.len() >= 5, "{ran:?}");
    for line in failed {
        let reason = line["reason"].as_str().unwrap();
        assert!(!reason.contains("after a failure"), "{line}");
        assert!(reason.contains("driver failed: panicked at "), "{line}");
        assert!(reason.contains("; in request-address(\""), "{line}");
    }
}
