//! Artifacts that are put somewhere.

use super::{
    signatures::{bundle_file, referred},
    *,
};

#[test]
fn a_copy_in_a_directory_is_the_same_with_its_signatures() {
    let server = server(referred(|files| vec![bundle_file(files, &manifest(), b"bundle")]));
    let mut from = place(&client(&server), &server);
    let artifact = Artifact::resolve(&mut from, Which::Tag("1")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut to = Target::Layout(Layout::create(directory.path()).unwrap());
    let copied = copy(&artifact, &mut from, &mut to, Some("1"), 1 << 20, &mut |_| ()).unwrap();
    assert_eq!((copied.signatures, copied.notes), (1, Vec::new()));
    let layout = Layout::open(directory.path()).unwrap();
    assert_eq!(layout.only().unwrap(), artifact.digest());
    let mut there = Target::Layout(layout);
    assert_eq!(Artifact::resolve(&mut there, Which::Tag("1")).unwrap(), artifact);
    let found = artifact.signatures(&mut there).unwrap();
    assert_eq!(found.evidence, [Evidence::Bundle(b"bundle".to_vec())]);
    assert_eq!(artifact.component(&mut there, 1 << 20, &mut |_| ()).unwrap(), COMPONENT);
    let error = Layout::create(directory.path()).unwrap_err().to_string();
    assert_eq!(error, "it has an index.json already; name another directory");
    assert!(Layout::open(&directory.path().join("blobs")).is_err());
}

/// A registry that keeps what it gets, as far as a push needs it.
fn keeping() -> Server {
    let kept: Mutex<Files> = Mutex::default();
    Server::new(move |asked| {
        let mut kept = kept.lock().unwrap();
        let path = asked.path.strip_prefix("/v2/acme/lab/").unwrap_or_default();
        match &*asked.method {
            "POST" => answer(202, "").with("Location", "/v2/acme/lab/upload?state=x"),
            "PUT" if path.starts_with("upload?state=x&digest=") => {
                let digest = path.rsplit('=').next().unwrap();
                kept.insert(format!("blobs/{digest}"), asked.body.clone());
                answer(201, "")
            }
            "PUT" => {
                kept.insert(path.to_owned(), asked.body.clone());
                kept.insert(format!("manifests/{}", sha256(&asked.body)), asked.body.clone());
                answer(201, "")
            }
            _ => serve(&kept, asked),
        }
    })
}

#[test]
fn what_is_pushed_and_copied_is_fetched_again() {
    let (one, two) = (keeping(), keeping());
    let artifact =
        push(&mut place(&client(&one), &one), "1", COMPONENT, &Interfaces::default()).unwrap();
    assert_eq!(pull(&one).unwrap(), COMPONENT);
    // Blobs that are there are not sent again.
    let sent = one.asked().len();
    push(&mut place(&client(&one), &one), "2", COMPONENT, &Interfaces::default()).unwrap();
    let asked = one.asked();
    assert!(asked[sent..].iter().all(|asked| asked.method != "POST"));

    let directory = tempfile::tempdir().unwrap();
    let mut layout = Target::Layout(Layout::create(directory.path()).unwrap());
    let mut from = place(&client(&one), &one);
    copy(&artifact, &mut from, &mut layout, Some("1"), 1 << 20, &mut |_| ()).unwrap();
    let bundle = bundle_manifest(artifact.manifest(), b"bundle");
    layout.put_blob(sha256(b"bundle"), b"bundle").unwrap();
    layout.put_blob(sha256(b"{}"), b"{}").unwrap();
    let digest = sha256(&bundle);
    let which = Which::Digest(digest);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    layout.put_manifest(&which, kind, digest, &bundle).unwrap();

    let mut to = place(&client(&two), &two);
    for _ in 0..2 {
        let copied = copy(&artifact, &mut layout, &mut to, Some("1"), 1 << 20, &mut |_| ());
        assert_eq!(copied.unwrap().signatures, 1);
    }
    let there = Artifact::resolve(&mut to, Which::Tag("1")).unwrap();
    let found = there.signatures(&mut to).unwrap();
    assert_eq!(found.evidence, [Evidence::Bundle(b"bundle".to_vec())]);
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

/// What strangers attached holds nothing up; what the target refuses does, and
/// then the artifact is not there without its signatures.
#[test]
fn signatures_come_before_the_artifact_and_strangers_hold_nothing_up() {
    let attached = referred(|files| {
        let mut large: Value =
            serde_json::from_slice(&bundle_manifest(&manifest(), b"large")).unwrap();
        large["layers"][0]["size"] = json!((4 << 20) + 1);
        let large = manifest_file(files, large.to_string().as_bytes());
        let gone = bundle_file(files, &manifest(), b"gone");
        files.remove(&format!("blobs/{}", sha256(b"gone")));
        vec![large, gone, bundle_file(files, &manifest(), b"bundle")]
    });
    let (from, to) = (server(attached), keeping());
    let mut source = place(&client(&from), &from);
    let artifact = Artifact::resolve(&mut source, Which::Tag("1")).unwrap();
    let mut target = place(&client(&to), &to);
    let copied = copy(&artifact, &mut source, &mut target, Some("1"), 1 << 20, &mut |_| ());
    let copied = copied.unwrap();
    assert_eq!((copied.signatures, copied.notes.len()), (1, 2), "{:?}", copied.notes);
    let last = to.asked().into_iter().rfind(|asked| asked.method == "PUT").unwrap();
    assert!(last.path.ends_with("manifests/1"), "{}", last.path);

    let full = Server::new(|asked| match &*asked.method {
        "HEAD" => answer(200, ""),
        _ => answer(400, ""),
    });
    let mut target = place(&client(&full), &full);
    let refused = copy(&artifact, &mut source, &mut target, Some("1"), 1 << 20, &mut |_| ());
    assert!(refused.unwrap_err().to_string().contains("answered 400"));
    assert!(full.asked().iter().all(|asked| !asked.path.ends_with("manifests/1")));
}

#[test]
fn a_directory_may_give_one_driver_several_tags_and_has_so_many_manifests() {
    let directory = tempfile::tempdir().unwrap();
    let mut place = Target::Layout(Layout::create(directory.path()).unwrap());
    let artifact = push(&mut place, "1", COMPONENT, &Interfaces::default()).unwrap();
    push(&mut place, "latest", COMPONENT, &Interfaces::default()).unwrap();
    let layout = Layout::open(directory.path()).unwrap();
    assert_eq!(layout.only().unwrap(), artifact.digest());
    push(&mut place, "2", b"\0asm\x0d\0\x01\0\0\0", &Interfaces::default()).unwrap();
    let error = Layout::open(directory.path()).unwrap().only().unwrap_err().to_string();
    assert!(error.contains("has 2 drivers"), "{error}");
    let many: Vec<_> = (0..=256).map(|at: u32| descriptor("x", &at.to_be_bytes())).collect();
    fs::write(directory.path().join("index.json"), index_of(&many)).unwrap();
    let layout = Layout::open(directory.path()).unwrap();
    let error = layout.only().unwrap_err().to_string();
    assert!(error.contains("more than 256 manifests"), "{error}");
}
