//! Where a plugin is: the look-up of Docker's legacy plugins, by name.

use crate::{PluginGrant, grants::is_host, read_regular, tls};
use serde::Deserialize;
use std::{
    io::{self, ErrorKind},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio_rustls::rustls::ClientConfig;

/// The largest file that says where a plugin is, in bytes.
const SPEC_BYTES: u64 = 64 << 10;

/// Where a plugin listens.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Unix(PathBuf),
    Tcp { host: String, port: u16, tls: Option<Arc<ClientConfig>> },
}

/// Why a file says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadSpec {
    #[error("cannot read it: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it is not {{\"Name\":…,\"Addr\":…,\"TLSConfig\":…}}: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("{0:?} is not unix://, tcp://, http:// or https:// with a path or a host and a port")]
    NotAnAddress(String),
    #[error("InsecureSkipVerify: Wipam sends nothing to whom it does not know; set CAFile")]
    Insecure,
}

/// What a `.json` says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Json {
    addr: String,
    #[serde(rename = "TLSConfig")]
    tls: Option<Tls>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Tls {
    insecure_skip_verify: bool,
    #[serde(rename = "CAFile")]
    ca_file: PathBuf,
    cert_file: PathBuf,
    key_file: PathBuf,
}

/// Where the plugin `name` may be, in the order in which Docker looks: sockets
/// before what is written in files. `tell` hears of files that say nothing.
pub(super) fn targets<'a>(
    granted: &'a PluginGrant,
    name: &'a str,
    tell: impl Fn(&Path, BadSpec) + 'a,
) -> impl Iterator<Item = Target> + 'a {
    let in_both = move |directory: &Path, kind: &str| {
        let file = format!("{name}.{kind}");
        [directory.join(&file), directory.join(name).join(&file)]
    };
    let sockets = granted.sockets.iter().flat_map(move |directory| in_both(directory, "sock"));
    let is_socket = |path: &PathBuf| path.metadata().is_ok_and(|it| it.file_type().is_socket());
    let written = granted.specs.iter().flat_map(move |directory| {
        ["spec", "json"].into_iter().flat_map(move |kind| in_both(directory, kind))
    });
    let written = written.filter(|path| path.is_file()).filter_map(move |path| {
        let is_json = path.extension().is_some_and(|kind| kind == "json");
        let target = text(&path).and_then(|text| if is_json { json(&text) } else { spec(&text) });
        target.map_err(|why| tell(&path, why)).ok()
    });
    let sockets = sockets.filter(is_socket);
    sockets.map(Target::Unix).chain(written)
}

fn text(path: &Path) -> Result<String, BadSpec> {
    let bytes = read_regular(path, SPEC_BYTES)?;
    String::from_utf8(bytes)
        .map_err(|error| BadSpec::Unreadable(io::Error::new(ErrorKind::InvalidData, error)))
}

fn spec(text: &str) -> Result<Target, BadSpec> {
    address(text.trim(), || Ok(tls::MACHINE.clone()))
}

fn json(text: &str) -> Result<Target, BadSpec> {
    let json: Json = serde_json::from_str(text)?;
    let tls = json.tls.unwrap_or_default();
    if tls.insecure_skip_verify {
        return Err(BadSpec::Insecure);
    }
    let set = |path: &'_ Path| !path.as_os_str().is_empty();
    let authorities = Some(&*tls.ca_file).filter(|path| set(path));
    let identity =
        (set(&tls.cert_file) || set(&tls.key_file)).then_some((&*tls.cert_file, &*tls.key_file));
    address(&json.addr, || Ok(tls::of_files(authorities, identity)?))
}

/// Reads what Docker reads: the path of a URL that has a host means nothing.
fn address(
    text: &str,
    tls: impl FnOnce() -> Result<Arc<ClientConfig>, BadSpec>,
) -> Result<Target, BadSpec> {
    let bad = || BadSpec::NotAnAddress(text.chars().take(256).collect());
    let (scheme, rest) = text.split_once("://").ok_or_else(bad)?;
    if scheme == "unix" {
        let path = Path::new(rest);
        return if path.is_absolute() { Ok(Target::Unix(path.to_owned())) } else { Err(bad()) };
    }
    let authority: http::uri::Authority =
        rest.split('/').next().and_then(|it| it.parse().ok()).ok_or_else(bad)?;
    let usual = match scheme {
        "tcp" => None,
        "http" => Some(80),
        "https" => Some(443),
        _ => return Err(bad()),
    };
    let host = authority.host();
    // With somebody's name before the host, it is no beginning.
    let after = authority.as_str().strip_prefix(host).filter(|_| !host.is_empty());
    let port = match after.ok_or_else(bad)? {
        "" => usual,
        port => port.strip_prefix(':').and_then(|port| port.parse().ok()),
    };
    let port = port.ok_or_else(bad)?;
    if !host.starts_with('[') && !is_host(host) {
        return Err(bad());
    }
    let tls = if scheme == "https" { Some(tls()?) } else { None };
    Ok(Target::Tcp { host: host.to_owned(), port, tls })
}

