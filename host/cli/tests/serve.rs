//! The program as an operator meets it: what it prints, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn serve(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wipam"));
        command.arg("serve").arg("--state-dir").arg(self.path("state"));
        command.arg("--plugin-dir").arg(self.path("plugins")).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env_remove("RUST_LOG");
        command
    }

    /// Serves until `end`, and returns what it said.
    fn until(&self, arguments: &[&str], end: impl FnOnce(&Child)) -> Output {
        let child = self.serve(arguments).spawn().unwrap();
        let served =
            ["wipam", "wipam-null", "lab"].map(|name| self.path(&format!("plugins/{name}.sock")));
        while !served.iter().any(|socket| UnixStream::connect(socket).is_ok()) {
            thread::sleep(Duration::from_millis(5));
        }
        end(&child);
        child.wait_with_output().unwrap()
    }
}

fn signal(child: &Child, name: &str) {
    Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
}

fn ask(socket: &Path, path: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    let length = body.len();
    write!(stream, "POST /{path} HTTP/1.1\r\nHost:\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// It ends with this code and says one line.
#[track_caller]
fn refuses(mut command: Command, code: i32, words: &[&str]) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("wipam: "), "{said}");
    for word in words {
        assert!(last.contains(word), "no {word:?} in {last:?}");
    }
    let errors = said.lines().filter(|line| line.contains("wipam: ") || line.contains("ERROR"));
    assert_eq!(errors.count(), 1, "one line: {said}");
    assert_eq!(output.status.code(), Some(code), "{said}");
}

