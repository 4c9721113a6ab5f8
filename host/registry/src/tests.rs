//! Registries that are right, and registries that are hostile.

mod copying;
mod login;
mod proxied;
mod server;
mod signatures;

use crate::{
    Access, Artifact, Client, Error, Interfaces, Layout, Reference, Target, Which,
    bounds::{ATTEMPTS, MANIFEST_BYTES_MAX, REDIRECTS_MAX, REFERRER_PAGES_MAX, REFERRERS_MAX},
    copy, push,
};
use ipam_signature::{Evidence, sha256};
use serde_json::{Value, json};
use server::{Answer, Asked, Server, answer};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": sha256(bytes).to_string(), "size": bytes.len()})
}

fn manifest_of(layers: &[Value]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.wasm.config.v0+json", b"{}"),
        "layers": layers,
    })
}

fn manifest() -> Vec<u8> {
    manifest_of(&[descriptor("application/wasm", COMPONENT)]).to_string().into_bytes()
}

fn bundle_manifest(about: &[u8], bundle: &[u8]) -> Vec<u8> {
    let mut manifest = manifest_of(&[descriptor(BUNDLE, bundle)]);
    manifest["artifactType"] = BUNDLE.into();
    manifest["subject"] = descriptor("application/vnd.oci.image.manifest.v1+json", about);
    manifest.to_string().into_bytes()
}

fn index_of(manifests: &[Value]) -> Vec<u8> {
    json!({"schemaVersion": 2, "manifests": manifests}).to_string().into_bytes()
}

/// What lies under which path, below `/v2/acme/lab/`.
type Files = BTreeMap<String, Vec<u8>>;

fn manifest_file(files: &mut Files, bytes: &[u8]) -> Value {
    files.insert(format!("manifests/{}", sha256(bytes)), bytes.to_vec());
    descriptor("application/vnd.oci.image.manifest.v1+json", bytes)
}

/// A driver under the tag 1.
fn files() -> Files {
    let mut files = Files::new();
    files.insert("manifests/1".to_owned(), manifest());
    manifest_file(&mut files, &manifest());
    files.insert(format!("blobs/{}", sha256(COMPONENT)), COMPONENT.to_vec());
    files.insert(format!("blobs/{}", sha256(b"{}")), b"{}".to_vec());
    files
}

fn serve(files: &Files, asked: &Asked) -> Answer {
    let path = asked.path.strip_prefix("/v2/acme/lab/").unwrap_or_default();
    files.get(path).map_or_else(|| answer(404, ""), |bytes| answer(200, bytes))
}

fn server(files: Files) -> Server {
    Server::new(move |asked| serve(&files, asked))
}

fn client(server: &Server) -> Client {
    Client::new(vec![server.authority.clone()]).with_credentials(None)
}

fn reference(server: &Server, rest: &str) -> Reference {
    format!("oci://{}/acme/lab{rest}", server.authority).parse().unwrap()
}

fn place(client: &Client, server: &Server) -> Target {
    Target::Registry(client.open(&reference(server, ":1"), Access::Push).unwrap())
}

fn resolve(server: &Server) -> Result<Artifact, Error> {
    Artifact::resolve(&mut place(&client(server), server), Which::Tag("1"))
}

/// Fetches the component, and the words of why not.
fn pull(server: &Server) -> Result<Vec<u8>, String> {
    let mut place = place(&client(server), server);
    Artifact::resolve(&mut place, Which::Tag("1"))
        .and_then(|artifact| artifact.component(&mut place, 1 << 20, &mut |_| ()))
        .map_err(|error| error.to_string())
}

#[track_caller]
fn refused(files: Files, words: &str) {
    let refused = pull(&server(files)).unwrap_err();
    assert!(refused.contains(words), "{words:?} is not in: {refused}");
}

#[test]
fn a_component_is_fetched_and_its_bytes_counted() {
    let server = server(files());
    let mut place = place(&client(&server), &server);
    let artifact = Artifact::resolve(&mut place, Which::Tag("1")).unwrap();
    assert_eq!(artifact.digest(), sha256(&manifest()));
    assert_eq!(artifact.component_digest(), sha256(COMPONENT));
    let mut counted = 0;
    let got = artifact.component(&mut place, 1 << 20, &mut |bytes| counted = bytes).unwrap();
    assert_eq!((got.as_slice(), counted), (COMPONENT, COMPONENT.len()));
    let by_digest = Artifact::resolve(&mut place, Which::Digest(artifact.digest())).unwrap();
    assert_eq!(by_digest, artifact);
}

#[test]
fn the_older_layer_is_read_and_nothing_else() {
    let with = |manifest: Value| {
        let mut files = files();
        files.insert("manifests/1".to_owned(), manifest.to_string().into_bytes());
        files
    };
    let layer = |kind| descriptor(kind, COMPONENT);
    let wasm = layer("application/wasm");
    let older = manifest_of(&[layer("application/vnd.wasm.content.layer.v1+wasm")]);
    assert_eq!(pull(&server(with(older))).unwrap(), COMPONENT);
    let mut docker = manifest_of(std::slice::from_ref(&wasm));
    docker["mediaType"] = "application/vnd.docker.distribution.manifest.v2+json".into();
    let mut both = manifest_of(std::slice::from_ref(&wasm));
    both["manifests"] = json!([]);
    let mut first = manifest_of(std::slice::from_ref(&wasm));
    first["schemaVersion"] = 1.into();
    for (manifest, words) in [
        (
            manifest_of(&[layer("application/vnd.oci.image.layer.v1.tar+gzip")]),
            "its layer is of type",
        ),
        (manifest_of(&[wasm.clone(), wasm.clone()]), "it has 2 layers"),
        (manifest_of(&[]), "it has 0 layers"),
        (json!({"schemaVersion": 2, "manifests": [{}, {}]}), "an index of 2 manifests"),
        (both, "an index of 0 manifests"),
        (docker, "it is of type application/vnd.docker"),
        (first, "it is not of version 2"),
        (json!(7), "is no manifest"),
    ] {
        refused(with(manifest), words);
    }
}

