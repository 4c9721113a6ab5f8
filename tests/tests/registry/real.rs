//! Debian's docker-registry, and cosign of two suites.

use super::{command, ran, root};
use ipam_tests::{
    daemon::{binary, wait},
    engine::{fetch_from, install, is_root, run},
};
use serde_json::Value;
use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A registry in a directory of its own. Killed when dropped.
pub(super) struct Registry {
    child: Child,
    pub(super) authority: String,
}

impl Registry {
    /// Starts one, by a command that may bring it into another network.
    pub(super) fn start(command: Command, directory: &Path, port: u16) -> Self {
        Self::start_with(command, directory, port, "", "")
    }

    /// The same with more of its sections.
    pub(super) fn start_with(
        mut command: Command,
        directory: &Path,
        port: u16,
        tls: &str,
        more: &str,
    ) -> Self {
        let authority = format!("127.0.0.1:{port}");
        let config = directory.join("registry.yml");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: \"{authority}\"{tls}}}\nlog: {{level: error}}\n{more}",
            directory.join("registry").display()
        );
        fs::write(&config, text).unwrap();
        let child = command.arg("serve").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: child.spawn().unwrap(), authority }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A cosign, and how its version signs without a network.
pub(super) struct Cosign {
    pub(super) program: PathBuf,
    directory: PathBuf,
    is_3: bool,
}

impl Cosign {
    /// Unpacks that of a suite; says in one line if it cannot.
    #[expect(clippy::print_stdout, reason = "what was skipped, and why, is for whoever runs it")]
    pub(super) fn of_suite(suite: &str, directory: &Path) -> Option<Self> {
        if let Err(error) = fetch_from(directory, suite, &["cosign"]) {
            println!("skipped: no cosign of {suite}: {error}");
            return None;
        }
        let program = directory.join("root/usr/bin/cosign");
        let directory = directory.to_owned();
        let mut cosign = Self { program, directory, is_3: false };
        cosign.is_3 = cosign.run(&["signing-config", "create", "--out", "sc.json"]).is_ok();
        Some(cosign)
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        run(command.current_dir(&self.directory).env("COSIGN_PASSWORD", "").args(arguments))
    }

    /// Makes a pair of keys; where the public one is.
    pub(super) fn key(&self, name: &str) -> String {
        self.run(&["generate-key-pair", "--output-key-prefix", name]).unwrap();
        self.directory.join(format!("{name}.pub")).display().to_string()
    }

    /// The flags that keep it from the network.
    pub(super) fn alone(&self) -> &'static [&'static str] {
        if self.is_3 { &["--signing-config", "sc.json"] } else { &["--tlog-upload=false"] }
    }

    fn sign(&self, key: &str, of: &str) {
        let key = format!("{key}.key");
        let head = ["sign", "--yes", "--key", &key, "--allow-http-registry"];
        self.run(&[&head, self.alone(), &[of]].concat()).unwrap();
    }
}

/// Without root, or without the package, it says that it does not.
#[expect(clippy::print_stdout, reason = "what was skipped, and why, is for whoever runs it")]
pub(super) fn has_registry() -> bool {
    if !is_root() {
        println!("skipped: installing docker-registry needs root");
        return false;
    }
    match install(&["docker-registry"], &["docker-registry"]) {
        Ok(()) => true,
        Err(error) => {
            println!("skipped: no docker-registry: {error}");
            false
        }
    }
}

pub(super) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn what_cosign_signs_is_taken_and_what_it_attests_is_not() {
    if !has_registry() {
        return;
    }
    for suite in ["trixie", "forky"] {
        let directory = tempfile::tempdir().unwrap();
        if let Some(cosign) = Cosign::of_suite(suite, directory.path()) {
            believes(&cosign, directory.path());
        }
    }
}

fn believes(cosign: &Cosign, directory: &Path) {
    let registry = Registry::start(Command::new("docker-registry"), directory, free_port());
    wait(|| TcpStream::connect(&registry.authority).is_ok());
    let authority = &*registry.authority;
    let ask = |arguments: &[&str]| command(&[arguments, &["--plain-http", authority]].concat());
    let file = directory.join("lab.wasm");
    fs::write(&file, ipam_builtin::DEFAULT).unwrap();
    let file = file.to_str().unwrap();
    let (acme, other) = (&*cosign.key("acme"), &*cosign.key("other"));
    let push = |name: &str| {
        let reference = format!("oci://{authority}/acme/{name}:1.0");
        let pushed = ask(&["push", file, &reference]).unwrap();
        let digest = pushed["digest"].as_str().unwrap().to_owned();
        (reference, format!("{authority}/acme/{name}@{digest}"))
    };

    let (lab, of) = push("lab");
    assert!(ask(&["verify", &lab, "--key", acme]).unwrap_err().contains("found no signature"));
    cosign.sign("other", &of);
    assert!(ask(&["verify", &lab, "--key", acme]).unwrap_err().contains("by another key"));
    cosign.sign("acme", &of);
    let verified = ask(&["verify", &lab, "--key", acme, "--key", other]).unwrap();
    assert_eq!(verified["signed_by"].as_array().unwrap().len(), 2);

    let (attested, of) = push("attested");
    fs::write(directory.join("predicate.json"), "{}").unwrap();
    let head = ["attest", "--yes", "--key", "acme.key", "--allow-http-registry"];
    let tail = ["--type", "custom", "--predicate", "predicate.json", &of];
    cosign.run(&[&head, cosign.alone(), &tail].concat()).unwrap();
    let refused = ask(&["verify", &attested, "--key", acme]).unwrap_err();
    // Cosign 2 puts attestations where no signature is looked for.
    let words = if cosign.is_3 { "which is no signature" } else { "found no signature" };
    assert!(refused.contains(words), "{refused}");

    // Through a directory into another repository; cosign finds its own there.
    let layout = directory.join("layout");
    let layout = layout.to_str().unwrap();
    let copy = format!("oci://{authority}/copy/lab:2.0");
    ask(&["copy", &lab, layout, "--key", acme]).unwrap();
    let copied = ask(&["copy", layout, &copy]).unwrap();
    ask(&["verify", &copy, "--key", acme, "--key", other]).unwrap();
    let of = format!("{authority}/copy/lab@{}", copied["digest"].as_str().unwrap());
    let head = ["verify", "--key", acme, "--allow-http-registry"];
    cosign.run(&[&head[..], &["--insecure-ignore-tlog=true", &of]].concat()).unwrap();

    if cosign.is_3 {
        let head = ["sign-blob", "--yes", "--key", "acme.key", "--signing-config", "sc.json"];
        let tail = ["--bundle", "lab.wasm.sigstore.json", "lab.wasm"];
        cosign.run(&[&head[..], &tail].concat()).unwrap();
        command(&["verify", file, "--key", acme]).unwrap();
        assert!(command(&["verify", file, "--key", other]).unwrap_err().contains("another key"));
        judges_as_we_do(cosign, directory, "acme.pub");
        judges_as_we_do(cosign, directory, "other.pub");
    }
}

