//! What may be a signature is found, and what is none is passed over.

use super::*;

/// The files with these referrers under the tag of registries without an API.
pub(super) fn referred(referrers: impl FnOnce(&mut Files) -> Vec<Value>) -> Files {
    let mut files = files();
    let list = referrers(&mut files);
    let tag = sha256(&manifest()).to_string().replace(':', "-");
    files.insert(format!("manifests/{tag}"), index_of(&list));
    files
}

pub(super) fn bundle_file(files: &mut Files, about: &[u8], bundle: &[u8]) -> Value {
    files.insert(format!("blobs/{}", sha256(bundle)), bundle.to_vec());
    let mut of = manifest_file(files, &bundle_manifest(about, bundle));
    // As cosign's own list has it.
    of["artifactType"] = "application/vnd.oci.empty.v1+json".into();
    of
}

fn signatures(files: Files) -> crate::Signatures {
    let server = server(files);
    let mut place = place(&client(&server), &server);
    let artifact = Artifact::resolve(&mut place, Which::Tag("1")).unwrap();
    artifact.signatures(&mut place).unwrap()
}

#[test]
fn bundles_are_found_whatever_the_list_calls_them() {
    let by_tag = referred(|files| vec![bundle_file(files, &manifest(), b"bundle")]);
    let mut by_api = by_tag.clone();
    let tag = format!("manifests/{}", sha256(&manifest()).to_string().replace(':', "-"));
    let list = by_api.remove(&tag).unwrap();
    by_api.insert(format!("referrers/{}", sha256(&manifest())), list);
    for files in [by_tag, by_api] {
        let found = signatures(files);
        assert_eq!(found.evidence, [Evidence::Bundle(b"bundle".to_vec())]);
        assert!(found.notes.is_empty(), "{:?}", found.notes);
    }
    assert_eq!(signatures(files()), crate::Signatures::default());
}

/// Nor does one that answers 501, and says so once.
#[test]
fn a_registry_without_the_api_has_a_list_under_a_tag() {
    for status in [404, 405, 501] {
        let files = referred(|files| vec![bundle_file(files, &manifest(), b"bundle")]);
        let server = Server::new(move |asked| {
            if asked.path.contains("/referrers/") {
                return answer(status, "");
            }
            serve(&files, asked)
        });
        let mut place = place(&client(&server), &server);
        let artifact = Artifact::resolve(&mut place, Which::Tag("1")).unwrap();
        let found = artifact.signatures(&mut place).unwrap();
        assert_eq!(found.evidence.len(), 1, "{status}: {:?}", found.notes);
        let asked = server.asked();
        assert_eq!(asked.iter().filter(|it| it.path.contains("/referrers/")).count(), 1);
    }
}

#[test]
fn simple_signing_is_found_under_its_tag() {
    let mut files = files();
    let mut layer = descriptor("application/vnd.dev.cosign.simplesigning.v1+json", b"payload");
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "sig"});
    let unsigned = descriptor("application/vnd.dev.cosign.simplesigning.v1+json", b"payload");
    files.insert(format!("blobs/{}", sha256(b"payload")), b"payload".to_vec());
    let tag = sha256(&manifest()).to_string().replace(':', "-");
    let manifest = manifest_of(&[layer, unsigned]).to_string().into_bytes();
    files.insert(format!("manifests/{tag}.sig"), manifest);
    let payload = b"payload".to_vec();
    let want = [Evidence::SimpleSigning { payload, signature: "sig".to_owned() }];
    assert_eq!(signatures(files).evidence, want);
}

/// Cosign 2 appends to a manifest that others may write to.
#[test]
fn one_bad_layer_spoils_none_of_the_others() {
    let layer = |payload: &[u8]| {
        let mut layer = descriptor("application/vnd.dev.cosign.simplesigning.v1+json", payload);
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": "sig"});
        layer
    };
    let gone = layer(b"gone");
    let good = layer(b"payload");
    for (layers, count, words) in [
        (vec![good.clone(), gone.clone(), good.clone()], 2, "is not there"),
        (vec![good.clone(); REFERRERS_MAX + 1], REFERRERS_MAX, "33 layers; 32 were looked at"),
    ] {
        let mut files = files();
        files.insert(format!("blobs/{}", sha256(b"payload")), b"payload".to_vec());
        let tag = sha256(&manifest()).to_string().replace(':', "-");
        let manifest = manifest_of(&layers).to_string().into_bytes();
        files.insert(format!("manifests/{tag}.sig"), manifest);
        let found = signatures(files);
        assert_eq!(found.evidence.len(), count, "{words}");
        assert!(found.notes.iter().any(|note| note.contains(words)), "{:?}", found.notes);
    }
}

