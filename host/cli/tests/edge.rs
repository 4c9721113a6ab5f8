//! What an operator writes is meant, or is refused: files, directories,
//! addresses, names, moments; and the host's own networks are kept clear of.

#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{
    fs::{self, Permissions},
    io::{Read as _, Write as _},
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for what is sure to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with a daemon's state, its sockets and what it says.
struct Place(tempfile::TempDir);

/// A daemon that is ready. Killed when dropped.
struct Daemon<'p> {
    child: Child,
    place: &'p Place,
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wipam() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wipam"));
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// What it says, and how it ends; a test does not wait for ever.
#[track_caller]
fn ends(mut command: Command) -> (Option<i32>, String) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(10));
    }
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[track_caller]
fn refuses(command: Command, code: i32, words: &str) {
    let (ended, said) = ends(command);
    assert_eq!(ended, Some(code), "{said}");
    assert!(said.contains(words), "no {words:?}: {said}");
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn fifo(&self) -> String {
        let fifo = self.path("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        fifo.display().to_string()
    }

    /// `wipam serve` in `state` and `plugins`.
    fn serve_as(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(["serve", "--plugin-dir"]).arg(self.path("plugins")).args(arguments);
        command
    }

    fn serve(&self, arguments: &[&str]) -> Command {
        let mut command = self.serve_as(wipam(), arguments);
        command.arg("--state-dir").arg(self.path("state"));
        command
    }

    #[track_caller]
    fn ready(&self, mut command: Command) -> Daemon<'_> {
        let log = fs::File::create(self.path("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut daemon = Daemon { child, place: self };
        let begin = Instant::now();
        while !self.log().contains("ready;") {
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none() && begin.elapsed() < PATIENCE, "{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
        daemon
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

impl Daemon<'_> {
    /// What `wipam` answers with this daemon's state directory.
    #[track_caller]
    fn ask(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = wipam();
        command.args(words).arg("--state-dir").arg(self.place.path("state"));
        ends(command)
    }

    /// What Docker is answered.
    fn docker(&self, method: &str, body: &str) -> String {
        let mut stream = UnixStream::connect(self.place.path("plugins/wipam.sock")).unwrap();
        let head = "HTTP/1.1\r\nHost:\r\nConnection: close\r\nContent-Length:";
        let length = body.len();
        write!(stream, "POST /IpamDriver.{method} {head} {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn what_is_no_file_is_waited_for_by_nobody() {
    let place = Place::new();
    let fifo = place.fifo();
    refuses(place.serve(&["--config", &fifo]), 2, "it is a pipe");
    refuses(place.serve(&["--config", "/dev/zero"]), 2, "it is a device");
    refuses(place.serve(&["--config", "/"]), 2, "it is a directory");
    refuses(place.serve(&["--driver", &fifo]), 1, "it is a pipe");
    for (words, code) in [
        (&["driver", "inspect", &fifo][..], 1),
        (&["driver", "inspect", "/dev/zero"], 1),
        (&["test", &fifo], 2),
        (&["compose", &fifo, "-o", "/dev/null"], 2),
    ] {
        let mut command = wipam();
        command.args(words);
        refuses(command, code, "it is a ");
    }
    let large = place.write("large.toml", &" ".repeat((1 << 20) + 1));
    refuses(place.serve(&["--config", &large]), 2, "it has more than 1048576 bytes");

    let daemon = place.ready(place.serve(&["--ephemeral"]));
    let (code, said) = daemon.ask(&["driver", "upgrade", "default", &fifo]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("it is a pipe"), "{said}");
    let (code, said) = daemon.ask(&["driver", "upgrade", "nobody", &fifo]);
    assert!(code == Some(1) && said.contains("no driver nobody"), "{said}");
}

#[test]
fn a_directory_that_others_could_write_to_holds_no_state() {
    let place = Place::new();
    let (real, link) = (place.path("state"), place.path("link"));
    fs::create_dir(&real).unwrap();
    fs::set_permissions(&real, Permissions::from_mode(0o775)).unwrap();
    refuses(place.serve(&["--ephemeral"]), 1, "chmod go-w");
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
    fs::set_permissions(&real, Permissions::from_mode(0o755)).unwrap();
    symlink(&real, &link).unwrap();
    let mut command = place.serve_as(wipam(), &["--ephemeral"]);
    command.arg("--state-dir").arg(&link);
    refuses(command, 1, "it is a symbolic link");

    // Whatever the umask, what is made is the owner's alone.
    fs::remove_dir(&real).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 002; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_wipam")]);
    let mut command = place.serve_as(shell, &["--ephemeral"]);
    command.arg("--state-dir").arg(&real);
    drop(place.ready(command));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&real), mode(&real.join("cache"))), (0o700, 0o700));
    assert_eq!(mode(&real.join("site-id")), 0o600);
    drop(place.ready(place.serve(&["--ephemeral"])));
}

#[test]
fn an_empty_text_in_the_file_is_a_mistake() {
    let place = Place::new();
    fs::create_dir(place.path("etc")).unwrap();
    for (text, key) in [
        ("state-dir = ''\nplugin-dir = 'p'\n", "state-dir is empty"),
        ("plugin-dir = ''\nstate-dir = 's'\n", "plugin-dir is empty"),
        ("state-dir = 's'\n[[driver]]\nfile = ''\n", "a driver needs a file"),
    ] {
        let file = place.write("etc/wipam.toml", text);
        let mut command = wipam();
        command.args(["serve", "--config", &file]);
        refuses(command, 2, key);
        assert_eq!(fs::read_dir(place.path("etc")).unwrap().count(), 1, "{text}");
    }
}

#[test]
fn a_driver_gets_a_date_as_it_is_written_and_no_number_that_is_none() {
    let place = Place::new();
    let config =
        |value: &str| format!("[[driver]]\nfile = 'builtin:default'\n[driver.config]\n{value}\n");
    let file = place.write("a.toml", &config("site-id = 2026-01-01T00:00:00Z"));
    drop(place.ready(place.serve(&["--ephemeral", "--config", &file])));
    let pools = "default-address-pools = [{ base = '10.1.0.0/16', size = nan }]";
    let file = place.write("b.toml", &config(pools));
    let words = "config.default-address-pools[0].size is not a finite number";
    refuses(place.serve(&["--ephemeral", "--config", &file]), 2, words);
}

#[test]
fn an_address_is_the_same_however_it_is_written() {
    let place = Place::new();
    let daemon = place.ready(place.serve(&[]));
    let pool = r#"{"AddressSpace":"LocalDefault","Pool":"10.79.0.0/24"}"#;
    daemon.docker("RequestPool", pool);
    let address = r#"{"PoolID":"LocalDefault/10.79.0.0/24","Address":"10.79.0.9"}"#;
    daemon.docker("RequestAddress", address);
    for text in ["10.79.0.9", "10.79.0.9/24", "::ffff:10.79.0.9", "::ffff:a4f:9"] {
        for what in ["history", "addresses"] {
            let (code, said) = daemon.ask(&[what, text]);
            assert!(code == Some(0) && said.contains("10.79.0.9/24"), "{what} {text}: {said}");
        }
    }
    for text in ["010.079.000.009", "010.079.000.009/24", "::ffff:10.79.0.9/120", ""] {
        for what in ["release", "history", "addresses"] {
            let (code, said) = daemon.ask(&[what, text]);
            assert_eq!(code, Some(2), "{what} {text}: {said}");
        }
    }
    let (_, said) = daemon.ask(&["release", "::ffff:10.79.0.9"]);
    assert!(said.starts_with("released 10.79.0.9 "), "{said}");
    for text in ["172.017.0.0/16", "::ffff:172.17.0.0/112", "172.17.0.0"] {
        refuses(place.serve(&["--exclude", text]), 2, text);
        let file = place.write("exclude.toml", &format!("exclude = ['{text}']\n"));
        refuses(place.serve(&["--config", &file]), 2, text);
    }
}

#[test]
fn what_is_not_kept_is_not_nobody() {
    let place = Place::new();
    let file = place.write("none.toml", "[history]\nmax-mib = 0\nmax-days = 0\n");
    let daemon = place.ready(place.serve(&["--config", &file]));
    let (code, said) = daemon.ask(&["history", "10.1.0.5", "--at", "2020-01-01"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("it is unknown who held") && !said.contains("nobody held"), "{said}");
    let (code, said) = daemon.ask(&["history", "10.1.0.5"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("nobody held"), "{said}");
    let (code, said) = daemon.ask(&["history", "10.1.0.5", "--at", "2999-01-01"]);
    assert!(code == Some(1) && said.contains("is in the future"), "{said}");
    drop(daemon);
    // What is kept is an answer.
    let place = Place::new();
    let daemon = place.ready(place.serve(&[]));
    let pool = r#"{"AddressSpace":"LocalDefault","Pool":"10.1.0.0/24"}"#;
    daemon.docker("RequestPool", pool);
    let (code, said) = daemon.ask(&["history", "10.1.0.5", "--at", "now"]);
    assert!(code == Some(0) && said.contains("nobody held 10.1.0.5 then"), "{said}");
}

#[test]
fn a_name_that_docker_keeps_is_warned_of() {
    let place = Place::new();
    let arguments = ["--ephemeral", "--docker-name", "default=default"];
    let _daemon = place.ready(place.serve(&arguments));
    let log = place.log();
    let warned = log
        .lines()
        .find(|line| line.contains("WARN") && line.contains("Docker has a driver of this name"));
    assert!(warned.is_some_and(|line| line.contains("name=default")), "{log}");
}

/// A managed plugin's state, seen from outside, is deep under Docker's data root.
#[test]
fn a_daemon_with_a_long_path_is_asked() {
    let place = Place::new();
    let deep = place.path(&"d".repeat(100)).join("rootfs/var/lib");
    fs::create_dir_all(&deep).unwrap();
    let state = deep.join("wipam");
    assert!(state.join("admin.sock").as_os_str().len() > 112);
    let mut command = place.serve_as(wipam(), &["--ephemeral"]);
    command.arg("--state-dir").arg(&state);
    let _daemon = place.ready(command);
    let mut command = wipam();
    command.args(["drivers", "--json", "--state-dir"]).arg(&state);
    let (code, said) = ends(command);
    assert!(code == Some(0) && said.contains(r#""name":"default""#), "{said}");
}

/// In a network of its own, with a link that is this test's.
#[test]
fn automatic_pools_keep_clear_of_what_is_on_the_hosts_links() {
    let place = Place::new();
    let net = "ip link set lo up && ip tuntap add dev tun0 mode tun \
        && ip addr add 192.0.2.6/24 dev tun0 && ip link set tun0 up \
        && ip route add 0.0.0.0/1 dev tun0 && ip route add 128.0.0.0/1 via 192.0.2.1 \
        && ip route add 10.1.0.0/24 dev tun0 scope global \
        && ip route add 10.1.1.0/24 dev tun0 && ip route add blackhole 10.1.2.0/24 \
        && ip route add 10.1.3.0/24 dev tun0 table 10";
    let can = Command::new("unshare").args(["-n", "sh", "-c", net]).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no network of its own can be had, which needs root and iproute2");
        return;
    }
    let pools = "[[driver]]\nfile = 'builtin:default'\n[driver.config]\n\
        default-address-pools = [{ base = '10.1.0.0/16', size = 24 }]\n";
    let file = place.write("pools.toml", pools);
    let mut shell = Command::new("unshare");
    let script = format!("{net} && exec \"$@\"");
    shell.args(["-n", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_wipam")]);
    let mut command = place.serve_as(shell, &["--ephemeral", "--config", &file]);
    command.arg("--state-dir").arg(place.path("state"));
    let daemon = place.ready(command);
    let any = || daemon.docker("RequestPool", r#"{"AddressSpace":"LocalDefault"}"#);
    let ip = |words: &str| {
        let id = daemon.child.id().to_string();
        let mut command = Command::new("nsenter");
        command.args(["-t", &id, "-n", "ip"]).args(words.split(' '));
        assert!(command.status().unwrap().success(), "{words}");
        // The daemon is told; it is no matter of more than a moment.
        thread::sleep(Duration::from_millis(300));
    };
    #[track_caller]
    fn is(answer: &str, pool: &str) {
        assert!(answer.contains(&format!(r#""Pool":"{pool}""#)), "{pool}: {answer}");
    }
    is(&any(), "10.1.0.0/24");
    is(&any(), "10.1.2.0/24");
    is(&any(), "10.1.3.0/24");
    ip("route add 10.1.4.0/24 dev tun0");
    is(&any(), "10.1.5.0/24");
    ip("addr add 10.1.6.1/24 dev tun0");
    is(&any(), "10.1.7.0/24");
    // A route that was replaced by one through a gateway.
    ip("route replace 10.1.4.0/24 via 192.0.2.1");
    is(&any(), "10.1.4.0/24");
    // Its routes go without a word of theirs.
    ip("link set tun0 down");
    is(&any(), "10.1.1.0/24");
    is(&any(), "10.1.6.0/24");
}
