//! Who we are to a registry: as Docker's own configuration says.
//!
//! Not the crate `docker_credential`: it waits for a helper for ever, and reads
//! whatever it prints.

use crate::{
    bounds::{CREDENTIALS_BYTES_MAX, HELPER_TIME},
    file::read,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    env, fmt,
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// How often a helper is looked at until it has ended.
const HELPER_TICK: Duration = Duration::from_millis(10);
/// The user of an identity token.
const TOKEN_USER: &str = "<token>";
/// Under which name Docker keeps what is for its own registry.
const DOCKER: (&str, &str) = ("docker.io", "https://index.docker.io/v1/");

/// What a registry, or who gives tokens for it, is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A user and a password.
    Basic { user: String, password: String },
    /// What a token is asked for with.
    Identity(String),
}

/// Nobody's secret is in a log.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[derive(Deserialize, Default)]
struct Configuration {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credHelpers", default)]
    helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: Option<String>,
}

#[derive(Deserialize, Default)]
struct Entry {
    auth: Option<String>,
    #[serde(rename = "identitytoken")]
    identity_token: Option<String>,
}

#[derive(Deserialize)]
struct Printed {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// A user and a password, as HTTP has them.
pub(crate) fn basic_value(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Where Docker keeps its configuration.
pub(crate) fn of_docker() -> Option<PathBuf> {
    let of = |name| env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let directory = of("DOCKER_CONFIG").or_else(|| of("HOME").map(|home| home.join(".docker")));
    directory.map(|directory| directory.join("config.json"))
}

/// What the file has for a registry; nothing if there is no file, or nothing in
/// it for that one.
pub(crate) fn look_up(file: &Path, registry: &str) -> Result<Option<Credentials>, String> {
    let of_file = |why: &dyn fmt::Display| format!("{}: {why}", file.display());
    let bytes = match read(file, CREDENTIALS_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(of_file(&error)),
    };
    // The words of a JSON error may repeat what is in the file.
    let configuration: Configuration = serde_json::from_slice(&bytes).map_err(|error| {
        of_file(&format_args!("line {}: it is not Docker's configuration", error.line()))
    })?;
    let names = names(registry);
    let helper = names.iter().find_map(|name| configuration.helpers.get(name));
    if let Some(helper) = helper.or(configuration.store.as_ref()) {
        return ask(helper, &names).map_err(|why| of_file(&why));
    }
    let entry = names.iter().find_map(|name| configuration.auths.get(name));
    let Some(Entry { auth, identity_token }) = entry else { return Ok(None) };
    if let Some(token) = identity_token.as_ref().filter(|token| !token.is_empty()) {
        return Ok(Some(Credentials::Identity(token.clone())));
    }
    let Some(auth) = auth.as_ref().filter(|auth| !auth.is_empty()) else { return Ok(None) };
    let bad = || of_file(&format_args!("the entry of {registry} is no user and password"));
    let text = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(bad)?;
    let (user, password) = text.split_once(':').ok_or_else(bad)?;
    Ok(Some(Credentials::Basic { user: user.to_owned(), password: password.to_owned() }))
}

/// What Docker may call a registry in its configuration.
fn names(registry: &str) -> Vec<String> {
    let mut names = vec![registry.to_owned(), format!("https://{registry}")];
    names.extend(["v1", "v2"].map(|version| format!("https://{registry}/{version}/")));
    if registry == DOCKER.0 {
        names.insert(0, DOCKER.1.to_owned());
    }
    names
}

/// Asks a helper by each name until it knows one.
fn ask(helper: &str, names: &[String]) -> Result<Option<Credentials>, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if helper.is_empty() || !helper.bytes().all(is_name) {
        return Err("the name of a credential helper is letters, digits, . _ -".to_owned());
    }
    let program = format!("docker-credential-{helper}");
    let ends = Instant::now() + HELPER_TIME;
    for name in names {
        let printed = run(&program, name, ends).map_err(|error| format!("{program}: {error}"))?;
        let Some(printed) = printed else { continue };
        let Printed { user, secret } =
            serde_json::from_slice(&printed).map_err(|_| format!("{program} prints no JSON"))?;
        return Ok(Some(if user == TOKEN_USER {
            Credentials::Identity(secret)
        } else {
            Credentials::Basic { user, password: secret }
        }));
    }
    Ok(None)
}

/// What a helper prints about a registry; nothing if it says that it has nothing.
fn run(program: &str, registry: &str, ends: Instant) -> io::Result<Option<Vec<u8>>> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // What it starts ends with it.
        .process_group(0)
        .spawn()?;
    let done = talk(&mut child, registry, ends);
    if done.is_err() {
        // They may have ended by themselves.
        if let Ok(group) = i32::try_from(child.id()) {
            let _ = Pid::from_raw(group).map(|group| kill_process_group(group, Signal::KILL));
        }
    }
    let _ = child.wait();
    done
}

