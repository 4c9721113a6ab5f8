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