#[cfg(test)]
mod tests {
    use super::{Target, json, spec, targets};
    use crate::PluginGrant;
    use std::{cell::RefCell, fs, os::unix::net::UnixListener, path::Path};

    fn shown(target: &Target) -> String {
        match target {
            Target::Unix(path) => format!("unix {}", path.display()),
            Target::Tcp { host, port, tls } => {
                format!("{} {host} {port}", if tls.is_some() { "tls" } else { "tcp" })
            }
        }
    }

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        assert_eq!(spec(text).ok().map(|target| shown(&target)).as_deref(), want, "{text}");
    }

    #[test]
    fn a_spec_is_one_url() {
        check("unix:///run/lab.sock\n", Some("unix /run/lab.sock"));
        check(" tcp://127.0.0.1:8080 ", Some("tcp 127.0.0.1 8080"));
        check("tcp://[::1]:8080/x", Some("tcp [::1] 8080"));
        check("http://lab.example", Some("tcp lab.example 80"));
        check("https://lab.example/api", Some("tls lab.example 443"));
        check("https://lab.example:8443", Some("tls lab.example 8443"));
        for text in [
            "",
            "lab.sock",
            "/run/lab.sock",
            "unix://lab.sock",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:x",
            "tcp://:1",
            "http://a:99999",
            "http://me@lab.example",
            "ftp://lab.example",
            "http://",
            "tcp://a:1\ntcp://b:1",
            "tcp://010.0.0.1:1",
            "tcp://10.1:1",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_json_says_where_and_whom_to_trust() {
        for (text, want) in [
            (r#"{"Name":"x","Addr":"tcp://127.0.0.1:1"}"#, Ok("tcp 127.0.0.1 1")),
            (r#"{"Addr":"https://a:1","TLSConfig":null}"#, Ok("tls a 1")),
            (r#"{"Addr":"https://a:1","TLSConfig":{"CAFile":""}}"#, Ok("tls a 1")),
            (r#"{"Addr":"tcp://a:1","TLSConfig":{"CAFile":"/none"}}"#, Ok("tcp a 1")),
            (r#"{"Addr":"https://a:1","TLSConfig":{"CAFile":"/none"}}"#, Err("/none")),
            (r#"{"Addr":"https://a:1","TLSConfig":{"KeyFile":"/none"}}"#, Err("cannot read")),
            (
                r#"{"Addr":"https://a:1","TLSConfig":{"InsecureSkipVerify":true}}"#,
                Err("InsecureSkipVerify"),
            ),
            (r#"{"Name":"x"}"#, Err("Addr")),
            ("unix:///x", Err("it is not {")),
        ] {
            let got = json(text);
            match want {
                Ok(want) => assert_eq!(shown(&got.expect(text)), want, "{text}"),
                Err(words) => {
                    let why = got.map(|target| shown(&target)).unwrap_err().to_string();
                    assert!(why.contains(words), "{text}: {why}");
                }
            }
        }
    }

    #[test]
    fn sockets_come_before_specs_and_those_before_json() {
        let root = tempfile::tempdir().expect("a directory");
        let dirs = ["run", "etc", "lib"].map(|name| root.path().join(name));
        for directory in &dirs {
            fs::create_dir_all(directory.join("lab")).expect("a directory");
        }
        let [run, etc, lib] = &dirs;
        let granted = PluginGrant {
            sockets: vec![run.clone()],
            specs: vec![etc.clone(), lib.clone()],
            ..PluginGrant::default()
        };
        let said = RefCell::new(Vec::new());
        let found = || {
            let tell = |file: &Path, _| said.borrow_mut().push(file.to_owned());
            targets(&granted, "lab", tell).map(|target| shown(&target)).collect::<Vec<_>>()
        };
        assert!(found().is_empty());
        fs::write(lib.join("lab.spec"), "tcp://lib:1").expect("a file");
        fs::write(etc.join("lab/lab.json"), r#"{"Addr":"tcp://etc-json:1"}"#).expect("a file");
        fs::write(etc.join("lab/lab.spec"), "tcp://etc-spec:1").expect("a file");
        fs::write(etc.join("other.spec"), "tcp://other:1").expect("a file");
        // A file is no socket, a directory is no file, nonsense is passed over.
        fs::write(run.join("lab.sock"), "").expect("a file");
        fs::create_dir(lib.join("lab.json")).expect("a directory");
        fs::write(etc.join("lab.spec"), "lab").expect("a file");
        // Nor is anything read that is too long, even if it begins well.
        let long = format!("tcp://etc:1\n{}", " ".repeat(64 << 10));
        fs::write(etc.join("lab.json"), long).expect("a file");
        let _listener = UnixListener::bind(run.join("lab/lab.sock")).expect("a socket");
        let socket = format!("unix {}", run.join("lab/lab.sock").display());
        assert_eq!(found(), [&*socket, "tcp etc-spec 1", "tcp etc-json 1", "tcp lib 1"]);
        assert_eq!(*said.borrow(), [etc.join("lab.spec"), etc.join("lab.json")]);
    }
}
