//! Drivers from registries: what the operator is promised, with a registry of the
//! test's own and signatures that cosign made once, and with real ones.

#![expect(clippy::unwrap_used, reason = "a test may")]

#[path = "registry/checked.rs"]
mod checked;
#[path = "registry/locked.rs"]
mod locked;
#[path = "registry/machine.rs"]
mod machine;
#[path = "registry/package.rs"]
mod package;
#[path = "registry/proxied.rs"]
mod proxied;
#[path = "registry/real.rs"]
mod real;
#[path = "../../host/registry/src/tests/server.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod server;

use ipam_tests::{
    daemon::{Daemon, binary, wait},
    http::Client,
    operator::wipam,
};
use serde_json::{Value, json};
use server::{Server, answer};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(root().join("registry").join(name)).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// The component of one of the recorded artifacts.
fn component(name: &str) -> Vec<u8> {
    let mut bytes = fs::read(root().join("frozen/0.1/c.wasm")).unwrap();
    match name {
        "two" => bytes.extend(b"\0\x02\x01a"),
        "foreign" => bytes.extend(b"\0\x02\x01b"),
        _ => {}
    }
    bytes
}

/// A path that has this is down.
const DOWN: &[u8] = b"down";

/// What lies under which path, below `/v2/acme/lab/`.
#[derive(Clone, Default)]
struct Files(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Files {
    fn put(&self, path: String, bytes: &[u8]) {
        self.0.lock().unwrap().insert(path, bytes.to_vec());
    }

    /// Gives a recorded artifact, with its signature, the tag 1.0.
    fn tag(&self, name: &str) {
        let manifest = fixture(&format!("{name}.json"));
        let bundle = fixture(&format!("{name}.sigstore.json"));
        let component = component(name);
        let describe = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": sha256(bytes), "size": bytes.len()});
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let referrer = json!({
            "schemaVersion": 2,
            "artifactType": BUNDLE,
            "config": describe("application/vnd.oci.empty.v1+json", b"{}"),
            "layers": [describe(BUNDLE, &bundle)],
            "subject": describe(kind, &manifest),
        });
        let referrer = referrer.to_string().into_bytes();
        let index = json!({"schemaVersion": 2, "manifests": [describe(kind, &referrer)]});
        let fallback = sha256(&manifest).replace(':', "-");
        self.put("manifests/1.0".to_owned(), &manifest);
        self.put(format!("manifests/{}", sha256(&manifest)), &manifest);
        self.put(format!("manifests/{fallback}"), index.to_string().as_bytes());
        self.put(format!("manifests/{}", sha256(&referrer)), &referrer);
        self.put(format!("blobs/{}", sha256(&bundle)), &bundle);
        self.put(format!("blobs/{}", sha256(&component)), &component);
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    fn serve(&self) -> Server {
        let files = self.0.clone();
        Server::new(move |asked| {
            let path = asked.path.strip_prefix("/v2/acme/lab/").unwrap_or_default();
            let found = files.lock().unwrap().get(path).cloned();
            if found.as_deref() == Some(DOWN) {
                return answer(503, "");
            }
            found.map_or_else(|| answer(404, ""), |bytes| answer(200, bytes))
        })
    }
}

/// A registry, and a directory with a configuration that trusts one key.
struct Setup {
    files: Files,
    server: Server,
    directory: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let files = Files::default();
        let setup = Self { server: files.serve(), files, directory: tempfile::tempdir().unwrap() };
        setup.configure("acme/", "");
        setup
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn reference(&self) -> String {
        format!("oci://{}/acme/lab:1.0", self.server.authority)
    }

    /// Writes the configuration: below which path drivers may be, and more of the
    /// driver's table.
    fn configure(&self, repository: &str, table: &str) {
        let key = root().join("../host/signature/fixtures/p256.pub");
        let text = format!(
            "[registries]\nplain-http = [\"{authority}\"]\n\
             [signatures]\nrepository = \"{authority}/{repository}\"\n\
             all-of = [{{ key = \"{key}\", owner = \"acme\" }}]\n\
             [[driver]]\nfile = \"builtin:default\"\n\
             [[driver]]\nfile = \"{reference}\"\nname = \"lab\"\n{table}\n",
            authority = self.server.authority,
            key = key.display(),
            reference = self.reference(),
        );
        fs::write(self.path().join("wipam.toml"), text).unwrap();
    }

    fn arguments(&self) -> [String; 2] {
        ["--config".to_owned(), self.path().join("wipam.toml").display().to_string()]
    }

    fn start(&self) -> Daemon {
        let arguments = self.arguments();
        // Only what this one says is read.
        let _ = fs::remove_file(self.path().join("wipam.log"));
        Daemon::start(self.path(), &arguments.each_ref().map(|it| &**it)).ready()
    }

    fn refused(&self) -> String {
        let arguments = self.arguments();
        let arguments = arguments.each_ref().map(|it| &**it);
        Daemon::refuses_to_start(Command::new(binary()), self.path(), &arguments)
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.path().join("wipam.lock")).unwrap_or_default()
    }
}

/// The digest of the component that serves.
fn serving(daemon: &Daemon) -> String {
    let drivers = wipam(daemon, &["drivers"]).done();
    let lab = drivers.iter().find(|driver| driver["name"] == "lab").unwrap();
    lab["digest"].as_str().unwrap().to_owned()
}

/// The artifact that serves.
fn artifact(daemon: &Daemon) -> Option<String> {
    let drivers = wipam(daemon, &["drivers"]).done();
    let lab = drivers.iter().find(|driver| driver["name"] == "lab").unwrap();
    lab["artifact"].as_str().map(str::to_owned)
}

fn asks(daemon: &Daemon, prefix: &str) -> bool {
    let mut client = Client::connect(&daemon.socket("lab")).unwrap();
    let pool = json!({"AddressSpace": "lab", "Pool": prefix});
    client.ask("RequestPool", &pool).0 == 200
}

#[test]
fn a_signed_driver_serves_and_a_restart_needs_no_registry() {
    let setup = Setup::new();
    setup.files.tag("one");
    let daemon = setup.start();
    assert_eq!(serving(&daemon), sha256(&component("one")));
    assert!(asks(&daemon, "192.0.2.0/24"));
    assert_eq!(
        artifact(&daemon).unwrap(),
        format!("{}@{}", setup.reference(), sha256(&fixture("one.json")))
    );
    let pools = wipam(&daemon, &["pools", "--driver", "lab"]).done();
    let any = json!({"PoolID": pools[0]["pool_id"], "Address": ""});
    let (_, body) = Client::connect(&daemon.socket("lab")).unwrap().ask("RequestAddress", &any);
    let (address, _) = body["Address"].as_str().unwrap().split_once('/').unwrap();
    let history = wipam(&daemon, &["history", address]).done();
    assert_eq!(history[0]["artifacts"], json!([sha256(&fixture("one.json"))]));
    assert!(daemon.log().contains("signed_by=\"acme (bdc53ccc9ccf)\""), "{}", daemon.log());
    let digest = sha256(&fixture("one.json"));
    assert!(setup.lock().contains(&digest), "{}", setup.lock());
    assert!(daemon.terminate().unwrap().success());

    // The registry is empty, and nobody asks it.
    setup.files.clear();
    let asked = setup.server.asked().len();
    let daemon = setup.start();
    assert_eq!(serving(&daemon), sha256(&component("one")));
    assert!(!asks(&daemon, "192.0.2.0/24"), "the pool is held");
    assert_eq!(setup.server.asked().len(), asked);
    assert!(daemon.log().contains("the artifact is in the cache"), "{}", daemon.log());
    assert!(daemon.terminate().unwrap().success());

    // What lies in the cache is compared with its digest at each start.
    let cached = setup.path().join("state/artifacts");
    let cached = cached.join(sha256(&component("one")).replace(':', "-"));
    let mut bytes = fs::read(&cached).unwrap();
    bytes[100] ^= 1;
    fs::write(&cached, bytes).unwrap();
    assert!(setup.refused().contains("is not there"), "{}", setup.refused());
    setup.files.tag("one");
    assert_eq!(serving(&setup.start()), sha256(&component("one")));
}

#[test]
fn what_another_key_signed_is_refused_and_the_old_version_serves_on() {
    let setup = Setup::new();
    setup.files.tag("one");
    let daemon = setup.start();
    setup.files.tag("foreign");
    let words = "it needs a signature by acme (bdc53ccc9ccf); \
                 found a signature by another key (0417c72704c3)";
    let said = daemon.hangup("configuration reloaded");
    assert!(said.contains(words), "{said}");
    let refused = wipam(&daemon, &["driver", "upgrade", "lab", &setup.reference()]).refused();
    assert!(refused.contains(words), "{refused}");
    assert_eq!(serving(&daemon), sha256(&component("one")));
    assert!(setup.lock().contains(&sha256(&fixture("one.json"))), "{}", setup.lock());
    assert!(!setup.lock().contains(&sha256(&fixture("foreign.json"))), "{}", setup.lock());
    // A restart loads what is locked.
    assert!(daemon.terminate().unwrap().success());
    let daemon = setup.start();
    assert_eq!(serving(&daemon), sha256(&component("one")));

    // One that is signed takes over.
    setup.files.tag("two");
    let said = daemon.hangup("configuration reloaded");
    assert!(said.contains("driver upgraded"), "{said}");
    assert_eq!(serving(&daemon), sha256(&component("two")));
    assert!(setup.lock().contains(&sha256(&fixture("two.json"))), "{}", setup.lock());
    setup.files.tag("one");
    let done = wipam(&daemon, &["driver", "upgrade", "lab", &setup.reference()]).done();
    assert_eq!(done[0]["to"].as_str(), Some(&*sha256(&component("one"))));
    // So does what the configuration names, which is looked up again.
    setup.files.tag("foreign");
    assert!(wipam(&daemon, &["driver", "upgrade", "lab"]).refused().contains(words));
    setup.files.tag("two");
    let done = wipam(&daemon, &["driver", "upgrade", "lab"]).done();
    assert_eq!(done[0]["to"].as_str(), Some(&*sha256(&component("two"))));
    assert!(setup.lock().contains(&sha256(&fixture("two.json"))), "{}", setup.lock());
    setup.files.tag("one");
    assert!(daemon.hangup("configuration reloaded").contains("driver upgraded"));
    // A tag that is gone changes nothing.
    setup.files.clear();
    assert!(daemon.hangup("configuration reloaded").contains("is not there"));
    assert_eq!(serving(&daemon), sha256(&component("one")));
}

#[test]
fn the_first_start_with_what_another_key_signed_is_no_start() {
    let setup = Setup::new();
    setup.files.tag("foreign");
    let refused = setup.refused();
    assert!(refused.contains("found a signature by another key (0417c72704c3)"), "{refused}");
    assert_eq!(setup.lock(), "");
    // Nothing of it was fetched, and so nothing compiled.
    let blob = format!("blobs/{}", sha256(&component("foreign")));
    assert!(setup.server.asked().iter().all(|asked| !asked.path.ends_with(&blob)));
}

/// Who asks for no signatures does not depend on them.
#[test]
fn an_unsigned_driver_loads_while_the_list_of_referrers_is_down() {
    let setup = Setup::new();
    setup.files.tag("one");
    setup.files.put(format!("referrers/{}", sha256(&fixture("one.json"))), DOWN);
    assert!(setup.refused().contains("answered 503"), "{}", setup.refused());
    let text = format!(
        "[registries]\nplain-http = [\"{}\"]\n[[driver]]\nfile = \"builtin:default\"\n\
         [[driver]]\nfile = \"{}\"\nname = \"lab\"\n",
        setup.server.authority,
        setup.reference()
    );
    fs::write(setup.path().join("wipam.toml"), text).unwrap();
    let before = setup.server.asked().len();
    assert_eq!(serving(&setup.start()), sha256(&component("one")));
    let asked = setup.server.asked().split_off(before);
    let asked: Vec<_> = asked.iter().filter_map(|it| it.path.split('/').nth(4)).collect();
    assert_eq!(asked, ["manifests", "blobs"], "no signature is asked for");
    // A policy that comes later has them fetched.
    setup.files.clear();
    setup.files.tag("one");
    setup.configure("acme/", "");
    assert_eq!(serving(&setup.start()), sha256(&component("one")));
}

#[test]
fn a_driver_is_where_the_policy_says() {
    let setup = Setup::new();
    setup.files.tag("one");
    for repository in ["acme/la", "acme/other", "other/"] {
        setup.configure(repository, "");
        let refused = setup.refused();
        assert!(refused.contains("and the policy allows repository"), "{refused}");
    }
    for repository in ["acme/", "acme/lab"] {
        setup.configure(repository, "");
        assert_eq!(serving(&setup.start()), sha256(&component("one")));
    }
}

#[test]
fn a_pinned_component_is_that_one() {
    let setup = Setup::new();
    setup.files.tag("one");
    let pin = |name| format!("digest = \"{}\"", sha256(&component(name)));
    setup.configure("acme/", &pin("two"));
    assert!(setup.refused().contains("but the configuration pins"));
    setup.configure("acme/", &pin("one"));
    assert_eq!(serving(&setup.start()), sha256(&component("one")));
}

#[test]
fn a_file_must_be_signed_where_that_is_required() {
    let directory = tempfile::tempdir().unwrap();
    let key = root().join("../host/signature/fixtures/p256.pub");
    let file = directory.path().join("lab.wasm");
    fs::write(&file, component("one")).unwrap();
    let config = directory.path().join("wipam.toml");
    let text = format!(
        "require-signature = true\n[signatures]\nall-of = [{{ key = \"{}\" }}]\n\
         [[driver]]\nfile = \"builtin:default\"\n[[driver]]\nfile = \"lab.wasm\"\nname = \"lab\"\n",
        key.display()
    );
    fs::write(&config, &text).unwrap();
    let config = config.to_str().unwrap();
    let start = || Command::new(binary());
    let refused = Daemon::refuses_to_start(start(), directory.path(), &["--config", config]);
    assert!(refused.contains("lab.wasm.sigstore.json: No such file"), "{refused}");
    fs::write(directory.path().join("lab.wasm.sigstore.json"), fixture("one.sigstore.json"))
        .unwrap();
    let refused = Daemon::refuses_to_start(start(), directory.path(), &["--config", config]);
    assert!(refused.contains("no signature of a file"), "{refused}");
    // The operator may say otherwise of one driver; an upgrade is bound to it, too.
    fs::write(config, format!("{text}require-signature = false\n")).unwrap();
    let daemon = Daemon::start(directory.path(), &["--config", config]).ready();
    fs::write(config, &text).unwrap();
    let said = daemon.hangup("configuration reloaded");
    assert!(said.contains("no signature of a file"), "{said}");
    wait(|| serving(&daemon) == sha256(&component("one")));
}

/// One line of JSON of a command that asks no daemon.
fn command(arguments: &[&str]) -> Result<Value, String> {
    ran(&mut Command::new(binary()), arguments)
}

/// [`command`] with an environment of its own.
fn ran(program: &mut Command, arguments: &[&str]) -> Result<Value, String> {
    let output = program.arg("driver").args(arguments).arg("--json").output().unwrap();
    if output.status.success() {
        return Ok(serde_json::from_slice(&output.stdout).unwrap());
    }
    Err(String::from_utf8(output.stderr).unwrap())
}

#[test]
fn commands_fetch_and_verify_without_a_daemon() {
    let setup = Setup::new();
    setup.files.tag("one");
    let [flag, config] = &setup.arguments();
    let (reference, config) = (&*setup.reference(), [&**flag, &**config]);
    let file = setup.path().join("got.wasm");
    let file = file.to_str().unwrap();
    let one = sha256(&fixture("one.json"));
    let pulled = command(&[&["pull", reference, "-o", file], &config[..]].concat()).unwrap();
    assert_eq!(pulled["digest"], *one);
    assert_eq!(pulled["signed_by"], json!(["acme (bdc53ccc9ccf)"]));
    assert_eq!(fs::read(file).unwrap(), component("one"));
    let again = command(&[&["pull", reference, "-o", file], &config[..]].concat()).unwrap_err();
    assert!(again.contains("exists"), "{again}");
    let verified = command(&[&["verify", reference], &config[..]].concat()).unwrap();
    assert_eq!(verified["digest"], *one);
    let inspected = command(&[&["inspect", reference], &config[..]].concat()).unwrap();
    assert_eq!(inspected["artifact"], *one);
    assert_eq!(inspected["digest"], *sha256(&component("one")));
    assert!(command(&["verify", reference]).unwrap_err().contains("Name a --key or a --config"));

    setup.files.tag("foreign");
    let missing = setup.path().join("missing.wasm");
    let pull = ["pull", reference, "-o", missing.to_str().unwrap()];
    let refused = command(&[&pull[..], &config[..]].concat()).unwrap_err();
    assert!(refused.contains("by another key (0417c72704c3)"), "{refused}");
    assert!(!missing.exists());
}
