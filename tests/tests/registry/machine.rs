//! A machine that has Wipam and Docker, and no driver: a registry has it.

use super::{
    artifact,
    real::{Cosign, Registry, has_registry},
    serving, sha256,
};
use ipam_tests::{
    daemon::{binary, wait},
    engine::{Engine, run},
    operator::wipam,
};
use serde_json::Value;
use std::{fs, path::Path, process::Command};

const REFERENCE: &str = "oci://127.0.0.1:5000/acme/lab:1.0";

/// Who makes drivers, in the engine's network.
struct Author<'a> {
    network: &'a str,
    directory: &'a Path,
    cosign: &'a Cosign,
}

impl Author<'_> {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.args([self.network, "--"]).arg(program).current_dir(self.directory);
        command
    }

    fn registry(&self) -> Registry {
        Registry::start(self.command(Path::new("docker-registry")), self.directory, 5000)
    }

    /// Puts a component under the tag. What is to be signed, as cosign calls it.
    fn push(&self, component: &[u8]) -> String {
        let file = self.directory.join("lab.wasm");
        fs::write(&file, component).unwrap();
        let pushed = || {
            let mut push = self.command(&binary());
            push.args(["driver", "push"]).arg(&file).args([REFERENCE, "--json"]);
            run(push.args(["--plain-http", "127.0.0.1:5000"]))
        };
        wait(|| pushed().is_ok());
        let pushed: Value = serde_json::from_str(&pushed().unwrap()).unwrap();
        format!("127.0.0.1:5000/acme/lab@{}", pushed["digest"].as_str().unwrap())
    }

    fn sign(&self, key: &str, of: &str) {
        let mut sign = self.command(&self.cosign.program);
        sign.env("COSIGN_PASSWORD", "").args(["sign", "--yes", "--key", &format!("{key}.key")]);
        run(sign.arg("--allow-http-registry").args(self.cosign.alone()).arg(of)).unwrap();
    }
}

#[test]
fn docker_gets_addresses_from_a_driver_that_only_a_registry_had() {
    if !has_registry() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let Some(cosign) = Cosign::of_suite("forky", directory.path()) else { return };
    let home = directory.path().join("engine");
    fs::create_dir(&home).unwrap();
    let mut engine = Engine::start_alone(&home, "").unwrap();
    let (network, directory) = (engine.network(), directory.path());
    let author = Author { network: &network, directory, cosign: &cosign };
    let config = directory.join("wipam.toml");
    let text = format!(
        "[registries]\nplain-http = [\"127.0.0.1:5000\"]\n\
         [signatures]\nrepository = \"127.0.0.1:5000/acme/\"\nall-of = [{{ key = \"{}\" }}]\n",
        cosign.key("acme")
    );
    cosign.key("other");
    fs::write(&config, text).unwrap();
    let registry = author.registry();
    let one = author.push(ipam_builtin::DEFAULT);
    author.sign("acme", &one);

    let lab = format!("lab={REFERENCE}");
    let config = config.to_str().unwrap();
    let arguments = ["--config", config, "--driver", "builtin:default", "--driver", &lab];
    engine.start_wipam(&arguments);
    wait(|| engine.wipam().socket("lab").exists());
    engine.import_image().unwrap();
    let create = ["network", "create", "--ipam-driver", "lab", "--subnet", "192.0.2.0/24", "lab"];
    engine.docker(&create).unwrap();
    let gets_an_address = |engine: &Engine| {
        let show = ["run", "--rm", "--network", "lab", "bb:1", "ip", "-o", "-4", "addr"];
        let shown = engine.docker(&show).unwrap();
        assert!(shown.contains("192.0.2.2/24"), "{shown}");
    };
    gets_an_address(&engine);

    // The registry is stopped, and Wipam restarts.
    drop(registry);
    engine.start_wipam(&arguments);
    wait(|| engine.wipam().socket("lab").exists());
    gets_an_address(&engine);
    let digest = |of: &str| of.rsplit_once('@').unwrap().1.to_owned();
    assert_eq!(artifact(engine.wipam()), Some(format!("{REFERENCE}@{}", digest(&one))));

    // What another key signed takes its place.
    let _registry = author.registry();
    let changed = [ipam_builtin::DEFAULT, b"\0\x02\x01a"].concat();
    let two = author.push(&changed);
    author.sign("other", &two);
    let refused = wipam(engine.wipam(), &["driver", "upgrade", "lab"]).refused();
    assert!(refused.contains("found a signature by another key"), "{refused}");
    assert_eq!(serving(engine.wipam()), sha256(ipam_builtin::DEFAULT));
    gets_an_address(&engine);

    // The right one signs it, too.
    author.sign("acme", &two);
    let upgraded = wipam(engine.wipam(), &["driver", "upgrade", "lab"]).done();
    assert_eq!(upgraded[0]["to"], *sha256(&changed));
    assert_eq!(artifact(engine.wipam()), Some(format!("{REFERENCE}@{}", digest(&two))));
    gets_an_address(&engine);
}