fn talk(child: &mut Child, registry: &str, ends: Instant) -> io::Result<Option<Vec<u8>>> {
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read has its reasons, and prints them.
        let _ = writeln!(stdin, "{registry}");
    }
    let stdout = child.stdout.take();
    // It may print more than a pipe holds, and leave the pipe to what it started.
    let (sender, printed) = mpsc::sync_channel(1);
    thread::Builder::new().name("wipam-helper".to_owned()).spawn(move || {
        let mut printed = Vec::new();
        let stdout = stdout.map(|it| it.take(CREDENTIALS_BYTES_MAX as u64));
        let read = stdout.map_or(Ok(0), |mut it| it.read_to_end(&mut printed));
        // Perhaps nobody waits any more.
        let _ = sender.send(read.map(|_| printed));
    })?;
    let late = || io::Error::new(ErrorKind::TimedOut, format!("no answer in {HELPER_TIME:?}"));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= ends {
            return Err(late());
        }
        thread::sleep(HELPER_TICK);
    };
    match printed.recv_timeout(ends.saturating_duration_since(Instant::now())) {
        Ok(printed) => printed.map(|printed| status.success().then_some(printed)),
        Err(RecvTimeoutError::Timeout) => Err(late()),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("it could not be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::{CREDENTIALS_BYTES_MAX, Credentials, ask, look_up, run};
    use std::{
        fs,
        os::unix::fs::PermissionsExt as _,
        path::{Path, PathBuf},
        thread,
        time::{Duration, Instant},
    };

    fn basic(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn an_entry_of_dockers_configuration_is_found_by_each_of_its_names() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        assert_eq!(look_up(&file, "ghcr.io"), Ok(None));
        fs::write(
            &file,
            r#"{"auths": {
                "ghcr.io": {"auth": "bWU6c2U6Y3JldA=="},
                "https://registry.example/v2/": {"auth": "bWU6eA=="},
                "https://index.docker.io/v1/": {"identitytoken": "t"},
                "empty.example": {},
                "bad.example": {"auth": "?"}
            }, "HttpHeaders": {}}"#,
        )
        .unwrap();
        assert_eq!(look_up(&file, "ghcr.io"), Ok(basic("me", "se:cret")));
        assert_eq!(look_up(&file, "registry.example"), Ok(basic("me", "x")));
        assert_eq!(look_up(&file, "docker.io"), Ok(Some(Credentials::Identity("t".to_owned()))));
        assert_eq!(look_up(&file, "empty.example"), Ok(None));
        assert_eq!(look_up(&file, "other.example"), Ok(None));
        assert!(look_up(&file, "bad.example").unwrap_err().contains("bad.example"));
    }

    #[test]
    fn a_wrong_file_is_named_without_its_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        fs::write(&file, "{\"auths\": \"secret\"}").unwrap();
        let refused = look_up(&file, "ghcr.io").unwrap_err();
        assert!(refused.contains("config.json: line 1"), "{refused}");
        assert!(!refused.contains("secret"), "{refused}");
        fs::write(&file, " ".repeat(CREDENTIALS_BYTES_MAX + 1)).unwrap();
        let refused = look_up(&file, "ghcr.io").unwrap_err();
        assert!(refused.contains("more than 1048576 bytes"), "{refused}");
        assert_eq!(format!("{:?}", basic("me", "secret")), "Some(Credentials)");
    }

    fn script(directory: &Path, text: &str) -> PathBuf {
        let path = directory.join("helper");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn a_helper_is_asked_and_not_waited_for_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let asked = |text: &str, time| {
            let path = script(directory.path(), text);
            run(path.to_str().unwrap(), "ghcr.io", Instant::now() + time)
        };
        let long = Duration::from_secs(30);
        let printed = asked("test \"$1\" = get; read name; echo \"$name\"", long).unwrap();
        assert_eq!(printed.as_deref(), Some(&b"ghcr.io\n"[..]));
        assert_eq!(asked("echo not found; exit 1", long).unwrap(), None);
        let late = asked("exec sleep 1000", Duration::from_millis(50)).unwrap_err();
        assert!(late.to_string().contains("no answer"), "{late}");
    }

    /// What it started has its stdout, and ends with its time.
    #[test]
    fn what_a_helper_leaves_behind_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = script(directory.path(), "(sleep 2; echo > \"$0.alive\") & echo '{}'");
        let begin = Instant::now();
        let late = run(path.to_str().unwrap(), "ghcr.io", begin + Duration::from_secs(1));
        assert!(late.unwrap_err().to_string().contains("no answer"));
        thread::sleep(Duration::from_secs(2));
        assert!(!directory.path().join("helper.alive").exists());
    }

    #[test]
    fn the_name_of_a_helper_is_no_path() {
        for name in ["", "../x", "a b", "a;b"] {
            assert!(ask(name, &[]).is_err(), "{name}");
        }
        assert!(ask("that-nobody-has", &["a".to_owned()]).is_err());
    }
}
