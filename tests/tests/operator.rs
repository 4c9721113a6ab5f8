//! What an operator does with a running daemon, by the commands it does it with.

#![expect(clippy::unwrap_used, reason = "a test may")]

use ipam_tests::{
    daemon::{Daemon, binary, wait},
    http::Client,
    operator::wipam,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

const POOL: &str = "LocalDefault/10.0.0.0/16";

/// Takes the pool, and any address of it with these options.
fn pool(client: &mut Client) {
    assert_eq!(client.pool("LocalDefault", "10.0.0.0/16"), POOL);
}

fn lease(client: &mut Client, options: &Value) -> String {
    client.lease(POOL, "", options).unwrap()
}

fn done(daemon: &Daemon, words: &[&str]) -> Vec<Value> {
    wipam(daemon, words).done()
}

fn refused(daemon: &Daemon, words: &[&str]) -> String {
    wipam(daemon, words).refused()
}

/// A version of the built-in allocator: the same but for a note in its file,
/// which changes its digest.
fn version(path: &Path, note: &str) {
    let mut bytes = ipam_builtin::DEFAULT.to_vec();
    let name = u8::try_from(note.len()).unwrap();
    // A custom section: its id, its size, its name.
    bytes.extend([0, name + 1, name]);
    bytes.extend(note.as_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_held_is_shown_released_and_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &[]);
    wait(|| daemon.log().contains("ready;"));
    let mode = fs::metadata(daemon.state_dir().join("admin.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = daemon.client();
    pool(&mut client);
    let mac = json!({"com.docker.network.endpoint.macaddress": "02:42:0a:00:00:02"});
    let gateway = json!({"RequestAddressType": "com.docker.network.gateway"});
    assert_eq!(lease(&mut client, &gateway), "10.0.0.1");
    assert_eq!(lease(&mut client, &mac), "10.0.0.2");

    let drivers = done(&daemon, &["drivers"]);
    let names: Vec<_> = drivers.iter().map(|driver| driver["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["default", "null"]);
    assert_eq!(drivers[0]["docker_name"], "wipam");
    assert_eq!(drivers[0]["condition"], "serving");
    assert_eq!(drivers[0]["addresses"], 2);

    let pools = done(&daemon, &["pools"]);
    assert_eq!(pools.len(), 1);
    assert_eq!(pools[0]["addresses"], 2);
    // The driver reserves the network's own and the broadcast address.
    assert_eq!(pools[0]["status"]["ips_in_use"], 4);
    assert_eq!(done(&daemon, &["pools", "--driver", "null"]), Vec::<Value>::new());

    let addresses = done(&daemon, &["addresses", "--pool", POOL]);
    let kinds: Vec<_> = addresses.iter().map(|it| (&it["kind"], &it["owner"])).collect();
    let owner = json!("02:42:0a:00:00:02");
    assert_eq!(kinds, [(&json!("gateway"), &Value::Null), (&json!("automatic"), &owner)],);
    assert_eq!(done(&daemon, &["check"])[0]["differences"], json!([]));

    let before = addresses[1]["granted_at"].as_str().unwrap().to_owned();
    assert!(
        refused(&daemon, &["release", "10.0.0.9"]).contains("no such address or pool is allocated")
    );
    let of = json!({"driver": "default", "pool_id": POOL});
    let told = |address: Value| {
        let mut told = of.clone();
        (told["released"], told["address"]) = (json!(true), address);
        [told]
    };
    assert_eq!(done(&daemon, &["release", "10.0.0.2"]), told(json!("10.0.0.2")));
    assert_eq!(done(&daemon, &["addresses", "10.0.0.2"]), Vec::<Value>::new());
    let again = done(&daemon, &["history", "10.0.0.2"]);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0]["released_by"], "operator");
    assert_eq!(again[0]["digest"], drivers[0]["digest"]);
    assert_eq!(done(&daemon, &["history", "10.0.0.2", "--at", &before])[0]["owner"], owner);
    assert_eq!(done(&daemon, &["history", "10.0.0.2/24", "--at", "now"]), Vec::<Value>::new());

    let said = refused(&daemon, &["release", "--pool", POOL]);
    assert!(said.contains("has 1 addresses; --force"), "{said}");
    assert_eq!(done(&daemon, &["release", "--pool", POOL, "--force"]), told(Value::Null));
    assert_eq!(done(&daemon, &["pools"]), Vec::<Value>::new());
    // The driver has heard of it.
    pool(&mut client);
}

#[test]
fn a_backup_is_the_ledger_of_that_moment() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &[]);
    let mut client = daemon.client();
    pool(&mut client);
    let first = lease(&mut client, &Value::Null);
    let file = directory.path().join("backup");
    done(&daemon, &["backup", file.to_str().unwrap()]);
    lease(&mut client, &Value::Null);
    let said = refused(&daemon, &["backup", file.to_str().unwrap()]);
    assert!(said.contains("already exists"), "{said}");

    let restored = tempfile::tempdir().unwrap();
    let state = restored.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::copy(&file, state.join("ledger.redb")).unwrap();
    let restored = Daemon::start(restored.path(), &[]);
    let addresses = done(&restored, &["addresses"]);
    assert_eq!(addresses.len(), 1);
    assert_eq!(addresses[0]["address"], json!(format!("{first}/16")));
    assert!(!state.join("site-id").exists(), "the ledger has the id");
    assert_eq!(done(&restored, &["history", &first]).len(), 1);
    assert_eq!(done(&restored, &["check"])[0]["differences"], json!([]));
}

/// Requests and releases until it is over; what it holds then.
fn load(socket: &Path, is_over: &AtomicBool) -> BTreeSet<String> {
    let mut client = Client::connect(socket).unwrap();
    let mut mine = BTreeSet::new();
    while !is_over.load(Ordering::Relaxed) {
        let address = lease(&mut client, &Value::Null);
        assert!(mine.insert(address.clone()), "{address} twice");
        if mine.len() > 20 {
            let gone = mine.pop_first().unwrap();
            let body = json!({"PoolID": POOL, "Address": gone});
            assert_eq!(client.ask("ReleaseAddress", &body).0, 200);
        }
    }
    mine
}

#[test]
fn a_driver_is_upgraded_under_load_and_nobody_notices() {
    const CALLERS: usize = 16;
    let directory = tempfile::tempdir().unwrap();
    let files = ["one.wasm", "two.wasm"].map(|name| directory.path().join(name));
    files.iter().zip(["one", "two"]).for_each(|(file, note)| version(file, note));
    let lab = format!("lab={}", files[0].display());
    let daemon =
        Daemon::start(directory.path(), &["--driver", "builtin:default", "--driver", &lab]);
    let socket = daemon.socket("lab");
    wait(|| Client::connect(&socket).is_ok());
    pool(&mut Client::connect(&socket).unwrap());
    let is_over = AtomicBool::new(false);
    let held = thread::scope(|scope| {
        let callers: Vec<_> =
            (0..CALLERS).map(|_| scope.spawn(|| load(&socket, &is_over))).collect();
        let mut followed = 0;
        for upgrade in 1..=10 {
            let file = files[upgrade % 2].to_str().unwrap();
            let upgraded = done(&daemon, &["driver", "upgrade", "lab", file]);
            assert_ne!(upgraded[0]["from"], upgraded[0]["to"]);
            followed += upgraded[0]["followed"].as_u64().unwrap();
        }
        assert!(followed > 0, "nothing came while versions were shown the ledger");
        is_over.store(true, Ordering::Relaxed);
        callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
    });
    let all: BTreeSet<String> = held.iter().flatten().cloned().collect();
    assert_eq!(
        all.len(),
        held.iter().map(BTreeSet::len).sum::<usize>(),
        "one address, two holders"
    );
    let addresses = done(&daemon, &["addresses", "--driver", "lab"]);
    let ledger: BTreeSet<String> = addresses
        .iter()
        .map(|it| it["address"].as_str().unwrap().split('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(ledger, all);
    assert_eq!(done(&daemon, &["check", "lab"])[0]["differences"], json!([]));

    let null = directory.path().join("null.wasm");
    fs::write(&null, ipam_builtin::NULL).unwrap();
    let said = refused(&daemon, &["driver", "upgrade", "lab", null.to_str().unwrap()]);
    assert!(said.contains("registers null"), "{said}");
    let said = refused(&daemon, &["driver", "upgrade", "default", null.to_str().unwrap()]);
    assert!(said.contains("built in"), "{said}");
    lease(&mut Client::connect(&socket).unwrap(), &Value::Null);
}

#[test]
fn a_hangup_reads_the_configuration_again() {
    const READ: &str = "configuration reloaded";
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("wipam.toml");
    let lab = directory.path().join("lab.wasm");
    let text =
        "[[driver]]\nfile = \"builtin:default\"\n[[driver]]\nfile = \"lab.wasm\"\nname = \"lab\"\n";
    fs::write(&config, text).unwrap();
    version(&lab, "one");
    let daemon = Daemon::start(directory.path(), &["--config", config.to_str().unwrap()]);
    wait(|| daemon.log().contains("ready;"));
    let digests = || -> Vec<(Value, Value)> {
        let drivers = done(&daemon, &["drivers"]);
        drivers.into_iter().map(|it| (it["name"].clone(), it["digest"].clone())).collect()
    };
    let first = digests();
    pool(&mut Client::connect(&daemon.socket("lab")).unwrap());

    daemon.hangup(READ);
    assert_eq!(digests(), first, "nothing changed");
    assert!(!daemon.log().contains("driver upgraded"));

    // Another file under the same name, one more driver, one more exclusion.
    version(&lab, "two");
    let more =
        format!("exclude = [\"172.16.0.0/12\"]\n{text}[[driver]]\nfile = \"builtin:null\"\n");
    fs::write(&config, more).unwrap();
    daemon.hangup(READ);
    let second = digests();
    assert_eq!(second.len(), 3);
    assert_eq!(second[0], first[0]);
    assert_ne!(second[1], first[1]);
    let any = json!({"AddressSpace": "LocalDefault"});
    let (_, granted) = daemon.client().ask("RequestPool", &any);
    assert!(granted["Pool"].as_str().unwrap().starts_with("192.168."), "{granted}");

    // A configuration that cannot be meant changes nothing.
    fs::write(&config, "[[driver]]\nfil = \"lab.wasm\"\n").unwrap();
    daemon.hangup("cannot reload the configuration");
    assert_eq!(digests(), second);
    // What is gone from it serves on, and what cannot start stays as it was.
    fs::write(&lab, "no component").unwrap();
    fs::write(&config, "mac-addresses = true\n[[driver]]\nfile = \"lab.wasm\"\nname = \"lab\"\n")
        .unwrap();
    daemon.hangup(READ);
    assert_eq!(digests(), second);
    for words in ["removed from the configuration", "it is unchanged", "at the next start"] {
        assert!(daemon.log().contains(words), "{}", daemon.log());
    }
    lease(&mut Client::connect(&daemon.socket("lab")).unwrap(), &Value::Null);
    assert!(daemon.terminate().unwrap().success());
}

#[test]
fn a_pinned_driver_is_that_file_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("wipam.toml");
    let files = ["lab.wasm", "two.wasm"].map(|name| directory.path().join(name));
    files.iter().zip(["one", "two"]).for_each(|(file, note)| version(file, note));
    let pin = |digest: &str| {
        let lab =
            format!("[[driver]]\nfile = \"lab.wasm\"\nname = \"lab\"\ndigest = \"{digest}\"\n");
        fs::write(&config, format!("[[driver]]\nfile = \"builtin:default\"\n{lab}")).unwrap();
    };
    let flags = ["--config", config.to_str().unwrap()];
    pin(&format!("sha256:{}", "0".repeat(64)));
    // Whether it served others for a moment before is another matter.
    let said = Daemon::refuses_to_start(Command::new(binary()), directory.path(), &flags);
    assert!(said.contains("but the configuration pins sha256:0000"), "{said}");
    let found = said.split("the file has the digest ").nth(1).unwrap().split(',').next().unwrap();

    pin(found);
    let daemon = Daemon::start(directory.path(), &flags);
    wait(|| daemon.log().contains("ready;"));
    let said = refused(&daemon, &["driver", "upgrade", "lab", files[1].to_str().unwrap()]);
    assert!(said.contains("configuration pins"), "{said}");
    fs::copy(&files[1], &files[0]).unwrap();
    daemon.hangup("it is unchanged");
    assert_eq!(done(&daemon, &["drivers"])[1]["digest"], found);
}

#[test]
fn engines_are_asked_for_mac_addresses_if_the_operator_says_so() {
    for (flags, want) in [(&[][..], false), (&["--mac-addresses"][..], true)] {
        let directory = tempfile::tempdir().unwrap();
        let daemon = Daemon::start(directory.path(), flags);
        let (_, capabilities) = daemon.client().ask("GetCapabilities", &Value::Null);
        assert_eq!(capabilities["RequiresMACAddress"], want);
        assert_eq!(capabilities["RequiresRequestReplay"], false);
    }
}

#[test]
fn who_asks_nonsense_is_told_so_and_costs_little() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &["--ephemeral"]);
    let socket = daemon.state_dir().join("admin.sock");
    let told = |question: &[u8]| {
        let stream = UnixStream::connect(&socket).unwrap();
        (&stream).write_all(question).unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        line
    };
    for question in ["\n", "drivers\n", "{\"ask\":\"root\"}\n", "{\"ask\":\"check\",\"x\":1}\n"] {
        assert!(told(question.as_bytes()).starts_with("{\"error\":"), "{question}");
    }
    let path = "{\"ask\":\"backup\",\"file\":\"here\"}\n";
    assert!(told(path.as_bytes()).contains("not an absolute path"));
    assert!(told(&vec![b'x'; 64 * 1024]).contains("one line of at most 65536 bytes"));
    let said = refused(&daemon, &["backup", directory.path().join("b").to_str().unwrap()]);
    assert!(!said.contains("panic"), "{said}");
    let history = wipam(&daemon, &["history", "10.0.0.1"]);
    assert_eq!((history.code, history.items.len()), (0, 0));
    assert!(history.said.contains("no history is kept"), "{}", history.said);

    // Sixteen may be connected; the next one is told so at once.
    let open: Vec<_> = (0..16).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let mut line = String::new();
    BufReader::new(UnixStream::connect(&socket).unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("too many admin connections"), "{line}");
    drop(open);
    wait(|| wipam(&daemon, &["drivers"]).code == 0);

    let mut rest = String::new();
    let stream = UnixStream::connect(&socket).unwrap();
    (&stream).write_all(b"{\"ask\":\"drivers\"}\n{\"ask\":\"drivers\"}\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    (&stream).read_to_string(&mut rest).unwrap();
    assert_eq!(rest.matches("{\"end\":{\"notes\":[]}}").count(), 2, "{rest}");
}

#[test]
fn a_daemon_that_is_not_there_is_an_answer_too() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(directory.path(), &[]);
    let state = daemon.state_dir().to_owned();
    assert!(daemon.terminate().unwrap().success());
    assert!(!state.join("admin.sock").exists());
    // Whatever else the process still held, the ledger was closed.
    let daemon = Daemon::start(directory.path(), &[]);
    assert!(!daemon.log().contains("was_closed=false"), "{}", daemon.log());
    assert!(daemon.terminate().unwrap().success());
    let command = Command::new(ipam_tests::daemon::binary());
    let ran = ipam_tests::operator::run(command, &state, &["drivers"]);
    assert_eq!(ran.code, 1);
    assert!(ran.said.contains("is wipam running with this state directory?"), "{}", ran.said);
}
