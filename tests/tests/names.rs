//! Names are the operator's: a stranger's file takes none of ours, and nothing
//! that another made under its name.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_tests::{
    daemon::{Daemon, binary, wait},
    http::Client,
    programs,
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const POOL: &str = "LocalDefault/10.0.0.0/16";

/// A file with the built-in allocator: the best that a stranger can do.
fn stranger(directory: &Path, name: &str, note: u8) -> PathBuf {
    let mut bytes = ipam_builtin::DEFAULT.to_vec();
    // A custom section, which makes another file of it.
    bytes.extend([0, 2, 1, b'a' + note]);
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn fill(daemon: &Daemon, socket: &str) {
    let mut client = Client::connect(&daemon.socket(socket)).unwrap();
    client.pool("LocalDefault", "10.0.0.0/16");
    let mac = json!({"com.docker.network.endpoint.macaddress": "02:42:0a:00:00:02"});
    let body = json!({"PoolID": POOL, "Options": mac});
    assert_eq!(client.ask("RequestAddress", &body).0, 200);
}

/// Whether the driver behind that socket knows what was filled in.
fn knows(daemon: &Daemon, socket: &str) -> bool {
    let mut client = Client::connect(&daemon.socket(socket)).unwrap();
    let body = json!({"PoolID": POOL, "Address": "10.0.0.1"});
    let is_refused = client.ask("RequestAddress", &body).0 == 403;
    let any = client.ask("RequestAddress", &json!({"PoolID": POOL})).1;
    let _ = client.ask("ReleaseAddress", &json!({"PoolID": POOL, "Address": "10.0.0.2"}));
    is_refused && any["Address"] == "10.0.0.2/16"
}

fn refuses(directory: &Path, arguments: &[&str]) -> String {
    Daemon::refuses_to_start(Command::new(binary()), directory, arguments)
}

#[test]
fn no_file_takes_a_built_in_drivers_name_or_what_it_holds() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &[]).ready();
    fill(&daemon, "wipam");
    assert!(daemon.terminate().unwrap().success());

    let file = stranger(directory.path(), "stranger.wasm", 1);
    let file = file.to_str().unwrap();
    let said = refuses(directory.path(), &["--driver", file]);
    assert!(said.contains("\"default\" is a name that no file takes by itself"), "{said}");
    assert!(said.contains("--driver NAME=FILE"), "{said}");
    // Said by the operator it is a name, and not yet what was held under it.
    let named = format!("default={file}");
    let said = refuses(directory.path(), &["--driver", &named]);
    assert!(said.contains("what builtin:default has granted"), "{said}");
    assert!(said.contains("takes-over = true"), "{said}");
    let config = directory.path().join("wipam.toml");
    let table = format!("[[driver]]\nfile = {file:?}\nname = \"default\"\n");
    fs::write(&config, format!("{table}takes-over = true\n")).unwrap();
    let flags = ["--config", config.to_str().unwrap()];
    let daemon = Daemon::start(directory.path(), &flags).ready();
    assert!(knows(&daemon, "wipam"));
    assert!(daemon.terminate().unwrap().success());
    // From now on it is the file's.
    fs::write(&config, table).unwrap();
    let daemon = Daemon::start(directory.path(), &flags).ready();
    assert!(knows(&daemon, "wipam"));
    assert!(daemon.terminate().unwrap().success());
    let said = refuses(directory.path(), &[]);
    assert!(said.contains("a file that the operator gave that name"), "{said}");
}

#[test]
fn what_a_file_made_is_not_another_files() {
    let directory = tempfile::tempdir().unwrap();
    // Both call themselves so.
    let file = |name: &str, note: u8| {
        let mut bytes = programs::component("keeps");
        bytes.extend([0, 2, 1, b'a' + note]);
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let one = file("one.wasm", 1);
    let with = |file: &str| ["--driver", "builtin:default", "--driver", file].map(str::to_owned);
    let start = |file: &str| {
        let flags = with(file);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let daemon = Daemon::start(directory.path(), &flags);
        // The log of the day before says "ready", too.
        wait(|| Client::connect(&daemon.socket("keeps")).is_ok());
        daemon
    };
    let daemon = start(&one);
    let mut client = Client::connect(&daemon.socket("keeps")).unwrap();
    let pool = json!({"AddressSpace": "zoo", "Pool": "10.66.0.0/24"});
    assert_eq!(client.ask("RequestPool", &pool).0, 200);
    assert!(daemon.terminate().unwrap().success());

    let other = file("other.wasm", 2);
    let flags = with(&other);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let said = refuses(directory.path(), &flags);
    assert!(said.contains("one.wasm has granted") && said.contains("takes-over"), "{said}");
    // Another version, the same file elsewhere, and what the operator has named.
    file("one.wasm", 3);
    drop(start(&one));
    let moved = directory.path().join("moved.wasm");
    fs::copy(&one, &moved).unwrap();
    let daemon = start(&one);
    let mut client = Client::connect(&daemon.socket("keeps")).unwrap();
    client.pool("zoo", "10.66.1.0/24");
    assert!(daemon.terminate().unwrap().success());
    drop(start(moved.to_str().unwrap()));
    let daemon = start(&format!("keeps={other}"));
    let mut client = Client::connect(&daemon.socket("keeps")).unwrap();
    assert_eq!(client.ask("RequestPool", &pool).0, 403, "it was shown what is held");
}

#[test]
fn no_file_takes_the_name_that_docker_knows_a_built_in_driver_by() {
    let directory = tempfile::tempdir().unwrap();
    let file = programs::file("docker_name");
    let file = file.to_str().unwrap();
    for flags in [&["--driver", file][..], &["--driver", file, "--driver", "builtin:default"]] {
        let said = refuses(directory.path(), flags);
        assert!(said.contains("\"wipam\" is a name that no file takes by itself"), "{said}");
    }
    // What the operator says is said before anything starts.
    let named = format!("wipam={file}");
    let run = |flags: &[&str]| {
        let state = directory.path().join("state");
        let output = Command::new(binary())
            .args(["serve", "--plugin-dir", directory.path().to_str().unwrap(), "--state-dir"])
            .arg(state)
            .args(flags)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["--driver", &named, "--driver", "builtin:default"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("Docker cannot know both wipam and default as wipam"), "{said}");
}

#[test]
fn predefined_pools_that_no_network_may_have_are_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("wipam.toml");
    let flags = ["--config", config.to_str().unwrap()];
    let table = |grant: &str| {
        let pools = "default-address-pools = [{ base = \"127.64.0.0/16\", size = 24 }]";
        let text =
            format!("[[driver]]\nfile = \"builtin:default\"\n{grant}\n[driver.config]\n{pools}\n");
        fs::write(&config, text).unwrap();
    };
    table("");
    let said = refuses(directory.path(), &flags);
    assert!(said.contains("default-address-pools: 127.64.0.0/16 overlaps 127.0.0.0/8"), "{said}");
    table("pools = [\"10.0.0.0/8\"]");
    let said = refuses(directory.path(), &flags);
    assert!(said.contains("127.64.0.0/16 is not within the granted pools"), "{said}");
    table("pools = [\"127.64.0.0/16\"]");
    let daemon = Daemon::start(directory.path(), &flags).ready();
    let (_, body) = daemon.client().ask("RequestPool", &json!({"AddressSpace": "LocalDefault"}));
    assert_eq!(body["Pool"], "127.64.0.0/24");
}