#[test]
fn a_wrong_referrer_is_passed_over_and_named() {
    let another = b"another";
    let (sound, evidence) = (b"bundle", [Evidence::Bundle(b"bundle".to_vec())]);
    for (wrong, words) in [
        (
            Box::new(|files: &mut Files| bundle_file(files, another, b"x"))
                as Box<dyn Fn(&mut Files) -> Value>,
            "is about another manifest",
        ),
        (Box::new(|_: &mut Files| descriptor("x", b"not there")), "is not there"),
        (
            Box::new(|files: &mut Files| {
                let of = bundle_file(files, &manifest(), b"y");
                files.insert(format!("blobs/{}", sha256(b"y")), b"z".to_vec());
                of
            }),
            "has the digest",
        ),
        (
            Box::new(|files: &mut Files| {
                let of = bundle_file(files, &manifest(), b"y");
                let path = format!("manifests/{}", of["digest"].as_str().unwrap());
                files.insert(path, b"{}".to_vec());
                of
            }),
            "has the digest",
        ),
        (
            Box::new(|_: &mut Files| {
                let mut of = descriptor("x", b"x");
                of["digest"] = "sha512:ab".into();
                of
            }),
            "not SHA-256",
        ),
        (
            Box::new(|files: &mut Files| {
                let mut manifest: Value =
                    serde_json::from_slice(&bundle_manifest(&manifest(), b"w")).unwrap();
                manifest["layers"][0]["size"] = json!((4 << 20) + 1);
                manifest_file(files, manifest.to_string().as_bytes())
            }),
            "has more than 4194304 bytes",
        ),
        (
            // Read, it takes many times that.
            Box::new(|files: &mut Files| {
                let mut manifest: Value =
                    serde_json::from_slice(&bundle_manifest(&manifest(), b"v")).unwrap();
                let layer = manifest["layers"][0].clone();
                manifest["layers"] = vec![layer; 2000].into();
                manifest_file(files, manifest.to_string().as_bytes())
            }),
            "has more than 262144 bytes",
        ),
    ] {
        let found = signatures(referred(|files| {
            vec![wrong(files), bundle_file(files, &manifest(), sound)]
        }));
        assert_eq!(found.evidence, evidence, "{words}");
        assert!(found.notes.iter().any(|note| note.contains(words)), "{words}: {:?}", found.notes);
    }
    // A stranger's text is not repeated without end.
    let found = signatures(referred(|files| {
        let text = json!({"schemaVersion": "A".repeat(200_000)}).to_string();
        vec![manifest_file(files, text.as_bytes())]
    }));
    assert!(found.notes[0].contains("AAA") && found.notes[0].len() <= 400, "{:?}", found.notes);
    let mut large = files();
    let text = json!({"schemaVersion": "A".repeat(200_000)}).to_string();
    large.insert(format!("referrers/{}", sha256(&manifest())), text.into());
    let found = signatures(large);
    assert!(found.notes[0].contains("AAA") && found.notes[0].len() <= 400, "{:?}", found.notes);
    // A bill of materials is nobody's fault.
    let found = signatures(referred(|files| {
        let mut manifest = manifest_of(&[descriptor("text/spdx", b"x")]);
        manifest["artifactType"] = "text/spdx".into();
        vec![manifest_file(files, manifest.to_string().as_bytes())]
    }));
    assert_eq!(found, crate::Signatures::default());
}

/// Whoever may write to a repository can fill the list; what it says of itself
/// brings what `cosign sign` wrote to its front.
#[test]
fn so_many_referrers_are_looked_at() {
    let many = |files: &mut Files, count: usize, is_marked: bool| {
        let mut list: Vec<Value> =
            (0..count).map(|at| descriptor("x", at.to_string().as_bytes())).collect();
        let mut sound = bundle_file(files, &manifest(), b"bundle");
        if is_marked {
            sound["annotations"] =
                json!({"dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1"});
        }
        list.push(sound);
        list
    };
    let found = signatures(referred(|files| many(files, REFERRERS_MAX, false)));
    assert!(found.evidence.is_empty());
    let words = "33 manifests refer to it; 32 were looked at";
    assert!(found.notes.iter().any(|note| note == words), "{:?}", found.notes);
    let found = signatures(referred(|files| many(files, REFERRERS_MAX, true)));
    assert_eq!(found.evidence.len(), 1);
    let found = signatures(referred(|files| many(files, 100_000, true)));
    assert!(found.evidence.is_empty());
    assert!(found.notes.iter().any(|note| note.contains("4194304 bytes")), "{:?}", found.notes);
}

/// Each page names the next one.
#[test]
fn a_list_of_referrers_has_pages() {
    let tag = format!("manifests/{}", sha256(&manifest()).to_string().replace(':', "-"));
    for (pages, evidence, words) in [
        (REFERRER_PAGES_MAX, 1, None),
        (REFERRER_PAGES_MAX + 1, 0, Some("the list of referrers has more than 32 pages")),
    ] {
        let mut files = referred(|files| vec![bundle_file(files, &manifest(), b"bundle")]);
        let last = files.remove(&tag).unwrap();
        let server = Server::new(move |asked| {
            let Some((_, rest)) = asked.path.split_once("/referrers/") else {
                return serve(&files, asked);
            };
            let page = rest.split_once("?last=a,").map_or(1, |(_, page)| page.parse().unwrap());
            if page == pages {
                return answer(200, &last);
            }
            let first = asked.path.split('?').next().unwrap();
            let link = format!("<{first}>; rel=first, <{first}?last=a,{}>; rel=\"next\"", page + 1);
            answer(200, index_of(&[])).with("Link", &link)
        });
        let mut place = place(&client(&server), &server);
        let artifact = Artifact::resolve(&mut place, Which::Tag("1")).unwrap();
        let found = artifact.signatures(&mut place).unwrap();
        assert_eq!(found.evidence.len(), evidence, "{:?}", found.notes);
        assert_eq!(found.notes.first().map(String::as_str), words);
    }
}

/// All pages together are no larger than one list may be.
#[test]
fn pages_of_referrers_have_so_many_bytes() {
    let server = Server::new(move |asked| {
        if !asked.path.contains("/referrers/") {
            return serve(&files(), asked);
        }
        let mut page = index_of(&[]);
        page.resize(MANIFEST_BYTES_MAX / 2, b' ');
        answer(200, page).with("Link", &format!("<{}>; rel=next", asked.path))
    });
    let mut place = place(&client(&server), &server);
    let artifact = Artifact::resolve(&mut place, Which::Tag("1")).unwrap();
    let found = artifact.signatures(&mut place).unwrap();
    assert_eq!(found.notes, ["the list of referrers has more than 4194304 bytes"]);
    assert_eq!(server.asked().iter().filter(|it| it.path.contains("/referrers/")).count(), 3);
}
