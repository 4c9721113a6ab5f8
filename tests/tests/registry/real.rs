//! Debian's docker-registry, cosign of two suites, and dockerd.

use super::{command, ran, root, serving};
use ipam_tests::{
    daemon::{binary, wait},
    engine::{Engine, fetch_from, install, is_root, run},
};
use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A registry in a directory of its own. Killed when dropped.
struct Registry {
    child: Child,
    authority: String,
}

impl Registry {
    /// Starts one, by a command that may bring it into another network.
    fn start(command: Command, directory: &Path, port: u16) -> Self {
        Self::start_with(command, directory, port, "", "")
    }

    /// The same with more of its sections.
    fn start_with(
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
struct Cosign {
    program: PathBuf,
    directory: PathBuf,
    is_3: bool,
}

impl Cosign {
    /// Unpacks that of a suite; says in one line if it cannot.
    #[expect(clippy::print_stdout, reason = "what was skipped, and why, is for whoever runs it")]
    fn of_suite(suite: &str, directory: &Path) -> Option<Self> {
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
    fn key(&self, name: &str) -> String {
        self.run(&["generate-key-pair", "--output-key-prefix", name]).unwrap();
        self.directory.join(format!("{name}.pub")).display().to_string()
    }

    /// The flags that keep it from the network.
    fn alone(&self) -> &'static [&'static str] {
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
fn has_registry() -> bool {
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

fn free_port() -> u16 {
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

/// A machine without the driver: its Docker gets an address from what a registry
/// has, and goes on when that is gone.
#[test]
#[expect(clippy::print_stdout, reason = "what was skipped, and why, is for whoever runs it")]
fn docker_gets_an_address_from_a_driver_of_a_registry() {
    if !has_registry() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let Some(cosign) = Cosign::of_suite("forky", directory.path()) else { return };
    let config = directory.path().join("wipam.toml");
    fs::write(&config, "[[driver]]\nfile = \"builtin:default\"\n").unwrap();
    let home = directory.path().join("engine");
    fs::create_dir(&home).unwrap();
    let engine = Engine::start_with(&home, "", &["--config", config.to_str().unwrap()]).unwrap();
    let inside = engine.network();
    let start = |program: &str| {
        let mut command = Command::new("nsenter");
        command.args([&*inside, "--", program]);
        command
    };
    let registry = Registry::start(start("docker-registry"), directory.path(), 5000);
    let file = directory.path().join("lab.wasm");
    fs::write(&file, ipam_builtin::DEFAULT).unwrap();
    let reference = "oci://127.0.0.1:5000/acme/lab:1.0";
    let push = || {
        let mut push = start(binary().to_str().unwrap());
        push.args(["driver", "push", file.to_str().unwrap(), reference, "--json"]);
        run(push.args(["--plain-http", "127.0.0.1:5000"]))
    };
    wait(|| push().is_ok());
    let pushed: serde_json::Value = serde_json::from_str(&push().unwrap()).unwrap();
    let key = cosign.key("acme");
    let of = format!("127.0.0.1:5000/acme/lab@{}", pushed["digest"].as_str().unwrap());
    let mut sign = start(cosign.program.to_str().unwrap());
    sign.current_dir(directory.path()).env("COSIGN_PASSWORD", "");
    sign.args(["sign", "--yes", "--key", "acme.key", "--allow-http-registry"]);
    run(sign.args(cosign.alone()).arg(of)).unwrap();
    let text = format!(
        "[registries]\nplain-http = [\"127.0.0.1:5000\"]\n\
         [signatures]\nall-of = [{{ key = \"{key}\" }}]\n\
         [[driver]]\nfile = \"builtin:default\"\n\
         [[driver]]\nfile = \"{reference}\"\nname = \"lab\"\n"
    );
    fs::write(&config, text).unwrap();
    let said = engine.wipam().hangup("configuration reloaded");
    assert!(said.contains("the artifact was fetched"), "{said}");
    drop(registry);
    engine.import_image().unwrap();
    let create = ["network", "create", "--ipam-driver", "lab", "--subnet", "192.0.2.0/24", "lab"];
    engine.docker(&create).unwrap();
    let show =
        ["run", "--rm", "--network", "lab", "bb:1", "ip", "-o", "-4", "addr", "show", "eth0"];
    let shown = engine.docker(&show).unwrap();
    println!("{shown}");
    assert!(shown.contains("192.0.2.2/24"), "{shown}");
    // Without the registry, it is loaded again.
    assert!(engine.wipam().hangup("configuration reloaded").contains("what was locked is used"));
    assert!(!serving(engine.wipam()).is_empty());
    engine.docker(&show).unwrap();
}