#[test]
fn what_is_not_what_its_digest_says_is_refused() {
    let blob = format!("blobs/{}", sha256(COMPONENT));
    for (bytes, words) in [
        (&b"\0asm\x0d\0\x01\x01"[..], "the component has the digest sha256:"),
        (b"\0asm", "the component has the digest"),
        (b"\0asm\x0d\0\x01\0 and more", "the component has more than 8 bytes"),
        (&[0; 100_000], "the component has more than 8 bytes"),
    ] {
        let mut files = files();
        files.insert(blob.clone(), bytes.to_vec());
        refused(files, words);
    }
    let mut lying = files();
    let digest = sha256(&manifest());
    lying.insert(format!("manifests/{digest}"), b"{}".to_vec());
    let server = server(lying);
    let mut place = place(&client(&server), &server);
    let error = Artifact::resolve(&mut place, Which::Digest(digest)).unwrap_err().to_string();
    assert!(error.contains("where sha256:") && error.contains("was asked for"), "{error}");
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    let mut large = files();
    large.insert("manifests/1".to_owned(), vec![b' '; (4 << 20) + 1]);
    refused(large, "the tag 1 has more than 4194304 bytes");
    let server = server(files());
    let mut place = place(&client(&server), &server);
    let artifact = Artifact::resolve(&mut place, Which::Tag("1")).unwrap();
    let error = artifact.component(&mut place, 7, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("more than 7 bytes"), "{error}");
    assert!(server.asked().iter().all(|asked| !asked.path.contains("blobs/")));
}

/// What is signed is what is fetched, whatever the tag says meanwhile.
#[test]
fn a_tag_that_moves_is_read_once() {
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let files = files();
    let server = Server::new(move |asked| {
        if asked.path.ends_with("manifests/1") && counted.fetch_add(1, Relaxed) > 0 {
            return answer(200, "{}");
        }
        serve(&files, asked)
    });
    let mut place = place(&client(&server), &server);
    let artifact = Artifact::resolve(&mut place, Which::Tag("1")).unwrap();
    artifact.signatures(&mut place).unwrap();
    artifact.component(&mut place, 1 << 20, &mut |_| ()).unwrap();
    assert_eq!(reads.load(Relaxed), 1);
}

#[test]
fn what_fails_for_a_while_is_asked_again_and_nothing_else() {
    for (status, times, is_served) in [(503, 2, true), (429, 1, true), (503, 9, false)] {
        let left = Arc::new(AtomicUsize::new(times));
        let files = files();
        let server = Server::new(move |asked| {
            let fails = left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
            if fails { answer(status, "") } else { serve(&files, asked) }
        });
        let got = resolve(&server);
        assert_eq!(got.is_ok(), is_served, "{status} {times}");
        if let Err(error) = got {
            assert!(error.is_outage() && error.to_string().contains("answered 503"), "{error}");
            assert_eq!(server.asked().len(), ATTEMPTS as usize);
        }
    }
    let server = Server::new(|_| answer(400, r#"{"errors":[{"message":"bad\u001b[2J"}]}"#));
    let error = resolve(&server).unwrap_err();
    assert!(error.to_string().contains("answered 400 (bad\\u{1b}[2J)"), "{error}");
    assert_eq!(server.asked().len(), 1);
}

/// One that accepts, and says nothing.
#[test]
fn a_silent_registry_is_not_waited_for_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let silent: Reference = format!("oci://{authority}/acme/lab:1").parse().unwrap();
    let client = Client::new(vec![authority]).with_credentials(None);
    let client = client.within(Duration::from_millis(200));
    let mut place = Target::Registry(client.open(&silent, Access::Pull).unwrap());
    let error = Artifact::resolve(&mut place, Which::Tag("1")).unwrap_err();
    assert!(error.is_outage() && error.to_string() == "it took longer than 200ms", "{error}");
}

#[test]
fn nobody_there_is_said_so() {
    let gone: Reference = "oci://127.0.0.1:1/acme/lab:1".parse().unwrap();
    let client = Client::new(vec!["127.0.0.1:1".to_owned()]).with_credentials(None);
    let mut place = Target::Registry(client.open(&gone, Access::Pull).unwrap());
    let error = Artifact::resolve(&mut place, Which::Tag("1")).unwrap_err();
    assert!(error.is_outage(), "{error}");
    assert!(error.to_string().contains("cannot reach 127.0.0.1:1"), "{error}");
    // One without TLS.
    let plain = server(files());
    let client = Client::new(Vec::new()).with_credentials(None);
    let by_tls = client.open(&reference(&plain, ":1"), Access::Pull).unwrap();
    let error = Artifact::resolve(&mut Target::Registry(by_tls), Which::Tag("1")).unwrap_err();
    assert!(error.to_string().contains("declare it plain-http"), "{error}");
    let server = server(Files::new());
    let error = resolve(&server).unwrap_err().to_string();
    assert_eq!(error, "the tag 1 is not there");
}

#[test]
fn redirects_end() {
    let server = Server::new(|asked| answer(302, "").with("Location", &format!("{}x", asked.path)));
    let error = resolve(&server).unwrap_err().to_string();
    assert!(error.contains("too often"), "{error}");
    assert_eq!(server.asked().len(), REDIRECTS_MAX + 1);
    let error = resolve(&Server::new(|_| answer(302, ""))).unwrap_err().to_string();
    assert_eq!(error, "it redirects to nowhere: there is no Location in the answer");
}