#[test]
fn help_shows_what_there_is() {
    let help =
        Command::new(env!("CARGO_BIN_EXE_wipam")).args(["serve", "--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for flag in ["--state-dir", "--plugin-dir", "--driver", "--config", "--exclude", "--log-format"]
    {
        assert!(text.contains(flag), "{flag}");
    }
    assert!(text.contains("RUST_LOG") && text.contains("Exit codes"), "{text}");
}

#[test]
fn sigterm_drains_and_removes_the_sockets() {
    for name in ["TERM", "INT"] {
        let place = Place::new();
        let output = place.until(&[], |child| {
            let answer = ask(&place.path("plugins/wipam.sock"), "Plugin.Activate", "");
            assert!(answer.ends_with(r#"{"Implements":["IpamDriver"]}"#), "{answer}");
            signal(child, name);
        });
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(fs::read_dir(place.path("plugins")).unwrap().count(), 0);
    }
}

#[test]
fn a_file_configures_everything_and_drivers_have_tables_of_their_own() {
    let place = Place::new();
    place.write("lab.wasm", ipam_builtin::DEFAULT);
    let config = place.write(
        "wipam.toml",
        r#"
        log-format = "json"
        exclude = ["10.7.0.0/24"]
        [[driver]]
        file = "lab.wasm"
        name = "lab"
        [driver.config]
        default-address-pools = [{ base = "10.7.0.0/16", size = 24 }]
        "#,
    );
    let output = place.until(&["--config", &config], |child| {
        let pool = r#"{"AddressSpace":"LocalDefault","Pool":"","V6":false}"#;
        let answer = ask(&place.path("plugins/lab.sock"), "IpamDriver.RequestPool", pool);
        assert!(answer.contains(r#""Pool":"10.7.1.0/24""#), "{answer}");
        signal(child, "TERM");
    });
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.is_empty());
    for line in said.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("each line is one object");
        assert!(line["level"].is_string(), "{line}");
    }
}

#[test]
fn what_no_driver_is_loaded_for_is_said_at_the_start() {
    let place = Place::new();
    place.until(&[], |child| {
        let pool = r#"{"AddressSpace":"LocalDefault","Pool":"192.0.2.0/24"}"#;
        ask(&place.path("plugins/wipam.sock"), "IpamDriver.RequestPool", pool);
        signal(child, "TERM");
    });
    let socket = place.path("plugins/wipam-null.sock");
    // It is said when all are loaded, and the daemon is ready.
    let output =
        place.until(&["--driver", "builtin:null", "--docker-name", "ofice=office"], |child| {
            thread::sleep(Duration::from_millis(500));
            assert!(UnixStream::connect(&socket).is_ok());
            signal(child, "TERM");
        });
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("not loaded driver=default pools=1 addresses=0"), "{said}");
    assert!(said.contains("docker-names has a driver that is not loaded driver=ofice"), "{said}");
    let warnings = said.lines().filter(|line| line.contains("WARN"));
    assert_eq!(warnings.count(), 2, "{said}");
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let place = Place::new();
    fs::create_dir_all(place.path("plugins")).unwrap();
    fs::create_dir_all(place.path("state")).unwrap();
    let socket = place.path("plugins/wipam.sock");
    let live = UnixListener::bind(&socket).unwrap();
    refuses(place.serve(&[]), 1, &["wipam.sock"]);
    assert!(UnixStream::connect(&socket).is_ok(), "it is still there");
    drop(live);
    // A process that another test is about to run may have it for a moment.
    while UnixStream::connect(&socket).is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
    place.until(&[], |child| {
        assert!(ask(&socket, "Plugin.Activate", "").contains("200 OK"));
        signal(child, "TERM");
    });
}

#[test]
fn one_state_directory_has_one_owner() {
    let place = Place::new();
    place.until(&[], |child| {
        refuses(place.serve(&[]), 1, &["in use by process", &child.id().to_string()]);
        signal(child, "TERM");
    });
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let place = Place::new();
    let core = place.write("core.wasm", b"\0asm\x01\0\0\0");
    let text = place.write("text.wasm", "hello");
    let empty = place.write("empty.wasm", b"\0asm\x0d\0\x01\0");
    let missing = place.path("missing.wasm").display().to_string();
    for (arguments, code, words) in [
        (&["--driver", &*core][..], 1, &["core.wasm", "core WebAssembly module"][..]),
        (&["--driver", &*text], 1, &["text.wasm", "not WebAssembly"]),
        (&["--driver", &*empty], 1, &["empty.wasm", "does not export", "ipam:driver/ipam"]),
        (&["--driver", &*missing], 1, &["missing.wasm", "No such file"]),
        (&["--driver", "builtin:nobody"], 2, &["builtin:nobody", "builtin:default"]),
        (&["--driver", "../x=a.wasm"], 1, &["../x=a.wasm"]),
        (&["--driver", "a b=a.wasm"], 2, &["a b"]),
        (&["--config", &*missing], 2, &["missing.wasm", "No such file"]),
        (&["--driver", "builtin:null", "--driver", "builtin:null"], 1, &["null"]),
    ] {
        refuses(place.serve(arguments), code, words);
    }
    let config =
        place.write("bad.toml", "[[driver]]\nfile = 'builtin:default'\n\nplugin-dri = 'x'\n");
    refuses(place.serve(&["--config", &config]), 2, &["bad.toml", "line 4", "plugin-dri"]);
    let config = "[[driver]]\nfile = 'builtin:default'\nconfig = { pools = 1 }\n";
    let config = place.write("driver.toml", config);
    refuses(place.serve(&["--config", &config]), 1, &["builtin:default", "pools"]);
}

#[test]
fn directories_that_cannot_be_are_named() {
    let place = Place::new();
    let serve = |state: PathBuf, plugins: PathBuf| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wipam"));
        command.arg("serve").arg("--state-dir").arg(state).arg("--plugin-dir").arg(plugins);
        command
    };
    let nowhere = place.path("no/where");
    refuses(serve(nowhere.clone(), place.path("p")), 1, &["no/where", "parent directory"]);
    refuses(serve(place.path("s"), nowhere), 1, &["no/where", "parent directory"]);
    let file = PathBuf::from(place.write("file", ""));
    refuses(serve(file.clone(), place.path("p")), 1, &["file"]);
    refuses(serve(place.path("s"), file), 1, &["file"]);
}

#[test]
fn a_file_is_looked_at_without_running_it() {
    let place = Place::new();
    let inspect = |bytes: &[u8], more: &[&str]| {
        let file = place.write("x.wasm", bytes);
        let mut command = Command::new(env!("CARGO_BIN_EXE_wipam"));
        command.args(["driver", "inspect", &file]).args(more).output().unwrap()
    };
    let shown = inspect(ipam_builtin::DEFAULT, &[]);
    assert_eq!(shown.status.code(), Some(0));
    let text = String::from_utf8(shown.stdout).unwrap();
    for line in ["contract  0.1.0", "exports   ipam:driver/ipam@0.1.0", "digest    sha256:"] {
        assert!(text.contains(line), "{text}");
    }
    assert!(!text.contains("needs") && !text.contains("lacks"), "{text}");
    let shown = inspect(b"\0asm\x0d\0\x01\0", &["--json"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains(r#""contract":null"#) && text.contains(r#""missing":["ipam"#), "{text}");
    for (text, words) in [
        ("(component (core module (memory 1 1 shared)))", "it needs threads, which drivers do"),
        (
            "(component (type (func async)))",
            "it needs asynchronous functions, which drivers do not get here: build it without async",
        ),
        (
            "(component (import \"wasi:cli/environment@0.3.0\" (instance)))",
            "it is built for WASI 0.3; build it for wasm32-wasip2",
        ),
    ] {
        let shown = inspect(text.as_bytes(), &[]);
        assert_eq!(shown.status.code(), Some(1), "text is no component");
        let component = wat::parse_str(text).unwrap();
        let shown = String::from_utf8(inspect(&component, &[]).stdout).unwrap();
        assert!(shown.contains(&format!("refused   {words}")), "{shown}");
        let shown = String::from_utf8(inspect(&component, &["--json"]).stdout).unwrap();
        assert!(shown.contains(&format!(r#""refused":"{words}"#)), "{shown}");
    }
    let words = r#"(component
        (@custom "producers" "\01\0cprocessed-by\01\05rustc\041.95") (@custom "version" "1.2"))"#;
    let component = wat::parse_str(words).unwrap();
    let shown = String::from_utf8(inspect(&component, &[]).stdout).unwrap();
    for line in ["producer  processed-by rustc 1.95\n", "says      version 1.2\n"] {
        assert!(shown.contains(line), "{shown}");
    }
    let shown = String::from_utf8(inspect(&component, &["--json"]).stdout).unwrap();
    assert!(shown.contains(r#""annotations":{"version":"1.2"},"packages":null"#), "{shown}");
    let shown = inspect(b"hello", &[]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(String::from_utf8(shown.stderr).unwrap().contains("it is not WebAssembly"));
}

#[test]
fn what_imports_no_driver_is_put_around_none() {
    let place = Place::new();
    let (file, out) = (place.write("x.wasm", ipam_builtin::DEFAULT), place.path("out.wasm"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_wipam"));
    command.args(["compose", &file, "--around", "builtin:null", "-o"]).arg(&out);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    let words = "it imports neither ipam:driver/lifecycle nor ipam:driver/ipam, so nothing can be put inside it";
    assert!(said.contains(words) && !out.exists(), "{said}");
}

/// What is asked wrongly is refused before any daemon is asked.
#[test]
fn a_reconciliation_that_frees_has_a_least_grace() {
    let reconcile = |with: &[&str], arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wipam"));
        command.arg("reconcile").args(with).args(["--state-dir", "/nowhere"]).args(arguments);
        command
    };
    // With engines, with a driver's system of record, and the short form of that.
    for with in [&["docker"][..], &["records", "lab"], &["lab"]] {
        refuses(
            reconcile(with, &["--grace", "29"]),
            2,
            &["must be 30s to 24h; with --dry-run it may be shorter"],
        );
        refuses(reconcile(with, &["--grace", "29s"]), 2, &["--grace 29s: must be 30"]);
        refuses(reconcile(with, &["--grace", "86401", "--dry-run"]), 2, &["must be 30s to 24h"]);
        let words = &["is wipam running with this state directory?"][..];
        refuses(reconcile(with, &["--grace", "0", "--dry-run"]), 1, words);
        refuses(reconcile(with, &["--grace", "2s", "--dry-run"]), 1, words);
        for grace in ["30", "30s", "1m"] {
            refuses(reconcile(with, &["--grace", grace]), 1, words);
        }
        let odd = reconcile(with, &["--grace", "2 days"]).output().unwrap();
        assert_eq!(odd.status.code(), Some(2));
        assert!(String::from_utf8(odd.stderr).unwrap().contains("a time has a unit (ms, s, m, h)"));
        let unknown = reconcile(with, &["--no-such-flag"]).output().unwrap();
        assert_eq!(unknown.status.code(), Some(2));
    }
    let pair = reconcile(&["docker"], &["--docker-name", "wipam"]).output().unwrap();
    assert_eq!(pair.status.code(), Some(2));
    assert!(String::from_utf8(pair.stderr).unwrap().contains("expected DRIVER=NAME"));
}