/// Of the bundle of a file, and of what somebody made of it.
fn judges_as_we_do(cosign: &Cosign, directory: &Path, key: &str) {
    let path = |name: &str| directory.join(name).display().to_string();
    let sound = fs::read_to_string(path("lab.wasm.sigstore.json")).unwrap();
    let sound: Value = serde_json::from_str(&sound).unwrap();
    let changed = |pointer: &str, to: &str| {
        let mut bundle = sound.clone();
        *bundle.pointer_mut(pointer).unwrap() = to.into();
        bundle
    };
    let digest = "/messageSignature/messageDigest/digest";
    // The SHA-256 of `another`.
    let another = "rkSKyGxOjk3sZFcpcI70GHOuecbf+E7/czYJiUh/COU=";
    for (bundle, content) in [
        (sound.clone(), ipam_builtin::DEFAULT),
        (sound.clone(), b"another"),
        (changed("/verificationMaterial/publicKey/hint", "AAAA"), ipam_builtin::DEFAULT),
        (changed(digest, another), ipam_builtin::DEFAULT),
        (changed(digest, another), b"another"),
        (changed("/messageSignature/signature", "MAYCAQECAQE="), ipam_builtin::DEFAULT),
        (changed("/messageSignature/signature", ""), ipam_builtin::DEFAULT),
        (changed("/mediaType", "application/json"), ipam_builtin::DEFAULT),
    ] {
        fs::write(path("judged.wasm"), content).unwrap();
        fs::write(path("judged.wasm.sigstore.json"), bundle.to_string()).unwrap();
        let head = ["verify-blob", "--key", key, "--insecure-ignore-tlog=true"];
        let tail = ["--bundle", "judged.wasm.sigstore.json", "judged.wasm"];
        let cosigns = cosign.run(&[&head[..], &tail].concat());
        let ours = command(&["verify", &path("judged.wasm"), "--key", &path(key)]);
        assert_eq!(cosigns.is_ok(), ours.is_ok(), "{key}: {bundle}: {cosigns:?}; {ours:?}");
    }
}

/// By TLS, with an authority of one's own, and with a password that Docker has.
#[test]
fn a_registry_may_want_a_password_and_have_its_own_authority() {
    if !has_registry() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let of_tls = |name: &str| root().join("tests/http").join(name).display().to_string();
    // me:secret, by bcrypt.
    let user = "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
    fs::write(path("htpasswd"), user).unwrap();
    let (certificate, key) = (of_tls("localhost.pem"), of_tls("localhost.key.pem"));
    let tls = format!(", tls: {{certificate: {certificate}, key: {key}}}");
    let auth = format!("auth: {{htpasswd: {{realm: x, path: {}}}}}\n", path("htpasswd").display());
    let port = free_port();
    let program = Command::new("docker-registry");
    let registry = Registry::start_with(program, directory.path(), port, &tls, &auth);
    wait(|| TcpStream::connect(&registry.authority).is_ok());
    let entry = format!(r#"{{"auths": {{"localhost:{port}": {{"auth": "bWU6c2VjcmV0"}}}}}}"#);
    fs::write(path("config.json"), entry).unwrap();
    fs::write(path("lab.wasm"), ipam_builtin::DEFAULT).unwrap();
    let reference = format!("oci://localhost:{port}/acme/lab:1.0");
    let ask = |authority: &str, docker: &Path, arguments: &[&str]| {
        let mut program = Command::new(binary());
        program.env("SSL_CERT_FILE", authority).env_remove("SSL_CERT_DIR");
        ran(program.env("DOCKER_CONFIG", docker), arguments)
    };
    let (file, authority) = (path("lab.wasm"), of_tls("authority.pem"));
    let push = ["push", file.to_str().unwrap(), &reference];
    let refused = ask(&authority, Path::new("/nowhere"), &push).unwrap_err();
    assert!(refused.contains("access denied; run `docker login`"), "{refused}");
    let distrusted = ask("/dev/null", directory.path(), &push).unwrap_err();
    assert!(distrusted.contains("invalid peer certificate"), "{distrusted}");
    ask(&authority, directory.path(), &push).unwrap();
    let got = path("got.wasm");
    let pull = ["pull", &reference, "-o", got.to_str().unwrap()];
    ask(&authority, directory.path(), &pull).unwrap();
    assert_eq!(fs::read(got).unwrap(), ipam_builtin::DEFAULT);
}
