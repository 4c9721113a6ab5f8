//! A check of signatures that a command was asked for is made, or refused.

use super::*;

fn key() -> String {
    root().join("../host/signature/fixtures/p256.pub").display().to_string()
}

/// A directory in the image layout with what the registry has.
fn layout(setup: &Setup, at: &Path) {
    fs::create_dir_all(at.join("blobs/sha256")).unwrap();
    fs::write(at.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    let mut manifests = Vec::new();
    for (path, bytes) in &*setup.files.0.lock().unwrap() {
        let Some(digest) = path.rsplit_once("sha256:").map(|(_, digest)| digest) else { continue };
        fs::write(at.join("blobs/sha256").join(digest), bytes).unwrap();
        if path.starts_with("manifests/") {
            let digest = format!("sha256:{digest}");
            manifests.push(json!({"mediaType": "x", "digest": digest, "size": bytes.len()}));
        }
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    fs::write(at.join("index.json"), index.to_string()).unwrap();
}

#[test]
fn what_is_copied_from_a_directory_is_checked() {
    let setup = Setup::new();
    let at = |name: &str| setup.path().join(name).display().to_string();
    let (foreign, signed, out, key) = (at("foreign"), at("signed"), at("out"), key());
    setup.files.tag("foreign");
    layout(&setup, Path::new(&foreign));
    let refused = command(&["copy", &foreign, &out, "--key", &key]).unwrap_err();
    assert!(refused.contains("by another key (0417c72704c3)"), "{refused}");
    let [flag, config] = &setup.arguments();
    let refused = command(&["copy", &foreign, &setup.reference(), flag, config]).unwrap_err();
    assert!(refused.contains("by another key (0417c72704c3)"), "{refused}");

    setup.files.clear();
    setup.files.tag("one");
    layout(&setup, Path::new(&signed));
    let refused = command(&["copy", &signed, &out, flag, config]).unwrap_err();
    assert!(refused.contains("it is in a directory, and the policy allows"), "{refused}");
    assert!(!Path::new(&out).exists());
    // It is signed; what is recorded of it has no config.
    let refused = command(&["copy", &signed, &out, "--key", &key]).unwrap_err();
    assert!(refused.contains("the config: No such file"), "{refused}");
}

/// What `serve` refuses is not called signed, however its file is written.
#[test]
fn all_drivers_of_a_file_say_who_must_have_signed_it() {
    let directory = tempfile::tempdir().unwrap();
    let fixtures = root().join("../host/signature/fixtures");
    let at = |name: &str| directory.path().join(name);
    fs::copy(fixtures.join("driver.wasm"), at("x.wasm")).unwrap();
    fs::copy(fixtures.join("blob.sigstore.json"), at("x.wasm.sigstore.json")).unwrap();
    let keys = |table: &str, name: &str| {
        format!("[{table}]\nall-of = [{{ key = '{}' }}]\n", fixtures.join(name).display())
    };
    let driver = |name: &str, key: &str| {
        let own = keys("driver.signatures", key);
        format!("[[driver]]\nfile = 'x.wasm'\nname = '{name}'\n{own}")
    };
    let verify = |drivers: &str, config: &str, file: &str| {
        let all = keys("signatures", "p256.pub");
        fs::write(at("w.toml"), format!("{all}{drivers}")).unwrap();
        let mut program = Command::new(binary());
        ran(program.current_dir(directory.path()), &["verify", file, "--config", config])
    };
    let absolute = at("x.wasm").display().to_string();
    for (config, file) in [
        ("w.toml", "x.wasm"),
        ("./w.toml", "x.wasm"),
        ("w.toml", "./x.wasm"),
        ("w.toml", &*absolute),
    ] {
        assert!(verify("", config, file).is_ok(), "{config} {file}");
        assert!(verify(&driver("x", "p256.pub"), config, file).is_ok(), "{config} {file}");
        for drivers in
            [driver("x", "other.pub"), driver("x", "p256.pub") + &driver("y", "other.pub")]
        {
            let refused = verify(&drivers, config, file).unwrap_err();
            assert!(refused.contains("by another key"), "{config} {file}: {refused}");
        }
    }
}

#[test]
fn a_file_that_is_inspected_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lab.wasm");
    fs::write(&file, component("one")).unwrap();
    let file = file.to_str().unwrap();
    assert!(command(&["inspect", file]).is_ok());
    let refused = command(&["inspect", file, "--key", &key()]).unwrap_err();
    assert!(refused.contains("lab.wasm.sigstore.json: No such file"), "{refused}");
    let refused = command(&["inspect", file, "--key", "none.pub"]).unwrap_err();
    assert!(refused.contains("none.pub: No such file"), "{refused}");
    // A push checks none.
    let refused = command(&["push", file, "oci://127.0.0.1:1/a/lab:1", "--key", &key()]);
    assert!(refused.unwrap_err().contains("leave --key out"));
}
